//! Removing a preview.

use catalyst_model::state::Role;
use catalyst_store::Preview;
use serde_json::json;

use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;

impl Previews {
    /// Removes a preview; takes the role admin or owner. A later push brings back
    /// that of a pull request. One that is
    /// being removed already goes on being removed.
    ///
    /// # Errors
    /// `Forbidden` for members.
    pub async fn delete(&self, actor: &Actor, id: &str) -> Result<(), Error> {
        let preview = self.find(actor, id).await?;
        let action = || format!("deleting preview {}", preview.namespace);
        actor.needs(Role::Admin, &preview.team, action)?;
        if preview.deleted_at.is_some() {
            return Err(Error::Conflict(format!(
                "preview {} is removed already",
                preview.namespace
            )));
        }
        let details = json!({
            "commit": preview.commit,
            "namespace": preview.namespace,
            "pull_request": preview.origin(),
        });
        self.audit(actor, "preview.delete", &preview.id, details)
            .await?;
        self.stays_away(&preview).await?;
        self.remove(&preview.id, &format!("{} deleted it", actor.login))
            .await
    }

    /// Keeps a pull request's preview from coming back before the next push.
    pub(crate) async fn stays_away(&self, preview: &Preview) -> Result<(), Error> {
        if let (Some(_), Some(commit)) = (preview.number, &preview.commit) {
            let store = &self.inner.store;
            store.set_removed_commit(&preview.id, Some(commit)).await?;
        }
        Ok(())
    }
}
