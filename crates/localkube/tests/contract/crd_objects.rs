//! Objects of custom kinds: values, defaults, pruning.

use serde_json::{Value, json};

use crate::harness::{Contract, Crd, schema};

async fn made(properties: Value, spec: Value) -> (Contract, Crd, Value) {
    let contract = Contract::start().await;
    let crd = contract.crd(json!({ "schema": schema(properties) })).await;
    let widget = contract
        .post(&crd.objects(""), crd.widget("w", spec))
        .await
        .expect(201);
    (contract, crd, widget)
}

#[tokio::test]
async fn what_the_schema_does_not_know_is_dropped() {
    let properties = json!({
        "known": { "type": "string" },
        "open": { "type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": { "inner": { "type": "object", "properties": { "a": { "type": "string" } } } } },
        "map": { "type": "object", "additionalProperties": { "type": "object", "properties": { "a": { "type": "integer" } } } },
        "list": { "type": "array", "items": { "type": "object", "properties": { "a": { "type": "integer" } } } },
    });
    let spec = json!({
        "known": "1", "unknown": "2",
        "open": { "any": { "thing": [1] }, "inner": { "a": "1", "b": "2" } },
        "map": { "k": { "a": 1, "b": 2 } },
        "list": [{ "a": 1, "b": 2 }],
    });
    let (_contract, _, widget) = made(properties, spec).await;
    assert_eq!(
        widget["spec"],
        json!({
            "known": "1",
            "open": { "any": { "thing": [1] }, "inner": { "a": "1" } },
            "map": { "k": { "a": 1 } },
            "list": [{ "a": 1 }],
        })
    );
}

#[tokio::test]
async fn unknown_fields_are_refused_when_asked() {
    let (contract, crd, _) = made(json!({ "a": { "type": "string" } }), json!({})).await;
    let widget = crd.widget("x", json!({ "a": "1", "b": "2" }));
    let answer = contract.post(&crd.objects(""), widget.clone()).await;
    assert_eq!(answer.warnings(), ["unknown field \"spec.b\""]);
    answer.expect(201);
    let message = contract
        .post(
            &format!("{}?fieldValidation=Strict", crd.objects("")),
            widget,
        )
        .await
        .refused(400, "BadRequest");
    assert!(
        message.ends_with("strict decoding error: unknown field \"spec.b\""),
        "{message}"
    );
}

#[tokio::test]
async fn defaults_fill_what_is_absent() {
    let properties = json!({
        "size": { "type": "string", "default": "small" },
        "nested": { "type": "object", "default": {}, "properties": { "depth": { "type": "integer", "default": 3 } } },
        "absent": { "type": "object", "properties": { "depth": { "type": "integer", "default": 3 } } },
        "list": { "type": "array", "items": { "type": "object", "properties": { "on": { "type": "boolean", "default": true } } } },
    });
    let (contract, crd, widget) = made(properties, json!({ "list": [{}, { "on": false }] })).await;
    assert_eq!(
        widget["spec"],
        json!({ "size": "small", "nested": { "depth": 3 }, "list": [{ "on": true }, { "on": false }] })
    );
    // A null is as good as nothing where it is not allowed.
    let widget = contract
        .post(
            &crd.objects(""),
            crd.widget("null", json!({ "size": null })),
        )
        .await
        .expect(201);
    assert_eq!(widget["spec"]["size"], "small");
}

