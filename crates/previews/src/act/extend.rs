//! Keeping a preview for longer.

use catalyst_model::state::{PreviewStatus, Role};
use chrono::{DateTime, Utc};
use serde_json::json;

use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;

impl Previews {
    /// Begins a preview's time anew: from now on it is kept for as long as if it had just been
    /// made, or pushed to. Takes membership. Returns until when.
    ///
    /// # Errors
    /// `Conflict` for one that is removed or being removed, and for one that does not end by itself.
    pub async fn extend(&self, actor: &Actor, id: &str) -> Result<DateTime<Utc>, Error> {
        let preview = self.find(actor, id).await?;
        let action = || format!("keeping preview {}", preview.namespace);
        actor.needs(Role::Member, &preview.team, action)?;
        let settings = &self.inner.settings;
        let time = match preview.number {
            None => Some(settings.manual_ttl),
            Some(_) => settings.idle_ttl,
        };
        let Some(time) = time else {
            return Err(Error::Conflict(format!(
                "preview {} is kept until its pull request is closed",
                preview.namespace
            )));
        };
        let gone = || {
            Error::Conflict(format!(
                "preview {} is removed, or being removed",
                preview.namespace
            ))
        };
        if preview.deleted_at.is_some() || preview.status == PreviewStatus::Deleting {
            return Err(gone());
        }
        let until = Utc::now() + time;
        let kept = self
            .inner
            .store
            .keep_preview_until(&preview.id, until)
            .await?;
        let kept = kept.ok_or_else(gone)?;
        let until = kept.expires_at.unwrap_or(until);
        let details = json!({ "namespace": preview.namespace, "until": until });
        self.audit(actor, "preview.extend", &preview.id, details)
            .await?;
        step!(
            &kept,
            "preview-extended",
            "running",
            by = actor.login.as_str()
        );
        self.inner.expiries.notify_one();
        self.changed(&kept);
        self.inner.live.touch(&preview.id);
        Ok(until)
    }
}
