//! What the pages hear while they are open: server-sent events, straight from the use cases.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::Body,
    extract::{Path, Query, State},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use catalyst_model::views::LogQuery;
use catalyst_previews::Error;
use futures::{Stream, StreamExt, stream};
use http::header;
use serde::Serialize;
use serde_json::json;

use super::{AppState, errors, session::SignedIn};

/// `GET /api/preview-environments/stream`: each change of the list, as JSON of a
/// [`catalyst_model::views::PreviewChange`].
pub async fn list(State(state): State<AppState>, SignedIn(actor): SignedIn) -> Response {
    let changes = state.previews.changes(&actor).map(|change| event(&change));
    respond(&state, changes)
}

/// `GET /api/preview-environments/{id}/stream`: `{type: "status" | "ready" | "error", data}`,
/// first as it is now. 404 before the stream begins for an unknown or foreign id.
pub async fn preview(
    State(state): State<AppState>,
    SignedIn(actor): SignedIn,
    Path(id): Path<String>,
) -> Response {
    if let Err(error) = state.previews.get(&actor, &id).await {
        return errors::json(&error);
    }
    let details = state
        .previews
        .follow(&actor, &id)
        .map(|detail| match detail {
            Ok(detail) => {
                let running =
                    detail.summary.status == catalyst_model::state::PreviewStatus::Running;
                event(&json!({ "type": if running { "ready" } else { "status" }, "data": detail }))
            }
            Err(error) => failure(&error),
        });
    respond(&state, details)
}

/// Lines that are sent together at most.
const TOGETHER: usize = 500;

/// `GET /api/preview-environments/{id}/logs`: text, or with `follow=true` a stream of arrays of
/// `{at, text}`. A log that breaks off says so in an event named `failure`; one that ends says
/// `end`.
pub async fn logs(
    State(state): State<AppState>,
    SignedIn(actor): SignedIn,
    Path(id): Path<String>,
    Query(query): Query<LogQuery>,
) -> Response {
    let lines = match state.previews.logs(&actor, &id, &query).await {
        Ok(lines) => lines,
        Err(error) => return errors::json(&error),
    };
    if !query.follow {
        let text = lines.map(|line| {
            line.map(|line| match line.at {
                Some(at) => {
                    format!(
                        "{} {}\n",
                        at.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true),
                        line.text
                    )
                }
                None => format!("{}\n", line.text),
            })
        });
        let plain = [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        return (plain, Body::from_stream(text)).into_response();
    }
    // Lines that are there already go together: a browser takes a thousand events one by one.
    let events = lines
        .ready_chunks(TOGETHER)
        .flat_map(|lines| {
            let mut events = Vec::new();
            let mut good = Vec::with_capacity(lines.len());
            for line in lines {
                match line {
                    Ok(line) => good.push(line),
                    Err(error) => events.push(failure(&error).event("failure")),
                }
            }
            if !good.is_empty() {
                events.insert(0, event(&good));
            }
            stream::iter(events)
        })
        // The browser would begin anew after an ended stream; this tells it not to.
        .chain(stream::once(async {
            Event::default().event("end").data("{}")
        }));
    respond(&state, events)
}

fn event(data: &impl Serialize) -> Event {
    // Our own types always serialize; should one not, the page reloads on the odd message.
    Event::default()
        .json_data(data)
        .unwrap_or_else(|_| Event::default().data("{}"))
}

fn failure(error: &Error) -> Event {
    event(&json!({ "type": "error", "data": { "message": error.to_string() } }))
}

/// Streams until the client leaves or Catalyst stops.
fn respond(state: &AppState, events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let stopping = state.shutdown.clone().cancelled_owned();
    let events = events.take_until(stopping).map(Ok::<_, Infallible>);
    let alive = KeepAlive::new().interval(Duration::from_secs(15));
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Sse::new(events).keep_alive(alive)).into_response()
}
