//! What can go wrong between us and a cluster.
//!
//! Every error says what was attempted, on what, and in which cluster. What lies beneath is its
//! source; [`chain`] puts both in one line.

use std::fmt;

use kube::core::response::StatusDetails;
use kube::runtime::watcher;

/// What was attempted, on what, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The verb, as in `list pods of`.
    pub verb: &'static str,
    /// The object, as in `namespace acme-shop-preview-7`.
    pub on: Box<str>,
    /// The cluster's name.
    pub cluster: Box<str>,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, on, cluster } = self;
        write!(f, "{verb} {on} in cluster {cluster}")
    }
}

/// A refusal or a silence.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The API server answered, and not with a success.
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    /// There was no answer, or there is nobody to ask.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A watch was interrupted.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The namespace of this name belongs to somebody else.
    #[error(
        "namespace {name} of cluster {cluster} exists and is not Catalyst's for this purpose: delete it, or choose another team or project name"
    )]
    ForeignNamespace {
        /// The namespace.
        name: String,
        /// The cluster's name.
        cluster: String,
    },
}

/// An answer of the API server that is not a success.
#[derive(Debug, Clone)]
pub struct KubernetesError {
    /// What was attempted.
    pub attempt: Attempt,
    /// The HTTP status.
    pub code: u16,
    /// The API server's CamelCase reason, as in `AlreadyExists`; empty where it gave none.
    pub reason: String,
    /// The API server's words.
    pub message: String,
    /// What it says of the object and of each field that is wrong.
    pub details: Option<Box<StatusDetails>>,
}

impl KubernetesError {
    /// Whether the object is not there (404).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.code == 404
    }

    /// Whether somebody else changed or made the object first (409).
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code == 409
    }

    /// Whether the cluster does not know us (401).
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.code == 401
    }

    /// Whether we lack the right, or admission says no (403).
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.code == 403
    }

    /// Whether the same call may succeed later without anybody's doing.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.code == 409 || self.code == 429 || self.code >= 500
    }
}

impl fmt::Display for KubernetesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            attempt, message, ..
        } = self;
        let named = self.details.as_ref().is_some_and(|it| !it.name.is_empty());
        match self.code {
            404 if named || message.is_empty() => {
                write!(f, "could not {attempt}: it does not exist")
            }
            404 | 409 => write!(f, "could not {attempt}: {message}"),
            401 => write!(
                f,
                "cluster {} does not accept Catalyst's credentials: could not {attempt}: {message}",
                attempt.cluster
            ),
            403 => write!(f, "Catalyst is not allowed to {attempt}: {message}"),
            code => {
                let reason = Some(self.reason.as_str()).filter(|it| !it.is_empty());
                let space = reason.map_or("", |_| " ");
                let reason = reason.unwrap_or_default();
                write!(
                    f,
                    "the attempt to {attempt} was refused: {message} ({code}{space}{reason})"
                )
            }
        }
    }
}

// What it says is all in its own message.
impl std::error::Error for KubernetesError {}

/// There was no answer, or there is nobody to ask.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// No cluster is configured.
    #[error(
        "no Kubernetes cluster is configured ({detail}): set KUBECONFIG_PRIMARY to a kubeconfig in base64, or KUBECONFIG to a kubeconfig's path, or run inside a cluster"
    )]
    NotConfigured {
        /// What was looked at.
        detail: String,
        /// What that failed with.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A configuration cannot be used.
    #[error("{what} cannot be used as the configuration of a cluster")]
    Invalid {
        /// The variable, the file, or the context.
        what: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No cluster of this name is configured.
    #[error(
        "no cluster {name:?} is configured (there is {known}): set KUBECONFIG_{} to its kubeconfig in base64",
        crate::source::variable(name)
    )]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names that there are, for people.
        known: String,
    },
    /// No answer.
    #[error("there was no answer to the attempt to {attempt}")]
    Unreachable {
        /// What was attempted.
        attempt: Attempt,
        /// What the connection failed with.
        source: Box<kube::Error>,
    },
    /// An answer that did not come in time.
    #[error("it took too long to {attempt}")]
    TimedOut {
        /// What was attempted.
        attempt: Attempt,
    },
    /// An answer that broke off in its middle.
    #[error("the answer to the attempt to {attempt} broke off")]
    BrokenOff {
        /// What was attempted.
        attempt: Attempt,
        /// What the connection failed with.
        source: std::io::Error,
    },
}

