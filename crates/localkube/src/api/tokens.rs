//! `TokenRequest`: a service account's token, for a while.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::auth::{Claims, ISSUER};
use super::request::{self, Query};
use super::target::Asked;
use super::{Api, read, respond};
use crate::objects::{ApiError, Cause, metadata, resource};

/// The shortest and the longest life of a token in seconds, as in Kubernetes.
const LIFE: std::ops::RangeInclusive<i64> = 600..=(1 << 32);

/// `POST` to a service account's `token` subresource.
pub(super) async fn request(
    api: &Arc<Api>,
    asked: &Asked,
    query: &Query,
    request: Request,
) -> Result<Response, ApiError> {
    let mut review = request::object(request).await?;
    let account = read::find(api, asked)?;
    let spec = &review["spec"];
    let seconds = spec["expirationSeconds"].as_i64().unwrap_or(3600);
    if !LIFE.contains(&seconds) {
        return Err(invalid(
            "spec.expirationSeconds",
            &if seconds < *LIFE.start() {
                format!("{seconds}: may not specify a duration less than 10 minutes")
            } else {
                format!("{seconds}: may not specify a duration larger than 2^32 seconds")
            },
        ));
    }
    let mut audiences: Vec<String> = spec["audiences"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|audience| audience.as_str().map(str::to_owned))
        .collect();
    if audiences.is_empty() {
        audiences.push(ISSUER.to_owned());
    }
    let expires = jiff::Timestamp::now().as_second() + seconds;
    let claims = Claims {
        namespace: asked.namespace().to_owned(),
        account: asked.name().to_owned(),
        uid: account["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        audiences: audiences.clone(),
        expires,
        bound: bound(api, asked.namespace(), &spec["boundObjectRef"])?,
    };
    review["apiVersion"] = "authentication.k8s.io/v1".into();
    review["kind"] = "TokenRequest".into();
    review["metadata"] = json!({
        "name": asked.name(), "namespace": asked.namespace(), "creationTimestamp": metadata::now(),
    });
    review["spec"]["audiences"] = audiences.into();
    review["spec"]["expirationSeconds"] = seconds.into();
    let expires = jiff::Timestamp::from_second(expires)
        .map_err(|error| ApiError::BadRequest(format!("spec.expirationSeconds: {error}")))?;
    let token = if query.dry_run("CreateOptions")? {
        String::new()
    } else {
        api.tokens.issue(&claims)
    };
    review["status"] = json!({ "token": token, "expirationTimestamp": metadata::time(expires) });
    Ok(respond::with_status(
        StatusCode::CREATED,
        review.to_string().into_bytes(),
    ))
}

fn bound(
    api: &Api,
    namespace: &str,
    reference: &Value,
) -> Result<Option<(String, String, String)>, ApiError> {
    if !reference.is_object() {
        return Ok(None);
    }
    let resource = match reference["kind"].as_str() {
        Some("Pod") => resource::PODS,
        Some("Secret") => resource::SECRETS,
        _ => {
            return Err(invalid(
                "spec.boundObjectRef.kind",
                "supported values: \"Pod\", \"Secret\"",
            ));
        }
    };
    let name = reference["name"].as_str().unwrap_or_default();
    let object = api.objects.get(resource, namespace, name)?;
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    if reference["uid"]
        .as_str()
        .is_some_and(|wanted| !wanted.is_empty() && wanted != uid)
    {
        return Err(ApiError::Conflict {
            resource: resource.to_owned(),
            name: name.to_owned(),
            message: "the UID in the bound object reference does not match the UID in record"
                .to_owned(),
        });
    }
    Ok(Some((resource.to_owned(), name.to_owned(), uid.to_owned())))
}

fn invalid(field: &str, message: &str) -> ApiError {
    ApiError::Invalid {
        kind: "TokenRequest.authentication.k8s.io".to_owned(),
        name: String::new(),
        causes: vec![Cause::invalid(field, message)],
    }
}
