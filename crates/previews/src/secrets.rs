//! Secrets of previews: written by people, never shown again, handed to the operator alone.

mod cipher;
mod handout;
mod open;

use catalyst_model::secrets::{
    SecretLevel, SecretView, check_description, check_name, check_value, effective,
};
use catalyst_model::state::Role;
use catalyst_store::{NewSecret, Preview, Scope, StoredSecret};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest, Sha256};

pub use cipher::{InvalidKey, Keyring};
pub use open::UnusableSecrets;

use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;
use cipher::Place;

/// The template of a project that previews of pull requests are made from.
pub(crate) const PREVIEW_TEMPLATE: &str = "development";

/// A secret to be written.
#[derive(Debug, Clone)]
pub struct SecretToWrite {
    /// Where it belongs.
    pub level: SecretLevel,
    /// The environment variable.
    pub name: String,
    /// Its value.
    pub value: SecretString,
    /// What it is for; empty for nothing said.
    pub description: String,
}

impl Previews {
    /// The secrets of a project at every level, those of its team included, without their values.
    ///
    /// # Errors
    /// `NotFound` for unknown and foreign projects alike.
    pub async fn secrets(
        &self,
        actor: &Actor,
        team: &str,
        project: &str,
    ) -> Result<Vec<SecretView>, Error> {
        self.visible_project(actor, team, project).await?;
        let all = self.inner.store.secrets(team, project).await?;
        Ok(all.into_iter().map(view).collect())
    }

    /// Writes a secret, in place of the one of this name at this level where there is one; takes
    /// the role admin or owner. Previews that get it are started anew with it. Whether it is new.
    ///
    /// # Errors
    /// `Invalid` names the field that is wrong; `Conflict` where secrets cannot be kept here.
    pub async fn write_secret(
        &self,
        actor: &Actor,
        team: &str,
        project: &str,
        secret: SecretToWrite,
    ) -> Result<bool, Error> {
        self.visible_project(actor, team, project).await?;
        actor.needs(Role::Admin, team, || {
            format!("writing a secret of project {team}/{project}")
        })?;
        let SecretToWrite {
            level,
            name,
            value,
            description,
        } = secret;
        let invalid = |field| move |problem| Error::Invalid { field, problem };
        check_name(&name).map_err(invalid("name"))?;
        check_value(value.expose_secret()).map_err(invalid("value"))?;
        check_description(&description).map_err(invalid("description"))?;
        let keys = self.keys()?;
        let place = Place {
            team,
            project: Some(project).filter(|_| level != SecretLevel::Team),
            level: &level,
            name: &name,
        };
        let sealed = keys.seal(place, &value);
        // Before anything can show it.
        self.inner.settings.redactor.learn([value]);
        let new = NewSecret {
            team: team.to_owned(),
            project: project.to_owned(),
            level: level.clone(),
            name: name.clone(),
            description: Some(description).filter(|it| !it.is_empty()),
            sealed,
            updated_by: actor.login.clone(),
        };
        let created = self.inner.store.put_secret(&new).await?;
        let action = match created {
            true => "secret-created",
            false => "secret-updated",
        };
        self.tell_of_secret(actor, action, team, project, &level, &name)
            .await?;
        Ok(created)
    }

