//! The node: pods as processes of this machine.
//!
//! One task a pod lives that pod's life ([`pod`]), one future a container ([`container`]). What
//! they learn goes into [`status`], from where it is written to the pod's object. Everything that
//! makes a pod's surroundings is a module of its own: [`network`], [`process`] (the sandbox),
//! [`volumes`], [`env`], [`cgroup`], [`logs`].

mod cgroup;
mod child;
mod claims;
mod connections;
mod container;
mod env;
mod exec;
mod gateway;
mod holder;
mod host;
mod host_services;
mod identity;
mod images;
mod interface;
mod listeners;
mod logs;
mod metrics;
mod network;
mod pod;
mod policy;
mod probes;
mod process;
mod quantity;
mod seccomp;
mod spec;
mod status;
#[cfg(test)]
mod tests;
mod thread;
mod toolchains;
mod volumes;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Digest;

use crate::api::Tokens;
use crate::config::{LocalKubeConfig, StartError};
use crate::node_api::NodeApi;
use crate::objects::{ApiError, Objects, Selector, WatchEvent, WatchFrom, resource};
use crate::tasks::Tasks;
use host::Host;
use metrics::Metrics;
use network::{SUBNETS, Subnet};
use pod::{Pod, lock};
pub(crate) use spec::port;

/// The name of the only node.
pub const NODE_NAME: &str = "local";
/// The node's address, as pods' statuses give it.
const HOST_IP: &str = "127.0.0.1";
/// How often the node says that it is alive, in its Lease-like heartbeat on the Node object.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// The node and its pods.
pub(crate) struct Node {
    host: Host,
    objects: Objects,
    tokens: Tokens,
    config: LocalKubeConfig,
    tasks: Tasks,
    pods: Mutex<HashMap<String, Arc<Pod>>>,
    subnets: Mutex<BTreeSet<Subnet>>,
    metrics: Metrics,
}

/// Find out what this machine allows, clean up after an earlier process, and run the pods that
/// the objects say. The node ends its pods' processes when the tasks are told to stop.
pub(crate) async fn start(
    objects: &Objects,
    tokens: &Tokens,
    config: &LocalKubeConfig,
    tasks: &Tasks,
) -> Result<Arc<dyn NodeApi>, StartError> {
    Ok(start_node(objects, tokens, config, tasks).await?)
}

async fn start_node(
    objects: &Objects,
    tokens: &Tokens,
    config: &LocalKubeConfig,
    tasks: &Tasks,
) -> Result<Arc<Node>, StartError> {
    let folder = config.data_dir.join("node");
    let file = |action: &'static str, path: &std::path::Path| {
        let path = path.to_owned();
        move |source| StartError::File {
            action,
            path,
            source,
        }
    };
    make_private_folder(&folder).map_err(file("create the folder", &folder))?;
    let scratch = tempfile::tempdir_in(&folder).map_err(file("create a folder in", &folder))?;
    let host = Host::probe(&instance(config), scratch.path())
        .await
        .map_err(file("start the node's threads for", &folder))?;
    if !host.isolates() && !config.allow_weak_isolation {
        return Err(StartError::NotIsolated(host.limitations));
    }
    let pods = folder.join("pods");
    std::fs::create_dir_all(&pods).map_err(file("create the folder", &pods))?;
    Ok(Node::start(host, objects, tokens, config, tasks))
}

/// What tells this cluster's control groups from another's on the same machine.
fn instance(config: &LocalKubeConfig) -> String {
    let path = std::path::absolute(&config.data_dir).unwrap_or_else(|_| config.data_dir.clone());
    let digest = sha2::Sha256::digest(path.as_os_str().as_encoded_bytes());
    hex::encode(&digest[..6])
}

