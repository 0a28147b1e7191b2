//! Connections into a pod, counted, so that a pod that ends does so when none is open.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// The connections of one pod.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    state: Mutex<State>,
    closed_one: Notify,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    refused: bool,
}

impl Connections {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Count a connection that is about to be made; none where the pod takes no more.
    pub fn open(self: &Arc<Self>) -> Option<Counted> {
        let mut state = self.state();
        if state.refused {
            return None;
        }
        state.open += 1;
        Some(Counted(self.clone()))
    }

    /// Wait until no connection is open, at most so long, and take no more from then on.
    pub async fn drain(&self, at_most: Duration) {
        let deadline = tokio::time::Instant::now() + at_most;
        loop {
            let closed_one = self.closed_one.notified();
            {
                let mut state = self.state();
                if state.open == 0 {
                    state.refused = true;
                    return;
                }
            }
            if tokio::time::timeout_at(deadline, closed_one).await.is_err() {
                self.state().refused = true;
                return;
            }
        }
    }
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct Counted(Arc<Connections>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.state().open -= 1;
        self.0.closed_one.notify_waiters();
    }
}

/// A stream that is counted as long as it lives.
pub(crate) struct CountedStream {
    pub stream: TcpStream,
    /// Held for what happens when it is dropped.
    pub _counted: Counted,
}

impl AsyncRead for CountedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for CountedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pod_that_ends_waits_for_open_connections_and_takes_no_new_ones() {
        let connections = Arc::new(Connections::default());
        let open = connections.open().unwrap();
        let draining = tokio::spawn({
            let connections = connections.clone();
            async move { connections.drain(Duration::from_secs(60)).await }
        });
        tokio::task::yield_now().await;
        assert!(!draining.is_finished());
        drop(open);
        draining.await.unwrap();
        assert!(connections.open().is_none());
    }
}
