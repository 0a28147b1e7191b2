use serde_json::json;

use super::*;
use crate::objects::kinds::Kinds;

fn fields_refused(resource: &str, value: Value) -> Vec<String> {
    let kinds = Kinds::built_in();
    let mut causes = Vec::new();
    if let Ok(kind) = kinds.get(resource) {
        object(&kind, &value, &mut causes);
    }
    causes.into_iter().map(|cause| cause.field).collect()
}

#[test]
fn a_deployment_selects_its_own_pods() {
    let spec = |selector: Value| {
        json!({ "spec": {
        "selector": selector,
        "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "a", "image": "i" }] } },
    } })
    };
    let refused = |selector| fields_refused("deployments.apps", spec(selector));
    assert_eq!(refused(json!({ "matchLabels": { "app": "web" } })), [""; 0]);
    assert_eq!(
        refused(json!({ "matchLabels": { "app": "x" } })),
        ["spec.template.metadata.labels"]
    );
    assert_eq!(refused(json!({})), ["spec.selector"]);
    assert_eq!(refused(Value::Null), ["spec.selector"]);
}

#[test]
fn a_pods_containers_are_checked_each() {
    let refused = fields_refused(
        "pods",
        json!({ "spec": { "volumes": [{ "name": "v" }], "containers": [
        { "name": "a", "image": "i", "ports": [{ "containerPort": 0 }], "volumeMounts": [{ "name": "w", "mountPath": "/m" }] },
        { "name": "a", "resources": { "limits": { "cpu": "1" }, "requests": { "cpu": "2", "memory": "x" } } },
        { "name": "B", "image": "i", "readinessProbe": {} },
    ] } }),
    );
    assert_eq!(
        refused,
        [
            "spec.containers[0].ports[0].containerPort",
            "spec.containers[0].volumeMounts[0].name",
            "spec.containers[1].name",
            "spec.containers[1].image",
            "spec.containers[1].resources.requests[memory]",
            "spec.containers[1].resources.requests",
            "spec.containers[2].name",
            "spec.containers[2].readinessProbe",
        ]
    );
}

#[test]
fn services_ingresses_and_claims_say_what_they_lack() {
    assert_eq!(
        fields_refused(
            "services",
            json!({ "metadata": { "name": "1a" }, "spec": {} })
        ),
        ["metadata.name", "spec.ports"]
    );
    assert_eq!(
        fields_refused("ingresses.networking.k8s.io", json!({ "spec": {} })),
        ["spec"]
    );
    let rules = json!({ "spec": { "rules": [{ "host": "a b", "http": { "paths": [{ "path": "x", "backend": {} }] } }] } });
    assert_eq!(
        fields_refused("ingresses.networking.k8s.io", rules),
        [
            "spec.rules[0].host",
            "spec.rules[0].http.paths[0].pathType",
            "spec.rules[0].http.paths[0].path",
            "spec.rules[0].http.paths[0].backend.service.name",
        ]
    );
    assert_eq!(
        fields_refused("persistentvolumeclaims", json!({ "spec": {} })),
        ["spec.accessModes", "spec.resources[storage]"]
    );
}
