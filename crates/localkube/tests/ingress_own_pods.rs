//! Every host and every Service is answered by its own pods, while many pods come, change and go.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails where it stands, and tells what it measured"
)]

mod whole;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use catalyst_localkube::objects::resource;
use http::Request;
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use whole::{Whole, deployment};

const PREVIEWS: usize = 12;
const ROUNDS: usize = 4;

/// Asks the Services `web` and `own` for as long as it runs: ready once both have answered, ended
/// where one has answered with another namespace's text.
fn asker(namespace: &str) -> Value {
    let script = format!(
        r#"
while true; do
    for service in web own; do
        page=$(printf 'GET / HTTP/1.0\r\n\r\n' | busybox nc -w 2 $service 80 2> /dev/null | sed '1,/^\r*$/d')
        case "$page" in
            "") ;;
            {namespace}-*) touch /tmp/$service ;;
            *) echo "$service answered: $page" > /dev/termination-log; exit 1 ;;
        esac
    done
    sleep 0.2
done"#
    );
    json!({
        "metadata": { "name": "asker" },
        "spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "c", "image": "busybox", "command": ["/bin/sh", "-c", script],
                "readinessProbe": {
                    "exec": { "command": ["ls", "/tmp/web", "/tmp/own"] },
                    "periodSeconds": 1, "timeoutSeconds": 30,
                },
            }],
        },
    })
}

/// A pod that is not a Deployment's, behind the Service `own`.
fn own(whole: &Whole, namespace: &str) {
    let mut pod = deployment(&format!("{namespace}-own"))["spec"]["template"].clone();
    pod["metadata"] = json!({ "name": "own", "labels": { "app": "own" } });
    pod["spec"]["terminationGracePeriodSeconds"] = json!(0);
    whole.create(resource::PODS, namespace, pod);
    whole.create(resource::SERVICES, namespace, json!({
        "metadata": { "name": "own" },
        "spec": { "selector": { "app": "own" }, "ports": [{ "port": 80, "targetPort": "http" }] },
    }));
}

/// Asks the ingress for all hosts in turn over a few connections, and keeps what does not fit.
struct Visitor {
    client: Client<HttpConnector, Body>,
    ingress: std::net::SocketAddr,
    answered: AtomicUsize,
}

impl Visitor {
    /// Status and text of one host's page.
    async fn ask(&self, host: &str) -> (u16, String) {
        let request = Request::get(format!("http://{}/", self.ingress))
            .header("host", host)
            .body(Body::empty())
            .unwrap();
        let response = self.client.request(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).trim().to_owned())
    }

    async fn watch(&self, stop: &CancellationToken) -> Vec<String> {
        let mut wrong = Vec::new();
        while !stop.is_cancelled() {
            for number in 0..PREVIEWS {
                let namespace = format!("preview-{number}");
                let (status, text) = self.ask(&format!("{namespace}.localhost")).await;
                if status == 200 {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    if !text.starts_with(&format!("{namespace}-")) {
                        wrong.push(format!("{namespace} was answered with {text}"));
                    }
                }
            }
        }
        wrong
    }
}

async fn until_answered(visitor: &Visitor, host: &str, text: &str) {
    let began = Instant::now();
    loop {
        let answer = visitor.ask(host).await;
        if answer == (200, text.to_owned()) {
            return;
        }
        assert!(
            began.elapsed() < Duration::from_secs(90),
            "{host}: {answer:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn until_gone(whole: &Whole, namespace: &str) {
    let began = Instant::now();
    while whole
        .objects()
        .get(resource::NAMESPACES, "", namespace)
        .is_ok()
    {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{namespace} is still there"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_and_services_are_answered_by_their_own_pods_while_pods_come_and_go() {
    let whole = Whole::start().await;
    if !whole.is_isolated() {
        return;
    }
    let visitor = Arc::new(Visitor {
        client: Client::builder(TokioExecutor::new()).build_http(),
        ingress: whole.kube.ingress_addr(),
        answered: AtomicUsize::new(0),
    });
    let stop = CancellationToken::new();
    let visiting: Vec<_> = (0..2)
        .map(|_| {
            let (visitor, stop) = (visitor.clone(), stop.clone());
            tokio::spawn(async move { visitor.watch(&stop).await })
        })
        .collect();

    let namespaces: Vec<String> = (0..PREVIEWS).map(|n| format!("preview-{n}")).collect();
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    for round in 0..ROUNDS {
        for (number, namespace) in namespaces.iter().enumerate() {
            let text = format!("{namespace}-{round}");
            let exists = whole
                .objects()
                .get(resource::NAMESPACES, "", namespace)
                .is_ok();
            match (exists, (number + round) % 3) {
                (false, _) => {
                    whole.namespace(namespace);
                    whole.serve(namespace, &format!("{namespace}.localhost"), &text);
                    own(&whole, namespace);
                    whole.create(resource::PODS, namespace, asker(namespace));
                }
                // A new version, rolled out.
                (true, 0) => {
                    let spec = deployment(&text)["spec"].clone();
                    whole
                        .objects()
                        .modify(resource::DEPLOYMENTS, namespace, "web", |object| {
                            object["spec"]["template"] = spec["template"].clone();
                        })
                        .unwrap();
                }
                // The same again in another's place: addresses change hands.
                (true, 1) => {
                    whole.delete(resource::NAMESPACES, "", namespace);
                    until_gone(&whole, namespace).await;
                    whole.namespace(namespace);
                    whole.serve(namespace, &format!("{namespace}.localhost"), &text);
                    own(&whole, namespace);
                    whole.create(resource::PODS, namespace, asker(namespace));
                }
                _ => continue,
            }
            texts.insert(namespace, text);
        }
        for (namespace, text) in &texts {
            until_answered(&visitor, &format!("{namespace}.localhost"), text).await;
        }
        for namespace in &namespaces {
            whole.until_ready(namespace, "asker").await;
        }
    }
    for namespace in &namespaces {
        whole.delete(resource::NAMESPACES, "", namespace);
    }
    for namespace in &namespaces {
        until_gone(&whole, namespace).await;
    }
    stop.cancel();
    for visits in visiting {
        let wrong = visits.await.unwrap();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
    println!(
        "{} pages, each its own",
        visitor.answered.load(Ordering::Relaxed)
    );
    whole.kube.shutdown().await;
}
