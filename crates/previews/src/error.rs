//! Why a use case could not do what it was asked for.

/// What kind of answer an [`Error`] is, for whoever translates it: an HTTP status, an exit code,
/// an MCP error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There is no such thing, or none that the one who asked may see.
    NotFound,
    /// The one who asked may see it, but not do this to it.
    Forbidden,
    /// What was given is malformed.
    Invalid,
    /// It is well-formed, but the present state does not allow it.
    Conflict,
    /// The cluster, GitHub or the store did not answer as it should. Trying again may help.
    Unavailable,
}

/// What lies underneath an [`Error::Unavailable`].
pub type Cause = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Why a use case could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or none that the one who asked may see; the two are not told apart.
    #[error("there is no {what} {id:?}")]
    NotFound {
        /// What was looked for: `preview`, `project`, …
        what: &'static str,
        /// The id it was looked for by.
        id: String,
    },
    /// The one who asked lacks the right.
    #[error("{action} takes {needs}")]
    Forbidden {
        /// What was attempted, as in "deleting preview acme-shop-preview-7".
        action: String,
        /// The right it takes, as in "the role admin or owner in team acme".
        needs: String,
    },
    /// What was given is malformed.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field, by the name the caller knows.
        field: &'static str,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// The present state does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// Something that Catalyst depends on did not answer as it should.
    #[error("{action}")]
    Unavailable {
        /// What was attempted and on what, as in "cannot read the logs of acme-shop-preview-7".
        action: String,
        /// Why it failed.
        #[source]
        source: Cause,
    },
}

impl Error {
    /// That there is no such thing, by the start of the id that was asked for: it may be anything.
    pub(crate) fn not_found(what: &'static str, id: &str) -> Self {
        Self::NotFound {
            what,
            id: id.chars().take(100).collect(),
        }
    }

    /// What kind of answer it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Forbidden { .. } => ErrorKind::Forbidden,
            Self::Invalid { .. } => ErrorKind::Invalid,
            Self::Conflict(_) => ErrorKind::Conflict,
            Self::Unavailable { .. } => ErrorKind::Unavailable,
        }
    }

    pub(crate) fn unavailable(action: impl Into<String>, source: impl Into<Cause>) -> Self {
        Self::Unavailable {
            action: action.into(),
            source: source.into(),
        }
    }
}

impl From<catalyst_store::StoreError> for Error {
    fn from(error: catalyst_store::StoreError) -> Self {
        match error {
            conflict @ catalyst_store::StoreError::Conflict { .. } => {
                Self::Conflict(conflict.to_string())
            }
            error => Self::unavailable(
                "what Catalyst remembers could not be read or changed",
                error,
            ),
        }
    }
}

impl From<catalyst_cluster::ClusterError> for Error {
    fn from(error: catalyst_cluster::ClusterError) -> Self {
        match error {
            foreign @ catalyst_cluster::ClusterError::ForeignNamespace { .. } => {
                Self::Conflict(foreign.to_string())
            }
            error => Self::unavailable("the cluster did not do what it was asked for", error),
        }
    }
}
