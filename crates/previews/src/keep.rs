//! The end of each container's log, kept when its pod goes.
//!
//! A pod that is to go is told so first, and is there for a moment more: its log is read from then
//! until its containers have ended. So the page of a preview that was pushed to, failed or was
//! removed can still show what its containers said.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::time::Duration;

use catalyst_cluster::{Cluster, LogLine, stamped};
use catalyst_model::views::{ContainerView, KeptLogView, LogQuery};
use catalyst_store::{KeptLog, KeptLogBounds, NewKeptLog, Preview};
use chrono::{TimeDelta, Utc};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::runtime::watcher::Event;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Previews;
use crate::error::Error;

/// What is kept of one log.
pub(crate) const MOST: usize = 1024 * 1024;

/// How long a pod may take to end: longer than Kubernetes gives them by default.
const PATIENCE: Duration = Duration::from_secs(60);

/// Namespaces of which is remembered whether they are a preview's.
const REMEMBERED: usize = 10_000;

impl Previews {
    /// Keeps the logs of pods that go, of every cluster, until `stop`.
    pub(crate) async fn keep_logs(&self, stop: CancellationToken) {
        let clusters = self.inner.places.iter().map(|place| &place.cluster);
        let kept = clusters.map(|cluster| self.keep_logs_in(cluster, stop.clone()));
        futures::future::join_all(kept).await;
    }

    async fn keep_logs_in(&self, cluster: &Cluster, stop: CancellationToken) {
        let mut events = std::pin::pin!(cluster.watch_pods());
        let mut ours: HashMap<String, bool> = HashMap::new();
        let mut going: HashSet<String> = HashSet::new();
        let mut reading = JoinSet::new();
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                Some(_) = reading.join_next(), if !reading.is_empty() => continue,
                event = events.next() => event,
            };
            let pod = match event {
                Some(Ok(Event::Apply(pod) | Event::InitApply(pod))) => pod,
                Some(Ok(Event::Delete(pod))) => {
                    going.remove(&pod.uid().unwrap_or_default());
                    continue;
                }
                Some(Ok(Event::Init | Event::InitDone)) => continue,
                Some(Err(e)) => {
                    let error = self.redacted_chain(&e);
                    tracing::warn!(error, "the watch of pods is taken up again");
                    continue;
                }
                None => return,
            };
            let namespace = pod.namespace().unwrap_or_default();
            // Asked when a pod first appears, so that there is no time to lose when it goes.
            if !ours.contains_key(&namespace) {
                match self.inner.store.preview_in_namespace(&namespace).await {
                    Ok(found) => {
                        if ours.len() >= REMEMBERED {
                            ours.clear();
                        }
                        ours.insert(namespace.clone(), found.is_some());
                    }
                    Err(e) => {
                        let error = self.redacted_chain(&e);
                        tracing::warn!(error, "whose a pod is could not be found out");
                        continue;
                    }
                }
            }
            let goes = pod.metadata.deletion_timestamp.is_some() && ours[&namespace];
            if goes && going.insert(pod.uid().unwrap_or_default()) {
                reading.spawn(self.clone().keep_logs_of(cluster.clone(), namespace, pod));
            }
        }
    }

    async fn keep_logs_of(self, cluster: Cluster, namespace: String, pod: Pod) {
        let pod = catalyst_cluster::pod_view(&pod);
        // What an inspection reports when it ends well is for the operator: packed files.
        let is_report = |it: &ContainerView| {
            let of_inspection = pod.job.as_deref() == Some("inspect") && it.name == "inspect";
            of_inspection && it.exit_code == Some(0)
        };
        let begun = pod
            .containers
            .iter()
            .filter(|it| (it.state != "waiting" || it.restarts > 0) && !is_report(it));
        let reads = begun.map(|container| {
            let read = cluster.log_end(&namespace, &pod.name, &container.name, MOST, PATIENCE);
            async move { (container, read.await) }
        });
        let ends = futures::future::join_all(reads).await;
        let preview = match self.inner.store.preview_in_namespace(&namespace).await {
            Ok(Some(preview)) => preview,
            Ok(None) => return,
            Err(e) => {
                let error = self.redacted_chain(&e);
                tracing::warn!(error, "a log could not be kept");
                return;
            }
        };
        for (container, end) in ends {
            let Ok(end) = end else { continue };
            if end.text.is_empty() {
                continue;
            }
            let text = String::from_utf8_lossy(&end.text);
            let text = self.inner.settings.redactor.redact(&text);
            let log = NewKeptLog {
                preview_id: preview.id.clone(),
                pod: pod.name.clone(),
                container: container.name.clone(),
                init: container.init,
                job: pod.job.clone(),
                commit: pod.commit.clone(),
                size: text.len() as u64,
                cut: end.cut,
                content: pack(&text),
            };
            if let Err(e) = self
                .inner
                .store
                .keep_log(&log, self.kept_log_bounds())
                .await
            {
                let error = self.redacted_chain(&e);
                tracing::warn!(preview = preview.id, error, "a log could not be kept");
            }
        }
        self.inner.live.touch(&preview.id);
    }

    fn kept_log_bounds(&self) -> KeptLogBounds {
        let settings = &self.inner.settings.kept_logs;
        KeptLogBounds {
            per_preview: settings.per_preview,
            bytes: settings.bytes,
            since: Utc::now() - TimeDelta::days(i64::from(settings.days)),
        }
    }

    /// The lines of a kept log that a query picks; none where it is not kept.
    pub(crate) async fn kept_lines(
        &self,
        preview: &Preview,
        query: &LogQuery,
    ) -> Result<Option<Vec<LogLine>>, Error> {
        if query.previous {
            return Ok(None);
        }
        let store = &self.inner.store;
        let (pod, container) = match (&query.pod, &query.container) {
            (Some(pod), Some(container)) => (pod.clone(), container.clone()),
            (pod, container) => {
                let fits = |it: &&KeptLog| {
                    pod.as_ref().is_none_or(|pod| *pod == it.pod)
                        && container.as_ref().is_none_or(|name| *name == it.container)
                };
                let kept = store.kept_logs(&preview.id).await?;
                // What the project's own containers said is asked for more often.
                let own = |it: &&KeptLog| !it.init && it.job.is_none();
                let chosen = kept
                    .iter()
                    .filter(fits)
                    .find(own)
                    .or(kept.iter().find(fits));
                match chosen {
                    Some(log) => (log.pod.clone(), log.container.clone()),
                    None => return Ok(None),
                }
            }
        };
        let Some(content) = store.kept_log(&preview.id, &pod, &container).await? else {
            return Ok(None);
        };
        let text = unpack(&content)
            .map_err(|e| Error::unavailable(format!("the kept log of {pod} is damaged"), e))?;
        Ok(Some(lines(&text, query, Utc::now())))
    }
}

