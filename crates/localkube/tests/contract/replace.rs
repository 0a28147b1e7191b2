//! Reading one object, and replacing it.

use serde_json::json;

use crate::harness::{Contract, text};

#[tokio::test]
async fn what_is_not_there_is_named() {
    let contract = Contract::start().await;
    let answer = contract.get(&contract.path("configmaps/absent")).await;
    assert_eq!(
        answer.refused(404, "NotFound"),
        "configmaps \"absent\" not found"
    );
    assert_eq!(
        answer.body["details"],
        json!({ "name": "absent", "kind": "configmaps" })
    );
    let answer = contract
        .get(&contract.path_of("apps/v1", "deployments/absent"))
        .await;
    assert_eq!(
        answer.refused(404, "NotFound"),
        "deployments.apps \"absent\" not found"
    );
    assert_eq!(
        answer.body["details"],
        json!({ "name": "absent", "group": "apps", "kind": "deployments" })
    );
}

#[tokio::test]
async fn a_kind_that_is_not_there_is_no_resource() {
    let contract = Contract::start().await;
    for path in [
        contract.path("gadgets"),
        "/apis/nowhere.example.com/v1/gadgets".to_owned(),
    ] {
        let answer = contract.get(&path).await;
        assert_eq!(answer.code, 404, "{path}");
    }
    let answer = contract.get(&contract.path("configmaps/a/nonsense")).await;
    assert_eq!(answer.code, 404);
}

#[tokio::test]
async fn a_method_that_a_path_does_not_know_is_not_allowed() {
    let contract = Contract::start().await;
    let answer = contract
        .post(&contract.path("configmaps/a"), json!({}))
        .await;
    let message = answer.refused(405, "MethodNotAllowed");
    assert_eq!(
        message,
        "the server does not allow this method on the requested resource"
    );
    contract
        .put(&contract.path("configmaps"), json!({}))
        .await
        .refused(405, "MethodNotAllowed");
}

#[tokio::test]
async fn a_replacement_is_the_whole_object() {
    let contract = Contract::start().await;
    let mut object = contract
        .config_map("first", json!({ "a": "1", "b": "2" }))
        .await;
    object["data"] = json!({ "c": "3" });
    let path = contract.path("configmaps/first");
    let replaced = contract.put(&path, object.clone()).await.expect(200);
    assert_eq!(replaced["data"], json!({ "c": "3" }));
    assert_eq!(replaced["metadata"]["uid"], object["metadata"]["uid"]);
    assert_eq!(
        replaced["metadata"]["creationTimestamp"],
        object["metadata"]["creationTimestamp"]
    );
    assert_ne!(
        replaced["metadata"]["resourceVersion"],
        object["metadata"]["resourceVersion"]
    );
}

#[tokio::test]
async fn a_replacement_of_an_older_version_is_a_conflict() {
    let contract = Contract::start().await;
    let old = contract.config_map("first", json!({ "a": "1" })).await;
    let path = contract.path("configmaps/first");
    let mut newer = old.clone();
    newer["data"]["a"] = "2".into();
    contract.put(&path, newer).await.expect(200);
    let mut late = old;
    late["data"]["a"] = "3".into();
    let answer = contract.put(&path, late).await;
    assert_eq!(
        answer.refused(409, "Conflict"),
        "Operation cannot be fulfilled on configmaps \"first\": the object has been modified; please apply your changes to the latest version and try again"
    );
    assert_eq!(
        answer.body["details"],
        json!({ "name": "first", "kind": "configmaps" })
    );
}

#[tokio::test]
async fn without_a_version_the_last_write_wins() {
    let contract = Contract::start().await;
    contract.config_map("first", json!({ "a": "1" })).await;
    let path = contract.path("configmaps/first");
    let replaced = contract
        .put(
            &path,
            json!({ "metadata": { "name": "first" }, "data": { "b": "2" } }),
        )
        .await
        .expect(200);
    assert_eq!(replaced["data"], json!({ "b": "2" }));
}

#[tokio::test]
async fn a_replacement_that_changes_nothing_is_no_new_version() {
    let contract = Contract::start().await;
    let object = contract.config_map("first", json!({ "a": "1" })).await;
    let same = contract
        .put(&contract.path("configmaps/first"), object.clone())
        .await
        .expect(200);
    assert_eq!(same, object);
}

