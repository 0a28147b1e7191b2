//! GitHub's own example payloads, and ones with edges.

#![allow(clippy::unwrap_used, clippy::panic)]

use catalyst_github::{
    Event,
    event::PullRequestAction,
    webhook::{Delivery, WebhookSecret, WebhookSecrets},
};
use catalyst_testkit::github::{self, FakePullRequest, FakeRepository};
use serde_json::{Value, json};

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

fn parse(event: &str, payload: &Value) -> Event {
    Event::parse(event, payload.to_string().as_bytes()).unwrap_or_else(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        panic!("{event}: {error}: {source:?}")
    })
}

fn pull_request(payload: &Value) -> catalyst_github::event::PullRequestEvent {
    match parse("pull_request", payload) {
        Event::PullRequest(event) => event,
        other => panic!("{other:?}"),
    }
}

fn shop() -> FakeRepository {
    FakeRepository::new(42, "Acme/shop")
}

#[test]
fn every_example_that_github_publishes_is_authentic_and_readable() {
    let secrets = WebhookSecrets::new(WebhookSecret::new("s3cret").unwrap(), None);
    let examples = github::examples();
    assert!(examples.len() > 700, "{}", examples.len());
    for example in examples {
        let sent = github::Delivery::new(&example.event, &example.payload, "s3cret");
        let delivery = secrets.authenticate(&sent.headers(), &sent.body).unwrap();
        assert_eq!(
            delivery,
            Delivery {
                id: sent.id.clone(),
                event: sent.event.clone()
            }
        );
        let read = parse(&delivery.event, &example.payload);
        let is_read = !matches!(read, Event::Other(_));
        let should_be = matches!(
            example.event.as_str(),
            "ping" | "pull_request" | "push" | "installation" | "installation_repositories"
        );
        assert_eq!(is_read, should_be, "{}", example.event);
        // The same delivery, signed by somebody else.
        let forged = github::Delivery::new(&example.event, &example.payload, "guess");
        assert!(
            secrets
                .authenticate(&forged.headers(), &forged.body)
                .is_err()
        );
    }
}

#[test]
fn a_pull_request_event_says_what_changed_and_where_its_code_is() {
    let mut proposed = FakePullRequest::new(&shop(), 7, SHA);
    proposed.labels = vec!["preview".into()];
    proposed.title = "`$(id)` <b>".into();
    let event = pull_request(&proposed.webhook("synchronize", Some(99)));
    assert_eq!(event.action, PullRequestAction::Synchronize);
    assert_eq!((event.number.get(), event.installation_id), (7, Some(99)));
    assert_eq!(event.repository.id, 42);
    assert_eq!(event.repository.full_name.as_str(), "Acme/shop");
    let pull_request = event.pull_request;
    assert_eq!(pull_request.head.sha.as_str(), SHA);
    assert_eq!(pull_request.head.name, "change-7");
    assert_eq!(pull_request.title, "`$(id)` <b>");
    assert_eq!(pull_request.author.as_deref(), Some("octocat"));
    assert_eq!(pull_request.labels, ["preview"]);
    assert!(!pull_request.is_from_fork() && !pull_request.merged());
}

#[test]
fn a_fork_is_told_by_its_repository_not_by_its_flag() {
    let mut upstream = shop();
    upstream.fork = true;
    let own = FakePullRequest::new(&upstream, 7, SHA);
    assert!(
        !pull_request(&own.webhook("opened", None))
            .pull_request
            .is_from_fork()
    );
    let foreign = FakePullRequest {
        head_repository: Some(FakeRepository::new(43, "mallory/shop")),
        ..own.clone()
    };
    assert!(
        pull_request(&foreign.webhook("opened", None))
            .pull_request
            .is_from_fork()
    );
    let deleted = FakePullRequest {
        head_repository: None,
        ..own
    };
    assert!(
        pull_request(&deleted.webhook("closed", None))
            .pull_request
            .is_from_fork()
    );
}

#[test]
fn what_github_may_leave_out_may_be_missing() {
    let mut payload = FakePullRequest::new(&shop(), 7, SHA).webhook("enqueued", None);
    payload["pull_request"]["user"] = Value::Null;
    for name in ["draft", "labels"] {
        payload["pull_request"]
            .as_object_mut()
            .unwrap()
            .remove(name);
    }
    payload.as_object_mut().unwrap().remove("sender");
    payload["brand_new"] = json!({"deep": [[[1]]]});
    let event = pull_request(&payload);
    assert_eq!(event.action, PullRequestAction::Other("enqueued".into()));
    assert_eq!((event.installation_id, event.sender), (None, None));
    assert_eq!(event.pull_request.author, None);
    assert!(!event.pull_request.draft);
}

#[test]
fn identifiers_that_are_none_are_refused_at_the_edge() {
    let good = FakePullRequest::new(&shop(), 7, SHA).webhook("opened", None);
    let bad = [
        ("/pull_request/head/sha", json!("HEAD")),
        ("/pull_request/head/sha", json!(SHA.to_uppercase())),
        ("/pull_request/head/sha", json!("--upload-pack=x")),
        ("/repository/full_name", json!("acme/../etc")),
        ("/pull_request/head/repo/full_name", json!("acme/$(id)")),
        ("/number", json!(0)),
        ("/number", json!(-1)),
        ("/pull_request/number", json!("7")),
    ];
    for (pointer, value) in bad {
        let mut payload = good.clone();
        *payload.pointer_mut(pointer).unwrap() = value.clone();
        let read = Event::parse("pull_request", payload.to_string().as_bytes());
        assert!(read.is_err(), "{pointer} = {value}");
    }
}

#[test]
fn a_broken_payload_is_an_error_and_never_a_panic() {
    let payload = FakePullRequest::new(&shop(), 7, SHA).webhook("opened", Some(1));
    let whole = payload.to_string().into_bytes();
    for end in (0..whole.len()).step_by(97) {
        assert!(Event::parse("pull_request", &whole[..end]).is_err());
    }
    // Every byte in turn, by a fixed sequence: whatever comes out, it comes out.
    let mut seed = 1_u32;
    for _ in 0..5_000 {
        let mut body = whole.clone();
        for _ in 0..4 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = seed as usize % body.len();
            body[at] = (seed >> 24) as u8;
        }
        let _ = Event::parse("pull_request", &body);
    }
}
