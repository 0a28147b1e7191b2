//! Status, scale and columns of custom kinds; their names.

use serde_json::{Value, json};

use crate::harness::{Contract, Crd, MERGE, items_of, schema, text};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

async fn scaled() -> (Contract, Crd) {
    let contract = Contract::start().await;
    let definition = schema(
        json!({ "replicas": { "type": "integer", "minimum": 0 }, "size": { "type": "string" } }),
    );
    let crd = contract.crd(json!({
        "schema": definition,
        "subresources": { "status": {}, "scale": { "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector" } },
        "additionalPrinterColumns": [
            { "name": "Size", "type": "string", "jsonPath": ".spec.size" },
            { "name": "Wanted", "type": "integer", "jsonPath": ".spec.replicas" },
            { "name": "Wide", "type": "string", "jsonPath": ".status.note", "priority": 1 },
            { "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" },
        ],
    })).await;
    (contract, crd)
}

#[tokio::test]
async fn a_new_object_has_no_status() {
    let (contract, crd) = scaled().await;
    let mut widget = crd.widget("w", json!({ "replicas": 1 }));
    widget["status"] = json!({ "replicas": 9 });
    let made = contract.post(&crd.objects(""), widget).await.expect(201);
    assert!(made["status"].is_null());
    assert_eq!(made["metadata"]["generation"], 1);
    let mut status = made.clone();
    status["status"] = json!({ "replicas": 1 });
    status["spec"]["replicas"] = 5.into();
    let written = contract
        .put(&crd.objects("w/status"), status)
        .await
        .expect(200);
    assert_eq!(written["status"]["replicas"], 1);
    assert_eq!(written["spec"]["replicas"], 1);
    let read = contract.get(&crd.objects("w/status")).await.expect(200);
    assert_eq!(read, written);
    let mut main = written;
    main["status"] = json!({ "replicas": 7 });
    main["spec"]["replicas"] = 2.into();
    let main = contract.put(&crd.objects("w"), main).await.expect(200);
    assert_eq!(
        (&main["status"]["replicas"], &main["spec"]["replicas"]),
        (&json!(1), &json!(2))
    );
}

#[tokio::test]
async fn without_a_status_subresource_the_status_is_a_field() {
    let contract = Contract::start().await;
    let crd = contract.crd(json!({ "schema": schema(json!({})) })).await;
    let mut widget = crd.widget("w", json!({}));
    widget["status"] = json!({ "a": "1" });
    let made = contract.post(&crd.objects(""), widget).await.expect(201);
    assert_eq!(made["status"]["a"], "1");
    assert_eq!(contract.get(&crd.objects("w/status")).await.code, 404);
    let patched = contract
        .patch(&crd.objects("w"), MERGE, json!({ "status": { "a": "2" } }))
        .await
        .expect(200);
    assert_eq!(patched["metadata"]["generation"], 2);
}

#[tokio::test]
async fn a_scale_shows_and_sets_the_replicas() {
    let (contract, crd) = scaled().await;
    contract
        .post(&crd.objects(""), crd.widget("w", json!({ "replicas": 2 })))
        .await
        .expect(201);
    contract
        .patch(
            &crd.objects("w/status"),
            MERGE,
            json!({ "status": { "replicas": 1, "selector": "app=w" } }),
        )
        .await
        .expect(200);
    let mut scale = contract.get(&crd.objects("w/scale")).await.expect(200);
    assert_eq!(
        (&scale["kind"], &scale["apiVersion"]),
        (&json!("Scale"), &json!("autoscaling/v1"))
    );
    assert_eq!(scale["spec"], json!({ "replicas": 2 }));
    assert_eq!(
        scale["status"],
        json!({ "replicas": 1, "selector": "app=w" })
    );
    scale["spec"]["replicas"] = 3.into();
    contract
        .put(&crd.objects("w/scale"), scale)
        .await
        .expect(200);
    assert_eq!(
        contract.get(&crd.objects("w")).await.expect(200)["spec"]["replicas"],
        3
    );
    let patched = contract
        .patch(
            &crd.objects("w/scale"),
            MERGE,
            json!({ "spec": { "replicas": 4 } }),
        )
        .await
        .expect(200);
    assert_eq!(patched["spec"]["replicas"], 4);
    contract
        .patch(
            &crd.objects("w/scale"),
            MERGE,
            json!({ "spec": { "replicas": -1 } }),
        )
        .await
        .refused(422, "Invalid");
    // Of an object without replicas there is no scale.
    contract
        .post(&crd.objects(""), crd.widget("none", json!({})))
        .await
        .expect(201);
    contract
        .get(&crd.objects("none/scale"))
        .await
        .refused(500, "InternalError");
}

