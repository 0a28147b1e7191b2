//! Bringing objects into the shape of their schema: unknown fields out, defaults in, types checked.

use serde_json::Value;

use super::{Form, ListKind, Scalar, Type};
use crate::objects::error::Cause;

/// Remove fields that the schema does not know; returns their paths. Nulls go too where the type
/// does not allow them, as Kubernetes drops them when it decodes.
pub(crate) fn prune(type_: Type<'_>, value: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    prune_at(type_, value, "", &mut unknown);
    unknown
}

fn prune_at(type_: Type<'_>, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
    match (&type_.node().form, value) {
        (Form::Object(form), Value::Object(map)) => {
            map.retain(|name, value| {
                let known = form.entries.is_some()
                    || form.preserve_unknown
                    || form.fields.contains_key(name);
                if !known {
                    unknown.push(join(path, name));
                    return false;
                }
                let field = type_.field(name);
                if value.is_null() && !field.node().nullable {
                    return false;
                }
                prune_at(field, value, &join(path, name), unknown);
                true
            });
        }
        (Form::List(_), Value::Array(list)) => {
            for (index, item) in list.iter_mut().enumerate() {
                prune_at(type_.items(), item, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Fill absent fields that have a default, at every level that is present.
pub(crate) fn fill_defaults(type_: Type<'_>, value: &mut Value) {
    match (&type_.node().form, value) {
        (Form::Object(form), Value::Object(map)) => {
            for (name, &index) in &form.fields {
                if map.contains_key(name) {
                    continue;
                }
                if let Some(default) = &type_.at(index).node().default {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in map.iter_mut() {
                fill_defaults(type_.field(name), value);
            }
        }
        (Form::List(_), Value::Array(list)) => {
            for item in list {
                fill_defaults(type_.items(), item);
            }
        }
        _ => {}
    }
}

/// Every value whose type is not the schema's.
pub(crate) fn check_types(type_: Type<'_>, value: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    check_at(type_, value, "", &mut causes);
    causes
}

fn check_at(type_: Type<'_>, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let node = type_.node();
    if value.is_null() {
        return;
    }
    let wanted = match (&node.form, value) {
        (Form::Any, _) => return,
        (Form::Object(_), Value::Object(map)) => {
            for (name, value) in map {
                check_at(type_.field(name), value, &join(path, name), causes);
            }
            return;
        }
        (Form::List(_), Value::Array(list)) => {
            for (index, item) in list.iter().enumerate() {
                check_at(type_.items(), item, &format!("{path}[{index}]"), causes);
            }
            return;
        }
        (Form::Scalar(Scalar::String), Value::String(_))
        | (Form::Scalar(Scalar::Number), Value::Number(_))
        | (Form::Scalar(Scalar::Boolean), Value::Bool(_))
        | (Form::Scalar(Scalar::IntOrString), Value::String(_) | Value::Number(_)) => return,
        (Form::Scalar(Scalar::Integer), Value::Number(number)) if is_integer(number) => return,
        (Form::Object(_), _) => "object",
        (Form::List(_), _) => "array",
        (Form::Scalar(Scalar::String), _) => "string",
        (Form::Scalar(Scalar::Integer), _) => "integer",
        (Form::Scalar(Scalar::Number), _) => "number",
        (Form::Scalar(Scalar::Boolean), _) => "boolean",
        (Form::Scalar(Scalar::IntOrString), _) => "integer or string",
    };
    causes.push(Cause {
        reason: "FieldValueTypeInvalid",
        field: path.to_owned(),
        message: format!("Invalid value: {value}: must be of type {wanted}"),
    });
}

/// Every required field that is absent from a built-in object.
pub(crate) fn missing_fields(type_: Type<'_>, value: &Value, path: &str) -> Vec<Cause> {
    // Kubernetes' OpenAPI calls these required; its server takes their zero value instead.
    const OPTIONAL: [&str; 2] = ["podSelector", "holderIdentity"];
    let mut causes = Vec::new();
    match (&type_.node().form, value) {
        (Form::Object(form), Value::Object(map)) => {
            for name in &form.required {
                if map.get(name).is_none_or(Value::is_null) && !OPTIONAL.contains(&name.as_str()) {
                    causes.push(Cause::required(join(path, name), ""));
                }
            }
            for (name, value) in map {
                causes.extend(missing_fields(type_.field(name), value, &join(path, name)));
            }
        }
        (Form::List(_), Value::Array(list)) => {
            for (index, item) in list.iter().enumerate() {
                causes.extend(missing_fields(
                    type_.items(),
                    item,
                    &format!("{path}[{index}]"),
                ));
            }
        }
        _ => {}
    }
    causes
}

/// Every item of a set or of a list with keys that is there twice.
pub(crate) fn repeated_items(type_: Type<'_>, value: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                causes.extend(repeated_items(type_.field(name), value, &join(path, name)));
            }
        }
        Value::Array(list) => {
            let mut seen = Vec::new();
            for (index, item) in list.iter().enumerate() {
                let path = format!("{path}[{index}]");
                let key = match type_.list_kind() {
                    ListKind::Atomic => None,
                    ListKind::Set => Some(item.clone()),
                    ListKind::Map(keys) => type_.item_key(keys, item).map(Value::Object),
                };
                match key {
                    Some(key) if seen.contains(&key) => causes.push(Cause {
                        reason: "FieldValueDuplicate",
                        field: path.clone(),
                        message: format!("Duplicate value: {key}"),
                    }),
                    Some(key) => seen.push(key),
                    None => {}
                }
                causes.extend(repeated_items(type_.items(), item, &path));
            }
        }
        _ => {}
    }
    causes
}

fn is_integer(number: &serde_json::Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|float| float.fract() == 0.0)
}

pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
