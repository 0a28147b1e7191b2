//! The inbox: deliveries are kept first, and worked off afterwards, lane by lane.
//!
//! A lane is one pull request. Its deliveries are worked off one after the other, in the order in
//! which they came; different lanes at the same time. A claim is renewed for as long as its worker
//! lives, so that a delivery whose worker died is taken up by another within one lease.

mod facts;
mod handle;
mod look;
mod receive;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use catalyst_store::Delivery;
use chrono::Utc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use facts::told;
pub(crate) use handle::known;
pub use receive::{IncomingDelivery, Receipt};

use crate::Previews;
use crate::error::{Error, chain};

/// How often to look for deliveries that became due without anybody saying so: a wait is over, or
/// another process received them.
const LOOK: Duration = Duration::from_secs(1);

/// How long deliveries in hand may take to be finished when the process ends.
const DRAIN: Duration = Duration::from_secs(10);

/// How long GitHub may take to say how a pull request stands; then the event has to do.
const PATIENCE: Duration = Duration::from_secs(5);

/// A delivery that was claimed so much more often than it was tried ended its workers.
const CRASHES: u32 = 5;

impl Previews {
    /// Works deliveries off until `stop`, then finishes those in hand.
    pub(crate) async fn work_inbox(&self, stop: CancellationToken) {
        let claims = AtomicU64::new(0);
        let mut tasks = JoinSet::new();
        let mut held: Vec<(tokio::task::Id, String)> = Vec::new();
        while !stop.is_cancelled() {
            if tasks.len() < self.inner.settings.workers {
                let n = claims.fetch_add(1, Ordering::Relaxed);
                let holder = format!("{}/{n}", self.inner.process);
                match self.claim(&holder).await {
                    Some(delivery) => {
                        let task = self.clone().work_off(delivery, holder.clone());
                        held.push((tasks.spawn(task).id(), holder));
                        continue;
                    }
                    None => {}
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.inner.delivered.notified() => {}
                Some(ended) = tasks.join_next_with_id() => forget(&mut held, ended),
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        let drained = tokio::time::timeout(DRAIN, async {
            while let Some(ended) = tasks.join_next_with_id().await {
                forget(&mut held, ended);
            }
        });
        if drained.await.is_err() {
            tasks.shutdown().await;
        }
        for (_, holder) in held {
            if let Err(e) = self.inner.store.release_deliveries(&holder).await {
                tracing::warn!(error = %chain(&e), "a delivery waits for its lease to end");
            }
        }
    }

    async fn claim(&self, holder: &str) -> Option<Delivery> {
        let lease = self.inner.settings.lease;
        match self.inner.store.claim_delivery(holder, lease).await {
            Ok(delivery) => delivery,
            Err(e) => {
                tracing::warn!(error = %chain(&e), "the inbox cannot be read; it is tried again");
                None
            }
        }
    }

    async fn work_off(self, delivery: Delivery, holder: String) {
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
            tracing::warn!(delivery = delivery.id, error = %chain(&e), "what became of a delivery could not be written down");
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
                    tracing::warn!(delivery = id, error = %chain(&e), "a claim could not be renewed")
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

type Ended = Result<(tokio::task::Id, ()), tokio::task::JoinError>;

fn forget(held: &mut Vec<(tokio::task::Id, String)>, ended: Ended) {
    match ended {
        Ok((id, ())) => held.retain(|(task, _)| *task != id),
        // Its claim is released at the end, or ends by itself before.
        Err(e) => tracing::error!(error = %e, "a delivery ended its worker"),
    }
}
