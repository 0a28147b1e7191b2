//! What this machine lets the node do, found out once at the start by doing it.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::cgroup::Cgroups;
use super::network::{NetworkError, PodNetwork, Subnet};
use super::seccomp;
use super::thread::Worker;
use super::toolchains::Toolchains;

/// How often a pod's network is tried before pods share this machine's.
const ATTEMPTS: usize = 3;

/// How far pods are kept apart, the furthest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Isolation {
    /// Own files, processes, users and network.
    Full,
    /// Own files, processes and users; the host's network.
    SharedNetwork,
    /// Plain processes in their own session.
    None,
}

/// Programs of the host that the node calls, by their full path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tools {
    pub bwrap: PathBuf,
    pub nsenter: PathBuf,
    pub slirp: PathBuf,
    /// Gives `slirp4netns` mounts of its own; needed, and allowed, only as root.
    pub unshare: Option<PathBuf>,
    pub nft: Option<PathBuf>,
}

/// See the module.
pub(crate) struct Host {
    pub isolation: Isolation,
    /// Each thing that this machine does not allow, as a sentence for people.
    pub limitations: Vec<String>,
    pub tools: Tools,
    pub toolchains: Toolchains,
    pub cgroups: Cgroups,
    /// The system call filter for pods.
    pub seccomp: Option<Vec<u8>>,
    /// Whether `bwrap` can bind an open file, which is safe against links being swapped.
    pub binds_open_files: bool,
    /// Starts processes, and is the parent whose end takes them along.
    pub spawner: Worker,
    /// Makes sockets inside of pods' networks.
    pub sockets: Worker,
}

impl Host {
    /// Try what pods need, in a sandbox that is thrown away. `scratch` is a folder for that.
    pub async fn probe(instance: &str, scratch: &Path) -> std::io::Result<Self> {
        let mut host = Self {
            isolation: Isolation::None,
            limitations: Vec::new(),
            tools: Tools::default(),
            toolchains: Toolchains::of_this_process(),
            cgroups: Cgroups::open(instance),
            seccomp: None,
            binds_open_files: false,
            spawner: Worker::start("pod-processes")?,
            sockets: Worker::start("pod-sockets")?,
        };
        match seccomp::filter() {
            Ok(filter) => host.seccomp = Some(filter),
            Err(error) => host.limit(format!("pods run without a system call filter: {error}")),
        }
        if !host.cgroups.limits_memory() {
            host.limit(
                "memory limits of containers are not enforced: no control group can be written",
            );
        }
        host.probe_isolation(scratch).await;
        Ok(host)
    }

    /// Whether pods are kept apart fully, and policies enforced.
    pub fn isolates(&self) -> bool {
        self.isolation == Isolation::Full && self.tools.nft.is_some()
    }

    fn limit(&mut self, what: impl Into<String>) {
        self.limitations.push(what.into());
    }

    async fn probe_isolation(&mut self, scratch: &Path) {
        let (Some(bwrap), Some(nsenter)) = (find("bwrap"), find("nsenter")) else {
            self.limit(
                "pods are plain processes that see each other and this machine's files: bubblewrap is not installed (Debian: apt install bubblewrap slirp4netns nftables)",
            );
            return;
        };
        self.tools.bwrap = bwrap;
        self.tools.nsenter = nsenter;
        if let Err(why) = self.try_bwrap().await {
            self.limit(format!(
                "pods are plain processes that see each other and this machine's files: bubblewrap cannot make a sandbox here ({why})"
            ));
            return;
        }
        self.isolation = Isolation::SharedNetwork;
        self.tools.nft = find("nft");
        let Some(slirp) = find("slirp4netns") else {
            self.limit(
                "pods share this machine's network, and NetworkPolicies are not enforced: slirp4netns is not installed (Debian: apt install slirp4netns nftables)",
            );
            return;
        };
        self.tools.slirp = slirp;
        if rustix::process::geteuid().is_root() {
            self.tools.unshare = find("unshare");
        }
        if self.tools.nft.is_none() {
            self.limit(
                "NetworkPolicies are not enforced, and Services are not reachable by name: nft is not installed (Debian: apt install nftables)",
            );
        }
        match self.try_network_repeatedly(scratch).await {
            Ok(()) => self.isolation = Isolation::Full,
            Err(error) => self.limit(format!(
                "pods share this machine's network, and NetworkPolicies are not enforced: {}",
                chain(&error)
            )),
        }
    }

    async fn try_bwrap(&mut self) -> Result<(), String> {
        let help = Command::new(&self.tools.bwrap)
            .arg("--help")
            .output()
            .await
            .map_err(|error| error.to_string())?;
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        self.binds_open_files = help.contains("--bind-fd");
        if !help.contains("--disable-userns") {
            return Err("its version is older than 0.8".to_owned());
        }
        let mut command = Command::new(&self.tools.bwrap);
        command
            .args(super::process::SANDBOX)
            .args(["--uid", "0", "--gid", "0"]);
        for mount in super::toolchains::system_mounts() {
            command.args(mount);
        }
        let output = command
            .args(["--proc", "/proc", "--dev", "/dev", "--", "/bin/true"])
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }

    /// What comes out holds as long as the node runs, so that a machine which is only busy is
    /// tried more than once.
    async fn try_network_repeatedly(&self, scratch: &Path) -> Result<(), NetworkError> {
        let mut tried = self.try_network(scratch).await;
        for _ in 1..ATTEMPTS {
            let Err(error) = &tried else { break };
            tracing::info!(error = chain(error), "a pod's network is tried again");
            tried = self.try_network(scratch).await;
        }
        tried
    }

    async fn try_network(&self, scratch: &Path) -> Result<(), NetworkError> {
        let network = PodNetwork::create(self, Subnet::new(0), "probe", scratch).await?;
        let listener = network.listen(Ipv4Addr::LOCALHOST.into(), 0).await;
        let tried = match listener {
            Ok(_) => Ok(()),
            Err(source) => Err(NetworkError::Enter(source)),
        };
        network.close().await;
        tried
    }
}

/// A program on this process's PATH, or in the system's folders.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"])
        .map(|folder| Path::new(folder).join(program))
        .find(|file| file.is_absolute() && file.is_file())
}

/// An error and its sources, as one sentence.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
