//! Whether the cluster enforces NetworkPolicy.
//!
//! Kubernetes stores every NetworkPolicy; only some network plugins heed them, and the API does not tell
//! which. So it is tried out, with two pods that live for a quarter of a minute in Catalyst's own
//! namespace and try to reach the operator: one that a policy of the chart cuts off, and one that none
//! does, without which silence would prove nothing. What comes out is a condition of every Environment,
//! a warning in the log, and a metric.
//!
//! It shows how the plugin treats connections between two pods, no more: not each range of addresses,
//! and on many nodes not each of them.

mod objects;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use catalyst_cluster::chain;
use futures::StreamExt;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::runtime::watcher;
use kube::{Api, Client};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::error::Error;
use objects::{LABEL, RUN, Side};

/// For how long a pod tries. Some plugins need seconds until a new pod is cut off.
const TRIES_FOR: Duration = Duration::from_secs(15);
const ONE_TRY: Duration = Duration::from_secs(2);
/// How long the pods may take from being asked for until they have ended.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the operator's own pod may go without an address.
const OWN_ADDRESS: Duration = Duration::from_secs(30);
/// A network plugin is rarely exchanged.
const AGAIN: Duration = Duration::from_secs(6 * 3600);
const AGAIN_WHEN_UNKNOWN: Duration = Duration::from_secs(600);

/// The exit code of a pod that could still reach the operator at the end.
pub const REACHED: u8 = 20;
/// The exit code of one that could not.
pub const CUT_OFF: u8 = 0;

/// Where to try it out: what the operator knows of its own pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkProbe {
    /// Catalyst's own namespace.
    pub namespace: String,
    /// The operator's pod. The probe's are made after its image.
    pub pod: String,
    /// A port that it listens on.
    pub port: u16,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enforcement {
    /// The pod that a policy cuts off was cut off.
    Enforced,
    /// It was not.
    NotEnforced,
    /// It could not be tried out, for this reason.
    Unknown(String),
}

impl Enforcement {
    /// Whether policies are enforced, as a condition's status.
    #[must_use]
    pub fn status(&self) -> Option<bool> {
        match self {
            Self::Enforced => Some(true),
            Self::NotEnforced => Some(false),
            Self::Unknown(_) => None,
        }
    }

    /// The condition's reason.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Enforced => "PolicyEnforced",
            Self::NotEnforced => "PolicyNotEnforced",
            Self::Unknown(_) => "PolicyNotTried",
        }
    }

    /// The condition's message.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Enforced => "the cluster's network plugin enforces NetworkPolicy".to_owned(),
            Self::NotEnforced => "the cluster's network plugin does not enforce NetworkPolicy: a pod that a policy cuts off reached another one. \
                 The code of pull requests can reach the Kubernetes API, other previews and whatever else pods can reach here; \
                 install a network plugin that enforces policies, such as Calico or Cilium"
                .to_owned(),
            Self::Unknown(why) => {
                format!("whether the cluster's network plugin enforces NetworkPolicy is not known: {why}")
            }
        }
    }
}

/// Tries it out now and from time to time, and tells each result; never returns.
pub(crate) async fn follow(
    client: Client,
    probe: NetworkProbe,
    tell: watch::Sender<Option<Enforcement>>,
) {
    loop {
        let found = look(&client, &probe).await.unwrap_or_else(|error| {
            tracing::warn!(error = chain(&error), "network_probe_failed");
            Enforcement::Unknown(chain(&error))
        });
        crate::metrics::policy_enforced(found.status());
        let message = found.message();
        match &found {
            Enforcement::Enforced => tracing::info!(message, "network_policy_enforced"),
            Enforcement::NotEnforced => tracing::warn!(message, "network_policy_not_enforced"),
            Enforcement::Unknown(_) => tracing::warn!(message, "network_policy_not_tried"),
        }
        let again = match found {
            Enforcement::Unknown(_) => AGAIN_WHEN_UNKNOWN,
            _ => AGAIN,
        };
        tell.send_if_modified(|told| {
            let news = told.as_ref() != Some(&found);
            *told = Some(found);
            news
        });
        sleep(again).await;
    }
}

