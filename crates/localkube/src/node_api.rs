//! What the API server asks of the node: logs, processes inside pods, and how much they use.
//!
//! The node implements [`NodeApi`]; the API server translates it to and from the Kubernetes wire
//! protocols and has checked that the pod exists in the store before it calls.

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use crate::objects::ApiError;

/// A pod of this node, by name and uid: a pod of the same name created anew is another pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PodRef {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
}

/// Which lines of a container's log are asked for; the fields are those of Kubernetes'
/// `PodLogOptions`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// The container (init containers included). The API server fills in the pod's only
    /// container where the request names none.
    pub container: String,
    /// Keep the stream open and send lines as they are written; ends when the container ends.
    pub follow: bool,
    /// The log of the instance before the last restart.
    pub previous: bool,
    /// Only lines written at or after this time.
    pub since: Option<jiff::Timestamp>,
    /// Start each line with its RFC 3339 time (nanoseconds) and a space.
    pub timestamps: bool,
    /// Only the last so many lines, counted after `since`.
    pub tail_lines: Option<usize>,
    /// End after so many bytes.
    pub limit_bytes: Option<usize>,
}

/// Bytes of a log, whole lines or not. An error ends it.
pub type LogStream = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// The size of a terminal in character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// A command to run in a container, or (with no command) a request to attach to its process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecOptions {
    /// The container; filled in by the API server as for logs.
    pub container: String,
    /// The command and its arguments; never empty for exec, always empty for attach.
    pub command: Vec<String>,
    /// Whether standard input is wanted.
    pub stdin: bool,
    /// Whether standard output is wanted.
    pub stdout: bool,
    /// Whether standard error is wanted; with `tty` it arrives on standard output.
    pub stderr: bool,
    /// Run it in a pseudo-terminal.
    pub tty: bool,
}

/// A running command in a container. Dropping it hangs up: the node ends an exec's process and
/// detaches from an attached one.
pub struct ExecSession {
    /// Where to write its standard input; shutting it down closes it.
    pub stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// Its standard output (the terminal's output where it has one).
    pub stdout: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// Its standard error.
    pub stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// Where to send new terminal sizes; present with a terminal.
    pub resize: Option<mpsc::Sender<TerminalSize>>,
    /// Its exit code (128 + signal where a signal ended it). Standard output and error may still
    /// hold unread bytes when it resolves.
    pub exit: BoxFuture<'static, Result<i32, ApiError>>,
}

/// A byte stream in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// What a container uses now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerUsage {
    /// The container's name.
    pub container: String,
    /// Thousandths of a core, averaged over the window.
    pub cpu_millicores: u64,
    /// Resident bytes.
    pub memory_bytes: u64,
}

/// What a pod uses now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodUsage {
    /// The pod.
    pub pod: PodRef,
    /// When it was measured.
    pub measured: jiff::Timestamp,
    /// Seconds over which CPU time was averaged.
    pub window_seconds: u64,
    /// Each running container.
    pub containers: Vec<ContainerUsage>,
}

/// What the machine uses now, all processes together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeUsage {
    /// When it was measured.
    pub measured: jiff::Timestamp,
    /// Seconds over which CPU time was averaged.
    pub window_seconds: u64,
    /// Thousandths of a core.
    pub cpu_millicores: u64,
    /// Bytes in use.
    pub memory_bytes: u64,
}

/// The node as the API server sees it. Errors are rendered to the client as they are.
#[async_trait]
pub trait NodeApi: Send + Sync + 'static {
    /// The log of a container. `BadRequest` where the container has not started yet or has no
    /// previous instance.
    async fn logs(&self, pod: &PodRef, options: LogOptions) -> Result<LogStream, ApiError>;

    /// Run a command in a running container.
    async fn exec(&self, pod: &PodRef, options: ExecOptions) -> Result<ExecSession, ApiError>;

    /// Attach to the process of a running container.
    async fn attach(&self, pod: &PodRef, options: ExecOptions) -> Result<ExecSession, ApiError>;

    /// A connection to a port of the pod.
    async fn port_forward(&self, pod: &PodRef, port: u16) -> Result<Box<dyn Duplex>, ApiError>;

    /// What each pod uses; pods without a figure yet are left out.
    async fn pod_usage(&self) -> Vec<PodUsage>;

    /// What the machine uses; none until it was measured once.
    async fn node_usage(&self) -> Option<NodeUsage>;
}
