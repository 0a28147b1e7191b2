//! Creating objects.

use serde_json::json;

use crate::harness::{Contract, name, text};

#[tokio::test]
async fn a_created_object_comes_back_with_what_the_server_knows_of_it() {
    let contract = Contract::start().await;
    let made = contract.config_map("first", json!({ "a": "1" })).await;
    assert_eq!(made["kind"], "ConfigMap");
    assert_eq!(made["apiVersion"], "v1");
    assert_eq!(made["metadata"]["namespace"], contract.namespace.as_str());
    assert_eq!(text(&made["metadata"]["uid"]).len(), 36);
    assert!(text(&made["metadata"]["creationTimestamp"]).ends_with('Z'));
    let revision: u64 = text(&made["metadata"]["resourceVersion"]).parse().unwrap();
    assert!(revision > 0);
    assert!(made["metadata"]["generation"].is_null());
    let read = contract
        .get(&contract.path("configmaps/first"))
        .await
        .expect(200);
    assert_eq!(read, made);
}

#[tokio::test]
async fn what_only_the_server_may_say_is_not_taken_from_the_client() {
    let contract = Contract::start().await;
    let body = json!({ "metadata": {
        "name": "web", "uid": "mine", "generation": 7, "selfLink": "/mine",
        "creationTimestamp": "2001-01-01T00:00:00Z", "deletionTimestamp": "2001-01-01T00:00:00Z",
    }, "spec": {
        "selector": { "matchLabels": { "app": "web" } },
        "template": {
            "metadata": { "labels": { "app": "web" } },
            "spec": { "containers": [{ "name": "c", "image": "nowhere.invalid/web:1" }] },
        },
    }, "status": { "replicas": 9 } });
    let path = contract.path_of("apps/v1", "deployments");
    let made = contract.post(&path, body).await.expect(201);
    assert_eq!(made["metadata"]["generation"], 1);
    assert_ne!(made["metadata"]["uid"], "mine");
    assert!(!text(&made["metadata"]["creationTimestamp"]).starts_with("2001"));
    assert!(made["metadata"]["deletionTimestamp"].is_null());
    assert!(made["metadata"]["selfLink"].is_null());
    assert!(made["status"]["replicas"].is_null());
}

#[tokio::test]
async fn a_name_is_made_from_a_prefix() {
    let contract = Contract::start().await;
    let path = contract.path("configmaps");
    let body = json!({ "metadata": { "generateName": "some-" } });
    let first = contract.post(&path, body.clone()).await.expect(201);
    let second = contract.post(&path, body).await.expect(201);
    for made in [&first, &second] {
        let name = name(made);
        let suffix = name.strip_prefix("some-").unwrap();
        assert_eq!(suffix.len(), 5, "{name}");
        assert_eq!(made["metadata"]["generateName"], "some-");
    }
    assert_ne!(name(&first), name(&second));
}

#[tokio::test]
async fn a_name_that_is_taken_is_a_conflict() {
    let contract = Contract::start().await;
    contract.config_map("first", json!({})).await;
    let body = json!({ "metadata": { "name": "first" } });
    let answer = contract.post(&contract.path("configmaps"), body).await;
    let message = answer.refused(409, "AlreadyExists");
    assert_eq!(message, "configmaps \"first\" already exists");
    assert_eq!(
        answer.body["details"],
        json!({ "name": "first", "kind": "configmaps" })
    );
}

#[tokio::test]
async fn an_object_without_a_name_is_invalid() {
    let contract = Contract::start().await;
    let answer = contract
        .post(&contract.path("configmaps"), json!({ "metadata": {} }))
        .await;
    let message = answer.refused(422, "Invalid");
    assert_eq!(
        message,
        "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required"
    );
    assert_eq!(answer.causes(), ["FieldValueRequired metadata.name"]);
    assert_eq!(answer.body["details"]["kind"], "ConfigMap");
}

