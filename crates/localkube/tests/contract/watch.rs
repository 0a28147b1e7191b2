//! Watches.

use serde_json::json;

use crate::harness::{Contract, MERGE, names, text};

/// The version of what there is now: a watch that begins there needs nothing that an API server's cache
/// may not have yet.
async fn present(contract: &Contract, path: &str) -> String {
    let list = contract.get(path).await.expect(200);
    text(&list["metadata"]["resourceVersion"]).to_owned()
}

#[tokio::test]
async fn a_watch_tells_what_happens_after_a_version() {
    let contract = Contract::start().await;
    let path = contract.path("secrets");
    let revision = present(&contract, &path).await;
    let mut watch = contract
        .lines(&format!(
            "{path}?watch=true&resourceVersion={revision}&timeoutSeconds=60"
        ))
        .await;
    assert_eq!(watch.code, 200);
    let made = contract
        .post(&path, json!({ "metadata": { "name": "a" } }))
        .await
        .expect(201);
    contract
        .patch(
            &format!("{path}/a"),
            MERGE,
            json!({ "data": { "k": "MQ==" } }),
        )
        .await
        .expect(200);
    contract.delete(&format!("{path}/a")).await.expect(200);
    let (kind, object) = watch.event().await;
    assert_eq!(kind, "ADDED");
    assert_eq!(object, made);
    assert_eq!(watch.next().await, "MODIFIED a");
    let (kind, last) = watch.event().await;
    assert_eq!(kind, "DELETED");
    assert_eq!(last["data"]["k"], "MQ==");
    let version = |object: &serde_json::Value| {
        text(&object["metadata"]["resourceVersion"])
            .parse::<u64>()
            .unwrap()
    };
    assert!(
        version(&last) > version(&object),
        "a deletion has a version of its own"
    );
}

#[tokio::test]
async fn without_a_version_a_watch_begins_with_what_there_is() {
    let contract = Contract::start().await;
    let path = contract.path("secrets");
    contract
        .post(&path, json!({ "metadata": { "name": "a" } }))
        .await
        .expect(201);
    for query in ["", "&resourceVersion=0"] {
        let mut first = String::new();
        // An API server whose cache is behind says so after a while, and is to be asked anew.
        for _ in 0..5 {
            let mut watch = contract
                .lines(&format!("{path}?watch=1{query}&timeoutSeconds=60"))
                .await;
            first = watch.next().await;
            if !first.starts_with("ERROR") {
                break;
            }
        }
        assert_eq!(first, "ADDED a");
    }
}

