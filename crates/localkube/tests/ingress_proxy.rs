//! The ingress proxy over real sockets. Pods are servers on loopback ports.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, Request};
use axum::routing::{any, get, post};
use bytes::Bytes;
use catalyst_localkube::node_api::{
    Duplex, ExecOptions, ExecSession, LogOptions, LogStream, NodeApi, NodeUsage, PodRef, PodUsage,
};
use catalyst_localkube::objects::{ApiError, DeleteOptions, Objects, resource};
use catalyst_localkube::{LocalKubeConfig, Tasks, ingress};
use futures::{SinkExt, StreamExt};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

/// A node that knows on which loopback port a pod listens.
#[derive(Default)]
struct Node {
    ports: Mutex<HashMap<String, u16>>,
    asked: Mutex<Vec<(String, u16)>>,
}

fn not_here<T>() -> Result<T, ApiError> {
    Err(ApiError::NotImplemented("only connections".to_owned()))
}

#[async_trait]
impl NodeApi for Node {
    async fn logs(&self, _: &PodRef, _: LogOptions) -> Result<LogStream, ApiError> {
        not_here()
    }

    async fn exec(&self, _: &PodRef, _: ExecOptions) -> Result<ExecSession, ApiError> {
        not_here()
    }

    async fn attach(&self, _: &PodRef, _: ExecOptions) -> Result<ExecSession, ApiError> {
        not_here()
    }

    async fn port_forward(&self, pod: &PodRef, port: u16) -> Result<Box<dyn Duplex>, ApiError> {
        self.asked.lock().unwrap().push((pod.name.clone(), port));
        let refused = || ApiError::Unavailable("connection refused".to_owned());
        let known = self.ports.lock().unwrap().get(&pod.name).copied();
        let stream = TcpStream::connect(("127.0.0.1", known.ok_or_else(refused)?)).await;
        Ok(Box::new(stream.map_err(|_| refused())?))
    }

    async fn pod_usage(&self) -> Vec<PodUsage> {
        Vec::new()
    }

    async fn node_usage(&self) -> Option<NodeUsage> {
        None
    }
}

struct World {
    objects: Objects,
    node: Arc<Node>,
    address: SocketAddr,
    client: Client<HttpConnector, Body>,
    tasks: Tasks,
}

impl World {
    /// With an Ingress for `shop.localhost` to the Service `web`, whose pods listen on 3000.
    async fn start() -> Self {
        let objects = Objects::open(None).unwrap();
        let tasks = Tasks::new();
        let node = Arc::new(Node::default());
        let namespace = json!({ "metadata": { "name": "shop" } });
        objects.create(resource::NAMESPACES, "", namespace).unwrap();
        let ingress = json!({
            "metadata": { "name": "web" },
            "spec": { "rules": [{ "host": "shop.localhost", "http": { "paths": [{
                "path": "/", "pathType": "Prefix",
                "backend": { "service": { "name": "web", "port": { "number": 80 } } },
            }] } }] },
        });
        objects
            .create(resource::INGRESSES, "shop", ingress)
            .unwrap();
        let service = json!({
            "metadata": { "name": "web" },
            "spec": {
                "selector": { "app": "web" }, "ports": [{ "port": 80, "targetPort": "http" }],
            },
        });
        objects.create(resource::SERVICES, "shop", service).unwrap();
        let config = LocalKubeConfig::new("/nonexistent");
        let address = ingress::start(&objects, node.clone(), &config, &tasks)
            .await
            .unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self {
            objects,
            node,
            address,
            client,
            tasks,
        }
    }

    /// A ready pod that nothing listens in.
    fn pod(&self, name: &str) {
        let pod = json!({
            "metadata": { "name": name, "labels": { "app": "web" } },
            "spec": {
                "nodeName": "local",
                "containers": [{
                    "name": "web", "image": "web",
                    "ports": [{ "name": "http", "containerPort": 3000 }],
                }],
            },
        });
        self.objects.create(resource::PODS, "shop", pod).unwrap();
        self.ready(name, true);
    }