#[tokio::test]
async fn values_are_of_their_type_and_within_bounds() {
    let contract = Contract::start().await;
    let properties = json!({
        "size": { "type": "string", "enum": ["small", "large"] },
        "code": { "type": "string", "pattern": "^[a-z]{2}$", "maxLength": 5 },
        "count": { "type": "integer", "minimum": 1, "maximum": 9 },
        "ratio": { "type": "number", "exclusiveMinimum": true, "minimum": 0 },
        "flag": { "type": "boolean" },
        "tags": { "type": "array", "maxItems": 2, "items": { "type": "string" } },
        "inner": { "type": "object", "required": ["must"], "properties": { "must": { "type": "string" } } },
        "when": { "type": "string", "format": "date-time" },
    });
    let crd = contract.crd(json!({ "schema": schema(properties) })).await;
    for (spec, cause, text) in [
        (
            json!({ "size": "medium" }),
            "FieldValueNotSupported spec.size",
            "spec.size: Unsupported value: \"medium\": supported values: \"small\", \"large\"",
        ),
        (
            json!({ "code": "ABC" }),
            "FieldValueInvalid spec.code",
            "spec.code: Invalid value: \"ABC\": spec.code in body should match '^[a-z]{2}$'",
        ),
        (
            json!({ "code": "abcdef" }),
            "FieldValueTooLong spec.code",
            "spec.code: Too long: may not be more than 5 bytes",
        ),
        (
            json!({ "count": 0 }),
            "FieldValueInvalid spec.count",
            "spec.count: Invalid value: 0: spec.count in body should be greater than or equal to 1",
        ),
        (
            json!({ "count": 10 }),
            "FieldValueInvalid spec.count",
            "spec.count: Invalid value: 10: spec.count in body should be less than or equal to 9",
        ),
        (
            json!({ "count": "3" }),
            "FieldValueTypeInvalid spec.count",
            "spec.count: Invalid value: \"string\": spec.count in body must be of type integer: \"string\"",
        ),
        (
            json!({ "ratio": 0 }),
            "FieldValueInvalid spec.ratio",
            "spec.ratio: Invalid value: 0: spec.ratio in body should be greater than 0",
        ),
        (
            json!({ "flag": "yes" }),
            "FieldValueTypeInvalid spec.flag",
            "spec.flag: Invalid value: \"string\": spec.flag in body must be of type boolean: \"string\"",
        ),
        (
            json!({ "tags": ["a", "b", "c"] }),
            "FieldValueTooMany spec.tags",
            "spec.tags: Too many: 3: must have at most 2 items",
        ),
        (
            json!({ "tags": "a" }),
            "FieldValueTypeInvalid spec.tags",
            "spec.tags: Invalid value: \"string\": spec.tags in body must be of type array: \"string\"",
        ),
        (
            json!({ "inner": {} }),
            "FieldValueRequired spec.inner.must",
            "spec.inner.must: Required value",
        ),
        (
            json!({ "when": "soon" }),
            "FieldValueTypeInvalid spec.when",
            "spec.when: Invalid value: \"soon\": spec.when in body must be of type date-time: \"soon\"",
        ),
    ] {
        let answer = contract
            .post(&crd.objects(""), crd.widget("w", spec.clone()))
            .await;
        let message = answer.refused(422, "Invalid");
        assert!(
            answer.causes().contains(&cause.to_owned()),
            "{spec}: {:?}",
            answer.causes()
        );
        assert!(message.contains(text), "{spec}: {message}");
        assert!(message.starts_with("Widget."), "{message}");
    }
    let fine = json!({ "size": "small", "code": "ab", "count": 9, "ratio": 0.5, "flag": true, "tags": ["a"], "inner": { "must": "x" }, "when": "2026-01-01T00:00:00Z" });
    contract
        .post(&crd.objects(""), crd.widget("w", fine))
        .await
        .expect(201);
}

#[tokio::test]
async fn every_wrong_value_is_named() {
    let contract = Contract::start().await;
    let crd = contract.crd(json!({ "schema": schema(json!({ "a": { "type": "integer" }, "b": { "type": "string", "enum": ["x"] } })) })).await;
    let answer = contract
        .post(
            &crd.objects(""),
            crd.widget("w", json!({ "a": 1, "b": "y" })),
        )
        .await;
    assert_eq!(answer.causes().len(), 1);
    let details = &answer.body["details"];
    assert_eq!(
        (&details["kind"], &details["group"], &details["name"]),
        (&json!("Widget"), &json!(crd.group), &json!("w"))
    );
    let answer = contract
        .post(
            &crd.objects(""),
            crd.widget("w", json!({ "a": "1", "b": "y" })),
        )
        .await;
    answer.refused(422, "Invalid");
    assert_eq!(
        answer.causes(),
        [
            "FieldValueNotSupported spec.b",
            "FieldValueTypeInvalid spec.a"
        ]
    );
}

#[tokio::test]
async fn a_number_or_a_text() {
    let contract = Contract::start().await;
    let crd = contract
        .crd(json!({ "schema": schema(json!({ "port": { "x-kubernetes-int-or-string": true } })) }))
        .await;
    let number = contract
        .post(
            &crd.objects(""),
            crd.widget("number", json!({ "port": 80 })),
        )
        .await
        .expect(201);
    assert_eq!(number["spec"]["port"], 80);
    let text = contract
        .post(
            &crd.objects(""),
            crd.widget("text", json!({ "port": "http" })),
        )
        .await
        .expect(201);
    assert_eq!(text["spec"]["port"], "http");
    let answer = contract
        .post(
            &crd.objects(""),
            crd.widget("neither", json!({ "port": true })),
        )
        .await;
    answer.refused(422, "Invalid");
    assert_eq!(answer.causes(), ["FieldValueTypeInvalid spec.port"]);
}

