//! Commands inside of running containers.
//!
//! The two directions of a command are independent: what it prints waits in the connection, not
//! here, until it is asked for, and what it is sent goes out meanwhile. So a command whose output
//! nobody takes is held up by the cluster, and can still be told to stop.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::{SplitSink, SplitStream};
use futures::{Sink, SinkExt, Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Resource;
use kube::api::{AttachParams, Request};
use kube_tungstenite::tungstenite::{self, Message};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use crate::{Attempt, Cluster, ClusterError, ConnectionError};

/// How often a connection without traffic shows that it is still wanted: proxies give up silent
/// ones after a minute or more.
const PING: Duration = Duration::from_secs(30);

/// How much of a command's standard error an [`ExecError`] keeps, from its end.
const KEPT_STDERR: usize = 16 * 1024;

/// The streams of the remote command protocol, by the byte that each message begins with.
mod channel {
    pub(super) const STDIN: u8 = 0;
    pub(super) const STDOUT: u8 = 1;
    pub(super) const STDERR: u8 = 2;
    pub(super) const STATUS: u8 = 3;
    pub(super) const RESIZE: u8 = 4;
    /// The byte after it names a stream that ends.
    pub(super) const CLOSE: u8 = 255;
}

/// What to run, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecRequest {
    /// The pod.
    pub pod: String,
    /// Its container.
    pub container: String,
    /// The program and its arguments; no shell reads them.
    pub command: Vec<String>,
    /// Whether it reads what is sent to it; otherwise its standard input is empty.
    pub stdin: bool,
    /// Run it in a terminal of this size. Standard error then comes with standard output.
    pub terminal: Option<TerminalSize>,
}

/// The size of a terminal, in character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// A command that runs. When both halves are dropped, the cluster is told that nobody is there
/// any more.
#[derive(Debug)]
pub struct Exec {
    /// Where to send what it reads.
    pub input: ExecInput,
    /// What it prints, and how it ends.
    pub output: ExecOutput,
}

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecEvent {
    /// It wrote to its standard output, or to its terminal.
    Stdout(Bytes),
    /// It wrote to its standard error.
    Stderr(Bytes),
    /// It ended, with this exit code. Nothing follows.
    Exited(i32),
}

/// What a command that succeeded wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Finished {
    /// To its standard output.
    pub stdout: Vec<u8>,
    /// To its standard error.
    pub stderr: Vec<u8>,
}

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// It ran, and ended with something else than 0.
    #[error("the command in {on} ended with exit code {exit_code}{}", said(stderr))]
    Exited {
        /// The container, as `container namespace/pod/name`.
        on: Box<str>,
        /// The exit code.
        exit_code: i32,
        /// The end of what it wrote to its standard error.
        stderr: String,
    },
    /// It could not be started: there is no such program in the container, say.
    #[error("the command could not be run in {on}: {message}")]
    NotRun {
        /// The container.
        on: Box<str>,
        /// The cluster's words.
        message: String,
    },
    /// The API server cannot be told that the input has ended (before Kubernetes 1.30), so a
    /// command that reads all of it would never end.
    #[error(
        "the API server is too old to pass on that the input for {on} has ended: use Kubernetes 1.30 or newer"
    )]
    InputCannotEnd {
        /// The container.
        on: Box<str>,
    },
    /// The cluster did not let it run, or the connection broke off.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

fn said(stderr: &str) -> String {
    match stderr.trim_end() {
        "" => String::new(),
        stderr => format!(": {stderr}"),
    }
}

type Socket<S> = kube_tungstenite::WebSocketStream<S>;
type Outgoing = dyn Sink<Message, Error = tungstenite::Error> + Send + Unpin;
type Incoming = dyn Stream<Item = Result<Message, tungstenite::Error>> + Send + Unpin;

