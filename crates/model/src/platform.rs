//! A project's platform as its pages show it: how it is run, and what runs of it.

use serde::{Deserialize, Serialize};

use crate::secrets::SecretView;
use crate::state::Phase;
use crate::views::{ConditionView, PodView};

/// Everything that a project's page shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectPlatform {
    /// What stands for it in addresses: the namespace of its Environments.
    pub slug: String,
    /// The team's name.
    pub team: String,
    /// The project's name.
    pub name: String,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// The GitHub App's installation that private repositories are read by, or `pat`.
    pub installation: Option<String>,
    /// Its repositories, the first one first.
    pub sources: Vec<SourceView>,
    /// How its pull requests are run.
    pub run: RunView,
    /// How each type of Environment is run, by type.
    pub templates: Vec<TemplateView>,
    /// Its Environments, by type and name.
    pub environments: Vec<EnvironmentBrief>,
    /// The secrets of every level, by level and name.
    pub secrets: Vec<SecretView>,
    /// Whether the one who looks may write and remove secrets.
    pub may_write_secrets: bool,
    /// Whether secrets can be kept here at all.
    pub keeps_secrets: bool,
}

/// A source of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceView {
    /// The name that Environments call it by.
    pub name: String,
    /// What `git clone` is given.
    pub url: String,
    /// The branch that is run where no commit is named.
    pub branch: String,
}

/// How a project's pull requests are run, as far as its team says so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
    /// What was found out from the repository lately, how sure that is, and why.
    pub found: Option<String>,
    /// What it could be instead.
    pub alternatives: Vec<RunAlternative>,
    /// What the team says instead.
    pub said: RunOverride,
    /// Why it cannot be said here.
    pub fixed: Option<String>,
    /// Whether the one who looks may say it.
    pub may_change: bool,
}

/// A way to run a repository, to be said in one go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunAlternative {
    /// What a person would call it.
    pub words: String,
    /// What is said then.
    pub run: RunOverride,
}

/// What a team says of how its repository is run. What is empty is found out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOverride {
    /// The command, as it would be typed into a shell.
    pub command: Option<String>,
    /// Where it listens.
    pub port: Option<u16>,
    /// The folder, relative to the repository's root.
    pub path: Option<String>,
}

/// How Environments of one type are run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateView {
    /// The type.
    pub name: String,
    /// `managed`, `helm`, …
    pub kind: String,
    /// What the operator uses, as YAML; none: it finds out from the repository.
    pub configuration: Option<String>,
}

/// One Environment, in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentBrief {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// The namespace that it runs in.
    pub namespace: String,
    /// The operator's word for how far it is.
    pub phase: Phase,
    /// Where it answers, once it does.
    pub url: Option<String>,
    /// The branch of its first source.
    pub branch: Option<String>,
    /// The commit of its first source.
    pub commit: Option<String>,
    /// The preview that it belongs to.
    pub preview: Option<String>,
}

/// Everything that an Environment's page shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentPage {
    /// The slug of its project.
    pub project: String,
    /// The Environment.
    pub brief: EnvironmentBrief,
    /// What its status says, in the order of its life.
    pub conditions: Vec<ConditionView>,
    /// Its pods, newest first.
    pub pods: Vec<PodView>,
    /// The names of the secrets that it gets.
    pub secrets: Vec<String>,
}
