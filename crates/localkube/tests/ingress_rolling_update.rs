//! The whole cluster: a Deployment of real processes, updated while clients ask.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod whole;

use std::time::Duration;

use axum::body::Body;
use catalyst_localkube::objects::{Selector, WatchFrom, resource};
use catalyst_localkube::{LocalKube, LocalKubeConfig};
use futures::StreamExt;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Answers each request with its argument.
const SERVER: &str = r#"
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = sys.argv[1].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
ThreadingHTTPServer(("0.0.0.0", 3000), Handler).serve_forever()
"#;

fn deployment() -> Value {
    json!({
        "metadata": { "name": "web" },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": {
                    "terminationGracePeriodSeconds": 5,
                    "containers": [{
                        "name": "web", "image": "python:3",
                        "command": ["python3", "-c", SERVER, "one"],
                        "ports": [{ "name": "http", "containerPort": 3000 }],
                        "readinessProbe": {
                            "httpGet": { "path": "/", "port": "http" }, "periodSeconds": 1,
                        },
                    }],
                },
            },
        },
    })
}

/// Whether each pod has a network of its own here.
fn is_isolated(cluster: &LocalKube) -> bool {
    let node = cluster.objects().get(resource::NODES, "", "local").unwrap();
    let conditions = node["status"]["conditions"].as_array().unwrap();
    let isolated = conditions
        .iter()
        .find(|found| found["type"] == "PodsIsolated")
        .unwrap();
    let isolated = (
        isolated["status"] == "True",
        isolated["message"].to_string(),
    );
    if !isolated.0 {
        whole::not_run(&isolated.1);
    }
    isolated.0
}

async fn until_rolled_out(cluster: &LocalKube) {
    let objects = cluster.objects();
    let everything = Selector::everything();
    let mut changes = objects
        .watch(resource::DEPLOYMENTS, None, &everything, WatchFrom::Start)
        .unwrap();
    let rolled_out = async {
        loop {
            let web = objects
                .get(resource::DEPLOYMENTS, "default", "web")
                .unwrap();
            let status = &web["status"];
            let counts = ["replicas", "updatedReplicas", "availableReplicas"];
            if status["observedGeneration"] == web["metadata"]["generation"]
                && counts.iter().all(|count| status[count] == 2)
            {
                return;
            }
            changes.next().await.unwrap().unwrap();
        }
    };
    if tokio::time::timeout(Duration::from_secs(90), rolled_out)
        .await
        .is_err()
    {
        let pods = objects.list(resource::PODS, None, &everything).unwrap();
        let events = objects.list(resource::EVENTS, None, &everything).unwrap();
        let told: Vec<&Value> = events.items.iter().map(|event| &event["message"]).collect();
        panic!("no rollout: {:#?}\n{told:#?}", pods.items);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_update_shows_clients_only_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = LocalKubeConfig::new(folder.path());
    config.allow_weak_isolation = true;
    let cluster = LocalKube::start(config).await.unwrap();
    let objects = cluster.objects();
    if !is_isolated(&cluster) {
        // Two pods that share this machine's network cannot both listen on one port.
        return cluster.shutdown().await;
    }
    let service = json!({
        "metadata": { "name": "web" },
        "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80, "targetPort": "http" }] },
    });
    let ingress = json!({
        "metadata": { "name": "web" },
        "spec": { "rules": [{ "host": "web.localhost", "http": { "paths": [{
            "path": "/", "pathType": "Prefix",
            "backend": { "service": { "name": "web", "port": { "number": 80 } } },
        }] } }] },
    });
    objects
        .create(resource::SERVICES, "default", service)
        .unwrap();
    objects
        .create(resource::INGRESSES, "default", ingress)
        .unwrap();
    objects
        .create(resource::DEPLOYMENTS, "default", deployment())
        .unwrap();
    until_rolled_out(&cluster).await;

    let stop = CancellationToken::new();
    let url = format!("http://{}/", cluster.ingress_addr());
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, url) = (stop.clone(), url.clone());
            let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
            tokio::spawn(async move {
                let mut answers = Vec::new();
                let mut last = false;
                while !last {
                    // One more after the update is done, which the new pods alone can answer.
                    last = stop.is_cancelled();
                    let request = Request::get(&url).header("host", "web.localhost");
                    let response = client
                        .request(request.body(Body::empty()).unwrap())
                        .await
                        .unwrap();
                    let status = response.status();
                    let body = response.into_body().collect().await.unwrap().to_bytes();
                    assert_eq!(status, StatusCode::OK, "{body:?}");
                    answers.push(body);
                }
                answers
            })
        })
        .collect();
    objects
        .modify(resource::DEPLOYMENTS, "default", "web", |web| {
            web["spec"]["template"]["spec"]["containers"][0]["command"][3] = "two".into();
        })
        .unwrap();
    until_rolled_out(&cluster).await;
    stop.cancel();
    for client in clients {
        let answers = client.await.unwrap();
        assert_eq!(answers.first().unwrap(), "one");
        assert_eq!(answers.last().unwrap(), "two");
    }
    cluster.shutdown().await;
}
