//! The states of a preview, on both sides of the contract.

use serde::{Deserialize, Serialize};

/// A preview's row in the store.
///
/// `pending → deploying → running | failed`; `running → deploying` on a push; `failed → pending`
/// on a retry; anything `→ deleting`, after which the row stays as history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PreviewStatus {
    /// Accepted; nothing has started, or nothing may start yet.
    Pending,
    /// The cluster is working on it.
    Deploying,
    /// Its URL answers.
    Running,
    /// It could not be brought up; the row says why.
    Failed,
    /// It is being removed.
    Deleting,
}

impl PreviewStatus {
    /// Every status, in the order of a preview's life.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Deploying,
        Self::Running,
        Self::Failed,
        Self::Deleting,
    ];

    /// The word kept in the store and spoken over every API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Deploying => "deploying",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
        }
    }

    /// The status with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

impl std::fmt::Display for PreviewStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `status.phase` of an Environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Phase {
    /// Seen, not yet worked on.
    #[default]
    Pending,
    /// The source is fetched and examined, or an image is built.
    Building,
    /// The workload is on its way.
    Deploying,
    /// The newest commit answers.
    Ready,
    /// It was given up; conditions say why.
    Failed,
    /// It is up, but not as asked: the command failed and its container stays for a look.
    Degraded,
}

impl Phase {
    /// The word in `status.phase`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Building => "Building",
            Self::Deploying => "Deploying",
            Self::Ready => "Ready",
            Self::Failed => "Failed",
            Self::Degraded => "Degraded",
        }
    }

    /// Reads a phase as any version has written it: `Provisioning` is `Deploying`, `Error` is
    /// `Failed`, and what nobody wrote is `Pending`.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "Building" => Self::Building,
            "Deploying" | "Provisioning" => Self::Deploying,
            "Ready" => Self::Ready,
            "Failed" | "Error" => Self::Failed,
            "Degraded" => Self::Degraded,
            _ => Self::Pending,
        }
    }

    /// What the store calls this phase.
    #[must_use]
    pub const fn preview_status(self) -> PreviewStatus {
        match self {
            Self::Pending => PreviewStatus::Pending,
            Self::Building | Self::Deploying => PreviewStatus::Deploying,
            Self::Ready => PreviewStatus::Running,
            Self::Failed | Self::Degraded => PreviewStatus::Failed,
        }
    }
}

/// A member's role in a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees the team's previews and retries them.
    Member,
    /// Also deletes previews, approves pull requests from forks, and adds and removes members and
    /// admins.
    Admin,
    /// Also makes and unmakes owners.
    Owner,
}

impl Role {
    /// All of them, the one that may most first.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Admin, Self::Member];

    /// The word kept in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The role with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_read_back_from_its_own_word() {
        for status in PreviewStatus::ALL {
            assert_eq!(PreviewStatus::from_word(status.as_str()), Some(status));
        }
        assert_eq!(PreviewStatus::from_word("succeeded"), None);
    }

    #[test]
    fn older_words_for_a_phase_are_understood() {
        assert_eq!(Phase::from_word("Provisioning"), Phase::Deploying);
        assert_eq!(
            Phase::from_word("Error").preview_status(),
            PreviewStatus::Failed
        );
        assert_eq!(
            Phase::from_word("").preview_status(),
            PreviewStatus::Pending
        );
    }

    #[test]
    fn an_admin_may_what_a_member_may() {
        assert!(Role::Owner > Role::Admin && Role::Admin > Role::Member);
    }
}
