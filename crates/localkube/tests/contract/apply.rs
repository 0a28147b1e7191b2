//! Server-side apply.

use serde_json::{Value, json};

use crate::harness::{APPLY, Contract, items_of, text};

fn config_map(data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "applied" }, "data": data })
}

#[tokio::test]
async fn what_is_not_there_is_made() {
    let contract = Contract::start().await;
    let path = contract.path("configmaps/applied");
    let answer = contract
        .apply(&path, "one", "", config_map(json!({ "a": "1" })))
        .await;
    let made = answer.expect(201);
    let managed = &made["metadata"]["managedFields"][0];
    assert_eq!(managed["manager"], "one");
    assert_eq!(managed["operation"], "Apply");
    assert_eq!(managed["fieldsV1"], json!({ "f:data": { "f:a": {} } }));
    let again = contract
        .apply(&path, "one", "", config_map(json!({ "a": "1" })))
        .await
        .expect(200);
    assert_eq!(
        again["metadata"]["resourceVersion"],
        made["metadata"]["resourceVersion"]
    );
}

#[tokio::test]
async fn what_a_manager_no_longer_applies_goes() {
    let contract = Contract::start().await;
    let path = contract.path("configmaps/applied");
    contract
        .apply(&path, "one", "", config_map(json!({ "a": "1", "b": "2" })))
        .await
        .expect(201);
    contract
        .apply(&path, "two", "", config_map(json!({ "c": "3" })))
        .await
        .expect(200);
    let applied = contract
        .apply(&path, "one", "", config_map(json!({ "a": "1" })))
        .await
        .expect(200);
    assert_eq!(applied["data"], json!({ "a": "1", "c": "3" }));
}

#[tokio::test]
async fn fields_of_another_manager_are_a_conflict() {
    let contract = Contract::start().await;
    let path = contract.path("configmaps/applied");
    contract
        .apply(&path, "one", "", config_map(json!({ "a": "1", "b": "2" })))
        .await
        .expect(201);
    let answer = contract
        .apply(&path, "two", "", config_map(json!({ "a": "9", "b": "9" })))
        .await;
    let message = answer.refused(409, "Conflict");
    assert_eq!(
        message,
        "Apply failed with 2 conflicts: conflicts with \"one\":\n- .data.a\n- .data.b"
    );
    assert_eq!(
        answer.causes(),
        [
            "FieldManagerConflict .data.a",
            "FieldManagerConflict .data.b"
        ]
    );
    assert_eq!(
        answer.body["details"]["causes"][0]["message"],
        "conflict with \"one\""
    );
    let answer = contract
        .apply(&path, "two", "", config_map(json!({ "a": "9" })))
        .await;
    assert_eq!(
        answer.refused(409, "Conflict"),
        "Apply failed with 1 conflict: conflict with \"one\": .data.a"
    );
    // The same value is shared.
    let shared = contract
        .apply(&path, "two", "", config_map(json!({ "a": "1" })))
        .await
        .expect(200);
    assert_eq!(shared["data"], json!({ "a": "1", "b": "2" }));
}

#[tokio::test]
async fn force_takes_fields_over() {
    let contract = Contract::start().await;
    let path = contract.path("configmaps/applied");
    contract
        .apply(&path, "one", "", config_map(json!({ "a": "1", "b": "2" })))
        .await
        .expect(201);
    let taken = contract
        .apply(&path, "two", "&force=true", config_map(json!({ "a": "9" })))
        .await
        .expect(200);
    assert_eq!(taken["data"], json!({ "a": "9", "b": "2" }));
    let of = |manager: &str| {
        let entry =
            items_of(&taken["metadata"]["managedFields"]).find(|entry| entry["manager"] == manager);
        entry.unwrap()["fieldsV1"].clone()
    };
    assert_eq!(of("one"), json!({ "f:data": { "f:b": {} } }));
    assert_eq!(of("two"), json!({ "f:data": { "f:a": {} } }));
}

#[tokio::test]
async fn an_update_owns_what_it_changes() {
    let contract = Contract::start().await;
    let path = contract.path("configmaps/applied");
    let mut made = contract
        .apply(&path, "one", "", config_map(json!({ "a": "1" })))
        .await
        .expect(201);
    made["data"]["a"] = "2".into();
    contract
        .put(&format!("{path}?fieldManager=editor"), made)
        .await
        .expect(200);
    let answer = contract
        .apply(&path, "one", "", config_map(json!({ "a": "1" })))
        .await;
    let message = answer.refused(409, "Conflict");
    assert!(
        message.starts_with(
            "Apply failed with 1 conflict: conflict with \"editor\" using v1: .data.a"
        ),
        "{message}"
    );
}

