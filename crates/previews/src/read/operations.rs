//! What those who run Catalyst look at.

use catalyst_model::views::OperationsView;
use catalyst_store::Scope;
use chrono::{TimeDelta, Utc};

use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;
use crate::read::isolation::not_enforced;

/// How many given-up deliveries are shown.
const FAILED: u32 = 100;

impl Previews {
    /// Counts over all teams, and everything that was given up or does not work as it should.
    ///
    /// # Errors
    /// `Forbidden` for everyone but operators.
    pub async fn operations(&self, actor: &Actor) -> Result<OperationsView, Error> {
        actor.needs_operator("looking at the operators' page")?;
        let store = &self.inner.store;
        let mut notices = self.inner.settings.notices.clone();
        if self.inner.github.is_none() {
            notices.push(
                "GitHub is not configured: previews get no comments and no commit statuses, and missed events are not noticed. Set GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY, or GITHUB_PAT.".to_owned(),
            );
        }
        if let Some(trouble) = self.inner.announced.trouble() {
            notices.push(format!("GitHub could not be told of a preview: {trouble}"));
        }
        notices.extend(not_enforced(&self.inner.mirror.environments()));
        if let Err(e) = self.inner.cluster.ping().await {
            notices.push(self.redacted_chain(&e));
        }
        Ok(OperationsView {
            counts: store.count_previews(Scope::All).await?,
            failed_cleanups: store.failed_cleanups().await?,
            failed_deliveries: store.given_up_deliveries(FAILED).await?,
            queued_deliveries: store.count_queued_deliveries().await?,
            notices,
            median_seconds_to_ready: store
                .median_seconds_to_ready(Utc::now() - TimeDelta::hours(24))
                .await?,
        })
    }
}
