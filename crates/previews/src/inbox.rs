//! The inbox: deliveries are kept first, and worked off afterwards, lane by lane.
//!
//! A lane is one pull request. Its deliveries are worked off one after the other, in the order in
//! which they came; different lanes at the same time. A claim is renewed for as long as its worker
//! lives, so that a delivery whose worker died is taken up by another within one lease.

mod facts;
mod handle;
mod look;
mod receive;

use std::time::Duration;

use catalyst_store::Delivery;
use chrono::Utc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

pub(crate) use facts::told;
pub(crate) use handle::known;
pub use receive::{IncomingDelivery, Receipt};

use crate::Previews;
use crate::crew::Crew;
use crate::error::Error;
use crate::request::for_request;

/// How often to look for deliveries that became due without anybody saying so: a wait is over, or
/// another process received them.
const LOOK: Duration = Duration::from_secs(1);

/// How long GitHub may take to say how a pull request stands; then the event has to do.
const PATIENCE: Duration = Duration::from_secs(5);

/// A delivery that was claimed so much more often than it was tried ended its workers.
const CRASHES: u32 = 5;

impl Previews {
    /// Works deliveries off until `stop`, then finishes those in hand.
    pub(crate) async fn work_inbox(&self, stop: CancellationToken) {
        let mut crew = Crew::default();
        while !stop.is_cancelled() {
            if crew.len() < self.inner.settings.workers {
                let holder = Uuid::new_v4().to_string();
                if let Some(delivery) = self.claim(&holder).await {
                    crew.start(holder.clone(), self.clone().work_off(delivery, holder));
                    continue;
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.inner.delivered.notified() => {}
                () = crew.one_ended() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        for holder in crew.drain().await {
            if let Err(e) = self.inner.store.release_deliveries(&holder).await {
                tracing::warn!(
                    error = self.redacted_chain(&e),
                    "a delivery waits for its lease to end"
                );
            }
        }
    }

    async fn claim(&self, holder: &str) -> Option<Delivery> {
        let lease = self.inner.settings.lease;
        match self.inner.store.claim_delivery(holder, lease).await {
            Ok(delivery) => delivery,
            Err(e) => {
                tracing::warn!(
                    error = self.redacted_chain(&e),
                    "the inbox cannot be read; it is tried again"
                );
                None
            }
        }
    }

    async fn work_off(self, delivery: Delivery, holder: String) {
        let request = delivery.request_id.clone();
        let span = tracing::info_span!("delivery", delivery = delivery.id, request);
        let working = self.work_off_claimed(delivery, holder);
        for_request(request, working.instrument(span)).await;
    }

    async fn work_off_claimed(self, delivery: Delivery, holder: String) {
        if delivery.attempts > self.inner.settings.tries + CRASHES {
            let crash = Error::Conflict("working it off ends the process that does it".to_owned());
            let _ = self.settle(&delivery, &holder, Err(crash)).await;
            return;
        }
        let worked = tokio::select! {
            outcome = self.handle(&delivery) => self.settle(&delivery, &holder, outcome).await,
            () = self.keep_claim(&delivery.id, &holder) => {
                tracing::warn!(delivery = delivery.id, "another worker has this delivery now");
                return;
            }
        };
        if let Err(e) = worked {
            // The claim ends by itself, and the delivery is worked off again: that is harmless.
            tracing::warn!(
                delivery = delivery.id,
                error = self.redacted_chain(&e),
                "what became of a delivery could not be written down"
            );
        }
    }

    /// Renews the claim; returns when it is lost.
    async fn keep_claim(&self, id: &str, holder: &str) {
        let lease = self.inner.settings.lease;
        loop {
            tokio::time::sleep(lease / 3).await;
            match self.inner.store.renew_delivery(id, holder, lease).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(e) => {
                    tracing::warn!(
                        delivery = id,
                        error = self.redacted_chain(&e),
                        "a claim could not be renewed"
                    )
                }
            }
        }
    }

    async fn settle(
        &self,
        delivery: &Delivery,
        holder: &str,
        outcome: Result<crate::decide::Decision, Error>,
    ) -> Result<(), catalyst_store::StoreError> {
        let (store, settings) = (&self.inner.store, &self.inner.settings);
        let error = match outcome {
            Ok(decision) => {
                crate::metrics::delivery(decision.word());
                let reason = settings.redactor.redact(decision.reason());
                tracing::info!(
                    component = crate::COMPONENT,
                    event = "delivery-processed",
                    delivery = delivery.id,
                    decision = decision.word(),
                    reason = %reason,
                    waited_ms = (Utc::now() - delivery.received_at).num_milliseconds(),
                );
                return store
                    .finish_delivery(&delivery.id, holder, decision.word(), &reason)
                    .await;
            }
            Err(error) => error,
        };
        let permanent = matches!(error, Error::Invalid { .. });
        let text = self.redacted_chain(&error);
        if permanent || delivery.attempts >= settings.tries {
            crate::metrics::delivery("given-up");
            tracing::error!(
                component = crate::COMPONENT,
                event = "delivery-given-up",
                delivery = delivery.id,
                attempts = delivery.attempts,
                error = text,
            );
            return store.give_up_delivery(&delivery.id, holder, &text).await;
        }
        let wait = settings.wait_after(delivery.attempts);
        tracing::warn!(
            component = crate::COMPONENT,
            event = "delivery-failed",
            delivery = delivery.id,
            attempts = delivery.attempts,
            retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            error = text,
        );
        let next = Utc::now() + wait;
        store.fail_delivery(&delivery.id, holder, &text, next).await
    }
}
