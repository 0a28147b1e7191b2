//! CEL rules in the schemas of custom kinds.

use serde_json::{Value, json};

use crate::harness::{CRDS, Contract, Crd, MERGE, schema};

/// A CRD whose `spec` has these properties and rules.
async fn ruled(properties: Value, rules: Value) -> (Contract, Crd) {
    let contract = Contract::start().await;
    let mut definition = schema(properties);
    definition["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] = rules;
    let crd = contract.crd(json!({ "schema": definition })).await;
    (contract, crd)
}

/// Which of the specs are let through by a rule on `spec`.
async fn judged(properties: Value, rule: &str, cases: &[(Value, bool)]) {
    let (contract, crd) = ruled(properties, json!([{ "rule": rule, "message": "no" }])).await;
    for (spec, valid) in cases {
        let path = format!("{}?dryRun=All", crd.objects(""));
        let answer = contract.post(&path, crd.widget("w", spec.clone())).await;
        if *valid {
            assert_eq!(answer.code, 201, "{rule} on {spec}: {}", answer.text);
        } else {
            answer.refused(422, "Invalid");
        }
    }
}

#[tokio::test]
async fn a_rule_refuses_with_its_message() {
    let (contract, crd) = ruled(
        json!({ "min": { "type": "integer" }, "max": { "type": "integer" } }),
        json!([
            { "rule": "self.min <= self.max", "message": "min must not be above max" },
            { "rule": "self.max < 100" },
            { "rule": "self.min != 13", "messageExpression": "self.min == 13 ? 'not thirteen' : 'odd'", "reason": "FieldValueForbidden", "fieldPath": ".min" },
        ]),
    ).await;
    contract
        .post(
            &crd.objects(""),
            crd.widget("fine", json!({ "min": 1, "max": 2 })),
        )
        .await
        .expect(201);
    let answer = contract
        .post(
            &crd.objects(""),
            crd.widget("w", json!({ "min": 3, "max": 2 })),
        )
        .await;
    let message = answer.refused(422, "Invalid");
    assert_eq!(
        message,
        format!(
            "Widget.{} \"w\" is invalid: spec: Invalid value: min must not be above max",
            crd.group
        )
        .replace("value: min", &format!("value: {}: min", shown()))
    );
    assert_eq!(answer.causes(), ["FieldValueInvalid spec"]);
    let message = contract
        .post(
            &crd.objects(""),
            crd.widget("w", json!({ "min": 1, "max": 200 })),
        )
        .await
        .refused(422, "Invalid");
    assert!(
        message.ends_with("failed rule: self.max < 100"),
        "{message}"
    );
    let answer = contract
        .post(
            &crd.objects(""),
            crd.widget("w", json!({ "min": 13, "max": 20 })),
        )
        .await;
    let message = answer.refused(422, "Invalid");
    assert!(
        message.ends_with("spec.min: Forbidden: not thirteen"),
        "{message}"
    );
    assert_eq!(answer.causes(), ["FieldValueForbidden spec.min"]);
}

/// How Kubernetes shows a value that is an object.
fn shown() -> &'static str {
    "\"object\""
}

#[tokio::test]
async fn what_a_rule_cannot_find_is_an_error() {
    let (contract, crd) = ruled(
        json!({ "a": { "type": "integer" } }),
        json!([{ "rule": "self.a > 0" }]),
    )
    .await;
    let message = contract
        .post(&crd.objects(""), crd.widget("w", json!({})))
        .await
        .refused(422, "Invalid");
    assert!(
        message.contains("no such key: a evaluating rule"),
        "{message}"
    );
}

#[tokio::test]
async fn presence_can_be_asked_for() {
    judged(
        json!({ "a": { "type": "integer" }, "b": { "type": "string" } }),
        "!has(self.a) || has(self.b)",
        &[
            (json!({}), true),
            (json!({ "b": "x" }), true),
            (json!({ "a": 1 }), false),
            (json!({ "a": 1, "b": "x" }), true),
        ],
    )
    .await;
}