#[tokio::test]
async fn another_uid_is_another_object() {
    let contract = Contract::start().await;
    let mut object = contract.config_map("first", json!({})).await;
    object["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555".into();
    object["metadata"]["resourceVersion"] = "".into();
    let answer = contract
        .put(&contract.path("configmaps/first"), object)
        .await;
    let message = answer.refused(409, "Conflict");
    assert!(
        message.starts_with("Operation cannot be fulfilled on configmaps \"first\": ")
            && message.contains("Precondition failed: UID in precondition: 11111111-2222-3333-4444-555555555555, UID in object meta: "),
        "{message}"
    );
}

#[tokio::test]
async fn what_is_not_there_cannot_be_replaced() {
    let contract = Contract::start().await;
    let answer = contract
        .put(
            &contract.path("configmaps/absent"),
            json!({ "metadata": { "name": "absent" } }),
        )
        .await;
    answer.refused(404, "NotFound");
    let answer = contract
        .put(
            &contract.path("configmaps/absent"),
            json!({ "metadata": { "name": "other" } }),
        )
        .await;
    let message = answer.refused(400, "BadRequest");
    assert_eq!(
        message,
        "the name of the object (other) does not match the name on the URL (absent)"
    );
}

#[tokio::test]
async fn the_spec_and_the_status_are_written_apart() {
    let contract = Contract::start().await;
    let path = contract.path("resourcequotas");
    let body = json!({ "metadata": { "name": "q" }, "spec": { "hard": { "count/leases.coordination.k8s.io": "9" } } });
    contract.post(&path, body).await.expect(201);
    let path = contract.path("resourcequotas/q");
    let settled = contract
        .until(&path, "to have figures", |answer| {
            answer.body["status"]["hard"].is_object()
        })
        .await
        .body;
    let mut both = settled.clone();
    both["metadata"]["resourceVersion"] = "".into();
    both["spec"]["hard"] = json!({ "count/leases.coordination.k8s.io": "8" });
    both["status"]["used"] = json!({ "count/leases.coordination.k8s.io": "5" });
    let main = contract.put(&path, both.clone()).await.expect(200);
    assert_eq!(
        main["spec"]["hard"]["count/leases.coordination.k8s.io"],
        "8"
    );
    assert_eq!(main["status"]["used"], settled["status"]["used"]);
    both["spec"]["hard"] = json!({ "count/leases.coordination.k8s.io": "7" });
    let status = contract
        .put(&format!("{path}/status"), both)
        .await
        .expect(200);
    assert_eq!(
        status["status"]["used"]["count/leases.coordination.k8s.io"],
        "5"
    );
    assert_eq!(
        status["spec"]["hard"]["count/leases.coordination.k8s.io"],
        "8"
    );
}

#[tokio::test]
async fn a_generation_counts_changes_of_the_spec_alone() {
    let contract = Contract::start().await;
    let ingress = |host: &str| {
        json!({ "metadata": { "name": "web" }, "spec": { "rules": [{ "host": host, "http": { "paths": [{
        "path": "/", "pathType": "Prefix", "backend": { "service": { "name": "web", "port": { "number": 80 } } },
    }] } }] } })
    };
    let path = contract.path_of("networking.k8s.io/v1", "ingresses");
    let made = contract
        .post(&path, ingress("a.example.com"))
        .await
        .expect(201);
    assert_eq!(made["metadata"]["generation"], 1);
    let path = format!("{path}/web");
    // An ingress controller may write meanwhile, so that no write asks for a version.
    let mut labelled = made.clone();
    labelled["metadata"]["labels"] = json!({ "a": "b" });
    labelled["metadata"]["resourceVersion"] = "".into();
    let labelled = contract.put(&path, labelled).await.expect(200);
    assert_eq!(labelled["metadata"]["generation"], 1);
    let changed = contract
        .put(&path, ingress("b.example.com"))
        .await
        .expect(200);
    assert_eq!(changed["metadata"]["generation"], 2);
    let mut status = changed;
    status["metadata"]["resourceVersion"] = "".into();
    status["status"] = json!({ "loadBalancer": { "ingress": [{ "ip": "10.0.0.1" }] } });
    let status = contract
        .put(&format!("{path}/status"), status)
        .await
        .expect(200);
    assert_eq!(status["metadata"]["generation"], 2);
}

#[tokio::test]
async fn what_must_not_change_does_not() {
    let contract = Contract::start().await;
    let secret = json!({ "metadata": { "name": "s" }, "type": "Opaque", "stringData": { "a": "1" }, "immutable": true });
    let made = contract
        .post(&contract.path("secrets"), secret)
        .await
        .expect(201);
    assert_eq!(made["data"]["a"], "MQ==");
    assert!(made["stringData"].is_null());
    let path = contract.path("secrets/s");
    let mut changed = made.clone();
    changed["data"]["a"] = "Mg==".into();
    let answer = contract.put(&path, changed).await;
    answer.refused(422, "Invalid");
    assert_eq!(answer.causes(), ["FieldValueForbidden data"]);
    let mut retyped = made;
    retyped["type"] = "other".into();
    let answer = contract.put(&path, retyped).await;
    let message = answer.refused(422, "Invalid");
    assert!(
        message.contains("type: Invalid value: \"other\": field is immutable"),
        "{message}"
    );
    assert_eq!(text(&answer.body["details"]["name"]), "s");
}
