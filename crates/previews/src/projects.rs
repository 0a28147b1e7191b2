//! Projects: seen in the clusters whoever made them, and made by people.

mod check;
mod create;
mod follow;
mod home;
mod run;
mod sync;

use catalyst_model::views::ProjectView;

pub(crate) use check::{check_branch, check_clone_url};
pub use create::NewProject;
pub(crate) use follow::Generations;
pub(crate) use run::{alternatives, fixed, found, said};
pub(crate) use sync::repository_of;

use crate::Previews;
use crate::actor::{Actor, scope};
use crate::error::Error;

impl Previews {
    /// The projects of the actor's teams, by team and name.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    pub async fn projects(&self, actor: &Actor) -> Result<Vec<ProjectView>, Error> {
        let teams = actor.teams();
        Ok(self.inner.store.list_projects(scope(&teams)).await?)
    }
}
