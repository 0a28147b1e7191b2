//! What a person or an agent is shown: plain data, already authorized, already in words.
//!
//! Times are UTC. Texts that come from a pull request (titles, branches, logs) are unescaped:
//! whoever renders them escapes them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::state::{Phase, PreviewStatus};
use crate::usage::{Capacity, PreviewUsage, Resources, UsageOf};

pub use crate::source::PreviewSource;

/// One preview, as a row of the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewSummary {
    /// The preview's id, stable over pushes.
    pub id: String,
    /// The team that owns the repository.
    pub team: String,
    /// The project that the repository belongs to.
    pub project: String,
    /// `owner/name`.
    pub repository: String,
    /// The pull request's number; none for a preview made by hand.
    pub number: Option<u64>,
    /// The pull request's title, or what was asked for by hand.
    pub title: String,
    /// Whether it belongs to a pull request, or was made by hand.
    #[serde(default)]
    pub source: PreviewSource,
    /// The pull request's page on GitHub.
    pub pull_request_url: Option<String>,
    /// The login of the one who opened the pull request, or made the preview by hand.
    pub author: Option<String>,
    /// The head branch.
    pub branch: String,
    /// The newest commit asked for, 40 hexadecimal digits. By hand it may be empty: for an image,
    /// and for a branch whose newest commit is not known yet.
    pub commit: String,
    /// The image that was asked for instead of a commit, by hand.
    #[serde(default)]
    pub image: Option<String>,
    /// The commit that the URL answers with now, where one does.
    pub serving_commit: Option<String>,
    /// Where its workloads run.
    pub namespace: String,
    /// The store's status.
    pub status: PreviewStatus,
    /// The cluster's phase, as far as it is known.
    pub phase: Option<Phase>,
    /// Why nothing runs yet although nothing is wrong: a fork waits for approval, say.
    pub blocked: Option<String>,
    /// What happens at the moment or went wrong, in one sentence.
    pub message: Option<String>,
    /// Where it answers; present as soon as it is known, whether or not it answers yet.
    pub url: Option<String>,
    /// When the pull request was first seen, or the preview made by hand.
    #[serde(with = "crate::instant")]
    pub created_at: DateTime<Utc>,
    /// When the newest commit was asked for.
    #[serde(with = "crate::instant")]
    pub pushed_at: DateTime<Utc>,
    /// When this row last changed.
    #[serde(with = "crate::instant")]
    pub updated_at: DateTime<Utc>,
    /// When it was removed; such previews appear in the history only.
    #[serde(default, with = "crate::instant::option")]
    pub deleted_at: Option<DateTime<Utc>>,
    /// When it is removed by itself, unless it is pushed to or prolonged before; none for one that
    /// is not.
    #[serde(default, with = "crate::instant::option")]
    pub expires_at: Option<DateTime<Utc>>,
    /// From when on people are told that it will be.
    #[serde(default, with = "crate::instant::option")]
    pub expiry_warning_at: Option<DateTime<Utc>>,
    /// What it uses; none while that was not measured, or cannot be.
    #[serde(default)]
    pub usage: Option<PreviewUsage>,
}

impl PreviewSummary {
    /// How old it is, in whole days.
    #[must_use]
    pub fn age_days(&self, now: DateTime<Utc>) -> u64 {
        u64::try_from((now - self.created_at).num_days()).unwrap_or_default()
    }

    /// Whether it was measured to use more than it is meant to.
    #[must_use]
    pub fn is_exceeding_quota(&self) -> bool {
        self.usage.as_ref().is_some_and(PreviewUsage::is_exceeding)
    }

    /// Whether people should be told that it is going to be removed by itself.
    #[must_use]
    pub fn expires_soon(&self, now: DateTime<Utc>) -> bool {
        self.deleted_at.is_none() && self.expiry_warning_at.is_some_and(|at| at <= now)
    }
}

