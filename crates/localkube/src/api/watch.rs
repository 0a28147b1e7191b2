//! `?watch=true`: one JSON line an event.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::request::{Form, Query};
use super::target::Asked;
use super::{Api, respond, table};
use crate::objects::{ApiError, Watch, WatchEvent, WatchFrom};

/// How often a quiet watch is told how far it is.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);
/// How long a watch lasts where the client does not say, in seconds.
const LONGEST: std::ops::Range<u64> = 1800..3600;

pub(super) fn start(
    api: &Arc<Api>,
    asked: &Asked,
    query: &Query,
    form: Form,
) -> Result<Response, ApiError> {
    let selector = query.selector(asked)?;
    let bookmarks = query.flag("allowWatchBookmarks");
    let initial = query.flag("sendInitialEvents");
    query.check_list_options(true)?;
    let from = match query.resource_version()? {
        Some(revision) if revision > 0 && !initial => WatchFrom::Revision(revision),
        // With sendInitialEvents=false a watch begins with the next change.
        _ if query.get("sendInitialEvents") == Some("false") => {
            WatchFrom::Revision(api.objects.revision())
        }
        _ => WatchFrom::Start,
    };
    let watch = api.objects.watch(
        &asked.kind.stored_in(),
        asked.namespace.as_deref(),
        &selector,
        from,
    );
    let watch = match watch {
        Ok(watch) => Ok(watch),
        // Kubernetes answers 200 and says in the stream that the version is too old.
        Err(error @ ApiError::Expired(_)) => Err(error),
        Err(error) => return Err(error),
    };
    let seconds = query
        .number::<u64>("timeoutSeconds")?
        .unwrap_or_else(|| rand::random_range(LONGEST));
    let render = Renderer {
        asked: asked.clone(),
        query: query.clone(),
        form,
        bookmarks,
        initial_end: initial && bookmarks,
    };
    let end = tokio::time::sleep(Duration::from_secs(seconds));
    let lines: Pin<Box<dyn Stream<Item = Bytes> + Send>> = match watch {
        Ok(watch) => Box::pin(lines(watch, render)),
        Err(error) => {
            let line = error_line(&error);
            Box::pin(futures::stream::once(async move { line }))
        }
    };
    let stopping = api.tasks.stopping();
    let ended = async move {
        tokio::select! {
            () = end => {}
            () = stopping.cancelled() => {}
        }
    };
    let body = lines
        .take_until(Box::pin(ended))
        .map(Ok::<_, std::convert::Infallible>);
    let mut response = Response::new(Body::from_stream(body));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    Ok(response)
}

/// What a watch tells, as lines; a bookmark where nothing happened for a while.
fn lines(watch: Watch, render: Renderer) -> impl Stream<Item = Bytes> {
    let quiet = tokio::time::interval_at(
        tokio::time::Instant::now() + BOOKMARK_INTERVAL,
        BOOKMARK_INTERVAL,
    );
    futures::stream::unfold(
        (watch, render, quiet, false),
        async |(mut watch, render, mut quiet, ended)| {
            if ended {
                return None;
            }
            loop {
                let event = tokio::select! {
                    biased;
                    event = watch.next() => event?,
                    _ = quiet.tick(), if render.bookmarks => {
                        if !watch.is_caught_up() {
                            continue;
                        }
                        Ok(WatchEvent::Bookmark { revision: watch.revision(), initial_events_end: false })
                    }
                };
                let (line, ended) = match event {
                    Ok(event) => (render.line(&event), false),
                    Err(error) => (Some(error_line(&error)), true),
                };
                if let Some(line) = line {
                    return Some((line, (watch, render, quiet, ended)));
                }
            }
        },
    )
}

struct Renderer {
    asked: Asked,
    query: Query,
    form: Form,
    bookmarks: bool,
    /// Whether the client waits for the mark at the end of the initial objects.
    initial_end: bool,
}

impl Renderer {
    fn line(&self, event: &WatchEvent) -> Option<Bytes> {
        let (type_, object) = match event {
            WatchEvent::Added(object) => ("ADDED", self.object(object)),
            WatchEvent::Modified(object) => ("MODIFIED", self.object(object)),
            WatchEvent::Deleted(object) => ("DELETED", self.object(object)),
            WatchEvent::Bookmark {
                initial_events_end: true,
                ..
            } if !self.initial_end => return None,
            WatchEvent::Bookmark {
                revision,
                initial_events_end,
            } => ("BOOKMARK", self.bookmark(*revision, *initial_events_end)),
        };
        Some(line(type_, &object))
    }

    fn object(&self, object: &Value) -> Value {
        let object = respond::in_version(&self.asked, object);
        match self.form {
            Form::Table => {
                let revision = &object["metadata"]["resourceVersion"];
                table::render(&self.asked, [&*object], revision, &self.query)
            }
            Form::Metadata => respond::metadata_only(&object),
            _ => object.into_owned(),
        }
    }

    fn bookmark(&self, revision: u64, initial_events_end: bool) -> Value {
        let (kind, api_version) = match self.form {
            Form::Table => ("Table", "meta.k8s.io/v1".to_owned()),
            Form::Metadata => ("PartialObjectMetadata", "meta.k8s.io/v1".to_owned()),
            _ => (
                self.asked.kind.kind.as_str(),
                self.asked.kind.api_version(&self.asked.version),
            ),
        };
        let mut metadata =
            json!({ "resourceVersion": revision.to_string(), "creationTimestamp": null });
        if initial_events_end {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let mut object = json!({ "kind": kind, "apiVersion": api_version, "metadata": metadata });
        if self.form == Form::Table {
            object["columnDefinitions"] = json!([]);
            object["rows"] = json!([]);
        }
        object
    }
}

fn line(type_: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{{\"type\":\"{type_}\",\"object\":{object}}}\n"))
}

fn error_line(error: &ApiError) -> Bytes {
    line("ERROR", &error.status())
}
