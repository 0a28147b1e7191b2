//! Pairs in a cluster: made as the web side makes projects and previews, watched, and removed.

#![allow(clippy::print_stdout, reason = "a command's output")]

use std::fmt;
use std::time::Duration;

use catalyst_cluster::{Cluster, ClusterError};
use catalyst_crd::labels::{MANAGED_BY, NAMESPACE_TYPE, PROJECT, TEAM};
use catalyst_crd::{Environment, Project};
use catalyst_model::state::Phase;
use futures::StreamExt;
use kube::ResourceExt;
use kube::core::NamespaceResourceScope;
use kube::runtime::watcher::Event;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, timeout_at};

use super::MANAGER;
use super::pairs::Pair;
use super::progress::{self, Outcome, Progress};

/// How long each thing that was made may take to be gone.
const REMOVAL: Duration = Duration::from_secs(180);

/// An object that somebody else has made under a name that is needed.
#[derive(Debug, thiserror::Error)]
#[error(
    "{kind} {namespace}/{name} is there already, and `catalyst validate` did not make it: delete it, or give the pair another name"
)]
struct Foreign {
    kind: String,
    namespace: String,
    name: String,
}

/// The pairs, and where they are tried out.
pub struct Stage {
    cluster: Cluster,
    pairs: Vec<Pair>,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let environments: Vec<_> = self
            .pairs
            .iter()
            .map(|pair| {
                format!(
                    "{}/{}",
                    pair.project_namespace(),
                    pair.environment.name_any()
                )
            })
            .collect();
        write!(
            f,
            "Environments {} with their Projects",
            environments.join(", ")
        )
    }
}

impl Stage {
    pub fn new(cluster: Cluster, pairs: Vec<Pair>) -> Self {
        Self { cluster, pairs }
    }

    /// Sees to it that nothing is in the way: what an earlier run removes is waited for.
    ///
    /// # Errors
    /// If something stands under one of the names that was not made here.
    pub async fn clear(&self) -> anyhow::Result<()> {
        for pair in &self.pairs {
            self.make_way(&pair.environment).await?;
            self.make_way(&pair.project).await?;
        }
        Ok(())
    }

    async fn make_way<K: Made>(&self, wanted: &K) -> anyhow::Result<()> {
        let (namespace, name) = (wanted.namespace().unwrap_or_default(), wanted.name_any());
        let objects = self.cluster.objects::<K>();
        let Some(present) = objects.get(&namespace, &name).await? else {
            return Ok(());
        };
        if !is_ours(&present) {
            let kind = K::kind(&()).into_owned();
            return Err(Foreign {
                kind,
                namespace,
                name,
            }
            .into());
        }
        if present.meta().deletion_timestamp.is_some() {
            objects.until_gone(&namespace, &name, REMOVAL).await?;
        }
        Ok(())
    }

    /// Makes all of them, and follows each until it is ready or has failed, or `patience` ends.
    pub async fn try_out(&self, patience: Duration) -> anyhow::Result<Vec<Outcome>> {
        let begun = Instant::now();
        for pair in &self.pairs {
            self.make(pair).await.map_err(explained)?;
        }
        Ok(self.follow(begun, begun + patience).await)
    }

    async fn make(&self, pair: &Pair) -> Result<(), ClusterError> {
        let project = pair.project.name_any();
        let of_team = [(NAMESPACE_TYPE, "team"), (TEAM, pair.team.as_str())];
        self.ensure_namespace(&pair.team_namespace(), &of_team)
            .await?;
        let of_project = [
            (NAMESPACE_TYPE, "project"),
            (TEAM, pair.team.as_str()),
            (PROJECT, project.as_str()),
        ];
        self.ensure_namespace(&pair.project_namespace(), &of_project)
            .await?;
        self.cluster.objects().apply(MANAGER, &pair.project).await?;
        self.cluster
            .objects()
            .apply(MANAGER, &pair.environment)
            .await?;
        Ok(())
    }

    /// One that is new is marked, to be removed again; one that is there stays.
    async fn ensure_namespace(
        &self,
        name: &str,
        labels: &[(&str, &str)],
    ) -> Result<(), ClusterError> {
        let mut labels = labels.to_vec();
        let present = self.cluster.namespace(name).await?;
        let is_going = |it: &kube::api::ObjectMeta| it.deletion_timestamp.is_some();
        if present.as_ref().is_some_and(|it| is_going(&it.metadata)) {
            self.cluster.until_namespace_is_gone(name, REMOVAL).await?;
        }
        if present.is_none_or(|it| is_going(&it.metadata)) {
            labels.push((MANAGED_BY, MANAGER));
        }
        self.cluster.ensure_namespace(name, &labels).await
    }