    fn ready(&self, name: &str, ready: bool) {
        let ready = if ready { "True" } else { "False" };
        let written = self
            .objects
            .modify_status(resource::PODS, "shop", name, |pod| {
                pod["status"]["phase"] = "Running".into();
                pod["status"]["podIP"] = "127.0.0.1".into();
                pod["status"]["conditions"] = json!([{ "type": "Ready", "status": ready }]);
            });
        written.unwrap();
    }

    /// A ready pod that serves.
    async fn serve(&self, name: &str, app: Router) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        self.node
            .ports
            .lock()
            .unwrap()
            .insert(name.to_owned(), port);
        self.tasks
            .spawn(async move { axum::serve(listener, app).await.unwrap() });
        self.pod(name);
    }

    async fn send(
        &self,
        host: &str,
        request: http::request::Builder,
        body: Body,
    ) -> http::Response<hyper::body::Incoming> {
        let request = request.header("host", host).body(body).unwrap();
        self.client.request(request).await.unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, host: &str, path: &str) -> (StatusCode, HeaderMap, String) {
        let response = self
            .send(host, Request::get(self.url(path)), Body::empty())
            .await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (
            parts.status,
            parts.headers,
            String::from_utf8(bytes.to_vec()).unwrap(),
        )
    }

    async fn shop(&self, path: &str) -> (StatusCode, String) {
        let (status, _, text) = self.get("shop.localhost", path).await;
        (status, text)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.stopping().cancel();
    }
}

fn says(text: &'static str) -> Router {
    Router::new().fallback(any(move || async move { text }))
}

/// Wait for what has to come soon.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("it did not come")
}

#[tokio::test]
async fn a_request_reaches_the_pod_with_its_host_and_who_sent_it() {
    let world = World::start().await;
    let app = Router::new().fallback(any(|request: Request| async move {
        let headers: HashMap<String, String> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let uri = request.uri().to_string();
        axum::Json(json!({ "method": request.method().as_str(), "uri": uri, "headers": headers }))
    }));
    world.serve("a", app).await;
    let host = format!("Shop.localhost:{}", world.address.port());
    let request = Request::put(world.url("/a%20b?c=d&e"))
        .header("x-forwarded-for", "203.0.113.1")
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .header("cookie", "k=v");
    let response = world.send(&host, request, Body::empty()).await;
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let seen: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(seen["method"], "PUT");
    assert_eq!(seen["uri"], "/a%20b?c=d&e");
    let headers = &seen["headers"];
    assert_eq!(headers["host"], *host);
    assert_eq!(headers["cookie"], "k=v");
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(headers["x-forwarded-host"], *host);
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(
        headers["x-forwarded-port"],
        world.address.port().to_string()
    );
    assert_eq!(headers.get("x-hop"), None);
    assert_eq!(*world.node.asked.lock().unwrap(), [("a".to_owned(), 3000)]);
}

#[tokio::test]
async fn an_unknown_host_gets_a_page_that_says_so() {
    let world = World::start().await;
    let (status, headers, page) = world.get("gone.localhost", "/").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert!(page.contains("No preview answers here"), "{page}");
    assert!(page.contains("<code>gone.localhost</code>"), "{page}");
    let (_, _, page) = world.get("<script>alert(1)</script>", "/").await;
    assert!(
        page.contains("&lt;script&gt;") && !page.contains("<script"),
        "{page}"
    );
}

#[tokio::test]
async fn a_preview_without_ready_pods_is_starting_and_the_page_looks_again() {
    let world = World::start().await;
    let starting = |(status, headers, page): (StatusCode, HeaderMap, String)| {
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(headers["retry-after"], "2");
        assert!(
            page.contains("<meta http-equiv=\"refresh\" content=\"2\">"),
            "{page}"
        );
    };
    starting(world.get("shop.localhost", "/").await);
    world.serve("a", says("a")).await;
    world.ready("a", false);
    starting(world.get("shop.localhost", "/").await);
    world.ready("a", true);
    assert_eq!(world.shop("/").await, (StatusCode::OK, "a".to_owned()));
}

