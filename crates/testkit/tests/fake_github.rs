//! The fake GitHub must refuse what GitHub would: a lenient fake proves nothing.

#![allow(clippy::unwrap_used)]

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use catalyst_testkit::github::{
    Delivery, FakeGitHub, FakePullRequest, FakeRepository, Fault, TOKEN, sign,
};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

async fn fake() -> FakeGitHub {
    let fake = FakeGitHub::start().await;
    let shop = FakeRepository::new(42, "acme/shop");
    fake.put_pull_request(&FakePullRequest::new(&shop, 7, SHA));
    fake
}

struct Asked {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

async fn send(request: Request<Body>) -> Asked {
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    let body = to_bytes(Body::new(body), usize::MAX).await.unwrap();
    Asked {
        status: parts.status,
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

fn request(fake: &FakeGitHub, method: Method, path: &str, body: Option<Value>) -> Request<Body> {
    let request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", fake.url()))
        .header(header::USER_AGENT, "test")
        .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
    match body {
        Some(body) => request
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string())),
        None => request.body(Body::empty()),
    }
    .unwrap()
}

async fn get(fake: &FakeGitHub, path: &str) -> Asked {
    send(request(fake, Method::GET, path, None)).await
}

#[tokio::test]
async fn a_request_that_fits_is_answered_with_an_object_of_githubs_shape() {
    let fake = fake().await;
    let answer = get(&fake, "/repos/Acme/SHOP/pulls/7").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["head"]["sha"], SHA);
    assert!(answer.body["mergeable_state"].is_string());
    assert!(answer.headers.contains_key("x-ratelimit-remaining"));
}

#[tokio::test]
async fn every_way_of_not_fitting_is_an_error_that_says_which() {
    let fake = fake().await;
    let statuses = format!("/repos/acme/shop/statuses/{SHA}");
    let comment = "/repos/acme/shop/issues/7/comments";
    let asked = |method: Method, path: &str, body| request(&fake, method, path, body);
    let mut form = asked(Method::POST, comment, Some(json!({"body": "x"})));
    let form_type = "application/x-www-form-urlencoded".parse().unwrap();
    form.headers_mut().insert(header::CONTENT_TYPE, form_type);
    let mut anonymous = asked(Method::GET, "/user", None);
    anonymous.headers_mut().remove(header::USER_AGENT);
    let cases = [
        (
            asked(Method::GET, "/repos/acme/shop/prs", None),
            "GitHub has no",
        ),
        (asked(Method::PUT, comment, None), "GitHub has no"),
        (
            asked(Method::GET, "/repos/acme/shop/pulls/seven", None),
            "pull_number",
        ),
        (
            asked(Method::GET, "/repos/acme/shop/pulls?state=opened", None),
            "state",
        ),
        (
            asked(Method::GET, "/repos/acme/shop/pulls?perpage=1", None),
            "perpage",
        ),
        (asked(Method::POST, comment, None), "the body is missing"),
        (asked(Method::POST, comment, Some(json!({}))), "body"),
        (
            asked(Method::POST, comment, Some(json!({"body": 1}))),
            "/body",
        ),
        (
            asked(Method::POST, comment, Some(json!({"body": "x", "txt": 1}))),
            "txt",
        ),
        (
            asked(Method::POST, &statuses, Some(json!({"state": "running"}))),
            "running",
        ),
        (asked(Method::GET, "/user", Some(json!({}))), "takes none"),
        (form, "content type"),
        (anonymous, "User-Agent"),
    ];
    for (request, expected) in cases {
        let what = format!("{} {}", request.method(), request.uri());
        let answer = send(request).await;
        assert_eq!(answer.status, 500, "{what}");
        let message = answer.body["message"].as_str().unwrap();
        assert!(message.contains(expected), "{what}: {message}");
        assert_eq!(fake.take_violations().len(), 1, "{what}: {message}");
    }
}