#[tokio::test]
async fn lists_and_maps_can_be_gone_through() {
    let properties = json!({
        "items": { "type": "array", "maxItems": 10, "items": { "type": "object", "properties": { "name": { "type": "string", "maxLength": 20 }, "weight": { "type": "integer" } } } },
        "labels": { "type": "object", "maxProperties": 10, "additionalProperties": { "type": "string", "maxLength": 20 } },
    });
    judged(
        properties.clone(),
        "self.items.all(i, i.weight > 0) && self.items.exists(i, i.name == 'main') && self.items.exists_one(i, i.weight == 9)",
        &[
            (json!({ "items": [{ "name": "main", "weight": 9 }] }), true),
            (json!({ "items": [{ "name": "main", "weight": 9 }, { "name": "b", "weight": 9 }] }), false),
            (json!({ "items": [{ "name": "other", "weight": 9 }] }), false),
            (json!({ "items": [{ "name": "main", "weight": 9 }, { "name": "b", "weight": 0 }] }), false),
        ],
    ).await;
    judged(
        properties.clone(),
        "self.labels.all(key, key.startsWith('app') && self.labels[key] != '') && 'app' in self.labels && size(self.labels) < 3",
        &[
            (json!({ "labels": { "app": "web" } }), true),
            (json!({ "labels": { "app": "" } }), false),
            (json!({ "labels": { "application": "web" } }), false),
            (json!({ "labels": { "app": "a", "app1": "b", "app2": "c" } }), false),
        ],
    ).await;
    judged(
        properties,
        "self.items.map(i, i.weight).sum() == 10 && self.items.filter(i, i.weight > 5).size() == 1 && self.items.map(i, i.weight).max() == 7",
        &[
            (json!({ "items": [{ "weight": 7 }, { "weight": 3 }] }), true),
            (json!({ "items": [{ "weight": 6 }, { "weight": 4 }] }), false),
        ],
    ).await;
}

#[tokio::test]
async fn texts_can_be_looked_at() {
    judged(
        json!({ "a": { "type": "string", "maxLength": 50 } }),
        "self.a.matches('^[a-z]+(-[a-z]+)*$') && !self.a.contains('bad') && self.a.endsWith('end') && size(self.a) <= 12",
        &[(json!({ "a": "the-end" }), true), (json!({ "a": "The-end" }), false), (json!({ "a": "bad-end" }), false), (json!({ "a": "ending" }), false), (json!({ "a": "aaaaaaaaaaaaaend" }), false)],
    ).await;
    judged(
        json!({ "a": { "type": "string", "maxLength": 50 } }),
        "self.a.split('/').size() == 2 && self.a.lowerAscii() == self.a && self.a.substring(0, 1) != 'x' && self.a.replace('a', 'b').indexOf('a') == -1 && self.a.trim() == self.a && self.a.find('[0-9]+') == ''",
        &[(json!({ "a": "a/b" }), true), (json!({ "a": "a/B" }), false), (json!({ "a": "x/b" }), false), (json!({ "a": "ab" }), false), (json!({ "a": "a/b1" }), false)],
    ).await;
}

#[tokio::test]
async fn kubernetes_own_functions_are_there() {
    judged(
        json!({ "url": { "type": "string", "maxLength": 90 } }),
        "isURL(self.url) && url(self.url).getScheme() == 'https' && url(self.url).getHostname().endsWith('.example.com')",
        &[(json!({ "url": "https://a.example.com:80/x" }), true), (json!({ "url": "http://a.example.com/" }), false), (json!({ "url": "nonsense" }), false), (json!({ "url": "https://example.org" }), false)],
    ).await;
    judged(
        json!({ "q": { "type": "string", "maxLength": 20 } }),
        "isQuantity(self.q) && quantity(self.q).isLessThan(quantity('1Gi')) && quantity(self.q).isGreaterThan(quantity('1k'))",
        &[(json!({ "q": "500Mi" }), true), (json!({ "q": "2Gi" }), false), (json!({ "q": "1" }), false), (json!({ "q": "much" }), false)],
    ).await;
    judged(
        json!({ "ip": { "type": "string", "maxLength": 50 }, "net": { "type": "string", "maxLength": 50 } }),
        "isIP(self.ip) && ip(self.ip).family() == 4 && isCIDR(self.net) && cidr(self.net).containsIP(self.ip)",
        &[(json!({ "ip": "10.1.2.3", "net": "10.0.0.0/8" }), true), (json!({ "ip": "11.1.2.3", "net": "10.0.0.0/8" }), false), (json!({ "ip": "::1", "net": "10.0.0.0/8" }), false), (json!({ "ip": "10.1.2.3", "net": "x" }), false)],
    ).await;
    judged(
        json!({ "l": { "type": "array", "maxItems": 9, "items": { "type": "string", "maxLength": 9 } } }),
        "self.l.isSorted() && sets.contains(self.l, ['a']) && self.l.indexOf('a') == 0",
        &[(json!({ "l": ["a", "b"] }), true), (json!({ "l": ["b", "a"] }), false), (json!({ "l": ["b"] }), false)],
    ).await;
}

