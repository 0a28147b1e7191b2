//! Lists with keys, and sets, in custom kinds.

use serde_json::{Value, json};

use crate::harness::{Contract, Crd, MERGE, schema};

async fn listed() -> (Contract, Crd) {
    let contract = Contract::start().await;
    let crd = contract.crd(json!({ "schema": schema(json!({
        "ports": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"],
            "items": { "type": "object", "required": ["port"], "properties": {
                "port": { "type": "integer" }, "protocol": { "type": "string", "default": "TCP" }, "name": { "type": "string" },
            } },
        },
        "tags": { "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } },
        "plain": { "type": "array", "items": { "type": "string" } },
        "whole": { "type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": { "type": "string" } },
    })) })).await;
    (contract, crd)
}

#[tokio::test]
async fn keys_and_members_are_there_once() {
    let (contract, crd) = listed().await;
    for (spec, cause) in [
        (
            json!({ "ports": [{ "port": 1 }, { "port": 1, "name": "x" }] }),
            "FieldValueDuplicate spec.ports[1]",
        ),
        (
            json!({ "tags": ["a", "b", "a"] }),
            "FieldValueDuplicate spec.tags[2]",
        ),
    ] {
        let answer = contract.post(&crd.objects(""), crd.widget("w", spec)).await;
        answer.refused(422, "Invalid");
        assert_eq!(answer.causes(), [cause]);
    }
    let fine = json!({ "ports": [{ "port": 1 }, { "port": 1, "protocol": "UDP" }], "tags": ["a", "b"], "plain": ["a", "a"] });
    contract
        .post(&crd.objects(""), crd.widget("w", fine))
        .await
        .expect(201);
}

#[tokio::test]
async fn appliers_share_a_list_by_its_keys() {
    let (contract, crd) = listed().await;
    let path = crd.objects("w");
    let ports = |value: Value| crd.widget("w", json!({ "ports": value }));
    contract
        .apply(&path, "one", "", ports(json!([{ "port": 1, "name": "a" }])))
        .await
        .expect(201);
    let both = contract
        .apply(&path, "two", "", ports(json!([{ "port": 2, "name": "b" }])))
        .await
        .expect(200);
    assert_eq!(both["spec"]["ports"].as_array().unwrap().len(), 2);
    let answer = contract
        .apply(&path, "two", "", ports(json!([{ "port": 1, "name": "z" }])))
        .await;
    answer.refused(409, "Conflict");
    assert_eq!(
        answer.causes(),
        ["FieldManagerConflict .spec.ports[port=1,protocol=\"TCP\"].name"]
    );
    let left = contract
        .apply(&path, "one", "", ports(json!([])))
        .await
        .expect(200);
    assert_eq!(
        left["spec"]["ports"],
        json!([{ "port": 2, "protocol": "TCP", "name": "b" }])
    );
}

#[tokio::test]
async fn appliers_share_a_set_and_not_a_plain_list() {
    let (contract, crd) = listed().await;
    let path = crd.objects("w");
    contract
        .apply(
            &path,
            "one",
            "",
            crd.widget(
                "w",
                json!({ "tags": ["a"], "plain": ["a"], "whole": { "k": "1" } }),
            ),
        )
        .await
        .expect(201);
    let both = contract
        .apply(&path, "two", "", crd.widget("w", json!({ "tags": ["b"] })))
        .await
        .expect(200);
    assert_eq!(both["spec"]["tags"], json!(["a", "b"]));
    for spec in [json!({ "plain": ["b"] }), json!({ "whole": { "l": "2" } })] {
        contract
            .apply(&path, "two", "", crd.widget("w", spec))
            .await
            .refused(409, "Conflict");
    }
    let taken = contract
        .apply(
            &path,
            "two",
            "&force=true",
            crd.widget("w", json!({ "whole": { "l": "2" } })),
        )
        .await
        .expect(200);
    assert_eq!(taken["spec"]["whole"], json!({ "l": "2" }));
}

#[tokio::test]
async fn a_merge_patch_knows_nothing_of_keys() {
    let (contract, crd) = listed().await;
    contract
        .post(
            &crd.objects(""),
            crd.widget("w", json!({ "ports": [{ "port": 1 }] })),
        )
        .await
        .expect(201);
    let patched = contract
        .patch(
            &crd.objects("w"),
            MERGE,
            json!({ "spec": { "ports": [{ "port": 2 }] } }),
        )
        .await
        .expect(200);
    assert_eq!(
        patched["spec"]["ports"],
        json!([{ "port": 2, "protocol": "TCP" }])
    );
}
