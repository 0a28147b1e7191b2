//! Names, labels and the metadata that the server keeps.

use serde_json::{Map, Value};

use super::error::Cause;

/// The elements of a list field, to be changed. Unlike indexing it leaves an absent list absent.
pub(crate) fn items_mut<'a>(
    object: &'a mut Value,
    list: &str,
) -> impl Iterator<Item = &'a mut Value> {
    object
        .get_mut(list)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}

/// The present time as Kubernetes writes it in metadata: RFC 3339, whole seconds, UTC.
pub fn now() -> String {
    time(jiff::Timestamp::now())
}

/// A time as Kubernetes writes it in metadata.
pub fn time(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The suffix that `generateName` adds: five characters that form no words.
pub fn random_suffix() -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    (0..5)
        .map(|_| LETTERS[rand::random_range(0..LETTERS.len())] as char)
        .collect()
}

/// A DNS label (RFC 1123): at most 63 of `a-z0-9-`, beginning and ending with a letter or digit.
pub fn is_dns_label(name: &str) -> bool {
    name.len() <= 63
        && !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// A DNS subdomain (RFC 1123): labels joined by dots, at most 253 characters.
pub fn is_dns_subdomain(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            // Unlike a label alone, a part of a subdomain may be longer than 63 in Kubernetes.
            !label.is_empty()
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// The name part of a label or its value: at most 63 of `A-Za-z0-9-_.`, beginning and ending with
/// a letter or digit.
fn is_label_text(text: &str) -> bool {
    text.len() <= 63
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// `name` or `prefix/name`.
pub(super) fn is_qualified_name(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_label_text(name),
        None => is_label_text(key),
    }
}

/// How names of a kind are formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameRule {
    Label,
    Subdomain,
    /// Anything that can be a path segment, as for RBAC.
    PathSegment,
}

impl NameRule {
    pub fn of(resource: &str) -> Self {
        match resource {
            "namespaces" | "services" => Self::Label,
            _ if resource.ends_with(".rbac.authorization.k8s.io") => Self::PathSegment,
            _ => Self::Subdomain,
        }
    }

    pub fn allows(self, name: &str) -> bool {
        match self {
            Self::Label => is_dns_label(name),
            Self::Subdomain => is_dns_subdomain(name),
            Self::PathSegment => {
                !name.is_empty()
                    && name.len() <= 253
                    && !name.contains(['/', '%'])
                    && name != "."
                    && name != ".."
            }
        }
    }
}

/// Check what clients may write in metadata.
pub(crate) fn validate(resource: &str, object: &Value, causes: &mut Vec<Cause>) {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap_or_default();
    if !NameRule::of(resource).allows(name) {
        let rule = match NameRule::of(resource) {
            NameRule::Label => {
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or \
                 '-', start and end with an alphanumeric character, and have at most 63 characters"
            }
            NameRule::Subdomain => {
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
                 characters, '-' or '.', and must start and end with an alphanumeric character"
            }
            NameRule::PathSegment => "may not be '.' or '..' and may not contain '/' or '%'",
        };
        causes.push(Cause::invalid("metadata.name", format!("{name:?}: {rule}")));
    }
    validate_labels(&metadata["labels"], "metadata.labels", causes);
    let mut annotations_size = 0;
    for (key, value) in metadata["annotations"].as_object().into_iter().flatten() {
        if !is_qualified_name(&key.to_lowercase()) {
            causes.push(Cause::invalid(
                "metadata.annotations",
                format!("{key:?}: not a qualified name"),
            ));
        }
        annotations_size += key.len() + value.as_str().map_or(0, str::len);
    }
    if annotations_size > 256 * 1024 {
        causes.push(Cause::invalid(
            "metadata.annotations",
            "may not be larger than 256 KiB",
        ));
    }
    for finalizer in metadata["finalizers"].as_array().into_iter().flatten() {
        let finalizer = finalizer.as_str().unwrap_or_default();
        let standard = ["foregroundDeletion", "orphan", "kubernetes"].contains(&finalizer);
        // Kinds of others may use plain names.
        let foreign = resource.contains('.') && !resource.ends_with(".k8s.io");
        let named = is_qualified_name(finalizer) && (foreign || finalizer.contains(['/', '.']));
        if !standard && !named {
            causes.push(Cause::invalid(
                "metadata.finalizers[0]",
                format!("{finalizer:?}: name is neither a standard finalizer name nor is it fully qualified"),
            ));
        }
    }
    for owner in metadata["ownerReferences"].as_array().into_iter().flatten() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if owner[field].as_str().unwrap_or_default().is_empty() {
                causes.push(Cause::invalid(
                    format!("metadata.ownerReferences.{field}"),
                    "\"\": must not be empty",
                ));
            }
        }
    }
    let controllers = metadata["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|owner| owner["controller"] == true)
        .count();
    if controllers > 1 {
        causes.push(Cause::invalid(
            "metadata.ownerReferences",
            format!(
                "{}: Only one reference can have Controller set to true",
                metadata["ownerReferences"]
            ),
        ));
    }
}

