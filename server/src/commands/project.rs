//! `catalyst project …`.

#![allow(clippy::print_stdout, reason = "a command's output")]

use catalyst_crd::Preset;
use catalyst_previews::NewProject;
use clap::Subcommand;

use crate::{settings::Common, wiring};

/// Projects, as the command line sees them.
#[derive(Subcommand)]
pub enum ProjectCommand {
    /// Make a project: its repository's pull requests get previews from then on.
    Create {
        /// The team that owns it: lower-case letters, digits and hyphens.
        #[arg(long)]
        team: String,
        /// The project's name: lower-case letters, digits and hyphens.
        #[arg(long)]
        name: String,
        /// The repository on GitHub, OWNER/NAME.
        #[arg(long)]
        repository: String,
        /// What `git clone` is given [default: https://GITHUB/OWNER/NAME.git].
        #[arg(long)]
        clone_url: Option<String>,
        /// The branch that is run where no commit is named.
        #[arg(long, default_value = "main")]
        branch: String,
        /// The cluster that its previews are to live in [default: the default cluster].
        #[arg(long = "cluster", id = "project_cluster", value_name = "NAME")]
        cluster: Option<String>,
        /// How its previews are run [default: found out from the repository].
        #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(Preset::ALL.map(Preset::name)))]
        preset: Option<String>,
    },
    /// List the projects.
    List,
}

impl ProjectCommand {
    /// Does it, as the operator of this machine.
    pub async fn run(self, common: Common) -> anyhow::Result<()> {
        let previews = wiring::previews_of_running_server(&common).await?;
        let actor = previews.local_operator().await?;
        match self {
            Self::Create {
                team,
                name,
                repository,
                clone_url,
                branch,
                cluster,
                preset,
            } => {
                let new = NewProject {
                    team,
                    name,
                    repository,
                    clone_url,
                    branch,
                    installation_id: None,
                    cluster,
                    preset,
                };
                let project = previews.create_project(&actor, new).await?;
                println!(
                    "Project {}/{} is there: pull requests of {} get previews.",
                    project.team,
                    project.name,
                    project.repositories.join(", ")
                );
            }
            Self::List => {
                let projects = previews.projects(&actor).await?;
                println!(
                    "{:<20} {:<20} {:<16} {:>8}  REPOSITORIES",
                    "TEAM", "PROJECT", "CLUSTER", "PREVIEWS"
                );
                for project in projects {
                    println!(
                        "{:<20} {:<20} {:<16} {:>8}  {}",
                        project.team,
                        project.name,
                        project.cluster.unwrap_or_default(),
                        project.previews,
                        project.repositories.join(", ")
                    );
                }
            }
        }
        Ok(())
    }
}
