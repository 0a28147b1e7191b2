//! Reading OpenAPI schemas.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Form, ListForm, ListKind, Node, ObjectForm, Scalar, Schema};

const REFERENCE: &str = "#/components/schemas/";
pub(super) const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Reads schemas into one table of types.
pub(super) struct Parser<'a> {
    definitions: &'a Map<String, Value>,
    types: Vec<Node>,
    named: HashMap<&'a str, usize>,
    /// Built-in schemas say `type: object` of free-form JSON; structural ones of an empty struct.
    built_in: bool,
}

impl<'a> Parser<'a> {
    pub fn new(definitions: &'a Map<String, Value>) -> Self {
        Self {
            definitions,
            types: vec![Node::of(Form::Any)],
            named: HashMap::new(),
            built_in: true,
        }
    }

    pub fn finish(self) -> Arc<Vec<Node>> {
        Arc::new(self.types)
    }

    fn add(&mut self, node: Node) -> usize {
        self.types.push(node);
        self.types.len() - 1
    }

    /// The type of a definition, parsed when first asked for.
    pub fn named(&mut self, name: &str) -> usize {
        let Some((name, schema)) = self.definitions.get_key_value(name) else {
            return 0;
        };
        if let Some(&index) = self.named.get(name.as_str()) {
            return index;
        }
        // Taken before the definition is read, since definitions refer to themselves.
        let index = self.add(Node::of(Form::Any));
        self.named.insert(name, index);
        let built_in = std::mem::replace(&mut self.built_in, true);
        let node = self.node(schema);
        self.built_in = built_in;
        self.types[index] = node;
        index
    }

    fn parse(&mut self, schema: &Value) -> usize {
        let reference = schema["$ref"]
            .as_str()
            .or_else(|| schema["allOf"][0]["$ref"].as_str());
        let Some(name) = reference.and_then(|reference| reference.strip_prefix(REFERENCE)) else {
            let node = self.node(schema);
            return self.add(node);
        };
        let index = self.named(name);
        // What is said beside the reference belongs to this use of the type alone.
        let own = ["default", "x-kubernetes-map-type"];
        if !own.iter().any(|key| schema.get(key).is_some()) {
            return index;
        }
        let mut node = self.types[index].clone();
        annotate(&mut node, schema);
        self.add(node)
    }

    fn node(&mut self, schema: &Value) -> Node {
        let flag = |name: &str| schema[name].as_bool().unwrap_or_default();
        let preserve_unknown = flag("x-kubernetes-preserve-unknown-fields");
        let form = if flag("x-kubernetes-int-or-string") {
            Form::Scalar(Scalar::IntOrString)
        } else {
            match schema["type"].as_str() {
                Some("string") => Form::Scalar(Scalar::String),
                Some("integer") => Form::Scalar(Scalar::Integer),
                Some("number") => Form::Scalar(Scalar::Number),
                Some("boolean") => Form::Scalar(Scalar::Boolean),
                Some("array") => {
                    let items = self.parse(&schema["items"]);
                    Form::List(list_form(items, schema))
                }
                Some("object") => self.object(schema, preserve_unknown),
                _ => Form::Any,
            }
        };
        let mut node = Node::of(form);
        node.nullable = flag("nullable");
        node.embedded = flag("x-kubernetes-embedded-resource");
        if node.embedded {
            self.make_object(&mut node.form);
        }
        annotate(&mut node, schema);
        node
    }

    fn object(&mut self, schema: &Value, preserve_unknown: bool) -> Form {
        let properties = schema["properties"].as_object();
        let entries = match &schema["additionalProperties"] {
            Value::Object(entries) => Some(self.parse(&Value::Object(entries.clone()))),
            Value::Bool(true) => Some(0),
            _ => None,
        };
        let known =
            properties.is_some_and(|properties| !properties.is_empty()) || entries.is_some();
        if !known && (self.built_in || preserve_unknown) {
            return Form::Any;
        }
        let mut fields = std::collections::BTreeMap::new();
        for (name, property) in properties.into_iter().flatten() {
            fields.insert(name.clone(), self.parse(property));
        }
        let required = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        Form::Object(ObjectForm {
            fields,
            entries,
            required,
            preserve_unknown,
            ..ObjectForm::default()
        })
    }

    /// Give an object the fields that every Kubernetes object has.
    fn make_object(&mut self, form: &mut Form) {
        if let Form::Any = form {
            *form = Form::Object(ObjectForm {
                preserve_unknown: true,
                ..ObjectForm::default()
            });
        }
        let text = self.add(Node::of(Form::Scalar(Scalar::String)));
        let metadata = self.named(OBJECT_META);
        if let Form::Object(object) = form {
            object.fields.insert("apiVersion".to_owned(), text);
            object.fields.insert("kind".to_owned(), text);
            object.fields.insert("metadata".to_owned(), metadata);
        }
    }
}

/// The schema of a version of a CRD. `definitions` are those of the built-in kinds, for metadata.
pub(crate) fn parse_custom(open_api: &Value, definitions: &Map<String, Value>) -> Schema {
    let mut parser = Parser::new(definitions);
    parser.built_in = false;
    let mut node = parser.node(open_api);
    parser.make_object(&mut node.form);
    let root = parser.add(node);
    Schema {
        types: parser.finish(),
        root,
    }
}

fn annotate(node: &mut Node, schema: &Value) {
    if let Some(default) = schema.get("default") {
        node.default = Some(default.clone());
    }
    if let Form::Object(object) = &mut node.form
        && let Some(map_type) = schema["x-kubernetes-map-type"].as_str()
    {
        object.atomic = map_type == "atomic";
    }
}

fn list_form(items: usize, schema: &Value) -> ListForm {
    let kind = match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => ListKind::Set,
        Some("map") => ListKind::Map(
            schema["x-kubernetes-list-map-keys"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|key| key.as_str().map(str::to_owned))
                .collect(),
        ),
        _ => ListKind::Atomic,
    };
    let merges = schema["x-kubernetes-patch-strategy"]
        .as_str()
        .is_some_and(|strategy| strategy.contains("merge"));
    let merge_key = merges.then(|| {
        schema["x-kubernetes-patch-merge-key"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    });
    ListForm {
        items,
        kind,
        merge_key,
    }
}
