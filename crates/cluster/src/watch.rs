//! Watches that go on for ever.

use std::time::Duration;

use catalyst_crd::{Environment, Project};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Resource,
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;

use crate::{Cluster, ClusterError};

/// How long a watch may be silent before the API server is to end it and it is begun anew: a
/// connection that died without a word is noticed after this time.
const SILENCE: Duration = Duration::from_secs(50);

impl Cluster {
    /// Every change of every Environment: first those there are (`Init`, `InitApply`…,
    /// `InitDone`), then each change. It resumes after broken connections, ended watches and 410
    /// Gone with doubling waits (0.8 s to 30 s), for as long as it is polled; errors are passed on
    /// for the log and end nothing.
    pub fn watch_environments(
        &self,
    ) -> impl Stream<Item = Result<watcher::Event<Environment>, ClusterError>> + Send + use<> {
        watch(self.all_environments(), "Environments")
    }

    /// The same for every Project.
    pub fn watch_projects(
        &self,
    ) -> impl Stream<Item = Result<watcher::Event<Project>, ClusterError>> + Send + use<> {
        watch(self.all_projects(), "Projects")
    }
}

impl Cluster {
    /// The same for every pod, of whatever namespace.
    pub fn watch_pods(
        &self,
    ) -> impl Stream<Item = Result<watcher::Event<Pod>, ClusterError>> + Send + use<> {
        watch(Api::<Pod>::all(self.client()), "pods")
    }
}

fn watch<K>(
    api: Api<K>,
    what: &'static str,
) -> impl Stream<Item = Result<watcher::Event<K>, ClusterError>> + Send
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let config =
        watcher::Config::default().timeout(u32::try_from(SILENCE.as_secs()).unwrap_or(u32::MAX));
    watcher(api, config).default_backoff().map(move |event| {
        event.map_err(|e| ClusterError::Watch {
            on: what.to_owned(),
            source: Box::new(e),
        })
    })
}