    async fn follow(&self, begun: Instant, deadline: Instant) -> Vec<Outcome> {
        let outcome = |pair: &Pair| Outcome {
            name: pair.name.clone(),
            kind: pair.kind().to_owned(),
            ..Outcome::default()
        };
        let mut outcomes: Vec<Outcome> = self.pairs.iter().map(outcome).collect();
        let mut changes = std::pin::pin!(self.cluster.watch_environments());
        while !outcomes.iter().all(|it| it.progress.is_final()) {
            let Ok(Some(change)) = timeout_at(deadline, changes.next()).await else {
                break;
            };
            let (environment, progress) = match change {
                Ok(Event::Apply(it) | Event::InitApply(it)) => {
                    let progress = progress::read(&it);
                    (it, progress)
                }
                Ok(Event::Delete(it)) => (it, deleted()),
                Ok(Event::Init | Event::InitDone) => continue,
                Err(error) => {
                    tracing::warn!(error = catalyst_cluster::chain(&error), "it is watched on");
                    continue;
                }
            };
            for (pair, outcome) in self.pairs.iter().zip(&mut outcomes) {
                if is_same(&pair.environment, &environment) && outcome.progress != progress {
                    outcome.after = begun.elapsed();
                    let seconds = outcome.after.as_secs_f64();
                    println!("{seconds:>7.1} s  {:<12} {}", pair.name, progress.line());
                    outcome.progress = progress.clone();
                }
            }
        }
        for outcome in outcomes.iter_mut().filter(|it| !it.progress.is_final()) {
            outcome.after = begun.elapsed();
        }
        outcomes
    }

    /// Removes what was made, the namespaces last, and waits until it is gone. Whatever somebody
    /// else has put beside it stays, and what holds that.
    pub async fn remove(&self) -> anyhow::Result<()> {
        let environments = self.pairs.iter().map(|pair| &pair.environment);
        self.remove_all(environments.collect()).await?;
        let projects = self.pairs.iter().map(|pair| &pair.project);
        self.remove_all(projects.collect()).await?;
        let of_projects = self.pairs.iter().map(Pair::project_namespace);
        let of_teams = self.pairs.iter().map(Pair::team_namespace);
        let mut namespaces: Vec<String> = Vec::new();
        for namespace in of_projects.chain(of_teams) {
            if !namespaces.contains(&namespace) {
                namespaces.push(namespace);
            }
        }
        for namespace in &namespaces {
            self.remove_namespace(namespace).await?;
        }
        Ok(())
    }

    async fn remove_all<K: Made>(&self, all: Vec<&K>) -> anyhow::Result<()> {
        let objects = self.cluster.objects::<K>();
        let mut going = Vec::new();
        for one in all {
            let (namespace, name) = (one.namespace().unwrap_or_default(), one.name_any());
            let present = objects.get(&namespace, &name).await?;
            if present.is_some_and(|it| is_ours(&it)) {
                objects.delete(&namespace, &name).await?;
                going.push((namespace, name));
            }
        }
        for (namespace, name) in going {
            objects.until_gone(&namespace, &name, REMOVAL).await?;
        }
        Ok(())
    }

    async fn remove_namespace(&self, name: &str) -> anyhow::Result<()> {
        let present = self.cluster.namespace(name).await?;
        if !present.is_some_and(|it| is_ours(&it)) {
            return Ok(());
        }
        let projects = self.cluster.objects::<Project>().list(name).await?;
        let environments = self.cluster.objects::<Environment>().list(name).await?;
        if !(projects.is_empty() && environments.is_empty()) {
            println!("Namespace {name} stays, as others have put something there.");
            return Ok(());
        }
        self.cluster.delete_namespace(name).await?;
        Ok(self.cluster.until_namespace_is_gone(name, REMOVAL).await?)
    }
}

/// The kinds that are made.
trait Made:
    kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + fmt::Debug
    + Serialize
    + DeserializeOwned
    + Send
    + 'static
{
}
impl Made for Project {}
impl Made for Environment {}

fn is_ours(object: &impl ResourceExt) -> bool {
    object
        .labels()
        .get(MANAGED_BY)
        .is_some_and(|it| it == MANAGER)
}

fn is_same(one: &Environment, other: &Environment) -> bool {
    one.metadata.name == other.metadata.name && one.metadata.namespace == other.metadata.namespace
}

fn deleted() -> Progress {
    let message = "the Environment was deleted while it was tried out".to_owned();
    Progress {
        phase: Some(Phase::Failed),
        problems: vec![message.clone()],
        message,
        url: None,
    }
}

/// Says what to do where the cluster does not know the kinds.
fn explained(error: ClusterError) -> anyhow::Error {
    let unknown = error.is_not_found();
    let error = anyhow::Error::new(error);
    if unknown {
        error.context("Catalyst is not installed in this cluster (docs/INSTALLING.md)")
    } else {
        error
    }
}
