//! `catalyst demo`: a pull request of a real repository, made for this, through the real webhook.

#![allow(clippy::print_stdout, reason = "a command's output")]

mod client;
mod repository;

use std::time::{Duration, Instant};

use anyhow::Context;
use catalyst_model::views::{PreviewFilter, PreviewSummary};
use catalyst_previews::{Actor, NewProject, Previews};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::{settings::Common, wiring};
use repository::Repository;

/// The repository's full name, as a webhook names it.
const REPOSITORY: &str = "catalyst-demo/hello";
const TEAM: &str = "demo";
const PROJECT: &str = "hello";

/// How long the demo waits for what it has set off.
const PATIENCE: Duration = Duration::from_secs(120);

/// What to play.
#[derive(Args)]
pub struct Demo {
    /// What happens to the pull request.
    #[arg(value_enum, default_value = "open")]
    action: Action,
    /// The pull request's number; each has its own preview.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    number: u64,
    /// Return once the webhook is accepted, without waiting for what comes of it.
    #[arg(long)]
    no_wait: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Action {
    /// Open it.
    Open,
    /// Push a commit to it.
    Push,
    /// Close it.
    Close,
}

impl Demo {
    /// Plays it against the server that runs with the same settings.
    pub async fn run(self, common: Common) -> anyhow::Result<()> {
        anyhow::ensure!(
            common.allow_local_repositories,
            "the demo's repository is a folder of this machine: set CATALYST_ALLOW_LOCAL_REPOSITORIES=true, for `catalyst serve` too"
        );
        let data = common.data_dir()?;
        let previews = wiring::previews_of_running_server(&common).await?;
        let actor = previews.local_operator().await?;
        let repository = Repository::open(&data.join("demo/catalyst-demo/hello"))?;
        ensure_project(&previews, &actor, &repository).await?;

        let action = match self.action {
            Action::Open => {
                repository.commit_to_branch(self.number)?;
                "opened"
            }
            Action::Push => {
                repository.commit_to_branch(self.number)?;
                "synchronize"
            }
            Action::Close => "closed",
        };
        let head = repository.head(self.number)?;
        let sent = Instant::now();
        deliver(
            &common,
            &data,
            &payload(action, self.number, &head, &repository)?,
        )
        .await?;
        println!(
            "Delivered pull_request.{action} of {REPOSITORY}#{} at {}.",
            self.number,
            &head.sha[..7]
        );
        if self.no_wait {
            return Ok(());
        }
        match self.action {
            Action::Close => {
                wait_for(|| async {
                    let gone = find(&previews, &actor, self.number).await?.is_none();
                    Ok(gone.then_some(()))
                })
                .await
                .context("the preview is still there")?;
                println!(
                    "Removed {:.1} s after the webhook.",
                    sent.elapsed().as_secs_f64()
                );
            }
            Action::Open | Action::Push => {
                let url = wait_for(|| async {
                    let Some(preview) = find(&previews, &actor, self.number).await? else {
                        return Ok(None);
                    };
                    if preview.commit == head.sha
                        && preview.status == catalyst_model::state::PreviewStatus::Failed
                    {
                        anyhow::bail!(
                            "the preview failed: {}",
                            preview.message.as_deref().unwrap_or("its page says why")
                        );
                    }
                    let Some(url) = preview.url else {
                        return Ok(None);
                    };
                    let shown = client::get(&url)
                        .await
                        .is_ok_and(|page| page.contains(&head.heading));
                    Ok(shown.then_some(url))
                })
                .await
                .context("the preview does not show the commit")?;
                println!(
                    "Ready {:.1} s after the webhook.",
                    sent.elapsed().as_secs_f64()
                );
                println!("Preview:    {url}");
            }
        }
        Ok(())
    }
}

async fn ensure_project(
    previews: &Previews,
    actor: &Actor,
    repository: &Repository,
) -> anyhow::Result<()> {
    let present = previews.projects(actor).await?;
    if present
        .iter()
        .any(|project| project.team == TEAM && project.name == PROJECT)
    {
        return Ok(());
    }
    let new = NewProject {
        team: TEAM.to_owned(),
        name: PROJECT.to_owned(),
        repository: REPOSITORY.to_owned(),
        clone_url: Some(repository.url()),
        branch: "main".to_owned(),
        installation_id: None,
        cluster: None,
        preset: None,
    };
    previews.create_project(actor, new).await?;
    // Webhooks about it count once the server has seen it too.
    wait_for(|| async {
        let projects = previews.projects(actor).await?;
        Ok(projects
            .iter()
            .any(|p| p.team == TEAM && p.name == PROJECT)
            .then_some(()))
    })
    .await
    .context("the server did not take up the project")
}

async fn find(
    previews: &Previews,
    actor: &Actor,
    number: u64,
) -> anyhow::Result<Option<PreviewSummary>> {
    let filter = PreviewFilter {
        repository: Some(REPOSITORY.to_owned()),
        limit: 500,
        ..PreviewFilter::default()
    };
    let list = previews.list(actor, &filter).await?;
    Ok(list
        .previews
        .into_iter()
        .find(|preview| preview.number == Some(number)))
}

/// Asks again and again, until there is an answer or the patience ends.
async fn wait_for<T, F>(mut ask: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Option<T>>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "gave up after {} s",
            PATIENCE.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The event as GitHub would send it, in the parts that are read.
fn payload(
    action: &str,
    number: u64,
    head: &repository::Head,
    repository: &Repository,
) -> anyhow::Result<serde_json::Value> {
    let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let closed = action == "closed";
    let repo = json!({
        "id": 1_000_001,
        "name": "hello",
        "full_name": REPOSITORY,
        "private": false,
        "fork": false,
        "default_branch": "main",
        "html_url": format!("https://github.com/{REPOSITORY}"),
        "clone_url": repository.url(),
        "owner": { "login": "catalyst-demo", "id": 1 }
    });
    Ok(json!({
        "action": action,
        "number": number,
        "pull_request": {
            "id": 2_000_000 + number,
            "number": number,
            "state": if closed { "closed" } else { "open" },
            "title": "Greet the visitor",
            "html_url": format!("https://github.com/{REPOSITORY}/pull/{number}"),
            "draft": false,
            "merged": false,
            "created_at": now,
            "updated_at": now,
            "closed_at": closed.then_some(&now),
            "merged_at": null,
            "labels": [],
            "user": { "login": "you", "id": 2 },
            "head": { "ref": head.branch, "sha": head.sha, "label": format!("catalyst-demo:{}", head.branch), "repo": repo, "user": { "login": "you", "id": 2 } },
            "base": { "ref": "main", "sha": repository.main()?, "label": "catalyst-demo:main", "repo": repo, "user": { "login": "you", "id": 2 } }
        },
        "repository": repo,
        "sender": { "login": "you", "id": 2 }
    }))
}

/// Signs the event and posts it to the server's webhook, as GitHub does.
async fn deliver(
    common: &Common,
    data: &std::path::Path,
    event: &serde_json::Value,
) -> anyhow::Result<()> {
    let secret = match std::env::var("GITHUB_WEBHOOK_SECRET") {
        Ok(secret) if !secret.is_empty() => secret.into(),
        _ => wiring::local_webhook_secret(data)?,
    };
    let url = format!("http://{}/api/github/webhook", common.listen);
    client::post_signed(&url, "pull_request", &secret, serde_json::to_vec(event)?).await
}
