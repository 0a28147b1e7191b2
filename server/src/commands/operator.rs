//! `catalyst operator`: the controllers alone, next to a Kubernetes.

use catalyst_cluster::{Cluster, ClusterSource};
use tokio_util::sync::CancellationToken;

use crate::{
    settings::{Common, PreviewRouting},
    wiring,
};

/// Runs until it is asked to stop.
pub async fn run(common: Common, routing: PreviewRouting) -> anyhow::Result<()> {
    let settings = wiring::operator_settings(&common, &routing, false)?;
    let cluster = Cluster::connect(&ClusterSource::Inferred).await?;
    cluster.ping().await?;
    let shutdown = CancellationToken::new();
    wiring::stop_on_signals(shutdown.clone());
    tracing::info!(cluster = cluster.name(), "the operator is running");
    catalyst_operator::run(cluster.client(), settings, shutdown).await;
    Ok(())
}
