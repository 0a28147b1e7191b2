//! ResourceQuotas.

use serde_json::{Value, json};

use crate::harness::{Contract, MERGE};

fn pod(name: &str, resources: Value) -> Value {
    let mut pod = crate::harness::pod(name, "true");
    pod["spec"]["schedulerName"] = "nobody".into();
    pod["spec"]["containers"][0]["resources"] = resources;
    pod
}

async fn quota(hard: Value) -> Contract {
    let contract = Contract::start().await;
    let body = json!({ "metadata": { "name": "q" }, "spec": { "hard": hard } });
    contract
        .post(&contract.path("resourcequotas"), body)
        .await
        .expect(201);
    contract
        .until(
            &contract.path("resourcequotas/q"),
            "to have figures",
            |answer| {
                answer.body["status"]["hard"] == hard && answer.body["status"]["used"].is_object()
            },
        )
        .await;
    contract
}

#[tokio::test]
async fn what_is_used_is_counted() {
    let contract = quota(
        json!({ "pods": "5", "requests.cpu": "2", "limits.memory": "1Gi", "count/secrets": "4" }),
    )
    .await;
    let resources = json!({ "requests": { "cpu": "250m", "memory": "64Mi" }, "limits": { "cpu": "1", "memory": "128Mi" } });
    contract
        .post(&contract.path("pods"), pod("a", resources.clone()))
        .await
        .expect(201);
    contract
        .post(&contract.path("pods"), pod("b", resources))
        .await
        .expect(201);
    contract
        .post(
            &contract.path("secrets"),
            json!({ "metadata": { "name": "s" } }),
        )
        .await
        .expect(201);
    let used = json!({ "pods": "2", "requests.cpu": "500m", "limits.memory": "256Mi", "count/secrets": "1" });
    let path = contract.path("resourcequotas/q");
    contract
        .until(&path, "to count", |answer| {
            answer.body["status"]["used"] == used
        })
        .await;
    contract.delete(&contract.path("pods/a")).await.expect(200);
    let used = json!({ "pods": "1", "requests.cpu": "250m", "limits.memory": "128Mi", "count/secrets": "1" });
    contract
        .until(&path, "to count what is gone no longer", |answer| {
            answer.body["status"]["used"] == used
        })
        .await;
}

#[tokio::test]
async fn what_is_too_much_is_refused() {
    let contract = quota(json!({ "pods": "1", "requests.cpu": "300m" })).await;
    let resources = json!({ "requests": { "cpu": "200m" } });
    contract
        .post(&contract.path("pods"), pod("a", resources.clone()))
        .await
        .expect(201);
    let answer = contract
        .post(&contract.path("pods"), pod("b", resources))
        .await;
    let message = answer.refused(403, "Forbidden");
    assert_eq!(
        message,
        "pods \"b\" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=200m, used: pods=1,requests.cpu=200m, limited: pods=1,requests.cpu=300m"
    );
    assert_eq!(
        answer.body["details"],
        json!({ "name": "b", "kind": "pods" })
    );
}

#[tokio::test]
async fn what_is_counted_must_be_stated() {
    let contract = quota(json!({ "limits.memory": "1Gi", "requests.cpu": "1" })).await;
    let answer = contract
        .post(&contract.path("pods"), pod("a", json!({})))
        .await;
    let message = answer.refused(403, "Forbidden");
    assert_eq!(
        message,
        "pods \"a\" is forbidden: failed quota: q: must specify limits.memory for: main; requests.cpu for: main"
    );
}

#[tokio::test]
async fn objects_are_counted_too() {
    let contract =
        quota(json!({ "count/configmaps": "100", "services": "1", "count/deployments.apps": "0" }))
            .await;
    let service =
        |name: &str| json!({ "metadata": { "name": name }, "spec": { "ports": [{ "port": 80 }] } });
    contract
        .post(&contract.path("services"), service("a"))
        .await
        .expect(201);
    let message = contract
        .post(&contract.path("services"), service("b"))
        .await
        .refused(403, "Forbidden");
    assert_eq!(
        message,
        "services \"b\" is forbidden: exceeded quota: q, requested: services=1, used: services=1, limited: services=1"
    );
    let deployment = json!({ "metadata": { "name": "web" }, "spec": {
        "selector": { "matchLabels": { "app": "web" } },
        "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "c", "image": "web:1" }] } },
    } });
    let message = contract
        .post(&contract.path_of("apps/v1", "deployments"), deployment)
        .await
        .refused(403, "Forbidden");
    assert!(message.starts_with("deployments.apps \"web\" is forbidden: exceeded quota: q, requested: count/deployments.apps=1"), "{message}");
}

#[tokio::test]
async fn a_quota_may_be_widened() {
    let contract = quota(json!({ "count/secrets": "0" })).await;
    let secret = json!({ "metadata": { "name": "s" } });
    contract
        .post(&contract.path("secrets"), secret.clone())
        .await
        .refused(403, "Forbidden");
    let path = contract.path("resourcequotas/q");
    contract
        .patch(
            &path,
            MERGE,
            json!({ "spec": { "hard": { "count/secrets": "1" } } }),
        )
        .await
        .expect(200);
    contract
        .until(&path, "to be wider", |answer| {
            answer.body["status"]["hard"]["count/secrets"] == "1"
        })
        .await;
    contract
        .post(&contract.path("secrets"), secret)
        .await
        .expect(201);
}

#[tokio::test]
async fn a_quota_holds_quantities() {
    let contract = Contract::start().await;
    let body = json!({ "metadata": { "name": "q" }, "spec": { "hard": { "pods": "many" } } });
    let answer = contract.post(&contract.path("resourcequotas"), body).await;
    let message = answer.refused(400, "BadRequest");
    assert!(message.contains("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"), "{message}");
    let body = json!({ "metadata": { "name": "q" }, "spec": { "hard": { "pods": "-1" } } });
    let answer = contract.post(&contract.path("resourcequotas"), body).await;
    answer.refused(422, "Invalid");
    assert_eq!(answer.causes(), ["FieldValueInvalid spec.hard[pods]"]);
    let body = json!({ "metadata": { "name": "q" }, "spec": { "hard": { "gadgets": "1" } } });
    let answer = contract.post(&contract.path("resourcequotas"), body).await;
    answer.refused(422, "Invalid");
}
