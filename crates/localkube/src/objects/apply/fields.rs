//! Sets of fields, as `metadata.managedFields[].fieldsV1` writes them: a trie whose steps are
//! `f:<field>`, `k:<keys of a list item>` and `v:<value of a set>`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::objects::schema::{ListKind, Type};

/// A set of paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    /// Whether the path that ends here is in the set.
    pub member: bool,
    /// What goes on from here.
    pub children: BTreeMap<String, FieldSet>,
}

impl FieldSet {
    /// The set of this path alone.
    pub fn leaf() -> Self {
        Self {
            member: true,
            children: BTreeMap::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        !self.member && self.children.values().all(FieldSet::is_empty)
    }

    /// Put a set below a step, unless it is empty.
    pub fn insert(&mut self, step: String, fields: FieldSet) {
        if !fields.is_empty() {
            self.children.insert(step, fields);
        }
    }

    pub fn union(&mut self, other: &FieldSet) {
        self.member |= other.member;
        for (step, fields) in &other.children {
            self.children.entry(step.clone()).or_default().union(fields);
        }
    }

    pub fn difference(&self, other: &FieldSet) -> FieldSet {
        self.combine(other, |a, b| a && !b)
    }

    pub fn intersection(&self, other: &FieldSet) -> FieldSet {
        self.combine(other, |a, b| a && b)
    }

    fn combine(&self, other: &FieldSet, member: fn(bool, bool) -> bool) -> FieldSet {
        static NOTHING: FieldSet = FieldSet {
            member: false,
            children: BTreeMap::new(),
        };
        let mut result = FieldSet {
            member: member(self.member, other.member),
            children: BTreeMap::new(),
        };
        for (step, fields) in &self.children {
            let others = other.children.get(step).unwrap_or(&NOTHING);
            result.insert(step.clone(), fields.combine(others, member));
        }
        result
    }

    /// Every field that a value sets: leaves, items of lists and entries of maps.
    pub fn of(type_: Type<'_>, value: &Value) -> Self {
        if type_.is_leaf(value) {
            return Self::leaf();
        }
        let mut set = Self::default();
        match value {
            Value::Object(map) => {
                for (name, value) in map {
                    let mut fields = Self::of(type_.field(name), value);
                    let empty = value.as_object().is_some_and(Map::is_empty);
                    fields.member |= empty || !type_.names(name);
                    set.insert(format!("f:{name}"), fields);
                }
            }
            Value::Array(items) => {
                for item in items {
                    let mut fields = Self::of(type_.items(), item);
                    fields.member = true;
                    if let Some(step) = step_of(type_, item) {
                        set.insert(step, fields);
                    }
                }
            }
            _ => {}
        }
        set
    }

    /// From `fieldsV1`.
    pub fn from_json(json: &Value) -> Self {
        let mut set = Self::default();
        for (step, fields) in json.as_object().into_iter().flatten() {
            if step == "." {
                set.member = true;
            } else if fields.as_object().is_none_or(Map::is_empty) {
                set.children.insert(step.clone(), Self::leaf());
            } else {
                set.children.insert(step.clone(), Self::from_json(fields));
            }
        }
        set
    }

    /// As `fieldsV1`.
    pub fn to_json(&self) -> Value {
        let mut json = Map::new();
        if self.member && !self.children.is_empty() {
            json.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (step, fields) in &self.children {
            json.insert(step.clone(), fields.to_json());
        }
        Value::Object(json)
    }

    /// Every path, as conflict messages write it: `.spec.containers[name="web"].image`.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths("", &mut paths);
        paths
    }

    fn collect_paths(&self, path: &str, paths: &mut Vec<String>) {
        if self.member {
            paths.push(path.to_owned());
        }
        for (step, fields) in &self.children {
            let next = match step.split_once(':') {
                Some(("f", name)) => format!("{path}.{name}"),
                Some(("k", keys)) => {
                    let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                    let keys: Vec<String> = keys
                        .iter()
                        .map(|(key, value)| format!("{key}={value}"))
                        .collect();
                    format!("{path}[{}]", keys.join(","))
                }
                Some(("v", value)) => format!("{path}[={value}]"),
                _ => format!("{path}[{step}]"),
            };
            fields.collect_paths(&next, paths);
        }
    }
}

/// The step to an item of a list that is owned by item; none where its keys are missing.
pub(crate) fn step_of(list: Type<'_>, item: &Value) -> Option<String> {
    match list.list_kind() {
        ListKind::Atomic => None,
        ListKind::Set => Some(format!("v:{item}")),
        ListKind::Map(keys) => {
            let mut sorted: BTreeMap<String, Value> = BTreeMap::new();
            sorted.extend(list.item_key(keys, item)?);
            let keys: Vec<String> = sorted
                .iter()
                .map(|(key, value)| format!("{}:{value}", Value::from(key.as_str())))
                .collect();
            Some(format!("k:{{{}}}", keys.join(",")))
        }
    }
}
