//! metrics.k8s.io: what pods and the node use, as the node measured it.

use std::sync::Arc;

use axum::response::Response;
use http::HeaderMap;
use serde_json::{Value, json};

use super::request::{Query, accepted};
use super::target::Target;
use super::{Api, respond};
use crate::node_api::{NodeUsage, PodUsage};
use crate::objects::{ApiError, Selector, metadata, resource};

/// The group.
pub(super) const GROUP: &str = "metrics.k8s.io";
/// Its only version.
pub(super) const VERSION: &str = "v1beta1";

pub(super) async fn answer(
    api: &Arc<Api>,
    target: &Target,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    accepted(headers)?;
    if target.version != VERSION || target.subresource.is_some() {
        return Err(ApiError::NoSuchResource);
    }
    if query.flag("watch") {
        return Err(ApiError::MethodNotAllowed);
    }
    let labels = query.get("labelSelector").unwrap_or_default();
    let fields = query.get("fieldSelector").unwrap_or_default();
    let selector = Selector::parse(labels, fields)?;
    let (kind, items) = match (target.plural.as_str(), &target.namespace) {
        ("pods", namespace) => {
            let usage = api.node.pod_usage().await;
            let wanted = usage.iter().filter(|usage| {
                namespace
                    .as_ref()
                    .is_none_or(|namespace| *namespace == usage.pod.namespace)
            });
            (
                "PodMetrics",
                wanted
                    .filter_map(|usage| pod(api, usage))
                    .collect::<Vec<_>>(),
            )
        }
        ("nodes", None) => {
            let nodes = api
                .objects
                .list(resource::NODES, None, &Selector::everything())?;
            let usage = api.node.node_usage().await;
            let items = nodes
                .items
                .iter()
                .filter_map(|object| Some(node(object, usage.as_ref()?)));
            ("NodeMetrics", items.collect())
        }
        _ => return Err(ApiError::NoSuchResource),
    };
    if let Some(name) = &target.name {
        let item = items
            .into_iter()
            .find(|item| item["metadata"]["name"] == name.as_str());
        let item =
            item.ok_or_else(|| ApiError::not_found(format!("{}.{GROUP}", target.plural), name))?;
        return Ok(respond::json(&item));
    }
    let items: Vec<Value> = items
        .into_iter()
        .filter(|item| selector.matches(item))
        .collect();
    Ok(respond::json(&json!({
        "kind": format!("{kind}List"), "apiVersion": format!("{GROUP}/{VERSION}"),
        "metadata": {}, "items": items,
    })))
}

fn usage(cpu_millicores: u64, memory_bytes: u64) -> Value {
    json!({ "cpu": format!("{cpu_millicores}m"), "memory": format!("{}Ki", memory_bytes / 1024) })
}

fn pod(api: &Api, usage_of: &PodUsage) -> Option<Value> {
    let reference = &usage_of.pod;
    let object = api
        .objects
        .get(resource::PODS, &reference.namespace, &reference.name)
        .ok()?;
    if object["metadata"]["uid"] != reference.uid.as_str() {
        return None;
    }
    let containers: Vec<Value> = usage_of
        .containers
        .iter()
        .map(|container| {
            json!({
                "name": container.container,
                "usage": usage(container.cpu_millicores, container.memory_bytes),
            })
        })
        .collect();
    let mut item = described(
        "PodMetrics",
        &object,
        usage_of.measured,
        usage_of.window_seconds,
    );
    item["containers"] = containers.into();
    Some(item)
}

fn node(object: &Value, usage_of: &NodeUsage) -> Value {
    let mut item = described(
        "NodeMetrics",
        object,
        usage_of.measured,
        usage_of.window_seconds,
    );
    item["usage"] = usage(usage_of.cpu_millicores, usage_of.memory_bytes);
    item
}

fn described(kind: &str, object: &Value, measured: jiff::Timestamp, window: u64) -> Value {
    let mut item = json!({
        "kind": kind, "apiVersion": format!("{GROUP}/{VERSION}"),
        "metadata": { "name": object["metadata"]["name"], "creationTimestamp": metadata::now() },
        "timestamp": metadata::time(measured),
        "window": format!("{window}s"),
    });
    for field in ["namespace", "labels"] {
        if let Some(value) = object["metadata"].get(field) {
            item["metadata"][field] = value.clone();
        }
    }
    item
}
