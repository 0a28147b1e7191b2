//! What tools answer, with its schema. Times are RFC 3339 in UTC; null means: there is none, or it is
//! not known.

mod environment;

use catalyst_model::{
    namespaces::{NamespaceKind, NamespaceView},
    usage::PreviewUsage,
    views::{EventView, PodView, PreviewSummary, ProjectView},
};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

pub use environment::Environment;

/// The answer of `list_preview_environments`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct List {
    /// Always true; a refusal is marked as an error instead.
    pub success: bool,
    /// The last changed first.
    pub environments: Vec<Row>,
    /// How many are told here.
    pub count: usize,
    /// How many there are that fit what was asked for.
    pub total: u32,
}

/// The answer of `get_preview_environment`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct One {
    /// Always true; a refusal is marked as an error instead.
    pub success: bool,
    /// The preview.
    pub environment: Environment,
}

/// A preview in a list.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its id, stable over pushes.
    pub id: String,
    /// The Kubernetes namespace that it runs in.
    pub namespace: String,
    /// pending, deploying, running, failed or deleting.
    pub status: String,
    /// Where it answers.
    pub public_url: Option<String>,
    /// The pull request's branch.
    pub branch: String,
    /// The newest commit that was asked for.
    pub commit_sha: String,
    /// What happens at the moment or went wrong.
    pub message: Option<String>,
    /// Why nothing runs yet although nothing is wrong.
    pub blocked: Option<String>,
    /// The team that owns it.
    pub team: String,
    /// The project that it belongs to.
    pub project: String,
    /// The pull request.
    pub pull_request: PullRequest,
    /// The repository.
    pub repo: Repo,
    /// When it was first asked for.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Whole days since it was first asked for.
    pub age_days: i64,
    /// Whether it uses more than it should; null: not measured.
    pub is_exceeding_quota: Option<bool>,
    /// What it uses; null: not measured.
    pub resource_usage: Option<ResourceUsage>,
}

/// What a preview uses, and its limits.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceUsage {
    /// Thousandths of a core.
    pub cpu_millicores: u64,
    /// Mebibytes.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: u64,
    /// How much CPU it is meant to use, in thousandths of a core.
    pub cpu_limit: u64,
    /// How much memory it is meant to use, in mebibytes.
    pub memory_limit: u64,
}

/// A pull request.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PullRequest {
    /// Its number; null for a preview made by hand.
    pub number: Option<u64>,
    /// Its title, as its author wrote it.
    pub title: String,
    /// Its page.
    pub url: Option<String>,
    /// Who opened it.
    pub author: Option<String>,
}

/// A repository.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Repo {
    /// Its name.
    pub name: String,
    /// OWNER/NAME.
    pub full_name: String,
}

impl Row {
    /// The row of a preview, `now`.
    pub fn of(it: PreviewSummary, now: DateTime<Utc>) -> Self {
        Self {
            status: it.status.as_str().to_owned(),
            repo: Repo::of(&it.repository),
            age_days: (now - it.created_at).num_days(),
            is_exceeding_quota: it.usage.as_ref().map(PreviewUsage::is_exceeding),
            resource_usage: it.usage.as_ref().map(ResourceUsage::of),
            id: it.id,
            namespace: it.namespace,
            public_url: it.url,
            branch: it.branch,
            commit_sha: it.commit,
            message: it.message,
            blocked: it.blocked,
            team: it.team,
            project: it.project,
            pull_request: PullRequest {
                number: it.number,
                title: it.title,
                url: it.pull_request_url,
                author: it.author,
            },
            created_at: it.created_at,
            updated_at: it.updated_at,
        }
    }
}

impl ResourceUsage {
    /// As measured last.
    fn of(usage: &PreviewUsage) -> Self {
        Self {
            cpu_millicores: usage.used.cpu_millicores,
            memory_mib: usage.used.memory_mib,
            cpu_limit: usage.cpu_limit,
            memory_limit: usage.memory_limit,
        }
    }
}

impl Repo {
    fn of(full_name: &str) -> Self {
        let name = full_name.rsplit('/').next().unwrap_or(full_name);
        Self {
            name: name.to_owned(),
            full_name: full_name.to_owned(),
        }
    }
}

/// The answer of `get_preview_logs`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Logs {
    /// Always true; a refusal is marked as an error instead.
    pub success: bool,
    /// The lines, oldest first.
    pub logs: String,
    /// How many lines these are.
    pub lines: usize,
    /// Whether earlier lines, or ends of long ones, were left out for want of room.
    pub truncated: bool,
}

/// The answer of a tool that changes something.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// Always true; a refusal is marked as an error instead.
    pub success: bool,
    /// What happens now.
    pub message: String,
}

