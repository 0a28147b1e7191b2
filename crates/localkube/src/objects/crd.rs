//! CustomResourceDefinitions: what makes one valid, and the kind that it defines.
//!
//! CEL rules (`x-kubernetes-validations`) and conversion webhooks are not evaluated: the former
//! are kept and have no effect, the latter are refused.

use std::sync::Arc;

use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value, json};

use super::error::{ApiError, Cause};
use super::kinds::{Column, Kind, Kinds, Scale, Version};
use super::metadata;
use super::schema::{Schema, definitions, join, parse_custom, repeated_items};
use super::validate::items;

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
    check(kinds, current, crd, causes);
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

fn check(kinds: &Kinds, current: Option<&Value>, crd: &Value, causes: &mut Vec<Cause>) {
    let spec = &crd["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, plural, kind) = (
        text(&spec["group"]),
        text(&spec["names"]["plural"]),
        text(&spec["names"]["kind"]),
    );
    if text(&crd["metadata"]["name"]) != format!("{plural}.{group}") {
        causes.push(Cause::invalid(
            "metadata.name",
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
    if !metadata::is_dns_label(&plural) {
        causes.push(Cause::invalid("spec.names.plural", "must be a DNS label"));
    }
    if !metadata::is_dns_subdomain(&group) || !group.contains('.') {
        causes.push(Cause::invalid(
            "spec.group",
            "should be a domain with at least one dot",
        ));
    }
    if !["Namespaced", "Cluster"].contains(&text(&spec["scope"]).as_str()) {
        causes.push(Cause::invalid(
            "spec.scope",
            "supported values: \"Cluster\", \"Namespaced\"",
        ));
    }
    if spec["conversion"]["strategy"] != "None" {
        causes.push(Cause::invalid(
            "spec.conversion.strategy",
            "this cluster does not call conversion webhooks; supported values: \"None\"",
        ));
    }
    if let Some(current) = current {
        for field in ["group", "scope"] {
            if current["spec"][field] != spec[field] {
                causes.push(Cause::invalid(
                    format!("spec.{field}"),
                    "field is immutable",
                ));
            }
        }
    }
    let clash = kinds
        .all()
        .into_iter()
        .any(|known| known.group == group && known.plural != plural && known.kind == kind);
    if clash {
        causes.push(Cause::invalid(
            "spec.names.kind",
            format!("{kind:?} is already in use"),
        ));
    }
    let versions = || items(&spec["versions"]);
    let storage = versions()
        .filter(|version| version["storage"] == true)
        .count();
    if storage != 1 {
        causes.push(Cause::invalid(
            "spec.versions",
            "must have exactly one version marked as storage version",
        ));
    }
    for (index, version) in versions().enumerate() {
        let path = format!("spec.versions[{index}].schema.openAPIV3Schema");
        let schema = &version["schema"]["openAPIV3Schema"];
        if !schema.is_object() {
            causes.push(Cause::required(path, "schemas are required"));
            continue;
        }
        if schema["type"] != "object" {
            causes.push(Cause::invalid(
                format!("{path}.type"),
                "must be \"object\" at the root",
            ));
        }
        check_structural(schema, &path, causes);
        if let Err(message) = validator(schema) {
            causes.push(Cause::invalid(path, message));
        }
    }
}

/// Every field of a structural schema has a type.
fn check_structural(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let typed = schema["type"]
        .as_str()
        .is_some_and(|type_| !type_.is_empty())
        || schema["x-kubernetes-int-or-string"] == true
        || schema["x-kubernetes-preserve-unknown-fields"] == true;
    if !typed {
        causes.push(Cause::required(
            format!("{path}.type"),
            "must not be empty for specified object fields",
        ));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        check_structural(property, &format!("{path}.properties[{name}]"), causes);
    }
    if schema["items"].is_object() {
        check_structural(&schema["items"], &format!("{path}.items"), causes);
    } else if schema["type"] == "array" {
        causes.push(Cause::required(
            format!("{path}.items"),
            "must be specified",
        ));
    }
    if schema["additionalProperties"].is_object() {
        check_structural(
            &schema["additionalProperties"],
            &format!("{path}.additionalProperties"),
            causes,
        );
    }
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
            let check = validator(open_api).map_err(ApiError::Internal)?;
            Ok(Version {
                name: text(&version["name"]),
                served: version["served"] == true,
                storage: version["storage"] == true,
                status: version["subresources"]["status"].is_object(),
                scale: scale(&version["subresources"]["scale"]),
                columns: items(&version["additionalPrinterColumns"])
                    .map(column)
                    .collect(),
                schema: schema.clone(),
                validator: Some(Arc::new(Validator { check, schema })),
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

/// Checks the values of objects of one version of a kind.
#[derive(Debug)]
pub struct Validator {
    check: jsonschema::Validator,
    schema: Schema,
}

fn validator(open_api: &Value) -> Result<jsonschema::Validator, String> {
    jsonschema::draft7::options()
        .should_validate_formats(true)
        // Linear in time, as Kubernetes' own regular expressions are.
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(&json_schema(open_api))
        .map_err(|error| error.to_string())
}

/// The JSON Schema of an OpenAPI v3.0 schema.
fn json_schema(open_api: &Value) -> Value {
    let Some(source) = open_api.as_object() else {
        return open_api.clone();
    };
    let mut schema = Map::new();
    for (key, value) in source {
        let value = match key.as_str() {
            "properties" => value
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, property)| (name.clone(), json_schema(property)))
                .collect(),
            "items" | "additionalProperties" | "not" => json_schema(value),
            "allOf" | "anyOf" | "oneOf" => items(value).map(json_schema).collect(),
            "type" | "enum" | "format" | "pattern" | "required" | "minimum" | "maximum"
            | "multipleOf" | "minLength" | "maxLength" | "minItems" | "maxItems"
            | "uniqueItems" | "minProperties" | "maxProperties" => value.clone(),
            _ => continue,
        };
        schema.insert(key.clone(), value);
    }
    // OpenAPI's exclusive bounds are flags beside the bound.
    for (flag, bound) in [
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ] {
        if source.get(flag) == Some(&Value::Bool(true))
            && let Some(limit) = schema.remove(bound)
        {
            schema.insert(flag.to_owned(), limit);
        }
    }
    if source.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        schema.insert("type".to_owned(), json!(["integer", "string"]));
        schema.remove("anyOf");
    }
    if source.get("nullable") == Some(&Value::Bool(true)) {
        if let Some(type_) = schema.get("type").and_then(Value::as_str) {
            let types = json!([type_, "null"]);
            schema.insert("type".to_owned(), types);
        }
        if let Some(Value::Array(values)) = schema.get_mut("enum") {
            values.push(Value::Null);
        }
    }
    Value::Object(schema)
}

/// Everything in an object that its schema does not allow.
pub(crate) fn violations(validator: &Validator, object: &Value) -> Vec<Cause> {
    let mut causes: Vec<Cause> = validator
        .check
        .iter_errors(object)
        .map(|e| cause(&e))
        .collect();
    causes.extend(repeated_items(validator.schema.root(), object, ""));
    causes
}

fn cause(error: &jsonschema::ValidationError<'_>) -> Cause {
    let field = field_path(&error.instance_path().to_string());
    let value = error.instance();
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            Cause::required(join(&field, property.as_str().unwrap_or_default()), "")
        }
        ValidationErrorKind::Enum { options } => Cause {
            reason: "FieldValueNotSupported",
            field,
            message: format!(
                "Unsupported value: {value}: supported values: {}",
                items(options)
                    .map(Value::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        },
        ValidationErrorKind::Type { .. } => Cause {
            reason: "FieldValueTypeInvalid",
            message: format!("Invalid value: {value}: {field} in body {error}"),
            field,
        },
        _ => {
            let message = format!("{value}: {field} in body: {error}");
            Cause::invalid(field, message)
        }
    }
}

/// `/spec/list/0/name` as `spec.list[0].name`.
fn field_path(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').filter(|part| !part.is_empty()) {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{part}]"));
        } else {
            path = join(&path, &part.replace("~1", "/").replace("~0", "~"));
        }
    }
    path
}
