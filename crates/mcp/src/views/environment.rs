//! One preview, with everything that its page in the dashboard shows.

use catalyst_model::{
    state::PreviewStatus,
    usage::PreviewUsage,
    views::{DeploymentResult, PreviewDetail, StepState},
};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Event, Pod, PullRequest, Repo, ResourceUsage};

/// A preview.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// Its id, stable over pushes.
    pub id: String,
    /// The Kubernetes namespace that it runs in.
    pub namespace: String,
    /// What Catalyst has written down: pending, deploying, running, failed or deleting.
    pub db_status: String,
    /// What the cluster says.
    pub k8s_status: KubernetesStatus,
    /// Where it answers.
    pub public_url: Option<String>,
    /// The name of its Kubernetes Deployment, once there are pods.
    pub deployment_name: Option<String>,
    /// The pull request's branch.
    pub branch: String,
    /// The newest commit that was asked for.
    pub commit_sha: String,
    /// The commit that the URL answers with now.
    pub serving_commit_sha: Option<String>,
    /// What went wrong.
    pub error_message: Option<String>,
    /// Why nothing runs yet although nothing is wrong.
    pub blocked: Option<String>,
    /// How the source is run, in words.
    pub runs: Option<String>,
    /// The team that owns it.
    pub team: String,
    /// The project that it belongs to.
    pub project: String,
    /// The cluster that it is in.
    pub cluster: String,
    /// The pull request.
    pub pull_request: PullRequest,
    /// The repository.
    pub repo: Repo,
    /// When it was first asked for.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was removed.
    pub deleted_at: Option<DateTime<Utc>>,
    /// What the token's owner may do with it now.
    pub allowed: Allowed,
    /// The way from the push to an answering URL.
    pub steps: Vec<Step>,
    /// The conditions of the Environment in the cluster.
    pub conditions: Vec<Condition>,
    /// Whether it uses more than it should; null: not measured.
    pub is_exceeding_quota: Option<bool>,
    /// What it uses; null: not measured.
    pub resource_usage: Option<ResourceUsage>,
    /// Why it is not known what it uses.
    pub unmeasured: Option<String>,
    /// When it ends by itself; null: with its pull request.
    pub expires_at: Option<DateTime<Utc>>,
    /// Its pods, newest first.
    pub pods: Vec<Pod>,
    /// What Kubernetes reports, newest first.
    pub events: Vec<Event>,
    /// Every deployment so far, newest first.
    pub deployments: Vec<Deployment>,
}

/// What the cluster says about a preview.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesStatus {
    /// Whether it answers at the newest commit.
    pub ready: bool,
    /// The Environment's phase; null: not known.
    pub status: Option<String>,
    /// How many pods there are.
    pub replicas: usize,
    /// How many of them are ready.
    pub ready_replicas: usize,
    /// What is wrong.
    pub error: Option<String>,
}

/// What may be done.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Allowed {
    /// retry_preview_deployment.
    pub retry: bool,
    /// delete_preview_environment.
    pub delete: bool,
}

/// A step of a deployment.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its name.
    pub name: String,
    /// waiting, running, done or failed.
    pub state: &'static str,
    /// What it does, did, or failed at.
    pub detail: Option<String>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A condition.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// True, False or Unknown.
    pub status: String,
    /// A word for programs.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// A deployment of one commit.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// The commit.
    pub commit_sha: String,
    /// From 1, counted up by each retry of the same commit.
    pub attempt: u32,
    /// deploying, ready, failed, superseded or cancelled.
    pub result: &'static str,
    /// Why it failed or was replaced.
    pub message: Option<String>,
    /// When it was asked for.
    pub started_at: DateTime<Utc>,
    /// When it was decided.
    pub finished_at: Option<DateTime<Utc>>,
}

