//! Where previews come from.

use serde::{Deserialize, Serialize};

/// Whether a preview belongs to a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreviewSource {
    /// It does, and goes with it.
    #[default]
    PullRequest,
    /// A person made it by hand, and it ends after a time.
    Manual,
}

impl PreviewSource {
    /// The word kept in the store and spoken over every API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PullRequest => "pull_request",
            Self::Manual => "manual",
        }
    }

    /// The source with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::PullRequest, Self::Manual]
            .into_iter()
            .find(|source| source.as_str() == word)
    }
}
