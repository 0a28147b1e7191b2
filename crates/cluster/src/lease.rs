//! Leader election by a Lease of `coordination.k8s.io`, as Kubernetes' own controllers do it.
//!
//! Of all who stand for one Lease, one leads at a time. A candidate takes the Lease when it is
//! free, or when it has not changed for as long as it is good for, measured with the candidate's
//! own clock: the machines' clocks are never compared. The leader renews it all the time. When it
//! cannot, it stops before anyone else may begin, and its client refuses to send anything from
//! then on, even if the whole process was stopped in between.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::Request;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
    client::Body,
};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{Cluster, ClusterError, ConnectionError, chain};

/// How long a Lease is good for after it was last seen to change.
pub const DURATION: Duration = Duration::from_secs(8);
/// How long a leader goes on without having renewed its Lease. What it has sent by then has the
/// rest of [`DURATION`] to arrive.
pub const RENEW_WITHIN: Duration = Duration::from_secs(5);
/// How often a leader renews, and the others look.
pub const RETRY: Duration = Duration::from_secs(1);
/// How long one request may take, so that there is time for another one.
const REQUEST: Duration = Duration::from_millis(2_400);

/// The leader's time is over, so nothing more is sent in its name.
#[derive(Debug, thiserror::Error)]
#[error("this process does not lead any more")]
struct NotLeading;

/// How a candidate stands, for those who look from outside.
#[derive(Debug, Default)]
pub struct Standing(Mutex<State>);

#[derive(Debug, Default, Clone, Copy)]
struct State {
    /// When the API server last answered.
    heard: Option<Instant>,
    /// Until when this process leads, if it does.
    leads_until: Option<Instant>,
}

impl Standing {
    /// Whether this process leads at this moment.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.get()
            .leads_until
            .is_some_and(|until| Instant::now() < until)
    }

    /// Whether the API server has answered within the time that the Lease is good for.
    #[must_use]
    pub fn is_in_touch(&self) -> bool {
        self.get()
            .heard
            .is_some_and(|heard| heard.elapsed() < DURATION)
    }

    fn get(&self) -> State {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// One candidate for one Lease.
pub struct Election {
    cluster: Cluster,
    api: Api<Lease>,
    namespace: String,
    name: String,
    identity: String,
    standing: Arc<Standing>,
    seen: Option<Seen>,
}

/// The Lease as it was last seen to change.
struct Seen {
    lease: Lease,
    at: Instant,
}

/// What came of one try to take the Lease, or to keep it.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Ours,
    Theirs,
    /// Somebody changed it at the same time; another look tells who has it.
    Contended,
}

