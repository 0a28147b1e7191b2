//! Questions about who someone is and what they may do. Nothing of these is stored.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::auth::User;
use super::target::Target;
use super::{Api, request, respond};
use crate::objects::ApiError;

/// Plural, kind and group of each question.
pub(super) const REVIEWS: [(&str, &str, &str); 6] = [
    ("tokenreviews", "TokenReview", "authentication.k8s.io"),
    (
        "selfsubjectreviews",
        "SelfSubjectReview",
        "authentication.k8s.io",
    ),
    (
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        "authorization.k8s.io",
    ),
    (
        "selfsubjectrulesreviews",
        "SelfSubjectRulesReview",
        "authorization.k8s.io",
    ),
    (
        "subjectaccessreviews",
        "SubjectAccessReview",
        "authorization.k8s.io",
    ),
    (
        "localsubjectaccessreviews",
        "LocalSubjectAccessReview",
        "authorization.k8s.io",
    ),
];

/// The kind of question that a path asks, if it is one.
pub(super) fn kind(target: &Target) -> Option<&'static str> {
    let here = target.version == "v1" && target.name.is_none();
    REVIEWS
        .iter()
        .find(|(plural, _, group)| here && *plural == target.plural && *group == target.group)
        .map(|(_, kind, _)| *kind)
}

/// Answer a question.
pub(super) async fn answer(
    api: &Arc<Api>,
    user: &User,
    target: &Target,
    kind: &str,
    request: Request,
) -> Result<Response, ApiError> {
    if request.method() != Method::POST {
        return Err(ApiError::MethodNotAllowed);
    }
    let mut review = request::object(request).await?;
    let spec = &review["spec"];
    if kind == "TokenReview" && spec["token"].as_str().unwrap_or_default().is_empty() {
        return Err(ApiError::BadRequest(
            "token is required for TokenReview in authentication".to_owned(),
        ));
    }
    let status = match kind {
        "TokenReview" => token_review(api, spec),
        "SelfSubjectReview" => json!({ "userInfo": user.info() }),
        "SelfSubjectAccessReview" => access(user.admin),
        "SelfSubjectRulesReview" => rules(user.admin),
        _ => {
            let groups = spec["groups"].as_array().into_iter().flatten();
            access(groups.into_iter().any(|group| group == "system:masters"))
        }
    };
    review["apiVersion"] = format!("{}/{}", target.group, target.version).into();
    review["kind"] = kind.into();
    review["status"] = status;
    Ok(respond::with_status(
        StatusCode::CREATED,
        review.to_string().into_bytes(),
    ))
}

fn token_review(api: &Api, spec: &Value) -> Value {
    let token = spec["token"].as_str().unwrap_or_default();
    let wanted = spec["audiences"]
        .as_array()
        .filter(|audiences| !audiences.is_empty());
    let Some((user, audiences)) = api.tokens.identify(&api.objects, token) else {
        return json!({ "authenticated": false, "error": "the token is not known" });
    };
    let shared: Vec<&String> = audiences
        .iter()
        .filter(|audience| wanted.is_none_or(|wanted| wanted.iter().any(|name| name == *audience)))
        .collect();
    // Without a named audience the token must be for this API.
    let for_this_api = wanted.is_some() || audiences.iter().any(|name| name == super::auth::ISSUER);
    if shared.is_empty() || !for_this_api {
        return json!({ "authenticated": false, "error": "the token is for another audience" });
    }
    json!({ "authenticated": true, "user": user.info(), "audiences": shared })
}

fn access(allowed: bool) -> Value {
    let reason = if allowed {
        "administrator"
    } else {
        "this cluster has no RBAC"
    };
    json!({ "allowed": allowed, "reason": reason })
}

fn rules(admin: bool) -> Value {
    let (resources, others) = if admin {
        (
            json!([{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }]),
            json!([{ "verbs": ["*"], "nonResourceURLs": ["*"] }]),
        )
    } else {
        (
            json!([{ "verbs": ["create"], "apiGroups": ["authorization.k8s.io", "authentication.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"] }]),
            json!([]),
        )
    };
    json!({ "resourceRules": resources, "nonResourceRules": others, "incomplete": false })
}
