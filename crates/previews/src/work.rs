//! Bringing the cluster in step with what is wished for, one preview at a time.
//!
//! The store knows which previews need a look and who has which in hand, so that work survives
//! the process. A piece of work reads the row and the Environment, decides in [`plan`], and does
//! one thing; the next thing follows from what the cluster then reports.

mod plan;

use std::time::Duration;

use catalyst_cluster::{Attempt, Cluster, ClusterError, ConnectionError};
use catalyst_crd::labels::{NAMESPACE_TYPE, PROJECT, TEAM, WEB_MANAGER};
use catalyst_crd::{Environment, Project};
use catalyst_model::names::{project_namespace, team_namespace};
use catalyst_model::state::PreviewStatus;
use catalyst_store::{Preview, PreviewReport, StoreError, Work};
use chrono::Utc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::Previews;
use crate::crew::Crew;
use crate::desired::{Blueprint, differs};
use crate::error::{Error, ErrorKind};
use crate::observe::{Revision, Wanted, observe};
use crate::report::{VANISHED, as_it_is};
use plan::{Action, plan};

/// How often to look for work that became due without anybody saying so.
const LOOK: Duration = Duration::from_secs(1);

/// The port of an image of which nobody said another.
const IMAGE_PORT: u16 = 3000;

/// How long the few calls of one piece of work may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A try that failed, and whether it counts towards giving up.
struct Failure {
    error: Error,
    /// The cluster gave no answer, or what stands in the way goes away by itself: it is tried
    /// for as long as it takes.
    passing: bool,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self {
            error: error.into(),
            passing: true,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            passing: error.kind() == ErrorKind::Unavailable,
            error,
        }
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        Self {
            passing: error.is_temporary(),
            error: error.into(),
        }
    }
}

