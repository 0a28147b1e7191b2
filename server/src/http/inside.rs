//! The listener for the cluster's inside: metrics and probes, without a sign-in. It is another
//! port than the dashboard's, so that nobody outside reaches it by way of the Ingress.

use std::{future::IntoFuture, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use catalyst_cluster::lease::Standing;
use catalyst_previews::Previews;
use catalyst_store::Store;
use http::{StatusCode, header};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde_json::json;
use tokio_util::task::AbortOnDropHandle;

use super::health;

/// How often samples are put into their buckets when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Bounds of what takes as long as a preview's steps do.
const LIFE_SECONDS: &[f64] = &[
    0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0,
    600.0, 1_800.0,
];
/// Bounds of what takes as long as a few requests.
const STEP_SECONDS: &[f64] = &[
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0,
];

/// Which part of Catalyst this process is, and so what it takes to be ready.
#[derive(Clone)]
pub enum Part {
    /// The dashboard and the webhook: ready when the store answers.
    Web(Previews, Store),
    /// The operator, leading or standing by: ready when the API server answers.
    Operator(Arc<Standing>),
}

#[derive(Clone)]
struct Inside {
    metrics: PrometheusHandle,
    part: Part,
}

/// Answers on this address until the handle is dropped.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn listen(
    address: SocketAddr,
    part: Part,
) -> anyhow::Result<AbortOnDropHandle<std::io::Result<()>>> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} (CATALYST_METRICS_LISTEN)"))?;
    let metrics = recorder()?;
    let app = router(metrics.clone(), part);
    let serving = tokio::spawn(async move {
        let upkeep = async {
            loop {
                tokio::time::sleep(UPKEEP).await;
                metrics.run_upkeep();
            }
        };
        tokio::select! {
            served = axum::serve(listener, app).into_future() => served,
            () = upkeep => Ok(()),
        }
    });
    Ok(AbortOnDropHandle::new(serving))
}

/// Has this process' metrics kept from now on. Where nobody listens nothing is kept.
fn recorder() -> anyhow::Result<PrometheusHandle> {
    let metrics = PrometheusBuilder::new()
        .set_buckets(LIFE_SECONDS)?
        .set_buckets_for_metric(
            Matcher::Suffix("_duration_seconds".to_owned()),
            STEP_SECONDS,
        )?
        .install_recorder()?;
    metrics::describe_gauge!(
        "catalyst_operator_leader",
        "1 in the operator that leads, 0 in those that stand by"
    );
    catalyst_operator::metrics::describe();
    catalyst_previews::metrics::describe();
    Ok(metrics)
}

fn router(metrics: PrometheusHandle, part: Part) -> Router {
    Router::new()
        .route("/metrics", get(scrape))
        .route("/api/health/liveness", get(health::liveness))
        .route("/api/health/readiness", get(readiness))
        .with_state(Inside { metrics, part })
}

/// `GET /metrics`, in Prometheus' text format.
async fn scrape(State(inside): State<Inside>) -> Response {
    match &inside.part {
        Part::Web(previews, _) => {
            if let Err(error) = previews.measure().await {
                tracing::warn!(
                    error = super::errors::chain(&error),
                    "previews and queues could not be counted"
                );
            }
        }
        Part::Operator(standing) => {
            metrics::gauge!("catalyst_operator_leader").set(f64::from(u8::from(standing.leads())));
        }
    }
    let format = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, format)], inside.metrics.render()).into_response()
}

/// `GET /api/health/readiness`: 200 when the part can do its work, 503 otherwise.
async fn readiness(State(inside): State<Inside>) -> Response {
    match &inside.part {
        Part::Web(_, store) => health::of_store(store).await,
        Part::Operator(standing) if standing.is_in_touch() => {
            Json(json!({ "status": "ok", "leader": standing.leads() })).into_response()
        }
        Part::Operator(_) => {
            let error = "the API server does not answer, or does not let us read the Lease";
            let body = json!({ "status": "unavailable", "error": error });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}
