//! Teams, their members, and the tokens that programs act with: what a person is shown of them.
//!
//! Times are UTC.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::state::Role;

/// What a token lets a program do, of what its owner may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenScope {
    /// Look at things.
    Read,
    /// Also change them.
    Write,
}

impl TokenScope {
    /// The word kept in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// The scope with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Read, Self::Write]
            .into_iter()
            .find(|scope| scope.as_str() == word)
    }
}

/// A team, as a row of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TeamView {
    /// Its name.
    pub name: String,
    /// The role in it of the one who asked; none for an operator who is no member.
    pub role: Option<Role>,
    /// How many belong to it.
    pub members: u32,
    /// How many of those are owners.
    pub owners: u32,
    /// How many projects it has.
    pub projects: u32,
}

/// A team and those who belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TeamDetail {
    /// Its name.
    pub name: String,
    /// Owners first, then admins, each by login.
    pub members: Vec<MemberView>,
    /// The roles that the one who asked may give; none where they may not add anybody.
    pub may_give: Vec<Role>,
}

/// Somebody who belongs to a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberView {
    /// Catalyst's id of them.
    pub user: String,
    /// Their login on GitHub, as far as it is known.
    pub login: String,
    /// What they are in the team.
    pub role: Role,
    /// Whether it is the one who asked.
    pub is_you: bool,
    /// The other roles that the one who asked may give them.
    pub may_become: Vec<Role>,
    /// Whether the one who asked may take them out of the team.
    pub may_remove: bool,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenView {
    /// Its id, which is no secret.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it lets a program do.
    pub scope: TokenScope,
    /// The one team that it is for; none: all of its owner's.
    pub team: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A token that was made just now, with its secret, which is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewTokenView {
    /// The token.
    pub token: TokenView,
    /// What a program sends as `Authorization: Bearer …`.
    pub secret: String,
}

impl std::fmt::Debug for NewTokenView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewTokenView")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_back_from_its_own_word() {
        for scope in [TokenScope::Read, TokenScope::Write] {
            assert_eq!(TokenScope::from_word(scope.as_str()), Some(scope));
        }
        assert_eq!(TokenScope::from_word("admin"), None);
    }
}
