//! Deleting objects: preconditions, finalizers, collections.

use serde_json::json;

use crate::harness::{Contract, JSON_PATCH, MERGE, names};

#[tokio::test]
async fn a_deleted_object_is_gone() {
    let contract = Contract::start().await;
    let made = contract.config_map("first", json!({})).await;
    let path = contract.path("configmaps/first");
    let status = contract.delete(&path).await.expect(200);
    assert_eq!(
        status,
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": { "name": "first", "kind": "configmaps", "uid": made["metadata"]["uid"] },
        })
    );
    contract.delete(&path).await.refused(404, "NotFound");
}

#[tokio::test]
async fn a_deletion_may_be_for_one_object_alone() {
    let contract = Contract::start().await;
    let made = contract.config_map("first", json!({})).await;
    let path = contract.path("configmaps/first");
    let options = json!({ "preconditions": { "uid": "11111111-2222-3333-4444-555555555555" } });
    let answer = contract.delete_with(&path, options).await;
    let message = answer.refused(409, "Conflict");
    assert!(message.contains("the UID in the precondition (11111111-2222-3333-4444-555555555555) does not match the UID in record ("), "{message}");
    let options = json!({ "preconditions": { "resourceVersion": "1" } });
    let answer = contract.delete_with(&path, options).await;
    let message = answer.refused(409, "Conflict");
    assert!(message.contains("the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ("), "{message}");
    let options = json!({ "preconditions": { "uid": made["metadata"]["uid"], "resourceVersion": made["metadata"]["resourceVersion"] } });
    contract.delete_with(&path, options).await.expect(200);
}

#[tokio::test]
async fn a_dry_deletion_deletes_nothing() {
    let contract = Contract::start().await;
    contract.config_map("first", json!({})).await;
    let path = contract.path("configmaps/first");
    contract
        .delete(&format!("{path}?dryRun=All"))
        .await
        .expect(200);
    contract
        .delete_with(&path, json!({ "dryRun": ["All"] }))
        .await
        .expect(200);
    contract.get(&path).await.expect(200);
    contract
        .delete_with(&path, json!({ "dryRun": ["Most"] }))
        .await
        .refused(422, "Invalid");
}

#[tokio::test]
async fn options_that_are_unknown_are_refused() {
    let contract = Contract::start().await;
    contract.config_map("first", json!({})).await;
    let path = contract.path("configmaps/first");
    let answer = contract
        .delete_with(&path, json!({ "propagationPolicy": "Sometimes" }))
        .await;
    answer.refused(422, "Invalid");
    assert_eq!(
        answer.causes(),
        ["FieldValueNotSupported propagationPolicy"]
    );
    let answer = contract
        .delete_with(
            &path,
            json!({ "propagationPolicy": "Orphan", "orphanDependents": true }),
        )
        .await;
    answer.refused(422, "Invalid");
    contract.get(&path).await.expect(200);
}

