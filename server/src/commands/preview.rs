//! `catalyst preview …`.

#![allow(clippy::print_stdout, reason = "a command's output")]

use catalyst_model::views::{PreviewFilter, PreviewSource, PreviewSummary};
use catalyst_previews::NewManualPreview;
use clap::{Args, Subcommand};

use crate::{
    settings::{Common, Keeping},
    wiring,
};

/// Previews that belong to no pull request, as the command line sees them.
#[derive(Subcommand)]
pub enum PreviewCommand {
    /// Make a preview of a branch, a commit or an image. It is removed after a time.
    Create(Box<Create>),
    /// Keep a preview for longer: its time begins anew.
    Extend {
        /// Its id or its namespace.
        preview: String,
        #[command(flatten)]
        keeping: Keeping,
    },
    /// List the previews that were made by hand.
    List,
}

/// What to make a preview of.
#[derive(Args)]
pub struct Create {
    /// The project's team.
    #[arg(long)]
    team: String,
    /// The project.
    #[arg(long)]
    project: String,
    /// Which of the project's repositories, OWNER/NAME [default: its first].
    #[arg(long)]
    repository: Option<String>,
    /// The branch [default: the one that the project names].
    #[arg(long)]
    branch: Option<String>,
    /// A commit, 40 hexadecimal digits [default: the newest of the branch].
    #[arg(long, conflicts_with = "image")]
    commit: Option<String>,
    /// An image to run as it is, instead of the repository.
    #[arg(long)]
    image: Option<String>,
    /// The port that the image listens on [default: 3000].
    #[arg(long, requires = "image")]
    port: Option<u16>,
    /// What to call it [default: a name that is made up].
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    keeping: Keeping,
}

impl PreviewCommand {
    /// Does it, as the operator of this machine.
    pub async fn run(self, common: Common) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(&common).await,
            Self::Extend { preview, keeping } => {
                let previews =
                    wiring::previews_beside_server(&common, |it| keeping.apply(it)).await?;
                let actor = previews.local_operator().await?;
                let until = previews.extend(&actor, &preview).await?;
                println!("Preview {preview} is kept until {until}.");
                Ok(())
            }
            Self::List => {
                let previews = wiring::previews_of_running_server(&common).await?;
                let actor = previews.local_operator().await?;
                let filter = PreviewFilter {
                    source: Some(PreviewSource::Manual),
                    limit: 500,
                    ..PreviewFilter::default()
                };
                let list = previews.list(&actor, &filter).await?;
                println!("{:<40} {:<10} {:<22} OF", "NAMESPACE", "STATUS", "ENDS");
                for preview in list.previews {
                    println!("{}", line(&preview));
                }
                Ok(())
            }
        }
    }
}

impl Create {
    async fn run(self, common: &Common) -> anyhow::Result<()> {
        let keeping = self.keeping;
        let previews = wiring::previews_beside_server(common, |it| keeping.apply(it)).await?;
        let actor = previews.local_operator().await?;
        let new = NewManualPreview {
            team: self.team,
            project: self.project,
            repository: self.repository,
            branch: self.branch,
            commit: self.commit,
            image: self.image,
            port: self.port,
            name: self.name,
        };
        let made = previews.create_manual(&actor, new).await?;
        println!("{} is on its way: {}.", made.namespace, made.title);
        if let Some(at) = made.expires_at {
            println!(
                "It is removed at {at}, unless you keep it: catalyst preview extend {}",
                made.namespace
            );
        }
        println!("{}/preview-environments/{}", common.public_url(), made.id);
        Ok(())
    }
}

fn line(preview: &PreviewSummary) -> String {
    let ends = preview.expires_at.map_or_else(
        || "–".to_owned(),
        |at| at.format("%Y-%m-%d %H:%M UTC").to_string(),
    );
    format!(
        "{:<40} {:<10} {ends:<22} {} ({})",
        preview.namespace,
        preview.status.as_str(),
        preview.title,
        preview.repository
    )
}
