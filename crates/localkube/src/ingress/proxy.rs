//! Passing a request on to a pod, and its answer back.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use rand::seq::IteratorRandom;
use serde_json::Value;
use tokio::sync::watch;

use super::body::{self, Body};
use super::routes::{Backend, Route, Routes, ServicePort, host_name};
use super::{headers, pages};
use crate::Tasks;
use crate::controllers::endpoints::{self, Endpoint};
use crate::controllers::object::items;
use crate::node;
use crate::node_api::{Duplex, NodeApi, PodRef};
use crate::objects::{Objects, resource};

/// How long a connection to a pod may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Proxy {
    objects: Objects,
    node: Arc<dyn NodeApi>,
    routes: watch::Receiver<Arc<Routes>>,
    port: u16,
    tasks: Tasks,
}

/// Why no pod could be reached.
enum Unreached {
    NoneReady,
    /// Pods that are ready took no connection on this port.
    NotListening(u16),
    KeptOut,
}

impl Proxy {
    pub fn new(
        objects: Objects,
        node: Arc<dyn NodeApi>,
        routes: watch::Receiver<Arc<Routes>>,
        port: u16,
        tasks: Tasks,
    ) -> Self {
        Self {
            objects,
            node,
            routes,
            port,
            tasks,
        }
    }

    /// Answer one request, with a page where no pod does.
    pub async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let Some(host) = host_of(&request) else {
            return pages::bad_request();
        };
        let shown = String::from_utf8_lossy(host.as_bytes()).into_owned();
        let name = host_name(&shown);
        let routes = self.routes.borrow().clone();
        let path = request.uri().path();
        let backend = match routes.find(&name, path) {
            Route::To(backend) if request.method() != Method::CONNECT => backend,
            Route::To(_) => return pages::bad_request(),
            Route::NoSuchHost => return pages::unknown_host(&name),
            Route::NoSuchPath => return pages::unknown_path(&name, path),
        };
        let stream = match self.connect(backend).await {
            Ok(stream) => stream,
            Err(Unreached::NoneReady) => return pages::starting(&name),
            Err(Unreached::NotListening(port)) => return pages::not_listening(&name, port),
            Err(Unreached::KeptOut) => return pages::kept_out(&name),
        };
        match self.pass_on(request, &host, peer, stream).await {
            Ok(Some(response)) => response,
            Ok(None) => pages::no_answer(&name),
            Err(error) => {
                tracing::debug!(%error, host = name, "a pod did not answer");
                pages::no_answer(&name)
            }
        }
    }

    /// A connection to one of the pods that are ready now. One that refuses it may just be
    /// ending: others are tried, those included that became ready meanwhile.
    async fn connect(&self, backend: &Backend) -> Result<Box<dyn Duplex>, Unreached> {
        let mut tried: HashSet<PodRef> = HashSet::new();
        let mut why = Unreached::NoneReady;
        loop {
            let mut ready = self.ready(backend);
            ready.retain(|endpoint| !tried.contains(&endpoint.pod));
            let Some(Endpoint { pod, port, .. }) = ready.into_iter().choose(&mut rand::rng())
            else {
                return Err(why);
            };
            if self.admits(&pod, port) {
                let connecting = self.node.port_forward(&pod, port);
                match tokio::time::timeout(CONNECT_PATIENCE, connecting).await {
                    Ok(Ok(stream)) => return Ok(stream),
                    Ok(Err(error)) => tracing::debug!(%error, pod = pod.name, "not connected"),
                    Err(_) => tracing::debug!(pod = pod.name, "a pod took no connection in time"),
                }
                why = Unreached::NotListening(port);
            } else if matches!(why, Unreached::NoneReady) {
                why = Unreached::KeptOut;
            }
            tried.insert(pod);
        }
    }

    /// The pods of a Service's port that take new requests at this moment.
    fn ready(&self, backend: &Backend) -> Vec<Endpoint> {
        let Backend {
            namespace,
            service,
            port,
        } = backend;
        let Ok(service) = self.objects.get(resource::SERVICES, namespace, service) else {
            return Vec::new();
        };
        let named = |candidate: &&Value| match port {
            ServicePort::Number(number) => candidate["port"] == *number,
            ServicePort::Name(name) => candidate["name"] == **name,
        };
        let Some(port) = items(&service["spec"]["ports"]).find(named) else {
            return Vec::new();
        };
        let mut endpoints = endpoints::of_port(&self.objects, &service, port);
        endpoints.retain(|endpoint| endpoint.ready);
        endpoints
    }

    /// Whether the network policies let the ingress in.
    fn admits(&self, pod: &PodRef, port: u16) -> bool {
        let pod = self.objects.get(resource::PODS, &pod.namespace, &pod.name);
        pod.is_ok_and(|pod| node::admits_proxy(&self.objects, &pod, port))
    }

    /// Pass the request on. None where the pod changes the protocol though nobody asked.
    async fn pass_on(
        &self,
        mut request: Request<Incoming>,
        host: &HeaderValue,
        peer: SocketAddr,
        stream: Box<dyn Duplex>,
    ) -> hyper::Result<Option<Response<Body>>> {
        let change = headers::upgrade(request.headers());
        let client = change.is_some().then(|| hyper::upgrade::on(&mut request));
        headers::remove_hop_by_hop(request.headers_mut(), change);
        headers::set_forwarded(request.headers_mut(), host, peer, self.port);
        *request.version_mut() = Version::HTTP_11;
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));

        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends when the answer has been passed on, or nobody wants it any more.
        self.tasks.spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to a pod ended early");
            }
        });
        let mut response = sender.send_request(request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            headers::remove_hop_by_hop(response.headers_mut(), None);
            // Each side of a proxy speaks its own version.
            *response.version_mut() = Version::HTTP_11;
            return Ok(Some(response.map(body::stream)));
        }
        let Some(client) = client else {
            return Ok(None);
        };
        let change = headers::upgrade(response.headers());
        headers::remove_hop_by_hop(response.headers_mut(), change);
        let pod = hyper::upgrade::on(&mut response);
        self.tasks.spawn(tunnel(client, pod));
        Ok(Some(response.map(|_| body::empty())))
    }
}

/// What follows a change of protocol is passed on as it is.
async fn tunnel(client: OnUpgrade, pod: OnUpgrade) {
    let (client, pod) = match futures::try_join!(client, pod) {
        Ok((client, pod)) => (client, pod),
        Err(error) => {
            tracing::debug!(%error, "a change of protocol came to nothing");
            return;
        }
    };
    let (mut client, mut pod) = (TokioIo::new(client), TokioIo::new(pod));
    if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut pod).await {
        tracing::debug!(%error, "an upgraded connection ended early");
    }
}

/// The host that a request is for: of its target where that names one, else of its header.
fn host_of(request: &Request<Incoming>) -> Option<HeaderValue> {
    if let Some(authority) = request.uri().authority() {
        return HeaderValue::from_str(authority.as_str()).ok();
    }
    request
        .headers()
        .get(HOST)
        .filter(|host| !host.is_empty())
        .cloned()
}
