//! The webhook deliveries, and what was made of them.

use catalyst_model::views::DeliveryView;

use crate::Previews;
use crate::actor::{Actor, scope};
use crate::error::Error;

/// The most that are listed at once.
const MOST: u32 = 500;

impl Previews {
    /// The newest deliveries about the repositories of the actor's teams, newest first, at most
    /// `limit` and 500. Operators also see those about no repository.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    pub async fn deliveries(&self, actor: &Actor, limit: u32) -> Result<Vec<DeliveryView>, Error> {
        let teams = actor.teams();
        let store = &self.inner.store;
        Ok(store
            .list_deliveries(scope(&teams), limit.min(MOST))
            .await?)
    }
}
