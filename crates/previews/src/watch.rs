//! What the cluster reports: from the watches into the store, and on to everyone who looks.

use std::sync::atomic::Ordering;

use catalyst_crd::Environment;
use catalyst_model::names::project_namespace;
use catalyst_model::state::PreviewStatus;
use catalyst_store::{Preview, PreviewReport};
use chrono::Utc;
use futures::StreamExt;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher;
use tokio_util::sync::CancellationToken;

use crate::Previews;
use crate::error::Error;
use crate::mirror::{Writers, object};
use crate::observe::{Observation, asks_for, observe, preview_id};
use crate::report::{VANISHED, as_it_is};
use crate::work::wanted;

/// How many previews' news are written down at the same time.
const WRITERS: usize = 4;

/// Longer messages are cut: the row says what went wrong, the logs say all of it.
const LONGEST_MESSAGE: usize = 2_000;

impl Previews {
    /// Follows every Environment and Project until `stop`. One process does so once.
    pub(crate) async fn watch(&self, stop: CancellationToken) {
        let Some(writers) = self.inner.mirror.take_writers() else {
            tracing::error!("the cluster is watched already: Previews::run was called twice");
            return;
        };
        let Writers {
            environments,
            projects,
        } = writers;
        let observers = futures::future::join_all((0..WRITERS).map(|_| self.observe_news()));
        let following = async {
            tokio::join!(
                self.follow_environments(environments),
                self.follow_projects(projects),
                self.take_projects_over(),
                observers,
            )
        };
        tokio::select! {
            _ = following => {}
            () = stop.cancelled() => {}
        }
    }

    async fn follow_environments(&self, mut mirror: Writer<Environment>) {
        let mut events = std::pin::pin!(self.inner.cluster.watch_environments());
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
                self.inner.mirrored.store(true, Ordering::SeqCst);
                self.look_at_all_previews().await;
            }
        }
    }

    /// Previews whose Environment went away while nobody watched bring no event.
    async fn look_at_all_previews(&self) {
        match self.inner.store.present_previews().await {
            Ok(all) => all.iter().for_each(|it| self.inner.news.add(&it.id)),
            // The sweep does the same before long.
            Err(e) => tracing::warn!(
                error = self.redacted_chain(&e),
                "the previews could not be listed"
            ),
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
        let environment = self
            .inner
            .mirror
            .environment(&namespace, &preview.environment)
            .filter(|it| preview_id(it) == Some(id));
        match environment {
            Some(environment) => self.believe(&preview, &environment).await?,
            None if self.inner.mirrored.load(Ordering::SeqCst) => self.miss(&preview).await?,
            None => {}
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