impl Done {
    /// It is done, or on its way.
    pub fn saying(message: String) -> Self {
        Self {
            success: true,
            message,
        }
    }
}

/// The answer of `get_projects`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Projects {
    /// Always true; a refusal is marked as an error instead.
    pub success: bool,
    /// By team and name.
    pub projects: Vec<Project>,
    /// How many these are.
    pub count: usize,
}

/// A project.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// The team that owns it.
    pub team: String,
    /// Its name.
    pub name: String,
    /// Its repositories, OWNER/NAME each.
    pub repositories: Vec<String>,
    /// The cluster that its previews live in, where that is known.
    pub cluster: Option<String>,
    /// How many previews it has now.
    pub previews: u32,
    /// What is wrong with it.
    pub problem: Option<String>,
}

impl Project {
    /// As agents see it.
    pub fn of(it: ProjectView) -> Self {
        Self {
            team: it.team,
            name: it.name,
            repositories: it.repositories,
            cluster: it.cluster,
            previews: it.previews,
            problem: it.problem,
        }
    }
}

/// The answer of `getNamespaces`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Namespaces {
    /// Always true; a refusal is marked as an error instead.
    pub success: bool,
    /// The cluster that they are in.
    pub cluster: String,
    /// By name.
    pub namespaces: Vec<Namespace>,
    /// How many these are.
    pub count: usize,
}

/// A namespace.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// team, project or environment: what it is for.
    pub kind: &'static str,
    /// The team it belongs to.
    pub team: String,
    /// The project it belongs to.
    pub project: Option<String>,
    /// The id of the preview that runs in it.
    pub pod_id: Option<String>,
}

impl Namespace {
    /// As agents see it.
    pub fn of(it: NamespaceView) -> Self {
        Self {
            name: it.name,
            kind: match it.kind {
                NamespaceKind::Team => "team",
                NamespaceKind::Project => "project",
                NamespaceKind::Environment => "environment",
            },
            team: it.team,
            project: it.project,
            pod_id: it.preview,
        }
    }
}

/// The answer of `getNamespace`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OneNamespace {
    /// Always true; a refusal is marked as an error instead.
    pub success: bool,
    /// The namespace.
    pub namespace: Contents,
}

/// A namespace and what is in it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contents {
    /// Its name and place.
    #[serde(flatten)]
    pub place: Namespace,
    /// The cluster that it is in.
    pub cluster: String,
    /// Active or Terminating; null while it is not there yet.
    pub phase: Option<String>,
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
    /// Newest first; null where not asked for.
    pub pods: Option<Vec<Pod>>,
    /// Newest first, at most 50; null where not asked for.
    pub events: Option<Vec<Event>>,
}

/// A pod.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its phase, or the reason that stands in for it.
    pub status: String,
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
    /// Init containers first, in the order in which they run.
    pub containers: Vec<Container>,
}

/// A container.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Whether it runs before the others, to its end.
    pub init: bool,
    /// Its image.
    pub image: String,
    /// waiting, running or terminated.
    pub state: String,
    /// Why it waits or ended.
    pub reason: Option<String>,
    /// With what it ended.
    pub exit_code: Option<i32>,
    /// How often it was started again.
    pub restarts: u32,
    /// Whether it passes its readiness probe.
    pub ready: bool,
}

impl Pod {
    /// As agents see it.
    pub fn of(it: PodView) -> Self {
        let containers = it.containers.into_iter().map(|it| Container {
            name: it.name,
            init: it.init,
            image: it.image,
            state: it.state,
            reason: it.reason,
            exit_code: it.exit_code,
            restarts: it.restarts,
            ready: it.ready,
        });
        Self {
            containers: containers.collect(),
            name: it.name,
            status: it.status,
            created_at: it.created_at,
        }
    }

    /// Whether all of it that goes on running is ready.
    pub fn is_ready(&self) -> bool {
        let mut main = self.containers.iter().filter(|it| !it.init).peekable();
        main.peek().is_some() && main.all(|it| it.ready)
    }
}

/// A Kubernetes event.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When it was last seen.
    pub at: DateTime<Utc>,
    /// Whether it warns.
    pub warning: bool,
    /// A word for programs.
    pub reason: String,
    /// What it is about, as Kind/name.
    pub object: String,
    /// A sentence.
    pub message: String,
    /// How often it was seen.
    pub count: u32,
}

impl Event {
    /// As agents see it.
    pub fn of(it: EventView) -> Self {
        Self {
            at: it.at,
            warning: it.warning,
            reason: it.reason,
            object: it.object,
            message: it.message,
            count: it.count,
        }
    }
}
