//! One preview, with everything that its page shows.

use std::sync::Arc;

use catalyst_cluster::ClusterError;
use catalyst_crd::Environment;
use catalyst_model::ids::CommitSha;
use catalyst_model::names::project_namespace;
use catalyst_model::state::{PreviewStatus, Role};
use catalyst_model::views::{Allowed, DeploymentResult, DeploymentView, PreviewDetail};
use catalyst_store::Preview;

use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;
use crate::observe::{condition_views, preview_id, runs, told};
use crate::places::Place;
use crate::timeline::{Asked, timeline};
use crate::work::wanted;

/// How many of the namespace's events a page shows.
const EVENTS: usize = 50;

impl Previews {
    /// One preview, by its id or its namespace. Where the cluster does not answer, what the store
    /// knows is shown without pods and events.
    ///
    /// # Errors
    /// `NotFound` for unknown and foreign ids alike.
    pub async fn get(&self, actor: &Actor, id: &str) -> Result<PreviewDetail, Error> {
        let preview = self.find(actor, id).await?;
        self.detail(actor, preview).await
    }

    /// The preview with this id or namespace, if the actor may see it.
    pub(crate) async fn find(&self, actor: &Actor, id: &str) -> Result<Preview, Error> {
        let store = &self.inner.store;
        let found = match store.preview(id).await? {
            Some(preview) => Some(preview),
            None => store.preview_in_namespace(id).await?,
        };
        found
            .filter(|preview| actor.role_in(&preview.team).is_some())
            .ok_or_else(|| Error::not_found("preview", id))
    }

    async fn detail(&self, actor: &Actor, preview: Preview) -> Result<PreviewDetail, Error> {
        // Where its cluster is not configured or does not answer, the store has to do.
        let place = self.inner.places.of(&preview);
        let asked_of = place.as_ref().ok().filter(|it| it.silence().is_none());
        let (deployments, kept_logs) = tokio::try_join!(
            self.inner.store.deployments(&preview.id),
            self.inner.store.kept_logs(&preview.id),
        )?;
        let present = preview.deleted_at.is_none();
        let environment = match &place {
            Ok(place) if present => self.environment_of(place, &preview).await,
            _ => None,
        };
        let (pods, events) = match asked_of {
            Some(Place { cluster, .. }) if present => tokio::join!(
                cluster.pods(&preview.namespace),
                cluster.events(&preview.namespace, EVENTS)
            ),
            _ => (Ok(Vec::new()), Ok(Vec::new())),
        };
        let environment = environment.as_deref();
        let told = environment
            .map(|it| told(it, &wanted(&preview)))
            .unwrap_or_default();
        let mut summary = self.summary(&preview);
        if preview.status == PreviewStatus::Deleting && present {
            // While it goes, what holds it up is known to the cluster alone.
            summary.message = environment
                .and_then(|it| crate::observe::observe(it, &wanted(&preview)).message)
                .or(summary.message);
        }
        if present && summary.message.is_none() {
            summary.message = match &place {
                Ok(place) => place.silence(),
                Err(unknown) => Some(unknown.to_string()),
            }
            .map(|why| format!("What is shown may be out of date: {why}"));
        }
        let detail = PreviewDetail {
            steps: timeline(&asked(&preview, &deployments), &told),
            conditions: environment.map(condition_views).unwrap_or_default(),
            events: self.or_none(events, &preview),
            pods: self.or_none(pods, &preview),
            deployments,
            kept_logs: kept_logs.into_iter().map(crate::keep::view).collect(),
            cluster: self.inner.places.name_of(&preview).to_owned(),
            runs: environment.and_then(runs).map(str::to_owned),
            allowed: allowed(actor, &preview),
            unmeasured: None,
            summary,
        };
        Ok(self.measured(detail))
    }

    /// A page with what the preview and its pods use at the moment.
    pub(crate) fn measured(&self, mut detail: PreviewDetail) -> PreviewDetail {
        let pods = self.inner.usage.of_pods(&detail.summary.namespace);
        for pod in &mut detail.pods {
            pod.used = pods.get(&pod.name).copied();
        }
        detail.unmeasured = self.inner.usage.unmeasured_in(&detail.cluster);
        detail.summary = self.with_usage(detail.summary);
        detail
    }

    async fn environment_of(&self, place: &Place, preview: &Preview) -> Option<Arc<Environment>> {
        let namespace = project_namespace(&preview.team, &preview.project);
        let ours = |it: &Environment| preview_id(it) == Some(preview.id.as_str());
        if place.mirror.has_environments() {
            let found = place.mirror.environment(&namespace, &preview.environment);
            return found.filter(|it| ours(it));
        }
        // Nobody watches in this process, or not yet.
        if place.silence().is_some() {
            return None;
        }
        let environments = place.cluster.objects::<Environment>();
        let read = environments.get(&namespace, &preview.environment).await;
        read.ok().flatten().filter(ours).map(Arc::new)
    }

    /// What came of a look into the cluster, or nothing: a page without its pods is better than
    /// none.
    fn or_none<T>(&self, read: Result<Vec<T>, ClusterError>, preview: &Preview) -> Vec<T> {
        read.unwrap_or_else(|e| {
            if !e.is_not_found() {
                let error = self.redacted_chain(&e);
                tracing::warn!(preview = preview.id, error, "the page goes without a part");
            }
            Vec::new()
        })
    }
}

/// Whether it is the preview's newest deployment.
pub(crate) fn is_of(deployment: &DeploymentView, preview: &Preview) -> bool {
    let commit = preview.revision().map_or("", CommitSha::as_str);
    deployment.commit == commit && deployment.attempt == preview.attempt
}

fn asked<'a>(preview: &'a Preview, deployments: &[DeploymentView]) -> Asked<'a> {
    // None yet for a commit that has only ever been blocked.
    let newest = deployments.iter().find(|it| is_of(it, preview));
    Asked {
        status: preview.status,
        blocked: preview.blocked.as_deref(),
        message: preview.message.as_deref(),
        started_at: newest.map_or(preview.created_at, |it| it.started_at),
        finished_at: newest.and_then(|it| it.finished_at),
        result: newest.map_or(DeploymentResult::Deploying, |it| it.result),
    }
}

fn allowed(actor: &Actor, preview: &Preview) -> Allowed {
    if !actor.may_write() {
        return Allowed::default();
    }
    let present = preview.deleted_at.is_none();
    let admin = actor.has(Role::Admin, &preview.team);
    Allowed {
        retry: present
            && preview.status == PreviewStatus::Failed
            && actor.has(Role::Member, &preview.team),
        delete: present && preview.status != PreviewStatus::Deleting && admin,
        approve: present && preview.blocked.is_some() && admin,
        extend: present
            && preview.status != PreviewStatus::Deleting
            && actor.has(Role::Member, &preview.team),
    }
}
