//! CustomResourceDefinitions themselves.

use serde_json::{Value, json};

use crate::harness::{CRDS, Contract, Crd, MERGE, condition, items_of, schema};

#[tokio::test]
async fn a_kind_is_served_once_its_definition_is_established() {
    let contract = Contract::start().await;
    let crd = contract.crd(json!({ "schema": schema(json!({})) })).await;
    let made = contract.get(&crd.path()).await.expect(200);
    assert_eq!(condition(&made, "NamesAccepted"), "True");
    assert_eq!(made["status"]["storedVersions"], json!(["v1"]));
    assert_eq!(made["status"]["acceptedNames"]["kind"], "Widget");
    assert_eq!(made["spec"]["names"]["listKind"], "WidgetList");
    assert_eq!(made["spec"]["conversion"]["strategy"], "None");
    let list = contract.get(&crd.objects("")).await.expect(200);
    assert_eq!(list["kind"], "WidgetList");
    assert_eq!(list["apiVersion"], format!("{}/v1", crd.group));
}

#[tokio::test]
async fn a_definition_takes_its_objects_along() {
    let contract = Contract::start().await;
    let crd = contract.crd(json!({ "schema": schema(json!({})) })).await;
    let mut held = crd.widget("held", json!({}));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    contract.post(&crd.objects(""), held).await.expect(201);
    contract.delete(&crd.path()).await.expect(200);
    contract
        .until(&crd.path(), "to terminate", |answer| {
            condition(&answer.body, "Terminating") == "True"
        })
        .await;
    let held = crd.objects("held");
    contract
        .until(&held, "to be deleted", |answer| {
            answer.body["metadata"]["deletionTimestamp"].is_string()
        })
        .await;
    contract
        .post(&crd.objects(""), crd.widget("late", json!({})))
        .await
        .refused(403, "Forbidden");
    contract
        .patch(&held, MERGE, json!({ "metadata": { "finalizers": null } }))
        .await
        .expect(200);
    contract.until_gone(&crd.path()).await;
    contract
        .until(&crd.objects(""), "to be no longer served", |answer| {
            answer.code == 404
        })
        .await;
}

/// The causes of a refusal of a definition that was changed.
async fn refusal(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let contract = Contract::start().await;
    let crd = Crd::new(&contract.namespace);
    let mut body = crd.body(json!({ "schema": schema(json!({})) }));
    change(&mut body);
    contract.leaves(crd.path());
    let answer = contract.post(CRDS, body).await;
    answer.refused(422, "Invalid");
    answer.causes()
}

#[tokio::test]
async fn its_name_is_its_plural_and_group() {
    let causes = refusal(|crd| crd["metadata"]["name"] = "other.example.com".into()).await;
    assert_eq!(causes, ["FieldValueInvalid metadata.name"]);
}

#[tokio::test]
async fn one_version_is_stored() {
    let causes = refusal(|crd| crd["spec"]["versions"][0]["storage"] = false.into()).await;
    assert!(
        causes.contains(&"FieldValueInvalid spec.versions".to_owned()),
        "{causes:?}"
    );
}

#[tokio::test]
async fn a_schema_is_there_and_structural() {
    let root = "spec.validation.openAPIV3Schema";
    let causes = refusal(|crd| {
        crd["spec"]["versions"][0]
            .as_object_mut()
            .unwrap()
            .remove("schema");
    })
    .await;
    assert!(
        causes.contains(&"FieldValueRequired spec.versions[0].schema.openAPIV3Schema".to_owned()),
        "{causes:?}"
    );
    let of = |spec: Value| {
        move |crd: &mut Value| {
            crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = spec
        }
    };
    let causes = refusal(of(json!({ "properties": {} }))).await;
    assert_eq!(
        causes,
        [format!("FieldValueRequired {root}.properties[spec].type")]
    );
    let causes = refusal(of(json!({ "type": "array" }))).await;
    assert_eq!(
        causes,
        [format!("FieldValueRequired {root}.properties[spec].items")]
    );
    let causes = refusal(of(json!({ "type": "text" }))).await;
    assert!(
        causes.contains(&format!(
            "FieldValueNotSupported {root}.properties[spec].type"
        )),
        "{causes:?}"
    );
    let causes = refusal(of(json!({ "type": "string", "pattern": "(" }))).await;
    assert_eq!(
        causes,
        [format!("FieldValueInvalid {root}.properties[spec].pattern")]
    );
    let causes = refusal(of(json!({ "type": "string", "default": 7 }))).await;
    assert_eq!(
        causes,
        [format!(
            "FieldValueTypeInvalid {root}.properties[spec].default"
        )]
    );
    let causes = refusal(of(
        json!({ "type": "array", "items": { "type": "string" }, "uniqueItems": true }),
    ))
    .await;
    assert_eq!(
        causes,
        [format!(
            "FieldValueForbidden {root}.properties[spec].uniqueItems"
        )]
    );
    let causes = refusal(of(json!({ "type": "array", "x-kubernetes-list-type": "map", "items": { "type": "object", "properties": { "k": { "type": "string" } } } }))).await;
    assert_eq!(
        causes,
        [format!(
            "FieldValueRequired {root}.properties[spec].x-kubernetes-list-map-keys"
        )]
    );
    let causes = refusal(of(
        json!({ "type": "object", "properties": {}, "$ref": "#/other" }),
    ))
    .await;
    assert!(
        causes.contains(&format!("FieldValueForbidden {root}.properties[spec].$ref")),
        "{causes:?}"
    );
}

