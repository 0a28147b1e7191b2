//! What the use cases count and measure, for whoever scrapes it.

use catalyst_store::{Preview, Scope};
use chrono::{TimeDelta, Utc};
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::Previews;
use crate::error::Error;

const PREVIEWS: &str = "catalyst_previews";
const QUEUE: &str = "catalyst_queue_depth";
const FAILED_CLEANUPS: &str = "catalyst_failed_cleanups";
const DELIVERIES: &str = "catalyst_deliveries_total";
const DEPLOYMENTS: &str = "catalyst_deployments_total";
const READY_SECONDS: &str = "catalyst_webhook_to_ready_seconds";
const CLEANUP_SECONDS: &str = "catalyst_cleanup_seconds";

/// Says what each metric means. To be called once, when a recorder is installed.
pub fn describe() {
    describe_gauge!(
        PREVIEWS,
        "Previews that are not removed, by state; the same in every process of one database"
    );
    describe_gauge!(
        QUEUE,
        "What waits to be worked off or is in hand: webhook deliveries, and previews that the cluster is to be brought in step with; the same in every process of one database"
    );
    describe_gauge!(
        FAILED_CLEANUPS,
        "Removals that were given up and wait for a person"
    );
    describe_counter!(
        DELIVERIES,
        "Webhook deliveries worked off, by what was decided; given-up: after all tries"
    );
    describe_counter!(
        DEPLOYMENTS,
        "Deployments that came to an end, by result: ready, failed or superseded"
    );
    describe_histogram!(
        READY_SECONDS,
        Unit::Seconds,
        "From the arrival of a webhook, or a retry, until the commit is served"
    );
    describe_histogram!(
        CLEANUP_SECONDS,
        Unit::Seconds,
        "From the wish to remove a preview until nothing of it is left in the cluster"
    );
    catalyst_github::metrics::describe();
}

pub(crate) fn delivery(decision: &'static str) {
    counter!(DELIVERIES, "decision" => decision).increment(1);
}

pub(crate) fn deployment(result: &'static str) {
    counter!(DEPLOYMENTS, "result" => result).increment(1);
}

pub(crate) fn removed(took: TimeDelta) {
    histogram!(CLEANUP_SECONDS).record(took.to_std().unwrap_or_default());
}

impl Previews {
    /// Counts what is a state and not an event, for a scrape that is under way.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer; then the last figures stay.
    pub async fn measure(&self) -> Result<(), Error> {
        let store = &self.inner.store;
        let counts = store.count_previews(Scope::All).await?;
        for (state, count) in [
            ("running", counts.running),
            ("in-progress", counts.in_progress),
            ("failed", counts.failed),
            ("blocked", counts.blocked),
        ] {
            gauge!(PREVIEWS, "state" => state).set(f64::from(count));
        }
        let deliveries = store.count_queued_deliveries().await?;
        gauge!(QUEUE, "queue" => "deliveries").set(f64::from(deliveries));
        let work = store.count_due_work().await?;
        gauge!(QUEUE, "queue" => "previews").set(f64::from(work));
        let failed = store.failed_cleanups().await?.len();
        gauge!(FAILED_CLEANUPS).set(f64::from(u32::try_from(failed).unwrap_or(u32::MAX)));
        Ok(())
    }

    /// Records how long the deployment that has just become ready took.
    pub(crate) async fn measure_ready(&self, preview: &Preview) {
        let deployments = self.inner.store.deployments(&preview.id).await;
        // Its step in the log tells as much, should this read fail.
        let began = deployments
            .unwrap_or_default()
            .into_iter()
            .find(|it| crate::read::get::is_of(it, preview))
            .map(|it| it.started_at);
        if let Some(began) = began {
            histogram!(READY_SECONDS).record((Utc::now() - began).to_std().unwrap_or_default());
        }
    }
}
