//! Adding people to a team, changing what they are in it, taking them out.

use catalyst_model::state::Role;
use serde_json::json;

use super::rights;
use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;

impl Previews {
    /// Adds somebody to a team by their login on GitHub; takes the role admin, or owner to make an
    /// owner. Where they belong to it already, their role becomes this one.
    ///
    /// # Errors
    /// `NotFound` for a team that is not the actor's; `Forbidden` for members; `Invalid` for a login
    /// that nobody has.
    pub async fn add_member(
        &self,
        actor: &Actor,
        team: &str,
        login: &str,
        role: Role,
    ) -> Result<(), Error> {
        let team = self.find_team(actor, team).await?;
        let action = || {
            format!(
                "adding {role} {login} to team {}",
                team.name,
                role = role.as_str()
            )
        };
        actor.needs(needed(None, Some(role)), &team.name, action)?;
        let user = self.person(&team.name, login).await?;
        let members = self.inner.store.members(&team.name).await?;
        let before = members.iter().find(|it| it.user == user.id);
        let before = before.map(|it| it.role);
        if before == Some(role) {
            return Ok(());
        }
        actor.needs(needed(before, Some(role)), &team.name, action)?;
        self.inner
            .store
            .set_membership(user.id, &team.name, role)
            .await?;
        let details = json!({
            "login": user.login,
            "role": role.as_str(),
            "before": before.map(Role::as_str),
        });
        self.audit(actor, "team.member.set", &team.name, details)
            .await
    }

    /// Changes what somebody is in a team; takes the role admin, or owner where an owner is made or
    /// unmade.
    ///
    /// # Errors
    /// `NotFound` for foreign teams and for those who do not belong to it; `Forbidden` for members;
    /// `Conflict` where the team would lose its last owner.
    pub async fn change_role(
        &self,
        actor: &Actor,
        team: &str,
        user: &str,
        role: Role,
    ) -> Result<(), Error> {
        let team = self.find_team(actor, team).await?;
        let member = self.find_member(&team, user).await?;
        let action = || {
            format!(
                "making {} {} of team {}",
                member.login,
                role.as_str(),
                team.name
            )
        };
        actor.needs(needed(Some(member.role), Some(role)), &team.name, action)?;
        if member.role == role {
            return Ok(());
        }
        self.inner
            .store
            .set_membership(member.user, &team.name, role)
            .await?;
        let details = json!({
            "login": member.login,
            "role": role.as_str(),
            "before": member.role.as_str(),
        });
        self.audit(actor, "team.member.set", &team.name, details)
            .await
    }

    /// Takes somebody out of a team: oneself, or others with the role admin; an owner with the role
    /// owner.
    ///
    /// # Errors
    /// As [`Previews::change_role`].
    pub async fn remove_member(&self, actor: &Actor, team: &str, user: &str) -> Result<(), Error> {
        let team = self.find_team(actor, team).await?;
        let member = self.find_member(&team, user).await?;
        let action = || format!("taking {} out of team {}", member.login, team.name);
        if member.user == actor.user_id {
            actor.needs_to_write(action)?;
        } else {
            actor.needs(needed(Some(member.role), None), &team.name, action)?;
        }
        self.inner
            .store
            .remove_membership(member.user, &team.name)
            .await?;
        let details = json!({ "login": member.login, "before": member.role.as_str() });
        self.audit(actor, "team.member.remove", &team.name, details)
            .await
    }
}

fn needed(before: Option<Role>, after: Option<Role>) -> Role {
    rights::needed(before, after).unwrap_or(Role::Owner)
}
