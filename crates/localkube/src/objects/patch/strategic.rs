//! Strategic merge patch: a merge patch that merges lists by the key that the schema names.
//!
//! Source of the rules: sig-api-machinery's strategic-merge-patch.md and the `strategicpatch`
//! package of apimachinery.

use serde_json::{Map, Value};

use crate::objects::error::ApiError;
use crate::objects::schema::{Form, Type};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_PREFIX: &str = "$deleteFromPrimitiveList/";
const ORDER_PREFIX: &str = "$setElementOrder/";

/// Patch a value in place.
pub(super) fn apply(type_: Type<'_>, value: &mut Value, patch: &Value) -> Result<(), ApiError> {
    let Value::Object(patch) = patch else {
        *value = patch.clone();
        return Ok(());
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(target) = value else {
        return Ok(());
    };
    match patch.get(DIRECTIVE).and_then(Value::as_str) {
        Some("replace") => {
            *target = patch.clone();
            target.remove(DIRECTIVE);
            return Ok(());
        }
        Some("delete") => {
            target.clear();
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(unknown_directive(other)),
    }
    if let Some(retained) = patch.get(RETAIN_KEYS) {
        let retained: Vec<&str> = retained
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        target.retain(|name, _| retained.contains(&name.as_str()));
    }
    for (name, change) in patch {
        if name == DIRECTIVE || name == RETAIN_KEYS {
            continue;
        }
        if let Some(list) = name.strip_prefix(ORDER_PREFIX) {
            // Lists that the patch changes too are put in order with the change.
            if !patch.contains_key(list)
                && let (Some(Value::Array(items)), Some(order)) =
                    (target.get_mut(list), change.as_array())
            {
                let server = items.clone();
                sort(
                    items,
                    order,
                    &server,
                    merge_key(type_.field(list)).unwrap_or_default(),
                );
            }
        } else if let Some(list) = name.strip_prefix(DELETE_PREFIX) {
            remove_scalars(target.get_mut(list), change);
        } else if change.is_null() {
            target.remove(name);
        } else {
            let field = type_.field(name);
            match (merge_key(field), change) {
                (Some(key), Value::Array(change)) => {
                    let order = patch.get(&format!("{ORDER_PREFIX}{name}"));
                    let order = order.and_then(Value::as_array).unwrap_or(change);
                    let live = target
                        .entry(name.clone())
                        .or_insert_with(|| Value::Array(vec![]));
                    patch_list(field, key, live, change, order)?;
                }
                (None, Value::Array(_)) => {
                    target.insert(name.clone(), change.clone());
                }
                _ => apply(
                    field,
                    target.entry(name.clone()).or_insert(Value::Null),
                    change,
                )?,
            }
        }
    }
    Ok(())
}

fn merge_key(type_: Type<'_>) -> Option<&str> {
    match &type_.node().form {
        Form::List(list) => list.merge_key.as_deref(),
        _ => None,
    }
}

fn patch_list(
    type_: Type<'_>,
    key: &str,
    live: &mut Value,
    change: &[Value],
    order: &[Value],
) -> Result<(), ApiError> {
    if !live.is_array() {
        *live = Value::Array(Vec::new());
    }
    let Value::Array(live) = live else {
        return Ok(());
    };
    let server = live.clone();
    let directive = |item: &Value| {
        item.get(DIRECTIVE)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    if change
        .iter()
        .any(|item| directive(item).as_deref() == Some("replace"))
    {
        *live = change
            .iter()
            .filter(|item| directive(item).is_none())
            .cloned()
            .collect();
        return Ok(());
    }
    for item in change {
        if key.is_empty() {
            if !live.contains(item) {
                live.push(item.clone());
            }
            continue;
        }
        let Some(id) = item.get(key) else {
            return Err(ApiError::BadRequest(format!(
                "map: {item} does not contain declared merge key: {key}"
            )));
        };
        let position = live
            .iter()
            .position(|candidate| candidate.get(key) == Some(id));
        match (directive(item).as_deref(), position) {
            (Some("delete"), _) => live.retain(|candidate| candidate.get(key) != Some(id)),
            (Some("merge") | None, Some(index)) => apply(type_.items(), &mut live[index], item)?,
            (Some("merge") | None, None) => {
                let mut new = Value::Null;
                apply(type_.items(), &mut new, item)?;
                live.push(new);
            }
            (Some(other), _) => return Err(unknown_directive(other)),
        }
    }
    sort(live, order, &server, key);
    Ok(())
}

fn remove_scalars(live: Option<&mut Value>, gone: &Value) {
    if let (Some(Value::Array(live)), Some(gone)) = (live, gone.as_array()) {
        live.retain(|item| !gone.contains(item));
    }
}

/// Put the items that `order` names in its order. The others keep their place among those that
/// the server had (`server`), and come after those that are new.
fn sort(items: &mut Vec<Value>, order: &[Value], server: &[Value], key: &str) {
    let id = |item: &Value| match key {
        "" => item.clone(),
        key => item[key].clone(),
    };
    let place = |list: &[Value], item: &Value| list.iter().position(|other| id(other) == id(item));
    let (mut named, others): (Vec<Value>, Vec<Value>) = std::mem::take(items)
        .into_iter()
        .partition(|item| place(order, item).is_some());
    named.sort_by_key(|item| place(order, item));
    let mut others = others.into_iter().peekable();
    for item in named {
        let own = place(server, &item);
        while let Some(other) = others.next_if(|other| own.is_some() && place(server, other) < own)
        {
            items.push(other);
        }
        items.push(item);
    }
    items.extend(others);
}

fn unknown_directive(directive: &str) -> ApiError {
    ApiError::BadRequest(format!("unknown patch type: {directive}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::objects::schema::built_in;

    fn patched(spec: Value, patch: Value) -> Value {
        let schema = built_in("", "Pod");
        let mut pod = json!({ "spec": spec });
        apply(schema.root(), &mut pod, &json!({ "spec": patch })).unwrap();
        pod["spec"].take()
    }

    #[test]
    fn lists_with_a_merge_key_are_merged_by_it() {
        let spec = patched(
            json!({ "containers": [{ "name": "a", "image": "1", "args": ["x"] }, { "name": "b" }] }),
            json!({ "containers": [{ "name": "a", "args": ["y", "z"] }, { "name": "c" }] }),
        );
        let expected = json!([{ "name": "a", "image": "1", "args": ["y", "z"] }, { "name": "c" }, { "name": "b" }]);
        assert_eq!(spec["containers"], expected);
    }

    #[test]
    fn directives_delete_and_replace() {
        let spec = json!({ "containers": [{ "name": "a" }, { "name": "b" }], "nodeSelector": { "x": "y" } });
        let patch =
            json!({ "containers": [{ "name": "a", "$patch": "delete" }], "nodeSelector": null });
        assert_eq!(
            patched(spec.clone(), patch),
            json!({ "containers": [{ "name": "b" }] })
        );
        let patch = json!({ "containers": [{ "$patch": "replace" }, { "name": "z" }] });
        assert_eq!(
            patched(spec.clone(), patch)["containers"],
            json!([{ "name": "z" }])
        );
        let patch = json!({ "nodeSelector": { "$patch": "replace", "n": "m" } });
        assert_eq!(patched(spec, patch)["nodeSelector"], json!({ "n": "m" }));
    }

    #[test]
    fn retain_keys_and_element_order_are_followed() {
        let spec = json!({ "volumes": [{ "name": "v", "emptyDir": {} }], "containers": [{ "name": "s" }, { "name": "a" }, { "name": "b" }] });
        let patch = json!({
            "volumes": [{ "name": "v", "secret": { "secretName": "s" }, "$retainKeys": ["name", "secret"] }],
            "$setElementOrder/containers": [{ "name": "b" }, { "name": "a" }],
        });
        let result = patched(spec, patch);
        assert_eq!(
            result["volumes"],
            json!([{ "name": "v", "secret": { "secretName": "s" } }])
        );
        assert_eq!(
            result["containers"],
            json!([{ "name": "s" }, { "name": "b" }, { "name": "a" }])
        );
    }

    #[test]
    fn scalars_of_a_merged_list_are_added_and_removed() {
        let schema = built_in("", "Pod");
        let mut pod = json!({ "metadata": { "finalizers": ["a", "b"] } });
        let patch = json!({ "metadata": { "finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"] } });
        apply(schema.root(), &mut pod, &patch).unwrap();
        assert_eq!(pod["metadata"]["finalizers"], json!(["c", "b"]));
    }

    #[test]
    fn a_list_item_without_its_merge_key_is_refused() {
        let schema = built_in("", "Pod");
        let patch = json!({ "spec": { "containers": [{ "image": "x" }] } });
        assert!(apply(schema.root(), &mut json!({}), &patch).is_err());
    }
}
