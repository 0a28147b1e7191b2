//! Who someone is, and what they may.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Contract, text};

const TOKEN_REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

async fn token(contract: &Contract, audiences: Value) -> Value {
    let body = json!({ "spec": { "audiences": audiences, "expirationSeconds": 600 } });
    contract
        .post(&contract.path("serviceaccounts/default/token"), body)
        .await
        .expect(201)
}

async fn review(contract: &Contract, token: &str, audiences: Value) -> Value {
    let body = json!({ "spec": { "token": token, "audiences": audiences } });
    contract.post(TOKEN_REVIEWS, body).await.expect(201)["status"].clone()
}

#[tokio::test]
async fn a_token_says_whose_it_is() {
    let contract = Contract::start().await;
    let request = token(&contract, json!([])).await;
    assert_eq!(request["kind"], "TokenRequest");
    assert!(request["status"]["expirationTimestamp"].is_string());
    let status = review(&contract, &text(&request["status"]["token"]), json!([])).await;
    assert_eq!(status["authenticated"], true);
    let user = &status["user"];
    assert_eq!(
        user["username"],
        format!("system:serviceaccount:{}:default", contract.namespace)
    );
    let account = contract
        .get(&contract.path("serviceaccounts/default"))
        .await
        .expect(200);
    assert_eq!(user["uid"], account["metadata"]["uid"]);
    assert_eq!(
        user["groups"],
        json!([
            "system:serviceaccounts",
            format!("system:serviceaccounts:{}", contract.namespace),
            "system:authenticated"
        ])
    );
}

#[tokio::test]
async fn a_token_is_for_its_audience() {
    let contract = Contract::start().await;
    let request = token(&contract, json!(["catalyst"])).await;
    assert_eq!(request["spec"]["audiences"], json!(["catalyst"]));
    let token = text(&request["status"]["token"]);
    let status = review(&contract, &token, json!(["catalyst", "other"])).await;
    assert_eq!(status["authenticated"], true);
    assert_eq!(status["audiences"], json!(["catalyst"]));
    for audiences in [json!([]), json!(["other"])] {
        let status = review(&contract, &token, audiences).await;
        assert_ne!(status["authenticated"], true, "{status}");
        assert!(!text(&status["error"]).is_empty());
    }
}

#[tokio::test]
async fn a_token_that_nobody_issued_is_nobodys() {
    let contract = Contract::start().await;
    let status = review(&contract, "nonsense", json!([])).await;
    assert_ne!(status["authenticated"], true);
    assert!(status["user"]["username"].is_null());
    let answer = contract.post(TOKEN_REVIEWS, json!({ "spec": {} })).await;
    answer.refused(400, "BadRequest");
}

#[tokio::test]
async fn a_token_ends_with_what_it_is_bound_to() {
    let contract = Contract::start().await;
    let mut pod = crate::harness::pod("bound", "true");
    pod["spec"]["schedulerName"] = "nobody".into();
    let pod = contract.post(&contract.path("pods"), pod).await.expect(201);
    let body = json!({ "spec": { "boundObjectRef": { "kind": "Pod", "apiVersion": "v1", "name": "bound", "uid": pod["metadata"]["uid"] } } });
    let path = contract.path("serviceaccounts/default/token");
    let token = text(&contract.post(&path, body).await.expect(201)["status"]["token"]);
    let status = review(&contract, &token, json!([])).await;
    assert_eq!(status["authenticated"], true);
    assert_eq!(
        status["user"]["extra"]["authentication.kubernetes.io/pod-name"],
        json!(["bound"])
    );
    contract
        .delete(&contract.path("pods/bound"))
        .await
        .expect(200);
    for _ in 0..400 {
        if review(&contract, &token, json!([])).await["authenticated"] != true {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the token outlives its pod");
}

#[tokio::test]
async fn a_token_request_is_checked() {
    let contract = Contract::start().await;
    let path = contract.path("serviceaccounts/default/token");
    let answer = contract
        .post(&path, json!({ "spec": { "expirationSeconds": 10 } }))
        .await;
    let message = answer.refused(422, "Invalid");
    assert!(message.contains("spec.expirationSeconds: Invalid value: 10: may not specify a duration less than 10 minutes"), "{message}");
    let path = contract.path("serviceaccounts/absent/token");
    let answer = contract.post(&path, json!({ "spec": {} })).await;
    answer.refused(404, "NotFound");
}

#[tokio::test]
async fn an_account_may_ask_about_itself() {
    let contract = Contract::start().await;
    let token = text(&token(&contract, json!([])).await["status"]["token"]);
    // The client's own token is sent as well; the request's stands first.
    let me = contract
        .post(
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            json!({}),
        )
        .await
        .expect(201);
    assert!(me["status"]["userInfo"]["username"].is_string());
    let status = review(&contract, &token, json!([])).await;
    assert_eq!(status["authenticated"], true);
}

#[tokio::test]
async fn the_administrator_may_everything_and_an_account_nothing() {
    let contract = Contract::start().await;
    let attributes =
        json!({ "namespace": contract.namespace, "verb": "delete", "resource": "pods" });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let own = contract
        .post(
            path,
            json!({ "spec": { "resourceAttributes": attributes } }),
        )
        .await
        .expect(201);
    assert_eq!(own["status"]["allowed"], true);
    let user = format!("system:serviceaccount:{}:default", contract.namespace);
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let spec = json!({ "user": user, "groups": ["system:serviceaccounts", "system:authenticated"], "resourceAttributes": attributes });
    let other = contract
        .post(path, json!({ "spec": spec }))
        .await
        .expect(201);
    assert_ne!(other["status"]["allowed"], true);
    let path = contract.path_of("authorization.k8s.io/v1", "localsubjectaccessreviews");
    let local = contract
        .post(
            &path,
            json!({ "metadata": { "namespace": contract.namespace }, "spec": spec }),
        )
        .await
        .expect(201);
    assert_ne!(local["status"]["allowed"], true);
}

#[tokio::test]
async fn reviews_are_not_kept() {
    let contract = Contract::start().await;
    contract
        .get(TOKEN_REVIEWS)
        .await
        .refused(405, "MethodNotAllowed");
    contract
        .send(Method::DELETE, TOKEN_REVIEWS, &[], None)
        .await
        .refused(405, "MethodNotAllowed");
}
