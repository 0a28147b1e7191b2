//! What the cluster reports: from the watches into the store, and on to everyone who looks.

use std::time::Duration;

use catalyst_cluster::Health;
use catalyst_crd::Environment;
use catalyst_model::names::project_namespace;
use catalyst_model::state::PreviewStatus;
use catalyst_store::{Preview, PreviewReport};
use chrono::Utc;
use futures::StreamExt;
use futures::future::join_all;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher;
use tokio_util::sync::CancellationToken;

use crate::Previews;
use crate::error::Error;
use crate::mirror::{Writers, object};
use crate::observe::{Observation, asks_for, observe, preview_id};
use crate::places::Place;
use crate::report::{VANISHED, as_it_is};
use crate::work::wanted;

/// How many previews' news are written down at the same time.
const WRITERS: usize = 4;

/// How often a cluster that does not answer is asked.
const PROBE: Duration = Duration::from_secs(2);

/// Longer messages are cut: the row says what went wrong, the logs say all of it.
const LONGEST_MESSAGE: usize = 2_000;

impl Previews {
    /// Follows every Environment and Project of every cluster until `stop`. One process does so
    /// once.
    pub(crate) async fn watch(&self, stop: CancellationToken) {
        let following = async {
            tokio::join!(
                join_all(
                    self.inner
                        .places
                        .iter()
                        .map(|place| self.follow_place(place))
                ),
                join_all((0..WRITERS).map(|_| self.take_projects_over())),
                join_all((0..WRITERS).map(|_| self.observe_news())),
            )
        };
        tokio::select! {
            _ = following => {}
            () = stop.cancelled() => {}
        }
    }

    /// Follows one cluster; never returns.
    async fn follow_place(&self, place: &Place) {
        let Some(writers) = place.mirror.take_writers() else {
            tracing::error!("the clusters are watched already: Previews::run was called twice");
            return;
        };
        let Writers {
            environments,
            projects,
        } = writers;
        tokio::join!(
            self.follow_environments(place, environments),
            self.follow_projects(place, projects),
            self.follow_health(place),
        );
    }

    /// Says when a cluster falls silent, and goes on with what could not be done meanwhile when it
    /// answers again; never returns.
    async fn follow_health(&self, place: &Place) {
        let mut health = place.cluster.follow_health();
        let cluster = place.cluster.name();
        // Neither fails: the cluster, which tells of it, is here.
        while let Ok(silent) = health
            .wait_for(Health::is_silent)
            .await
            .map(|it| it.clone())
        {
            if let Health::Silent { why, .. } = silent {
                let error = self.inner.settings.redactor.redact(&why);
                tracing::warn!(
                    component = crate::COMPONENT,
                    event = "cluster-silent",
                    cluster,
                    error = %error
                );
            }
            // While nothing else is asked of it, this is how it is noticed that it is back.
            while place.cluster.health().is_silent() {
                tokio::time::sleep(PROBE).await;
                let _ = place.cluster.ping().await;
            }
            tracing::info!(
                component = crate::COMPONENT,
                event = "cluster-answers",
                cluster
            );
            self.take_up(place).await;
        }
    }

