//! The use cases: everything that a person, an agent or GitHub can have done.
//!
//! Each is one function of [`Previews`] that takes an [`Actor`] where a person asks, checks what
//! they may, and returns a typed result. Webhook route, server functions, command line and agents
//! parse, call one of these, and translate: nothing more.

mod actor;
pub mod decide;
mod desired;
mod error;
mod observe;
mod projects;
mod queue;
pub mod redact;
pub mod settings;
mod timeline;

use std::pin::Pin;

use bytes::Bytes;
use catalyst_model::ids::CommitSha;
use catalyst_model::views::{
    DeliveryView, LogQuery, OperationsView, PreviewChange, PreviewDetail, PreviewFilter,
    PreviewList, ProjectView,
};
use chrono::{DateTime, Utc};
use futures::Stream;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use actor::Actor;
pub use error::{Cause, Error, ErrorKind};
pub use projects::NewProject;
pub use redact::Redactor;
pub use settings::PreviewSettings;

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
    /// `initiated` or `cleanup_initiated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_deployment: Option<&'static str>,
}

/// A line of a container's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// When it was written, where the query asked for timestamps.
    pub at: Option<DateTime<Utc>>,
    /// The line without its end; any text, escape sequences included.
    pub text: String,
}

/// Lines as they come; ends when the container's output ends or, without `follow`, was read.
pub type LogStream = Pin<Box<dyn Stream<Item = Result<LogLine, Error>> + Send + 'static>>;

/// The use cases. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Previews {}

fn not_yet<T>() -> Result<T, Error> {
    Err(Error::unavailable("this part is not built yet", "skeleton"))
}

impl Previews {
    /// Works off deliveries, watches Environments and Projects, reports, cleans up and sweeps,
    /// until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        shutdown.cancelled().await;
    }

    /// Stores a delivery durably, once for each id; what it asks for is done afterwards.
    ///
    /// # Errors
    /// When the store does not answer: the sender should send it again.
    pub async fn receive(&self, _delivery: IncomingDelivery) -> Result<Receipt, Error> {
        not_yet()
    }

    /// The previews that `actor` may see.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list(
        &self,
        _actor: &Actor,
        _filter: &PreviewFilter,
    ) -> Result<PreviewList, Error> {
        not_yet()
    }

    /// One preview, by its id or its namespace.
    ///
    /// # Errors
    /// `NotFound` for unknown and foreign ids alike.
    pub async fn get(&self, _actor: &Actor, _id: &str) -> Result<PreviewDetail, Error> {
        not_yet()
    }

    /// A container's output.
    ///
    /// # Errors
    /// `NotFound` for unknown and foreign ids, and where there is no pod yet.
    pub async fn logs(
        &self,
        _actor: &Actor,
        _id: &str,
        _query: &LogQuery,
    ) -> Result<LogStream, Error> {
        not_yet()
    }

    /// The newest deliveries about the actor's repositories, newest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn deliveries(
        &self,
        _actor: &Actor,
        _limit: u32,
    ) -> Result<Vec<DeliveryView>, Error> {
        not_yet()
    }

    /// The projects of the actor's teams.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn projects(&self, _actor: &Actor) -> Result<Vec<ProjectView>, Error> {
        not_yet()
    }

    /// What those who run Catalyst look at.
    ///
    /// # Errors
    /// `Forbidden` for everyone but operators.
    pub async fn operations(&self, _actor: &Actor) -> Result<OperationsView, Error> {
        not_yet()
    }

    /// News about the previews that `actor` may see. A reader that is too slow is told to reload.
    pub fn changes(
        &self,
        _actor: &Actor,
    ) -> impl Stream<Item = PreviewChange> + Send + 'static + use<> {
        futures::stream::pending()
    }

    /// A preview as it is now, and again on each change. Ends after an error.
    pub fn follow(
        &self,
        _actor: &Actor,
        _id: &str,
    ) -> impl Stream<Item = Result<PreviewDetail, Error>> + Send + 'static + use<> {
        futures::stream::once(async { not_yet() })
    }

    /// Starts a failed preview anew.
    ///
    /// # Errors
    /// `Conflict` unless it has failed.
    pub async fn retry(&self, _actor: &Actor, _id: &str) -> Result<(), Error> {
        not_yet()
    }

    /// Removes a preview; takes the role admin or owner. A later push brings it back.
    ///
    /// # Errors
    /// `Forbidden` for members.
    pub async fn delete(&self, _actor: &Actor, _id: &str) -> Result<(), Error> {
        not_yet()
    }

    /// Lets a fork's commit run: that very commit; takes the role admin or owner.
    ///
    /// # Errors
    /// `Conflict` when the pull request stands at another commit by now or waits for nothing.
    pub async fn approve(
        &self,
        _actor: &Actor,
        _id: &str,
        _commit: &CommitSha,
    ) -> Result<(), Error> {
        not_yet()
    }

    /// Takes up a removal that was given up; operators only.
    ///
    /// # Errors
    /// `Conflict` when none was given up.
    pub async fn retry_cleanup(&self, _actor: &Actor, _id: &str) -> Result<(), Error> {
        not_yet()
    }

    /// Makes a project; takes the role admin or owner in its team, or an operator.
    ///
    /// # Errors
    /// `Invalid` names the field that is wrong; `Conflict` when there is one of this name.
    pub async fn create_project(
        &self,
        _actor: &Actor,
        _new: NewProject,
    ) -> Result<ProjectView, Error> {
        not_yet()
    }

    /// The actor behind a user, with their memberships; none for an unknown user.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn actor(&self, _user_id: Uuid) -> Result<Option<Actor>, Error> {
        not_yet()
    }

    /// The one user of local mode, an operator; made on first use.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn local_operator(&self) -> Result<Actor, Error> {
        not_yet()
    }
}
