//! The server functions: each reads who asks from its context, calls one use case, and translates.
//!
//! They are public endpoints below `/api/fn/`. Reads are GET requests; what changes something is
//! a form that is posted, with JavaScript or without.

mod access;

pub use access::*;

use catalyst_model::platform::{EnvironmentPage, ProjectPlatform};
use catalyst_model::views::{
    DeliveryView, LogQuery, OperationsView, PreviewDetail, PreviewFilter, PreviewList, ProjectView,
};
use chrono::{DateTime, Utc};
use leptos::{prelude::*, server_fn::codec::GetUrl};
use serde::{Deserialize, Serialize};

use crate::{codec::Answer, error::AppError};

/// A line of a container's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was written, where that is known.
    pub at: Option<DateTime<Utc>>,
    /// The line without its end; any text, escape sequences included.
    pub text: String,
}

/// The previews that match a filter.
#[server(prefix = "/api/fn", endpoint = "previews", input = GetUrl, output = Answer)]
pub async fn list_previews(filter: PreviewFilter) -> Result<PreviewList, AppError> {
    let (previews, actor) = server::caller()?;
    server::answer(previews.list(&actor, &filter).await)
}

/// One preview, by its id or its namespace.
#[server(prefix = "/api/fn", endpoint = "preview", input = GetUrl, output = Answer)]
pub async fn get_preview(id: String) -> Result<PreviewDetail, AppError> {
    let (previews, actor) = server::caller()?;
    server::answer(previews.get(&actor, &id).await)
}

/// The present lines of a container's output; what follows is read from the stream.
#[server(prefix = "/api/fn", endpoint = "preview-logs", input = GetUrl, output = Answer)]
pub async fn read_logs(id: String, query: LogQuery) -> Result<Vec<LogLine>, AppError> {
    let (previews, actor) = server::caller()?;
    let query = LogQuery {
        follow: false,
        ..query
    };
    server::answer(server::lines(&previews, &actor, &id, &query).await)
}

/// Makes a preview by hand, and leads to its page. `what` says which of branch, commit and image
/// is meant: a form sends them all. `of` is `team/project/owner/name`.
#[server(prefix = "/api/fn", endpoint = "create-preview", output = Answer)]
pub async fn create_preview(
    of: String,
    what: String,
    branch: Option<String>,
    commit: Option<String>,
    image: Option<String>,
    port: Option<String>,
    name: Option<String>,
) -> Result<(), AppError> {
    let (previews, actor) = server::caller()?;
    let new = server::answer(server::manual(
        &of, &what, branch, commit, image, port, name,
    ))?;
    let made = server::answer(previews.create_manual(&actor, new).await)?;
    leptos_axum::redirect(&format!("/preview-environments/{}", made.id));
    Ok(())
}

/// Keeps a preview for longer: its time begins anew.
#[server(prefix = "/api/fn", endpoint = "extend-preview", output = Answer)]
pub async fn extend_preview(id: String) -> Result<(), AppError> {
    let (previews, actor) = server::caller()?;
    server::answer(previews.extend(&actor, &id).await)?;
    Ok(())
}

/// Starts a failed preview anew.
#[server(prefix = "/api/fn", endpoint = "retry-preview", output = Answer)]
pub async fn retry_preview(id: String) -> Result<(), AppError> {
    let (previews, actor) = server::caller()?;
    server::answer(previews.retry(&actor, &id).await)
}

/// Removes a preview, and leads to the list.
#[server(prefix = "/api/fn", endpoint = "delete-preview", output = Answer)]
pub async fn delete_preview(id: String) -> Result<(), AppError> {
    let (previews, actor) = server::caller()?;
    server::answer(previews.delete(&actor, &id).await)?;
    leptos_axum::redirect("/preview-environments");
    Ok(())
}

/// Lets one commit of a fork run.
#[server(prefix = "/api/fn", endpoint = "approve-preview", output = Answer)]
pub async fn approve_preview(id: String, commit: String) -> Result<(), AppError> {
    let (previews, actor) = server::caller()?;
    let commit = server::answer(server::commit(&commit))?;
    server::answer(previews.approve(&actor, &id, &commit).await)
}

/// Takes up a removal that was given up.
#[server(prefix = "/api/fn", endpoint = "retry-cleanup", output = Answer)]
pub async fn retry_cleanup(id: String) -> Result<(), AppError> {
    let (previews, actor) = server::caller()?;
    server::answer(previews.retry_cleanup(&actor, &id).await)
}

/// The projects of one's teams.
#[server(prefix = "/api/fn", endpoint = "projects", input = GetUrl, output = Answer)]
pub async fn list_projects() -> Result<Vec<ProjectView>, AppError> {
    let (previews, actor) = server::caller()?;
    server::answer(previews.projects(&actor).await)
}

