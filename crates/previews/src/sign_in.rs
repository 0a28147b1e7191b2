//! Beginning a session: by GitHub's word, or by a one-time link.

use serde_json::json;

use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;

impl Previews {
    /// The actor whom GitHub vouched for. They are known by GitHub's id from then on; the login
    /// follows GitHub's.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    pub async fn sign_in_from_github(&self, github_id: u64, login: &str) -> Result<Actor, Error> {
        let user = self.inner.store.github_user(github_id, login).await?;
        let actor = self.actor_of(user).await?;
        self.signed_in(&actor, "github").await?;
        Ok(actor)
    }

    /// The actor whom this one-time link signs in; none where it was used already, has expired or
    /// never was one.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    pub async fn sign_in_by_link(&self, token: &str) -> Result<Option<Actor>, Error> {
        let Some(user) = self.inner.store.redeem_sign_in_token(token).await? else {
            return Ok(None);
        };
        let actor = self.actor_of(user).await?;
        self.signed_in(&actor, "link").await?;
        Ok(Some(actor))
    }

    async fn signed_in(&self, actor: &Actor, by: &str) -> Result<(), Error> {
        let object = actor.user_id.to_string();
        self.audit(actor, "user.sign-in", &object, json!({ "by": by }))
            .await
    }
}