/// One preview with everything its page shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewDetail {
    /// The row of the list.
    pub summary: PreviewSummary,
    /// Queued, prepared, built, deployed, ready: always these five, in this order.
    pub steps: Vec<Step>,
    /// The Environment's conditions, in the operator's order.
    pub conditions: Vec<ConditionView>,
    /// What Kubernetes reports about its objects, newest first, at most 50.
    pub events: Vec<EventView>,
    /// Every deployment of this pull request, newest first.
    pub deployments: Vec<DeploymentView>,
    /// Its pods, newest first.
    pub pods: Vec<PodView>,
    /// Logs that are kept of containers whose pods are gone, newest first.
    #[serde(default)]
    pub kept_logs: Vec<KeptLogView>,
    /// The name of the cluster it runs in.
    pub cluster: String,
    /// How the source is built and run, in words ("Node.js with npm: npm run dev"), once known.
    pub runs: Option<String>,
    /// What the one who asked may do now.
    pub allowed: Allowed,
    /// Why it is not known what the preview uses, in a sentence; none where it is measured.
    #[serde(default)]
    pub unmeasured: Option<String>,
}

/// The end of a container's log, kept when its pod went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptLogView {
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Whether the container ran before the others, to its end.
    pub init: bool,
    /// What the pod did for Catalyst itself (`inspect`, `build`); none for the project's own.
    pub job: Option<String>,
    /// The commit that it ran, where its label told.
    pub commit: Option<String>,
    /// When its pod went.
    pub kept_at: DateTime<Utc>,
    /// Bytes that are kept, times included.
    pub size: u64,
    /// Whether there was more before them.
    pub cut: bool,
}

/// What the one who asked may do with a preview in its present state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allowed {
    /// Start a failed deployment anew.
    pub retry: bool,
    /// Remove the preview.
    pub delete: bool,
    /// Let a fork's commit run.
    pub approve: bool,
    /// Keep it for longer.
    #[serde(default)]
    pub extend: bool,
}

/// How far a step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Not begun.
    Waiting,
    /// Going on.
    Running,
    /// Finished.
    Done,
    /// Given up.
    Failed,
}

/// A step on the way from a push to an answering URL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// `Queued`, `Prepared`, `Built`, `Deployed` or `Ready`.
    pub name: String,
    /// How far it is.
    pub state: StepState,
    /// What it does, did, or failed at, in a few words.
    pub detail: Option<String>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A condition of the Environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConditionView {
    /// The condition's type, such as `DeploymentReady`.
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// A CamelCase word for machines.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// When `status` last changed.
    pub since: DateTime<Utc>,
}

/// A Kubernetes event, in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    /// When it was last seen.
    pub at: DateTime<Utc>,
    /// Whether it warns.
    pub warning: bool,
    /// A CamelCase word for machines.
    pub reason: String,
    /// What it is about, as `Kind/name`.
    pub object: String,
    /// A sentence for people.
    pub message: String,
    /// How often it was seen.
    pub count: u32,
}

/// One deployment of one commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentView {
    /// The commit, 40 hexadecimal digits.
    pub commit: String,
    /// From 1, counted up by each retry of the same commit.
    pub attempt: u32,
    /// What became of it.
    pub result: DeploymentResult,
    /// Why it failed or was replaced.
    pub message: Option<String>,
    /// When it was asked for.
    pub started_at: DateTime<Utc>,
    /// When it was decided; the duration is the difference.
    pub finished_at: Option<DateTime<Utc>>,
}

/// What became of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeploymentResult {
    /// Under way.
    Deploying,
    /// It became ready.
    Ready,
    /// It was given up.
    Failed,
    /// A newer commit came before it was ready.
    Superseded,
    /// The preview was removed before it was ready.
    Cancelled,
}

