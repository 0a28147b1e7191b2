//! Lists: selectors and pages.

use serde_json::{Value, json};

use crate::harness::{Contract, items, names, text};

async fn five() -> Contract {
    let contract = Contract::start().await;
    for (name, labels) in [
        ("a", json!({ "tier": "front", "env": "prod" })),
        ("b", json!({ "tier": "front", "env": "dev" })),
        ("c", json!({ "tier": "back" })),
        ("d", json!({ "env": "dev" })),
        ("e", json!({})),
    ] {
        let body = json!({ "metadata": { "name": name, "labels": labels } });
        contract
            .post(&contract.path("secrets"), body)
            .await
            .expect(201);
    }
    contract
}

#[tokio::test]
async fn a_list_is_in_the_order_of_names() {
    let contract = five().await;
    let list = contract.get(&contract.path("secrets")).await.expect(200);
    assert_eq!(list["kind"], "SecretList");
    assert_eq!(list["apiVersion"], "v1");
    assert!(list["metadata"]["resourceVersion"].is_string());
    assert!(list["metadata"]["continue"].is_null());
    assert_eq!(names(&list), ["a", "b", "c", "d", "e"]);
    // Items of a list do not say what they are.
    assert!(items(&list).all(|item| item["kind"].is_null() && item["apiVersion"].is_null()));
}

#[tokio::test]
async fn labels_select() {
    let contract = five().await;
    for (selector, expected) in [
        ("tier=front", "a b"),
        ("tier==front", "a b"),
        ("tier!=front", "c d e"),
        ("tier", "a b c"),
        ("!tier", "d e"),
        ("tier in (front,back)", "a b c"),
        ("tier notin (front)", "c d e"),
        ("tier=front,env=dev", "b"),
        ("env in (dev),tier", "b"),
        ("nothing=here", ""),
    ] {
        let query =
            percent_encoding::utf8_percent_encode(selector, percent_encoding::NON_ALPHANUMERIC);
        let path = format!("{}?labelSelector={query}", contract.path("secrets"));
        let list = contract.get(&path).await.expect(200);
        assert_eq!(names(&list).join(" "), expected, "{selector}");
        assert!(list["items"].is_array(), "{selector}");
    }
    for selector in ["a b", "a in front", "%3D", "-a", "a=b c"] {
        let query =
            percent_encoding::utf8_percent_encode(selector, percent_encoding::NON_ALPHANUMERIC);
        let path = format!("{}?labelSelector={query}", contract.path("secrets"));
        contract.get(&path).await.refused(400, "BadRequest");
    }
}

#[tokio::test]
async fn fields_select() {
    let contract = five().await;
    let path = contract.path("secrets");
    for (selector, expected) in [
        ("metadata.name=b", "b"),
        ("metadata.name!=b", "a c d e"),
        ("type=Opaque", "a b c d e"),
        ("type=Opaque,metadata.name=c", "c"),
    ] {
        let query =
            percent_encoding::utf8_percent_encode(selector, percent_encoding::NON_ALPHANUMERIC);
        let list = contract
            .get(&format!("{path}?fieldSelector={query}"))
            .await
            .expect(200);
        assert_eq!(names(&list).join(" "), expected, "{selector}");
    }
    let namespaced = format!(
        "/api/v1/secrets?fieldSelector=metadata.namespace%3D{}",
        contract.namespace
    );
    let list = contract.get(&namespaced).await.expect(200);
    assert_eq!(names(&list), ["a", "b", "c", "d", "e"]);
    let message = contract
        .get(&format!("{path}?fieldSelector=data.a%3Db"))
        .await
        .refused(400, "BadRequest");
    assert!(message.contains("data.a"), "{message}");
}

#[tokio::test]
async fn a_list_comes_in_pages_of_one_moment() {
    let contract = five().await;
    let path = contract.path("secrets");
    let first = contract.get(&format!("{path}?limit=2")).await.expect(200);
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    // What is made in between belongs to a later moment.
    contract
        .post(&path, json!({ "metadata": { "name": "bb" } }))
        .await
        .expect(201);
    contract.delete(&format!("{path}/d")).await.expect(200);
    let token = text(&first["metadata"]["continue"]);
    let second = contract
        .get(&format!("{path}?limit=2&continue={token}"))
        .await
        .expect(200);
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    let token = text(&second["metadata"]["continue"]);
    let third = contract
        .get(&format!("{path}?limit=2&continue={token}"))
        .await
        .expect(200);
    assert_eq!(names(&third), ["e"]);
    assert!(third["metadata"]["continue"].is_null());
    assert!(third["metadata"]["remainingItemCount"].is_null());
    // A page can be asked for again.
    let again = contract
        .get(&format!("{path}?limit=2&continue={token}"))
        .await
        .expect(200);
    assert_eq!(names(&again), ["e"]);
}

