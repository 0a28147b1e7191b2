//! The list of previews.

use catalyst_model::views::{PreviewFilter, PreviewList};

use crate::Previews;
use crate::actor::{Actor, scope};
use crate::error::Error;

impl Previews {
    /// The previews of the actor's teams, failed ones included.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    pub async fn list(&self, actor: &Actor, filter: &PreviewFilter) -> Result<PreviewList, Error> {
        let teams = actor.teams();
        Ok(self
            .inner
            .store
            .list_previews(scope(&teams), filter)
            .await?)
    }
}