/// A pod of a preview.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodView {
    /// The pod's name.
    pub name: String,
    /// Its phase or the reason that stands in for it (`Running`, `CrashLoopBackOff`, …).
    pub status: String,
    /// The commit that it runs, where its label tells.
    pub commit: Option<String>,
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
    /// What it does for Catalyst itself (`inspect`, `build`); none for the project's own pods.
    #[serde(default)]
    pub job: Option<String>,
    /// The node that it runs on, once it has one.
    pub node: Option<String>,
    /// Its addresses within the cluster.
    pub ips: Vec<String>,
    /// Its containers: init ones first, in the order in which they run.
    pub containers: Vec<ContainerView>,
    /// What it uses, as measured last.
    #[serde(default)]
    pub used: Option<Resources>,
}

/// The container that fetches the source. It may hold a credential for that, which is Catalyst's
/// and not the team's.
pub const FETCHES_SOURCE: &str = "git-clone";

impl PodView {
    /// Whether a container of this pod is the project's own, and not one of Catalyst's.
    #[must_use]
    pub fn is_projects_own(&self, container: &ContainerView) -> bool {
        self.job.is_none() && container.name != FETCHES_SOURCE
    }

    /// Whether there is something to open a shell in.
    #[must_use]
    pub fn takes_shell(&self, container: &ContainerView) -> bool {
        container.state == "running" && self.is_projects_own(container)
    }
}

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerView {
    /// Its name within the pod.
    pub name: String,
    /// Whether it runs before the others, to its end.
    pub init: bool,
    /// The image it was asked to run.
    pub image: String,
    /// `waiting`, `running` or `terminated`.
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

/// How many previews there are, by what a person looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewCounts {
    /// All that are not removed.
    pub all: u32,
    /// Those whose URL answers.
    pub running: u32,
    /// Those on their way.
    pub in_progress: u32,
    /// Those that were given up.
    pub failed: u32,
    /// Those that wait for a person's approval.
    pub blocked: u32,
    /// Those that use more than they are meant to, as far as it is measured.
    #[serde(default)]
    pub over_quota: u32,
}

/// The list page: a page of previews, and the counts over all of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewList {
    /// Newest change first.
    pub previews: Vec<PreviewSummary>,
    /// Over all that the one who asked may see, whatever the filter.
    pub counts: PreviewCounts,
    /// How many match the filter, over all pages.
    pub matching: u32,
    /// Why figures of usage are missing, in a sentence; none where they are measured.
    #[serde(default)]
    pub unmeasured: Option<String>,
}

/// How a list is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PreviewOrder {
    /// Newest change first.
    #[default]
    Changed,
    /// What needs a person first.
    Status,
    /// By title, from A.
    Title,
    /// Youngest first.
    Age,
    /// What uses most CPU first.
    Cpu,
    /// What uses most memory first.
    Memory,
}

/// Which previews to list. The default lists the first 100 that are not removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PreviewFilter {
    /// Only these statuses; empty means all.
    pub statuses: Vec<PreviewStatus>,
    /// Only those that wait for approval.
    pub blocked: bool,
    /// Only this repository, `owner/name`.
    pub repository: Option<String>,
    /// Only those that use more than they are meant to.
    pub over_quota: bool,
    /// Only those of pull requests, or only those made by hand.
    pub source: Option<PreviewSource>,
    /// Only those whose title, branch, image, repository, number or namespace contain this text.
    pub search: Option<String>,
    /// List removed previews instead of present ones.
    pub removed: bool,
    /// In which order.
    pub order: PreviewOrder,
    /// The other way round.
    pub reverse: bool,
    /// How many to skip.
    pub offset: u32,
    /// How many to return, at most 500.
    pub limit: u32,
}

impl Default for PreviewFilter {
    fn default() -> Self {
        Self {
            statuses: Vec::new(),
            blocked: false,
            repository: None,
            over_quota: false,
            source: None,
            search: None,
            removed: false,
            order: PreviewOrder::Changed,
            reverse: false,
            offset: 0,
            limit: 100,
        }
    }
}

