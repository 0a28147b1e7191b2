//! Subresources of pods: logs and eviction.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures::{FutureExt, StreamExt};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::request::{self, Query};
use super::target::Asked;
use super::{Api, read, respond};
use crate::node_api::{LogOptions, PodRef};
use crate::objects::{ApiError, Cause, DeleteOptions};

/// The pod that a request names, and the one of its containers that is meant.
pub(super) fn container(
    api: &Api,
    asked: &Asked,
    query: &Query,
) -> Result<(PodRef, String, Arc<Value>), ApiError> {
    let pod = read::find(api, asked)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let reference = PodRef {
        namespace: asked.namespace().to_owned(),
        name: asked.name().to_owned(),
        uid: text(&pod["metadata"]["uid"]),
    };
    let names = |list: &str| -> Vec<String> {
        pod["spec"][list]
            .as_array()
            .into_iter()
            .flatten()
            .map(|c| text(&c["name"]))
            .collect()
    };
    let (containers, init) = (names("containers"), names("initContainers"));
    let name = reference.name.as_str();
    let container = match (query.get("container"), containers.as_slice()) {
        (Some(wanted), _) if containers.iter().chain(&init).any(|known| known == wanted) => {
            wanted.to_owned()
        }
        (Some(wanted), _) => {
            return Err(ApiError::BadRequest(format!(
                "container {wanted} is not valid for pod {name}"
            )));
        }
        (None, [only]) => only.clone(),
        (None, _) => {
            let all: Vec<&str> = init.iter().chain(&containers).map(String::as_str).collect();
            return Err(ApiError::BadRequest(format!(
                "a container name must be specified for pod {name}, choose one of: [{}]",
                all.join(" ")
            )));
        }
    };
    Ok((reference, container, pod))
}

/// Whether a pod was given to a node.
pub(super) fn has_node(pod: &Value) -> bool {
    !pod["spec"]["nodeName"]
        .as_str()
        .unwrap_or_default()
        .is_empty()
}

/// `GET` of a pod's log.
pub(super) async fn log(
    api: &Arc<Api>,
    asked: &Asked,
    query: &Query,
) -> Result<Response, ApiError> {
    let invalid = |cause| {
        Err(ApiError::Invalid {
            kind: "PodLogOptions".to_owned(),
            name: asked.name().to_owned(),
            causes: vec![cause],
        })
    };
    if query.get("stream").is_some_and(|stream| stream != "All") {
        return invalid(Cause::forbidden("stream", "may not be specified"));
    }
    let tail_lines = query.number::<i64>("tailLines")?;
    if let Some(lines) = tail_lines.filter(|lines| *lines < 0) {
        let why = format!("{lines}: must be greater than or equal to 0");
        return invalid(Cause::invalid("tailLines", why));
    }
    let seconds = query.number::<i64>("sinceSeconds")?;
    let limit_bytes = query.number::<i64>("limitBytes")?;
    for (field, number) in [("limitBytes", limit_bytes), ("sinceSeconds", seconds)] {
        if let Some(number) = number.filter(|number| *number < 1) {
            let why = format!("{number}: must be greater than 0");
            return invalid(Cause::invalid(field, why));
        }
    }
    let time = query
        .get("sinceTime")
        .map(|time| {
            time.parse::<jiff::Timestamp>()
                .map_err(|error| ApiError::BadRequest(format!("sinceTime: {error}")))
        })
        .transpose()?;
    let since = match (seconds, time) {
        (Some(_), Some(_)) => {
            let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            return invalid(Cause::forbidden("[]", why));
        }
        (Some(seconds), None) => {
            let back = jiff::SignedDuration::from_secs(seconds);
            // Longer ago than time itself is all of it.
            jiff::Timestamp::now().checked_sub(back).ok()
        }
        (None, time) => time,
    };
    let (pod, container, object) = container(api, asked, query)?;
    if !has_node(&object) {
        // Nothing of it has run anywhere.
        return Ok(respond::with_status(StatusCode::NO_CONTENT, Vec::new()));
    }
    let size = |number: Option<i64>| number.and_then(|number| usize::try_from(number).ok());
    let options = LogOptions {
        container,
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        since,
        timestamps: query.flag("timestamps"),
        tail_lines: size(tail_lines),
        limit_bytes: size(limit_bytes),
    };
    let lines = api.node.logs(&pod, options).await?;
    let stopping = api.tasks.stopping();
    let lines = lines.take_until(async move { stopping.cancelled().await }.boxed());
    let mut response = Response::new(Body::from_stream(lines));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}

/// `POST` of an Eviction. PodDisruptionBudgets are stored and not looked at.
pub(super) async fn evict(
    api: &Arc<Api>,
    asked: &Asked,
    request: Request,
) -> Result<Response, ApiError> {
    let eviction = request::object(request).await?;
    let pod = read::find(api, asked)?;
    let options = &eviction["deleteOptions"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let delete = DeleteOptions {
        grace_period_seconds: options["gracePeriodSeconds"].as_i64(),
        uid: text(&options["preconditions"]["uid"]).or(text(&pod["metadata"]["uid"])),
        resource_version: text(&options["preconditions"]["resourceVersion"]),
        ..DeleteOptions::default()
    };
    let dry_run = options["dryRun"]
        .as_array()
        .is_some_and(|list| !list.is_empty());
    api.objects.delete_object(
        &asked.kind,
        asked.namespace(),
        asked.name(),
        &delete,
        dry_run,
    )?;
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 });
    Ok(respond::with_status(
        StatusCode::CREATED,
        status.to_string().into_bytes(),
    ))
}
