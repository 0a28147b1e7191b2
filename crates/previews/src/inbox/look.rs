//! A delivery of our own: "look at this pull request again".
//!
//! Whatever wants a pull request decided anew outside of an event, an approval or the sweep, puts
//! such a delivery into the pull request's lane. There it cannot cross with an event, is as
//! durable as one, and shows in the list of deliveries with its reason.

use catalyst_model::ids::PullRequestNumber;
use catalyst_store::{NewDelivery, Preview, Repository};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Previews;
use crate::error::Error;

/// The name of the event.
pub(super) const LOOK: &str = "catalyst_look";

/// What to look at, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Look {
    pub repository_id: String,
    pub number: PullRequestNumber,
    pub because: String,
}

impl Look {
    pub fn read(body: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(body).map_err(|e| Error::Invalid {
            field: "body",
            problem: e.to_string(),
        })
    }
}

impl Previews {
    /// The same for the pull request of a preview.
    pub(crate) async fn look_again_at(
        &self,
        preview: &Preview,
        because: String,
    ) -> Result<(), Error> {
        let repository = self.inner.store.repository(&preview.repository_id).await?;
        let number = preview
            .number
            .and_then(|it| PullRequestNumber::try_from(it).ok());
        match (repository, number) {
            (Some(repository), Some(number)) => self.look_again(&repository, number, because).await,
            // It went with its project, and so will the preview.
            _ => Ok(()),
        }
    }

    /// Has a pull request looked at again, after the deliveries about it that are there already.
    pub(crate) async fn look_again(
        &self,
        repository: &Repository,
        number: PullRequestNumber,
        because: String,
    ) -> Result<(), Error> {
        let look = Look {
            repository_id: repository.id.clone(),
            number,
            because,
        };
        let body = serde_json::to_vec(&look)
            .map_err(|e| Error::unavailable("a note to ourselves could not be written", e))?;
        // Before its id is known, a repository has had no delivery that this one could cross.
        let lane = repository
            .github_id
            .map(|github_id| format!("{github_id}/{number}"));
        let delivery = NewDelivery {
            id: Uuid::new_v4().to_string(),
            event: LOOK.to_owned(),
            action: None,
            repository: Some(repository.full_name.to_string()),
            repository_github_id: repository.github_id,
            number: Some(number.get()),
            lane,
            body,
            request_id: crate::request::current(),
        };
        self.inner.store.receive_delivery(&delivery).await?;
        self.inner.delivered.notify_one();
        Ok(())
    }
}