/// Makes a project, and leads to its page. An empty `branch` is `main`.
#[server(prefix = "/api/fn", endpoint = "create-project", output = Answer)]
pub async fn create_project(
    repository: String,
    team: String,
    name: String,
    preset: String,
    branch: Option<String>,
) -> Result<(), AppError> {
    let (previews, actor) = server::caller()?;
    let new = server::project(&repository, &team, &name, preset, branch);
    let made = server::answer(previews.create_project(&actor, new).await)?;
    let slug = catalyst_model::names::project_namespace(&made.team, &made.name);
    leptos_axum::redirect(&format!("/projects/{slug}/platform"));
    Ok(())
}

/// A project's platform, by its slug.
#[server(prefix = "/api/fn", endpoint = "platform", input = GetUrl, output = Answer)]
pub async fn get_platform(slug: String) -> Result<ProjectPlatform, AppError> {
    let (previews, actor) = server::caller()?;
    server::answer(previews.platform(&actor, &slug).await)
}

/// Keeps how a project's pull requests are run; what is empty is left to the repository.
#[server(prefix = "/api/fn", endpoint = "override-run", output = Answer)]
pub async fn override_run(
    slug: String,
    command: String,
    port: String,
    path: String,
) -> Result<(), AppError> {
    let (previews, actor) = server::caller()?;
    let run = server::answer(server::run(command, &port, path))?;
    server::answer(previews.override_run(&actor, &slug, run).await)
}

/// One Environment of a project.
#[server(prefix = "/api/fn", endpoint = "environment", input = GetUrl, output = Answer)]
pub async fn get_environment(slug: String, name: String) -> Result<EnvironmentPage, AppError> {
    let (previews, actor) = server::caller()?;
    server::answer(previews.environment_page(&actor, &slug, &name).await)
}

/// Writes a secret of a project.
#[server(prefix = "/api/fn", endpoint = "write-secret", output = Answer)]
pub async fn write_secret(
    slug: String,
    level: String,
    of: String,
    name: String,
    value: String,
    description: String,
) -> Result<(), AppError> {
    let (previews, actor) = server::caller()?;
    let secret = server::answer(server::secret(&level, &of, name, value, description))?;
    server::answer(previews.write_secret_of(&actor, &slug, secret).await)
}

/// Removes a secret of a project.
#[server(prefix = "/api/fn", endpoint = "remove-secret", output = Answer)]
pub async fn remove_secret(
    slug: String,
    level: String,
    of: String,
    name: String,
) -> Result<(), AppError> {
    let (previews, actor) = server::caller()?;
    let level = server::answer(server::level(&level, &of))?;
    server::answer(
        previews
            .remove_secret_of(&actor, &slug, &level, &name)
            .await,
    )
}

/// The newest deliveries about one's repositories.
#[server(prefix = "/api/fn", endpoint = "deliveries", input = GetUrl, output = Answer)]
pub async fn list_deliveries(limit: u32) -> Result<Vec<DeliveryView>, AppError> {
    let (previews, actor) = server::caller()?;
    server::answer(previews.deliveries(&actor, limit).await)
}

/// What those who run Catalyst look at.
#[server(prefix = "/api/fn", endpoint = "operations", input = GetUrl, output = Answer)]
pub async fn read_operations() -> Result<OperationsView, AppError> {
    let (previews, actor) = server::caller()?;
    server::answer(previews.operations(&actor).await)
}

#[cfg(feature = "ssr")]
mod server {
    use std::time::Duration;

    use catalyst_model::{
        ids::CommitSha, platform::RunOverride, secrets::SecretLevel, state::Role, views::LogQuery,
    };
    use catalyst_previews::{Actor, Error, NewManualPreview, NewProject, Previews, SecretToWrite};
    use futures::StreamExt;
    use leptos::prelude::use_context;

    use super::LogLine;
    use crate::{error::AppError, request};

    /// How long a page waits for lines that are already written.
    const READING: Duration = Duration::from_secs(5);

    /// A line is cut here: whoever needs more of it downloads the log.
    const LONGEST_LINE: usize = 16 * 1024;

    /// The use cases, and who calls them.
    pub(super) fn caller() -> Result<(Previews, Actor), AppError> {
        let previews = use_context::<Previews>();
        let actor = use_context::<Option<Actor>>().flatten();
        match (previews, actor) {
            (Some(previews), Some(actor)) => Ok((previews, actor)),
            _ => answer(Err(AppError::signed_out())),
        }
    }

