//! What can go wrong between us and a cluster.

/// A refusal or a silence, with what was attempted and on what.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No cluster is configured, or the configuration is unusable.
    #[error(
        "no Kubernetes cluster is configured ({detail}): set KUBECONFIG or KUBECONFIG_PRIMARY, or run inside a cluster"
    )]
    NotConfigured {
        /// What was looked at.
        detail: String,
        /// What the configuration failed with.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The API server does not know the object (404).
    #[error("could not {attempted} {on}: it does not exist")]
    NotFound {
        /// The verb.
        attempted: &'static str,
        /// The object.
        on: String,
    },
    /// Somebody else changed or made the object first (409).
    #[error("could not {attempted} {on}: {message}")]
    Conflict {
        /// The verb.
        attempted: &'static str,
        /// The object.
        on: String,
        /// The API server's words.
        message: String,
    },
    /// We lack the right (401, 403), or admission says no.
    #[error("the cluster does not let Catalyst {attempted} {on}: {message}")]
    Forbidden {
        /// The verb.
        attempted: &'static str,
        /// The object.
        on: String,
        /// The API server's words.
        message: String,
    },
    /// The namespace of this name belongs to somebody else.
    #[error(
        "namespace {name} exists and is not Catalyst's for this purpose: delete it, or choose another team or project name"
    )]
    ForeignNamespace {
        /// The namespace.
        name: String,
    },
    /// Any other answer that is not a success.
    #[error("the cluster refused to {attempted} {on}: {message} ({code} {reason})")]
    Refused {
        /// The verb.
        attempted: &'static str,
        /// The object.
        on: String,
        /// The HTTP status.
        code: u16,
        /// The API server's CamelCase reason.
        reason: String,
        /// The API server's words.
        message: String,
    },
    /// No answer.
    #[error("the cluster could not be reached to {attempted} {on}")]
    Unreachable {
        /// The verb.
        attempted: &'static str,
        /// The object.
        on: String,
        /// What the connection failed with.
        source: Box<kube::Error>,
    },
    /// An answer that did not come in time.
    #[error("the cluster took too long to {attempted} {on}")]
    TimedOut {
        /// The verb.
        attempted: &'static str,
        /// The object.
        on: String,
    },
    /// A watch could not go on.
    #[error("the watch of {on} failed")]
    Watch {
        /// The objects.
        on: String,
        /// What it failed with.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A stream broke.
    #[error("the stream from {on} broke off")]
    Stream {
        /// Where it came from.
        on: String,
        /// What it failed with.
        source: std::io::Error,
    },
}

impl ClusterError {
    /// Sorts a client's error by what one can do about it.
    #[must_use]
    pub fn new(attempted: &'static str, on: &str, error: kube::Error) -> Self {
        let on = on.to_owned();
        let kube::Error::Api(status) = error else {
            return Self::Unreachable {
                attempted,
                on,
                source: Box::new(error),
            };
        };
        let message = status.message;
        match status.code {
            404 => Self::NotFound { attempted, on },
            409 => Self::Conflict {
                attempted,
                on,
                message,
            },
            401 | 403 => Self::Forbidden {
                attempted,
                on,
                message,
            },
            code => Self::Refused {
                attempted,
                on,
                code,
                reason: status.reason,
                message,
            },
        }
    }

    /// Whether the object is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether the same call may succeed later without anybody's doing.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Watch { .. }
            | Self::Stream { .. }
            | Self::Conflict { .. } => true,
            Self::Refused { code, .. } => *code == 429 || *code >= 500,
            _ => false,
        }
    }
}