fn make_private_folder(folder: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

/// Whether the policies of a pod let the ingress proxy connect to one of its ports.
pub(crate) fn admits_proxy(objects: &Objects, pod: &Value, port: u16) -> bool {
    policy::Policies::of(objects, pod).admits_proxy(pod, port)
}

impl Node {
    fn start(
        host: Host,
        objects: &Objects,
        tokens: &Tokens,
        config: &LocalKubeConfig,
        tasks: &Tasks,
    ) -> Arc<Self> {
        for limitation in &host.limitations {
            tracing::warn!("{limitation}");
        }
        let node = Arc::new(Self {
            host,
            objects: objects.clone(),
            tokens: tokens.clone(),
            config: config.clone(),
            tasks: tasks.clone(),
            pods: Mutex::default(),
            subnets: Mutex::default(),
            metrics: Metrics::default(),
        });
        node.sweep();
        node.register();
        tasks.spawn_to_end(node.clone().run());
        tasks.spawn(Metrics::keep_measuring(node.clone()));
        tasks.spawn(node.clone().keep_alive());
        tasks.spawn(node.clone().follow_policies());
        tasks.spawn(node.clone().follow_services());
        tasks.spawn(node.clone().follow_claims());
        node
    }

    /// Where pods keep their files, each in a folder named by its uid.
    fn pods_folder(&self) -> PathBuf {
        self.config.data_dir.join("node/pods")
    }

    fn pod(&self, uid: &str) -> Option<Arc<Pod>> {
        lock(&self.pods).get(uid).cloned()
    }

    fn all_pods(&self) -> Vec<Arc<Pod>> {
        lock(&self.pods).values().cloned().collect()
    }

    fn take_subnet(&self) -> Option<Subnet> {
        let mut taken = lock(&self.subnets);
        let free = (0..SUBNETS)
            .map(Subnet::new)
            .find(|subnet| !taken.contains(subnet))?;
        taken.insert(free);
        Some(free)
    }

    fn give_back(&self, subnet: Subnet) {
        lock(&self.subnets).remove(&subnet);
    }

    fn sources(&self, namespace: &str) -> FromObjects<'_> {
        FromObjects {
            objects: &self.objects,
            namespace: namespace.to_owned(),
        }
    }

    /// Remove the folders of pods that were deleted while no node was running.
    fn sweep(&self) {
        pod::remove_folder(&self.trash_folder());
        let known: BTreeSet<String> = self
            .objects
            .list(resource::PODS, None, &Selector::everything())
            .map(|list| list.items)
            .unwrap_or_default()
            .iter()
            .filter_map(|pod| pod["metadata"]["uid"].as_str().map(str::to_owned))
            .collect();
        for entry in std::fs::read_dir(self.pods_folder())
            .into_iter()
            .flatten()
            .flatten()
        {
            let stays = entry
                .file_name()
                .to_str()
                .is_some_and(|uid| known.contains(uid));
            if !stays {
                pod::remove_folder(&entry.path());
            }
        }
    }

    /// Follow the pods of this node until the cluster stops, then end them all.
    async fn run(self: Arc<Self>) {
        let stopping = self.tasks.stopping();
        stopping.run_until_cancelled(self.follow_pods()).await;
        let pods = self.all_pods();
        futures::future::join_all(pods.iter().map(|pod| pod.abandon())).await;
        self.host.cgroups.close();
        // Pods hold the node and the node its pods: without this neither would ever go.
        lock(&self.pods).clear();
    }

    async fn follow_pods(self: &Arc<Self>) {
        follow(&self.objects, resource::PODS, |event| match event {
            WatchEvent::Added(pod) | WatchEvent::Modified(pod) => self.observe(pod),
            WatchEvent::Deleted(pod) => {
                let uid = spec::text(&pod["metadata"], "uid");
                if let Some(pod) = self.pod(uid) {
                    pod.stop_within(Duration::ZERO, true);
                }
            }
            WatchEvent::Bookmark { .. } => {}
        })
        .await;
    }

    fn observe(self: &Arc<Self>, object: Arc<Value>) {
        if object["spec"]["nodeName"] != NODE_NAME {
            return;
        }
        let uid = spec::text(&object["metadata"], "uid").to_owned();
        if let Some(pod) = self.pod(&uid) {
            let relabelled = pod.object()["metadata"]["labels"] != object["metadata"]["labels"];
            pod.observe(object);
            if relabelled {
                // Other policies may select it now.
                let node = self.clone();
                self.tasks
                    .spawn(async move { node.refresh_rules(&pod).await });
            }
            return;
        }
        let pod = Pod::new(self.clone(), object.clone());
        pod.observe(object);
        lock(&self.pods).insert(uid.clone(), pod.clone());
        let node = self.clone();
        self.tasks.spawn(async move {
            pod.run().await;
            lock(&node.pods).remove(&uid);
        });
    }

    /// Policies change what running pods may reach.
    async fn follow_policies(self: Arc<Self>) {
        self.after_changes(resource::NETWORK_POLICIES, async |node, pod| {
            node.refresh_rules(pod).await;
        })
        .await;
    }

    /// Services come and go; their names are in pods' `/etc/hosts`.
    async fn follow_services(self: Arc<Self>) {
        let refresh = async |node: &Arc<Self>, pod: &Arc<Pod>| {
            node.write_hosts(pod);
            node.refresh_rules(pod).await;
        };
        tokio::join!(
            self.after_changes(resource::SERVICES, refresh),
            self.after_changes(resource::ENDPOINT_SLICES, refresh),
        );
    }

    /// Do something with each pod of a namespace in which an object of a kind changed.
    async fn after_changes(self: &Arc<Self>, kind: &str, act: impl AsyncFn(&Arc<Self>, &Arc<Pod>)) {
        let (changed, mut changes) = tokio::sync::mpsc::unbounded_channel::<String>();
        let watching = follow(&self.objects, kind, |event| {
            if let WatchEvent::Added(object)
            | WatchEvent::Modified(object)
            | WatchEvent::Deleted(object) = event
            {
                // The receiver lives in this very function.
                let _ = changed.send(spec::text(&object["metadata"], "namespace").to_owned());
            }
        });
        let acting = async {
            while let Some(first) = changes.recv().await {
                let mut namespaces = BTreeSet::from([first]);
                while let Ok(next) = changes.try_recv() {
                    namespaces.insert(next);
                }
                for pod in self.all_pods() {
                    if namespaces.contains(&pod.reference.namespace) {
                        act(self, &pod).await;
                    }
                }
            }
        };
        tokio::join!(watching, acting);
    }

    /// Write the Node object.
    fn register(&self) {
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": NODE_NAME,
                "labels": {
                    "kubernetes.io/hostname": NODE_NAME,
                    "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": architecture(),
                    "node-role.kubernetes.io/control-plane": "",
                },
            },
            "spec": {},
        });
        match self.objects.create(resource::NODES, "", node) {
            Ok(_) | Err(ApiError::AlreadyExists { .. }) => {}
            Err(error) => tracing::error!(%error, "the Node object cannot be written"),
        }
        self.heartbeat();
    }

    async fn keep_alive(self: Arc<Self>) {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            self.heartbeat();
        }
    }

    fn heartbeat(&self) {
        let status = self.node_status();
        let written = self
            .objects
            .modify_status(resource::NODES, "", NODE_NAME, |node| {
                let mut status = status.clone();
                keep_transition_times(&node["status"], &mut status);
                node["status"] = status;
            });
        if let Err(error) = written {
            tracing::error!(%error, "the Node's status cannot be written");
        }
    }

    fn node_status(&self) -> Value {
        let now = status::seconds(Timestamp::now());
        let condition = |kind: &str, status: bool, reason: &str, message: &str| {
            json!({
                "type": kind,
                "status": if status { "True" } else { "False" },
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": now,
                "lastTransitionTime": now,
            })
        };
        let isolated = self.host.isolates();
        let words = if self.host.limitations.is_empty() {
            "each pod has its own files, processes, users and network; NetworkPolicies are enforced"
                .to_owned()
        } else {
            self.host.limitations.join("; ")
        };
        let cpus = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .to_string();
        let memory = format!("{}Ki", metrics::memory_total() / 1024);
        let amounts = json!({ "cpu": cpus, "memory": memory, "pods": (SUBNETS - 12).to_string(), "ephemeral-storage": "0" });
        json!({
            "capacity": amounts,
            "allocatable": amounts,
            "addresses": [
                { "type": "InternalIP", "address": HOST_IP },
                { "type": "Hostname", "address": NODE_NAME },
            ],
            "conditions": [
                condition("Ready", true, "KubeletReady", "the embedded cluster runs pods as processes of this machine"),
                condition("MemoryPressure", false, "KubeletHasSufficientMemory", ""),
                condition("DiskPressure", false, "KubeletHasNoDiskPressure", ""),
                condition("PIDPressure", false, "KubeletHasSufficientPID", ""),
                condition("PodsIsolated", isolated, if isolated { "Sandboxed" } else { "Limited" }, &words),
            ],
            "nodeInfo": {
                "machineID": "", "systemUUID": "", "bootID": "",
                "kernelVersion": std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
                "osImage": "this machine",
                "containerRuntimeVersion": concat!("process://", env!("CARGO_PKG_VERSION")),
                "kubeletVersion": concat!("v1.34.0+localkube.", env!("CARGO_PKG_VERSION")),
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": architecture(),
            },
        })
    }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn keep_transition_times(old: &Value, new: &mut Value) {
    let Some(conditions) = new["conditions"].as_array_mut() else {
        return;
    };
    for condition in conditions {
        let before = spec::list(old, "conditions").find(|before| {
            before["type"] == condition["type"] && before["status"] == condition["status"]
        });
        if let Some(before) = before {
            condition["lastTransitionTime"] = before["lastTransitionTime"].clone();
        }
    }
}