impl Previews {
    /// Works until `stop`, then ends what is in hand.
    pub(crate) async fn work(&self, stop: CancellationToken) {
        let mut crew = Crew::default();
        while !stop.is_cancelled() {
            if !self.inner.places.all_busy() {
                let holder = Uuid::new_v4().to_string();
                let lease = self.inner.settings.lease;
                let busy = self.inner.places.busy();
                let claimed = self.inner.store.claim_work_except(&holder, lease, &busy);
                match claimed.await {
                    Ok(Some(work)) => {
                        // Never without one: this task alone takes them. What lives in a cluster
                        // that is not configured needs none.
                        let hand = self.inner.places.of(&work.preview).ok();
                        let hand = hand.and_then(|it| it.hands.clone().try_acquire_owned().ok());
                        let working = self.clone().do_work(work, holder.clone());
                        crew.start(holder, async move {
                            working.await;
                            drop(hand);
                        });
                        continue;
                    }
                    Ok(None) => {}
                    Err(e) => {
                        tracing::warn!(
                            error = self.redacted_chain(&e),
                            "work cannot be claimed; it is tried again"
                        );
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.inner.work_due.notified() => {}
                () = crew.one_ended() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        for holder in crew.drain().await {
            if let Err(e) = self.inner.store.release_work(&holder).await {
                tracing::warn!(
                    error = self.redacted_chain(&e),
                    "work waits for its lease to end"
                );
            }
        }
    }

    async fn do_work(self, work: Work, holder: String) {
        let id = work.preview.id.clone();
        let request = work.preview.request_id.as_deref();
        let span = tracing::info_span!("work", preview = id, request);
        let working = self.bring_in_time(&work.preview).instrument(span.clone());
        let settled = tokio::select! {
            outcome = working => self.settle_work(&work, &holder, outcome).instrument(span).await,
            () = self.keep_work(&id, &holder) => return,
        };
        if let Err(e) = settled {
            tracing::warn!(
                preview = id,
                error = self.redacted_chain(&e),
                "what became of a piece of work could not be written down"
            );
        }
    }

    async fn keep_work(&self, id: &str, holder: &str) {
        let lease = self.inner.settings.lease;
        loop {
            tokio::time::sleep(lease / 3).await;
            match self.inner.store.renew_work(id, holder, lease).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(e) => {
                    tracing::warn!(
                        preview = id,
                        error = self.redacted_chain(&e),
                        "a claim could not be renewed"
                    );
                }
            }
        }
    }

    async fn bring_in_time(&self, preview: &Preview) -> Result<Option<Duration>, Failure> {
        let doing = tokio::time::timeout(PATIENCE, self.bring_in_step(preview));
        doing.await.unwrap_or_else(|_| {
            let attempt = Attempt {
                verb: "bring in step",
                on: format!("the Environment of {}", preview.namespace).into(),
                cluster: self.inner.places.name_of(preview).into(),
            };
            Err(ClusterError::from(ConnectionError::TimedOut { attempt }).into())
        })
    }

    /// Does the next thing; returns when to look again, if nothing else leads to a look.
    async fn bring_in_step(&self, preview: &Preview) -> Result<Option<Duration>, Failure> {
        let place = self.inner.places.of(preview)?;
        if let Some(silence) = place.silence() {
            return Err(Failure {
                error: Error::Conflict(silence),
                passing: true,
            });
        }
        let environments = place.cluster.objects::<Environment>();
        let namespace = project_namespace(&preview.team, &preview.project);
        let present = environments.get(&namespace, &preview.environment).await?;
        let action = plan(
            preview,
            present.as_ref(),
            Utc::now(),
            self.inner.settings.removal_patience,
        );
        match action {
            Action::Nothing => Ok(None),
            Action::Wait(time) => Ok(Some(time)),
            Action::Apply => {
                self.apply(preview, present.as_ref(), &place.cluster, &namespace)
                    .await?;
                Ok(None)
            }
            Action::Delete => {
                environments
                    .delete(&namespace, &preview.environment)
                    .await?;
                step!(preview, "k8s-resources-deletion-requested", "deleting");
                Ok(Some(self.inner.settings.removal_patience))
            }
            Action::Finish => {
                self.finish_removal(preview).await?;
                Ok(None)
            }
            Action::Fail(failure) => Err(Failure {
                error: Error::Conflict(failure.why),
                passing: failure.passing,
            }),
        }
    }

    async fn apply(
        &self,
        preview: &Preview,
        present: Option<&Environment>,
        cluster: &Cluster,
        namespace: &str,
    ) -> Result<(), Failure> {
        let project = project(cluster, preview).await?;
        let wanted = wanted(preview);
        let wish = Blueprint {
            preview_id: &preview.id,
            team: &preview.team,
            name: &preview.environment,
            namespace,
            project: &project,
            source: &self.source_of(preview).await?,
            branch: &preview.branch,
            number: preview.number.map(TryInto::try_into).transpose().map_err(
                |e: catalyst_model::ids::InvalidId| Failure {
                    error: Error::unavailable("the pull request's number cannot be used", e),
                    passing: false,
                },
            )?,
            wanted: &wanted,
            secrets: &self.secrets_version(preview).await?,
            request_id: preview.request_id.as_deref(),
        }
        .environment(present);
        if present.is_some_and(|present| !differs(present, &wish)) {
            return Ok(());
        }
        step!(
            preview,
            "k8s-cr-creation-started",
            "created",
            environment = preview.environment.as_str()
        );
        let team = (TEAM, preview.team.as_str());
        let project = (PROJECT, preview.project.as_str());
        let of_team = [(NAMESPACE_TYPE, "team"), team];
        cluster
            .ensure_namespace(&team_namespace(&preview.team), &of_team)
            .await?;
        let of_project = [(NAMESPACE_TYPE, "project"), team, project];
        cluster.ensure_namespace(namespace, &of_project).await?;
        let environments = cluster.objects::<Environment>();
        let applied = environments.apply(WEB_MANAGER, &wish).await?;
        if preview.attempt > 1 && preview.status == PreviewStatus::Pending {
            step!(preview, "retry-started", "retrying");
        }
        // What the cluster says of it comes by the watch; what it said of the last try is past.
        let vanished = present.is_none() && preview.status != PreviewStatus::Pending;
        let message = vanished.then(|| VANISHED.to_owned());
        let seen = observe(&applied, &wanted);
        if preview.message != message && !seen.current {
            let report = PreviewReport {
                message,
                ..as_it_is(preview)
            };
            self.report(preview, report).await?;
        }
        Ok(())
    }

    /// The name of the project's source that the pull request's repository is.
    async fn source_of(&self, preview: &Preview) -> Result<String, Failure> {
        let repository = self.inner.store.repository(&preview.repository_id).await?;
        repository.map(|it| it.source).ok_or_else(|| Failure {
            error: Error::Conflict(format!("repository {} is gone", preview.repository)),
            passing: false,
        })
    }

    async fn finish_removal(&self, preview: &Preview) -> Result<(), Failure> {
        step!(preview, "k8s-resources-deleted", "deleted");
        if let Some(gone) = self.inner.store.finish_removal(&preview.id).await? {
            let store = &self.inner.store;
            store
                .remove_environment_secrets(&gone.team, &gone.project, &gone.environment)
                .await?;
            let took = Utc::now() - preview.updated_at;
            crate::metrics::removed(took);
            let took_ms = took.num_milliseconds();
            step!(&gone, "deletion-completed", "deleted", took_ms = took_ms);
            self.changed(&gone);
        }
        Ok(())
    }

    async fn settle_work(
        &self,
        work: &Work,
        holder: &str,
        outcome: Result<Option<Duration>, Failure>,
    ) -> Result<(), StoreError> {
        let (store, settings) = (&self.inner.store, &self.inner.settings);
        let preview = &work.preview;
        let failure = match outcome {
            Ok(again) => {
                let again_at = again.map(|wait| Utc::now() + wait);
                return store.finish_work(&preview.id, holder, again_at).await;
            }
            Err(failure) => failure,
        };
        let why = self.redacted_chain(&failure.error);
        let removing = preview.status == PreviewStatus::Deleting;
        let last = !failure.passing && work.tries >= settings.tries;
        if !last {
            let wait = settings.wait_after(work.tries);
            let retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            let (tries, error) = (work.tries, why.as_str());
            step!(
                preview,
                "retry-scheduled",
                "retrying",
                tries = tries,
                retry_in_ms = retry_in_ms,
                error = error
            );
            if !removing {
                let message = format!("{why}; it is tried again");
                let report = PreviewReport {
                    message: Some(message),
                    ..as_it_is(preview)
                };
                self.report(preview, report).await?;
            }
            return store
                .fail_work(&preview.id, holder, &why, Utc::now() + wait)
                .await;
        }
        store.give_up_work(&preview.id, holder, &why).await?;
        if removing {
            step!(
                preview,
                "deletion-failed",
                "deleting",
                tries = work.tries,
                error = why.as_str()
            );
            self.inner.live.touch(&preview.id);
        } else {
            let report = PreviewReport {
                status: PreviewStatus::Failed,
                message: Some(why),
                ..as_it_is(preview)
            };
            self.report(preview, report).await?;
        }
        Ok(())
    }
}

/// What the row wants of the cluster.
pub(crate) fn wanted(preview: &Preview) -> Wanted {
    let revision = match (&preview.commit, &preview.image) {
        (Some(commit), _) => Revision::Commit(commit.clone()),
        (None, Some(image)) => {
            let port = preview.port.and_then(|port| u16::try_from(port).ok());
            Revision::Image(image.clone(), port.unwrap_or(IMAGE_PORT))
        }
        (None, None) => Revision::Newest(preview.branch.clone()),
    };
    Wanted {
        revision,
        attempt: preview.attempt,
    }
}

async fn project(cluster: &Cluster, preview: &Preview) -> Result<Project, Failure> {
    let namespace = team_namespace(&preview.team);
    let name = &preview.project;
    let found = cluster.objects::<Project>().get(&namespace, name).await?;
    found.ok_or_else(|| Failure {
        error: Error::Conflict(format!(
            "Project {namespace}/{name} is gone from cluster {}: make it again there, and retry",
            cluster.name()
        )),
        passing: false,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;
    use chrono::DateTime;

    /// Of acme/shop#7 at commit `aaa…`.
    pub fn preview(status: PreviewStatus) -> Preview {
        Preview {
            id: "id-1".into(),
            row_id: "row".into(),
            team: "acme".into(),
            project: "shop".into(),
            repository_id: "r".into(),
            repository: "acme/shop".parse().unwrap(),
            repository_removed: false,
            number: Some(7),
            title: Some(String::new()),
            author: Some(String::new()),
            pull_request_url: Some(String::new()),
            branch: "b".into(),
            commit: Some("a".repeat(40).parse().unwrap()),
            image: None,
            port: None,
            serving_commit: None,
            cluster: None,
            namespace: "acme-shop-preview-7".into(),
            environment: "preview-7".into(),
            status,
            phase: None,
            blocked: None,
            message: None,
            url: None,
            request_id: None,
            attempt: 1,
            preview_created_at: DateTime::UNIX_EPOCH,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
            last_deployed_at: None,
            expires_at: None,
            deleted_at: None,
        }
    }
}
