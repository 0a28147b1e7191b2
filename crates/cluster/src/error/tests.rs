#![allow(clippy::unwrap_used)]

use std::error::Error;

use kube::core::Status;
use serde_json::json;

use super::*;

fn attempt() -> Attempt {
    Attempt {
        verb: "read",
        on: "Environment acme-shop/preview-7".into(),
        cluster: "eu-1".into(),
    }
}

fn status(value: serde_json::Value) -> Box<Status> {
    serde_json::from_value(value).unwrap()
}

/// What an API server's answer becomes.
fn answered(value: serde_json::Value) -> ClusterError {
    ClusterError::new(attempt(), kube::Error::Api(status(value)))
}

#[test]
fn an_answer_is_told_by_its_code_and_says_what_was_attempted_and_where() {
    let cases = [
        (
            json!({ "code": 404, "reason": "NotFound", "message": "environments \"preview-7\" not found",
                    "details": { "name": "preview-7" } }),
            "could not read Environment acme-shop/preview-7 in cluster eu-1: it does not exist",
        ),
        (
            json!({ "code": 404, "message": "404 page not found" }),
            "could not read Environment acme-shop/preview-7 in cluster eu-1: 404 page not found",
        ),
        (
            json!({ "code": 409, "reason": "Conflict", "message": "it was changed" }),
            "could not read Environment acme-shop/preview-7 in cluster eu-1: it was changed",
        ),
        (
            json!({ "code": 401, "reason": "Unauthorized", "message": "Unauthorized" }),
            "cluster eu-1 does not accept Catalyst's credentials: could not read Environment acme-shop/preview-7 in cluster eu-1: Unauthorized",
        ),
        (
            json!({ "code": 403, "reason": "Forbidden", "message": "no rule allows it" }),
            "Catalyst is not allowed to read Environment acme-shop/preview-7 in cluster eu-1: no rule allows it",
        ),
        (
            json!({ "code": 422, "reason": "Invalid", "message": "spec.type: Required value" }),
            "the attempt to read Environment acme-shop/preview-7 in cluster eu-1 was refused: spec.type: Required value (422 Invalid)",
        ),
        (
            json!({ "code": 502, "message": "bad gateway" }),
            "the attempt to read Environment acme-shop/preview-7 in cluster eu-1 was refused: bad gateway (502)",
        ),
    ];
    for (value, words) in cases {
        let error = answered(value.clone());
        assert_eq!(error.to_string(), words);
        assert!(error.source().is_none(), "nothing is said twice");
        let code = value["code"].as_u64().unwrap();
        let is = [
            error.is_unauthorized(),
            error.is_forbidden(),
            error.is_not_found(),
            error.is_conflict(),
        ];
        assert_eq!(is, [401, 403, 404, 409].map(|it| it == code), "{words}");
        assert_eq!(error.is_temporary(), [409, 502].contains(&code), "{words}");
    }
}

#[test]
fn an_answer_keeps_what_it_says_of_each_field() {
    let cause = json!({ "field": "spec.type", "message": "Required value", "reason": "FieldValueRequired" });
    let error =
        answered(json!({ "code": 422, "message": "invalid", "details": { "causes": [cause] } }));
    let details = error.answer().unwrap().details.as_ref().unwrap();
    assert_eq!(details.causes[0].field, "spec.type");
}

#[test]
fn a_silence_keeps_what_it_came_from_and_passes_by_itself() {
    let refused = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused");
    let error = ClusterError::new(attempt(), kube::Error::Service(Box::new(refused)));
    assert_eq!(
        chain(&error),
        "there was no answer to the attempt to read Environment acme-shop/preview-7 in cluster eu-1: ServiceError: connection refused"
    );
    assert!(error.is_temporary() && error.answer().is_none() && !error.is_not_found());
    let late = ClusterError::from(ConnectionError::TimedOut { attempt: attempt() });
    assert!(late.is_temporary());
    assert!(
        late.to_string()
            .starts_with("it took too long to read Environment")
    );
    let broken = ClusterError::from(ConnectionError::BrokenOff {
        attempt: attempt(),
        source: std::io::ErrorKind::ConnectionReset.into(),
    });
    assert!(broken.is_temporary());
    assert!(chain(&broken).ends_with("broke off: connection reset"));
}

#[test]
fn what_is_not_configured_says_what_to_set() {
    let none = ConnectionError::NotConfigured {
        detail: "nothing was found".to_owned(),
        source: None,
    };
    assert!(none.to_string().contains("KUBECONFIG_PRIMARY"));
    let unknown = ConnectionError::Unknown {
        name: "eu-west".to_owned(),
        known: "primary".to_owned(),
    };
    assert!(
        unknown.to_string().contains("set KUBECONFIG_EU_WEST "),
        "{unknown}"
    );
    assert!(
        ClusterError::from(unknown).is_temporary(),
        "it may be configured again"
    );
}

#[test]
fn a_watch_begins_anew_only_where_the_api_server_has_forgotten_its_place() {
    let watch = |source: watcher::Error| WatchError {
        on: "Environments".to_owned(),
        cluster: "eu-1".to_owned(),
        source: Box::new(source),
    };
    let gone = || status(json!({ "code": 410, "reason": "Expired", "message": "too old" }));
    let too_large = json!({ "code": 504, "message": "Too large resource version",
        "details": { "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }] } });
    for expired in [
        watcher::Error::WatchError(gone()),
        watcher::Error::WatchStartFailed(kube::Error::Api(gone())),
        watcher::Error::InitialListFailed(kube::Error::Api(gone())),
        watcher::Error::WatchStartFailed(kube::Error::Api(status(too_large))),
    ] {
        assert!(watch(expired).is_expired());
    }
    let busy = status(json!({ "code": 503, "message": "starting" }));
    let interrupted = watch(watcher::Error::WatchStartFailed(kube::Error::Api(busy)));
    assert!(!interrupted.is_expired());
    assert_eq!(
        interrupted.to_string(),
        "the watch of Environments in cluster eu-1 was interrupted"
    );
    assert!(!watch(watcher::Error::NoResourceVersion).is_expired());
    assert!(ClusterError::from(interrupted).is_temporary());
}

#[test]
fn a_chain_says_an_answer_once_and_repeats_nothing() {
    #[derive(Debug, thiserror::Error)]
    #[error("could not begin")]
    struct Outer(#[source] kube::Error);
    let gone = status(json!({ "code": 403, "message": "pods is forbidden" }));
    assert_eq!(
        chain(&Outer(kube::Error::Api(gone))),
        "could not begin: pods is forbidden (403)"
    );
    let gone = status(json!({ "code": 403, "message": "pods is forbidden" }));
    assert_eq!(chain(&kube::Error::Api(gone)), "pods is forbidden (403)");
}