impl Election {
    /// Stands for the Lease `namespace/name`, which is made if it is not there. `identity` must be
    /// another one in each process that ever runs, restarts of the same pod included.
    #[must_use]
    pub fn new(cluster: &Cluster, namespace: &str, name: &str, identity: String) -> Self {
        Self {
            cluster: cluster.clone(),
            api: Api::namespaced(cluster.client(), namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            identity,
            standing: Arc::default(),
            seen: None,
        }
    }

    /// How this candidate stands; stays true while it runs.
    #[must_use]
    pub fn standing(&self) -> Arc<Standing> {
        self.standing.clone()
    }

    /// Runs `work` while this candidate leads, until `shutdown`; anew each time it is elected.
    ///
    /// `work` is given a client that sends nothing once the leadership is over, and a token that
    /// is cancelled at the shutdown. When the leadership is lost, `work` is dropped at once. At
    /// the shutdown it has `grace` to come to its end; then the Lease is given back, so that
    /// another can take it without waiting.
    pub async fn run<W, F>(mut self, shutdown: &CancellationToken, grace: Duration, mut work: W)
    where
        W: FnMut(Client, CancellationToken) -> F,
        F: Future<Output = ()>,
    {
        while self.elected(shutdown).await {
            tracing::info!(lease = %self.on(), identity = self.identity, "leader_elected");
            let ended = {
                let work = work(self.fenced(), shutdown.child_token());
                let too_long = async {
                    shutdown.cancelled().await;
                    tokio::time::sleep(grace).await;
                };
                tokio::select! {
                    biased;
                    () = self.keep() => false,
                    () = work => true,
                    () = too_long => true,
                }
            };
            if ended {
                self.resign().await;
                return;
            }
            self.standing.set(|state| state.leads_until = None);
            tracing::warn!(lease = %self.on(), identity = self.identity, "leadership_lost");
        }
    }

    /// Until the Lease is ours (true), or the shutdown comes first (false).
    async fn elected(&mut self, shutdown: &CancellationToken) -> bool {
        let mut told = false;
        loop {
            let attempt = tokio::select! {
                biased;
                () = shutdown.cancelled() => return false,
                attempt = self.attempt() => attempt,
            };
            match attempt {
                Ok(Outcome::Ours) => return true,
                Ok(Outcome::Theirs | Outcome::Contended) => told = false,
                // Once is enough, however long it lasts.
                Err(error) if !told => {
                    told = true;
                    tracing::warn!(error = chain(&error), "cannot stand for leadership");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return false,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    /// Renews the Lease until it is lost.
    async fn keep(&mut self) {
        loop {
            let Some(until) = self.standing.get().leads_until else {
                return;
            };
            let renewed = timeout_at(until, async {
                tokio::time::sleep(RETRY).await;
                self.attempt().await
            });
            match renewed.await {
                Ok(Ok(Outcome::Ours | Outcome::Contended)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(error = chain(&error), "cannot renew the leadership");
                }
                Ok(Ok(Outcome::Theirs)) | Err(_) => return,
            }
        }
    }

    /// One look at the Lease, and one try to take or renew it where that is allowed.
    async fn attempt(&mut self) -> Result<Outcome, ClusterError> {
        let began = Instant::now();
        let found = self.sent("read", self.api.get_opt(&self.name)).await?;
        self.standing.set(|state| state.heard = Some(began));
        let wanted = match &found {
            Some(lease) => {
                let spec = lease.spec.clone().unwrap_or_default();
                let changed = |seen: &Seen| seen.lease.spec != lease.spec;
                if self.seen.as_ref().is_none_or(changed) {
                    self.seen = Some(Seen {
                        lease: lease.clone(),
                        at: Instant::now(),
                    });
                }
                let unchanged = self
                    .seen
                    .as_ref()
                    .map_or(Duration::ZERO, |s| s.at.elapsed());
                if !may_take(&spec, &self.identity, unchanged) {
                    return Ok(Outcome::Theirs);
                }
                Lease {
                    metadata: lease.metadata.clone(),
                    spec: Some(ours(&spec, &self.identity)),
                }
            }
            None => Lease {
                metadata: ObjectMeta {
                    name: Some(self.name.clone()),
                    namespace: Some(self.namespace.clone()),
                    ..ObjectMeta::default()
                },
                spec: Some(ours(&LeaseSpec::default(), &self.identity)),
            },
        };
        let parameters = PostParams::default();
        // The resourceVersion that was read goes along, so only one of several can succeed.
        let written = match found {
            Some(_) => {
                let replaced = self.api.replace(&self.name, &parameters, &wanted);
                self.sent("update", replaced).await
            }
            None => {
                let created = self.api.create(&parameters, &wanted);
                self.sent("create", created).await
            }
        };
        match written {
            Ok(lease) => {
                self.seen = Some(Seen { lease, at: began });
                self.standing
                    .set(|state| state.leads_until = Some(began + RENEW_WITHIN));
                Ok(Outcome::Ours)
            }
            Err(error) if error.is_conflict() => Ok(Outcome::Contended),
            Err(error) => Err(error),
        }
    }

    /// Gives the Lease back, if it is ours.
    async fn resign(&mut self) {
        self.standing.set(|state| state.leads_until = None);
        let Some(Seen { mut lease, .. }) = self.seen.take() else {
            return;
        };
        let mut spec = lease.spec.take().unwrap_or_default();
        if spec.holder_identity.as_deref() != Some(&self.identity) {
            return;
        }
        spec.holder_identity = None;
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        spec.lease_duration_seconds = Some(1);
        lease.spec = Some(spec);
        let parameters = PostParams::default();
        let replaced = self.api.replace(&self.name, &parameters, &lease);
        match self.sent("give back", replaced).await {
            Ok(_) => tracing::info!(lease = %self.on(), "leadership_given_back"),
            // It runs out by itself.
            Err(error) => tracing::warn!(error = chain(&error), "cannot give the leadership back"),
        }
    }

    /// A client that sends nothing unless this process leads at that very moment.
    fn fenced(&self) -> Client {
        let (client, standing) = (self.cluster.client(), self.standing.clone());
        let namespace = client.default_namespace().to_owned();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (client, standing) = (client.clone(), standing.clone());
            async move {
                if !standing.leads() {
                    return Err(kube::Error::Service(Box::new(NotLeading)));
                }
                client.send(request).await
            }
        });
        Client::new(service, namespace)
    }

    async fn sent<T>(
        &self,
        attempted: &'static str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ClusterError> {
        match timeout(REQUEST, request).await {
            Ok(answer) => answer.map_err(|e| self.cluster.failed(attempted, self.on(), e)),
            Err(_) => {
                let attempt = self.cluster.attempt(attempted, self.on());
                Err(ConnectionError::TimedOut { attempt }.into())
            }
        }
    }

    fn on(&self) -> String {
        format!("Lease {}/{}", self.namespace, self.name)
    }
}

/// Whether a Lease that has been seen unchanged for so long can be taken or renewed.
fn may_take(spec: &LeaseSpec, identity: &str, unchanged: Duration) -> bool {
    let holder = spec.holder_identity.as_deref().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.unwrap_or_default();
    let good_for = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    holder.is_empty() || holder == identity || unchanged >= good_for
}

/// The Lease's content once `identity` has taken or renewed it.
fn ours(before: &LeaseSpec, identity: &str) -> LeaseSpec {
    let now = MicroTime(Timestamp::now());
    let renewal = before.holder_identity.as_deref() == Some(identity);
    let transitions = before.lease_transitions.unwrap_or_default();
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
        renew_time: Some(now.clone()),
        acquire_time: before
            .acquire_time
            .clone()
            .filter(|_| renewal)
            .or(Some(now)),
        lease_transitions: Some(if renewal {
            transitions
        } else {
            transitions.saturating_add(1)
        }),
        ..LeaseSpec::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn held(by: Option<&str>) -> LeaseSpec {
        LeaseSpec {
            holder_identity: by.map(ToOwned::to_owned),
            lease_duration_seconds: Some(8),
            lease_transitions: Some(3),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn a_lease_is_taken_when_it_is_free_ours_or_has_not_changed_for_long_enough() {
        let (now, later) = (Duration::ZERO, Duration::from_secs(8));
        assert!(may_take(&held(None), "a", now));
        assert!(may_take(&held(Some("")), "a", now));
        assert!(may_take(&held(Some("a")), "a", now));
        assert!(!may_take(&held(Some("b")), "a", now));
        assert!(!may_take(
            &held(Some("b")),
            "a",
            Duration::from_millis(7_999)
        ));
        assert!(may_take(&held(Some("b")), "a", later));
        assert!(may_take(&LeaseSpec::default(), "a", now));
    }

    #[test]
    fn a_renewal_keeps_when_it_was_acquired_and_a_takeover_counts() {
        let first = ours(&held(Some("b")), "a");
        assert_eq!(first.lease_transitions, Some(4));
        assert_eq!(first.lease_duration_seconds, Some(8));
        let again = ours(&first, "a");
        assert_eq!(again.lease_transitions, Some(4));
        assert_eq!(again.acquire_time, first.acquire_time);
    }

    #[test]
    fn there_is_time_to_renew_twice_and_what_was_sent_has_time_to_arrive() {
        assert!(2 * REQUEST < RENEW_WITHIN);
        assert!(RENEW_WITHIN + REQUEST < DURATION);
    }
}
