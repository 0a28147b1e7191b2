//! Leader election, with everything that ends a leadership.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails where it stands, and tells what it measured"
)]

mod scene;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use catalyst_cluster::Cluster;
use catalyst_cluster::lease::{Election, Standing};
use catalyst_testkit::proxy::Weather;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use scene::{Scene, until};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// From the death of a leader until the next one works.
const TAKEOVER: Duration = Duration::from_secs(15);

/// Who began (or ended) its work, and when.
type Entry = (&'static str, bool, Instant);

/// When each candidate began and ended its work.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<Entry>>>);

impl Diary {
    fn write(&self, who: &'static str, works: bool) {
        self.0.lock().unwrap().push((who, works, Instant::now()));
    }

    fn works(&self) -> Vec<&'static str> {
        let entries = self.0.lock().unwrap();
        let mut working: Vec<&'static str> = Vec::new();
        for (who, works, _) in entries.iter() {
            working.retain(|name| name != who);
            if *works {
                working.push(who);
            }
            assert!(working.len() <= 1, "two lead at once: {entries:?}");
        }
        working
    }
}

/// Ends an entry in the diary however the work ends.
struct Working(Diary, &'static str);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.write(self.1, false);
    }
}

struct Candidate {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
    standing: Arc<Standing>,
    /// The client of its last leadership.
    client: Arc<Mutex<Option<kube::Client>>>,
}

fn candidate(cluster: &Cluster, namespace: &str, who: &'static str, diary: &Diary) -> Candidate {
    let election = Election::new(cluster, namespace, "test-leader", who.to_owned());
    let (standing, shutdown) = (election.standing(), CancellationToken::new());
    let client: Arc<Mutex<Option<kube::Client>>> = Arc::default();
    let (diary, stop, given) = (diary.clone(), shutdown.clone(), client.clone());
    let task = tokio::spawn(async move {
        let work = move |client: kube::Client, stop: CancellationToken| {
            *given.lock().unwrap() = Some(client);
            diary.write(who, true);
            let working = Working(diary.clone(), who);
            async move {
                stop.cancelled().await;
                drop(working);
            }
        };
        election.run(&stop, Duration::from_secs(5), work).await;
    });
    Candidate {
        shutdown,
        task,
        standing,
        client,
    }
}

/// One candidate that leads, and another that looks on.
async fn leader_and_other(scene: &Scene, diary: &Diary) -> (Candidate, Candidate) {
    let first = candidate(&scene.cluster, &scene.namespace, "first", diary);
    until("the first one leads", async || diary.works() == ["first"]).await;
    let second = candidate(&scene.cluster, &scene.namespace, "second", diary);
    until("the second one looks on", async || {
        second.standing.is_in_touch()
    })
    .await;
    (first, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_leader_is_killed_the_next_one_leads_within_15_s() {
    let scene = Scene::start().await;
    let diary = Diary::default();
    let (first, second) = leader_and_other(&scene, &diary).await;
    // Several renewals pass, and nothing changes.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(diary.works(), ["first"]);
    assert!(first.standing.leads() && !second.standing.leads());

    first.task.abort();
    let took = until("the second one leads", async || diary.works() == ["second"]).await;
    println!("takeover after a kill: {took:?}");
    assert!(took < TAKEOVER, "{took:?}");
    second.shutdown.cancel();
    second.task.await.unwrap();
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_asked_to_stop_hands_over_at_once() {
    let scene = Scene::start().await;
    let diary = Diary::default();
    let (first, second) = leader_and_other(&scene, &diary).await;

    first.shutdown.cancel();
    let took = until("the second one leads", async || diary.works() == ["second"]).await;
    println!("takeover after a stop: {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    first.task.await.unwrap();
    second.shutdown.cancel();
    second.task.await.unwrap();
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_stops_before_another_begins_and_sends_nothing_later() {
    let scene = Scene::start().await;
    let diary = Diary::default();
    let (cut_off, proxy) = scene.through_proxy().await;
    let first = candidate(&cut_off, &scene.namespace, "first", &diary);
    until("the first one leads", async || diary.works() == ["first"]).await;
    let second = candidate(&scene.cluster, &scene.namespace, "second", &diary);

    proxy.set(Weather::BlackHole);
    until("the first one stops", async || diary.works() != ["first"]).await;
    assert!(!first.standing.leads());
    let took = until("the second one leads", async || diary.works() == ["second"]).await;
    println!("takeover after a cut, counted from the stop: {took:?}");
    until("the first one is out of touch", async || {
        !first.standing.is_in_touch()
    })
    .await;

    // Even once its way is free again, its client sends nothing.
    proxy.set(Weather::Fine);
    until("the first one is back", async || {
        first.standing.is_in_touch()
    })
    .await;
    let client = first.client.lock().unwrap().clone().unwrap();
    let refused = Api::<Namespace>::all(client)
        .get("default")
        .await
        .unwrap_err();
    let why = std::error::Error::source(&refused).unwrap().to_string();
    assert!(why.contains("does not lead"), "{refused:?}");
    assert_eq!(diary.works(), ["second"]);
    for candidate in [second, first] {
        candidate.shutdown.cancel();
        candidate.task.await.unwrap();
    }
    scene.stop().await;
}
