//! Server-side apply: which manager owns which field, and what follows from it.
//!
//! The rules are those of Kubernetes' structured-merge-diff. Fields that the node and the
//! controllers of this cluster write are not tracked: they change status and what no applier owns.

mod fields;
mod structure;

use serde_json::{Value, json};

use super::error::{ApiError, Cause};
use super::schema::Type;
use fields::FieldSet;
use structure::{compare, merge, remove_unowned};

/// Owner of what was there before the first apply.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Who writes, and what part.
#[derive(Debug, Clone)]
pub(crate) struct Manager<'a> {
    /// `fieldManager`, or the first word of the client's user agent.
    pub name: &'a str,
    /// The version that the request speaks.
    pub api_version: &'a str,
    /// The subresource; empty for the object itself.
    pub subresource: &'a str,
    /// Whether `status` is a subresource of its own.
    pub has_status: bool,
    /// The time, RFC 3339.
    pub now: &'a str,
}

/// An entry of `metadata.managedFields`.
#[derive(Debug, Clone)]
struct Entry {
    manager: String,
    operation: String,
    api_version: String,
    subresource: String,
    time: String,
    fields: FieldSet,
}

impl Entry {
    fn is(&self, manager: &Manager<'_>, operation: &str) -> bool {
        self.manager == manager.name
            && self.operation == operation
            && self.subresource == manager.subresource
            && (operation == "Apply" || self.api_version == manager.api_version)
    }
}

fn read_entries(object: &Value) -> Vec<Entry> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    object["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|entry| entry["fieldsV1"].is_object())
        .map(|entry| Entry {
            manager: text(&entry["manager"]),
            operation: text(&entry["operation"]),
            api_version: text(&entry["apiVersion"]),
            subresource: text(&entry["subresource"]),
            time: text(&entry["time"]),
            fields: FieldSet::from_json(&entry["fieldsV1"]),
        })
        .collect()
}

fn write_entries(object: &mut Value, mut entries: Vec<Entry>) {
    entries.retain(|entry| !entry.fields.is_empty());
    entries.sort_by(|a, b| {
        (&a.operation, &a.time, &a.manager, &a.subresource).cmp(&(
            &b.operation,
            &b.time,
            &b.manager,
            &b.subresource,
        ))
    });
    let list: Vec<Value> = entries
        .into_iter()
        .map(|entry| {
            let mut json = json!({
                "manager": entry.manager,
                "operation": entry.operation,
                "apiVersion": entry.api_version,
                "time": entry.time,
                "fieldsType": "FieldsV1",
                "fieldsV1": entry.fields.to_json(),
            });
            if !entry.subresource.is_empty() {
                json["subresource"] = entry.subresource.into();
            }
            json
        })
        .collect();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        if list.is_empty() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".to_owned(), Value::Array(list));
        }
    }
}

/// Leave out the fields that nobody owns, and the part that the request does not write.
fn owned_part(mut set: FieldSet, manager: &Manager<'_>) -> FieldSet {
    const SYSTEM: [&str; 10] = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "generation",
        "managedFields",
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ];
    set.member = false;
    set.children.remove("f:apiVersion");
    set.children.remove("f:kind");
    if let Some(metadata) = set.children.get_mut("f:metadata") {
        metadata.member = false;
        for name in SYSTEM {
            metadata.children.remove(&format!("f:{name}"));
        }
    }
    match manager.subresource {
        "status" => set.children.retain(|step, _| step == "f:status"),
        _ if manager.has_status => {
            set.children.remove("f:status");
        }
        _ => {}
    }
    set.children.retain(|_, fields| !fields.is_empty());
    set
}

fn without_managed_fields(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object
}

