//! What objects of a kind look like: the structure that merging, pruning, defaulting and
//! server-side apply follow. Built from OpenAPI, the same for built-in kinds (whose OpenAPI comes
//! from `k8s-openapi`) and for custom ones (whose CRD carries it).

mod built_in;
mod conform;
mod parse;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

pub(crate) use built_in::{built_in, definition_name, definitions};
pub(crate) use conform::{check_types, fill_defaults, join, missing_fields, prune, repeated_items};
pub(crate) use parse::parse_custom;

/// The schema of a kind; cheap to clone.
#[derive(Debug, Clone)]
pub struct Schema {
    types: Arc<Vec<Node>>,
    root: usize,
}

impl Schema {
    /// The type of the object itself.
    pub(crate) fn root(&self) -> Type<'_> {
        Type {
            types: &self.types,
            index: self.root,
        }
    }
}

/// A type within a schema.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub form: Form,
    /// Whether null is a value of it.
    pub nullable: bool,
    /// What an absent field of this type becomes.
    pub default: Option<Value>,
    /// Whether it is a whole Kubernetes object within another.
    pub embedded: bool,
}

impl Node {
    fn of(form: Form) -> Self {
        Self {
            form,
            nullable: false,
            default: None,
            embedded: false,
        }
    }
}

/// The form of a type.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    /// Nothing is known: objects merge by key, lists are atomic.
    Any,
    /// A string, number or boolean.
    Scalar(Scalar),
    /// A map or struct.
    Object(ObjectForm),
    /// A list.
    List(ListForm),
}

/// Types of scalars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    String,
    Integer,
    Number,
    Boolean,
    IntOrString,
}

/// A map or struct.
#[derive(Debug, Clone, Default)]
pub(crate) struct ObjectForm {
    /// The named fields.
    pub fields: BTreeMap<String, usize>,
    /// The type of all other entries, where it is a map.
    pub entries: Option<usize>,
    /// The fields that must be there.
    pub required: Vec<String>,
    /// Keep fields that are not named.
    pub preserve_unknown: bool,
    /// Has one owner as a whole.
    pub atomic: bool,
}

/// A list.
#[derive(Debug, Clone)]
pub(crate) struct ListForm {
    pub items: usize,
    pub kind: ListKind,
    /// `patchMergeKey` of a strategic merge patch; an empty key merges a list of scalars. None:
    /// the patch replaces the list.
    pub merge_key: Option<String>,
}

/// How a list is owned and merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListKind {
    Atomic,
    Set,
    Map(Vec<String>),
}

/// A type of a schema, with the others that it refers to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Type<'a> {
    types: &'a [Node],
    index: usize,
}

/// The type of things nobody described.
static ANY: [Node; 1] = [Node {
    form: Form::Any,
    nullable: true,
    default: None,
    embedded: false,
}];

impl<'a> Type<'a> {
    /// The type of things nobody described.
    pub fn any() -> Type<'static> {
        Type {
            types: &ANY,
            index: 0,
        }
    }

    pub fn node(self) -> &'a Node {
        &self.types[self.index]
    }

    pub fn at(self, index: usize) -> Type<'a> {
        Type {
            types: self.types,
            index,
        }
    }

    /// The type of a field or entry of an object.
    pub fn field(self, name: &str) -> Type<'a> {
        match &self.node().form {
            Form::Object(object) => match object.fields.get(name).or(object.entries.as_ref()) {
                Some(&index) => self.at(index),
                None => Type::any(),
            },
            _ => Type::any(),
        }
    }

    /// Whether the object has a field of that name, as opposed to entries of a map.
    pub fn names(self, name: &str) -> bool {
        matches!(&self.node().form, Form::Object(object) if object.fields.contains_key(name))
    }

    /// The type of a list's items.
    pub fn items(self) -> Type<'a> {
        match &self.node().form {
            Form::List(list) => self.at(list.items),
            _ => Type::any(),
        }
    }

    /// How a list of this type is owned and merged.
    pub fn list_kind(self) -> &'a ListKind {
        match &self.node().form {
            Form::List(list) => &list.kind,
            _ => &ListKind::Atomic,
        }
    }

    /// Whether a value has one owner as a whole: scalars, and what the schema says is atomic.
    pub fn is_leaf(self, value: &Value) -> bool {
        match value {
            Value::Object(_) => {
                matches!(&self.node().form, Form::Object(object) if object.atomic)
            }
            Value::Array(_) => *self.list_kind() == ListKind::Atomic,
            _ => true,
        }
    }

    /// The values of a list item's keys, where all are there (or have a default).
    pub fn item_key(self, keys: &[String], item: &Value) -> Option<Map<String, Value>> {
        let items = self.items();
        keys.iter()
            .map(|key| {
                let value = match item.get(key) {
                    Some(value) => value.clone(),
                    None => items.field(key).node().default.clone()?,
                };
                Some((key.clone(), value))
            })
            .collect()
    }
}