/// A webhook delivery and what Catalyst made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryView {
    /// GitHub's id of the delivery (`X-GitHub-Delivery`).
    pub id: String,
    /// The event's name (`X-GitHub-Event`).
    pub event: String,
    /// The event's action, where it has one.
    pub action: Option<String>,
    /// `owner/name`, where the event is about a repository.
    pub repository: Option<String>,
    /// The pull request's number, where it is about one.
    pub number: Option<u64>,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
    /// When it was worked off.
    pub processed_at: Option<DateTime<Utc>>,
    /// `deploy`, `tear down`, `skip`, `block` or `noted`; none while it waits.
    pub decision: Option<String>,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// What went wrong in working it off, and how often it was tried.
    pub error: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectView {
    /// The team's name.
    pub team: String,
    /// The project's name.
    pub name: String,
    /// Its repositories, `owner/name`, the first one first.
    pub repositories: Vec<String>,
    /// How many previews it has now.
    pub previews: u32,
    /// What is wrong with its Project object, if anything.
    pub problem: Option<String>,
    /// The cluster in which its previews live, where that is known.
    pub cluster: Option<String>,
}

/// What those who run Catalyst look at.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationsView {
    /// Counts over all teams.
    pub counts: PreviewCounts,
    /// Removals that were given up after all their tries.
    pub failed_cleanups: Vec<FailedCleanup>,
    /// Deliveries that were given up after all their tries.
    pub failed_deliveries: Vec<DeliveryView>,
    /// Deliveries that wait to be worked off.
    pub queued_deliveries: u32,
    /// Sentences on what does not work as it should here (no sandbox, GitHub not configured, …).
    pub notices: Vec<String>,
    /// The middle of the last 24 hours' times from webhook to ready, in seconds.
    pub median_seconds_to_ready: Option<f64>,
    /// Each team that has a preview, in alphabetical order.
    #[serde(default)]
    pub teams: Vec<TeamOverview>,
    /// The previews that have failed, newest change first, at most 100.
    #[serde(default)]
    pub failing: Vec<PreviewSummary>,
    /// Those that use more than they are meant to, most first, at most 100.
    #[serde(default)]
    pub over_quota: Vec<PreviewSummary>,
    /// Those to which nothing was pushed for [`OperationsView::stale_days`], the longest idle
    /// first, at most 100.
    #[serde(default)]
    pub stale: Vec<PreviewSummary>,
    /// How many there are of those in all.
    #[serde(default)]
    pub stale_count: u32,
    /// After how many days without a push a preview counts as stale.
    #[serde(default)]
    pub stale_days: u32,
    /// Each cluster, in alphabetical order.
    #[serde(default)]
    pub clusters: Vec<ClusterOverview>,
}

/// What a team has, and uses.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TeamOverview {
    /// The team's name.
    pub team: String,
    /// Its previews.
    pub counts: PreviewCounts,
    /// What those that were measured use together.
    pub used: Option<Resources>,
}

/// What a cluster has, and uses.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterOverview {
    /// The cluster's name.
    pub name: String,
    /// Its nodes and what they have; none where the cluster did not tell.
    pub capacity: Option<Capacity>,
    /// What its previews use together, as measured.
    pub previews: Option<Resources>,
    /// What could not be found out, in a sentence.
    pub trouble: Option<String>,
}

/// A removal that was given up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedCleanup {
    /// The preview's id.
    pub id: String,
    /// The namespace that is still there.
    pub namespace: String,
    /// `owner/name#number`.
    pub pull_request: String,
    /// What the last try failed with.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When the last try was.
    pub at: DateTime<Utc>,
}

/// Which log lines to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogQuery {
    /// The pod; none means the newest.
    pub pod: Option<String>,
    /// The container; none means the one that runs or failed last.
    pub container: Option<String>,
    /// How many lines from the end, at most 100,000.
    pub tail_lines: u32,
    /// Only lines of the last so many seconds.
    pub since_seconds: Option<u32>,
    /// Put the time before each line (RFC 3339).
    pub timestamps: bool,
    /// Keep the stream open for new lines.
    pub follow: bool,
    /// The container's run before the present one.
    pub previous: bool,
}