#[tokio::test]
async fn a_selection_does_not_say_how_much_remains() {
    let contract = five().await;
    let path = format!("{}?limit=1&labelSelector=tier", contract.path("secrets"));
    let first = contract.get(&path).await.expect(200);
    assert_eq!(names(&first), ["a"]);
    assert!(first["metadata"]["remainingItemCount"].is_null());
    let token = text(&first["metadata"]["continue"]);
    let rest = contract
        .get(&format!(
            "{}?limit=9&labelSelector=tier&continue={token}",
            contract.path("secrets")
        ))
        .await
        .expect(200);
    assert_eq!(names(&rest), ["b", "c"]);
}

#[tokio::test]
async fn a_continuation_that_makes_no_sense_is_refused() {
    let contract = five().await;
    let path = contract.path("secrets");
    let message = contract
        .get(&format!("{path}?limit=2&continue=nonsense"))
        .await
        .refused(400, "BadRequest");
    assert!(
        message.starts_with("invalid continue token: continue key is not valid"),
        "{message}"
    );
    let first = contract.get(&format!("{path}?limit=2")).await.expect(200);
    let token = text(&first["metadata"]["continue"]);
    let message = contract
        .get(&format!(
            "{path}?limit=2&continue={token}&resourceVersion=5"
        ))
        .await
        .refused(400, "BadRequest");
    assert_eq!(
        message,
        "specifying resource version is not allowed when using continue"
    );
}

#[tokio::test]
async fn a_list_of_an_older_moment_may_be_asked_for() {
    let contract = five().await;
    let path = contract.path("secrets");
    let list = contract.get(&path).await.expect(200);
    let revision = text(&list["metadata"]["resourceVersion"]);
    contract
        .post(&path, json!({ "metadata": { "name": "later" } }))
        .await
        .expect(201);
    let fresh = contract
        .get(&format!(
            "{path}?resourceVersion={revision}&resourceVersionMatch=NotOlderThan"
        ))
        .await
        .expect(200);
    assert!(names(&fresh).len() >= 5);
    let any = contract
        .get(&format!("{path}?resourceVersion=0"))
        .await
        .expect(200);
    assert!(names(&any).len() >= 5);
    // A server may have forgotten that moment, and then says so.
    let exact = contract
        .get(&format!(
            "{path}?resourceVersion={revision}&resourceVersionMatch=Exact"
        ))
        .await;
    if exact.code == 410 {
        exact.refused(410, "Expired");
    } else {
        let exact = exact.expect(200);
        assert_eq!(names(&exact), ["a", "b", "c", "d", "e"]);
        assert_eq!(exact["metadata"]["resourceVersion"], revision.as_str());
    }
    let answer = contract
        .get(&format!("{path}?resourceVersionMatch=Exact"))
        .await;
    answer.refused(422, "Invalid");
    assert_eq!(
        answer.causes(),
        ["FieldValueForbidden resourceVersionMatch"]
    );
    let answer = contract
        .get(&format!(
            "{path}?resourceVersion={revision}&resourceVersionMatch=Perhaps"
        ))
        .await;
    answer.refused(422, "Invalid");
    let answer = contract.get(&format!("{path}?resourceVersion=text")).await;
    answer.refused(400, "BadRequest");
    let far = format!("{path}?resourceVersion=18446744073709551&resourceVersionMatch=NotOlderThan");
    let answer = contract.get(&far).await;
    answer.refused(504, "Timeout");
    assert_eq!(
        answer.body["details"]["causes"][0]["reason"],
        "ResourceVersionTooLarge"
    );
}

#[tokio::test]
async fn a_list_may_span_namespaces() {
    let contract = five().await;
    let list = contract
        .get("/api/v1/secrets?labelSelector=tier%3Dback")
        .await
        .expect(200);
    let ours: Vec<&Value> = items(&list)
        .filter(|item| item["metadata"]["namespace"] == contract.namespace.as_str())
        .collect();
    assert_eq!(ours.len(), 1);
    let empty = contract
        .get("/api/v1/namespaces/no-such-namespace/secrets")
        .await
        .expect(200);
    assert_eq!(empty["items"], json!([]));
}