    /// Removes a secret; takes the role admin or owner. Previews that have it are started anew
    /// without it.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub async fn remove_secret(
        &self,
        actor: &Actor,
        team: &str,
        project: &str,
        level: &SecretLevel,
        name: &str,
    ) -> Result<(), Error> {
        self.visible_project(actor, team, project).await?;
        actor.needs(Role::Admin, team, || {
            format!("removing a secret of project {team}/{project}")
        })?;
        let store = &self.inner.store;
        if !store.remove_secret(team, project, level, name).await? {
            return Err(Error::not_found("secret", name));
        }
        self.tell_of_secret(actor, "secret-deleted", team, project, level, name)
            .await
    }

    /// [`Previews::write_secret`], of the project with this slug.
    ///
    /// # Errors
    /// As there.
    pub async fn write_secret_of(
        &self,
        actor: &Actor,
        slug: &str,
        secret: SecretToWrite,
    ) -> Result<(), Error> {
        let project = self.project_by_slug(actor, slug).await?;
        self.write_secret(actor, &project.team, &project.name, secret)
            .await
            .map(drop)
    }

    /// [`Previews::remove_secret`], of the project with this slug.
    ///
    /// # Errors
    /// As there.
    pub async fn remove_secret_of(
        &self,
        actor: &Actor,
        slug: &str,
        level: &SecretLevel,
        name: &str,
    ) -> Result<(), Error> {
        let project = self.project_by_slug(actor, slug).await?;
        self.remove_secret(actor, &project.team, &project.name, level, name)
            .await
    }

    /// Writes down what was done to a secret, and has the previews that get it looked at.
    async fn tell_of_secret(
        &self,
        actor: &Actor,
        action: &str,
        team: &str,
        project: &str,
        level: &SecretLevel,
        name: &str,
    ) -> Result<(), Error> {
        let details = json!({ "name": name, "level": level.word(), "of": level.of() });
        let object = format!("{team}/{project}");
        self.audit(actor, action, &object, details).await?;
        tracing::info!(
            component = crate::COMPONENT,
            event = action,
            team,
            project,
            level = level.word(),
            secret = name,
            by = actor.login
        );
        for preview in self.inner.store.present_previews().await? {
            let of_project = *level == SecretLevel::Team || preview.project == project;
            let its = level.applies(PREVIEW_TEMPLATE, &preview.environment);
            if preview.team == team && of_project && its {
                self.schedule_work(&preview.id).await?;
            }
        }
        Ok(())
    }

    /// Which version of its secrets a preview is to run with: another text whenever one of them
    /// is written or removed, and `none` where it has none. Tells nothing about their values.
    pub(crate) async fn secrets_version(&self, preview: &Preview) -> Result<String, Error> {
        let store = &self.inner.store;
        let all = store.secrets(&preview.team, &preview.project).await?;
        Ok(version(&all, PREVIEW_TEMPLATE, &preview.environment))
    }

    fn keys(&self) -> Result<&Keyring, Error> {
        self.inner.settings.keyring.as_ref().ok_or_else(|| {
            Error::Conflict(
                "secrets cannot be kept here: TOKEN_ENCRYPTION_KEY is not set".to_owned(),
            )
        })
    }

    /// Refuses projects that are not the actor's as if they were not there.
    pub(crate) async fn visible_project(
        &self,
        actor: &Actor,
        team: &str,
        project: &str,
    ) -> Result<(), Error> {
        let missing = || Error::NotFound {
            what: "project",
            id: format!("{team}/{project}").chars().take(140).collect(),
        };
        actor.role_in(team).ok_or_else(missing)?;
        let team_alone = [team.to_owned()];
        let projects = self
            .inner
            .store
            .list_projects(Scope::Teams(&team_alone))
            .await?;
        let known = projects.iter().any(|it| it.name == project);
        known.then_some(()).ok_or_else(missing)
    }
}

fn view(secret: StoredSecret) -> SecretView {
    SecretView {
        level: secret.level,
        name: secret.name,
        description: secret.description,
        updated_at: secret.updated_at,
        updated_by: secret.updated_by,
    }
}

/// Those that an Environment of this type and name gets.
fn chosen<'a>(
    all: &'a [StoredSecret],
    template: &str,
    environment: &str,
) -> impl Iterator<Item = &'a StoredSecret> {
    effective(all, template, environment, |it| {
        (&it.level, it.name.as_str())
    })
    .into_values()
}

/// The names of those that an Environment of this type and name gets.
pub(crate) fn names(all: &[StoredSecret], template: &str, environment: &str) -> Vec<String> {
    let chosen = chosen(all, template, environment);
    chosen.map(|it| it.name.clone()).collect()
}

fn version(all: &[StoredSecret], template: &str, environment: &str) -> String {
    let mut digest = Sha256::new();
    let mut none = true;
    for secret in chosen(all, template, environment) {
        none = false;
        digest.update(secret.id.as_bytes());
        digest.update(secret.updated_at.timestamp_micros().to_be_bytes());
    }
    match none {
        true => catalyst_crd::labels::NO_SECRETS.to_owned(),
        false => hex::encode(&digest.finalize()[..8]),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use catalyst_store::Sealed;
    use chrono::DateTime;

    fn stored(level: SecretLevel, name: &str, id: &str, second: i64) -> StoredSecret {
        StoredSecret {
            id: id.into(),
            team: "acme".into(),
            project: Some("shop".into()),
            level,
            name: name.into(),
            description: None,
            sealed: Sealed {
                encrypted_value: String::new(),
                iv: String::new(),
                auth_tag: String::new(),
                key_id: String::new(),
            },
            updated_at: DateTime::from_timestamp(second, 0).unwrap(),
            updated_by: "octocat".into(),
        }
    }

    #[test]
    fn the_version_changes_with_what_the_environment_gets_and_with_nothing_else() {
        let of = |all: &[StoredSecret]| version(all, "development", "preview-7");
        let team = stored(SecretLevel::Team, "A", "1", 1);
        let own = stored(SecretLevel::Environment("preview-7".into()), "A", "2", 1);
        let others = stored(SecretLevel::Environment("preview-8".into()), "B", "3", 1);
        let production = stored(SecretLevel::Template("production".into()), "C", "4", 1);
        assert_eq!(of(&[]), "none");
        assert_eq!(of(&[others.clone(), production.clone()]), "none");
        let first = of(std::slice::from_ref(&team));
        assert_eq!(of(&[team.clone(), others, production]), first);
        let written_anew = stored(SecretLevel::Team, "A", "1", 2);
        assert_ne!(of(std::slice::from_ref(&written_anew)), first);
        let overridden = of(&[team, own.clone()]);
        assert_ne!(overridden, first);
        assert_eq!(
            of(&[written_anew, own]),
            overridden,
            "the team's is not used"
        );
    }
}
