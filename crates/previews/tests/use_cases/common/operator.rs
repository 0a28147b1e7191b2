//! The operator's part, played by a test: status and finalizer of Environments.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use catalyst_cluster::Cluster;
use catalyst_crd::conditions::condition;
use catalyst_crd::labels::{ENVIRONMENT_FINALIZER, OBSERVED_RETRY, RETRY, RUNS};
use catalyst_crd::{ConditionType, Environment, set_condition};
use futures::StreamExt;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::watcher;
use serde_json::json;
use tokio::task::JoinHandle;

/// How an Environment is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Building,
    Ready,
    Failed,
}

/// Gives an Environment the status that the operator would.
pub async fn set(api: &Api<Environment>, name: &str, look: Look, message: &str) {
    let it = api.get(name).await.unwrap();
    let retry = it.annotations().get(RETRY).cloned();
    let status = status(&it, look, message);
    let params = PatchParams::default();
    let patch = json!({ "status": status });
    api.patch_status(name, &params, &Patch::Merge(patch))
        .await
        .unwrap();
    let patch = json!({ "metadata": { "annotations": {
        OBSERVED_RETRY: retry,
        RUNS: "a static site",
    } } });
    api.patch(name, &params, &Patch::Merge(patch))
        .await
        .unwrap();
}

fn status(it: &Environment, look: Look, message: &str) -> catalyst_crd::EnvironmentStatus {
    let generation = it.metadata.generation;
    let now = Timestamp::now();
    let commit = &it.spec.sources[0].commit_sha;
    let mut status = it.status.clone().unwrap_or_default();
    let mut say = |kind, yes: bool, text: &str| {
        let reason = if yes { "Done" } else { "NotYet" };
        let new = condition(kind, Some(yes), reason, text, generation, now);
        set_condition(&mut status.conditions, new);
    };
    say(ConditionType::NamespaceReady, true, "");
    say(ConditionType::BuildReady, look != Look::Building, message);
    say(ConditionType::DeploymentReady, look == Look::Ready, message);
    say(ConditionType::Ready, look == Look::Ready, message);
    if look == Look::Ready {
        say(ConditionType::Available, true, &format!("serving {commit}"));
    }
    let namespace = it.namespace().unwrap_or_default();
    status.url = Some(format!(
        "http://{namespace}-{}.localhost:8080/",
        it.name_any()
    ));
    status.phase = Some(format!("{look:?}"));
    status
}

/// An operator that brings everything up at once and holds every Environment by a finalizer until
/// it is deleted.
pub struct StandIn {
    task: JoinHandle<()>,
    /// Whether it does anything at present.
    pub works: Arc<AtomicBool>,
}

impl StandIn {
    pub fn start(cluster: &Cluster) -> Self {
        let works = Arc::new(AtomicBool::new(true));
        let (cluster, on) = (cluster.clone(), works.clone());
        let task = tokio::spawn(async move {
            let mut events = std::pin::pin!(cluster.watch_environments());
            while let Some(event) = events.next().await {
                if let Ok(watcher::Event::Apply(it) | watcher::Event::InitApply(it)) = event
                    && on.load(Ordering::SeqCst)
                {
                    // What fails has changed meanwhile, and comes again.
                    let _ = tend(&cluster, &it).await;
                }
            }
        });
        Self { task, works }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn tend(cluster: &Cluster, it: &Environment) -> Result<(), kube::Error> {
    let api = cluster.environments(&it.namespace().unwrap_or_default());
    let (name, params) = (it.name_any(), PatchParams::default());
    if it.metadata.deletion_timestamp.is_some() {
        return finalizers(&api, it, &[]).await;
    }
    if !it
        .finalizers()
        .iter()
        .any(|held| held == ENVIRONMENT_FINALIZER)
    {
        return finalizers(&api, it, &[ENVIRONMENT_FINALIZER]).await;
    }
    let ready = it
        .status
        .as_ref()
        .and_then(|s| s.condition(ConditionType::Ready));
    let retry = it.annotations().get(RETRY);
    let seen = ready.is_some_and(|ready| ready.observed_generation == it.metadata.generation);
    if !seen {
        let patch = json!({ "status": status(it, Look::Ready, "") });
        api.patch_status(&name, &params, &Patch::Merge(patch))
            .await?;
    }
    if it.annotations().get(OBSERVED_RETRY) != retry {
        let patch = json!({ "metadata": { "annotations": { OBSERVED_RETRY: retry } } });
        api.patch(&name, &params, &Patch::Merge(patch)).await?;
    }
    Ok(())
}

/// Sets the finalizers of an Environment.
pub async fn finalizers(
    api: &Api<Environment>,
    it: &Environment,
    held: &[&str],
) -> Result<(), kube::Error> {
    let patch = json!({ "metadata": { "finalizers": held } });
    let patched = api
        .patch(
            &it.name_any(),
            &PatchParams::default(),
            &Patch::Merge(patch),
        )
        .await;
    match patched {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop),
    }
}
