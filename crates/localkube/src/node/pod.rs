//! One pod from the moment it is given to this node until it is gone.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Node;
use super::connections::{Connections, CountedStream};
use super::container;
use super::host::{Isolation, chain};
use super::listeners::Family;
use super::logs::Log;
use super::network::{Namespace, PodNetwork, Subnet};
use super::process::Process;
use super::spec::{RestartPolicy, list, text};
use super::status::{self, State};
use super::volumes::{self, Volume, VolumeProblem};
use crate::node_api::PodRef;
use crate::objects::{DeleteOptions, resource};

/// How long a pod that ends waits for connections that are still in use.
const DRAIN: Duration = Duration::from_secs(5);
/// Longest wait between attempts at something that a pod needs.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// When and whether a pod has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stop {
    /// When what still runs is killed.
    pub deadline: Instant,
    /// Why: the pod was deleted, or it ran for too long.
    pub deleted: bool,
}

/// The instance of a container that runs, or ran last.
#[derive(Clone)]
pub(crate) struct Instance {
    pub process: Option<Arc<Process>>,
    pub log: Option<Arc<Log>>,
    /// Its standard input, where the spec asks for one.
    pub stdin: Arc<tokio::sync::Mutex<Option<tokio::process::ChildStdin>>>,
    pub env: BTreeMap<String, String>,
    pub working_dir: String,
}

/// Where connections to other pods are taken up, as long as there is a network.
struct Gateway {
    port: u16,
    _close: DropGuard,
}

/// See the module.
pub(crate) struct Pod {
    pub node: Arc<Node>,
    pub reference: PodRef,
    /// The pod's folder: its logs, volumes and `/etc`.
    pub folder: PathBuf,
    object: Mutex<Arc<Value>>,
    pub state: watch::Sender<status::Pod>,
    pub stop: watch::Sender<Option<Stop>>,
    pub instances: Mutex<HashMap<String, Instance>>,
    pub connections: Arc<Connections>,
    namespace: Mutex<Option<Namespace>>,
    network: tokio::sync::Mutex<Option<PodNetwork>>,
    volumes: OnceLock<BTreeMap<String, Volume>>,
    /// Where its connections to others are taken up (see the gateway).
    gateway: Mutex<Option<Gateway>>,
}

impl Pod {
    /// A pod as the node first sees it.
    pub fn new(node: Arc<Node>, object: Arc<Value>) -> Arc<Self> {
        let metadata = &object["metadata"];
        let reference = PodRef {
            namespace: text(metadata, "namespace").to_owned(),
            name: text(metadata, "name").to_owned(),
            uid: text(metadata, "uid").to_owned(),
        };
        let state = status::Pod::begin(&object, super::HOST_IP, Timestamp::now());
        Arc::new(Self {
            folder: node.pods_folder().join(&reference.uid),
            node,
            reference,
            object: Mutex::new(object),
            state: watch::Sender::new(state),
            stop: watch::Sender::new(None),
            instances: Mutex::default(),
            connections: Arc::default(),
            namespace: Mutex::default(),
            network: tokio::sync::Mutex::new(None),
            volumes: OnceLock::new(),
            gateway: Mutex::default(),
        })
    }

    /// The pod's object as it was last seen.
    pub fn object(&self) -> Arc<Value> {
        lock(&self.object).clone()
    }

    /// Take in a change of the object.
    pub fn observe(&self, object: Arc<Value>) {
        if object["metadata"].get("deletionTimestamp").is_some() {
            let grace = object["metadata"]["deletionGracePeriodSeconds"]
                .as_u64()
                .unwrap_or(30);
            self.stop_within(Duration::from_secs(grace), true);
        }
        *lock(&self.object) = object;
    }