impl Cluster {
    /// Starts a command in a running container.
    ///
    /// # Errors
    /// What the API server answers; [`ClusterError::is_not_found`] if there is no such pod.
    /// That the program does not exist is known only once the output is read.
    pub async fn exec(&self, namespace: &str, request: &ExecRequest) -> Result<Exec, ClusterError> {
        let on = format!(
            "container {namespace}/{}/{}",
            request.pod, request.container
        );
        let attempt = self.attempt("run a command in", on);
        let terminal = request.terminal.is_some();
        let params = AttachParams {
            container: Some(request.container.clone()),
            stdin: request.stdin,
            stdout: true,
            stderr: !terminal,
            tty: terminal,
            ..AttachParams::default()
        };
        let failed = |e| ClusterError::new(attempt.clone(), e);
        let asked = Request::new(Pod::url_path(&(), Some(namespace)))
            .exec(&request.pod, &request.command, &params)
            .map_err(|e| failed(kube::Error::BuildRequest(e)))?;
        let connection = self.client().connect(asked).await.map_err(failed)?;
        let can_end = connection.supports_stream_close();
        let exec = Exec::over(connection.into_stream(), attempt, can_end);
        if let Some(size) = request.terminal {
            exec.input.resize(size).await?;
        }
        Ok(exec)
    }

    /// Runs a command to its end, with this as its whole standard input. For commands that print
    /// little: all of it is kept in memory.
    ///
    /// # Errors
    /// [`ExecError::Exited`] unless it ends with exit code 0, in a terminal or not.
    pub async fn run(
        &self,
        namespace: &str,
        request: &ExecRequest,
        input: Option<Bytes>,
    ) -> Result<Finished, ExecError> {
        let request = ExecRequest {
            stdin: input.is_some(),
            ..request.clone()
        };
        let Exec { input: to, output } = self.exec(namespace, &request).await?;
        let sending = async {
            if let Some(input) = input {
                // A command may end without having read everything.
                let _ = to.write(input).await;
                to.end().await?;
            }
            Ok::<_, ExecError>(())
        };
        let (sent, finished) = tokio::join!(sending, output.collect());
        let finished = finished?;
        sent?;
        Ok(finished)
    }
}

impl Exec {
    fn over<S>(socket: Socket<S>, attempt: Attempt, can_end: bool) -> Self
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let (sink, stream): (SplitSink<_, _>, SplitStream<_>) = socket.split();
        let sink: Arc<Mutex<Box<Outgoing>>> = Arc::new(Mutex::new(Box::new(sink)));
        let attempt = Arc::new(attempt);
        let pinging = tokio::spawn({
            let sink = sink.clone();
            async move {
                loop {
                    tokio::time::sleep(PING).await;
                    // While something is being sent, the connection is not silent.
                    if let Ok(mut sink) = sink.try_lock()
                        && sink.send(Message::Ping(Bytes::new())).await.is_err()
                    {
                        return;
                    }
                }
            }
        });
        Self {
            input: ExecInput {
                sink,
                attempt: attempt.clone(),
                can_end,
                _pinging: Arc::new(AbortOnDropHandle::new(pinging)),
            },
            output: ExecOutput {
                stream: Some(Box::new(stream)),
                attempt,
            },
        }
    }
}

/// The way to a command. Cheap to clone; clones are the same way.
#[derive(Clone)]
pub struct ExecInput {
    sink: Arc<Mutex<Box<Outgoing>>>,
    attempt: Arc<Attempt>,
    can_end: bool,
    _pinging: Arc<AbortOnDropHandle<()>>,
}

impl std::fmt::Debug for ExecInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecInput")
            .field("on", &self.attempt.on)
            .finish_non_exhaustive()
    }
}

