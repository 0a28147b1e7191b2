//! What makes a CustomResourceDefinition valid.

use serde_json::Value;

use super::values::{refusal, validator};
use crate::objects::cel::Rules;
use crate::objects::error::Cause;
use crate::objects::kinds::Kinds;
use crate::objects::metadata;
use crate::objects::validate::items;

/// Everything that is wrong with a definition.
pub(super) fn definition(
    kinds: &Kinds,
    current: Option<&Value>,
    crd: &Value,
    causes: &mut Vec<Cause>,
) {
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
    if kind.is_empty() {
        causes.push(Cause::required("spec.names.kind", ""));
    }
    approved(crd, &group, causes);
    if !metadata::is_dns_subdomain(&group) || !group.contains('.') {
        causes.push(Cause::invalid(
            "spec.group",
            "should be a domain with at least one dot",
        ));
    }
    if !["Namespaced", "Cluster"].contains(&text(&spec["scope"]).as_str()) {
        causes.push(Cause::unsupported(
            "spec.scope",
            &spec["scope"],
            &["Cluster", "Namespaced"],
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
    // Kubernetes looks at a schema that all versions share once, and names it so.
    let first = &spec["versions"][0]["schema"];
    let shared = !first.is_null() && versions().all(|version| version["schema"] == *first);
    for (index, version) in versions().enumerate() {
        if shared && index > 0 {
            break;
        }
        let path = if shared {
            "spec.validation.openAPIV3Schema".to_owned()
        } else {
            format!("spec.versions[{index}].schema.openAPIV3Schema")
        };
        let schema = &version["schema"]["openAPIV3Schema"];
        if !schema.is_object() {
            causes.push(Cause::required(path, ""));
            continue;
        }
        if schema["type"] != "object" {
            causes.push(Cause::invalid(
                format!("{path}.type"),
                format!("{}: must be object at the root", schema["type"]),
            ));
        }
        let before = causes.len();
        structural(schema, &path, causes);
        // Only a schema that makes sense can be compiled.
        if causes.len() == before {
            Rules::compile(schema, &path, causes);
            if let Err(message) = validator(schema) {
                causes.push(Cause::invalid(path, message));
            }
        }
    }
}

/// Groups of Kubernetes' own are for its own kinds, unless their makers say otherwise.
fn approved(crd: &Value, group: &str, causes: &mut Vec<Cause>) {
    const ANNOTATION: &str = "api-approved.kubernetes.io";
    let protected = [".k8s.io", ".kubernetes.io"]
        .iter()
        .any(|suffix| group.ends_with(suffix));
    if protected
        && crd["metadata"]["annotations"][ANNOTATION]
            .as_str()
            .unwrap_or_default()
            .is_empty()
    {
        causes.push(Cause::required(
            format!("metadata.annotations[{ANNOTATION}]"),
            format!("protected groups must have approval annotation {ANNOTATION:?}, see https://github.com/kubernetes/enhancements/pull/1111"),
        ));
    }
}

/// A structural schema says of every field what it is, and nothing that Kubernetes does not keep to.
fn structural(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
    let flag = |name: &str| schema[name] == true;
    let typed = schema["type"]
        .as_str()
        .is_some_and(|type_| !type_.is_empty());
    if !typed
        && !flag("x-kubernetes-int-or-string")
        && !flag("x-kubernetes-preserve-unknown-fields")
    {
        causes.push(Cause::required(
            format!("{path}.type"),
            "must not be empty for specified object fields",
        ));
    }
    if typed && !TYPES.iter().any(|type_| schema["type"] == *type_) {
        causes.push(Cause::unsupported(
            format!("{path}.type"),
            &schema["type"],
            &TYPES,
        ));
    }
    for reference in [
        "$ref",
        "definitions",
        "dependencies",
        "patternProperties",
        "additionalItems",
    ] {
        if !schema[reference].is_null() {
            causes.push(Cause::forbidden(
                format!("{path}.{reference}"),
                format!("{reference} is not supported"),
            ));
        }
    }
    if flag("uniqueItems") {
        causes.push(Cause::forbidden(
            format!("{path}.uniqueItems"),
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ));
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && let Err(error) = regex::Regex::new(pattern)
    {
        let error = error.to_string().replace('\n', " ");
        causes.push(Cause::invalid(
            format!("{path}.pattern"),
            format!("{pattern:?}: must be a valid regular expression, but isn't: {error}"),
        ));
    }
    lists(schema, path, causes);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        structural(property, &format!("{path}.properties[{name}]"), causes);
    }
    if schema["items"].is_object() {
        structural(&schema["items"], &format!("{path}.items"), causes);
    } else if schema["type"] == "array" {
        causes.push(Cause::required(
            format!("{path}.items"),
            "must be specified",
        ));
    }
    if schema["additionalProperties"].is_object() {
        structural(
            &schema["additionalProperties"],
            &format!("{path}.additionalProperties"),
            causes,
        );
    }
    if causes.is_empty() && schema.get("default").is_some() {
        default(schema, path, causes);
    }
}

/// Lists with keys have them, and their items are objects.
fn lists(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let type_ = &schema["x-kubernetes-list-type"];
    if !type_.is_null() && !["atomic", "set", "map"].iter().any(|known| type_ == *known) {
        causes.push(Cause::unsupported(
            format!("{path}.x-kubernetes-list-type"),
            type_,
            &["atomic", "set", "map"],
        ));
    }
    if type_ != "map" {
        return;
    }
    let keys = format!("{path}.x-kubernetes-list-map-keys");
    if items(&schema["x-kubernetes-list-map-keys"])
        .next()
        .is_none()
    {
        causes.push(Cause::required(
            keys,
            "must not be empty if x-kubernetes-list-type is map",
        ));
        return;
    }
    for (index, key) in items(&schema["x-kubernetes-list-map-keys"]).enumerate() {
        let key = key.as_str().unwrap_or_default();
        if schema["items"]["properties"][key].is_null() {
            causes.push(Cause::invalid(
                format!("{keys}[{index}]"),
                format!("{key:?}: entries must all be names of item properties"),
            ));
        }
    }
}

/// A default is a value that the schema allows.
fn default(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let mut without = schema.clone();
    if let Some(map) = without.as_object_mut() {
        map.remove("default");
    }
    let Ok(validator) = validator(&without) else {
        return;
    };
    for error in validator.iter_errors(&schema["default"]) {
        // What is absent in a default is filled by the defaults below it.
        if matches!(
            error.kind(),
            jsonschema::error::ValidationErrorKind::Required { .. }
        ) {
            continue;
        }
        let mut cause = refusal(&error);
        cause.field = match cause.field.as_str() {
            "" => format!("{path}.default"),
            below => format!("{path}.default.{below}"),
        };
        causes.push(cause);
    }
}