#[tokio::test]
async fn a_transition_is_judged_by_the_old_value() {
    let contract = Contract::start().await;
    let mut definition = schema(json!({
        "fixed": { "type": "string", "x-kubernetes-validations": [{ "rule": "self == oldSelf", "message": "fixed is immutable" }] },
        "grows": { "type": "integer", "x-kubernetes-validations": [{ "rule": "self >= oldSelf", "message": "grows only" }] },
    }));
    definition["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] = json!([{ "rule": "has(self.fixed) == has(oldSelf.fixed)", "message": "may not come or go" }]);
    let crd = contract.crd(json!({ "schema": definition })).await;
    contract
        .post(
            &crd.objects(""),
            crd.widget("w", json!({ "fixed": "a", "grows": 1 })),
        )
        .await
        .expect(201);
    let path = crd.objects("w");
    contract
        .patch(&path, MERGE, json!({ "spec": { "grows": 2 } }))
        .await
        .expect(200);
    for (patch, refusal) in [
        (
            json!({ "spec": { "fixed": "b" } }),
            "spec.fixed: Invalid value: \"b\": fixed is immutable",
        ),
        (
            json!({ "spec": { "grows": 1 } }),
            "spec.grows: Invalid value: 1: grows only",
        ),
        (json!({ "spec": { "fixed": null } }), "may not come or go"),
    ] {
        let message = contract
            .patch(&path, MERGE, patch)
            .await
            .refused(422, "Invalid");
        let typed = refusal
            .replace("\"b\"", "\"string\"")
            .replace(": 1:", ": \"integer\":");
        assert!(
            message.contains(refusal) || message.contains(&typed),
            "{message}"
        );
    }
    let message = contract.apply(&path, "one", "&force=true", json!({ "apiVersion": format!("{}/v1", crd.group), "kind": "Widget", "metadata": { "name": "w" }, "spec": { "fixed": "c" } })).await.refused(422, "Invalid");
    assert!(message.contains("fixed is immutable"), "{message}");
}

#[tokio::test]
async fn rules_are_asked_at_every_depth() {
    let contract = Contract::start().await;
    let positive = json!([{ "rule": "self > 0", "message": "positive" }]);
    let crd = contract.crd(json!({ "schema": schema(json!({
        "list": { "type": "array", "maxItems": 5, "items": { "type": "object", "properties": { "n": { "type": "integer", "x-kubernetes-validations": positive } } } },
        "map": { "type": "object", "maxProperties": 5, "additionalProperties": { "type": "integer", "x-kubernetes-validations": positive } },
    })) })).await;
    let answer = contract
        .post(
            &crd.objects(""),
            crd.widget(
                "w",
                json!({ "list": [{ "n": 1 }, { "n": 0 }], "map": { "k": -1 } }),
            ),
        )
        .await;
    answer.refused(422, "Invalid");
    assert_eq!(
        answer.causes(),
        [
            "FieldValueInvalid spec.list[1].n",
            "FieldValueInvalid spec.map[k]"
        ]
    );
}

#[tokio::test]
async fn the_root_sees_the_name() {
    let contract = Contract::start().await;
    let mut definition = schema(json!({ "a": { "type": "string" } }));
    definition["openAPIV3Schema"]["x-kubernetes-validations"] =
        json!([{ "rule": "self.metadata.name.startsWith('good-')", "message": "a good name" }]);
    let crd = contract.crd(json!({ "schema": definition })).await;
    contract
        .post(&crd.objects(""), crd.widget("good-one", json!({})))
        .await
        .expect(201);
    let message = contract
        .post(&crd.objects(""), crd.widget("bad-one", json!({})))
        .await
        .refused(422, "Invalid");
    assert!(message.contains("a good name"), "{message}");
}

#[tokio::test]
async fn a_status_is_judged_as_it_is_written() {
    let contract = Contract::start().await;
    let mut definition = schema(json!({ "a": { "type": "integer" } }));
    definition["openAPIV3Schema"]["properties"]["status"] = json!({
        "type": "object", "properties": { "n": { "type": "integer" } },
        "x-kubernetes-validations": [{ "rule": "self.n < 5", "message": "below five" }],
    });
    let crd = contract
        .crd(json!({ "schema": definition, "subresources": { "status": {} } }))
        .await;
    contract
        .post(&crd.objects(""), crd.widget("w", json!({ "a": 1 })))
        .await
        .expect(201);
    contract
        .patch(
            &crd.objects("w/status"),
            MERGE,
            json!({ "status": { "n": 4 } }),
        )
        .await
        .expect(200);
    let message = contract
        .patch(
            &crd.objects("w/status"),
            MERGE,
            json!({ "status": { "n": 5 } }),
        )
        .await
        .refused(422, "Invalid");
    assert!(message.contains("below five"), "{message}");
}

#[tokio::test]
async fn a_rule_that_cannot_be_is_refused_with_its_definition() {
    let contract = Contract::start().await;
    for (rule, text) in [
        ("self.absent > 0", "undefined field 'absent'"),
        (
            "self.a > 'x'",
            "found no matching overload for '_>_' applied to '(int, string)'",
        ),
        ("self.a", "must evaluate to a bool"),
        ("self.a >", "Syntax error"),
        ("nobody(self.a)", "undeclared reference to 'nobody'"),
        ("other.a == 1", "undeclared reference to 'other'"),
        ("self.s.matches('(')", "invalid matches argument"),
        ("self.s.nothing()", "undeclared reference to 'nothing'"),
        (
            "size(self.a) == 1",
            "found no matching overload for 'size' applied to '(int)'",
        ),
        ("", "rule is not specified"),
    ] {
        let crd = Crd::new(&contract.namespace);
        let mut definition = schema(
            json!({ "a": { "type": "integer" }, "s": { "type": "string", "maxLength": 9 } }),
        );
        definition["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] =
            json!([{ "rule": rule }]);
        contract.leaves(crd.path());
        let answer = contract
            .post(CRDS, crd.body(json!({ "schema": definition })))
            .await;
        let message = answer.refused(422, "Invalid");
        assert!(message.contains(text), "{rule}: {message}");
        let path =
            "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule";
        assert!(
            answer.causes().iter().any(|cause| cause.ends_with(path)),
            "{rule}: {:?}",
            answer.causes()
        );
    }
}

#[tokio::test]
async fn an_old_error_stays_unmentioned() {
    let contract = Contract::start().await;
    let crd = contract.crd(json!({ "schema": schema(json!({ "a": { "type": "integer" }, "b": { "type": "integer" } })) })).await;
    contract
        .post(&crd.objects(""), crd.widget("w", json!({ "a": 1, "b": 1 })))
        .await
        .expect(201);
    let mut body = contract.get(&crd.path()).await.expect(200);
    let a = json!({ "type": "integer", "x-kubernetes-validations": [{ "rule": "self > 5" }] });
    body["spec"]["versions"][0]["schema"] = schema(json!({ "a": a, "b": { "type": "integer" } }));
    contract.put(&crd.path(), body).await.expect(200);
    for _ in 0..100 {
        let answer = contract
            .post(
                &format!("{}?dryRun=All", crd.objects("")),
                crd.widget("x", json!({ "a": 1 })),
            )
            .await;
        if answer.code == 422 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    contract
        .patch(&crd.objects("w"), MERGE, json!({ "spec": { "b": 2 } }))
        .await
        .expect(200);
    contract
        .patch(&crd.objects("w"), MERGE, json!({ "spec": { "a": 2 } }))
        .await
        .refused(422, "Invalid");
}