#[tokio::test]
async fn a_nullable_field_may_be_null() {
    let (_contract, _, widget) = made(
        json!({ "a": { "type": "string", "nullable": true }, "b": { "type": "string", "nullable": true, "default": "x" } }),
        json!({ "a": null, "b": null }),
    ).await;
    assert_eq!(widget["spec"], json!({ "a": null, "b": null }));
}

#[tokio::test]
async fn alternatives_are_checked() {
    let contract = Contract::start().await;
    let mut definition = schema(json!({ "a": { "type": "string" }, "b": { "type": "string" } }));
    definition["openAPIV3Schema"]["properties"]["spec"]["oneOf"] =
        json!([{ "required": ["a"] }, { "required": ["b"] }]);
    let crd = contract.crd(json!({ "schema": definition })).await;
    contract
        .post(&crd.objects(""), crd.widget("a", json!({ "a": "1" })))
        .await
        .expect(201);
    for spec in [json!({}), json!({ "a": "1", "b": "2" })] {
        let answer = contract.post(&crd.objects(""), crd.widget("w", spec)).await;
        let message = answer.refused(422, "Invalid");
        assert!(
            message.contains("must validate one and only one schema (oneOf)"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn an_embedded_resource_is_an_object() {
    let contract = Contract::start().await;
    let template = json!({ "type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true });
    let crd = contract
        .crd(json!({ "schema": schema(json!({ "template": template })) }))
        .await;
    let inner = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a", "unheard": 1 }, "data": { "a": "1" } });
    let made = contract
        .post(
            &crd.objects(""),
            crd.widget("w", json!({ "template": inner })),
        )
        .await
        .expect(201);
    assert_eq!(made["spec"]["template"]["data"]["a"], "1");
    assert!(made["spec"]["template"]["metadata"]["unheard"].is_null());
    let answer = contract
        .post(
            &crd.objects(""),
            crd.widget("x", json!({ "template": { "data": {} } })),
        )
        .await;
    answer.refused(422, "Invalid");
    assert_eq!(
        answer.causes(),
        [
            "FieldValueRequired spec.template.apiVersion",
            "FieldValueRequired spec.template.kind"
        ]
    );
}

#[tokio::test]
async fn an_update_must_name_a_version() {
    let (contract, crd, widget) =
        made(json!({ "a": { "type": "string" } }), json!({ "a": "1" })).await;
    let mut unversioned = widget.clone();
    unversioned["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("resourceVersion");
    let answer = contract.put(&crd.objects("w"), unversioned).await;
    let message = answer.refused(422, "Invalid");
    assert!(
        message.ends_with(
            "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
        ),
        "{message}"
    );
    let mut changed = widget;
    changed["spec"]["a"] = "2".into();
    let changed = contract.put(&crd.objects("w"), changed).await.expect(200);
    assert_eq!(changed["metadata"]["generation"], 2);
}

#[tokio::test]
async fn an_old_error_does_not_stand_in_the_way_of_other_changes() {
    let contract = Contract::start().await;
    let crd = contract.crd(json!({ "schema": schema(json!({ "a": { "type": "string" }, "b": { "type": "string" } })) })).await;
    contract
        .post(
            &crd.objects(""),
            crd.widget("w", json!({ "a": "long text", "b": "1" })),
        )
        .await
        .expect(201);
    let mut body = contract.get(&crd.path()).await.expect(200);
    body["spec"]["versions"][0]["schema"] =
        schema(json!({ "a": { "type": "string", "maxLength": 3 }, "b": { "type": "string" } }));
    contract.put(&crd.path(), body).await.expect(200);
    // Until the new schema is in force.
    contract
        .until(&crd.path(), "to settle", |answer| answer.code == 200)
        .await;
    for _ in 0..100 {
        let answer = contract
            .post(
                &format!("{}?dryRun=All", crd.objects("")),
                crd.widget("x", json!({ "a": "long text" })),
            )
            .await;
        if answer.code == 422 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let patched = contract
        .patch(
            &crd.objects("w"),
            crate::harness::MERGE,
            json!({ "spec": { "b": "2" } }),
        )
        .await
        .expect(200);
    assert_eq!(patched["spec"]["b"], "2");
    contract
        .patch(
            &crd.objects("w"),
            crate::harness::MERGE,
            json!({ "spec": { "a": "longer text" } }),
        )
        .await
        .refused(422, "Invalid");
}
