//! What can go wrong between the operator and the cluster.

use std::time::Duration;

/// Why a pass over an object did not come to its end. It is tried again, later each time.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not do what it was asked.
    #[error("cannot {action} {object}")]
    Api {
        /// Such as `apply`.
        action: &'static str,
        /// Such as `Deployment acme-shop-preview-1/web`.
        object: String,
        /// What it answered.
        #[source]
        source: Box<kube::Error>,
    },
    /// An object that was admitted is none after all.
    #[error("cannot read {0}")]
    Unreadable(String),
    /// The pass took too long, so that others get their turn.
    #[error("the pass did not end within {0:?}; is the API server reachable?")]
    TooLong(Duration),
    /// The watches ended before the cache was filled: the operator is shutting down.
    #[error("the operator is shutting down")]
    ShuttingDown,
}

impl Error {
    /// An answer of the API server to `action` on `object`.
    pub(crate) fn api(
        action: &'static str,
        object: impl Into<String>,
    ) -> impl FnOnce(kube::Error) -> Self {
        let object = object.into();
        move |source| Self::Api {
            action,
            object,
            source: Box::new(source),
        }
    }

    /// The HTTP code of the API server's answer.
    fn code(&self) -> Option<u16> {
        match self {
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            _ => None,
        }
    }

    /// Someone else changed the object first; the next look has the newer one.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// The object is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// The API server looked at the object and refuses it as it is, with its words. The same
    /// request will be refused again.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let refused = matches!(self.code(), Some(400 | 403 | 422));
        match self {
            Self::Api { object, source, .. } if refused => match source.as_ref() {
                kube::Error::Api(status) => {
                    Some(format!("{object} is refused: {}", status.message))
                }
                _ => None,
            },
            _ => None,
        }
    }
}
