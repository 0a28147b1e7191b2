//! CustomResourceDefinitions: what makes one valid, and the kind that it defines.
//!
//! Conversion webhooks are not called; definitions that ask for one are refused.

mod check;
mod values;

use std::sync::Arc;

use serde_json::{Value, json};

use super::error::{ApiError, Cause};
use super::kinds::{Column, Kind, Kinds, Scale, Version};
use super::metadata;
use super::schema::{definitions, parse_custom};
use super::validate::items;
pub use values::Validator;
pub(crate) use values::violations;

/// Holds a CRD until all objects of its kind are gone.
pub(crate) const CLEANUP_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Check a CRD, and complete its names and status. This cluster accepts names at once, so the
/// kind is served as soon as the CRD is stored.
pub(crate) fn prepare(
    kinds: &Kinds,
    current: Option<&Value>,
    crd: &mut Value,
    causes: &mut Vec<Cause>,
) {
    let spec = &mut crd["spec"];
    let kind = spec["names"]["kind"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    for (field, default) in [
        ("singular", kind.to_lowercase()),
        ("listKind", format!("{kind}List")),
    ] {
        if spec["names"][field].as_str().unwrap_or_default().is_empty() {
            spec["names"][field] = default.into();
        }
    }
    if spec["conversion"].is_null() {
        spec["conversion"] = json!({ "strategy": "None" });
    }
    check::definition(kinds, current, crd, causes);
    if !causes.is_empty() {
        return;
    }
    if current.is_none() {
        let finalizers = &mut crd["metadata"]["finalizers"];
        match finalizers.as_array_mut() {
            Some(list) if list.iter().any(|name| name == CLEANUP_FINALIZER) => {}
            Some(list) => list.push(CLEANUP_FINALIZER.into()),
            None => *finalizers = json!([CLEANUP_FINALIZER]),
        }
    }
    complete_status(crd);
}

fn complete_status(crd: &mut Value) {
    let spec = crd["spec"].clone();
    let storage = items(&spec["versions"])
        .find(|version| version["storage"] == true)
        .map(|version| version["name"].clone())
        .unwrap_or_default();
    let now = metadata::now();
    let status = &mut crd["status"];
    if !status.is_object() {
        *status = json!({});
    }
    status["acceptedNames"] = spec["names"].clone();
    match status["storedVersions"].as_array_mut() {
        Some(stored) if stored.contains(&storage) => {}
        Some(stored) => stored.push(storage),
        None => status["storedVersions"] = json!([storage]),
    }
    if !status["conditions"].is_array() {
        status["conditions"] = json!([
            { "type": "NamesAccepted", "status": "True", "reason": "NoConflicts",
              "message": "no conflicts found", "lastTransitionTime": now },
            { "type": "Established", "status": "True", "reason": "InitialNamesAccepted",
              "message": "the initial names have been accepted", "lastTransitionTime": now },
        ]);
    }
}

/// The key in the store of the kind that a CRD defines.
pub(crate) fn resource_of(crd: &Value) -> String {
    crd["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// The kind that a valid CRD defines.
pub(crate) fn kind_of(crd: &Value) -> Result<Kind, ApiError> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| items(value).map(text).collect::<Vec<_>>();
    let spec = &crd["spec"];
    let names = &spec["names"];
    let versions: Vec<Version> = items(&spec["versions"])
        .map(|version| {
            let open_api = &version["schema"]["openAPIV3Schema"];
            let schema = parse_custom(open_api, definitions());
            let validator = Validator::new(open_api, schema.clone()).map_err(ApiError::Internal)?;
            Ok(Version {
                name: text(&version["name"]),
                served: version["served"] == true,
                storage: version["storage"] == true,
                status: version["subresources"]["status"].is_object(),
                scale: scale(&version["subresources"]["scale"]),
                columns: items(&version["additionalPrinterColumns"])
                    .map(column)
                    .collect(),
                schema,
                validator: Some(Arc::new(validator)),
            })
        })
        .collect::<Result<_, ApiError>>()?;
    if versions.is_empty() {
        return Err(ApiError::Internal(format!(
            "{} has no versions",
            resource_of(crd)
        )));
    }
    let mut fields: Vec<String> = items(&spec["versions"])
        .flat_map(|version| items(&version["selectableFields"]))
        .map(|field| text(&field["jsonPath"]).trim_start_matches('.').to_owned())
        .collect();
    fields.dedup();
    Ok(Kind {
        group: text(&spec["group"]),
        plural: text(&names["plural"]),
        singular: text(&names["singular"]),
        kind: text(&names["kind"]),
        list_kind: text(&names["listKind"]),
        namespaced: spec["scope"] == "Namespaced",
        short_names: list(&names["shortNames"]),
        categories: list(&names["categories"]),
        fields,
        versions,
        custom: true,
        stored_as: None,
    })
}

fn scale(scale: &Value) -> Option<Scale> {
    let pointer = |field: &str| scale[field].as_str().map(|path| path.replace('.', "/"));
    Some(Scale {
        spec_replicas: pointer("specReplicasPath")?,
        status_replicas: pointer("statusReplicasPath")?,
        selector: pointer("labelSelectorPath"),
    })
}

fn column(column: &Value) -> Column {
    let text = |field: &str| column[field].as_str().unwrap_or_default().to_owned();
    Column {
        name: text("name"),
        type_: text("type"),
        format: text("format"),
        description: text("description"),
        priority: column["priority"].as_i64().unwrap_or_default(),
        json_path: text("jsonPath"),
    }
}