#[tokio::test]
#[should_panic(expected = "GitHub has no GET /nonsense")]
async fn a_violation_that_nobody_looked_at_fails_the_test() {
    let fake = fake().await;
    get(&fake, "/nonsense").await;
}

#[tokio::test]
async fn nobody_is_let_in_without_credentials_of_its_own() {
    let fake = fake().await;
    let hs256 = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOjI3MTgyOH0.c2lnbmF0dXJl";
    for credentials in [
        None,
        Some("ghp_guess"),
        Some("ghs_guess"),
        Some(hs256),
        Some(""),
    ] {
        let mut asked = request(&fake, Method::GET, "/app", None);
        asked.headers_mut().remove(header::AUTHORIZATION);
        if let Some(token) = credentials {
            let value = format!("Bearer {token}").parse().unwrap();
            asked.headers_mut().insert(header::AUTHORIZATION, value);
        }
        assert_eq!(send(asked).await.status, 401, "{credentials:?}");
    }
}

#[tokio::test]
async fn lists_come_in_pages_of_thirty_or_a_hundred_at_most() {
    let fake = fake().await;
    for number in 0..205 {
        fake.add_comment("acme/shop", 7, "octocat", &number.to_string());
    }
    for (query, items, link) in [
        ("", 30, "page=2>; rel=\"next\""),
        ("?per_page=100&page=2", 100, "page=3>; rel=\"next\""),
        ("?per_page=500&page=3", 5, "rel=\"prev\""),
    ] {
        let answer = get(&fake, &format!("/repos/acme/shop/issues/7/comments{query}")).await;
        assert_eq!(answer.body.as_array().unwrap().len(), items, "{query}");
        let links = answer.headers["link"].to_str().unwrap();
        assert!(links.contains(link), "{query}: {links}");
        assert_eq!(links.contains("next"), items != 5, "{query}: {links}");
    }
}

#[tokio::test]
async fn faults_end_after_the_calls_they_were_meant_for() {
    let fake = fake().await;
    fake.fail("pulls/get", 1, Fault::Status(503));
    let path = "/repos/acme/shop/pulls/7";
    assert_eq!(get(&fake, "/repos/acme/shop").await.status, 200);
    assert_eq!(get(&fake, path).await.status, 503);
    assert_eq!(get(&fake, path).await.status, 200);
    let statuses: Vec<u16> = fake.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [200, 503, 200]);
    assert_eq!(fake.count("pulls/get"), 2);
}

#[tokio::test]
async fn a_delivery_arrives_signed_over_its_very_bytes() {
    let (sender, mut received) = tokio::sync::mpsc::unbounded_channel();
    let hook = move |headers: HeaderMap, body: axum::body::Bytes| async move {
        sender.send((headers, body)).unwrap();
        (StatusCode::ACCEPTED, "noted")
    };
    let router = axum::Router::new().route("/hook", axum::routing::post(hook));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });

    let shop = FakeRepository::new(42, "acme/shop");
    let payload = FakePullRequest::new(&shop, 7, SHA).webhook("opened", Some(9));
    let delivery = Delivery::new("pull_request", &payload, "s3cret");
    assert_eq!(
        delivery.post(&url).await,
        (StatusCode::ACCEPTED, "noted".to_owned())
    );
    let (headers, body) = received.recv().await.unwrap();
    assert_eq!(headers["x-github-event"], "pull_request");
    assert_eq!(headers["x-github-delivery"], delivery.id.as_str());
    assert_eq!(
        headers["x-hub-signature-256"],
        sign(&body, "s3cret").as_str()
    );
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&body["installation"]["id"], &body["number"]),
        (&json!(9), &json!(7))
    );
}

#[test]
fn the_signature_is_the_one_that_github_documents() {
    // From "Validating webhook deliveries".
    let signature = sign(b"Hello, World!", "It's a Secret to Everybody");
    let documented = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(signature, documented);
}