    /// The result as the caller gets it, with its HTTP status.
    pub(super) fn answer<T, E: Into<AppError>>(result: Result<T, E>) -> Result<T, AppError> {
        result.map_err(|error| {
            let error = error.into();
            request::set_status_of_call(error.kind.status());
            error
        })
    }

    /// What a form asks for.
    pub(super) fn manual(
        of: &str,
        what: &str,
        branch: Option<String>,
        commit: Option<String>,
        image: Option<String>,
        port: Option<String>,
        name: Option<String>,
    ) -> Result<NewManualPreview, Error> {
        let invalid = |field, problem: String| Error::Invalid { field, problem };
        let mut parts = of.splitn(3, '/');
        let (Some(team), Some(project)) = (parts.next(), parts.next()) else {
            let problem = "expected a project and its repository".to_owned();
            return Err(invalid("repository", problem));
        };
        let missing = |text: &Option<String>| text.as_deref().is_none_or(|it| it.trim().is_empty());
        let (commit, image, port) = match what {
            "commit" if missing(&commit) => {
                return Err(invalid(
                    "commit",
                    "expected 40 hexadecimal digits".to_owned(),
                ));
            }
            "image" if missing(&image) => {
                let problem = "expected one such as ghcr.io/acme/shop:1.4".to_owned();
                return Err(invalid("image", problem));
            }
            "commit" => (commit, None, None),
            "image" => (None, image, port.filter(|port| !port.trim().is_empty())),
            _ => (None, None, None),
        };
        let port = number(port)?;
        Ok(NewManualPreview {
            team: team.to_owned(),
            project: project.to_owned(),
            repository: parts.next().map(str::to_owned),
            branch,
            commit,
            image,
            port,
            name,
        })
    }

    /// The project that a form asks for.
    pub(super) fn project(
        repository: &str,
        team: &str,
        name: &str,
        preset: String,
        branch: Option<String>,
    ) -> NewProject {
        let branch = branch.map(|it| it.trim().to_owned());
        NewProject {
            team: team.trim().to_owned(),
            name: name.trim().to_owned(),
            repository: repository.trim().to_owned(),
            clone_url: None,
            branch: branch
                .filter(|it| !it.is_empty())
                .unwrap_or("main".to_owned()),
            installation_id: None,
            cluster: None,
            preset: Some(preset),
        }
    }

    /// What a form says of how a project is run.
    pub(super) fn run(command: String, port: &str, path: String) -> Result<RunOverride, Error> {
        Ok(RunOverride {
            command: Some(command),
            port: number(Some(port.to_owned()).filter(|it| !it.trim().is_empty()))?,
            path: Some(path),
        })
    }

    fn number(port: Option<String>) -> Result<Option<u16>, Error> {
        let port = port.map(|port| port.trim().parse()).transpose();
        port.map_err(|_| Error::Invalid {
            field: "port",
            problem: "expected a number from 1 to 65535".to_owned(),
        })
    }

    pub(super) fn commit(text: &str) -> Result<CommitSha, Error> {
        text.parse()
            .map_err(|problem: catalyst_model::ids::InvalidId| Error::Invalid {
                field: "commit",
                problem: problem.to_string(),
            })
    }

    pub(super) fn role(word: &str) -> Result<Role, Error> {
        Role::from_word(word).ok_or_else(|| Error::Invalid {
            field: "role",
            problem: format!("{word:?} is none of owner, admin and member"),
        })
    }

    pub(super) fn level(word: &str, of: &str) -> Result<SecretLevel, Error> {
        SecretLevel::parse(word, of).map_err(|problem| Error::Invalid {
            field: "level",
            problem,
        })
    }

    pub(super) fn secret(
        level_word: &str,
        of: &str,
        name: String,
        value: String,
        description: String,
    ) -> Result<SecretToWrite, Error> {
        Ok(SecretToWrite {
            level: level(level_word, of)?,
            name,
            // Browsers send line ends as CR LF, whatever was typed.
            value: value.replace("\r\n", "\n").into(),
            description,
        })
    }

    /// Reads lines to their end, or as far as they come in time.
    pub(super) async fn lines(
        previews: &Previews,
        actor: &Actor,
        id: &str,
        query: &LogQuery,
    ) -> Result<Vec<LogLine>, Error> {
        let deadline = tokio::time::Instant::now() + READING;
        let mut stream = previews.logs(actor, id, query).await?;
        let mut lines = Vec::new();
        while let Ok(Some(line)) = tokio::time::timeout_at(deadline, stream.next()).await {
            let line = line?;
            let mut text = line.text;
            text.truncate(text.floor_char_boundary(LONGEST_LINE));
            lines.push(LogLine { at: line.at, text });
        }
        Ok(lines)
    }
}