/// The lines of a kept text that a query picks.
fn lines(text: &str, query: &LogQuery, now: chrono::DateTime<Utc>) -> Vec<LogLine> {
    let since = query
        .since_seconds
        .map(|seconds| now - TimeDelta::seconds(i64::from(seconds)));
    let mut lines: Vec<LogLine> = text
        .lines()
        .map(stamped)
        .filter(|line| since.is_none_or(|since| line.at.is_some_and(|at| at >= since)))
        .collect();
    let surplus = lines.len().saturating_sub(query.tail_lines as usize);
    lines.drain(..surplus);
    if !query.timestamps {
        lines.iter_mut().for_each(|line| line.at = None);
    }
    lines
}

fn pack(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory does not fail.
    let _ = encoder.write_all(text.as_bytes());
    encoder.finish().unwrap_or_default()
}

fn unpack(content: &[u8]) -> std::io::Result<String> {
    let mut text = String::new();
    // Redaction may have made it a little longer than what was read.
    let bound = 2 * MOST as u64;
    GzDecoder::new(content)
        .take(bound)
        .read_to_string(&mut text)?;
    Ok(text)
}

pub(crate) fn view(log: KeptLog) -> KeptLogView {
    KeptLogView {
        pod: log.pod,
        container: log.container,
        init: log.init,
        job: log.job,
        commit: log.commit,
        kept_at: log.kept_at,
        size: log.size,
        cut: log.cut,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_is_picked_as_from_a_live_log() {
        let text =
            "2026-01-02T03:04:05Z old\n2026-01-02T03:05:05Z new\n2026-01-02T03:05:06Z newest\n";
        assert_eq!(unpack(&pack(text)).unwrap(), text);
        let now = "2026-01-02T03:05:10Z".parse().unwrap();
        let texts = |query: &LogQuery| {
            let lines = lines(text, query, now);
            lines.into_iter().map(|line| line.text).collect::<Vec<_>>()
        };
        assert_eq!(texts(&LogQuery::default()), ["old", "new", "newest"]);
        let recent = LogQuery {
            since_seconds: Some(30),
            ..LogQuery::default()
        };
        assert_eq!(texts(&recent), ["new", "newest"]);
        let last = LogQuery {
            tail_lines: 1,
            timestamps: false,
            ..LogQuery::default()
        };
        assert_eq!(texts(&last), ["newest"]);
        assert!(lines(text, &last, now)[0].at.is_none());
    }
}
