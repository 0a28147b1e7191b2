//! Objects with controllers and a node that only says what its pods do.
//!
//! A pod does what its annotation `test/does` says: `ready` (the default), `unready`, `succeed`,
//! `fail` or `nothing`.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "each test file uses a part of it"
)]

use std::sync::Arc;
use std::time::Duration;

use catalyst_localkube::objects::{
    DeleteOptions, Objects, Selector, WatchEvent, WatchFrom, resource,
};
use catalyst_localkube::{LocalKubeConfig, Tasks, controllers};
use futures::StreamExt;
use serde_json::{Value, json};

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Cluster {
    pub objects: Objects,
    pub tasks: Tasks,
    pub config: LocalKubeConfig,
}

impl Cluster {
    /// With a namespace `shop`.
    pub fn start() -> Self {
        let objects = Objects::open(None).unwrap();
        let tasks = Tasks::new();
        let config = LocalKubeConfig::new("/nonexistent");
        objects.start(&tasks);
        let node =
            json!({ "metadata": { "name": "local", "labels": { "kubernetes.io/os": "linux" } } });
        objects.create(resource::NODES, "", node).unwrap();
        objects
            .modify_status(resource::NODES, "", "local", |node| {
                node["status"]["conditions"] = json!([{ "type": "Ready", "status": "True" }]);
            })
            .unwrap();
        let namespace = json!({ "metadata": { "name": "shop" } });
        objects.create(resource::NAMESPACES, "", namespace).unwrap();
        controllers::start(&objects, &config, &tasks);
        tasks.spawn(kubelet(objects.clone()));
        Self {
            objects,
            tasks,
            config,
        }
    }

    pub fn create(&self, resource: &str, object: Value) -> Arc<Value> {
        self.objects.create(resource, "shop", object).unwrap()
    }

    pub fn modify(&self, resource: &str, name: &str, change: impl Fn(&mut Value)) {
        self.objects.modify(resource, "shop", name, change).unwrap();
    }

    pub fn delete(&self, resource: &str, name: &str) {
        self.objects
            .delete(resource, "shop", name, &DeleteOptions::default())
            .unwrap();
    }

    pub fn get(&self, resource: &str, name: &str) -> Arc<Value> {
        self.objects.get(resource, "shop", name).unwrap()
    }

    pub fn list(&self, resource: &str) -> Vec<Arc<Value>> {
        self.objects
            .list(resource, Some("shop"), &Selector::everything())
            .unwrap()
            .items
    }

    /// Pods that are not ending.
    pub fn pods(&self) -> Vec<Arc<Value>> {
        let mut pods = self.list(resource::PODS);
        pods.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        pods
    }

    /// The messages of the Events with a reason.
    pub fn events(&self, reason: &str) -> Vec<String> {
        let events = self.list(resource::EVENTS);
        events
            .iter()
            .filter(|event| event["reason"] == reason)
            .map(|event| event["message"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Wait until an object is as described.
    pub async fn until(
        &self,
        resource: &str,
        name: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Arc<Value> {
        let found = self
            .wait(resource, || {
                self.objects
                    .get(resource, "shop", name)
                    .ok()
                    .filter(|object| holds(object))
            })
            .await;
        found.unwrap_or_else(|| {
            panic!(
                "{resource} {name} is {:#?}",
                self.objects.get(resource, "shop", name)
            )
        })
    }

    /// Wait until the objects of a kind are as described.
    pub async fn until_all(&self, resource: &str, holds: impl Fn(&[Arc<Value>]) -> bool) {
        let found = self
            .wait(resource, || holds(&self.list(resource)).then_some(()))
            .await;
        found.unwrap_or_else(|| panic!("{resource} are {:#?}", self.list(resource)));
    }

    /// Wait until an object is gone.
    pub async fn until_gone(&self, resource: &str, namespace: &str, name: &str) {
        let look = || self.objects.get(resource, namespace, name);
        let gone = self.wait(resource, || look().is_err().then_some(())).await;
        gone.unwrap_or_else(|| panic!("{resource} {name} is {:#?}", look()));
    }

    async fn wait<T>(&self, resource: &str, look: impl Fn() -> Option<T>) -> Option<T> {
        let everything = Selector::everything();
        let mut changes = self
            .objects
            .watch(resource, None, &everything, WatchFrom::Start)
            .unwrap();
        let wait = async {
            loop {
                if let Some(found) = look() {
                    return found;
                }
                changes.next().await.unwrap().unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.ok()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.tasks.stopping().cancel();
    }
}

/// The `status` of a condition, empty where it is absent.
pub fn condition<'a>(object: &'a Value, kind: &str) -> (&'a str, &'a str) {
    let found = object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == kind);
    found.map_or(("", ""), |condition| {
        (
            condition["status"].as_str().unwrap(),
            condition["reason"].as_str().unwrap_or_default(),
        )
    })
}

/// A pod template whose pods do as told.
pub fn template(does: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": "web" }, "annotations": { "test/does": does } },
        "spec": {
            "containers": [{
                "name": "web", "image": "web:1",
                "ports": [{ "name": "http", "containerPort": 3000 }],
            }],
            "terminationGracePeriodSeconds": 1,
        },
    })
}

async fn kubelet(objects: Objects) {
    let everything = Selector::everything();
    let mut pods = objects
        .watch(resource::PODS, None, &everything, WatchFrom::Start)
        .unwrap();
    while let Some(Ok(event)) = pods.next().await {
        let (WatchEvent::Added(pod) | WatchEvent::Modified(pod)) = event else {
            continue;
        };
        let metadata = &pod["metadata"];
        let (namespace, name) = (
            metadata["namespace"].as_str().unwrap(),
            metadata["name"].as_str().unwrap(),
        );
        if metadata["deletionTimestamp"].is_string() {
            let uid = metadata["uid"].as_str().unwrap();
            let _ = objects.delete(resource::PODS, namespace, name, &DeleteOptions::now(uid));
            continue;
        }
        if pod["spec"]["nodeName"].is_null() {
            continue;
        }
        let does = metadata["annotations"]["test/does"]
            .as_str()
            .unwrap_or("ready");
        let (phase, ready) = match does {
            "ready" => ("Running", "True"),
            "unready" => ("Running", "False"),
            "succeed" => ("Succeeded", "False"),
            "fail" => ("Failed", "False"),
            "nothing" => continue,
            other => panic!("a pod that does {other:?}"),
        };
        let _ = objects.modify_status(resource::PODS, namespace, name, |pod| {
            let status = &mut pod["status"];
            status["phase"] = phase.into();
            status["podIP"] = "10.42.0.100".into();
            set_ready(status, ready);
        });
    }
}

/// Write a pod's `Ready` condition, unless it says so already.
pub fn set_ready(status: &mut Value, ready: &str) {
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let conditions = status["conditions"].as_array_mut().unwrap();
    if conditions
        .iter()
        .any(|present| present["type"] == "Ready" && present["status"] == ready)
    {
        return;
    }
    conditions.retain(|present| present["type"] != "Ready");
    conditions.push(json!({
        "type": "Ready", "status": ready,
        "lastTransitionTime": catalyst_localkube::objects::metadata::now(),
    }));
}
