//! The `scale` subresource: an `autoscaling/v1` Scale as a view of an object's replicas.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use serde_json::{Value, json};

use super::patch::{self, PatchBody};
use super::request::{self, Query};
use super::target::Asked;
use super::{Api, read, respond};
use crate::objects::kinds::Scale;
use crate::objects::schema::built_in;
use crate::objects::write::{Apply, Part};
use crate::objects::{ApiError, Cause};

pub(super) async fn answer(
    api: &Arc<Api>,
    asked: &Asked,
    query: &Query,
    request: Request,
) -> Result<Response, ApiError> {
    let version = asked
        .kind
        .served(&asked.version)
        .ok_or(ApiError::NoSuchResource)?;
    let scale = version.scale.as_ref().ok_or(ApiError::NoSuchResource)?;
    let manager = query.manager(request.headers())?;
    let options = query.write_options(asked, &manager, "UpdateOptions")?;
    let change = |wanted: &dyn Fn(&Value) -> Result<Value, ApiError>| {
        let (namespace, name) = (asked.namespace(), asked.name());
        api.objects.change_object(
            &asked.kind,
            namespace,
            name,
            Part::Main,
            &options,
            &|object| {
                let mut object = object.clone();
                let wanted = wanted(&view(scale, &object))?;
                let version = wanted["metadata"]["resourceVersion"]
                    .as_str()
                    .unwrap_or_default();
                if !version.is_empty() {
                    object["metadata"]["resourceVersion"] = version.into();
                }
                set(&mut object, &scale.spec_replicas, replicas(asked, &wanted)?);
                Ok(object)
            },
        )
    };
    let written = match request.method().as_str() {
        "GET" | "HEAD" => {
            let object = read::find(api, asked)?;
            has_replicas(asked, scale, &object)?;
            return Ok(respond::json(&view(scale, &object)));
        }
        "PUT" => {
            let wanted = request::object(request).await?;
            change(&|_| Ok(wanted.clone()))?
        }
        "PATCH" => match patch::read(&asked.kind, request).await? {
            PatchBody::Change(patch) => {
                let schema = built_in("autoscaling", "Scale");
                change(&|seen| patch.apply(&schema, seen))?
            }
            PatchBody::Apply(wanted) => {
                let mut config = json!({
                    "apiVersion": asked.kind.api_version(&asked.version),
                    "kind": asked.kind.kind,
                    "metadata": { "name": asked.name() },
                });
                patch::check_apply(asked, query, &config)?;
                set(&mut config, &scale.spec_replicas, replicas(asked, &wanted)?);
                read::find(api, asked)?;
                let apply = Apply {
                    config,
                    manager: &manager,
                    force: query.flag("force"),
                };
                let (namespace, name) = (asked.namespace(), asked.name());
                api.objects.apply_object(
                    &asked.kind,
                    namespace,
                    name,
                    Part::Main,
                    apply,
                    &options,
                )?
            }
        },
        _ => return Err(ApiError::MethodNotAllowed),
    };
    Ok(respond::json(&view(scale, &written.object)))
}

/// Kubernetes finds no scale of an object whose kind is a custom one and that has no replicas.
fn has_replicas(asked: &Asked, scale: &Scale, object: &Value) -> Result<(), ApiError> {
    if !asked.kind.custom || object.pointer(&scale.spec_replicas).is_some() {
        return Ok(());
    }
    let path = scale.spec_replicas.replace('/', ".");
    Err(ApiError::Internal(format!(
        "the spec replicas field {path:?} does not exist"
    )))
}

fn replicas(asked: &Asked, wanted: &Value) -> Result<i64, ApiError> {
    let replicas = wanted["spec"]["replicas"].as_i64().unwrap_or_default();
    if replicas >= 0 {
        return Ok(replicas);
    }
    Err(ApiError::Invalid {
        kind: "Scale.autoscaling".to_owned(),
        name: asked.name().to_owned(),
        causes: vec![Cause::invalid(
            "spec.replicas",
            format!("{replicas}: must be greater than or equal to 0"),
        )],
    })
}

fn set(object: &mut Value, pointer: &str, replicas: i64) {
    let mut value = object;
    for part in pointer.split('/').filter(|part| !part.is_empty()) {
        if !value.is_object() {
            *value = json!({});
        }
        value = &mut value[part];
    }
    *value = replicas.into();
}

fn view(scale: &Scale, object: &Value) -> Value {
    let metadata = &object["metadata"];
    let number = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_i64)
            .unwrap_or_default()
    };
    let selector = scale
        .selector
        .as_ref()
        .and_then(|pointer| object.pointer(pointer));
    let mut status = json!({ "replicas": number(&scale.status_replicas) });
    if let Some(selector) = selector.and_then(selector_text) {
        status["selector"] = selector.into();
    }
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": match number(&scale.spec_replicas) {
            // Kubernetes leaves a zero out.
            0 => json!({}),
            replicas => json!({ "replicas": replicas }),
        },
        "status": status,
    })
}

/// A label selector as text; custom kinds keep it so.
pub(super) fn selector_text(selector: &Value) -> Option<String> {
    if let Some(text) = selector.as_str() {
        return Some(text.to_owned());
    }
    let mut terms: Vec<String> = selector["matchLabels"]
        .as_object()?
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    for expression in selector["matchExpressions"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let key = expression["key"].as_str()?;
        let values = || {
            let list = expression["values"].as_array().into_iter().flatten();
            list.filter_map(Value::as_str).collect::<Vec<_>>().join(",")
        };
        terms.push(match expression["operator"].as_str()? {
            "In" => format!("{key} in ({})", values()),
            "NotIn" => format!("{key} notin ({})", values()),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        });
    }
    Some(terms.join(","))
}
