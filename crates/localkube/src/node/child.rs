//! A child process that is never left behind.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use tokio::process::Child;
use tokio::runtime::Handle;

/// How long a child that was told to end may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A child that is killed when it is dropped, and waited for: one that nobody waits for stays in
/// the process table as long as this process lives.
#[derive(Debug)]
pub(crate) struct OwnChild {
    child: Option<Child>,
}

#[allow(
    clippy::expect_used,
    reason = "the child is taken out only by what consumes this"
)]
impl Deref for OwnChild {
    type Target = Child;

    fn deref(&self) -> &Child {
        self.child.as_ref().expect("it was not consumed")
    }
}

#[allow(
    clippy::expect_used,
    reason = "the child is taken out only by what consumes this"
)]
impl DerefMut for OwnChild {
    fn deref_mut(&mut self) -> &mut Child {
        self.child.as_mut().expect("it was not consumed")
    }
}

impl OwnChild {
    pub fn new(child: Child) -> Self {
        Self { child: Some(child) }
    }

    /// Kill it, and wait until it is gone.
    pub async fn end(mut self) {
        if let Some(child) = self.child.take() {
            end(child).await;
        }
    }

    /// Wait until it is gone, killing it where that takes too long.
    pub async fn wait_or_end(mut self) {
        // Where waiting fails, killing it tells why.
        let _ = tokio::time::timeout(PATIENCE, self.wait()).await;
        self.end().await;
    }
}

async fn end(mut child: Child) {
    if let Err(error) = child.kill().await {
        tracing::warn!(%error, "a process did not end as told");
    }
}

impl Drop for OwnChild {
    fn drop(&mut self) {
        // Without a runtime this process is about to end, and they end with it.
        if let (Some(child), Ok(runtime)) = (self.child.take(), Handle::try_current()) {
            runtime.spawn(end(child));
        }
    }
}
