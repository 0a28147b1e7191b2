//! What can go wrong with a request, as Kubernetes words it.

use http::StatusCode;
use serde_json::{Value, json};

/// One field of an object that was refused, as in `Status.details.causes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Kubernetes' `CauseType`, such as `FieldValueInvalid` or `FieldManagerConflict`.
    pub reason: &'static str,
    /// The path of the field, such as `spec.replicas` or `spec.containers[0].name`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl Cause {
    /// A value that is not allowed.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            reason: "FieldValueInvalid",
            field: field.into(),
            message: format!("Invalid value: {}", message.into()),
        }
    }

    /// A field that must be given.
    pub fn required(field: impl Into<String>, message: impl Into<String>) -> Self {
        let message = message.into();
        let message = if message.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {message}")
        };
        Self {
            reason: "FieldValueRequired",
            field: field.into(),
            message,
        }
    }
}

/// A refusal of the API server. Every variant renders as one `Status` (see [`ApiError::status`]).
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum ApiError {
    /// 400: the request cannot be understood.
    #[error("{0}")]
    BadRequest(String),
    /// 401: no token, or one that nobody issued.
    #[error("Unauthorized")]
    Unauthorized,
    /// 403: understood and refused. `resource` is `plural` or `plural.group`.
    #[error("{resource} \"{name}\" is forbidden: {message}")]
    Forbidden {
        /// `plural` or `plural.group`.
        resource: String,
        /// The object's name; may be empty.
        name: String,
        /// Why.
        message: String,
    },
    /// 404: no such object.
    #[error("{resource} \"{name}\" not found")]
    NotFound {
        /// `plural` or `plural.group`.
        resource: String,
        /// The object's name.
        name: String,
    },
    /// 404: no such path or kind.
    #[error("the server could not find the requested resource")]
    NoSuchResource,
    /// 405: the path exists and does not know the verb.
    #[error("the server does not allow this method on the requested resource")]
    MethodNotAllowed,
    /// 406: none of the accepted media types can be produced.
    #[error("only the following media types are accepted: {0}")]
    NotAcceptable(String),
    /// 409: an object of that name exists.
    #[error("{resource} \"{name}\" already exists")]
    AlreadyExists {
        /// `plural` or `plural.group`.
        resource: String,
        /// The object's name.
        name: String,
    },
    /// 409: the object changed in between, or a precondition does not hold.
    #[error("Operation cannot be fulfilled on {resource} \"{name}\": {message}")]
    Conflict {
        /// `plural` or `plural.group`.
        resource: String,
        /// The object's name.
        name: String,
        /// Which precondition failed.
        message: String,
    },
    /// 409: server-side apply met fields that other managers own.
    #[error("{}", apply_conflict_message(.0))]
    ApplyConflict(Vec<Cause>),
    /// 410: the resource version or continue token is older than the history that is kept.
    #[error("{0}")]
    Expired(String),
    /// 413: the body is larger than is accepted.
    #[error("Request entity too large: limit is {0}")]
    TooLarge(usize),
    /// 415: the body's media type is not supported for this request.
    #[error("the body of the request was in an unknown format - accepted media types include: {0}")]
    UnsupportedMediaType(String),
    /// 422: well-formed, and not valid.
    #[error("{}", invalid_message(.kind, .name, .causes))]
    Invalid {
        /// `Kind` or `Kind.group`.
        kind: String,
        /// The object's name.
        name: String,
        /// Each field that is wrong.
        causes: Vec<Cause>,
    },
    /// 429: try again later.
    #[error("{0}")]
    TooManyRequests(String),
    /// 500: a fault of this server, such as a disk that does not take a write.
    #[error("Internal error occurred: {0}")]
    Internal(String),
    /// 501: part of Kubernetes that this cluster does not have.
    #[error("{0}")]
    NotImplemented(String),
    /// 503: a part that this needs is not running.
    #[error("{0}")]
    Unavailable(String),
}

