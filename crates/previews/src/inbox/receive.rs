//! Taking a delivery in: durable and deduplicated before the sender has its answer.

use bytes::Bytes;
use catalyst_github::Event;
use catalyst_github::event::{PullRequestAction, PullRequestEvent};
use catalyst_store::NewDelivery;
use serde::Serialize;

use crate::Previews;
use crate::error::Error;

/// A webhook delivery whose signature is already verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingDelivery {
    /// `X-GitHub-Delivery`.
    pub id: String,
    /// `X-GitHub-Event`.
    pub event: String,
    /// The body as it came.
    pub body: Bytes,
}

/// What the sender of a delivery is answered, as the body of a 200.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Receipt {
    /// Always true: the delivery is stored.
    pub success: bool,
    /// What will be done with it, in a sentence that names the event.
    pub message: String,
    /// The id it came with.
    pub delivery_id: String,
    /// Whether it had come before, and so has no further effect.
    pub duplicate: bool,
    /// For `installation` events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installation_id: Option<u64>,
    /// For `push` events: how many commits it announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commits_processed: Option<usize>,
    /// For `pull_request` events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pr_number: Option<u64>,
    /// For pull requests that were opened, pushed to or reopened: the head commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit_sha: Option<String>,
    /// `initiated` or `cleanup_initiated`. Whether there is anything to do is decided later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_deployment: Option<&'static str>,
}

impl Previews {
    /// Stores a delivery durably, once for each id; what it asks for is done afterwards, by
    /// [`Previews::run`]. A body that cannot be read is stored all the same, and shown as such.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer: the sender should send it again.
    pub async fn receive(&self, delivery: IncomingDelivery) -> Result<Receipt, Error> {
        let event = Event::parse(&delivery.event, &delivery.body).ok();
        let mut receipt = event.as_ref().map(receipt).unwrap_or_default();
        receipt.success = true;
        receipt.delivery_id = delivery.id.clone();

        let stored = stored(delivery, event.as_ref());
        let name = stored.event.clone();
        let new = self.inner.store.receive_delivery(&stored).await?;
        receipt.duplicate = !new;
        tracing::info!(
            component = crate::COMPONENT,
            event = "delivery-received",
            delivery = receipt.delivery_id,
            name,
            request = stored.request_id,
            duplicate = receipt.duplicate,
        );
        receipt.message = if new {
            self.inner.delivered.notify_one();
            format!("{name} event stored")
        } else {
            format!("{name} event known already")
        };
        Ok(receipt)
    }
}

fn stored(delivery: IncomingDelivery, event: Option<&Event>) -> NewDelivery {
    let mut stored = NewDelivery {
        id: delivery.id,
        event: delivery.event,
        action: None,
        repository: None,
        repository_github_id: None,
        number: None,
        lane: None,
        body: delivery.body.into(),
        request_id: crate::request::current(),
    };
    match event {
        Some(Event::PullRequest(it)) => {
            let repository = it.repository.id;
            let number = it.number.get();
            stored.action = Some(action(it).to_owned());
            stored.repository = Some(it.repository.full_name.to_string());
            stored.repository_github_id = u64::try_from(repository).ok();
            stored.number = Some(number);
            stored.lane = Some(format!("{repository}/{number}"));
        }
        Some(Event::Push(it)) => {
            stored.repository = Some(it.repository.full_name.to_string());
            stored.repository_github_id = u64::try_from(it.repository.id).ok();
        }
        Some(Event::Installation(it)) => stored.action = Some(it.action.clone()),
        Some(Event::InstallationRepositories(it)) => stored.action = Some(it.action.clone()),
        Some(Event::Ping | Event::Other(_)) | None => {}
    }
    stored
}

fn action(event: &PullRequestEvent) -> &str {
    match &event.action {
        PullRequestAction::Opened => "opened",
        PullRequestAction::Synchronize => "synchronize",
        PullRequestAction::Reopened => "reopened",
        PullRequestAction::Closed => "closed",
        PullRequestAction::Edited => "edited",
        PullRequestAction::ReadyForReview => "ready_for_review",
        PullRequestAction::ConvertedToDraft => "converted_to_draft",
        PullRequestAction::Labeled => "labeled",
        PullRequestAction::Unlabeled => "unlabeled",
        PullRequestAction::Other(other) => other,
    }
}

/// What the event itself tells the sender.
fn receipt(event: &Event) -> Receipt {
    let mut receipt = Receipt::default();
    match event {
        Event::PullRequest(it) => {
            receipt.pr_number = Some(it.number.get());
            match it.action {
                PullRequestAction::Opened
                | PullRequestAction::Synchronize
                | PullRequestAction::Reopened => {
                    receipt.commit_sha = Some(it.pull_request.head.sha.to_string());
                    receipt.preview_deployment = Some("initiated");
                }
                PullRequestAction::Closed => {
                    receipt.preview_deployment = Some("cleanup_initiated");
                }
                _ => {}
            }
        }
        Event::Push(it) => receipt.commits_processed = Some(it.commits),
        Event::Installation(it) => {
            receipt.installation_id = u64::try_from(it.installation.id).ok();
        }
        Event::InstallationRepositories(_) | Event::Ping | Event::Other(_) => {}
    }
    receipt
}
