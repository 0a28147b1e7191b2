//! The Kubernetes controllers for Environment and Project.
//!
//! An Environment asks for one commit of a Project's repository to run and answer at a URL. The
//! operator gives it a namespace of its own, finds out how the repository is run, brings it up,
//! keeps it as it should be, and takes all of it away again. It speaks to the Kubernetes API
//! alone; what people see of it is written in the Environment's status.
//!
//! - [`desired`]: what should be there, as pure functions (what a repository holds is told by
//!   `catalyst-render`, which is pure as well);
//! - `environment`, `project`: the controllers, which compare and write;
//! - `cache`: what is there, kept fresh by watches;
//! - [`network`]: whether the cluster enforces the policies that keep previews apart.

pub mod builds;
mod cache;
mod context;
pub mod desired;
mod environment;
mod error;
pub mod metrics;
pub mod network;
mod project;
pub mod repository;
pub mod settings;
mod web;

pub use builds::{BuildSettings, Daemon, Engine, Identity};
pub use catalyst_render::{Images, InvalidImage};
pub use error::Error;
pub use project::check as check_project;
pub use settings::{CredentialsDoor, EgressRule, Inside, OperatorSettings};

pub use web::{TokenSource, WebError, WebSide};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Runs both controllers against the cluster behind `client` until `shutdown`, then ends the
/// passes that have begun. Watches that break are taken up again, for ever. When it is dropped,
/// everything that is under way is dropped at once.
///
/// The custom resource definitions must be installed; where they are not yet, it waits for them.
pub async fn run(client: kube::Client, settings: OperatorSettings, shutdown: CancellationToken) {
    tracing::info!(deadline_s = settings.deadline.as_secs(), "operator_started");
    let (tell, enforcement) = watch::channel(None);
    let probing = {
        let (client, probe, shutdown) = (
            client.clone(),
            settings.network_probe.clone(),
            shutdown.clone(),
        );
        async move {
            let Some(probe) = probe else { return };
            tokio::select! {
                () = network::follow(client, probe, tell) => {}
                () = shutdown.cancelled() => {}
            }
        }
    };
    tokio::join!(
        environment::run(
            client.clone(),
            settings.clone(),
            enforcement,
            shutdown.clone()
        ),
        project::run(client, settings, shutdown),
        probing,
    );
    tracing::info!("operator_stopped");
}