#[tokio::test]
async fn its_names_and_scope_are_checked() {
    let causes = refusal(|crd| crd["spec"]["scope"] = "Everywhere".into()).await;
    assert_eq!(causes, ["FieldValueNotSupported spec.scope"]);
    let causes = refusal(|crd| crd["spec"]["names"]["kind"] = "".into()).await;
    assert!(
        causes
            .iter()
            .any(|cause| cause.ends_with("spec.names.kind")),
        "{causes:?}"
    );
}

#[tokio::test]
async fn a_protected_group_needs_approval() {
    let contract = Contract::start().await;
    let mut body = Crd::new(&contract.namespace).body(json!({ "schema": schema(json!({})) }));
    body["metadata"]["name"] = "widgets.contract.k8s.io".into();
    body["spec"]["group"] = "contract.k8s.io".into();
    let answer = contract.post(CRDS, body).await;
    answer.refused(422, "Invalid");
    assert_eq!(
        answer.causes(),
        ["FieldValueRequired metadata.annotations[api-approved.kubernetes.io]"]
    );
}

#[tokio::test]
async fn its_schema_may_change_and_its_scope_not() {
    let contract = Contract::start().await;
    let crd = contract
        .crd(json!({ "schema": schema(json!({ "a": { "type": "string" } })) }))
        .await;
    contract
        .post(
            &crd.objects(""),
            crd.widget("w", json!({ "a": "1", "b": "2" })),
        )
        .await
        .expect(201);
    let mut body = contract.get(&crd.path()).await.expect(200);
    body["spec"]["scope"] = "Cluster".into();
    let answer = contract.put(&crd.path(), body.clone()).await;
    answer.refused(422, "Invalid");
    assert_eq!(answer.causes(), ["FieldValueInvalid spec.scope"]);
    body["spec"]["scope"] = "Namespaced".into();
    body["spec"]["versions"][0]["schema"] =
        schema(json!({ "a": { "type": "string" }, "b": { "type": "string", "default": "new" } }));
    contract.put(&crd.path(), body).await.expect(200);
    // In force a moment later.
    for turn in 0..200 {
        let note = json!({ "metadata": { "annotations": { "turn": turn.to_string() } } });
        let patched = contract
            .patch(&crd.objects("w"), MERGE, note)
            .await
            .expect(200);
        if patched["spec"]["b"] == "new" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the new default is not in force");
}

#[tokio::test]
async fn versions_are_served_as_they_say() {
    let contract = Contract::start().await;
    let crd = Crd::new(&contract.namespace);
    let mut body = crd.body(json!({ "schema": schema(json!({ "a": { "type": "string" } })) }));
    let mut older = body["spec"]["versions"][0].clone();
    older["name"] = "v1alpha1".into();
    older["storage"] = false.into();
    let mut unserved = older.clone();
    unserved["name"] = "v0".into();
    unserved["served"] = false.into();
    body["spec"]["versions"]
        .as_array_mut()
        .unwrap()
        .extend([older, unserved]);
    contract.leaves(crd.path());
    contract.post(CRDS, body).await.expect(201);
    contract
        .until(&crd.objects(""), "to be served", |answer| {
            answer.code == 200
        })
        .await;
    let path = |version: &str| crd.objects("w").replace("/v1/", &format!("/{version}/"));
    contract
        .post(&crd.objects(""), crd.widget("w", json!({ "a": "1" })))
        .await
        .expect(201);
    let read = contract.get(&path("v1alpha1")).await.expect(200);
    assert_eq!(read["apiVersion"], format!("{}/v1alpha1", crd.group));
    assert_eq!(read["spec"]["a"], "1");
    assert_eq!(contract.get(&path("v0")).await.code, 404);
    let group = contract
        .get(&format!("/apis/{}", crd.group))
        .await
        .expect(200);
    let versions: Vec<&Value> = items_of(&group["versions"])
        .map(|version| &version["version"])
        .collect();
    assert_eq!(versions, ["v1", "v1alpha1"]);
    assert_eq!(group["preferredVersion"]["version"], "v1");
}