#[tokio::test]
async fn a_name_must_be_a_dns_name() {
    let contract = Contract::start().await;
    let body = json!({ "metadata": { "name": "Not_a_name" } });
    let answer = contract.post(&contract.path("configmaps"), body).await;
    let message = answer.refused(422, "Invalid");
    assert!(
        message.contains(
            "metadata.name: Invalid value: \"Not_a_name\": a lowercase RFC 1123 subdomain"
        ),
        "{message}"
    );
    assert_eq!(answer.body["details"]["name"], "Not_a_name");
    assert_eq!(answer.causes(), ["FieldValueInvalid metadata.name"]);
}

#[tokio::test]
async fn labels_and_annotations_are_checked() {
    let contract = Contract::start().await;
    let body = json!({ "metadata": {
        "name": "first", "labels": { "a b": "fine", "fine": "not fine!" }, "annotations": { "/x": "y" },
    } });
    let answer = contract.post(&contract.path("configmaps"), body).await;
    answer.refused(422, "Invalid");
    assert_eq!(
        answer.causes(),
        [
            "FieldValueInvalid metadata.annotations",
            "FieldValueInvalid metadata.labels",
            "FieldValueInvalid metadata.labels"
        ]
    );
}

#[tokio::test]
async fn nothing_is_made_in_a_namespace_that_is_not_there() {
    let contract = Contract::start().await;
    let answer = contract
        .post(
            "/api/v1/namespaces/no-such-namespace/configmaps",
            json!({ "metadata": { "name": "a" } }),
        )
        .await;
    let message = answer.refused(404, "NotFound");
    assert_eq!(message, "namespaces \"no-such-namespace\" not found");
    assert_eq!(
        answer.body["details"],
        json!({ "name": "no-such-namespace", "kind": "namespaces" })
    );
}

