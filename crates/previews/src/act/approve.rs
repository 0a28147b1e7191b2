//! Letting a fork's commit run.

use catalyst_model::ids::CommitSha;
use catalyst_model::state::Role;
use serde_json::json;

use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;

impl Previews {
    /// Lets a fork's commit run: that very commit; takes the role admin or owner. A later push has
    /// to be approved anew.
    ///
    /// # Errors
    /// `Conflict` when the pull request stands at another commit by now, or waits for nothing.
    pub async fn approve(&self, actor: &Actor, id: &str, commit: &CommitSha) -> Result<(), Error> {
        let preview = self.find(actor, id).await?;
        let action = || {
            format!(
                "approving commit {} of {}",
                commit.short(),
                preview.namespace
            )
        };
        actor.needs(Role::Admin, &preview.team, action)?;
        if preview.blocked.is_none() || preview.deleted_at.is_some() {
            return Err(Error::Conflict(format!(
                "preview {} does not wait for an approval",
                preview.namespace
            )));
        }
        if let Some(present) = preview.commit.as_ref().filter(|it| *it != commit) {
            return Err(Error::Conflict(format!(
                "preview {} stands at commit {} by now: look at that one and approve it",
                preview.namespace,
                present.short()
            )));
        }
        self.inner.store.approve_commit(&preview.id, commit).await?;
        let details = json!({
            "commit": commit.as_str(),
            "namespace": preview.namespace,
            "pull_request": preview.origin(),
        });
        self.audit(actor, "preview.approve", &preview.id, details)
            .await?;
        step!(
            &preview,
            "commit-approved",
            "created",
            by = actor.login.as_str()
        );
        let because = format!("{} approved commit {}", actor.login, commit.short());
        self.look_again_at(&preview, because).await
    }
}
