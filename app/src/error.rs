//! What a server function answers when it cannot do what it was asked for.

use leptos::{prelude::FromServerFnError, server_fn::error::ServerFnErrorErr};
use serde::{Deserialize, Serialize};

use crate::codec::JsonText;

/// Why something was not done, in words for the person who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct AppError {
    /// What kind of answer it is.
    pub kind: AppErrorKind,
    /// What was attempted and why it did not work, in a sentence without its full stop.
    pub message: String,
}

/// What kind of answer an [`AppError`] is; each has its HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AppErrorKind {
    /// 401: nobody is signed in.
    SignedOut,
    /// 404: there is no such thing, or none that one may see.
    NotFound,
    /// 403: one may see it, but not do this.
    Forbidden,
    /// 400: what was given is malformed.
    Invalid,
    /// 409: the present state does not allow it.
    Conflict,
    /// 503: something that Catalyst depends on did not answer.
    Unavailable,
    /// Catalyst itself could not be reached; made in the browser only.
    Unreachable,
    /// 500: an error in Catalyst.
    Internal,
}

impl AppErrorKind {
    /// The HTTP status that goes with it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::SignedOut => 401,
            Self::NotFound => 404,
            Self::Forbidden => 403,
            Self::Invalid => 400,
            Self::Conflict => 409,
            Self::Unavailable | Self::Unreachable => 503,
            Self::Internal => 500,
        }
    }

    /// What the person can do about it.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::SignedOut => "Sign in again to go on.",
            Self::NotFound => "It may have been removed, or belong to a team that you are not in.",
            Self::Forbidden => "Ask an owner or admin of the team.",
            Self::Invalid => "Correct it and try again.",
            Self::Conflict => "Reload the page to see the present state.",
            Self::Unavailable => "Try again in a moment. The server's log has the details.",
            Self::Unreachable => "Check that Catalyst is running and that you are online.",
            Self::Internal => "Try again. If it happens again, the server's log has the details.",
        }
    }
}

impl AppError {
    /// Nobody is signed in.
    #[must_use]
    pub fn signed_out() -> Self {
        Self {
            kind: AppErrorKind::SignedOut,
            message: "You are not signed in".to_owned(),
        }
    }
}

impl FromServerFnError for AppError {
    type Encoder = JsonText;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        let (kind, message) = match error {
            ServerFnErrorErr::Request(_) => (
                AppErrorKind::Unreachable,
                "Catalyst did not answer".to_owned(),
            ),
            ServerFnErrorErr::Args(what) | ServerFnErrorErr::MissingArg(what) => (
                AppErrorKind::Invalid,
                format!("The request could not be read: {what}"),
            ),
            other => (
                AppErrorKind::Internal,
                format!("Catalyst could not answer: {other}"),
            ),
        };
        Self { kind, message }
    }
}

#[cfg(feature = "ssr")]
impl From<catalyst_previews::Error> for AppError {
    fn from(error: catalyst_previews::Error) -> Self {
        use catalyst_previews::ErrorKind;
        let kind = match error.kind() {
            ErrorKind::NotFound => AppErrorKind::NotFound,
            ErrorKind::Forbidden => AppErrorKind::Forbidden,
            ErrorKind::Invalid => AppErrorKind::Invalid,
            ErrorKind::Conflict => AppErrorKind::Conflict,
            ErrorKind::Unavailable => AppErrorKind::Unavailable,
        };
        // What lies beneath is for the log alone: it may name what a person must not see.
        let mut text = error.to_string();
        if let Some(first) = text.get(..1).map(str::to_uppercase) {
            text.replace_range(..1, &first);
        }
        Self {
            kind,
            message: text,
        }
    }
}