#[tokio::test]
async fn a_finalizer_holds_an_object() {
    let contract = Contract::start().await;
    let body = json!({ "metadata": { "name": "held", "finalizers": ["example.com/hold"] }, "data": { "a": "1" } });
    contract
        .post(&contract.path("configmaps"), body)
        .await
        .expect(201);
    let path = contract.path("configmaps/held");
    let answer = contract.delete(&path).await.expect(200);
    assert_eq!(answer["kind"], "ConfigMap");
    assert!(answer["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(answer["metadata"]["deletionGracePeriodSeconds"], 0);
    // A second deletion changes nothing.
    let again = contract.delete(&path).await.expect(200);
    assert_eq!(
        again["metadata"]["resourceVersion"],
        answer["metadata"]["resourceVersion"]
    );
    // It can still be changed, and no finalizer be added.
    contract
        .patch(&path, MERGE, json!({ "data": { "a": "2" } }))
        .await
        .expect(200);
    let more = json!({ "metadata": { "finalizers": ["example.com/hold", "example.com/more"] } });
    let answer = contract.patch(&path, MERGE, more).await;
    let message = answer.refused(422, "Invalid");
    assert!(message.contains("metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"example.com/more\"}"), "{message}");
    // A name stays taken for as long.
    let taken = json!({ "metadata": { "name": "held" } });
    let answer = contract.post(&contract.path("configmaps"), taken).await;
    assert_eq!(
        answer.refused(409, "AlreadyExists"),
        "object is being deleted: configmaps \"held\" already exists"
    );
    contract
        .patch(
            &path,
            JSON_PATCH,
            json!([{ "op": "remove", "path": "/metadata/finalizers" }]),
        )
        .await
        .expect(200);
    contract.until_gone(&path).await;
}

#[tokio::test]
async fn a_finalizer_has_a_qualified_name() {
    let contract = Contract::start().await;
    let body = json!({ "metadata": { "name": "held", "finalizers": ["plain"] } });
    let answer = contract.post(&contract.path("configmaps"), body).await;
    answer.refused(422, "Invalid");
}

#[tokio::test]
async fn what_begins_to_go_stays_so() {
    let contract = Contract::start().await;
    let body = json!({ "metadata": { "name": "held", "finalizers": ["example.com/hold"] } });
    contract
        .post(&contract.path("configmaps"), body)
        .await
        .expect(201);
    let path = contract.path("configmaps/held");
    let mut going = contract.delete(&path).await.expect(200);
    let stamp = going["metadata"]["deletionTimestamp"].clone();
    going["metadata"]["deletionTimestamp"] = serde_json::Value::Null;
    let still = contract.put(&path, going).await.expect(200);
    assert_eq!(still["metadata"]["deletionTimestamp"], stamp);
    contract
        .patch(&path, MERGE, json!({ "metadata": { "finalizers": null } }))
        .await
        .expect(200);
    contract.until_gone(&path).await;
}

#[tokio::test]
async fn a_collection_is_deleted_by_selection() {
    let contract = Contract::start().await;
    let path = contract.path("secrets");
    for (name, group) in [("a", "one"), ("b", "one"), ("c", "two")] {
        let body = json!({ "metadata": { "name": name, "labels": { "group": group } } });
        contract.post(&path, body).await.expect(201);
    }
    let deleted = contract
        .delete(&format!("{path}?labelSelector=group%3Done"))
        .await
        .expect(200);
    assert_eq!(deleted["kind"], "SecretList");
    assert_eq!(names(&deleted), ["a", "b"]);
    assert_eq!(names(&contract.get(&path).await.expect(200)), ["c"]);
    contract.delete(&path).await.expect(200);
    assert_eq!(names(&contract.get(&path).await.expect(200)).len(), 0);
}

#[tokio::test]
async fn a_pod_without_a_node_goes_at_once() {
    let contract = Contract::start().await;
    let mut pod = crate::harness::pod("unbound", "true");
    pod["spec"]["schedulerName"] = "nobody".into();
    contract.post(&contract.path("pods"), pod).await.expect(201);
    let path = contract.path("pods/unbound");
    let last = contract.delete(&path).await.expect(200);
    assert_eq!(last["kind"], "Pod");
    assert_eq!(last["metadata"]["deletionGracePeriodSeconds"], 0);
    contract.get(&path).await.refused(404, "NotFound");
}

#[tokio::test]
async fn a_finalizer_may_be_there_from_a_patch_on() {
    let contract = Contract::start().await;
    contract.config_map("plain", json!({})).await;
    let path = contract.path("configmaps/plain");
    contract
        .patch(
            &path,
            MERGE,
            json!({ "metadata": { "finalizers": ["example.com/a"] } }),
        )
        .await
        .expect(200);
    contract.delete(&path).await.expect(200);
    let held = contract.get(&path).await.expect(200);
    assert!(held["metadata"]["deletionTimestamp"].is_string());
    contract
        .patch(&path, MERGE, json!({ "metadata": { "finalizers": [] } }))
        .await
        .expect(200);
    contract.until_gone(&path).await;
}