    async fn follow_environments(&self, place: &Place, mut mirror: Writer<Environment>) {
        let mut events = std::pin::pin!(place.cluster.watch_environments());
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => event,
                Err(e) => {
                    tracing::warn!(
                        error = self.redacted_chain(&e),
                        "the watch is taken up again"
                    );
                    continue;
                }
            };
            mirror.apply_watcher_event(&event);
            if let Some((environment, _)) = object(&event)
                && let Some(id) = preview_id(environment)
            {
                self.inner.news.add(id);
            }
            if matches!(event, watcher::Event::InitDone) {
                place.mirror.note_environments();
                self.take_up(place).await;
            }
        }
    }

    /// Looks at all previews of a cluster after a time in which it was not heard: those whose
    /// Environment went away meanwhile bring no event, and what could not be done waits.
    async fn take_up(&self, place: &Place) {
        let taking_up = async {
            let given_up = self.inner.store.failed_cleanups().await?;
            for preview in self.inner.store.present_previews().await? {
                let here = self.inner.places.name_of(&preview) == place.cluster.name();
                if here && !given_up.iter().any(|it| it.id == preview.id) {
                    self.see_to(&preview).await?;
                }
            }
            Ok::<_, Error>(())
        };
        if let Err(e) = taking_up.await {
            // The sweep does the same before long.
            tracing::warn!(
                cluster = place.cluster.name(),
                error = self.redacted_chain(&e),
                "the previews of a cluster could not be looked at"
            );
        }
    }

    /// Writes news down; never returns.
    async fn observe_news(&self) {
        loop {
            let working = self.inner.news.next().await;
            if let Err(e) = self.observe_preview(working.key()).await {
                let wait = self.inner.settings.first_wait;
                tracing::warn!(
                    preview = working.key(),
                    error = self.redacted_chain(&e),
                    "news could not be written down; it is tried again"
                );
                self.inner.news.add_after(working.key(), wait);
            }
        }
    }

    async fn observe_preview(&self, id: &str) -> Result<(), Error> {
        let store = &self.inner.store;
        let Some(preview) = store.preview(id).await? else {
            return Ok(());
        };
        let namespace = project_namespace(&preview.team, &preview.project);
        // Where the cluster is not configured (any more), nothing is told and nothing is missed.
        if let Ok(Place { mirror, .. }) = self.inner.places.of(&preview) {
            let environment = mirror
                .environment(&namespace, &preview.environment)
                .filter(|it| preview_id(it) == Some(id));
            match environment {
                Some(environment) => self.believe(&preview, &environment).await?,
                None if mirror.has_environments() => self.miss(&preview).await?,
                None => {}
            }
        }
        let preview = store.preview(id).await?.unwrap_or(preview);
        self.changed(&preview);
        self.inner.live.touch(id);
        Ok(())
    }

    /// Takes over what an Environment says.
    async fn believe(&self, preview: &Preview, environment: &Environment) -> Result<(), Error> {
        let settled = preview.deleted_at.is_some() || preview.status == PreviewStatus::Deleting;
        if settled {
            return Ok(());
        }
        let wanted = wanted(preview);
        let asks = asks_for(environment, &wanted);
        let report = reported(preview, &observe(environment, &wanted), asks);
        let report = PreviewReport {
            message: report.message.map(|text| self.shown(&text)),
            ..report
        };
        self.report(preview, report).await?;
        // Somebody else changed the Environment, or a late call of ours did.
        let drifted = matches!(
            preview.status,
            PreviewStatus::Deploying | PreviewStatus::Running
        );
        if !asks && drifted && preview.blocked.is_none() {
            self.schedule_work(&preview.id).await?;
        }
        Ok(())
    }

    /// There is no Environment (any more).
    async fn miss(&self, preview: &Preview) -> Result<(), Error> {
        if preview.deleted_at.is_some() || preview.blocked.is_some() {
            return Ok(());
        }
        match preview.status {
            PreviewStatus::Failed => return Ok(()),
            PreviewStatus::Deploying | PreviewStatus::Running => {
                step!(preview, "environment-vanished", "deploying");
                let report = PreviewReport {
                    status: PreviewStatus::Deploying,
                    phase: None,
                    serving_commit: None,
                    message: Some(VANISHED.to_owned()),
                    ..as_it_is(preview)
                };
                self.report(preview, report).await?;
            }
            PreviewStatus::Pending | PreviewStatus::Deleting => {}
        }
        self.schedule_work(&preview.id).await
    }

    pub(crate) async fn schedule_work(&self, id: &str) -> Result<(), Error> {
        self.inner.store.schedule_work(id, Utc::now()).await?;
        self.inner.work_due.notify_one();
        Ok(())
    }

    /// A text from the cluster as it may be kept and shown.
    fn shown(&self, text: &str) -> String {
        let text = self.inner.settings.redactor.redact(text);
        match text.char_indices().nth(LONGEST_MESSAGE) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.into_owned(),
        }
    }
}

/// What the row is to say. What the cluster says of another commit or attempt than the wanted one
/// tells nothing about that one, except what is served meanwhile.
fn reported(preview: &Preview, seen: &Observation, asks: bool) -> PreviewReport {
    let mut report = PreviewReport {
        url: seen.url.clone().or_else(|| preview.url.clone()),
        serving_commit: seen.serving.clone(),
        ..as_it_is(preview)
    };
    if seen.status == PreviewStatus::Deleting {
        report.message =
            Some("its earlier Environment is being removed; it is made again then".to_owned());
        if preview.status == PreviewStatus::Running {
            report.status = PreviewStatus::Deploying;
        }
    } else if seen.current {
        report.status = match (preview.status, seen.status) {
            // The operator has seen it, and has not begun.
            (PreviewStatus::Pending, PreviewStatus::Pending) => PreviewStatus::Pending,
            (_, PreviewStatus::Pending) => PreviewStatus::Deploying,
            (_, status) => status,
        };
        report.phase = seen.phase;
        report.message = seen.message.clone();
    } else if asks && preview.status == PreviewStatus::Running {
        report.status = PreviewStatus::Deploying;
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::tests::preview;
    use catalyst_model::state::Phase;

    fn seen(status: PreviewStatus, current: bool) -> Observation {
        Observation {
            current,
            status,
            phase: current.then_some(Phase::Ready),
            message: None,
            url: Some("http://x.localhost:8080/".into()),
            serving: None,
        }
    }

    #[test]
    fn what_is_said_of_another_commit_changes_no_status() {
        use PreviewStatus::{Deploying, Failed, Pending, Running};
        for status in [Pending, Deploying, Running, Failed] {
            let report = reported(&preview(status), &seen(Pending, false), false);
            assert_eq!(report.status, status);
            assert!(report.url.is_some(), "but where it will answer is known");
        }
    }

    #[test]
    fn what_is_said_of_the_wanted_commit_is_taken_over() {
        use PreviewStatus::{Deleting, Deploying, Failed, Pending, Running};
        let cases = [
            (Pending, Pending, Pending),
            (Pending, Deploying, Deploying),
            (Deploying, Running, Running),
            (Running, Failed, Failed),
            // An operator that begins anew takes nothing back to before the beginning.
            (Running, Pending, Deploying),
            // It goes, and comes back.
            (Running, Deleting, Deploying),
            (Pending, Deleting, Pending),
        ];
        for (before, said, after) in cases {
            let report = reported(&preview(before), &seen(said, true), true);
            assert_eq!(report.status, after, "{before} and {said}");
        }
    }

    #[test]
    fn a_running_one_whose_spec_changed_is_on_its_way_again() {
        let report = reported(
            &preview(PreviewStatus::Running),
            &seen(PreviewStatus::Pending, false),
            true,
        );
        assert_eq!(report.status, PreviewStatus::Deploying);
    }
}
