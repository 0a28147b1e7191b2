//! The ingress: one reverse proxy for all Ingress objects.
//!
//! [`routes`] finds the Service by host and path, [`proxy`] picks a pod that is ready at that
//! moment and passes the request on, [`headers`] says what a proxy changes in it, and [`pages`]
//! are what people see where no pod answers. Bodies are streamed both ways and never kept.

mod body;
mod headers;
mod pages;
mod proxy;
mod routes;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use self::proxy::Proxy;
use crate::node_api::NodeApi;
use crate::objects::Objects;
use crate::{LocalKubeConfig, StartError, Tasks};

/// How long a client may take to send the head of a request, and may keep an idle connection.
const HEAD_PATIENCE: Duration = Duration::from_secs(60);
/// How long running requests may take to finish when the cluster stops.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Listen on `config.ingress_listen` and serve all Ingresses until the tasks end. Returns the
/// address that is listened on. Pods are reached through the node.
pub async fn start(
    objects: &Objects,
    node: Arc<dyn NodeApi>,
    config: &LocalKubeConfig,
    tasks: &Tasks,
) -> Result<SocketAddr, StartError> {
    let listen = |source| StartError::Listen {
        what: "ingress proxy",
        address: config.ingress_listen,
        source,
    };
    let listener = TcpListener::bind(config.ingress_listen)
        .await
        .map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let routes = routes::follow(objects, tasks);
    let proxy = Arc::new(Proxy::new(
        objects.clone(),
        node,
        routes,
        address.port(),
        tasks.clone(),
    ));
    tasks.spawn_to_end(serve(listener, proxy, tasks.clone()));
    Ok(address)
}

async fn serve(listener: TcpListener, proxy: Arc<Proxy>, tasks: Tasks) {
    let stopping = tasks.stopping();
    while let Some(accepted) = stopping.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => {
                let proxy = proxy.clone();
                tasks.spawn_to_end(serve_connection(stream, peer, proxy, stopping.clone()));
            }
            Err(error) => {
                // Out of file handles, most likely: connections that end give some back.
                tracing::warn!(%error, "the ingress proxy cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    proxy: Arc<Proxy>,
    stopping: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection to the ingress proxy ended at once");
        return;
    }
    let service = service_fn(move |request| {
        let proxy = proxy.clone();
        async move { Ok::<_, Infallible>(proxy.answer(request, peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(STOP_PATIENCE, connection).await {
                Ok(ended) => ended,
                Err(_) => return tracing::info!(%peer, "a request that still ran was cut off"),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "a connection to the ingress proxy ended early");
    }
}
