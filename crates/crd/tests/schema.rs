//! What the generated schemas promise to objects that exist already.
#![allow(clippy::unwrap_used, missing_docs)]

use catalyst_crd::{Environment, Project, custom_resource_definitions};
use serde_json::{Value, json};

fn crd(kind: &str) -> Value {
    custom_resource_definitions()
        .into_iter()
        .map(|crd| serde_json::to_value(crd).unwrap())
        .find(|crd| crd["spec"]["names"]["kind"] == kind)
        .unwrap()
}

fn schema(kind: &str) -> Value {
    crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Every object of the schema, wherever it is.
fn each(schema: &Value, visit: &mut impl FnMut(&Value)) {
    visit(schema);
    match schema {
        Value::Object(map) => map.values().for_each(|v| each(v, visit)),
        Value::Array(list) => list.iter().for_each(|v| each(v, visit)),
        _ => {}
    }
}

#[test]
fn names_scope_and_version_are_those_of_the_contract() {
    for (kind, plural, short) in [
        ("Environment", "environments", "env"),
        ("Project", "projects", "proj"),
    ] {
        let crd = crd(kind);
        assert_eq!(
            crd["metadata"]["name"],
            format!("{plural}.catalyst.catalyst.dev")
        );
        assert_eq!(crd["spec"]["scope"], "Namespaced");
        assert_eq!(crd["spec"]["names"]["shortNames"], json!([short]));
        let versions = crd["spec"]["versions"].as_array().unwrap();
        assert_eq!(versions.len(), 1);
        assert_eq!(versions[0]["name"], "v1alpha1");
        assert_eq!(
            (&versions[0]["served"], &versions[0]["storage"]),
            (&json!(true), &json!(true))
        );
        assert_eq!(versions[0]["subresources"]["status"], json!({}));
        assert_eq!(schema(kind)["required"], json!(["spec"]));
    }
}

#[test]
fn only_what_the_contract_requires_is_required() {
    let environment = &schema("Environment")["properties"]["spec"];
    assert_eq!(environment["required"], json!(["projectRef", "type"]));
    let source = &environment["properties"]["sources"]["items"];
    assert_eq!(source["required"], json!(["branch", "commitSha", "name"]));
    let config = &environment["properties"]["config"];
    assert_eq!(config["required"], Value::Null);

    let project = &schema("Project")["properties"]["spec"];
    assert_eq!(project["required"], json!(["sources"]));
    let template = &project["properties"]["templates"]["additionalProperties"];
    assert_eq!(template["required"], json!(["type"]));
}

#[test]
fn both_spellings_of_the_environment_variables_are_kept_by_the_api_server() {
    let spec = &schema("Environment")["properties"]["spec"];
    let config = &spec["properties"]["config"]["properties"];
    assert_eq!(
        config["envVars"]["items"]["properties"],
        config["env"]["items"]["properties"]
    );
    assert!(config["env"]["items"]["properties"]["valueFrom"].is_object());
}

#[test]
fn an_older_objects_variables_are_read_and_the_newer_spelling_wins() {
    let environment: Environment = serde_json::from_value(json!({
        "apiVersion": "catalyst.catalyst.dev/v1alpha1", "kind": "Environment",
        "metadata": { "name": "preview-1" },
        "spec": { "projectRef": { "name": "shop" }, "type": "development", "config": {
            "env": [{ "name": "A", "value": "new" }],
            "envVars": [{ "name": "A", "value": "old" }, { "name": "B", "value": "b" }]
        }}
    }))
    .unwrap();
    let variables = environment.spec.config.unwrap().variables();
    let pairs: Vec<_> = variables
        .iter()
        .map(|v| (v.name.as_str(), v.value.as_deref().unwrap()))
        .collect();
    assert_eq!(pairs, [("A", "new"), ("B", "b")]);
}

#[test]
fn chart_values_of_any_shape_are_kept() {
    let spec = &schema("Project")["properties"]["spec"];
    let values = &spec["properties"]["templates"]["additionalProperties"]["properties"]["values"];
    assert_eq!(values["x-kubernetes-preserve-unknown-fields"], true);
    let project: Project = serde_json::from_value(json!({
        "metadata": { "name": "shop" },
        "spec": {
            "sources": [{ "name": "primary", "repositoryUrl": "https://github.com/acme/shop", "branch": "main" }],
            "templates": { "development": { "type": "helm", "values": { "a": { "b": [1, "x"] } } } }
        }
    }))
    .unwrap();
    let template = &project.spec.templates["development"];
    assert_eq!(template.values.as_ref().unwrap()["a"]["b"][1], "x");
}

#[test]
fn a_quantity_may_be_a_number_as_it_always_could() {
    let spec = &schema("Environment")["properties"]["spec"];
    let limits = &spec["properties"]["config"]["properties"]["resources"]["properties"]["limits"];
    assert_eq!(
        limits["additionalProperties"]["x-kubernetes-int-or-string"],
        true
    );
    let environment: Environment = serde_json::from_value(json!({
        "metadata": { "name": "preview-1" },
        "spec": { "projectRef": { "name": "shop" }, "type": "development",
            "config": { "resources": { "limits": { "cpu": 1 } } } }
    }))
    .unwrap();
    let limits = environment.spec.config.unwrap().resources.unwrap().limits;
    assert_eq!(limits.unwrap()["cpu"].0, "1");
}

#[test]
fn our_own_fields_have_no_enums_so_that_no_older_object_becomes_invalid() {
    for (kind, fields) in [
        ("Environment", ["type", "deploymentMode"]),
        ("Project", ["githubInstallationId", "sources"]),
    ] {
        for field in fields {
            let schema = &schema(kind)["properties"]["spec"]["properties"][field];
            assert!(schema.is_object(), "{kind}.{field}");
            assert!(schema["enum"].is_null(), "{kind}.{field}");
        }
        let mut rules = 0;
        each(&schema(kind), &mut |s| {
            rules += usize::from(!s["x-kubernetes-validations"].is_null());
        });
        assert_eq!(rules, 0, "{kind}");
    }
}

#[test]
fn schemas_are_structural_without_references() {
    for kind in ["Environment", "Project"] {
        each(&schema(kind), &mut |s| {
            assert!(s["$ref"].is_null(), "{kind}: {}", s["$ref"]);
        });
    }
}

#[test]
fn conditions_are_merged_by_their_type() {
    for kind in ["Environment", "Project"] {
        let status = &schema(kind)["properties"]["status"];
        let conditions = &status["properties"]["conditions"];
        assert_eq!(conditions["x-kubernetes-list-type"], "map");
        assert_eq!(conditions["x-kubernetes-list-map-keys"], json!(["type"]));
    }
}

#[test]
fn the_yaml_fits_into_what_kubectl_apply_keeps_of_it() {
    // kubectl's last-applied annotation holds the whole object, and annotations end at 256 KiB.
    for crd in custom_resource_definitions() {
        let size = serde_json::to_vec(&crd).unwrap().len();
        assert!(size < 256 * 1024, "{size} bytes");
    }
    let yaml = catalyst_crd::custom_resource_definitions_yaml().unwrap();
    assert_eq!(yaml.matches("\n---\n").count() + 1, 2);
}