impl ExecInput {
    /// Sends bytes to the command's standard input. Waits for as long as the command does not
    /// take what was sent before and the connection is full.
    ///
    /// # Errors
    /// [`ConnectionError::BrokenOff`] when the connection is gone.
    pub async fn write(&self, bytes: Bytes) -> Result<(), ClusterError> {
        // Larger messages would keep a keystroke waiting behind them for long.
        const MOST: usize = 32 * 1024;
        let mut rest = bytes;
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(MOST));
            self.send(channel::STDIN, &piece).await?;
        }
        Ok(())
    }

    /// Tells the command that its terminal has another size now.
    ///
    /// # Errors
    /// [`ConnectionError::BrokenOff`] when the connection is gone.
    pub async fn resize(&self, size: TerminalSize) -> Result<(), ClusterError> {
        let text = serde_json::to_vec(&size).map_err(|e| self.broken(e.into()))?;
        self.send(channel::RESIZE, &text).await
    }

    /// Ends the command's standard input.
    ///
    /// # Errors
    /// [`ExecError::InputCannotEnd`] with an API server before Kubernetes 1.30.
    pub async fn end(&self) -> Result<(), ExecError> {
        if !self.can_end {
            let on = self.attempt.on.clone();
            return Err(ExecError::InputCannotEnd { on });
        }
        Ok(self.send(channel::CLOSE, &[channel::STDIN]).await?)
    }

    async fn send(&self, channel: u8, bytes: &[u8]) -> Result<(), ClusterError> {
        let mut message = BytesMut::with_capacity(bytes.len() + 1);
        message.put_u8(channel);
        message.put_slice(bytes);
        let mut sink = self.sink.lock().await;
        let sent = sink.send(Message::Binary(message.freeze())).await;
        sent.map_err(|e| self.broken(std::io::Error::other(e)))
    }

    fn broken(&self, source: std::io::Error) -> ClusterError {
        let attempt = (*self.attempt).clone();
        ConnectionError::BrokenOff { attempt, source }.into()
    }
}

/// What comes from a command.
pub struct ExecOutput {
    /// None once it has ended.
    stream: Option<Box<Incoming>>,
    attempt: Arc<Attempt>,
}

impl std::fmt::Debug for ExecOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecOutput")
            .field("on", &self.attempt.on)
            .finish_non_exhaustive()
    }
}

impl ExecOutput {
    /// The next thing that the command does; none after it has ended. May be dropped while it
    /// waits: nothing is lost.
    ///
    /// # Errors
    /// [`ExecError::NotRun`] where it could not be started, [`ExecError::Cluster`] where the
    /// connection broke off. Nothing follows an error.
    pub async fn next(&mut self) -> Result<Option<ExecEvent>, ExecError> {
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        loop {
            let bytes = match stream.next().await {
                Some(Ok(Message::Binary(bytes))) => bytes,
                Some(Ok(Message::Close(_))) | None => {
                    self.stream = None;
                    return Err(self.broken(std::io::ErrorKind::UnexpectedEof.into()));
                }
                // Pings are answered below.
                Some(Ok(_)) => continue,
                Some(Err(e)) => {
                    self.stream = None;
                    return Err(self.broken(std::io::Error::other(e)));
                }
            };
            let Some(&channel) = bytes.first() else {
                continue;
            };
            let rest = bytes.slice(1..);
            match channel {
                // Each stream begins with an empty message.
                channel::STDOUT if !rest.is_empty() => return Ok(Some(ExecEvent::Stdout(rest))),
                channel::STDERR if !rest.is_empty() => return Ok(Some(ExecEvent::Stderr(rest))),
                channel::STATUS if !rest.is_empty() => {
                    self.stream = None;
                    return self.ended(&rest).map(|code| Some(ExecEvent::Exited(code)));
                }
                _ => {}
            }
        }
    }

    fn ended(&self, status: &[u8]) -> Result<i32, ExecError> {
        let status: Status = serde_json::from_slice(status).map_err(|e| self.broken(e.into()))?;
        exit_code(&status).ok_or_else(|| ExecError::NotRun {
            on: self.attempt.on.clone(),
            message: status
                .message
                .or(status.reason)
                .unwrap_or_else(|| "the cluster does not say why".to_owned()),
        })
    }

    fn broken(&self, source: std::io::Error) -> ExecError {
        let attempt = (*self.attempt).clone();
        ExecError::Cluster(ConnectionError::BrokenOff { attempt, source }.into())
    }

    async fn collect(mut self) -> Result<Finished, ExecError> {
        let mut all = Finished::default();
        while let Some(event) = self.next().await? {
            match event {
                ExecEvent::Stdout(bytes) => all.stdout.extend_from_slice(&bytes),
                ExecEvent::Stderr(bytes) => all.stderr.extend_from_slice(&bytes),
                ExecEvent::Exited(0) => return Ok(all),
                ExecEvent::Exited(exit_code) => {
                    let from = all.stderr.len().saturating_sub(KEPT_STDERR);
                    return Err(ExecError::Exited {
                        on: self.attempt.on.clone(),
                        exit_code,
                        stderr: String::from_utf8_lossy(&all.stderr[from..]).into_owned(),
                    });
                }
            }
        }
        Ok(all)
    }
}