#[tokio::test]
async fn a_new_ingress_is_served_at_once() {
    let world = World::start().await;
    world.serve("a", says("a")).await;
    world
        .objects
        .modify(resource::INGRESSES, "shop", "web", |ingress| {
            ingress["spec"]["rules"][0]["host"] = "other.localhost".into();
        })
        .unwrap();
    soon(async {
        while world.get("other.localhost", "/").await.0 != StatusCode::OK {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(world.shop("/").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn bodies_are_passed_on_while_they_are_sent() {
    let world = World::start().await;
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let stream = get(move || {
        let receiver = receiver.lock().unwrap().take().unwrap();
        async move { Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receiver)) }
    });
    let echo = post(|body: Body| async move { body });
    world
        .serve(
            "a",
            Router::new().route("/stream", stream).route("/echo", echo),
        )
        .await;

    let request = Request::get(world.url("/stream"));
    let mut response = soon(world.send("shop.localhost", request, Body::empty())).await;
    for part in ["first", "second"] {
        sender.send(Ok(Bytes::from(part))).await.unwrap();
        let frame = soon(response.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), part);
    }
    drop(sender);
    assert!(soon(response.frame()).await.is_none());

    // The answer begins before the request has ended.
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receiver));
    let request = Request::post(world.url("/echo"));
    let mut response = soon(world.send("shop.localhost", request, body)).await;
    for part in ["one", "two"] {
        sender.send(Ok(Bytes::from(part))).await.unwrap();
        let frame = soon(response.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), part);
    }
}

#[tokio::test]
async fn large_bodies_pass_both_ways() {
    let world = World::start().await;
    world
        .serve(
            "a",
            Router::new().route("/echo", post(|body: Body| async move { body })),
        )
        .await;
    let part = Bytes::from(vec![7_u8; 1 << 20]);
    let parts = futures::stream::iter(vec![part; 64]).map(Ok::<_, std::io::Error>);
    let request = Request::post(world.url("/echo"));
    let mut response = soon(world.send("shop.localhost", request, Body::from_stream(parts))).await;
    let mut received = 0;
    while let Some(frame) = soon(response.frame()).await {
        received += frame.unwrap().into_data().map_or(0, |data| data.len());
    }
    assert_eq!(received, 64 << 20);
}

#[tokio::test]
async fn websockets_pass() {
    let world = World::start().await;
    let echo = |upgrade: WebSocketUpgrade| async move {
        upgrade
            .protocols(["chat"])
            .on_upgrade(|mut socket| async move {
                while let Some(Ok(message)) = socket.recv().await {
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
            })
    };
    world
        .serve("a", Router::new().route("/ws", any(echo)))
        .await;
    let stream = TcpStream::connect(world.address).await.unwrap();
    let request = http::Request::builder()
        .uri("ws://shop.localhost/ws")
        .header("host", "shop.localhost")
        .header("connection", "keep-alive, Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", "chat")
        .body(())
        .unwrap();
    let (mut socket, response) = soon(tokio_tungstenite::client_async(request, stream))
        .await
        .unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    for text in ["hello", "again"] {
        socket.send(text.into()).await.unwrap();
        assert_eq!(soon(socket.next()).await.unwrap().unwrap(), text.into());
    }
    socket.close(None).await.unwrap();
}

#[tokio::test]
async fn a_pod_that_takes_no_connection_is_passed_over() {
    let world = World::start().await;
    world.pod("dead");
    world.pod("dead-too");
    let (status, page) = world.shop("/").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.contains("nothing listens on port 3000"), "{page}");
    world.serve("a", says("a")).await;
    for _ in 0..20 {
        assert_eq!(world.shop("/").await, (StatusCode::OK, "a".to_owned()));
    }
}

