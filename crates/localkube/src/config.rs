//! What the embedded cluster is started with, and why it may not start.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The settings of a [`crate::LocalKube`].
#[derive(Debug, Clone)]
pub struct LocalKubeConfig {
    /// Where objects, volumes and logs are kept; created with mode 0700 where it is absent. The
    /// API server uses the subfolder `objects`; the other subfolders are the node's.
    pub data_dir: PathBuf,
    /// Where the API listens; a loopback address. Port 0 takes a free one.
    pub api_listen: SocketAddr,
    /// Where Ingresses are served. Port 0 takes a free one.
    pub ingress_listen: SocketAddr,
    /// The domain below which Ingress hosts resolve to this machine.
    pub domain: String,
    /// Folders of this machine that pods may mount by `hostPath`; none by default.
    pub host_path_roots: Vec<PathBuf>,
    /// Whether to start where this machine does not allow pods to be kept apart fully: they then
    /// share its network, or see its files and processes, as far as the node's conditions say.
    pub allow_weak_isolation: bool,
    /// The only listeners of this machine that pods may reach, eight at most.
    pub host_services: Vec<HostService>,
}

/// A listener of this machine that pods reach by name, as they would a Service of another
/// namespace: where a NetworkPolicy isolates them, it has to let them out to that namespace and
/// those labels, on the listener's own port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostService {
    /// The names by which pods find it, such as `catalyst-web.catalyst-system.svc`.
    pub names: Vec<String>,
    /// The namespace that policies know it in.
    pub namespace: String,
    /// The labels that policies know its pods by.
    pub labels: BTreeMap<String, String>,
    /// Where it listens on this machine. Pods use the same port.
    pub listener: SocketAddr,
}

impl LocalKubeConfig {
    /// A cluster that keeps its data in a folder, on free loopback ports.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            api_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            ingress_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            domain: "localhost".to_owned(),
            host_path_roots: Vec::new(),
            allow_weak_isolation: false,
            host_services: Vec::new(),
        }
    }
}

/// Why the cluster did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be listened on.
    #[error("the {what} cannot listen on {address}; is another program using it?")]
    Listen {
        /// Which part, such as `Kubernetes API`.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The API may only listen on this machine's loopback addresses.
    #[error("the Kubernetes API of the embedded cluster listens on loopback only, not on {0}")]
    NotLoopback(SocketAddr),
    /// Pods cannot be kept apart, and that is not allowed.
    #[error("{}; the embedded cluster does not run pods that way unless weak isolation is allowed", .0.join("; "))]
    NotIsolated(Vec<String>),
    /// A file or folder could not be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was attempted, such as `create the folder`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}