/// Apply a configuration over the live object (none: it is created). The result carries the new
/// `managedFields`; it equals the live object where nothing changes.
pub(crate) fn apply(
    type_: Type<'_>,
    live: Option<&Value>,
    config: &Value,
    manager: &Manager<'_>,
    force: bool,
) -> Result<Value, ApiError> {
    let empty = json!({});
    let before = without_managed_fields(live.unwrap_or(&empty));
    let mut entries = live.map(read_entries).unwrap_or_default();
    if live.is_some() && entries.is_empty() {
        let all = Manager {
            name: BEFORE_FIRST_APPLY,
            subresource: "",
            ..manager.clone()
        };
        entries.push(Entry {
            manager: all.name.to_owned(),
            operation: "Update".to_owned(),
            api_version: manager.api_version.to_owned(),
            subresource: String::new(),
            time: manager.now.to_owned(),
            fields: owned_part(FieldSet::of(type_, &before), &all),
        });
    }
    let applied = owned_part(FieldSet::of(type_, config), manager);
    let mut after = merge(type_, &before, config);
    let mine = entries.iter().position(|entry| entry.is(manager, "Apply"));
    let mine = mine.map(|index| entries.remove(index));
    if let Some(mine) = &mine {
        let mut kept = applied.clone();
        entries.iter().for_each(|entry| kept.union(&entry.fields));
        remove_unowned(type_, &mut after, &mine.fields, &kept);
    }
    let difference = compare(type_, Some(&before), Some(&after));
    let mut conflicts = Vec::new();
    for entry in &mut entries {
        let conflict = entry.fields.intersection(&difference.changed);
        if !conflict.is_empty() {
            conflicts.extend(conflict_causes(entry, &conflict));
            entry.fields = entry.fields.difference(&conflict);
        }
        entry.fields = entry.fields.difference(&difference.removed);
    }
    if !force && !conflicts.is_empty() {
        return Err(ApiError::ApplyConflict(conflicts));
    }
    let unchanged = mine.filter(|mine| mine.fields == applied && after == before);
    entries.push(Entry {
        manager: manager.name.to_owned(),
        operation: "Apply".to_owned(),
        api_version: manager.api_version.to_owned(),
        subresource: manager.subresource.to_owned(),
        time: unchanged.map_or_else(|| manager.now.to_owned(), |mine| mine.time),
        fields: applied,
    });
    write_entries(&mut after, entries);
    Ok(after)
}

fn conflict_causes(entry: &Entry, conflict: &FieldSet) -> Vec<Cause> {
    let mut who = format!("conflict with {:?}", entry.manager);
    if !entry.subresource.is_empty() {
        who.push_str(&format!(" with subresource {:?}", entry.subresource));
    }
    if entry.operation == "Update" {
        who.push_str(&format!(" using {}", entry.api_version));
    }
    conflict
        .paths()
        .into_iter()
        .map(|field| Cause {
            reason: "FieldManagerConflict",
            field,
            message: who.clone(),
        })
        .collect()
}

/// Note in `after` what a write other than apply changed: its manager owns what it changed, and
/// others lose that.
pub(crate) fn track_update(
    type_: Type<'_>,
    live: Option<&Value>,
    after: &mut Value,
    manager: &Manager<'_>,
) {
    // Given managed fields are taken over, so that clients can correct or (with an empty list)
    // reset them; where a request leaves them out, those of the live object hold.
    let given = after["metadata"]["managedFields"].is_array();
    let mut entries = match live {
        Some(live) if !given => read_entries(live),
        _ => read_entries(after),
    };
    let before = live.map(without_managed_fields);
    let plain = without_managed_fields(after);
    let difference = compare(type_, before.as_ref(), Some(&plain));
    let changed = owned_part(difference.changed, manager);
    for entry in &mut entries {
        let mine = entry.is(manager, "Update");
        if !mine {
            entry.fields = entry.fields.difference(&changed);
        }
        entry.fields = entry.fields.difference(&difference.removed);
    }
    if !changed.is_empty() {
        match entries.iter_mut().find(|entry| entry.is(manager, "Update")) {
            Some(mine) => {
                mine.fields.union(&changed);
                mine.time = manager.now.to_owned();
            }
            None => entries.push(Entry {
                manager: manager.name.to_owned(),
                operation: "Update".to_owned(),
                api_version: manager.api_version.to_owned(),
                subresource: manager.subresource.to_owned(),
                time: manager.now.to_owned(),
                fields: changed,
            }),
        }
    }
    write_entries(after, entries);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
