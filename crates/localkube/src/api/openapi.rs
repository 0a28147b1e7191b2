//! OpenAPI v3: one document a group and version, as `kubectl explain` and `kubectl apply` read it.
//!
//! The documents describe schemas in full and operations as far as clients look at them: which
//! paths there are, the kind of each, and which parameters a patch takes.

use std::collections::BTreeMap;

use axum::response::Response;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Api, respond};
use crate::objects::schema::{definition_name, definitions};
use crate::objects::{ApiError, Kind, resource};

const REFERENCE: &str = "#/components/schemas/";
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The index (without a document), or a document such as `apis/apps/v1`.
pub(super) fn answer(api: &Api, document: Option<&str>) -> Result<Response, ApiError> {
    match document {
        None => {
            let mut paths: BTreeMap<String, Value> = BTreeMap::new();
            for kind in api.objects.kinds().all() {
                for version in kind.versions.iter().filter(|version| version.served) {
                    let path = path_of(&kind, &version.name);
                    let url = format!(
                        "/openapi/v3/{path}?hash={}",
                        revision(api, &kind.group, &version.name)
                    );
                    paths.insert(path, json!({ "serverRelativeURL": url }));
                }
            }
            Ok(respond::json(&json!({ "paths": paths })))
        }
        Some(document) => {
            let (group, version) = match document.split('/').collect::<Vec<_>>().as_slice() {
                ["api", version] => (String::new(), (*version).to_owned()),
                ["apis", group, version] => ((*group).to_owned(), (*version).to_owned()),
                _ => return Err(ApiError::NoSuchResource),
            };
            let kinds: Vec<_> = api
                .objects
                .kinds()
                .all()
                .into_iter()
                .filter(|kind| kind.group == group && kind.served(&version).is_some())
                .collect();
            if kinds.is_empty() {
                return Err(ApiError::NoSuchResource);
            }
            let mut schemas = Map::new();
            let mut paths = Map::new();
            for kind in &kinds {
                let name = add_schema(api, kind, &version, &mut schemas);
                add_paths(kind, &version, &name, &mut paths);
            }
            Ok(respond::json(&json!({
                "openapi": "3.0.0",
                "info": { "title": "Kubernetes", "version": "v1.34.0" },
                "paths": paths,
                "components": { "schemas": schemas },
            })))
        }
    }
}

fn path_of(kind: &Kind, version: &str) -> String {
    match kind.group.as_str() {
        "" => format!("api/{version}"),
        group => format!("apis/{group}/{version}"),
    }
}

/// Changes whenever a document may: clients keep a document for as long as this stays.
fn revision(api: &Api, group: &str, version: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(env!("CARGO_PKG_VERSION"));
    digest.update(version);
    for kind in api.objects.kinds().all() {
        if kind.group == group && kind.custom {
            let crd = api
                .objects
                .get(resource::CUSTOM_RESOURCE_DEFINITIONS, "", &kind.resource());
            if let Ok(crd) = crd {
                digest.update(crd["spec"].to_string());
            }
        }
    }
    hex::encode(digest.finalize())
}

fn group_version_kind(kind: &Kind, version: &str) -> Value {
    json!({ "group": kind.group, "version": version, "kind": kind.kind })
}

/// Add the schema of a kind and all it refers to; returns its name.
fn add_schema(api: &Api, kind: &Kind, version: &str, schemas: &mut Map<String, Value>) -> String {
    if let Some(name) = definition_name(&kind.group, &kind.kind) {
        add_definition(name, schemas);
        schemas[name]["x-kubernetes-group-version-kind"] =
            json!([group_version_kind(kind, version)]);
        return name.to_owned();
    }
    let reversed: Vec<&str> = kind.group.rsplit('.').collect();
    let name = format!("{}.{version}.{}", reversed.join("."), kind.kind);
    let crd = api
        .objects
        .get(resource::CUSTOM_RESOURCE_DEFINITIONS, "", &kind.resource());
    let mut schema = crd
        .ok()
        .and_then(|crd| {
            let versions = crd["spec"]["versions"].as_array()?;
            let found = versions
                .iter()
                .find(|candidate| candidate["name"] == version)?;
            Some(found["schema"]["openAPIV3Schema"].clone())
        })
        .unwrap_or_else(|| json!({ "type": "object" }));
    add_definition(OBJECT_META, schemas);
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    let properties = &mut schema["properties"];
    for (field, description) in [
        (
            "apiVersion",
            "APIVersion defines the versioned schema of this representation of an object.",
        ),
        (
            "kind",
            "Kind is a string value representing the REST resource this object represents.",
        ),
    ] {
        properties[field] = json!({ "type": "string", "description": description });
    }
    properties["metadata"] = json!({
        "description": "Standard object's metadata.",
        "allOf": [{ "$ref": format!("{REFERENCE}{OBJECT_META}") }],
        "default": {},
    });
    schema["x-kubernetes-group-version-kind"] = json!([group_version_kind(kind, version)]);
    schemas.insert(name.clone(), schema);
    name
}