/// A watch was interrupted. It is taken up again where it was, so nothing is lost.
#[derive(Debug, thiserror::Error)]
#[error("the watch of {on} in cluster {cluster} was interrupted")]
pub struct WatchError {
    /// The objects, as in `Environments`.
    pub on: String,
    /// The cluster's name.
    pub cluster: String,
    /// What it failed with.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl WatchError {
    /// Whether the API server has forgotten where the watch was, so that all objects are read anew.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.source
            .downcast_ref::<watcher::Error>()
            .is_some_and(is_expired)
    }
}

/// Whether a watch has to begin with a list.
pub(crate) fn is_expired(error: &watcher::Error) -> bool {
    let status = match error {
        watcher::Error::WatchError(status)
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::InitialListFailed(kube::Error::Api(status)) => status,
        _ => return false,
    };
    // An API server whose data were restored from a backup says that our version is in its future.
    let in_future = || {
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes
            .into_iter()
            .any(|it| it.reason == "ResourceVersionTooLarge")
    };
    status.code == 410 || in_future()
}

impl ClusterError {
    /// Sorts a client's error by what one can do about it.
    #[must_use]
    pub fn new(attempt: Attempt, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => KubernetesError {
                attempt,
                code: status.code,
                reason: status.reason,
                message: status.message,
                details: status.details.map(Box::new),
            }
            .into(),
            error => ConnectionError::Unreachable {
                attempt,
                source: Box::new(error),
            }
            .into(),
        }
    }

    /// The answer that there is no such object, where we found that out ourselves.
    #[must_use]
    pub fn not_found(attempt: Attempt) -> Self {
        KubernetesError {
            attempt,
            code: 404,
            reason: "NotFound".to_owned(),
            message: String::new(),
            details: None,
        }
        .into()
    }

    /// The answer of the API server, where there is one.
    #[must_use]
    pub fn answer(&self) -> Option<&KubernetesError> {
        match self {
            Self::Kubernetes(answer) => Some(answer),
            _ => None,
        }
    }

    /// Whether the object is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.answer().is_some_and(KubernetesError::is_not_found)
    }

    /// Whether somebody else changed or made the object first.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.answer().is_some_and(KubernetesError::is_conflict)
    }

    /// Whether the cluster does not know us.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.answer().is_some_and(KubernetesError::is_unauthorized)
    }

    /// Whether we lack the right, or admission says no.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.answer().is_some_and(KubernetesError::is_forbidden)
    }

    /// Whether the same call may succeed later without anybody's doing.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Kubernetes(answer) => answer.is_temporary(),
            Self::Connection(error) => !matches!(error, ConnectionError::Invalid { .. }),
            Self::Watch(_) => true,
            Self::ForeignNamespace { .. } => false,
        }
    }
}

/// An error and everything beneath it, outermost first, in one line.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    // An answer of the API server says all in its message; kube prints the whole of it.
    let answer = |error: &(dyn std::error::Error + 'static)| match error.downcast_ref() {
        Some(kube::Error::Api(status)) => Some(format!("{} ({})", status.message, status.code)),
        _ => None,
    };
    let mut text = answer(error).unwrap_or_else(|| error.to_string());
    let mut cause = error.source().filter(|_| answer(error).is_none());
    while let Some(next) = cause {
        let answered = answer(next);
        cause = next.source().filter(|_| answered.is_none());
        let words = answered.unwrap_or_else(|| next.to_string());
        // Some libraries repeat their source in their own words.
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
    }
    text
}

#[cfg(test)]
#[path = "error/tests.rs"]
mod tests;
