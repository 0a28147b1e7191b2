//! Teams, and who belongs to them.

mod members;
mod person;
mod rights;

use catalyst_model::access::{MemberView, TeamDetail, TeamView};
use catalyst_model::ids::Label;
use catalyst_model::names::{project_namespace, sanitize_component, team_namespace};
use catalyst_store::{Member, Scope, Team};
use serde_json::json;

use crate::Previews;
use crate::actor::{Actor, scope};
use crate::error::Error;

impl Previews {
    /// The actor's teams, by name; all of them for an operator.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    pub async fn teams(&self, actor: &Actor) -> Result<Vec<TeamView>, Error> {
        let names = actor.teams();
        let teams = self.inner.store.list_teams(scope(&names)).await?;
        Ok(teams.into_iter().map(|team| view(actor, team)).collect())
    }

    /// One team, with those who belong to it.
    ///
    /// # Errors
    /// `NotFound` for unknown teams and those that the actor is not in.
    pub async fn team(&self, actor: &Actor, name: &str) -> Result<TeamDetail, Error> {
        let team = self.find_team(actor, name).await?;
        let members = self.inner.store.members(&team.name).await?;
        let role = actor.role_in(&team.name);
        let last_owner = team.owners == 1;
        Ok(TeamDetail {
            may_give: rights::may_give(role, None),
            members: members
                .into_iter()
                .map(|member| {
                    let is_you = member.user == actor.user_id;
                    // The one owner that a team has stays one.
                    let stays = last_owner && member.role == catalyst_model::state::Role::Owner;
                    MemberView {
                        user: member.user.to_string(),
                        login: member.login,
                        role: member.role,
                        is_you,
                        may_become: match stays {
                            true => Vec::new(),
                            false => rights::may_give(role, Some(member.role)),
                        },
                        may_remove: !stays && rights::may_remove(role, member.role, is_you),
                    }
                })
                .collect(),
            name: team.name,
        })
    }

    /// Makes a team; takes an operator. It has no members yet.
    ///
    /// # Errors
    /// `Forbidden` for everyone else; `Invalid` for a name that Kubernetes would not take;
    /// `Conflict` where the name stands for something else already.
    pub async fn create_team(&self, actor: &Actor, name: &str) -> Result<(), Error> {
        let action = "making a team";
        actor.needs_to_write(|| action.to_owned())?;
        actor.needs_operator(action)?;
        let name = name.trim();
        let invalid = |problem| Error::Invalid {
            field: "name",
            problem,
        };
        name.parse::<Label>().map_err(|e| invalid(e.to_string()))?;
        if sanitize_component(name) != name {
            return Err(invalid(format!(
                "{name:?} has two hyphens in a row: expected one"
            )));
        }
        let projects = self.inner.store.list_projects(Scope::All).await?;
        let namespace = team_namespace(name);
        let taken = projects
            .iter()
            .find(|it| it.team != name && project_namespace(&it.team, &it.name) == namespace);
        if let Some(project) = taken {
            return Err(Error::Conflict(format!(
                "the namespace {namespace} is that of project {}/{}: choose another name",
                project.team, project.name
            )));
        }
        if !self.inner.store.create_team(name).await? {
            return Err(Error::Conflict(format!("there is a team {name} already")));
        }
        self.audit(actor, "team.create", name, json!({})).await
    }

    /// The team of this name, if the actor may see it.
    pub(crate) async fn find_team(&self, actor: &Actor, name: &str) -> Result<Team, Error> {
        let names = [name.to_owned()];
        let found = match actor.role_in(name) {
            Some(_) => self.inner.store.list_teams(Scope::Teams(&names)).await?,
            None => Vec::new(),
        };
        found
            .into_iter()
            .next()
            .ok_or_else(|| Error::not_found("team", name))
    }

    /// Somebody who belongs to the team.
    async fn find_member(&self, team: &Team, user: &str) -> Result<Member, Error> {
        let members = self.inner.store.members(&team.name).await?;
        let found = members.into_iter().find(|it| it.user.to_string() == user);
        found.ok_or_else(|| Error::not_found("member", user))
    }
}

fn view(actor: &Actor, team: Team) -> TeamView {
    let own = actor
        .memberships
        .iter()
        .find(|(name, _)| *name == team.name);
    TeamView {
        role: own.map(|(_, role)| *role),
        name: team.name,
        members: team.members,
        owners: team.owners,
        projects: team.projects,
    }
}
