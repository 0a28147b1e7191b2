//! A whole cluster with real processes: API, controllers, node and ingress.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "each test file uses a part of it"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use catalyst_localkube::objects::{DeleteOptions, Objects, Selector, resource};
use catalyst_localkube::{LocalKube, LocalKubeConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PATIENCE: Duration = Duration::from_secs(60);

pub struct Whole {
    pub folder: tempfile::TempDir,
    pub kube: LocalKube,
}

/// Leaves a test out where the machine does not allow what it is about. The output says so, even of tests that pass;
/// with CATALYST_TEST_ISOLATION=required it is a failure instead.
pub fn not_run(why: &dyn std::fmt::Debug) {
    use std::io::Write;
    let thread = std::thread::current();
    let test = thread.name().unwrap_or_default();
    let required =
        std::env::var("CATALYST_TEST_ISOLATION").is_ok_and(|wanted| wanted == "required");
    assert!(
        !required,
        "this machine does not allow what {test} is about: {why:?}"
    );
    // `eprintln` would be kept back with a passing test's output.
    let _ = writeln!(
        std::io::stderr(),
        "NOT RUN, for this machine does not allow it: {test}: {why:?}"
    );
}

impl Whole {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = LocalKubeConfig::new(folder.path());
        config.allow_weak_isolation = true;
        let kube = LocalKube::start(config).await.unwrap();
        Self { folder, kube }
    }

    /// Whether pods have a network of their own here; without it there is nothing to test.
    pub fn is_isolated(&self) -> bool {
        let node = self.objects().get(resource::NODES, "", "local").unwrap();
        let isolated = conditions(&node)
            .any(|condition| condition["type"] == "PodsIsolated" && condition["status"] == "True");
        if !isolated {
            not_run(&node["status"]["conditions"].to_string());
        }
        isolated
    }

    pub fn objects(&self) -> &Objects {
        self.kube.objects()
    }

    pub fn namespace(&self, name: &str) {
        let namespace = json!({ "metadata": { "name": name } });
        self.objects()
            .create(resource::NAMESPACES, "", namespace)
            .unwrap();
    }

    pub fn create(&self, kind: &str, namespace: &str, object: Value) -> Arc<Value> {
        self.objects().create(kind, namespace, object).unwrap()
    }

    pub fn delete(&self, kind: &str, namespace: &str, name: &str) {
        self.objects()
            .delete(kind, namespace, name, &DeleteOptions::default())
            .unwrap();
    }

    pub fn count(&self, kind: &str, namespace: Option<&str>) -> usize {
        self.objects()
            .list(kind, namespace, &Selector::everything())
            .unwrap()
            .items
            .len()
    }

    pub async fn until(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Arc<Value> {
        let start = Instant::now();
        let mut last = Value::Null;
        while start.elapsed() < PATIENCE {
            if let Ok(found) = self.objects().get(kind, namespace, name) {
                if holds(&found) {
                    return found;
                }
                last = found["status"].clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{what} did not come true for {name}: {last:#}");
    }

    pub async fn until_ready(&self, namespace: &str, pod: &str) -> Arc<Value> {
        self.until(resource::PODS, namespace, pod, "Ready", is_ready)
            .await
    }

    /// A Deployment `web` that serves a text on port 80, with a Service and an Ingress for a host.
    pub fn serve(&self, namespace: &str, host: &str, text: &str) {
        self.create(resource::DEPLOYMENTS, namespace, deployment(text));
        self.create(resource::SERVICES, namespace, json!({
            "metadata": { "name": "web" },
            "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80, "targetPort": "http" }] },
        }));
        self.create(
            resource::INGRESSES,
            namespace,
            json!({
                "metadata": { "name": "web" },
                "spec": { "rules": [{ "host": host, "http": { "paths": [{
                    "path": "/", "pathType": "Prefix",
                    "backend": { "service": { "name": "web", "port": { "number": 80 } } },
                }] } }] },
            }),
        );
    }

    /// Status and body of a request through the ingress.
    pub async fn get(&self, host: &str) -> (u16, String) {
        let mut stream = tokio::net::TcpStream::connect(self.kube.ingress_addr())
            .await
            .unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let status = text
            .split(' ')
            .nth(1)
            .unwrap_or_default()
            .parse()
            .unwrap_or(0);
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, body.to_owned())
    }

    /// Run a script as a pod to its end, and return what it left as its termination message.
    pub async fn said(&self, namespace: &str, name: &str, labels: Value, script: &str) -> String {
        self.create(
            resource::PODS,
            namespace,
            json!({
                "metadata": { "name": name, "labels": labels },
                "spec": { "restartPolicy": "Never", "containers": [{
                    "name": "c", "image": "busybox",
                    "command": ["/bin/sh", "-c", format!("({script}) > /dev/termination-log 2>&1")],
                }] },
            }),
        );
        let ended = |pod: &Value| {
            matches!(
                pod["status"]["phase"].as_str(),
                Some("Succeeded" | "Failed")
            )
        };
        let pod = self
            .until(resource::PODS, namespace, name, "the end", ended)
            .await;
        let state = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
        state["message"].as_str().unwrap_or_default().to_owned()
    }
}

pub fn deployment(text: &str) -> Value {
    let script = format!(
        "mkdir -p /tmp/w; echo {text} > /tmp/w/index.html; exec busybox httpd -f -p 80 -h /tmp/w"
    );
    json!({
        "metadata": { "name": "web" },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app": "web" } },
            "strategy": { "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": {
                    "terminationGracePeriodSeconds": 2,
                    "containers": [{
                        "name": "c", "image": "busybox", "command": ["/bin/sh", "-c", script],
                        "ports": [{ "name": "http", "containerPort": 80 }],
                        "readinessProbe": { "httpGet": { "path": "/", "port": "http" }, "periodSeconds": 1 },
                    }],
                },
            },
        },
    })
}

pub fn conditions(object: &Value) -> impl Iterator<Item = &Value> {
    object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
}

pub fn is_ready(pod: &Value) -> bool {
    conditions(pod).any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
