//! Writing down how far a preview is, and telling of it.

use catalyst_model::state::PreviewStatus;
use catalyst_store::{Preview, PreviewReport, Reported, StoreError};

use crate::Previews;
use crate::metrics;

impl Previews {
    /// Writes what is known of a row now, and tells the news if it is any.
    pub(crate) async fn report(
        &self,
        before: &Preview,
        report: PreviewReport,
    ) -> Result<(), StoreError> {
        let reported = self
            .inner
            .store
            .report_preview(&before.row_id, &report)
            .await?;
        let Reported::Changed(after) = reported else {
            return Ok(());
        };
        let message = after.message.as_deref().unwrap_or_default();
        match (before.status, after.status) {
            (old, new) if old == new => {}
            (_, PreviewStatus::Deploying) => {
                step!(&after, "deployment-started", "deploying");
            }
            (_, PreviewStatus::Running) => {
                metrics::deployment("ready");
                self.measure_ready(&after).await;
                if after.attempt > 1 {
                    step!(&after, "retry-completed", "running");
                } else {
                    step!(&after, "deployment-completed", "running");
                }
            }
            (_, PreviewStatus::Failed) => {
                metrics::deployment("failed");
                if after.attempt > 1 {
                    step!(&after, "retry-failed", "failed", message = message);
                } else {
                    step!(&after, "deployment-failed", "failed", message = message);
                }
            }
            _ => {}
        }
        self.changed(&after);
        Ok(())
    }
}

/// What a row says from the time its Environment was found gone until the operator has seen the
/// one that was made again.
pub(crate) const VANISHED: &str = "its Environment was deleted in the cluster, and is made again";

/// A report that changes nothing.
pub(crate) fn as_it_is(preview: &Preview) -> PreviewReport {
    PreviewReport {
        attempt: preview.attempt,
        status: preview.status,
        phase: preview.phase,
        message: preview.message.clone(),
        url: preview.url.clone(),
        serving_commit: preview.serving_commit.clone(),
    }
}