#[tokio::test]
async fn an_apply_must_say_who_and_what() {
    let contract = Contract::start().await;
    let path = contract.path("configmaps/applied");
    let answer = contract.patch(&path, APPLY, config_map(json!({}))).await;
    let message = answer.refused(422, "Invalid");
    assert_eq!(
        message,
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"
    );
    let mut managed = config_map(json!({}));
    managed["metadata"]["managedFields"] = json!([{ "manager": "x", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {} }]);
    let message = contract
        .apply(&path, "one", "", managed)
        .await
        .refused(400, "BadRequest");
    assert_eq!(message, "metadata.managedFields must be nil");
    let mut other = config_map(json!({}));
    other["metadata"]["name"] = "other".into();
    contract
        .apply(&path, "one", "", other)
        .await
        .refused(400, "BadRequest");
    let answer = contract
        .apply(
            &path,
            "one",
            "",
            json!({ "metadata": { "name": "applied" } }),
        )
        .await;
    answer.refused(400, "BadRequest");
    let answer = contract
        .patch(
            &format!("{path}?force=true"),
            crate::harness::MERGE,
            json!({}),
        )
        .await;
    answer.refused(422, "Invalid");
    assert_eq!(answer.causes(), ["FieldValueForbidden force"]);
}

#[tokio::test]
async fn lists_with_keys_are_merged_by_manager() {
    let contract = Contract::start().await;
    let path = contract.path("services/web");
    let service = |ports: Value| json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" }, "spec": { "ports": ports } });
    contract
        .apply(
            &path,
            "one",
            "",
            service(json!([{ "name": "a", "port": 1, "protocol": "TCP" }])),
        )
        .await
        .expect(201);
    let both = contract
        .apply(
            &path,
            "two",
            "",
            service(json!([{ "name": "b", "port": 2, "protocol": "TCP" }])),
        )
        .await
        .expect(200);
    let ports: Vec<String> = items_of(&both["spec"]["ports"])
        .map(|port| text(&port["name"]))
        .collect();
    assert_eq!(ports, ["a", "b"]);
    let one = contract
        .apply(
            &path,
            "one",
            "",
            service(json!([{ "name": "c", "port": 3, "protocol": "TCP" }])),
        )
        .await
        .expect(200);
    let ports: Vec<String> = items_of(&one["spec"]["ports"])
        .map(|port| text(&port["name"]))
        .collect();
    assert_eq!(ports.len(), 2);
    assert!(!ports.contains(&"a".to_owned()), "{ports:?}");
}

#[tokio::test]
async fn an_applied_status_is_another_part() {
    let contract = Contract::start().await;
    let crd = contract
        .crd(json!({ "schema": crate::harness::schema(json!({ "a": { "type": "string" } })), "subresources": { "status": {} } }))
        .await;
    let mut widget = crd.widget("w", json!({ "a": "1" }));
    widget["status"] = json!({ "ignored": "here" });
    let made = contract
        .apply(&crd.objects("w"), "one", "", widget)
        .await
        .expect(201);
    assert!(made["status"].is_null());
    let mut status = crd.widget("w", json!({ "a": "9" }));
    status["status"] = json!({ "b": "2" });
    let applied = contract
        .apply(&crd.objects("w/status"), "controller", "", status)
        .await
        .expect(200);
    assert_eq!(applied["spec"]["a"], "1");
    assert_eq!(applied["status"], json!({ "b": "2" }));
    let entry = items_of(&applied["metadata"]["managedFields"])
        .find(|entry| entry["manager"] == "controller")
        .unwrap()
        .clone();
    assert_eq!(entry["subresource"], "status");
    assert_eq!(entry["fieldsV1"], json!({ "f:status": { "f:b": {} } }));
}

#[tokio::test]
async fn a_dry_apply_says_what_would_be() {
    let contract = Contract::start().await;
    let path = contract.path("configmaps/applied");
    let dry = contract
        .apply(&path, "one", "&dryRun=All", config_map(json!({ "a": "1" })))
        .await
        .expect(201);
    assert_eq!(dry["data"]["a"], "1");
    contract.get(&path).await.refused(404, "NotFound");
}
