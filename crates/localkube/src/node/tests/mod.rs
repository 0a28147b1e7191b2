//! The node with real processes on this machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod isolation;
mod lifecycle;
mod logs_and_exec;
mod restarts;
mod shared_network;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::host::Isolation;
use super::*;
use crate::node_api::{LogOptions, PodRef};
use crate::objects::DeleteOptions;

/// A cluster of objects and a node, in a folder of its own.
struct Cluster {
    folder: tempfile::TempDir,
    objects: Objects,
    tasks: Tasks,
    node: Arc<Node>,
}

/// Leaves a test out where the machine does not allow what it is about. The output says so, even of tests that pass;
/// with CATALYST_TEST_ISOLATION=required it is a failure instead.
fn not_run(why: &dyn std::fmt::Debug) {
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

impl Cluster {
    async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    /// With pods kept apart no further than this, whatever the machine allows.
    async fn start_with(most: Isolation) -> Self {
        Self::start_on(|host| host.isolation = host.isolation.max(most)).await
    }

    /// On this machine as if it were another in something.
    async fn start_on(change: impl FnOnce(&mut Host)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = LocalKubeConfig::new(folder.path());
        let objects = Objects::open(None).unwrap();
        let tasks = Tasks::new();
        objects.start(&tasks);
        let pods = folder.path().join("node/pods");
        std::fs::create_dir_all(&pods).unwrap();
        let mut host = Host::probe(&instance(&config), &pods).await.unwrap();
        change(&mut host);
        let tokens = Tokens::open(folder.path()).unwrap();
        let node = Node::start(host, &objects, &tokens, &config, &tasks);
        Self {
            folder,
            objects,
            tasks,
            node,
        }
    }

    async fn start_in(folder: tempfile::TempDir) -> Self {
        let mut config = LocalKubeConfig::new(folder.path());
        config.allow_weak_isolation = true;
        Self::start_as(folder, config).await
    }

    async fn start_as(folder: tempfile::TempDir, config: LocalKubeConfig) -> Self {
        let objects = Objects::open(Some(&folder.path().join("objects"))).unwrap();
        let tasks = Tasks::new();
        objects.start(&tasks);
        let tokens = Tokens::open(folder.path()).unwrap();
        let node = start_node(&objects, &tokens, &config, &tasks)
            .await
            .unwrap();
        Self {
            folder,
            objects,
            tasks,
            node,
        }
    }

    /// Stop, and give the folder back.
    async fn stop(self) -> tempfile::TempDir {
        self.tasks.shutdown().await;
        self.folder
    }

    /// Run a pod with one container `c`; `extra` is laid over its spec, container by container.
    fn run(&self, name: &str, script: &str, extra: Value) -> PodRef {
        let mut spec = json!({
            "nodeName": NODE_NAME,
            "terminationGracePeriodSeconds": 5,
            "containers": [{ "name": "c", "image": "busybox", "command": ["/bin/sh", "-c", script] }],
        });
        lay_over(&mut spec, extra);
        self.create(
            json!({ "metadata": { "name": name, "labels": { "app": name } }, "spec": spec }),
        )
    }

    fn create(&self, pod: Value) -> PodRef {
        let pod = self.objects.create(resource::PODS, "default", pod).unwrap();
        reference(&pod)
    }

    fn get(&self, pod: &PodRef) -> Option<Arc<Value>> {
        let found = self
            .objects
            .get(resource::PODS, "default", &pod.name)
            .ok()?;
        (found["metadata"]["uid"] == *pod.uid).then_some(found)
    }

    /// Wait until the pod is as wanted.
    async fn until(&self, pod: &PodRef, what: &str, holds: impl Fn(&Value) -> bool) -> Arc<Value> {
        let mut last = None;
        for _ in 0..1500 {
            if let Some(found) = self.get(pod) {
                if holds(&found) {
                    return found;
                }
                last = Some(found);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let events = self.events(pod);
        panic!(
            "{what} did not come true: {:#}\n{events:#?}",
            last.map_or(Value::Null, |pod| pod["status"].clone())
        );
    }

    async fn until_phase(&self, pod: &PodRef, phase: &str) -> Arc<Value> {
        self.until(pod, phase, |pod| pod["status"]["phase"] == phase)
            .await
    }

    async fn until_ready(&self, pod: &PodRef) -> Arc<Value> {
        self.until(pod, "Ready", is_ready).await
    }

    async fn until_gone(&self, pod: &PodRef) {
        for _ in 0..1500 {
            if self.get(pod).is_none() && self.node.pod(&pod.uid).is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} is still there", pod.name);
    }

    fn delete(&self, pod: &PodRef) {
        self.objects
            .delete(
                resource::PODS,
                "default",
                &pod.name,
                &DeleteOptions::default(),
            )
            .unwrap();
    }

    fn events(&self, pod: &PodRef) -> Vec<(String, String)> {
        let listed = self
            .objects
            .list(resource::EVENTS, Some("default"), &Selector::everything());
        listed
            .unwrap()
            .items
            .iter()
            .filter(|event| event["involvedObject"]["name"] == *pod.name)
            .map(|event| {
                (
                    spec::text(event, "reason").to_owned(),
                    spec::text(event, "message").to_owned(),
                )
            })
            .collect()
    }

    async fn log_of(&self, pod: &PodRef, options: LogOptions) -> Result<String, ApiError> {
        let options = LogOptions {
            container: if options.container.is_empty() {
                "c".to_owned()
            } else {
                options.container
            },
            ..options
        };
        let mut chunks = self.node.logs(pod, options).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.next().await {
            bytes.extend_from_slice(&chunk.unwrap());
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn log(&self, pod: &PodRef) -> String {
        self.log_of(pod, LogOptions::default()).await.unwrap()
    }

    /// Run a script to its end as a pod, and return what it wrote.
    async fn output(&self, name: &str, script: &str, extra: Value) -> String {
        let mut with_policy = json!({ "restartPolicy": "Never" });
        lay_over(&mut with_policy, extra);
        let pod = self.run(name, script, with_policy);
        self.until(&pod, "the end", |pod| {
            matches!(
                pod["status"]["phase"].as_str(),
                Some("Succeeded" | "Failed")
            )
        })
        .await;
        self.log(&pod).await
    }
}

fn reference(pod: &Value) -> PodRef {
    let text = |field: &str| spec::text(&pod["metadata"], field).to_owned();
    PodRef {
        namespace: text("namespace"),
        name: text("name"),
        uid: text("uid"),
    }
}

fn is_ready(pod: &Value) -> bool {
    spec::list(&pod["status"], "conditions")
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn lay_over(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                lay_over(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(under), Value::Array(over)) => {
            for (at, value) in over.into_iter().enumerate() {
                match under.get_mut(at) {
                    Some(under) => lay_over(under, value),
                    None => under.push(value),
                }
            }
        }
        (under, over) => *under = over,
    }
}
