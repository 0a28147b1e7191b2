//! Starting a failed preview anew.

use catalyst_model::state::{PreviewStatus, Role};
use serde_json::json;

use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;
use crate::request;

impl Previews {
    /// Starts a failed preview anew at the same commit; takes membership.
    ///
    /// # Errors
    /// `Conflict` unless it has failed.
    pub async fn retry(&self, actor: &Actor, id: &str) -> Result<(), Error> {
        let preview = self.find(actor, id).await?;
        let action = || format!("retrying preview {}", preview.namespace);
        actor.needs(Role::Member, &preview.team, action)?;
        if preview.status != PreviewStatus::Failed || preview.deleted_at.is_some() {
            return Err(Error::Conflict(format!(
                "preview {} is {}: only a failed one can be retried",
                preview.namespace, preview.status
            )));
        }
        let request = request::current();
        let store = &self.inner.store;
        let retried = store.retry_preview(&preview.id, request.as_deref()).await?;
        let details = json!({
            "commit": retried.commit,
            "attempt": retried.attempt,
            "namespace": retried.namespace,
        });
        self.audit(actor, "preview.retry", &preview.id, details)
            .await?;
        step!(
            &retried,
            "retry-requested",
            "retrying",
            by = actor.login.as_str()
        );
        self.inner.work_due.notify_one();
        self.changed(&retried);
        Ok(())
    }
}
