//! Merging, comparing and pruning values along their schema, as the structured-merge-diff library
//! of Kubernetes defines it.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::fields::{FieldSet, step_of};
use crate::objects::schema::Type;

/// Put an applied configuration over the live value: scalars and atomic values are replaced,
/// maps merge by key and lists by item.
pub(crate) fn merge(type_: Type<'_>, live: &Value, config: &Value) -> Value {
    if type_.is_leaf(config) {
        return config.clone();
    }
    match (live, config) {
        (Value::Object(live), Value::Object(config)) => {
            let mut merged = live.clone();
            for (name, value) in config {
                let below = live.get(name).unwrap_or(&Value::Null);
                merged.insert(name.clone(), merge(type_.field(name), below, value));
            }
            Value::Object(merged)
        }
        (Value::Array(live), Value::Array(config)) => Value::Array(merge_list(type_, live, config)),
        _ => config.clone(),
    }
}

/// Items that both have stand in the order of the configuration; those of the live list alone
/// keep their place among them, and come first where nothing is said.
fn merge_list(type_: Type<'_>, live: &[Value], config: &[Value]) -> Vec<Value> {
    let steps = |items: &[Value]| -> Vec<Option<String>> {
        items.iter().map(|item| step_of(type_, item)).collect()
    };
    let (live_steps, config_steps) = (steps(live), steps(config));
    let by_step: HashMap<&String, &Value> = live_steps
        .iter()
        .zip(live)
        .filter_map(|(step, item)| Some((step.as_ref()?, item)))
        .collect();
    let applied: BTreeSet<&String> = config_steps.iter().flatten().collect();
    let mut shared = config_steps
        .iter()
        .flatten()
        .filter(|step| by_step.contains_key(step));
    let mut next_shared = shared.next();
    let mut merged = Vec::with_capacity(live.len().max(config.len()));
    let mut live = live_steps.iter().zip(live).peekable();
    for (step, item) in config_steps.iter().zip(config) {
        // The live list goes ahead up to the next shared item, leaving its own items behind; a
        // shared one is passed over where the configuration has it elsewhere.
        while let Some(&(live_step, value)) = live.peek() {
            match live_step.as_ref().filter(|step| applied.contains(step)) {
                None => merged.push(value.clone()),
                Some(_) if live_step == step => {
                    live.next();
                    break;
                }
                Some(live_step) if Some(live_step) == next_shared => break,
                Some(_) => {}
            }
            live.next();
        }
        let below = step.as_ref().and_then(|step| by_step.get(step).copied());
        merged.push(merge(type_.items(), below.unwrap_or(&Value::Null), item));
        if step.is_some() && step.as_ref() == next_shared {
            next_shared = shared.next();
        }
    }
    merged.extend(
        live.filter(|(step, _)| !step.as_ref().is_some_and(|step| applied.contains(step)))
            .map(|(_, value)| value.clone()),
    );
    merged
}

/// What changed between two values.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// Fields that are new or have another value.
    pub changed: FieldSet,
    /// Fields that are gone.
    pub removed: FieldSet,
}

/// Compare two values; absent is none.
pub(crate) fn compare(
    type_: Type<'_>,
    before: Option<&Value>,
    after: Option<&Value>,
) -> Difference {
    let mut difference = Difference::default();
    if before == after {
        return difference;
    }
    let leaf = |value: Option<&Value>| value.is_none_or(|value| type_.is_leaf(value));
    let empty = |value: Option<&Value>| match value {
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(list)) => list.is_empty(),
        Some(_) => false,
        None => true,
    };
    let same_form = match (before, after) {
        (Some(before), Some(after)) => before.is_object() == after.is_object(),
        _ => true,
    };
    let descend = same_form && !(leaf(before) && leaf(after)) && !(empty(before) && empty(after));
    if descend {
        compare_children(type_, before, after, &mut difference);
    }
    match (before, after) {
        (None, Some(_)) => difference.changed.member = true,
        (Some(_), None) => difference.removed.member = true,
        (Some(_), Some(_)) if !descend => difference.changed.member = true,
        _ => {}
    }
    difference
}

fn compare_children(
    type_: Type<'_>,
    before: Option<&Value>,
    after: Option<&Value>,
    difference: &mut Difference,
) {
    let mut child = |step: String, type_: Type<'_>, before, after| {
        let below = compare(type_, before, after);
        difference.changed.insert(step.clone(), below.changed);
        difference.removed.insert(step, below.removed);
    };
    let (old, new) = (
        before.and_then(Value::as_object),
        after.and_then(Value::as_object),
    );
    let names: BTreeSet<&String> = old.into_iter().chain(new).flat_map(Map::keys).collect();
    for name in names {
        let before = old.and_then(|map| map.get(name));
        let after = new.and_then(|map| map.get(name));
        child(format!("f:{name}"), type_.field(name), before, after);
    }
    let index = |value: Option<&'_ Value>| -> HashMap<String, Value> {
        value
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|item| Some((step_of(type_, item)?, item.clone())))
            .collect()
    };
    let (old, new) = (index(before), index(after));
    let steps: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for step in steps {
        child(step.clone(), type_.items(), old.get(step), new.get(step));
    }
}

/// Remove what its manager applied last time (`last`) and nobody holds now (`kept`: all sets of
/// all managers together, the manager's new one included).
pub(crate) fn remove_unowned(type_: Type<'_>, value: &mut Value, last: &FieldSet, kept: &FieldSet) {
    let nothing = FieldSet::default();
    // Whether the child of a step goes altogether; a struct counts as held while a field of it is.
    let goes = |step: &String, named: bool| {
        let held = |set: &FieldSet| {
            set.children
                .get(step)
                .is_some_and(|fields| fields.member || (named && !fields.is_empty()))
        };
        held(last) && !held(kept)
    };
    match value {
        Value::Object(map) => {
            map.retain(|name, value| {
                let step = format!("f:{name}");
                if goes(&step, type_.names(name)) {
                    return false;
                }
                if let Some(last) = last.children.get(&step) {
                    let kept = kept.children.get(&step).unwrap_or(&nothing);
                    let was_empty = is_empty(value);
                    remove_unowned(type_.field(name), value, last, kept);
                    return was_empty || !is_empty(value) || kept.member;
                }
                true
            });
        }
        Value::Array(items) => {
            items.retain_mut(|item| {
                let Some(step) = step_of(type_, item) else {
                    return true;
                };
                if goes(&step, false) {
                    return false;
                }
                if let Some(last) = last.children.get(&step) {
                    let kept = kept.children.get(&step).unwrap_or(&nothing);
                    remove_unowned(type_.items(), item, last, kept);
                }
                true
            });
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}