#[tokio::test]
async fn columns_are_what_the_definition_says() {
    let (contract, crd) = scaled().await;
    contract
        .post(
            &crd.objects(""),
            crd.widget("w", json!({ "replicas": 2, "size": "small" })),
        )
        .await
        .expect(201);
    let table = contract.get_as(&crd.objects(""), TABLE).await.expect(200);
    assert_eq!(table["kind"], "Table");
    let columns: Vec<String> = items_of(&table["columnDefinitions"])
        .map(|column| text(&column["name"]))
        .collect();
    assert_eq!(columns, ["Name", "Size", "Wanted", "Wide", "Age"]);
    assert_eq!(table["columnDefinitions"][3]["priority"], 1);
    let cells = &table["rows"][0]["cells"];
    assert_eq!(
        (&cells[0], &cells[1], &cells[2], &cells[3]),
        (&json!("w"), &json!("small"), &json!(2), &Value::Null)
    );
    assert!(cells[4].is_string());
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let whole = contract
        .get_as(&format!("{}?includeObject=Object", crd.objects("w")), TABLE)
        .await
        .expect(200);
    assert_eq!(whole["rows"][0]["object"]["spec"]["size"], "small");
}

#[tokio::test]
async fn a_kind_is_found_by_its_names() {
    let (contract, crd) = scaled().await;
    let resources = contract
        .until(
            &format!("/apis/{}/v1", crd.group),
            "to be discovered",
            |answer| answer.code == 200,
        )
        .await
        .body;
    let found = items_of(&resources["resources"])
        .find(|resource| resource["name"] == "widgets")
        .unwrap();
    assert_eq!(found["singularName"], "widget");
    assert_eq!(found["shortNames"], json!(["wg"]));
    assert_eq!(found["categories"], json!(["all"]));
    assert_eq!(found["namespaced"], true);
    let mut verbs: Vec<String> = items_of(&found["verbs"]).map(text).collect();
    verbs.sort();
    assert_eq!(
        verbs,
        [
            "create",
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "update",
            "watch"
        ]
    );
    let subresources: Vec<String> = items_of(&resources["resources"])
        .map(|resource| text(&resource["name"]))
        .collect();
    assert!(
        subresources.contains(&"widgets/status".to_owned())
            && subresources.contains(&"widgets/scale".to_owned()),
        "{subresources:?}"
    );
}

#[tokio::test]
async fn fields_can_be_made_selectable() {
    let contract = Contract::start().await;
    let crd = contract
        .crd(json!({
            "schema": schema(json!({ "size": { "type": "string" } })),
            "selectableFields": [{ "jsonPath": ".spec.size" }],
        }))
        .await;
    for (name, size) in [("a", "small"), ("b", "large")] {
        contract
            .post(&crd.objects(""), crd.widget(name, json!({ "size": size })))
            .await
            .expect(201);
    }
    let list = contract
        .get(&format!(
            "{}?fieldSelector=spec.size%3Dlarge",
            crd.objects("")
        ))
        .await
        .expect(200);
    assert_eq!(crate::harness::names(&list), ["b"]);
    contract
        .get(&format!(
            "{}?fieldSelector=spec.other%3Dlarge",
            crd.objects("")
        ))
        .await
        .refused(400, "BadRequest");
}