#[tokio::test]
async fn a_pod_that_ends_gets_no_new_request_and_finishes_those_it_has() {
    let world = World::start().await;
    let (arrived, mut arrivals) = mpsc::channel::<oneshot::Sender<()>>(1);
    let slow = move || {
        let arrived = arrived.clone();
        async move {
            let (sender, receiver) = oneshot::channel();
            arrived.send(sender).await.unwrap();
            receiver.await.unwrap();
            "old"
        }
    };
    world
        .serve(
            "old",
            Router::new()
                .route("/slow", get(slow))
                .fallback(any(|| async { "old" })),
        )
        .await;
    let request = Request::get(world.url("/slow"));
    let running = world.send("shop.localhost", request, Body::empty());
    let others = async {
        let finish = arrivals.recv().await.unwrap();
        world.serve("new", says("new")).await;
        let options = DeleteOptions::default();
        world
            .objects
            .delete(resource::PODS, "shop", "old", &options)
            .unwrap();
        for _ in 0..20 {
            assert_eq!(world.shop("/").await, (StatusCode::OK, "new".to_owned()));
        }
        finish.send(()).unwrap();
    };
    let (response, ()) = soon(async { tokio::join!(running, others) }).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "old"
    );
}

#[tokio::test]
async fn replacing_pods_under_load_shows_clients_only_answers() {
    let world = Arc::new(World::start().await);
    world.serve("pod-0", says("ok")).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (world, stop) = (world.clone(), stop.clone());
            tokio::spawn(async move {
                let mut answers = 0;
                while !stop.is_cancelled() {
                    assert_eq!(world.shop("/").await, (StatusCode::OK, "ok".to_owned()));
                    answers += 1;
                }
                answers
            })
        })
        .collect();
    for index in 0..20 {
        world.serve(&format!("pod-{}", index + 1), says("ok")).await;
        let old = format!("pod-{index}");
        // It stops listening before anyone is told that it ends, as a process may.
        world.node.ports.lock().unwrap().remove(&old);
        tokio::time::sleep(Duration::from_millis(5)).await;
        world
            .objects
            .delete(resource::PODS, "shop", &old, &DeleteOptions::default())
            .unwrap();
    }
    stop.cancel();
    for client in clients {
        assert!(soon(client).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_network_policy_can_keep_the_ingress_out() {
    let world = World::start().await;
    world.serve("a", says("a")).await;
    let policy = |from: Value| {
        json!({
            "metadata": { "name": "default" },
            "spec": { "podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{ "from": [from] }] },
        })
    };
    let same = policy(json!({ "podSelector": {} }));
    world
        .objects
        .create(resource::NETWORK_POLICIES, "shop", same)
        .unwrap();
    assert_eq!(world.shop("/").await.0, StatusCode::FORBIDDEN);
    let ingress = json!({ "namespaceSelector": { "matchLabels": {
        "kubernetes.io/metadata.name": "ingress-nginx",
    } } });
    world
        .objects
        .update(
            resource::NETWORK_POLICIES,
            "shop",
            "default",
            policy(ingress),
        )
        .unwrap();
    assert_eq!(world.shop("/").await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_the_client_too() {
    let world = World::start().await;
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let broken = get(move || {
        let receiver = receiver.lock().unwrap().take().unwrap();
        async move { Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receiver)) }
    });
    let status = get(|Path(code): Path<u16>| async move { StatusCode::from_u16(code).unwrap() });
    world
        .serve(
            "a",
            Router::new()
                .route("/broken", broken)
                .route("/status/{code}", status),
        )
        .await;
    let request = Request::get(world.url("/broken"));
    let mut response = soon(world.send("shop.localhost", request, Body::empty())).await;
    sender.send(Ok(Bytes::from("half"))).await.unwrap();
    assert!(soon(response.frame()).await.unwrap().is_ok());
    sender
        .send(Err(std::io::Error::other("gone")))
        .await
        .unwrap();
    assert!(soon(response.frame()).await.unwrap().is_err());
    for code in [204, 304, 404, 500] {
        assert_eq!(
            world.shop(&format!("/status/{code}")).await.0.as_u16(),
            code
        );
    }
}
