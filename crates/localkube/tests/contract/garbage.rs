//! What becomes of what an object owns.

use serde_json::{Value, json};

use crate::harness::{Contract, MERGE, names};

/// An owner and, owned by it, `first` and `second` ConfigMaps.
async fn family(block: bool) -> Contract {
    let contract = Contract::start().await;
    let owner = contract
        .post(
            &contract.path("secrets"),
            json!({ "metadata": { "name": "owner" } }),
        )
        .await
        .expect(201);
    for name in ["first", "second"] {
        let body =
            json!({ "metadata": { "name": name, "ownerReferences": [reference(&owner, block)] } });
        contract
            .post(&contract.path("configmaps"), body)
            .await
            .expect(201);
    }
    contract
}

fn reference(owner: &Value, block: bool) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "blockOwnerDeletion": block,
    })
}

#[tokio::test]
async fn in_the_background_the_owner_goes_first() {
    let contract = family(false).await;
    let path = contract.path("secrets/owner");
    contract
        .delete_with(&path, json!({ "propagationPolicy": "Background" }))
        .await
        .expect(200);
    contract.get(&path).await.refused(404, "NotFound");
    contract
        .until_gone(&contract.path("configmaps/first"))
        .await;
    contract
        .until_gone(&contract.path("configmaps/second"))
        .await;
}

#[tokio::test]
async fn in_the_foreground_the_owner_goes_last() {
    let contract = family(true).await;
    let held = json!({ "metadata": { "finalizers": ["example.com/hold"] } });
    contract
        .patch(&contract.path("configmaps/first"), MERGE, held)
        .await
        .expect(200);
    let path = contract.path("secrets/owner");
    let going = contract
        .delete_with(&path, json!({ "propagationPolicy": "Foreground" }))
        .await
        .expect(200);
    assert_eq!(
        going["metadata"]["finalizers"],
        json!(["foregroundDeletion"])
    );
    assert!(going["metadata"]["deletionTimestamp"].is_string());
    contract
        .until_gone(&contract.path("configmaps/second"))
        .await;
    contract
        .until(
            &contract.path("configmaps/first"),
            "to be deleted",
            |answer| answer.body["metadata"]["deletionTimestamp"].is_string(),
        )
        .await;
    contract.get(&path).await.expect(200);
    contract
        .patch(
            &contract.path("configmaps/first"),
            MERGE,
            json!({ "metadata": { "finalizers": null } }),
        )
        .await
        .expect(200);
    contract.until_gone(&path).await;
}

#[tokio::test]
async fn orphans_stay() {
    let contract = family(true).await;
    let path = contract.path("secrets/owner");
    let going = contract
        .delete_with(&path, json!({ "propagationPolicy": "Orphan" }))
        .await
        .expect(200);
    assert_eq!(going["metadata"]["finalizers"], json!(["orphan"]));
    contract.until_gone(&path).await;
    for name in ["first", "second"] {
        let orphan = contract
            .get(&contract.path(&format!("configmaps/{name}")))
            .await
            .expect(200);
        assert!(orphan["metadata"]["ownerReferences"].is_null(), "{orphan}");
    }
}

#[tokio::test]
async fn who_has_another_owner_stays() {
    let contract = family(false).await;
    let other = contract
        .post(
            &contract.path("secrets"),
            json!({ "metadata": { "name": "other" } }),
        )
        .await
        .expect(201);
    let owner = contract
        .get(&contract.path("secrets/owner"))
        .await
        .expect(200);
    let both = json!({ "metadata": { "ownerReferences": [reference(&owner, false), reference(&other, false)] } });
    contract
        .patch(&contract.path("configmaps/first"), MERGE, both)
        .await
        .expect(200);
    contract
        .delete_with(
            &contract.path("secrets/owner"),
            json!({ "propagationPolicy": "Background" }),
        )
        .await
        .expect(200);
    contract
        .until_gone(&contract.path("configmaps/second"))
        .await;
    let left = contract
        .until(
            &contract.path("configmaps/first"),
            "to have one owner",
            |answer| {
                answer.body["metadata"]["ownerReferences"]
                    .as_array()
                    .is_some_and(|list| list.len() == 1)
            },
        )
        .await
        .body;
    assert_eq!(left["metadata"]["ownerReferences"][0]["name"], "other");
}

#[tokio::test]
async fn an_owner_that_never_was_owns_nothing() {
    let contract = Contract::start().await;
    let absent =
        json!({ "metadata": { "name": "absent", "uid": "11111111-2222-3333-4444-555555555555" } });
    let body =
        json!({ "metadata": { "name": "stray", "ownerReferences": [reference(&absent, false)] } });
    contract
        .post(&contract.path("configmaps"), body)
        .await
        .expect(201);
    contract
        .until_gone(&contract.path("configmaps/stray"))
        .await;
}

#[tokio::test]
async fn a_reference_must_be_whole() {
    let contract = Contract::start().await;
    let body = json!({ "metadata": { "name": "a", "ownerReferences": [{ "apiVersion": "v1", "kind": "Secret", "name": "x" }] } });
    let answer = contract.post(&contract.path("configmaps"), body).await;
    let message = answer.refused(422, "Invalid");
    assert!(
        message.contains("metadata.ownerReferences.uid: Invalid value: \"\": must not be empty"),
        "{message}"
    );
    let owner = contract
        .post(
            &contract.path("secrets"),
            json!({ "metadata": { "name": "owner" } }),
        )
        .await
        .expect(201);
    let mut one = reference(&owner, false);
    one["controller"] = true.into();
    let mut two = one.clone();
    two["uid"] = "11111111-2222-3333-4444-555555555555".into();
    let body = json!({ "metadata": { "name": "a", "ownerReferences": [one, two] } });
    let message = contract
        .post(&contract.path("configmaps"), body)
        .await
        .refused(422, "Invalid");
    assert!(
        message.contains("Only one reference can have Controller set to true"),
        "{message}"
    );
}

#[tokio::test]
async fn the_owner_of_custom_objects_takes_them_along() {
    let contract = Contract::start().await;
    let crd = contract
        .crd(json!({ "schema": crate::harness::schema(json!({})) }))
        .await;
    let owner = contract
        .post(&crd.objects(""), crd.widget("owner", json!({})))
        .await
        .expect(201);
    let body = json!({ "metadata": { "name": "owned", "ownerReferences": [{
        "apiVersion": owner["apiVersion"], "kind": "Widget", "name": "owner", "uid": owner["metadata"]["uid"],
    }] } });
    contract
        .post(&contract.path("configmaps"), body)
        .await
        .expect(201);
    contract.delete(&crd.objects("owner")).await.expect(200);
    contract
        .until_gone(&contract.path("configmaps/owned"))
        .await;
    assert_eq!(
        names(&contract.get(&crd.objects("")).await.expect(200)).len(),
        0
    );
}
