//! Who asks, and what they may.

use catalyst_model::state::Role;
use uuid::Uuid;

/// Who asks. The door they came in by makes it from a session; what they may do is decided inside
/// each use case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The user's id in the store.
    pub user_id: Uuid,
    /// The login, as shown and as written into the audit log.
    pub login: String,
    /// Each team they belong to, with their role in it.
    pub memberships: Vec<(String, Role)>,
    /// Whether they run this Catalyst: they see every team, and the operators' page.
    pub operator: bool,
}

impl Actor {
    /// The role in a team: an operator is an owner everywhere.
    #[must_use]
    pub fn role_in(&self, team: &str) -> Option<Role> {
        if self.operator {
            return Some(Role::Owner);
        }
        self.memberships
            .iter()
            .find(|(name, _)| name == team)
            .map(|(_, role)| *role)
    }
}
