//! Who may change whose membership: pure.
//!
//! Admins add and remove members and admins; only owners make and unmake owners. Anyone may leave.
//! That a team keeps its last owner is the store's to see to, in one step with the change.

use catalyst_model::state::Role;

/// The roles that somebody with role `own` may give to a person who has the role `before`, without
/// that one.
pub fn may_give(own: Option<Role>, before: Option<Role>) -> Vec<Role> {
    let all = Role::ALL.into_iter();
    all.filter(|after| Some(*after) != before && needed(before, Some(*after)) <= own)
        .collect()
}

/// Whether somebody with role `own` may take a person with the role `before` out of the team.
pub fn may_remove(own: Option<Role>, before: Role, themselves: bool) -> bool {
    themselves || needed(Some(before), None) <= own
}

/// The role that such a change takes.
pub fn needed(before: Option<Role>, after: Option<Role>) -> Option<Role> {
    let about_owners = [before, after].contains(&Some(Role::Owner));
    Some(if about_owners {
        Role::Owner
    } else {
        Role::Admin
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Role::{Admin, Member, Owner};

    #[test]
    fn each_role_gives_what_it_may() {
        let all = vec![Owner, Admin, Member];
        for (own, before, given) in [
            (Some(Owner), None, all),
            (Some(Owner), Some(Owner), vec![Admin, Member]),
            (Some(Owner), Some(Member), vec![Owner, Admin]),
            (Some(Admin), None, vec![Admin, Member]),
            (Some(Admin), Some(Member), vec![Admin]),
            (Some(Admin), Some(Admin), vec![Member]),
            (Some(Admin), Some(Owner), vec![]),
            (Some(Member), None, vec![]),
            (Some(Member), Some(Member), vec![]),
            (None, None, vec![]),
        ] {
            assert_eq!(may_give(own, before), given, "{own:?} to {before:?}");
        }
    }

    #[test]
    fn anyone_may_leave_and_admins_remove_all_but_owners() {
        assert!(may_remove(Some(Member), Member, true));
        assert!(!may_remove(Some(Member), Member, false));
        assert!(may_remove(Some(Admin), Admin, false));
        assert!(!may_remove(Some(Admin), Owner, false));
        assert!(may_remove(Some(Owner), Owner, false));
        assert!(!may_remove(None, Member, false));
    }
}