/// What a command ended with, by the status on its error channel; none if it never ran.
fn exit_code(status: &Status) -> Option<i32> {
    if status.status.as_deref() == Some("Success") {
        return Some(0);
    }
    if status.reason.as_deref() != Some("NonZeroExitCode") {
        return None;
    }
    let causes = status.details.as_ref()?.causes.as_ref()?;
    let cause = causes
        .iter()
        .find(|cause| cause.reason.as_deref() == Some("ExitCode"))?;
    cause.message.as_deref()?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_exit_code_is_read_from_the_causes_of_a_status_and_never_from_its_words() {
        let code = |status| exit_code(&serde_json::from_value(status).unwrap());
        assert_eq!(
            code(json!({ "metadata": {}, "status": "Success" })),
            Some(0)
        );
        let failure = |reason: &str, causes: serde_json::Value| {
            json!({
                "metadata": {}, "status": "Failure", "reason": reason,
                "message": "command terminated with non-zero exit code: exit status 7",
                "details": { "causes": causes },
            })
        };
        let exit = json!([{ "reason": "ExitCode", "message": "3" }]);
        assert_eq!(code(failure("NonZeroExitCode", exit.clone())), Some(3));
        assert_eq!(code(failure("InternalError", exit)), None);
        assert_eq!(code(failure("NonZeroExitCode", json!([]))), None);
    }

    /// A server's end and ours, without a network.
    async fn pair(can_end: bool) -> (Socket<tokio::io::DuplexStream>, Exec) {
        let (server, client) = tokio::io::duplex(64 * 1024);
        use tungstenite::protocol::Role;
        let server = Socket::from_raw_socket(server, Role::Server, None).await;
        let client = Socket::from_raw_socket(client, Role::Client, None).await;
        let attempt = Attempt {
            verb: "run a command in",
            on: "container ns/pod/c".into(),
            cluster: "eu-1".into(),
        };
        (server, Exec::over(client, attempt, can_end))
    }

    fn message(channel: u8, bytes: &[u8]) -> Message {
        Message::Binary([&[channel], bytes].concat().into())
    }

    #[tokio::test]
    async fn a_connection_that_ends_without_a_status_is_an_error_and_not_an_exit() {
        let (mut server, mut exec) = pair(true).await;
        server.send(message(1, b"")).await.unwrap();
        server.send(message(1, b"some")).await.unwrap();
        server.close(None).await.unwrap();
        let first = exec.output.next().await.unwrap();
        assert_eq!(first, Some(ExecEvent::Stdout(Bytes::from_static(b"some"))));
        let error = exec.output.next().await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("ns/pod/c in cluster eu-1 broke off"),
            "{error}"
        );
        assert_eq!(exec.output.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_told_in_the_clusters_words() {
        let (mut server, mut exec) = pair(true).await;
        let status = br#"{"metadata":{},"status":"Failure","reason":"InternalError","message":"executable file not found","code":500}"#;
        server.send(message(3, status)).await.unwrap();
        let error = exec.output.next().await.unwrap_err();
        assert!(matches!(error, ExecError::NotRun { .. }), "{error:?}");
        assert!(error.to_string().contains("executable file not found"));
    }

    #[tokio::test]
    async fn an_old_server_is_not_asked_for_what_it_cannot_do() {
        let (_server, exec) = pair(false).await;
        let error = exec.input.end().await.unwrap_err();
        assert!(matches!(error, ExecError::InputCannotEnd { .. }));
    }

    #[tokio::test]
    async fn what_is_typed_goes_out_while_nobody_reads_the_output() {
        let (server, exec) = pair(true).await;
        let (mut to_us, mut from_us) = server.split();
        let flood =
            tokio::spawn(
                async move { while to_us.send(message(1, &[b'x'; 4096])).await.is_ok() {} },
            );
        exec.input.write(Bytes::from_static(b"\x03")).await.unwrap();
        let got = from_us.next().await.unwrap().unwrap();
        assert_eq!(got, message(0, b"\x03"));
        flood.abort();
    }
}