impl Default for LogQuery {
    fn default() -> Self {
        Self {
            pod: None,
            container: None,
            tail_lines: 100,
            since_seconds: None,
            timestamps: true,
            follow: false,
            previous: false,
        }
    }
}

/// A piece of news about the previews that one may see, for the live list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "lowercase")]
pub enum PreviewChange {
    /// It is new, or something that its row shows has changed.
    Changed(Box<PreviewSummary>),
    /// It has left the list.
    Removed {
        /// The preview's id.
        id: String,
    },
    /// What previews were measured to use; the others are unchanged.
    Usage {
        /// Each with its namespace.
        measured: Vec<UsageOf>,
        /// How many use more than they are meant to, of all that one may see.
        #[serde(rename = "overQuota")]
        over_quota: u32,
    },
    /// News were missed: load the list anew.
    Reload,
}

impl PreviewChange {
    /// Reads a piece of news from its JSON; none where that says something else.
    ///
    /// As its `Deserialize` does, but each kind is read by its type, straight from the text: serde would
    /// keep the data in memory until it has seen the kind, and be compiled for that once more.
    #[must_use]
    pub fn read(json: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
        }
        #[derive(Deserialize)]
        struct Data<T> {
            data: T,
        }
        #[derive(Deserialize)]
        struct Removed {
            id: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Usage {
            measured: Vec<UsageOf>,
            over_quota: u32,
        }
        fn data<'a, T: Deserialize<'a>>(json: &'a str) -> Option<T> {
            serde_json::from_str::<Data<T>>(json)
                .ok()
                .map(|read| read.data)
        }
        Some(match serde_json::from_str::<Kind<'_>>(json).ok()?.kind {
            "changed" => Self::Changed(Box::new(data(json)?)),
            "removed" => Self::Removed {
                id: data::<Removed>(json)?.id,
            },
            "usage" => {
                let Usage {
                    measured,
                    over_quota,
                } = data(json)?;
                Self::Usage {
                    measured,
                    over_quota,
                }
            }
            "reload" => Self::Reload,
            _ => return None,
        })
    }
}

/// Who is signed in, for the page's frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Viewer {
    /// The login.
    pub login: String,
    /// The teams, in alphabetical order.
    pub teams: Vec<String>,
    /// Whether they see all teams and the operators' page.
    pub operator: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_read_as_they_are_written() {
        let summary = serde_json::json!({
            "id": "p", "team": "t", "project": "shop", "repository": "a/b", "number": 1, "title": "T",
            "branch": "main", "commit": "", "namespace": "n", "status": "running",
            "createdAt": "2026-04-01T09:30:00Z", "pushedAt": "2026-04-01T09:30:00.5Z",
            "updatedAt": "2026-04-01T09:30:00Z", "expiresAt": "2026-04-02T09:30:00Z",
        });
        let summary: Option<PreviewSummary> = serde_json::from_value(summary).ok();
        let changed = summary.map(|summary| PreviewChange::Changed(Box::new(summary)));
        assert!(changed.is_some());
        let others = [
            PreviewChange::Removed { id: "p".into() },
            PreviewChange::Usage {
                measured: Vec::new(),
                over_quota: 2,
            },
            PreviewChange::Reload,
        ];
        for news in changed.into_iter().chain(others) {
            let json = serde_json::to_string(&news).unwrap_or_default();
            assert_eq!(PreviewChange::read(&json), Some(news.clone()), "{json}");
            assert_eq!(serde_json::from_str(&json).ok(), Some(news), "{json}");
        }
        assert_eq!(PreviewChange::read(r#"{"type":"moved","data":{}}"#), None);
        assert_eq!(PreviewChange::read("{"), None);
    }
}
