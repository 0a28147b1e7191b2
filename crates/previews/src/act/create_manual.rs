//! Making a preview by hand: of a branch, a commit or an image.

mod check;

use catalyst_model::names::{environment_namespace, memorable_environment_name};
use catalyst_model::state::Role;
use catalyst_model::views::{PreviewFilter, PreviewSource, PreviewSummary};
use catalyst_store::{ManualPreview, Preview, Repository, Scope, StoreError};
use chrono::Utc;
use serde_json::json;

use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;
use crate::request;
use check::{Checked, check};

/// How many made-up names are tried.
const NAMES: u32 = 8;

/// A preview that does not exist yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewManualPreview {
    /// The project's team.
    pub team: String,
    /// The project.
    pub project: String,
    /// Which of its repositories, `owner/name`; none for its first.
    pub repository: Option<String>,
    /// The branch; none for the one that the project names.
    pub branch: Option<String>,
    /// The commit, 40 hexadecimal digits; none for the newest of the branch.
    pub commit: Option<String>,
    /// An image to run instead, such as `ghcr.io/acme/shop:1.4`.
    pub image: Option<String>,
    /// The port that the image listens on; none for 3000.
    pub port: Option<u16>,
    /// What to call it; none for a name that is made up.
    pub name: Option<String>,
}

impl Previews {
    /// Makes a preview that belongs to no pull request; takes membership in the project's team. It
    /// ends by itself after the settings' time, unless it is prolonged. A commit of a fork that
    /// waits for approval takes the role admin or owner, as the approval does.
    ///
    /// # Errors
    /// `NotFound` for an unknown project and for a foreign one, `Invalid` for a malformed branch,
    /// commit, image or name, `Conflict` where the name is taken or the team has too many.
    pub async fn create_manual(
        &self,
        actor: &Actor,
        new: NewManualPreview,
    ) -> Result<PreviewSummary, Error> {
        let repository = self.repository_for(actor, &new).await?;
        let new = check(new, &repository)?;
        self.let_in(actor, &repository, &new).await?;
        let preview = self.keep_manual(actor, &repository, &new).await?;
        let details = json!({
            "namespace": preview.namespace,
            "repository": repository.full_name.as_str(),
            "branch": preview.branch,
            "commit": preview.commit,
            "image": preview.image,
        });
        self.audit(actor, "preview.create", &preview.id, details)
            .await?;
        step!(
            &preview,
            "manual-deployment-initiated",
            "created",
            by = actor.login.as_str()
        );
        self.inner.expiries.notify_one();
        self.inner.work_due.notify_one();
        self.changed(&preview);
        Ok(self.summary(&preview))
    }

    async fn repository_for(
        &self,
        actor: &Actor,
        new: &NewManualPreview,
    ) -> Result<Repository, Error> {
        let missing = || Error::NotFound {
            what: "project",
            id: format!("{}/{}", new.team, new.project)
                .chars()
                .take(130)
                .collect(),
        };
        actor.role_in(&new.team).ok_or_else(missing)?;
        let action = || format!("making a preview of {}/{}", new.team, new.project);
        actor.needs(Role::Member, &new.team, action)?;
        let store = &self.inner.store;
        let all = store.project_repositories(&new.team, &new.project).await?;
        if all.is_empty() {
            return Err(missing());
        }
        let wanted = new.repository.as_deref().map(str::trim).unwrap_or_default();
        let known: Vec<String> = all.iter().map(|it| it.full_name.to_string()).collect();
        all.into_iter()
            .find(|it| wanted.is_empty() || it.full_name.as_str().eq_ignore_ascii_case(wanted))
            .ok_or_else(|| Error::Invalid {
                field: "repository",
                problem: format!(
                    "the project has no repository {wanted:?}: expected {}",
                    known.join(" or ")
                ),
            })
    }

    /// Refuses what would be too much, or not for this actor to let run.
    async fn let_in(
        &self,
        actor: &Actor,
        repository: &Repository,
        new: &Checked,
    ) -> Result<(), Error> {
        let store = &self.inner.store;
        if let Some(commit) = &new.commit
            && store.waits_for_approval(&repository.id, commit).await?
        {
            let short = commit.short();
            let action = || format!("running commit {short} of a fork, which waits for approval,");
            actor.needs(Role::Admin, &repository.team, action)?;
        }
        let filter = PreviewFilter {
            source: Some(PreviewSource::Manual),
            limit: 1,
            ..PreviewFilter::default()
        };
        let team = [repository.team.clone()];
        let there = store.list_previews(Scope::Teams(&team), &filter).await?;
        let most = self.inner.settings.manual_per_team;
        if there.matching >= most {
            return Err(Error::Conflict(format!(
                "team {} has {most} previews made by hand already: delete one that is no longer needed",
                repository.team
            )));
        }
        Ok(())
    }

    /// Keeps it under the name that was chosen, or one that is made up and free.
    async fn keep_manual(
        &self,
        actor: &Actor,
        repository: &Repository,
        new: &Checked,
    ) -> Result<Preview, Error> {
        let mut last = None;
        for round in 0..NAMES {
            let environment = new.environment(round, random());
            let wish = ManualPreview {
                repository_id: repository.id.clone(),
                created_by: actor.user_id,
                branch: new.branch.clone(),
                commit: new.commit.clone(),
                image: new.image.clone(),
                port: new.port,
                namespace: environment_namespace(
                    &repository.team,
                    &repository.project,
                    &environment,
                ),
                environment,
                expires_at: Utc::now() + self.inner.settings.manual_ttl,
                request_id: request::current(),
            };
            match self.inner.store.create_manual_preview(&wish).await {
                Ok(preview) => return Ok(preview),
                Err(taken @ StoreError::Conflict { .. }) if new.name.is_none() => {
                    last = Some(taken);
                }
                Err(e) => return Err(e.into()),
            }
        }
        Err(last.map_or_else(
            || Error::Conflict("no free name was found".to_owned()),
            Into::into,
        ))
    }
}

impl Checked {
    /// The Environment's name: the chosen one; for an image `manual-<branch>`, numbered from the
    /// second on; else a memorable one.
    fn environment(&self, round: u32, random: u64) -> String {
        if let Some(name) = &self.name {
            return name.to_string();
        }
        match (&self.image, round) {
            (None, round) if round + 1 < NAMES => memorable_environment_name(random),
            (None, _) => format!("fallback-{:08x}", random as u32),
            (Some(_), 0) => catalyst_model::names::join_components(&["manual", &self.branch]),
            (Some(_), _) => {
                let number = (random % 10_000).to_string();
                catalyst_model::names::join_components(&["manual", &self.branch, &number])
            }
        }
    }
}

fn random() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().1
}
