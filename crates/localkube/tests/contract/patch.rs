//! The patches of RFC 6902 and 7396, and Kubernetes' own.

use serde_json::json;

use crate::harness::{Contract, JSON_PATCH, MERGE, STRATEGIC, text};

#[tokio::test]
async fn a_merge_patch_adds_changes_and_removes() {
    let contract = Contract::start().await;
    contract
        .config_map("first", json!({ "a": "1", "b": "2" }))
        .await;
    let path = contract.path("configmaps/first");
    let patch = json!({ "data": { "a": null, "b": "3", "c": "4" }, "metadata": { "labels": { "l": "1" } } });
    let patched = contract.patch(&path, MERGE, patch).await.expect(200);
    assert_eq!(patched["data"], json!({ "b": "3", "c": "4" }));
    assert_eq!(patched["metadata"]["labels"], json!({ "l": "1" }));
}

#[tokio::test]
async fn a_json_patch_is_done_step_by_step() {
    let contract = Contract::start().await;
    contract.config_map("first", json!({ "a": "1" })).await;
    let path = contract.path("configmaps/first");
    let patch = json!([
        { "op": "test", "path": "/data/a", "value": "1" },
        { "op": "replace", "path": "/data/a", "value": "2" },
        { "op": "add", "path": "/data/b~1c", "value": "3" },
        { "op": "copy", "from": "/data/a", "path": "/data/d" },
        { "op": "move", "from": "/data/d", "path": "/data/e" },
    ]);
    let answer = contract.patch(&path, JSON_PATCH, patch).await;
    // A slash is no part of a key.
    answer.refused(422, "Invalid");
    let patch = json!([
        { "op": "test", "path": "/data/a", "value": "1" },
        { "op": "replace", "path": "/data/a", "value": "2" },
        { "op": "copy", "from": "/data/a", "path": "/data/d" },
        { "op": "move", "from": "/data/d", "path": "/data/e" },
        { "op": "add", "path": "/metadata/annotations", "value": { "a/b": "1" } },
        { "op": "replace", "path": "/metadata/annotations/a~1b", "value": "2" },
    ]);
    let patched = contract.patch(&path, JSON_PATCH, patch).await.expect(200);
    assert_eq!(patched["data"], json!({ "a": "2", "e": "2" }));
    assert_eq!(patched["metadata"]["annotations"], json!({ "a/b": "2" }));
}

#[tokio::test]
async fn a_json_patch_that_does_not_fit_changes_nothing() {
    let contract = Contract::start().await;
    let made = contract.config_map("first", json!({ "a": "1" })).await;
    let path = contract.path("configmaps/first");
    for patch in [
        json!([{ "op": "replace", "path": "/data/a", "value": "2" }, { "op": "test", "path": "/data/a", "value": "9" }]),
        json!([{ "op": "remove", "path": "/data/absent" }]),
        json!([{ "op": "replace", "path": "/nothing/here", "value": 1 }]),
    ] {
        contract
            .patch(&path, JSON_PATCH, patch)
            .await
            .refused(422, "Invalid");
    }
    for patch in [json!({ "op": "remove" }), json!("text")] {
        contract
            .patch(&path, JSON_PATCH, patch)
            .await
            .refused(400, "BadRequest");
    }
    assert_eq!(contract.get(&path).await.expect(200), made);
}

#[tokio::test]
async fn a_strategic_patch_knows_the_keys_of_lists() {
    let contract = Contract::start().await;
    let path = contract.path_of("apps/v1", "deployments");
    let made = json!({ "metadata": { "name": "web" }, "spec": {
        "replicas": 0,
        "selector": { "matchLabels": { "app": "web" } },
        "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [
            { "name": "a", "image": "a:1", "env": [{ "name": "X", "value": "1" }, { "name": "Y", "value": "2" }] },
            { "name": "b", "image": "b:1" },
        ] } },
    } });
    contract.post(&path, made).await.expect(201);
    let path = format!("{path}/web");
    let patch = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "a", "env": [{ "name": "Y", "value": "3" }, { "name": "X", "$patch": "delete" }] },
        { "name": "c", "image": "c:1" },
    ] } } } });
    let patched = contract.patch(&path, STRATEGIC, patch).await.expect(200);
    let containers = &patched["spec"]["template"]["spec"]["containers"];
    let names: Vec<String> = containers
        .as_array()
        .unwrap()
        .iter()
        .map(|c| text(&c["name"]))
        .collect();
    assert_eq!(names, ["a", "c", "b"]);
    assert_eq!(containers[0]["image"], "a:1");
    assert_eq!(containers[0]["env"], json!([{ "name": "Y", "value": "3" }]));
    assert_eq!(patched["metadata"]["generation"], 2);

    let replace = json!({ "spec": { "template": { "spec": { "containers": [{ "$patch": "replace" }, { "name": "d", "image": "d:1" }] } } } });
    let patched = contract.patch(&path, STRATEGIC, replace).await.expect(200);
    let containers = patched["spec"]["template"]["spec"]["containers"]
        .as_array()
        .unwrap();
    assert_eq!(containers.len(), 1);
    assert_eq!(containers[0]["name"], "d");
}

