//! `catalyst operator`: the controllers alone, next to a Kubernetes.
//!
//! Several may run: they elect a leader, which alone does anything, and the others stand by.

use tokio_util::sync::CancellationToken;

use crate::{
    http::inside::{self, Part},
    settings::{Common, PreviewRouting},
    wiring,
};

/// Runs until it is asked to stop.
pub async fn run(common: Common, routing: PreviewRouting) -> anyhow::Result<()> {
    let settings = wiring::operator_settings(&common, &routing, false)?;
    let cluster = wiring::default_cluster().await?;
    let election = wiring::election(&cluster, &routing);
    let shutdown = CancellationToken::new();
    let inside = match common.metrics_listen {
        Some(address) => {
            let part = Part::Operator(election.standing());
            Some(inside::listen(address, part).await?)
        }
        None => None,
    };
    wiring::stop_on_signals(shutdown.clone());
    tracing::info!(
        cluster = cluster.name(),
        "the operator stands for leadership"
    );
    wiring::run_elected(election, settings, shutdown).await;
    // Probes are answered to the very end.
    drop(inside);
    Ok(())
}
