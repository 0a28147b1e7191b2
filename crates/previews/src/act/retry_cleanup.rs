//! Taking up a removal that was given up.

use catalyst_model::state::PreviewStatus;
use serde_json::json;

use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;

impl Previews {
    /// Takes up a removal that was given up; operators only.
    ///
    /// # Errors
    /// `Conflict` when none was given up.
    pub async fn retry_cleanup(&self, actor: &Actor, id: &str) -> Result<(), Error> {
        // Who may not know of it is told no more than that.
        let preview = self.find(actor, id).await?;
        actor.needs_operator("taking up a removal")?;
        let given_up = self.inner.store.failed_cleanups().await?;
        let waits = given_up.iter().any(|it| it.id == preview.id);
        if preview.status != PreviewStatus::Deleting || !waits {
            return Err(Error::Conflict(format!(
                "no removal of preview {} was given up",
                preview.namespace
            )));
        }
        let details = json!({ "namespace": preview.namespace });
        self.audit(actor, "preview.retry-cleanup", &preview.id, details)
            .await?;
        self.remove(
            &preview.id,
            &format!("{} took its removal up again", actor.login),
        )
        .await
    }
}
