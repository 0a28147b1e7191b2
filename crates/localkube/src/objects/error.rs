//! What can go wrong with a request, as Kubernetes words it.

use std::fmt;

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

    /// A field that may not be given.
    pub fn forbidden(field: impl Into<String>, message: impl AsRef<str>) -> Self {
        Self {
            reason: "FieldValueForbidden",
            field: field.into(),
            message: format!("Forbidden: {}", message.as_ref()),
        }
    }

    /// A value that is none of those that there are; `value` is how it is shown.
    pub fn unsupported(
        field: impl Into<String>,
        value: impl fmt::Display,
        supported: &[&str],
    ) -> Self {
        let supported: Vec<String> = supported.iter().map(|name| format!("{name:?}")).collect();
        Self {
            reason: "FieldValueNotSupported",
            field: field.into(),
            message: format!(
                "Unsupported value: {value}: supported values: {}",
                supported.join(", ")
            ),
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
    /// 403: the namespace is coming to its end.
    #[error(
        "{resource} \"{name}\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated"
    )]
    NamespaceTerminating {
        /// `plural` or `plural.group`.
        resource: String,
        /// The object's name.
        name: String,
        /// The namespace.
        namespace: String,
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
    #[error("{}", already_exists_message(.resource, .name, .deleting))]
    AlreadyExists {
        /// `plural` or `plural.group`.
        resource: String,
        /// The object's name.
        name: String,
        /// Whether that object is being deleted.
        deleting: bool,
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
    /// 504: a version of the objects that is not there yet.
    #[error("Timeout: Too large resource version: {wanted}, current: {current}")]
    VersionTooLarge {
        /// What was asked for.
        wanted: u64,
        /// The newest there is.
        current: u64,
    },
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

fn already_exists_message(resource: &str, name: &str, deleting: &bool) -> String {
    let prefix = if *deleting {
        "object is being deleted: "
    } else {
        ""
    };
    format!("{prefix}{resource} \"{name}\" already exists")
}

fn apply_conflict_message(causes: &[Cause]) -> String {
    if let [one] = causes {
        return format!(
            "Apply failed with 1 conflict: {}: {}",
            one.message, one.field
        );
    }
    // By manager, each with its fields.
    let mut managers: Vec<&str> = causes.iter().map(|cause| cause.message.as_str()).collect();
    managers.sort_unstable();
    managers.dedup();
    let mut lines = Vec::new();
    for manager in managers {
        lines.push(format!(
            "conflicts{}:",
            manager.strip_prefix("conflict").unwrap_or(manager)
        ));
        let fields = causes.iter().filter(|cause| cause.message == manager);
        lines.extend(fields.map(|cause| format!("- {}", cause.field)));
    }
    format!(
        "Apply failed with {} conflicts: {}",
        causes.len(),
        lines.join("\n")
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

    /// The answer to options of a request, such as `ListOptions`, that make no sense.
    pub fn invalid_options(kind: &str, cause: Cause) -> Self {
        Self::Invalid {
            kind: format!("{kind}.meta.k8s.io"),
            name: String::new(),
            causes: vec![cause],
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
            Self::Forbidden { .. } | Self::NamespaceTerminating { .. } => StatusCode::FORBIDDEN,
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
            Self::VersionTooLarge { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Kubernetes' `StatusReason`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "BadRequest",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden { .. } | Self::NamespaceTerminating { .. } => "Forbidden",
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
            Self::VersionTooLarge { .. } => "Timeout",
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
            | Self::AlreadyExists { resource, name, .. }
            | Self::Conflict { resource, name, .. } => Some(named(resource, name)),
            Self::NamespaceTerminating {
                resource,
                name,
                namespace,
            } => {
                let mut details = named(resource, name);
                details["causes"] = json!([{
                    "reason": "NamespaceTerminating",
                    "message": format!("namespace {namespace} is being terminated"),
                    "field": "metadata.namespace",
                }]);
                Some(details)
            }
            Self::Invalid { kind, name, causes } => {
                let mut details = named(kind, name);
                details["causes"] = render_causes(causes);
                Some(details)
            }
            Self::ApplyConflict(causes) => Some(json!({ "causes": render_causes(causes) })),
            Self::VersionTooLarge { .. } => Some(json!({
                "causes": [{
                    "reason": "ResourceVersionTooLarge",
                    "message": "Too large resource version",
                }],
                "retryAfterSeconds": 1,
            })),
            Self::NoSuchResource | Self::MethodNotAllowed => Some(json!({})),
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