/// Call `each` with every change of a kind, from the beginning; a watch that fell behind starts
/// again with the objects as they are.
pub(crate) async fn follow(objects: &Objects, kind: &str, mut each: impl FnMut(WatchEvent)) {
    loop {
        let watch = objects.watch(kind, None, &Selector::everything(), WatchFrom::Start);
        match watch {
            Ok(mut watch) => {
                while let Some(event) = watch.next().await {
                    match event {
                        Ok(event) => each(event),
                        Err(error) => {
                            tracing::debug!(%error, kind, "watching again");
                            break;
                        }
                    }
                }
            }
            Err(error) => tracing::error!(%error, kind, "cannot watch"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// ConfigMaps and Secrets of a namespace.
struct FromObjects<'a> {
    objects: &'a Objects,
    namespace: String,
}

impl env::Sources for FromObjects<'_> {
    fn config_map(&self, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        let object = self
            .objects
            .get(resource::CONFIG_MAPS, &self.namespace, name)
            .ok()?;
        let mut data = decoded(&object["binaryData"]);
        for (key, value) in object["data"].as_object().into_iter().flatten() {
            data.insert(
                key.clone(),
                value.as_str().unwrap_or_default().as_bytes().to_vec(),
            );
        }
        Some(data)
    }

    fn secret(&self, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        let object = self
            .objects
            .get(resource::SECRETS, &self.namespace, name)
            .ok()?;
        Some(decoded(&object["data"]))
    }
}

fn decoded(data: &Value) -> BTreeMap<String, Vec<u8>> {
    data.as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), STANDARD.decode(value.as_str()?).ok()?)))
        .collect()
}