    /// Have it end; a second call may only bring the end nearer.
    pub fn stop_within(&self, grace: Duration, deleted: bool) {
        let deadline = Instant::now() + grace;
        self.stop.send_if_modified(|stop| match stop {
            Some(stop) if stop.deadline <= deadline && stop.deleted >= deleted => false,
            Some(stop) => {
                stop.deadline = stop.deadline.min(deadline);
                stop.deleted |= deleted;
                true
            }
            None => {
                *stop = Some(Stop { deadline, deleted });
                true
            }
        });
    }

    /// Whether it has to end.
    pub fn stopping(&self) -> bool {
        self.stop.borrow().is_some()
    }

    /// Resolves once it has to end.
    pub async fn stopped(&self) {
        let mut stop = self.stop.subscribe();
        // The sender is this pod's own.
        let _ = stop.wait_for(Option::is_some).await;
    }

    /// Wait, unless the pod has to end. Says whether to go on.
    pub async fn wait(&self, time: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(time) => true,
            () = self.stopped() => false,
        }
    }

    /// Record an Event about it.
    pub fn event(&self, type_: &str, reason: &str, message: &str) {
        self.node
            .objects
            .record_event(&self.object(), type_, reason, message, "kubelet");
    }

    /// Change what is known of a container.
    pub fn update(&self, container: &str, change: impl FnOnce(&mut status::Container)) {
        self.state.send_if_modified(|state| {
            let Some(container) = state.container(container) else {
                return false;
            };
            let before = container.clone();
            change(container);
            *container != before
        });
    }

    /// How often a container was started again.
    pub fn restarts(&self, container: &str) -> u32 {
        let state = self.state.borrow();
        let mut all = state.init.iter().chain(&state.main);
        all.find(|known| known.name == container)
            .map_or(0, |known| known.restarts)
    }

    /// Live its whole life. Returns when the object is gone, or the node stops.
    pub async fn run(self: Arc<Self>) {
        let phase = self.object()["status"]["phase"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if !matches!(phase.as_str(), "Succeeded" | "Failed") {
            tokio::select! {
                () = self.report() => {}
                () = self.live() => {}
            }
            self.write_status();
        }
        self.take_down().await;
        // What has ended keeps its logs until it is deleted.
        let mut stop = self.stop.subscribe();
        let _ = stop
            .wait_for(|stop| stop.is_some_and(|stop| stop.deleted))
            .await;
        self.remove();
    }

    async fn live(self: &Arc<Self>) {
        if self.stopping() {
            return;
        }
        if let Some(limit) = self.object()["spec"]["activeDeadlineSeconds"].as_u64() {
            self.end_at(Duration::from_secs(limit));
        }
        if !self.set_up().await {
            return;
        }
        self.with_ip();
        if self.run_init_containers().await {
            let object = self.object();
            let policy = RestartPolicy::of(&object);
            let all = list(&object["spec"], "containers")
                .map(|spec| container::keep_running(self.clone(), spec.clone(), policy));
            futures::future::join_all(all).await;
        }
        // Sidecars end with the others; they watch the same signal as everyone.
        self.stop_within(Duration::from_secs(5), false);
        self.sidecars_ended().await;
    }

    fn end_at(self: &Arc<Self>, limit: Duration) {
        let pod = self.clone();
        let since = Timestamp::now().duration_since(self.state.borrow().start_time);
        let left = limit.saturating_sub(since.unsigned_abs());
        self.node.tasks.spawn(async move {
            if pod.wait(left).await {
                pod.state.send_modify(|state| {
                    state.failed = Some((
                        "DeadlineExceeded".to_owned(),
                        "Pod was active on the node longer than the specified deadline".to_owned(),
                    ));
                });
                pod.stop_within(Duration::from_secs(30), false);
            }
        });
    }

    /// Folders, network and volumes, tried until they are there. False where it has to end first.
    async fn set_up(self: &Arc<Self>) -> bool {
        let mut wait = Duration::from_millis(100);
        loop {
            let (reason, message) = match self.try_set_up().await {
                Ok(()) => {
                    self.state.send_modify(|state| state.wait_because(""));
                    return true;
                }
                Err(problem) => problem,
            };
            self.event("Warning", reason, &message);
            self.state.send_modify(|state| state.wait_because(&message));
            if !self.wait(wait).await {
                return false;
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn try_set_up(self: &Arc<Self>) -> Result<(), (&'static str, String)> {
        let folders = self.make_folders();
        folders.map_err(|error| {
            (
                "FailedCreatePodSandBox",
                format!("cannot make the pod's folder: {error}"),
            )
        })?;
        self.make_network()
            .await
            .map_err(|why| ("FailedCreatePodSandBox", why))?;
        if self.volumes.get().is_none() {
            let volumes = self
                .make_volumes()
                .map_err(|problem| ("FailedMount", chain(&problem)))?;
            // Set only here, by the one task that lives this pod's life.
            let _ = self.volumes.set(volumes);
            self.renew_tokens();
        }
        Ok(())
    }

    fn make_folders(&self) -> io::Result<()> {
        let etc = self.folder.join("etc");
        std::fs::create_dir_all(&etc)?;
        for folder in ["containers", "volumes", "home", "tmp"] {
            std::fs::create_dir_all(self.folder.join(folder))?;
        }
        let hostname = self.hostname();
        std::fs::write(
            etc.join("passwd"),
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\napp:x:1000:1000:app:/root:/bin/sh\n",
        )?;
        std::fs::write(
            etc.join("group"),
            "root:x:0:\nnogroup:x:65534:\napp:x:1000:\n",
        )?;
        std::fs::write(
            etc.join("nsswitch.conf"),
            "passwd: files\ngroup: files\nhosts: files dns\n",
        )?;
        std::fs::write(etc.join("hostname"), format!("{hostname}\n"))?;
        if !etc.join("hosts").exists() {
            std::fs::write(etc.join("hosts"), "127.0.0.1\tlocalhost\n")?;
        }
        if self.node.host.isolation != Isolation::Full {
            // The host's own resolver answers there.
            std::fs::copy("/etc/resolv.conf", etc.join("resolv.conf"))?;
        }
        Ok(())
    }

    /// `spec.hostname`, or the pod's name, no longer than a host name may be.
    pub fn hostname(&self) -> String {
        let object = self.object();
        let name = match text(&object["spec"], "hostname") {
            "" => &self.reference.name,
            given => given,
        };
        name.chars()
            .take(63)
            .collect::<String>()
            .trim_end_matches(['-', '.'])
            .to_owned()
    }

    async fn make_network(self: &Arc<Self>) -> Result<(), String> {
        if self.node.host.isolation != Isolation::Full {
            return Ok(());
        }
        let mut network = self.network.lock().await;
        if network.is_some() {
            return Ok(());
        }
        let subnet = self
            .node
            .take_subnet()
            .ok_or_else(|| "the node has no more pod addresses".to_owned())?;
        let made =
            PodNetwork::create(&self.node.host, subnet, &self.hostname(), &self.folder).await;
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                self.node.give_back(subnet);
                return Err(chain(&error));
            }
        };
        let resolver = format!("nameserver {}\n", subnet.dns());
        *lock(&self.namespace) = Some(made.namespace());
        let ready = std::fs::write(self.folder.join("etc/resolv.conf"), resolver)
            .map_err(|error| error.to_string());
        let rules = match ready {
            Ok(()) => self.node.start_gateway(self, &made).await,
            Err(error) => Err(error),
        };
        *network = Some(made);
        drop(network);
        if let Err(error) = rules {
            // No container starts in a network whose rules are not in place.
            self.close_network().await;
            return Err(error);
        }
        Ok(())
    }

    /// Replace the rules of its network.
    pub async fn apply_rules(&self, script: &str) -> Result<(), String> {
        match self.network.lock().await.as_ref() {
            Some(network) => network
                .apply_rules(script)
                .await
                .map_err(|error| chain(&error)),
            None => Ok(()),
        }
    }

    /// Its addresses, where it has a network of its own.
    pub async fn subnet(&self) -> Option<Subnet> {
        self.network
            .lock()
            .await
            .as_ref()
            .map(|network| network.subnet)
    }

    /// Its own address, once it has a network.
    pub fn address(&self) -> Option<std::net::Ipv4Addr> {
        lock(&self.namespace).as_ref().map(Namespace::address)
    }

    /// Remember where its gateway listens; the token returned is cancelled with the network.
    pub fn set_gateway(&self, port: u16) -> CancellationToken {
        let closed = CancellationToken::new();
        let gateway = Gateway {
            port,
            _close: closed.clone().drop_guard(),
        };
        *lock(&self.gateway) = Some(gateway);
        closed
    }

    /// Where its gateway listens.
    pub fn gateway(&self) -> Option<u16> {
        lock(&self.gateway).as_ref().map(|gateway| gateway.port)
    }

    /// End its processes now and leave its object as it is: the node stops.
    pub async fn abandon(&self) {
        let instances: Vec<Instance> = lock(&self.instances).values().cloned().collect();
        for process in instances
            .iter()
            .filter_map(|instance| instance.process.as_ref())
        {
            process.kill();
            process.exited().await;
        }
        self.close_network().await;
    }

    /// Start a process in the pod's network.
    pub async fn start_process(
        &self,
        launch: super::process::Launch,
    ) -> io::Result<super::process::Started> {
        let network = self.network.lock().await;
        super::process::start(&self.node.host, network.as_ref(), launch).await
    }

    /// Make the folders of its volumes, or bring what is in them up to date.
    pub(super) fn make_volumes(&self) -> Result<BTreeMap<String, Volume>, VolumeProblem> {
        let object = self.object();
        let sources = self.node.sources(&self.reference.namespace);
        let claim = |name: &str| self.node.claim_folder(&self.reference.namespace, name);
        volumes::prepare(
            &object,
            &volumes::Makers {
                sources: &sources,
                claim: &claim,
                token: &|source| self.token(source),
                host_path_roots: &self.node.config.host_path_roots,
                folder: &self.folder.join("volumes"),
            },
        )
    }

    /// The volumes, once they are there.
    pub fn volumes(&self) -> Option<&BTreeMap<String, Volume>> {
        self.volumes.get()
    }

    fn with_ip(&self) {
        let ip = match self.address() {
            Some(address) => address.to_string(),
            None => super::HOST_IP.to_owned(),
        };
        self.state.send_modify(|state| state.pod_ip = Some(ip));
    }

    /// Each init container in its order. False where the pod has to end.
    async fn run_init_containers(self: &Arc<Self>) -> bool {
        let object = self.object();
        for spec in list(&object["spec"], "initContainers") {
            let name = text(spec, "name").to_owned();
            let policy = RestartPolicy::of_init(&object, spec);
            // After a restart of the node they are run again: their volumes may be new.
            self.update(&name, |container| {
                if let State::Terminated(ended) = &container.state {
                    container.last = Some(ended.clone());
                    container.state = State::waiting("PodInitializing");
                }
            });
            let life = container::keep_running(self.clone(), spec.clone(), policy);
            if policy == RestartPolicy::Always {
                self.node.tasks.spawn(life);
                let mut state = self.state.subscribe();
                let started = state.wait_for(|state| {
                    state
                        .init
                        .iter()
                        .any(|container| container.name == name && container.started)
                });
                tokio::select! {
                    started = started => if started.is_err() { return false },
                    () = self.stopped() => return false,
                }
                continue;
            }
            life.await;
            let succeeded = self.state.borrow().init.iter().any(|container| {
                container.name == name
                    && matches!(&container.state, State::Terminated(ended) if ended.exit_code == 0)
            });
            if self.stopping() || !succeeded {
                return false;
            }
        }
        true
    }

    async fn sidecars_ended(&self) {
        let mut state = self.state.subscribe();
        // The sender is this pod's own.
        let _ = state
            .wait_for(|state| {
                !state.init.iter().any(|container| {
                    container.sidecar && matches!(container.state, State::Running { .. })
                })
            })
            .await;
    }

    /// Wait for connections in use, once, before its containers are told to end.
    pub async fn drain(&self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now()) / 2;
        self.connections.drain(left.min(DRAIN)).await;
    }

    /// A connection to one of its ports.
    pub async fn connect(&self, port: u16) -> io::Result<CountedStream> {
        let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "the pod is ending");
        let counted = self.connections.open().ok_or_else(refused)?;
        Ok(CountedStream {
            stream: self.dial(port).await?,
            _counted: counted,
        })
    }

    /// A connection that is not counted, for probes.
    pub async fn dial(&self, port: u16) -> io::Result<tokio::net::TcpStream> {
        let namespace = lock(&self.namespace).clone();
        match namespace {
            Some(namespace) => namespace.connect(port).await,
            None if self.node.host.isolation == Isolation::Full => Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the pod has no network yet",
            )),
            None => super::listeners::connect(port, self.families()).await,
        }
    }

    /// The processes of its running containers.
    fn families(&self) -> Vec<Family> {
        let instances = lock(&self.instances);
        let processes = instances.values().filter_map(|it| it.process.as_ref());
        // One that has just ended listens on nothing.
        processes.filter_map(|it| it.family().ok()).collect()
    }

    /// Write the status whenever it changed.
    async fn report(&self) {
        let mut changes = self.state.subscribe();
        loop {
            self.write_status();
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn write_status(&self) {
        let state = self.state.borrow().clone();
        let now = Timestamp::now();
        let PodRef {
            namespace,
            name,
            uid,
        } = &self.reference;
        let written = self
            .node
            .objects
            .modify_status(resource::PODS, namespace, name, |pod| {
                if pod["metadata"]["uid"] == **uid {
                    let status = state.status(pod, &pod["status"], now);
                    pod["status"] = status;
                }
            });
        if let Err(error) = written {
            tracing::debug!(%error, pod = name, namespace, "a pod's status was not written");
        }
    }

    /// Give back everything but the logs.
    async fn take_down(&self) {
        self.close_network().await;
        self.node.host.cgroups.remove_pod(&self.reference.uid);
        for folder in ["volumes", "home", "tmp"] {
            remove_folder(&self.folder.join(folder));
        }
    }

    async fn close_network(&self) {
        *lock(&self.gateway) = None;
        *lock(&self.namespace) = None;
        if let Some(network) = self.network.lock().await.take() {
            let subnet = network.subnet;
            network.close().await;
            self.node.give_back(subnet);
        }
    }

    /// Remove the folder, then tell the API server that the pod is gone.
    fn remove(&self) {
        remove_folder(&self.folder);
        let PodRef {
            namespace,
            name,
            uid,
        } = &self.reference;
        let deleted =
            self.node
                .objects
                .delete(resource::PODS, namespace, name, &DeleteOptions::now(uid));
        if let Err(error) = deleted
            && !matches!(error, crate::objects::ApiError::NotFound { .. })
        {
            tracing::warn!(%error, pod = name, namespace, "a pod that ended was not removed");
        }
    }

    /// What runs or ran last as a container.
    pub fn instance(&self, container: &str) -> Option<Instance> {
        lock(&self.instances).get(container).cloned()
    }

    /// The object with the addresses that the downward API tells.
    pub fn object_with_ip(&self) -> Value {
        let mut object = Value::clone(&self.object());
        if let Some(ip) = &self.state.borrow().pod_ip {
            object["status"]["podIP"] = json!(ip);
        }
        object["status"]["hostIP"] = json!(super::HOST_IP);
        object
    }
}

pub(crate) fn remove_folder(folder: &std::path::Path) {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, folder = %folder.display(), "a folder could not be removed");
        }
        _ => {}
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