#[tokio::test]
async fn an_object_goes_where_its_path_says() {
    let contract = Contract::start().await;
    let elsewhere = json!({ "metadata": { "name": "a", "namespace": "default" } });
    let message = contract
        .post(&contract.path("configmaps"), elsewhere)
        .await
        .refused(400, "BadRequest");
    assert_eq!(
        message,
        "the namespace of the provided object does not match the namespace sent on the request"
    );
    let versioned = json!({ "metadata": { "name": "a", "resourceVersion": "1" } });
    // Kubernetes takes this for a fault of its own.
    let answer = contract.post(&contract.path("configmaps"), versioned).await;
    assert!([400, 500].contains(&answer.code), "{}", answer.text);
    assert_eq!(
        answer.body["message"],
        "resourceVersion should not be set on objects to be created"
    );
    let message = contract
        .post(
            &contract.path("configmaps"),
            json!({ "kind": "Secret", "apiVersion": "v1", "metadata": { "name": "a" } }),
        )
        .await
        .refused(400, "BadRequest");
    assert!(
        message.starts_with("Secret in version \"v1\" cannot be handled as a ConfigMap: "),
        "{message}"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_a_bad_request() {
    let contract = Contract::start().await;
    let path = contract.path("configmaps");
    for body in ["{", "[]", "7", "\"text\""] {
        let answer = contract
            .send_bytes(http::Method::POST, &path, &[], Some(body.into()))
            .await;
        answer.refused(400, "BadRequest");
    }
    let wrong_type = json!({ "metadata": { "name": "a" }, "data": { "a": 7 } });
    let message = contract
        .post(&path, wrong_type)
        .await
        .refused(400, "BadRequest");
    assert!(
        message.starts_with("ConfigMap in version \"v1\" cannot be handled as a ConfigMap: "),
        "{message}"
    );
}

#[tokio::test]
async fn a_body_may_be_yaml_and_nothing_unheard_of() {
    let contract = Contract::start().await;
    let path = contract.path("configmaps");
    let yaml = "metadata:\n  name: yaml\ndata:\n  a: \"1\"\n";
    let made = contract
        .send_bytes(
            http::Method::POST,
            &path,
            &[("content-type", "application/yaml")],
            Some(yaml.into()),
        )
        .await
        .expect(201);
    assert_eq!(made["data"]["a"], "1");
    let answer = contract
        .send_bytes(
            http::Method::POST,
            &path,
            &[("content-type", "text/csv")],
            Some(b"a,b".to_vec()),
        )
        .await;
    let message = answer.refused(415, "UnsupportedMediaType");
    assert!(message.starts_with("the body of the request was in an unknown format - accepted media types include: application/json, application/yaml"), "{message}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let contract = Contract::start().await;
    let large =
        json!({ "metadata": { "name": "large" }, "data": { "a": "x".repeat((3 << 20) + 500) } });
    let answer = contract.post(&contract.path("configmaps"), large).await;
    let message = answer.refused(413, "RequestEntityTooLarge");
    assert!(message.starts_with("Request entity too large"), "{message}");
    // Within a request's bounds, and beyond a ConfigMap's.
    let large = json!({ "metadata": { "name": "large" }, "data": { "a": "x".repeat(1_100_000) } });
    let answer = contract.post(&contract.path("configmaps"), large).await;
    let message = answer.refused(422, "Invalid");
    assert!(
        message.contains("Too long: may not be more than 1048576 bytes"),
        "{message}"
    );
}

#[tokio::test]
async fn a_dry_run_makes_nothing() {
    let contract = Contract::start().await;
    let path = contract.path("configmaps");
    let body = json!({ "metadata": { "name": "dry" } });
    let made = contract
        .post(&format!("{path}?dryRun=All"), body.clone())
        .await
        .expect(201);
    assert!(made["metadata"]["uid"].is_string());
    assert!(made["metadata"]["resourceVersion"].is_null());
    contract
        .get(&format!("{path}/dry"))
        .await
        .refused(404, "NotFound");
    let answer = contract.post(&format!("{path}?dryRun=Some"), body).await;
    answer.refused(422, "Invalid");
    assert_eq!(answer.causes(), ["FieldValueNotSupported dryRun"]);
}

#[tokio::test]
async fn unknown_fields_are_dropped_named_or_refused() {
    let contract = Contract::start().await;
    let path = contract.path("configmaps");
    let body = |name: &str| json!({ "metadata": { "name": name, "colour": "red" }, "unheard": { "of": 1 } });
    let answer = contract.post(&path, body("warned")).await;
    let mut warnings = answer.warnings();
    warnings.sort();
    assert_eq!(
        warnings,
        [
            "unknown field \"metadata.colour\"",
            "unknown field \"unheard\""
        ]
    );
    let made = answer.expect(201);
    assert!(made["unheard"].is_null() && made["metadata"]["colour"].is_null());
    let answer = contract
        .post(&format!("{path}?fieldValidation=Ignore"), body("ignored"))
        .await;
    assert!(answer.warnings().is_empty());
    answer.expect(201);
    let message = contract
        .post(&format!("{path}?fieldValidation=Strict"), body("refused"))
        .await
        .refused(400, "BadRequest");
    assert_eq!(
        message,
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"metadata.colour\", unknown field \"unheard\""
    );
}

#[tokio::test]
async fn who_made_what_is_noted() {
    let contract = Contract::start().await;
    let path = format!("{}?fieldManager=tester", contract.path("configmaps"));
    let body =
        json!({ "metadata": { "name": "noted", "labels": { "l": "1" } }, "data": { "a": "1" } });
    let made = contract.post(&path, body).await.expect(201);
    let managed = &made["metadata"]["managedFields"][0];
    assert_eq!(managed["manager"], "tester");
    assert_eq!(managed["operation"], "Update");
    assert_eq!(managed["apiVersion"], "v1");
    assert_eq!(managed["fieldsType"], "FieldsV1");
    assert_eq!(
        managed["fieldsV1"],
        json!({ "f:data": { ".": {}, "f:a": {} }, "f:metadata": { "f:labels": { ".": {}, "f:l": {} } } })
    );
}
