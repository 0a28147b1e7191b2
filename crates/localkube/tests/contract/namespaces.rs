//! Namespaces and their end.

use serde_json::json;

use crate::harness::{Contract, MERGE, condition, items, name, unique};

#[tokio::test]
async fn a_namespace_has_a_phase_a_label_and_an_account() {
    let contract = Contract::start().await;
    let namespace = contract
        .get(&format!("/api/v1/namespaces/{}", contract.namespace))
        .await
        .expect(200);
    assert_eq!(namespace["status"]["phase"], "Active");
    assert_eq!(namespace["spec"]["finalizers"], json!(["kubernetes"]));
    assert_eq!(
        namespace["metadata"]["labels"]["kubernetes.io/metadata.name"],
        contract.namespace.as_str()
    );
    let account = contract
        .get(&contract.path("serviceaccounts/default"))
        .await
        .expect(200);
    assert_eq!(name(&account), "default");
}

#[tokio::test]
async fn the_namespaces_of_every_cluster_are_there_to_stay() {
    let contract = Contract::start().await;
    for kept in ["default", "kube-system", "kube-public"] {
        let path = format!("/api/v1/namespaces/{kept}");
        contract.get(&path).await.expect(200);
        let answer = contract.delete(&path).await;
        let message = answer.refused(403, "Forbidden");
        assert_eq!(
            message,
            format!("namespaces \"{kept}\" is forbidden: this namespace may not be deleted")
        );
        assert_eq!(
            contract.get(&path).await.expect(200)["status"]["phase"],
            "Active"
        );
    }
    contract
        .get("/api/v1/namespaces/kube-node-lease")
        .await
        .expect(200);
}

#[tokio::test]
async fn a_namespace_takes_everything_along() {
    let contract = Contract::start().await;
    contract.config_map("one", json!({})).await;
    contract
        .post(
            &contract.path("secrets"),
            json!({ "metadata": { "name": "two" } }),
        )
        .await
        .expect(201);
    let path = format!("/api/v1/namespaces/{}", contract.namespace);
    let going = contract.delete(&path).await.expect(200);
    assert_eq!(going["kind"], "Namespace");
    assert_eq!(going["status"]["phase"], "Terminating");
    assert!(going["metadata"]["deletionTimestamp"].is_string());
    contract.until_gone(&path).await;
    contract
        .get(&contract.path("configmaps/one"))
        .await
        .refused(404, "NotFound");
}

#[tokio::test]
async fn nothing_new_is_made_in_a_namespace_that_ends() {
    let contract = Contract::start().await;
    let held = json!({ "metadata": { "name": "held", "finalizers": ["example.com/hold"] } });
    contract
        .post(&contract.path("configmaps"), held)
        .await
        .expect(201);
    let path = format!("/api/v1/namespaces/{}", contract.namespace);
    contract.delete(&path).await.expect(200);
    let late = json!({ "metadata": { "name": "late" } });
    let answer = contract
        .post(&contract.path("configmaps"), late.clone())
        .await;
    let message = answer.refused(403, "Forbidden");
    assert_eq!(
        message,
        format!(
            "configmaps \"late\" is forbidden: unable to create new content in namespace {} because it is being terminated",
            contract.namespace
        )
    );
    assert_eq!(answer.causes(), ["NamespaceTerminating metadata.namespace"]);
    let apply = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "late" } });
    contract
        .apply(&contract.path("configmaps/late"), "one", "", apply)
        .await
        .refused(403, "Forbidden");
    // What holds it is said.
    let said = contract
        .until(&path, "to say what holds it", |answer| {
            condition(&answer.body, "NamespaceFinalizersRemaining") == "True"
        })
        .await
        .body;
    assert_eq!(condition(&said, "NamespaceContentRemaining"), "True");
    let message = items_message(&said, "NamespaceFinalizersRemaining");
    assert_eq!(
        message,
        "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
    );
    // What is there can still be changed, and so be let go.
    contract
        .patch(
            &contract.path("configmaps/held"),
            MERGE,
            json!({ "metadata": { "finalizers": null } }),
        )
        .await
        .expect(200);
    contract.until_gone(&path).await;
}

fn items_message(object: &serde_json::Value, kind: &str) -> String {
    let found = crate::harness::items_of(&object["status"]["conditions"])
        .find(|condition| condition["type"] == kind);
    crate::harness::text(&found.unwrap()["message"])
}

#[tokio::test]
async fn a_namespace_can_be_made_again() {
    let contract = Contract::start().await;
    let again = unique("again");
    let path = format!("/api/v1/namespaces/{again}");
    contract.leaves(path.clone());
    let body = json!({ "metadata": { "name": again } });
    let first = contract
        .post("/api/v1/namespaces", body.clone())
        .await
        .expect(201);
    contract.delete(&path).await.expect(200);
    contract.until_gone(&path).await;
    let second = contract.post("/api/v1/namespaces", body).await.expect(201);
    assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);
}

#[tokio::test]
async fn a_namespace_has_a_dns_label_as_its_name() {
    let contract = Contract::start().await;
    for bad in ["Upper", "with.dots", "-dash"] {
        let answer = contract
            .post("/api/v1/namespaces", json!({ "metadata": { "name": bad } }))
            .await;
        answer.refused(422, "Invalid");
        let causes = answer.causes();
        assert!(
            causes.contains(&"FieldValueInvalid metadata.name".to_owned()),
            "{bad}: {causes:?}"
        );
    }
}

#[tokio::test]
async fn a_namespace_cannot_be_emptied_by_its_collection() {
    let contract = Contract::start().await;
    contract
        .delete("/api/v1/namespaces")
        .await
        .refused(405, "MethodNotAllowed");
    let list = contract.get("/api/v1/namespaces").await.expect(200);
    assert!(items(&list).any(|item| name(item) == contract.namespace));
}

#[tokio::test]
async fn a_finalizer_of_the_spec_is_kept_by_other_writes() {
    let contract = Contract::start().await;
    let path = format!("/api/v1/namespaces/{}", contract.namespace);
    let patched = contract
        .patch(
            &path,
            MERGE,
            json!({ "spec": { "finalizers": [] }, "metadata": { "labels": { "a": "b" } } }),
        )
        .await
        .expect(200);
    assert_eq!(patched["spec"]["finalizers"], json!(["kubernetes"]));
    assert_eq!(patched["metadata"]["labels"]["a"], "b");
    assert_eq!(
        patched["metadata"]["labels"]["kubernetes.io/metadata.name"],
        contract.namespace.as_str()
    );
}
