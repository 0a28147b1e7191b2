//! Watches that go on for ever.

use std::time::Duration;

use backon::ExponentialBuilder;
use catalyst_crd::{Environment, Project};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt,
        watcher::{self, ExponentialBackoff, watcher},
    },
};
use serde::de::DeserializeOwned;

use crate::error::is_expired;
use crate::{Cluster, WatchError};

/// How long a watch lasts before the API server ends it in order and it is taken up where it was.
/// The watcher waits 5 s longer for that end: a connection that died without a word is noticed
/// within a minute.
pub const LASTS: Duration = Duration::from_secs(50);
/// The wait after the first interruption; it doubles up to [`LONGEST_WAIT`].
pub const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait (jitter comes on top, at most as much again): an API server that answers again
/// is heard within 5 s.
pub const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Every change of the objects of `api` that `selector` picks by their labels (all, where it is
/// empty), for as long as it is polled: see [`Cluster::watch`], which says whose watch it is in its
/// errors.
pub fn watch<K>(
    api: Api<K>,
    selector: &str,
) -> impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + use<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let mut config = lasting();
    if !selector.is_empty() {
        config = config.labels(selector);
    }
    resuming(move || watcher(api.clone(), config.clone()).boxed()).backoff(waits())
}

/// As [`watch`], of the objects of one name, in whichever namespace: a right to these alone is enough.
pub fn watch_named<K>(
    api: Api<K>,
    name: &str,
) -> impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + use<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let config = lasting().fields(&format!("metadata.name={name}"));
    resuming(move || watcher(api.clone(), config.clone()).boxed()).backoff(waits())
}

fn lasting() -> watcher::Config {
    watcher::Config::default().timeout(u32::try_from(LASTS.as_secs()).unwrap_or(u32::MAX))
}

/// How long a watch waits after an interruption: see [`FIRST_WAIT`] and [`LONGEST_WAIT`].
fn waits() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_WAIT)
        .with_max_delay(LONGEST_WAIT)
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .into()
}

impl Cluster {
    /// Every change of every Environment; see [`Cluster::watch`].
    pub fn watch_environments(
        &self,
    ) -> impl Stream<Item = Result<watcher::Event<Environment>, WatchError>> + Send + use<> {
        self.watch(self.all_environments(), "Environments")
    }

    /// Every change of every Project; see [`Cluster::watch`].
    pub fn watch_projects(
        &self,
    ) -> impl Stream<Item = Result<watcher::Event<Project>, WatchError>> + Send + use<> {
        self.watch(self.all_projects(), "Projects")
    }

    /// Every change of every pod, of whatever namespace; see [`Cluster::watch`].
    pub fn watch_pods(
        &self,
    ) -> impl Stream<Item = Result<watcher::Event<Pod>, WatchError>> + Send + use<> {
        self.watch(Api::<Pod>::all(self.client()), "Pods")
    }

    /// Every change of the objects of `api`, which the errors call `what`: first those that there
    /// are (`Init`, `InitApply`…, `InitDone`), then each change.
    ///
    /// It lasts for as long as it is polled. Broken connections, ended watches and bookmarks are
    /// taken up where it was, without a list. Where the API server has forgotten that place (410
    /// Gone), all objects are listed again, between `Init` and `InitDone`: whoever keeps a copy
    /// exchanges it at `InitDone`, and shows nothing as gone before. Errors are passed on for the
    /// log and end nothing.
    ///
    /// An API server that answers again is heard within 5 s, a connection that died without a word
    /// is replaced within 60 s.
    pub fn watch<K>(
        &self,
        api: Api<K>,
        what: &'static str,
    ) -> impl Stream<Item = Result<watcher::Event<K>, WatchError>> + Send + use<K>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
    {
        let cluster = self.name().to_owned();
        watch(api, "").map(move |event| {
            event.map_err(|source| WatchError {
                on: what.to_owned(),
                cluster: cluster.clone(),
                source: Box::new(source),
            })
        })
    }
}

/// A watcher that is made anew where the API server refuses its place at the door: kube's own
/// begins anew only where it is told so in the middle of a watch.
fn resuming<K, S>(
    make: impl Fn() -> S + Send,
) -> impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send
where
    S: Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + Unpin,
    K: Send,
{
    futures::stream::unfold((make(), make), |(mut stream, make)| async move {
        let event = stream.next().await?;
        let refused =
            matches!(&event, Err(e @ watcher::Error::WatchStartFailed(_)) if is_expired(e));
        let stream = if refused { make() } else { stream };
        Some((event, (stream, make)))
    })
}
