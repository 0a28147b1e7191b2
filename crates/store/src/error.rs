//! Why the store could not do what it was asked.

use std::time::Duration;

/// When it is worth asking again after the database did not answer.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What was attempted, on what, and why it did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The object does not exist (any more).
    #[error("cannot {action}: there is no {object}")]
    NotFound {
        /// What was attempted.
        action: &'static str,
        /// What it was attempted on.
        object: String,
    },
    /// The object's present state, or another object, forbids it.
    #[error("cannot {action} {object}: {reason}")]
    Conflict {
        /// What was attempted.
        action: &'static str,
        /// What it was attempted on.
        object: String,
        /// What forbids it, and what to do about it.
        reason: String,
    },
    /// The database does not answer, or is too busy. Nothing was changed, unless the connection
    /// broke during the very last step; every method can be called again.
    #[error("cannot {action} {object}: the database does not answer; try again in {} s", retry_after.as_secs())]
    Unavailable {
        /// What was attempted.
        action: &'static str,
        /// What it was attempted on.
        object: String,
        /// When to try again at the earliest.
        retry_after: Duration,
        /// What the database's client said; none where it said nothing in time.
        source: Option<sqlx::Error>,
    },
    /// The database refused a statement, or holds what Catalyst cannot read.
    #[error("cannot {action} {object}")]
    Failed {
        /// What was attempted.
        action: &'static str,
        /// What it was attempted on.
        object: String,
        /// What the database's client said.
        source: sqlx::Error,
    },
    /// `DATABASE_URL` cannot be used as it stands.
    #[error("cannot use the database {url}: {reason}")]
    Url {
        /// The URL without its password.
        url: String,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// The database could not be opened or brought to the present schema.
    #[error("cannot open the database {url}")]
    Open {
        /// The URL without its password.
        url: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Whether the same call may succeed later without anything else being changed.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }
}

/// What stops a method half-way; [`Attempt`] adds what was attempted on what.
pub(crate) enum Trouble {
    NotFound,
    Conflict(String),
    Silent,
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// What is being attempted, and on what.
pub(crate) struct Attempt {
    action: &'static str,
    object: String,
}

impl Attempt {
    pub(crate) fn new(action: &'static str, object: impl ToString) -> Self {
        Self {
            action,
            object: object.to_string(),
        }
    }

    pub(crate) fn stopped_by(self, trouble: Trouble) -> StoreError {
        let Self { action, object } = self;
        match trouble {
            Trouble::NotFound | Trouble::Database(sqlx::Error::RowNotFound) => {
                StoreError::NotFound { action, object }
            }
            Trouble::Conflict(reason) => StoreError::Conflict {
                action,
                object,
                reason,
            },
            Trouble::Silent => StoreError::Unavailable {
                action,
                object,
                retry_after: RETRY_AFTER,
                source: None,
            },
            Trouble::Database(source) if is_transient(&source) => StoreError::Unavailable {
                action,
                object,
                retry_after: RETRY_AFTER,
                source: Some(source),
            },
            Trouble::Database(source) => match source.as_database_error() {
                Some(refusal) if refusal.is_unique_violation() => StoreError::Conflict {
                    action,
                    object,
                    reason: "another one like it exists already".to_owned(),
                },
                Some(refusal) if refusal.is_foreign_key_violation() => {
                    StoreError::NotFound { action, object }
                }
                _ => StoreError::Failed {
                    action,
                    object,
                    source,
                },
            },
        }
    }
}

/// Whether the fault lies with the connection or the moment, not with the statement.
fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| {
            // SQLite: BUSY and LOCKED with their extended codes, IOERR, FULL and CANTOPEN (a full disk can be
            // emptied). PostgreSQL: connection exceptions, insufficient resources, operator
            // intervention, serialization failures and deadlocks.
            match code.parse::<u32>() {
                Ok(sqlite) if code.len() < 5 => matches!(sqlite & 0xff, 5 | 6 | 10 | 13 | 14),
                _ => {
                    ["08", "53", "57"]
                        .iter()
                        .any(|class| code.starts_with(class))
                        || code == "40001"
                        || code == "40P01"
                }
            }
        }),
        _ => false,
    }
}
