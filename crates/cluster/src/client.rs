//! What every request to an API server passes on its way.

use std::time::Duration;

use futures::FutureExt;
use http::{Request, Response, header::UPGRADE};
use http_body_util::Either;
use kube::{Client, client::Body};
use tower_http::timeout::TimeoutBody;

use crate::health::Record;

/// How long an API server may take to begin its answer, or be silent in the middle of one that is
/// not a stream. A connection that died without a word is noticed after this time.
const SILENCE: Duration = Duration::from_secs(30);

/// The API server did not answer in time; the connection is given up.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {0:?}")]
struct NoAnswer(Duration);

/// A client that gives up on an API server that stays silent, and records whether it answers.
/// Watches have a patience of their own, and a log that is followed or a shell may be silent for as
/// long as it likes, once it has begun.
pub(crate) fn impatient(client: Client, record: &Record) -> Client {
    impatient_after(client, record, SILENCE)
}

fn impatient_after(client: Client, record: &Record, silence: Duration) -> Client {
    let record = record.clone();
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, record) = (client.clone(), record.clone());
        async move {
            let stream = is_stream(&request);
            let answer = tokio::time::timeout(silence, client.send(request).boxed())
                .await
                .unwrap_or_else(|_| Err(kube::Error::Service(Box::new(NoAnswer(silence)))))
                .inspect_err(|error| record.failed(error))?;
            record.answered();
            let (parts, body) = answer.into_parts();
            let body = if stream {
                Either::Left(body)
            } else {
                Either::Right(TimeoutBody::new(silence, body))
            };
            Ok::<_, kube::Error>(Response::from_parts(parts, body))
        }
    });
    Client::new(service, namespace)
}

fn is_stream(request: &Request<Body>) -> bool {
    let followed = |query: &str| {
        query
            .split('&')
            .any(|pair| matches!(pair, "watch=true" | "watch=1" | "follow=true"))
    };
    request.headers().contains_key(UPGRADE) || request.uri().query().is_some_and(followed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_silent_for_long_is_told_by_the_request() {
        let request = |uri: &str| Request::get(uri).body(Body::empty()).unwrap();
        assert!(is_stream(&request(
            "/api/v1/pods?labelSelector=a&watch=true"
        )));
        assert!(is_stream(&request(
            "/api/v1/namespaces/a/pods/b/log?follow=true"
        )));
        assert!(!is_stream(&request(
            "/api/v1/namespaces/a/pods/b/log?previous=true"
        )));
        assert!(!is_stream(&request("/api/v1/pods")));
        let shell = Request::get("/api/v1/namespaces/a/pods/b/exec")
            .header(UPGRADE, "websocket")
            .body(Body::empty());
        assert!(is_stream(&shell.unwrap()));
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_given_up() {
        let silent = tower::service_fn(|_: Request<Body>| {
            std::future::pending::<Result<Response<Body>, std::convert::Infallible>>()
        });
        let (client, record) = (Client::new(silent, "default"), Record::default());
        let client = impatient_after(client, &record, Duration::from_millis(20));
        let error = client.apiserver_version().await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("no answer within 20ms"), "{error:?}");
        assert!(record.now().is_silent());
    }
}