#[tokio::test]
async fn a_watch_ends_in_time() {
    let contract = Contract::start().await;
    let path = contract.path("secrets");
    let mut watch = contract
        .lines(&format!(
            "{path}?watch=true&timeoutSeconds=1&resourceVersion={}",
            present(&contract, &path).await
        ))
        .await;
    assert_eq!(watch.rest().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_enters_and_leaves_a_selection_is_added_and_deleted() {
    let contract = Contract::start().await;
    let path = contract.path("secrets");
    let mut watch = contract
        .lines(&format!(
            "{path}?watch=true&labelSelector=on%3Dyes&timeoutSeconds=60&resourceVersion={}",
            present(&contract, &path).await
        ))
        .await;
    contract
        .post(&path, json!({ "metadata": { "name": "a" } }))
        .await
        .expect(201);
    let label = |value: &str| json!({ "metadata": { "labels": { "on": value } } });
    contract
        .patch(&format!("{path}/a"), MERGE, label("yes"))
        .await
        .expect(200);
    contract
        .patch(
            &format!("{path}/a"),
            MERGE,
            json!({ "data": { "k": "MQ==" } }),
        )
        .await
        .expect(200);
    contract
        .patch(&format!("{path}/a"), MERGE, label("no"))
        .await
        .expect(200);
    assert_eq!(watch.next().await, "ADDED a");
    assert_eq!(watch.next().await, "MODIFIED a");
    let (kind, object) = watch.event().await;
    assert_eq!(kind, "DELETED");
    // As it was when it still belonged to the selection, with the version at which it left.
    assert_eq!(object["metadata"]["labels"]["on"], "yes");
}

#[tokio::test]
async fn one_object_may_be_watched() {
    let contract = Contract::start().await;
    let path = contract.path("secrets");
    let mut watch = contract
        .lines(&format!(
            "{path}?watch=true&fieldSelector=metadata.name%3Db&timeoutSeconds=60&resourceVersion={}",
            present(&contract, &path).await
        ))
        .await;
    for name in ["a", "b"] {
        contract
            .post(&path, json!({ "metadata": { "name": name } }))
            .await
            .expect(201);
    }
    assert_eq!(watch.next().await, "ADDED b");
}

#[tokio::test]
async fn a_version_that_is_no_longer_kept_is_gone() {
    let contract = Contract::start().await;
    let mut watch = contract
        .lines(&format!(
            "{}?watch=true&resourceVersion=1&timeoutSeconds=5",
            contract.path("secrets")
        ))
        .await;
    assert_eq!(watch.code, 200);
    // Where the history reaches back that far there is nothing to tell.
    if let Some(line) = watch.line().await {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["type"], "ERROR");
        assert_eq!(event["object"]["kind"], "Status");
        assert_eq!(event["object"]["code"], 410);
        assert_eq!(event["object"]["reason"], "Expired");
        assert_eq!(watch.line().await, None);
    }
}

#[tokio::test]
async fn initial_events_end_with_a_bookmark() {
    let contract = Contract::start().await;
    let path = contract.path("secrets");
    for name in ["a", "b"] {
        contract
            .post(&path, json!({ "metadata": { "name": name } }))
            .await
            .expect(201);
    }
    let query = "watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=60";
    let mut watch = contract.lines(&format!("{path}?{query}")).await;
    let (kind, object) = watch.event().await;
    if kind == "ERROR" {
        // A server whose storage cannot do it says so.
        assert_eq!(object["kind"], "Status");
        assert!(
            text(&object["message"]).contains("RequestWatchProgress"),
            "{object}"
        );
        return;
    }
    let mut first = [
        format!("{kind} {}", crate::harness::name(&object)),
        watch.next().await,
    ];
    first.sort();
    assert_eq!(first, ["ADDED a", "ADDED b"]);
    // Some servers know how far they are only once something happens.
    let other = Contract::start().await;
    other
        .post(
            &other.path("secrets"),
            json!({ "metadata": { "name": "elsewhere" } }),
        )
        .await
        .expect(201);
    let (kind, mark) = watch.event().await;
    assert_eq!(kind, "BOOKMARK");
    assert_eq!(mark["kind"], "Secret");
    assert_eq!(mark["apiVersion"], "v1");
    assert_eq!(
        mark["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    let revision: u64 = text(&mark["metadata"]["resourceVersion"]).parse().unwrap();
    assert!(revision > 0);
    contract
        .post(&path, json!({ "metadata": { "name": "c" } }))
        .await
        .expect(201);
    assert_eq!(watch.next().await, "ADDED c");
}

#[tokio::test]
async fn initial_events_need_a_match() {
    let contract = Contract::start().await;
    let path = contract.path("secrets");
    let answer = contract
        .get(&format!("{path}?watch=true&sendInitialEvents=true"))
        .await;
    answer.refused(422, "Invalid");
    assert_eq!(
        answer.causes(),
        ["FieldValueForbidden resourceVersionMatch"]
    );
    let answer = contract
        .get(&format!("{path}?sendInitialEvents=true"))
        .await;
    answer.refused(422, "Invalid");
    assert_eq!(answer.causes(), ["FieldValueForbidden sendInitialEvents"]);
}

#[tokio::test]
async fn a_watch_of_a_custom_kind_follows_its_objects() {
    let contract = Contract::start().await;
    let crd = contract
        .crd(json!({ "schema": crate::harness::schema(json!({ "a": { "type": "string" } })) }))
        .await;
    let list = contract.get(&crd.objects("")).await.expect(200);
    assert_eq!(names(&list).len(), 0);
    let revision = text(&list["metadata"]["resourceVersion"]);
    let mut watch = contract
        .lines(&format!(
            "{}?watch=true&resourceVersion={revision}&timeoutSeconds=60",
            crd.objects("")
        ))
        .await;
    contract
        .post(&crd.objects(""), crd.widget("w", json!({ "a": "1" })))
        .await
        .expect(201);
    let (kind, object) = watch.event().await;
    assert_eq!(
        (kind.as_str(), &object["spec"]["a"]),
        ("ADDED", &json!("1"))
    );
    assert_eq!(object["kind"], "Widget");
}

#[tokio::test]
async fn metadata_alone_may_be_watched() {
    let contract = Contract::start().await;
    let path = contract.path("secrets");
    contract
        .post(
            &path,
            json!({ "metadata": { "name": "a" }, "data": { "k": "MQ==" } }),
        )
        .await
        .expect(201);
    let accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let answer = contract
        .get_as(&format!("{path}?watch=true&timeoutSeconds=1"), accept)
        .await;
    let event: serde_json::Value =
        serde_json::from_str(answer.text.lines().next().unwrap()).unwrap();
    assert_eq!(event["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(event["object"]["metadata"]["name"], "a");
    assert!(event["object"]["data"].is_null());
}
