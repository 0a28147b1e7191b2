//! What only one process may do at a time.

use std::future::Future;

use crate::Previews;

impl Previews {
    /// Does `work` while this process holds the lease `name`, which ends soon after the process
    /// does. None where another holds it, or took it over from a process that seemed dead: then
    /// the work was not begun, or was broken off.
    pub(crate) async fn holding<T>(&self, name: &str, work: impl Future<Output = T>) -> Option<T> {
        let ttl = self.inner.settings.lease;
        if !self.hold(name).await {
            return None;
        }
        let renewing = async {
            loop {
                tokio::time::sleep(ttl / 3).await;
                if !self.hold(name).await {
                    return;
                }
            }
        };
        let done = tokio::select! {
            done = work => done,
            () = renewing => return None,
        };
        let (store, process) = (&self.inner.store, &self.inner.process);
        if let Err(e) = store.release_lease(name, process).await {
            tracing::warn!(
                lease = name,
                error = self.redacted_chain(&e),
                "a lease ends by itself"
            );
        }
        Some(done)
    }

    async fn hold(&self, name: &str) -> bool {
        let (store, process) = (&self.inner.store, &self.inner.process);
        match store
            .try_lease(name, process, self.inner.settings.lease)
            .await
        {
            Ok(held) => held,
            Err(e) => {
                tracing::warn!(
                    lease = name,
                    error = self.redacted_chain(&e),
                    "a lease cannot be had"
                );
                false
            }
        }
    }
}