fn add_definition(name: &str, schemas: &mut Map<String, Value>) {
    if schemas.contains_key(name) {
        return;
    }
    let Some(definition) = definitions().get(name) else {
        return;
    };
    let mut definition = definition.clone();
    let mut references = Vec::new();
    wrap_references(&mut definition, &mut references);
    schemas.insert(name.to_owned(), definition);
    for reference in references {
        add_definition(&reference, schemas);
    }
}

/// In OpenAPI 3.0 nothing may stand beside `$ref`: what does is kept by wrapping the reference in
/// `allOf`, as Kubernetes does. Collects the names referred to.
fn wrap_references(schema: &mut Value, references: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                references.extend(reference.strip_prefix(REFERENCE).map(str::to_owned));
                if map.len() > 1 {
                    let reference = map.remove("$ref");
                    map.insert("allOf".to_owned(), json!([{ "$ref": reference }]));
                }
                return;
            }
            map.values_mut()
                .for_each(|value| wrap_references(value, references));
        }
        Value::Array(list) => list
            .iter_mut()
            .for_each(|value| wrap_references(value, references)),
        _ => {}
    }
}

fn add_paths(kind: &Kind, version: &str, schema: &str, paths: &mut Map<String, Value>) {
    let gvk = group_version_kind(kind, version);
    let parameter = |name: &str| json!({ "name": name, "in": "query", "schema": { "type": "string", "uniqueItems": true } });
    let body = json!({ "schema": { "$ref": format!("{REFERENCE}{schema}") } });
    let operation = |action: &str, parameters: &[&str], request: &[&str]| {
        let mut operation = json!({
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk,
            "parameters": parameters.iter().map(|name| parameter(name)).collect::<Vec<_>>(),
            "responses": { "200": { "description": "OK", "content": { "application/json": body } } },
        });
        if !request.is_empty() {
            let content: Map<String, Value> = request
                .iter()
                .map(|media_type| {
                    let schema = if action == "patch" {
                        json!({ "schema": { "type": "object" } })
                    } else {
                        body.clone()
                    };
                    ((*media_type).to_owned(), schema)
                })
                .collect();
            operation["requestBody"] = json!({ "content": content });
        }
        operation
    };
    let write = ["dryRun", "fieldManager", "fieldValidation"];
    let mut patches = vec![
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
    ];
    if !kind.custom {
        patches.push("application/strategic-merge-patch+json");
    }
    let select = [
        "fieldSelector",
        "labelSelector",
        "limit",
        "continue",
        "resourceVersion",
        "watch",
    ];
    let collection = json!({
        "get": operation("list", &select, &[]),
        "post": operation("post", &write, &["application/json", "application/yaml"]),
        "delete": operation("deletecollection", &select, &[]),
    });
    let patch_parameters = ["dryRun", "fieldManager", "fieldValidation", "force"];
    let mut one = json!({
        "get": operation("get", &[], &[]),
        "put": operation("put", &write, &["application/json", "application/yaml"]),
        "patch": operation("patch", &patch_parameters, &patches),
        "delete": operation("delete", &["dryRun", "gracePeriodSeconds", "propagationPolicy"], &[]),
    });
    let path_parameter = |name: &str| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "uniqueItems": true } });
    let root = format!("/{}", path_of(kind, version));
    let mut collection_path = format!("{root}/{}", kind.plural);
    let mut parameters = Vec::new();
    if kind.namespaced {
        paths.insert(
            collection_path,
            json!({ "get": operation("list", &select, &[]) }),
        );
        collection_path = format!("{root}/namespaces/{{namespace}}/{}", kind.plural);
        parameters.push(path_parameter("namespace"));
    }
    let mut collection = collection;
    collection["parameters"] = parameters.clone().into();
    parameters.push(path_parameter("name"));
    one["parameters"] = parameters.into();
    paths.insert(format!("{collection_path}/{{name}}"), one);
    paths.insert(collection_path, collection);
}
