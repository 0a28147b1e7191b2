//! What the API server asks of the node.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio_stream::wrappers::ReceiverStream;

use super::Node;
use super::exec::{self, Target};
use super::logs;
use super::pod::{Instance, Pod};
use super::status::State;
use crate::node_api::{
    Duplex, ExecOptions, ExecSession, LogOptions, LogStream, NodeApi, NodeUsage, PodRef, PodUsage,
};
use crate::objects::ApiError;

impl Node {
    fn known(&self, pod: &PodRef) -> Result<Arc<Pod>, ApiError> {
        self.pod(&pod.uid).ok_or_else(|| {
            ApiError::BadRequest(format!(
                "pod {:?} is waiting to start: ContainerCreating",
                pod.name
            ))
        })
    }
}

impl Pod {
    fn running(&self, container: &str) -> Result<(Instance, Target), ApiError> {
        let not_running = || {
            ApiError::BadRequest(format!(
                "container {container:?} in pod {:?} is not running",
                self.reference.name
            ))
        };
        let instance = self.instance(container).ok_or_else(not_running)?;
        let process = instance.process.clone().ok_or_else(not_running)?;
        let target = Target {
            process,
            env: instance.env.clone(),
            working_dir: instance.working_dir.clone(),
        };
        Ok((instance, target))
    }
}

#[async_trait]
impl NodeApi for Node {
    async fn logs(&self, pod: &PodRef, options: LogOptions) -> Result<LogStream, ApiError> {
        let pod = self.known(pod)?;
        let name = options.container.clone();
        let known = {
            let mut state = pod.state.borrow().clone();
            state.container(&name).cloned()
        };
        let known = known.ok_or_else(|| {
            ApiError::BadRequest(format!(
                "container {name} is not valid for pod {}",
                pod.reference.name
            ))
        })?;
        let refuse = |why: &str| {
            ApiError::BadRequest(format!(
                "container {name:?} in pod {:?} {why}",
                pod.reference.name
            ))
        };
        // While a container waits to be started again, its log is that of the last instance.
        let restarts = known.restarts;
        let wanted = match (options.previous, &known.state) {
            (false, _) => restarts,
            (true, State::Waiting { .. }) if known.last.is_some() => restarts,
            (true, _) => restarts.checked_sub(1).ok_or_else(|| {
                ApiError::BadRequest(format!(
                    "previous terminated container {name:?} in pod {:?} not found",
                    pod.reference.name
                ))
            })?,
        };
        let path = super::container::log_path(&pod, &name, wanted);
        let log = pod
            .instance(&name)
            .and_then(|instance| instance.log)
            .filter(|_| !options.previous);
        match logs::read(path, log, options) {
            Ok(chunks) => Ok(Box::pin(ReceiverStream::new(chunks).boxed())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match &known.state {
                State::Waiting { reason, message } if message.is_empty() => {
                    Err(refuse(&format!("is waiting to start: {reason}")))
                }
                State::Waiting { message, .. } => {
                    Err(refuse(&format!("is waiting to start: {message}")))
                }
                // It ended before it could write anything.
                _ => Ok(Box::pin(futures::stream::empty())),
            },
            Err(error) => Err(ApiError::Internal(format!(
                "the log cannot be read: {error}"
            ))),
        }
    }

    async fn exec(&self, pod: &PodRef, options: ExecOptions) -> Result<ExecSession, ApiError> {
        let pod = self.known(pod)?;
        let (_, target) = pod.running(&options.container)?;
        exec::start(&self.host, &target, &options).await
    }

    async fn attach(&self, pod: &PodRef, options: ExecOptions) -> Result<ExecSession, ApiError> {
        let pod = self.known(pod)?;
        let (instance, target) = pod.running(&options.container)?;
        let path =
            super::container::log_path(&pod, &options.container, pod.restarts(&options.container));
        // Both outputs are in the log; from here on they are read back from there.
        let from_now = LogOptions {
            container: options.container.clone(),
            follow: true,
            tail_lines: Some(0),
            ..LogOptions::default()
        };
        let lines = logs::read(path, instance.log.clone(), from_now)
            .map_err(|error| ApiError::Internal(format!("the output cannot be read: {error}")))?;
        let output = tokio_util::io::StreamReader::new(ReceiverStream::new(lines));
        let stdin = options.stdin.then(|| {
            let (near, mut far) = tokio::io::duplex(64 * 1024);
            let stdin = instance.stdin.clone();
            tokio::spawn(async move {
                if let Some(stdin) = stdin.lock().await.as_mut() {
                    // The process may close its input at any time.
                    let _ = tokio::io::copy(&mut far, stdin).await;
                    let _ = stdin.flush().await;
                }
            });
            Box::new(near) as _
        });
        Ok(ExecSession {
            stdin,
            stdout: options.stdout.then(|| Box::new(output) as _),
            stderr: None,
            resize: None,
            exit: Box::pin(async move { Ok(target.process.exited().await) }),
        })
    }

    async fn port_forward(&self, pod: &PodRef, port: u16) -> Result<Box<dyn Duplex>, ApiError> {
        let pod = self.known(pod)?;
        match tokio::time::timeout(Duration::from_secs(10), pod.connect(port)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(ApiError::Internal(format!(
                "cannot connect to port {port} of pod {:?}: {error}",
                pod.reference.name
            ))),
            Err(_) => Err(ApiError::Internal(format!(
                "port {port} of pod {:?} does not answer",
                pod.reference.name
            ))),
        }
    }

    async fn pod_usage(&self) -> Vec<PodUsage> {
        self.metrics.pods()
    }

    async fn node_usage(&self) -> Option<NodeUsage> {
        self.metrics.node()
    }
}
