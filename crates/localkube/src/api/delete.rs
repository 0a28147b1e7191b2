//! `DELETE` of an object or of a collection.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use serde_json::{Value, json};

use super::request::{self, Query};
use super::target::Asked;
use super::{Api, read, respond};
use crate::objects::delete::Deleted;
use crate::objects::{ApiError, Cause, DeleteOptions, Propagation, resource};

/// One object.
pub(super) async fn one(
    api: &Arc<Api>,
    asked: &Asked,
    query: &Query,
    request: Request,
) -> Result<Response, ApiError> {
    let (options, dry_run) = options(query, request).await?;
    read::find(api, asked)?;
    let deleted = delete(
        api,
        asked,
        asked.namespace(),
        asked.name(),
        &options,
        dry_run,
    )?;
    let object = respond::in_version(asked, &deleted.object);
    // Kubernetes answers with the object for pods, and for what is not gone yet.
    if deleted.gone && asked.kind.resource() != resource::PODS {
        return Ok(respond::success(&asked.kind, &object));
    }
    Ok(respond::json(&object))
}

/// All selected objects of a collection.
pub(super) async fn collection(
    api: &Arc<Api>,
    asked: &Asked,
    query: &Query,
    request: Request,
) -> Result<Response, ApiError> {
    let namespaces = asked.kind.resource() == resource::NAMESPACES;
    if namespaces || (asked.kind.namespaced && asked.namespace.is_none()) {
        return Err(ApiError::MethodNotAllowed);
    }
    let selector = query.selector(asked)?;
    let (options, dry_run) = options(query, request).await?;
    let list = api.objects.list(
        &asked.kind.stored_in(),
        asked.namespace.as_deref(),
        &selector,
    )?;
    let mut items = Vec::new();
    for object in &list.items {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        match delete(api, asked, asked.namespace(), name, &options, dry_run) {
            Ok(deleted) => items.push(respond::in_version(asked, &deleted.object).into_owned()),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(respond::json(&json!({
        "kind": asked.kind.list_kind,
        "apiVersion": asked.kind.api_version(&asked.version),
        "metadata": { "resourceVersion": api.objects.revision().to_string() },
        "items": items,
    })))
}

fn delete(
    api: &Api,
    asked: &Asked,
    namespace: &str,
    name: &str,
    options: &DeleteOptions,
    dry_run: bool,
) -> Result<Deleted, ApiError> {
    let kind = match asked.kind.stored_as {
        Some(resource) => api.objects.kinds().get(resource)?,
        None => asked.kind.clone(),
    };
    api.objects
        .delete_object(&kind, namespace, name, options, dry_run)
}

/// From the body, or from the query where there is none.
async fn options(query: &Query, request: Request) -> Result<(DeleteOptions, bool), ApiError> {
    let body = request::optional_object(request).await?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let policy =
        text(&body["propagationPolicy"]).or(query.get("propagationPolicy").map(str::to_owned));
    let orphan = body["orphanDependents"]
        .as_bool()
        .or(query.get("orphanDependents").map(|flag| flag == "true"));
    let refuse = |cause| Err(ApiError::invalid_options("DeleteOptions", cause));
    if let (Some(policy), Some(_)) = (&policy, orphan) {
        return refuse(Cause::invalid(
            "propagationPolicy",
            format!("{policy:?}: orphanDependents and deletionPropagation cannot be both set"),
        ));
    }
    let propagation = match (policy.as_deref(), orphan) {
        (None, Some(true)) | (Some("Orphan"), _) => Propagation::Orphan,
        (Some("Foreground"), _) => Propagation::Foreground,
        (None | Some("Background"), _) => Propagation::Background,
        (Some(other), _) => {
            return refuse(Cause::unsupported(
                "propagationPolicy",
                format!("{other:?}"),
                &["Foreground", "Background", "Orphan", "nil"],
            ));
        }
    };
    let dry_run = match body["dryRun"].as_array().map(Vec::as_slice) {
        None | Some([]) => query.dry_run("DeleteOptions")?,
        Some([only]) if only == "All" => true,
        Some(_) => return refuse(Cause::unsupported("dryRun", &body["dryRun"], &["All"])),
    };
    let options = DeleteOptions {
        grace_period_seconds: match body["gracePeriodSeconds"].as_i64() {
            Some(seconds) => Some(seconds),
            None => query.number("gracePeriodSeconds")?,
        },
        propagation,
        uid: text(&body["preconditions"]["uid"]),
        resource_version: text(&body["preconditions"]["resourceVersion"]),
    };
    Ok((options, dry_run))
}