/// Check a map of labels.
pub(crate) fn validate_labels(labels: &Value, field: &str, causes: &mut Vec<Cause>) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        if !is_qualified_name(key) {
            causes.push(Cause::invalid(field, format!("{key:?}: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character")));
        }
        let value = value.as_str().unwrap_or_default();
        if !value.is_empty() && !is_label_text(value) {
            causes.push(Cause::invalid(field, format!("{value:?}: a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character, at most 63 characters")));
        }
    }
}

/// Fields of metadata that only the server writes.
const SERVER_FIELDS: [&str; 8] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "generateName",
];

/// Give an object the server's metadata of another.
pub(crate) fn keep_server_fields(object: &mut Value, current: &Value) {
    let Some(metadata) = object["metadata"].as_object_mut() else {
        return;
    };
    for field in SERVER_FIELDS {
        match current["metadata"].get(field) {
            Some(value) => metadata.insert(field.to_owned(), value.clone()),
            None => metadata.remove(field),
        };
    }
}

/// Remove the server's metadata, as from an object that is to be created.
pub(crate) fn clear_server_fields(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in SERVER_FIELDS
            .iter()
            .filter(|field| **field != "generateName")
        {
            metadata.remove(*field);
        }
    }
}

/// Remove empty maps and lists of metadata, which Kubernetes does not keep.
pub(crate) fn drop_empty(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in [
            "labels",
            "annotations",
            "finalizers",
            "ownerReferences",
            "managedFields",
        ] {
            let empty = metadata.get(field).is_some_and(|value| {
                value.as_object().is_some_and(Map::is_empty)
                    || value.as_array().is_some_and(Vec::is_empty)
            });
            if empty {
                metadata.remove(field);
            }
        }
    }
}

/// The finalizers of an object.
pub(crate) fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    object["metadata"]["finalizers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// Whether an object is being deleted.
pub fn is_terminating(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_follow_dns() {
        assert!(is_dns_label("a-1"));
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", &"a".repeat(64)] {
            assert!(!is_dns_label(bad), "{bad}");
        }
        assert!(is_dns_subdomain("a.b-c"));
        for bad in ["", ".a", "a..b", "a.-b", &"a".repeat(254)] {
            assert!(!is_dns_subdomain(bad), "{bad}");
        }
    }

    #[test]
    fn bad_labels_and_owners_are_named() {
        let object = json!({ "metadata": {
            "name": "x", "labels": { "bad key": "v", "k": "bad value!" },
            "ownerReferences": [{ "kind": "Pod" }],
        } });
        let mut causes = Vec::new();
        validate("pods", &object, &mut causes);
        let fields: Vec<&str> = causes.iter().map(|cause| cause.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "metadata.labels",
                "metadata.labels",
                "metadata.ownerReferences.apiVersion",
                "metadata.ownerReferences.name",
                "metadata.ownerReferences.uid",
            ]
        );
    }
}