impl Environment {
    /// As agents see it.
    pub fn of(detail: PreviewDetail) -> Self {
        let it = detail.summary;
        let failed = it.status == PreviewStatus::Failed;
        let mut own = detail.pods.iter().filter(|pod| pod.job.is_none());
        let deployment_name = own.find_map(|pod| deployment_of(&pod.name));
        let pods: Vec<Pod> = detail.pods.into_iter().map(Pod::of).collect();
        let conditions: Vec<Condition> = detail
            .conditions
            .into_iter()
            .map(|it| Condition {
                kind: it.kind,
                status: it.status,
                reason: it.reason,
                message: it.message,
            })
            .collect();
        let unready = conditions
            .iter()
            .find(|it| failed && it.kind == "Ready" && it.status == "False");
        let error = unready.map(|it| it.message.clone());
        let error_message = it.message.filter(|_| failed);
        Self {
            k8s_status: KubernetesStatus {
                ready: it.status == PreviewStatus::Running,
                status: it.phase.map(|phase| phase.as_str().to_owned()),
                replicas: pods.len(),
                ready_replicas: pods.iter().filter(|pod| pod.is_ready()).count(),
                error: error.or_else(|| error_message.clone()),
            },
            db_status: it.status.as_str().to_owned(),
            deployment_name,
            repo: Repo::of(&it.repository),
            id: it.id,
            namespace: it.namespace,
            public_url: it.url,
            branch: it.branch,
            commit_sha: it.commit,
            serving_commit_sha: it.serving_commit,
            error_message,
            blocked: it.blocked,
            runs: detail.runs,
            team: it.team,
            project: it.project,
            cluster: detail.cluster,
            pull_request: PullRequest {
                number: it.number,
                title: it.title,
                url: it.pull_request_url,
                author: it.author,
            },
            created_at: it.created_at,
            updated_at: it.updated_at,
            deleted_at: it.deleted_at,
            allowed: Allowed {
                retry: detail.allowed.retry,
                delete: detail.allowed.delete,
            },
            steps: detail
                .steps
                .into_iter()
                .map(|it| Step {
                    name: it.name,
                    state: match it.state {
                        StepState::Waiting => "waiting",
                        StepState::Running => "running",
                        StepState::Done => "done",
                        StepState::Failed => "failed",
                    },
                    detail: it.detail,
                    started_at: it.started_at,
                    finished_at: it.finished_at,
                })
                .collect(),
            conditions,
            is_exceeding_quota: it.usage.as_ref().map(PreviewUsage::is_exceeding),
            resource_usage: it.usage.as_ref().map(ResourceUsage::of),
            unmeasured: detail.unmeasured,
            expires_at: it.expires_at,
            pods,
            events: detail.events.into_iter().map(Event::of).collect(),
            deployments: detail
                .deployments
                .into_iter()
                .map(|it| Deployment {
                    commit_sha: it.commit,
                    attempt: it.attempt,
                    result: match it.result {
                        DeploymentResult::Deploying => "deploying",
                        DeploymentResult::Ready => "ready",
                        DeploymentResult::Failed => "failed",
                        DeploymentResult::Superseded => "superseded",
                        DeploymentResult::Cancelled => "cancelled",
                    },
                    message: it.message,
                    started_at: it.started_at,
                    finished_at: it.finished_at,
                })
                .collect(),
        }
    }
}

/// A Deployment's pods are called after it, its ReplicaSet's hash and five letters of their own.
fn deployment_of(pod: &str) -> Option<String> {
    let (rest, own) = pod.rsplit_once('-')?;
    let (name, hash) = rest.rsplit_once('-')?;
    let plausible = own.len() == 5 && (6..=10).contains(&hash.len());
    plausible.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::deployment_of;

    #[test]
    fn a_deployment_is_known_by_its_pods() {
        assert_eq!(
            deployment_of("web-7d4b9c6f5d-x2x9z").as_deref(),
            Some("web")
        );
        assert_eq!(
            deployment_of("my-web-7d4b9c6f5-abcde").as_deref(),
            Some("my-web")
        );
        for other in ["postgres-0", "inspect-abcde", "web"] {
            assert_eq!(deployment_of(other), None, "{other}");
        }
    }
}
