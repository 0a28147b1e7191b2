use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use catalyst_cluster::{Cluster, WatchError};
use catalyst_testkit::proxy::Weather;
use futures::StreamExt;
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, PostParams};
use kube::client::Body;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher;
use kube::{Api, Client};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::scene::{Scene, until};

/// A copy of the ConfigMaps of the test's namespace, kept by a watch.
struct Copy {
    store: Store<ConfigMap>,
    news: Arc<Mutex<News>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct News {
    lists: usize,
    errors: Vec<WatchError>,
    /// Whether an object that is always there was ever missing.
    lost: bool,
}

impl Copy {
    /// Once it has seen the object `always`.
    async fn begin(cluster: &Cluster, namespace: &str) -> Self {
        let api: Api<ConfigMap> = Api::namespaced(cluster.client(), namespace);
        let mut events = cluster.watch(api, "ConfigMaps").boxed();
        let (store, mut writer) = reflector::store();
        let news: Arc<Mutex<News>> = Arc::default();
        let (seen, told) = (store.clone(), news.clone());
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                let mut news = told.lock().unwrap();
                match event {
                    Ok(event) => {
                        news.lists += usize::from(matches!(event, watcher::Event::InitDone));
                        writer.apply_watcher_event(&event);
                    }
                    Err(error) => news.errors.push(error),
                }
                news.lost |= news.lists > 0 && !has(&seen, "always");
            }
        });
        let copy = Self { store, news, task };
        until("it is seen", async || copy.has("always")).await;
        copy
    }

    fn has(&self, name: &str) -> bool {
        has(&self.store, name)
    }

    fn lists(&self) -> usize {
        self.news.lock().unwrap().lists
    }

    fn errors(&self) -> usize {
        self.news.lock().unwrap().errors.len()
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.task.abort();
        if !std::thread::panicking() {
            assert!(!self.news.lock().unwrap().lost, "nothing is shown as gone");
        }
    }
}

fn has(store: &Store<ConfigMap>, name: &str) -> bool {
    let all = store.state();
    all.iter()
        .any(|it| it.metadata.name.as_deref() == Some(name))
}

async fn make(scene: &Scene, name: &str) {
    let map = json!({ "metadata": { "name": name } });
    let map = serde_json::from_value(map).unwrap();
    maps(scene)
        .create(&PostParams::default(), &map)
        .await
        .unwrap();
}

fn maps(scene: &Scene) -> Api<ConfigMap> {
    Api::namespaced(scene.cluster.client(), &scene.namespace)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_whose_connections_break_catches_up_within_5_s_without_a_list() {
    let scene = Scene::start().await;
    let (cluster, proxy) = scene.through_proxy().await;
    make(&scene, "always").await;
    make(&scene, "going").await;
    let copy = Copy::begin(&cluster, &scene.namespace).await;
    until("the other one is seen", async || copy.has("going")).await;
    proxy.set(Weather::Broken);
    make(&scene, "missed").await;
    let params = DeleteParams::default();
    maps(&scene).delete("going", &params).await.unwrap();
    // So long that waits have grown to their longest.
    until("it has tried for a while", async || copy.errors() >= 6).await;
    assert!(copy.has("going") && !copy.has("missed"));
    proxy.set(Weather::Fine);
    let answered = Instant::now();
    until("it has caught up", async || {
        copy.has("missed") && !copy.has("going")
    })
    .await;
    let took = answered.elapsed();
    println!("caught up after a break: {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(copy.lists(), 1, "it goes on where it was");
    drop(copy);
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_on_a_connection_that_died_without_a_word_catches_up_within_60_s() {
    let scene = Scene::start().await;
    let (cluster, proxy) = scene.through_proxy().await;
    make(&scene, "always").await;
    let copy = Copy::begin(&cluster, &scene.namespace).await;
    proxy.set(Weather::BlackHole);
    make(&scene, "missed").await;
    // What is open now stays dead; what is opened from now on is not.
    tokio::time::sleep(Duration::from_millis(100)).await;
    proxy.set(Weather::Fine);
    let took = until("it has caught up", async || copy.has("missed")).await;
    println!("caught up after a black hole: {took:?}");
    assert!(took < Duration::from_secs(60), "{took:?}");
    assert_eq!(copy.lists(), 1);
    drop(copy);
    scene.stop().await;
}

/// What an API server does to the next watch.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// Refuses it: its place is forgotten.
    RefusedAsExpired,
    /// Begins it, and says so in its first line.
    EndedAsExpired,
    /// Sends a line that tells how far it is, and ends it in order.
    EndedAfterBookmark,
}

/// A client whose next watches go as it is told.
fn fated(client: Client, fates: Arc<Mutex<VecDeque<Fate>>>) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, fates) = (client.clone(), fates.clone());
        async move {
            let query = request.uri().query().unwrap_or_default();
            let watch = query.contains("watch=true");
            let fate = watch.then(|| fates.lock().unwrap().pop_front()).flatten();
            let expired = json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
                "reason": "Expired", "message": "too old resource version",
            });
            let (code, body) = match fate {
                None => return client.send(request).await.map(|it| it.map(Either::Left)),
                Some(Fate::RefusedAsExpired) => (410, expired.to_string()),
                Some(Fate::EndedAsExpired) => (
                    200,
                    json!({ "type": "ERROR", "object": expired }).to_string() + "\n",
                ),
                Some(Fate::EndedAfterBookmark) => {
                    let at = query
                        .split('&')
                        .find_map(|it| it.strip_prefix("resourceVersion="));
                    let object = json!({
                        "kind": "ConfigMap", "apiVersion": "v1",
                        "metadata": { "resourceVersion": at, "creationTimestamp": null },
                    });
                    (
                        200,
                        json!({ "type": "BOOKMARK", "object": object }).to_string() + "\n",
                    )
                }
            };
            let mut answer = Response::new(Either::Right(Full::new(body.into())));
            *answer.status_mut() = StatusCode::from_u16(code).unwrap();
            Ok::<_, kube::Error>(answer)
        }
    });
    Client::new(service, namespace)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_whose_place_is_forgotten_lists_anew_and_shows_nothing_as_gone() {
    let scene = Scene::start().await;
    for (fate, lists) in [
        (Fate::EndedAfterBookmark, 1),
        (Fate::EndedAsExpired, 2),
        (Fate::RefusedAsExpired, 2),
    ] {
        let name = format!("missed-{lists}-{fate:?}").to_lowercase();
        if matches!(fate, Fate::EndedAfterBookmark) {
            make(&scene, "always").await;
        }
        let fates: Arc<Mutex<VecDeque<Fate>>> = Arc::default();
        fates.lock().unwrap().push_back(fate);
        let cluster = Cluster::new("fated", fated(scene.cluster.client(), fates));
        let copy = Copy::begin(&cluster, &scene.namespace).await;
        make(&scene, &name).await;
        until("it has caught up", async || copy.has(&name)).await;
        until("it has listed as often as it had to", async || {
            copy.lists() == lists
        })
        .await;
        let expired = {
            let news = copy.news.lock().unwrap();
            news.errors.iter().filter(|it| it.is_expired()).count()
        };
        assert_eq!(expired, lists - 1, "{fate:?}");
    }
    scene.stop().await;
}
