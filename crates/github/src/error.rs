//! What can go wrong between us and GitHub, and whether another try can help.

use std::time::Duration;

use catalyst_model::ids::RepositoryName;
use chrono::{DateTime, Utc};
use http::StatusCode;

/// A call that failed: what was attempted, on what, and why (its source).
#[derive(Debug, thiserror::Error)]
#[error("could not {attempted}")]
pub struct Error {
    pub(crate) attempted: String,
    #[source]
    pub(crate) cause: Cause,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// GitHub's rate limits leave no room before this time, which is further off than
    /// [`Settings::longest_wait`](crate::Settings::longest_wait).
    #[error("GitHub's rate limits allow the next call at {until}")]
    RateLimited {
        /// When to try again.
        until: DateTime<Utc>,
    },
    /// No such thing, or one that these credentials may not see: GitHub does not tell which (404,
    /// 410).
    #[error("GitHub does not have it, or not for these credentials")]
    NotFound,
    /// The App cannot reach this repository.
    #[error("the GitHub App is not installed on {0}: install it there, or use GITHUB_PAT")]
    NotInstalled(RepositoryName),
    /// The App can reach no repository that the question is about.
    #[error("the GitHub App is installed on none of the repositories concerned")]
    InstalledNowhere,
    /// GitHub does not accept who we say we are (401).
    #[error(
        "GitHub refused the credentials ({message}): check GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY, or GITHUB_PAT"
    )]
    Unauthorized {
        /// GitHub's words.
        message: String,
    },
    /// The credentials are good, but not for this (403).
    #[error("GitHub forbids it ({message}){}", needed(.permissions.as_deref()))]
    Forbidden {
        /// GitHub's words.
        message: String,
        /// The permissions that would do, as GitHub names them in
        /// `X-Accepted-GitHub-Permissions`.
        permissions: Option<String>,
    },
    /// GitHub understood and refused (any other 4xx).
    #[error("GitHub answered {status} ({message})")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// GitHub's words.
        message: String,
    },
    /// GitHub is in trouble (5xx), still so at the last try.
    #[error("GitHub answered {status}")]
    Unavailable {
        /// The HTTP status.
        status: StatusCode,
    },
    /// No whole answer came in time, nor at the last try.
    #[error("GitHub did not answer within {0:?}")]
    Timeout(Duration),
    /// The connection failed, still so at the last try.
    #[error("the connection to GitHub failed")]
    Network(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is not what GitHub documents.
    #[error("GitHub's answer could not be read")]
    Malformed(#[source] serde_path_to_error::Error<serde_json::Error>),
    /// The HTTP client could not be set up, or a request could not be made.
    #[error("the HTTP client does not work; it needs the system's certificates (ca-certificates)")]
    Client(#[source] Box<octocrab::Error>),
}

/// Whether, and when, it makes sense to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It will fail the same way until somebody changes something.
    Never,
    /// The trouble is likely to pass; wait longer each time.
    Later,
    /// Not before this time, which GitHub named.
    At(DateTime<Utc>),
}

impl Error {
    /// Why it failed.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Whether another try can help. The client has already made those that make sense at once.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match &self.cause {
            Cause::RateLimited { until } => Retry::At(*until),
            Cause::Unavailable { .. } | Cause::Timeout(_) | Cause::Network(_) => Retry::Later,
            Cause::NotFound
            | Cause::NotInstalled(_)
            | Cause::InstalledNowhere
            | Cause::Unauthorized { .. }
            | Cause::Forbidden { .. }
            | Cause::Refused { .. }
            | Cause::Malformed(_)
            | Cause::Client(_) => Retry::Never,
        }
    }

    /// Whether GitHub has no such thing (any more).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self.cause, Cause::NotFound)
    }
}

fn needed(permissions: Option<&str>) -> String {
    permissions.map_or_else(String::new, |permissions| {
        format!(": give the GitHub App one of these permissions: {permissions}")
    })
}
