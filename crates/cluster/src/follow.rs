//! The logs of all pods of a namespace, as one stream.

use std::collections::HashSet;
use std::pin::Pin;

use catalyst_model::views::LogQuery;
use futures::stream::{BoxStream, SelectAll};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::LogParams;
use kube::runtime::watcher;
use kube::{Api, ResourceExt, api::ListParams};

use crate::logs::{LogLine, MAX_TAIL};
use crate::{Cluster, ClusterError, WatchError};

/// A line, and who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodLogLine {
    /// The pod.
    pub pod: String,
    /// The container, init containers included.
    pub container: String,
    /// The line.
    pub line: LogLine,
}

/// Lines of several containers as they come. An error ends one container's part, not the others'.
pub type NamespaceLog = Pin<Box<dyn Stream<Item = Result<PodLogLine, ClusterError>> + Send>>;

/// One run of a container: the pod's uid, the container, and how often it was started before.
type Run = (String, String, i32);

impl Cluster {
    /// The logs of every container of every pod of a namespace, init containers included, or of
    /// those that `query` names; the last lines of each, and with `previous` those of the runs
    /// before the present ones.
    ///
    /// Without `follow` it ends after what there is, pod by pod, the oldest first. With it, pods and
    /// restarts that come later are part of it, lines come as they are written, and it never ends
    /// by itself.
    ///
    /// # Errors
    /// What the API server answers to the list of pods. A namespace that does not exist has none.
    pub async fn all_logs(
        &self,
        namespace: &str,
        query: &LogQuery,
    ) -> Result<NamespaceLog, ClusterError> {
        let reader = Reader {
            cluster: self.clone(),
            namespace: namespace.to_owned(),
            query: query.clone(),
        };
        if query.follow && !query.previous {
            return Ok(reader.follow());
        }
        let api: Api<Pod> = Api::namespaced(self.client(), namespace);
        let list = api.list(&ListParams::default()).await;
        let on = format!("namespace {namespace}");
        let mut pods = list.map_err(|e| self.failed("list pods of", on, e))?.items;
        pods.sort_by_key(|pod| (pod.creation_timestamp(), pod.name_any()));
        let runs: Vec<_> = pods.iter().flat_map(|pod| reader.runs(pod)).collect();
        let parts = futures::stream::iter(runs).flat_map(move |(pod, run)| {
            let reader = reader.clone();
            let part = async move { reader.part(pod, run, true).await };
            futures::stream::once(part).flatten().boxed()
        });
        Ok(parts.boxed())
    }
}

#[derive(Clone)]
struct Reader {
    cluster: Cluster,
    namespace: String,
    query: LogQuery,
}

type Part = BoxStream<'static, Result<PodLogLine, ClusterError>>;
type PodEvents = BoxStream<'static, Result<watcher::Event<Pod>, WatchError>>;

/// What a followed namespace consists of.
struct Following {
    reader: Reader,
    pods: PodEvents,
    /// Whether the pods that were there at the beginning have all been seen.
    begun: bool,
    parts: SelectAll<Part>,
    seen: HashSet<Run>,
}

impl Reader {
    /// The runs of a pod's containers that have written, or may have.
    fn runs(&self, pod: &Pod) -> Vec<(String, Run)> {
        let uid = pod.uid().unwrap_or_default();
        let name = pod.name_any();
        if self.query.pod.as_ref().is_some_and(|it| *it != name) {
            return Vec::new();
        }
        let status = pod.status.as_ref();
        let init = status.and_then(|it| it.init_container_statuses.as_ref());
        let main = status.and_then(|it| it.container_statuses.as_ref());
        let all = init.into_iter().chain(main).flatten();
        let picked = |it: &&ContainerStatus| {
            let container = self.query.container.as_ref();
            container.is_none_or(|wanted| *wanted == it.name) && self.has_written(it)
        };
        all.filter(picked)
            .map(|it| {
                let run = (uid.clone(), it.name.clone(), it.restart_count);
                (name.clone(), run)
            })
            .collect()
    }

    fn has_written(&self, container: &ContainerStatus) -> bool {
        let begun = container
            .state
            .as_ref()
            .is_some_and(|it| it.running.is_some() || it.terminated.is_some());
        let before = container
            .last_state
            .as_ref()
            .is_some_and(|it| it.terminated.is_some());
        // While a container waits for its next start, the log is that of its last run.
        match self.query.previous {
            true => before,
            false => begun || before,
        }
    }

    /// The lines of one run; of its last lines only those asked for, where it is not new.
    async fn part(&self, pod: String, run: Run, tail: bool) -> Part {
        let (_, container, _) = run;
        let params = LogParams {
            container: Some(container.clone()),
            follow: self.query.follow && !self.query.previous,
            previous: self.query.previous,
            tail_lines: tail.then(|| i64::from(self.query.tail_lines.min(MAX_TAIL))),
            timestamps: self.query.timestamps,
            ..LogParams::default()
        };
        let opened = self
            .cluster
            .container_log(&self.namespace, &pod, &params)
            .await;
        match opened {
            Ok(lines) => lines
                .map(move |line| {
                    Ok(PodLogLine {
                        pod: pod.clone(),
                        container: container.clone(),
                        line: line?,
                    })
                })
                .boxed(),
            // It is gone by now, with its log.
            Err(e) if e.is_not_found() => futures::stream::empty().boxed(),
            Err(e) => futures::stream::once(async { Err(e) }).boxed(),
        }
    }

    fn follow(self) -> NamespaceLog {
        let api: Api<Pod> = Api::namespaced(self.cluster.client(), &self.namespace);
        let following = Following {
            pods: self.cluster.watch(api, "Pods").boxed(),
            reader: self,
            begun: false,
            parts: SelectAll::new(),
            seen: HashSet::new(),
        };
        futures::stream::unfold(following, |mut following| async move {
            let line = following.next().await?;
            Some((line, following))
        })
        .boxed()
    }
}

impl Following {
    async fn next(&mut self) -> Option<Result<PodLogLine, ClusterError>> {
        loop {
            let event = tokio::select! {
                Some(line) = self.parts.next() => return Some(line),
                event = self.pods.next() => event?,
            };
            match event {
                Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) => {
                    self.begin(&pod).await;
                }
                Ok(watcher::Event::InitDone) => self.begun = true,
                Ok(watcher::Event::Delete(pod)) => {
                    let uid = pod.uid().unwrap_or_default();
                    self.seen.retain(|(it, _, _)| *it != uid);
                }
                Ok(watcher::Event::Init) => {}
                Err(e) => return Some(Err(e.into())),
            }
        }
    }

    async fn begin(&mut self, pod: &Pod) {
        for (pod, run) in self.reader.runs(pod) {
            if self.seen.insert(run.clone()) {
                let part = self.reader.part(pod, run, !self.begun).await;
                self.parts.push(part);
            }
        }
    }
}