fn invalid_message(kind: &str, name: &str, causes: &[Cause]) -> String {
    let fields: Vec<String> = causes
        .iter()
        .map(|cause| format!("{}: {}", cause.field, cause.message))
        .collect();
    match fields.as_slice() {
        [one] => format!("{kind} \"{name}\" is invalid: {one}"),
        many => format!("{kind} \"{name}\" is invalid: [{}]", many.join(", ")),
    }
}

fn apply_conflict_message(causes: &[Cause]) -> String {
    let list: Vec<String> = causes
        .iter()
        .map(|cause| format!("{}: {}", cause.message, cause.field))
        .collect();
    let noun = if causes.len() == 1 {
        "conflict"
    } else {
        "conflicts"
    };
    format!(
        "Apply failed with {} {noun}: {}",
        causes.len(),
        list.join(", ")
    )
}

impl ApiError {
    /// An object that is not there.
    pub fn not_found(resource: impl Into<String>, name: impl Into<String>) -> Self {
        Self::NotFound {
            resource: resource.into(),
            name: name.into(),
        }
    }

    /// A request that is understood and refused.
    pub fn forbidden(
        resource: impl Into<String>,
        name: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self::Forbidden {
            resource: resource.into(),
            name: name.into(),
            message: message.into(),
        }
    }

    /// The answer to a write that was based on an older version of the object.
    pub fn modified(resource: impl Into<String>, name: impl Into<String>) -> Self {
        Self::Conflict {
            resource: resource.into(),
            name: name.into(),
            message: "the object has been modified; please apply your changes to the latest \
                      version and try again"
                .to_owned(),
        }
    }

    /// Whether the object was not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether an object of that name was already there.
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Self::AlreadyExists { .. })
    }

    /// The HTTP status.
    pub fn code(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::NotFound { .. } | Self::NoSuchResource => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
            Self::AlreadyExists { .. } | Self::Conflict { .. } | Self::ApplyConflict(_) => {
                StatusCode::CONFLICT
            }
            Self::Expired(_) => StatusCode::GONE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotImplemented(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Kubernetes' `StatusReason`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "BadRequest",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden { .. } => "Forbidden",
            Self::NotFound { .. } | Self::NoSuchResource => "NotFound",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::NotAcceptable(_) => "NotAcceptable",
            Self::AlreadyExists { .. } => "AlreadyExists",
            Self::Conflict { .. } | Self::ApplyConflict(_) => "Conflict",
            Self::Expired(_) => "Expired",
            Self::TooLarge(_) => "RequestEntityTooLarge",
            Self::UnsupportedMediaType(_) => "UnsupportedMediaType",
            Self::Invalid { .. } => "Invalid",
            Self::TooManyRequests(_) => "TooManyRequests",
            Self::Internal(_) => "InternalError",
            Self::NotImplemented(_) => "NotImplemented",
            Self::Unavailable(_) => "ServiceUnavailable",
        }
    }

    /// The `Status` object that a client gets.
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.to_string(),
            "reason": self.reason(),
            "code": self.code().as_u16(),
        });
        if let Some(details) = self.details() {
            status["details"] = details;
        }
        status
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::Forbidden { resource, name, .. }
            | Self::NotFound { resource, name }
            | Self::AlreadyExists { resource, name }
            | Self::Conflict { resource, name, .. } => Some(named(resource, name)),
            Self::Invalid { kind, name, causes } => {
                let mut details = named(kind, name);
                details["causes"] = render_causes(causes);
                Some(details)
            }
            Self::ApplyConflict(causes) => Some(json!({ "causes": render_causes(causes) })),
            Self::TooManyRequests(_) | Self::Unavailable(_) => {
                Some(json!({ "retryAfterSeconds": 1 }))
            }
            _ => None,
        }
    }
}

fn named(kind: &str, name: &str) -> Value {
    let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
    let mut details = json!({ "kind": kind });
    if !name.is_empty() {
        details["name"] = name.into();
    }
    if !group.is_empty() {
        details["group"] = group.into();
    }
    details
}

fn render_causes(causes: &[Cause]) -> Value {
    causes
        .iter()
        .map(|cause| {
            json!({ "reason": cause.reason, "message": cause.message, "field": cause.field })
        })
        .collect()
}