/// One look: makes the two pods, waits for them, and takes them away.
async fn look(client: &Client, probe: &NetworkProbe) -> Result<Enforcement, Error> {
    let namespace = probe.namespace.as_str();
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    // It runs before its address is written down.
    let known = await_condition(pods.clone(), &probe.pod, |pod: Option<&Pod>| {
        address(pod).is_some()
    });
    let own = timeout(OWN_ADDRESS, known)
        .await
        .ok()
        .and_then(Result::ok)
        .flatten();
    let Some((target, own)) = own.and_then(|own| Some((address(Some(&own))?, own))) else {
        let why = format!("{namespace} has no pod {} with an address", probe.pod);
        return Ok(Enforcement::Unknown(why));
    };
    let target = SocketAddr::new(target, probe.port);
    let policies: Api<NetworkPolicy> = Api::namespaced(client.clone(), namespace);
    let cuts_off = format!("{LABEL}={}", Side::CutOff.as_str());
    let policies = policies
        .list(&ListParams::default().labels(&cuts_off))
        .await
        .map_err(Error::api(
            "list",
            format!("NetworkPolicies of {namespace}"),
        ))?;
    if policies.items.is_empty() {
        let why = format!("no NetworkPolicy with the label {cuts_off} is in {namespace}");
        return Ok(Enforcement::Unknown(why));
    }
    let run = hex::encode(rand::random::<[u8; 4]>());
    let jobs: Api<Job> = Api::namespaced(client.clone(), namespace);
    let mut made = Vec::new();
    let mut made_all = Ok(());
    for side in [Side::Open, Side::CutOff] {
        let job = objects::job(&own, side, &run, target);
        let name = objects::name(side, &run);
        let created = jobs.create(&PostParams::default(), &job).await;
        made_all = created
            .map(drop)
            .map_err(Error::api("create", format!("Job {namespace}/{name}")));
        if made_all.is_err() {
            break;
        }
        made.push(name);
    }
    let ended = match &made_all {
        Ok(()) => timeout(PATIENCE, outcomes(pods, &run)).await.ok(),
        Err(_) => None,
    };
    for name in made {
        // Should this fail, they go with the operator's pod, or a while after they have ended.
        if let Err(error) = jobs.delete(&name, &DeleteParams::background()).await {
            tracing::info!(job = name, error = chain(&error), "network_probe_left");
        }
    }
    made_all?;
    Ok(ended.map_or_else(
        || {
            let why = format!(
                "the pods that try it out did not end within {} s",
                PATIENCE.as_secs()
            );
            Enforcement::Unknown(why)
        },
        |(open, cut_off)| judge(open, cut_off),
    ))
}

fn address(pod: Option<&Pod>) -> Option<IpAddr> {
    pod?.status.as_ref()?.pod_ip.as_deref()?.parse().ok()
}

/// The exit codes of both pods, the open one's first, once both have ended.
async fn outcomes(pods: Api<Pod>, run: &str) -> (i32, i32) {
    let config = watcher::Config::default().labels(&format!("{RUN}={run}"));
    let mut events = std::pin::pin!(watcher(pods, config));
    let (mut open, mut cut_off) = (None, None);
    loop {
        match events.next().await {
            Some(Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod))) => {
                match objects::ended(&pod) {
                    Some((Side::Open, code)) => open = Some(code),
                    Some((Side::CutOff, code)) => cut_off = Some(code),
                    None => {}
                }
            }
            Some(Ok(_)) => {}
            // Whoever waits has a patience of his own.
            Some(Err(_)) | None => sleep(Duration::from_secs(1)).await,
        }
        if let (Some(open), Some(cut_off)) = (open, cut_off) {
            return (open, cut_off);
        }
    }
}

/// What both exit codes say together.
fn judge(open: i32, cut_off: i32) -> Enforcement {
    let (reached, was_cut_off) = (i32::from(REACHED), i32::from(CUT_OFF));
    match (open, cut_off) {
        (open, cut_off) if open == reached && cut_off == was_cut_off => Enforcement::Enforced,
        (open, cut_off) if open == reached && cut_off == reached => Enforcement::NotEnforced,
        (open, _) if open == was_cut_off => Enforcement::Unknown(
            "a pod without any policy of Catalyst's did not reach the operator either".to_owned(),
        ),
        (open, cut_off) => Enforcement::Unknown(format!(
            "the pods that try it out failed (exit codes {open} and {cut_off})"
        )),
    }
}

/// What such a pod runs: whether `target` can be reached after a quarter of a minute of trying.
pub async fn reaches(target: SocketAddr) -> bool {
    reaches_after(target, TRIES_FOR).await
}

async fn reaches_after(target: SocketAddr, tries_for: Duration) -> bool {
    let until = Instant::now() + tries_for;
    loop {
        let reached = matches!(
            timeout(ONE_TRY, TcpStream::connect(target)).await,
            Ok(Ok(_))
        );
        if Instant::now() >= until {
            return reached;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pod_that_could_have_reached_it_and_was_kept_from_it_proves_enforcement() {
        let (reached, cut_off) = (20, 0);
        assert_eq!(judge(reached, cut_off), Enforcement::Enforced);
        assert_eq!(judge(reached, reached), Enforcement::NotEnforced);
        for (open, closed) in [
            (cut_off, cut_off),
            (cut_off, reached),
            (1, cut_off),
            (reached, 137),
            (1, 1),
        ] {
            let found = judge(open, closed);
            assert!(
                matches!(found, Enforcement::Unknown(_)),
                "{open} and {closed}: {found:?}"
            );
        }
    }

    #[tokio::test]
    async fn what_listens_is_reached_and_what_does_not_is_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let short = Duration::from_millis(10);
        assert!(reaches_after(target, short).await);
        drop(listener);
        assert!(!reaches_after(target, short).await);
    }
}
