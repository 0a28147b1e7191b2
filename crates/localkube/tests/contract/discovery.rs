//! What the server says it can do.

use serde_json::{Value, json};

use crate::harness::{Contract, items, items_of, schema, text};

#[tokio::test]
async fn groups_and_versions_are_listed() {
    let contract = Contract::start().await;
    let core = contract.get("/api").await.expect(200);
    assert_eq!(core["kind"], "APIVersions");
    assert_eq!(core["versions"], json!(["v1"]));
    let groups = contract.get("/apis").await.expect(200);
    assert_eq!(groups["kind"], "APIGroupList");
    let names: Vec<String> = items_of(&groups["groups"])
        .map(|group| text(&group["name"]))
        .collect();
    for group in [
        "apps",
        "batch",
        "networking.k8s.io",
        "apiextensions.k8s.io",
        "rbac.authorization.k8s.io",
        "coordination.k8s.io",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "policy",
        "storage.k8s.io",
        "events.k8s.io",
        "discovery.k8s.io",
    ] {
        assert!(names.contains(&group.to_owned()), "{group} of {names:?}");
    }
    let apps = items_of(&groups["groups"])
        .find(|group| group["name"] == "apps")
        .unwrap();
    assert_eq!(
        apps["preferredVersion"],
        json!({ "groupVersion": "apps/v1", "version": "v1" })
    );
}

#[tokio::test]
async fn resources_of_a_version_are_listed() {
    let contract = Contract::start().await;
    let core = contract.get("/api/v1").await.expect(200);
    assert_eq!(
        (&core["kind"], &core["groupVersion"]),
        (&json!("APIResourceList"), &json!("v1"))
    );
    let find = |name: &str| {
        items_of(&core["resources"])
            .find(|resource| resource["name"] == name)
            .cloned()
            .unwrap_or_default()
    };
    let pods = find("pods");
    assert_eq!(
        (&pods["kind"], &pods["namespaced"], &pods["singularName"]),
        (&json!("Pod"), &json!(true), &json!("pod"))
    );
    assert_eq!(pods["shortNames"], json!(["po"]));
    assert_eq!(pods["categories"], json!(["all"]));
    assert_eq!(find("namespaces")["namespaced"], false);
    for subresource in [
        "pods/log",
        "pods/exec",
        "pods/attach",
        "pods/portforward",
        "pods/status",
        "pods/eviction",
        "namespaces/finalize",
        "serviceaccounts/token",
    ] {
        assert!(!find(subresource).is_null(), "{subresource}");
    }
    assert_eq!(find("pods/log")["verbs"], json!(["get"]));
    assert_eq!(contract.get("/apis/apps/v9").await.code, 404);
    assert_eq!(contract.get("/apis/nowhere.example.com").await.code, 404);
}

#[tokio::test]
async fn everything_can_be_had_at_once() {
    let contract = Contract::start().await;
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let answer = contract.get_as("/apis", accept).await;
    assert!(
        answer.headers["content-type"]
            .to_str()
            .unwrap()
            .contains("as=APIGroupDiscoveryList")
    );
    let groups = answer.expect(200);
    assert_eq!(
        (&groups["kind"], &groups["apiVersion"]),
        (
            &json!("APIGroupDiscoveryList"),
            &json!("apidiscovery.k8s.io/v2")
        )
    );
    let apps = items(&groups)
        .find(|group| group["metadata"]["name"] == "apps")
        .unwrap();
    let deployments = items_of(&apps["versions"][0]["resources"])
        .find(|resource| resource["resource"] == "deployments")
        .unwrap();
    assert_eq!(deployments["responseKind"]["kind"], "Deployment");
    assert_eq!(deployments["scope"], "Namespaced");
    let subresources: Vec<String> = items_of(&deployments["subresources"])
        .map(|s| text(&s["subresource"]))
        .collect();
    assert_eq!(subresources, ["scale", "status"]);
    let core = contract.get_as("/api", accept).await.expect(200);
    assert_eq!(core["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn schemas_are_published() {
    let contract = Contract::start().await;
    let crd = contract.crd(json!({ "schema": schema(json!({ "a": { "type": "string", "description": "an a" } })) })).await;
    let path = format!("apis/{}/v1", crd.group);
    contract
        .until("/openapi/v3", "to name the group", |answer| {
            answer.body["paths"][&path].is_object()
        })
        .await;
    let index = contract.get("/openapi/v3").await.expect(200);
    assert!(index["paths"]["apis/apps/v1"]["serverRelativeURL"].is_string());
    let document = contract
        .get(&format!("/openapi/v3/{path}"))
        .await
        .expect(200);
    let widget = items_of(&json!(
        document["components"]["schemas"]
            .as_object()
            .unwrap()
            .values()
            .collect::<Vec<_>>()
    ))
    .find(|schema| schema["x-kubernetes-group-version-kind"][0]["kind"] == "Widget")
    .cloned()
    .unwrap();
    assert_eq!(
        widget["properties"]["spec"]["properties"]["a"]["type"],
        "string"
    );
    let apps = contract.get("/openapi/v3/apis/apps/v1").await.expect(200);
    assert!(
        apps["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"]["properties"]["spec"]
            .is_object()
    );
}

#[tokio::test]
async fn the_server_is_well_and_says_its_version() {
    let contract = Contract::start().await;
    for path in ["/healthz", "/livez", "/readyz"] {
        let answer = contract.get(path).await;
        assert_eq!((answer.code, answer.text.as_str()), (200, "ok"), "{path}");
    }
    let version = contract.get("/version").await.expect(200);
    assert_eq!(
        (&version["major"], &version["minor"]),
        (&json!("1"), &json!("34"))
    );
    assert!(text(&version["gitVersion"]).starts_with("v1.34."));
    let answer = contract.get("/no/such/path").await;
    assert_eq!(answer.code, 404);
    let _: Value = answer.body;
}