#[tokio::test]
async fn a_merge_patch_replaces_lists() {
    let contract = Contract::start().await;
    let path = contract.path("services");
    let made = json!({ "metadata": { "name": "web" }, "spec": { "ports": [{ "name": "a", "port": 1 }, { "name": "b", "port": 2 }] } });
    contract.post(&path, made).await.expect(201);
    let patched = contract
        .patch(
            &format!("{path}/web"),
            MERGE,
            json!({ "spec": { "ports": [{ "name": "c", "port": 3 }] } }),
        )
        .await
        .expect(200);
    assert_eq!(
        patched["spec"]["ports"],
        json!([{ "name": "c", "port": 3, "protocol": "TCP", "targetPort": 3 }])
    );
}

#[tokio::test]
async fn custom_kinds_have_no_strategic_patch() {
    let contract = Contract::start().await;
    let crd = contract
        .crd(json!({ "schema": crate::harness::schema(json!({ "a": { "type": "string" } })) }))
        .await;
    contract
        .post(&crd.objects(""), crd.widget("w", json!({ "a": "1" })))
        .await
        .expect(201);
    let answer = contract
        .patch(
            &crd.objects("w"),
            STRATEGIC,
            json!({ "spec": { "a": "2" } }),
        )
        .await;
    let message = answer.refused(415, "UnsupportedMediaType");
    assert_eq!(
        message,
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    );
    let patched = contract
        .patch(&crd.objects("w"), MERGE, json!({ "spec": { "a": "2" } }))
        .await
        .expect(200);
    assert_eq!(patched["spec"]["a"], "2");
}

#[tokio::test]
async fn a_patch_may_ask_for_a_version() {
    let contract = Contract::start().await;
    let old = contract.config_map("first", json!({ "a": "1" })).await;
    let path = contract.path("configmaps/first");
    contract
        .patch(&path, MERGE, json!({ "data": { "a": "2" } }))
        .await
        .expect(200);
    let stale = json!({ "metadata": { "resourceVersion": old["metadata"]["resourceVersion"] }, "data": { "a": "3" } });
    let message = contract
        .patch(&path, MERGE, stale)
        .await
        .refused(409, "Conflict");
    assert!(
        message.contains("the object has been modified"),
        "{message}"
    );
    let other = json!({ "metadata": { "uid": "11111111-2222-3333-4444-555555555555" }, "data": { "a": "3" } });
    contract
        .patch(&path, MERGE, other)
        .await
        .refused(422, "Invalid");
}

#[tokio::test]
async fn a_patch_of_nothing_finds_nothing() {
    let contract = Contract::start().await;
    let path = contract.path("configmaps/absent");
    contract
        .patch(&path, MERGE, json!({ "data": { "a": "1" } }))
        .await
        .refused(404, "NotFound");
    contract
        .patch(&path, STRATEGIC, json!({ "data": { "a": "1" } }))
        .await
        .refused(404, "NotFound");
}

#[tokio::test]
async fn a_patched_object_must_be_valid() {
    let contract = Contract::start().await;
    contract.config_map("first", json!({})).await;
    let path = contract.path("configmaps/first");
    let answer = contract
        .patch(
            &path,
            MERGE,
            json!({ "metadata": { "labels": { "a": "b c" } } }),
        )
        .await;
    answer.refused(422, "Invalid");
    assert!(
        answer
            .causes()
            .iter()
            .all(|cause| cause == "FieldValueInvalid metadata.labels")
    );
    let answer = contract.patch(&path, "text/plain", json!({})).await;
    answer.refused(415, "UnsupportedMediaType");
    let answer = contract
        .patch(&path, MERGE, json!({ "metadata": { "name": "other" } }))
        .await;
    assert!([400, 422].contains(&answer.code), "{}", answer.text);
}

#[tokio::test]
async fn a_dry_patch_changes_nothing() {
    let contract = Contract::start().await;
    let made = contract.config_map("first", json!({ "a": "1" })).await;
    let path = contract.path("configmaps/first");
    let patched = contract
        .patch(
            &format!("{path}?dryRun=All"),
            MERGE,
            json!({ "data": { "a": "2" } }),
        )
        .await
        .expect(200);
    assert_eq!(patched["data"]["a"], "2");
    assert_eq!(contract.get(&path).await.expect(200), made);
}

#[tokio::test]
async fn a_status_patch_leaves_the_spec_alone() {
    let contract = Contract::start().await;
    let crd = contract
        .crd(json!({ "schema": crate::harness::schema(json!({ "a": { "type": "string" } })), "subresources": { "status": {} } }))
        .await;
    contract
        .post(&crd.objects(""), crd.widget("w", json!({ "a": "1" })))
        .await
        .expect(201);
    let both = json!({ "spec": { "a": "2" }, "status": { "b": "3" }, "metadata": { "labels": { "l": "1" } } });
    let patched = contract
        .patch(&crd.objects("w/status"), MERGE, both.clone())
        .await
        .expect(200);
    assert_eq!(patched["spec"]["a"], "1");
    assert_eq!(patched["status"]["b"], "3");
    assert_eq!(patched["metadata"]["generation"], 1);
    assert!(patched["metadata"]["labels"].is_null());
    let patched = contract
        .patch(
            &crd.objects("w"),
            MERGE,
            json!({ "spec": { "a": "2" }, "status": { "b": "4" } }),
        )
        .await
        .expect(200);
    assert_eq!(patched["spec"]["a"], "2");
    assert_eq!(patched["status"]["b"], "3");
    assert_eq!(patched["metadata"]["generation"], 2);
}
