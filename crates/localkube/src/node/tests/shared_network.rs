//! Pods that share this machine's network: each port is one pod's, and nobody answers for another.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A port that is free now.
async fn free_port() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

/// Serves its name on a port, and stays where it cannot.
fn server(name: &str, port: u16) -> String {
    let python = format!(
        r#"
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{name}")
HTTPServer(("0.0.0.0", {port}), Handler).serve_forever()
"#
    );
    format!("python3 -c '{python}' || sleep 600")
}

async fn page(cluster: &Cluster, pod: &PodRef, port: u16) -> Result<String, ApiError> {
    let mut stream = cluster.node.port_forward(pod, port).await?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    Ok(text)
}

async fn a_port_is_its_holders_alone(isolation: Isolation) {
    let cluster = Cluster::start_with(isolation).await;
    if cluster.node.host.isolation != isolation {
        return;
    }
    let port = free_port().await;
    let probed = json!({ "containers": [{
        "readinessProbe": { "httpGet": { "path": "/", "port": port }, "periodSeconds": 1 },
    }] });
    let first = cluster.run("first", &server("first", port), probed.clone());
    cluster.until_ready(&first).await;
    assert!(
        page(&cluster, &first, port)
            .await
            .unwrap()
            .ends_with("first")
    );

    // What the first one answers makes the second one neither ready nor reachable.
    let second = cluster.run("second", &server("second", port), probed);
    cluster
        .until(&second, "a probe that fails", |_| {
            cluster.events(&second).iter().any(|(reason, message)| {
                reason == "Unhealthy" && message.contains("another program")
            })
        })
        .await;
    assert!(!is_ready(&cluster.get(&second).unwrap()));
    assert!(page(&cluster, &second, port).await.is_err());
    assert!(
        page(&cluster, &first, port)
            .await
            .unwrap()
            .ends_with("first")
    );

    // Nor does what this machine itself listens on.
    let own = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own_port = own.local_addr().unwrap().port();
    assert!(page(&cluster, &first, own_port).await.is_err());
    cluster.stop().await;
}

#[tokio::test]
async fn a_sandboxed_pod_is_never_answered_for_by_another_on_the_same_port() {
    a_port_is_its_holders_alone(Isolation::SharedNetwork).await;
}

#[tokio::test]
async fn a_plain_process_is_never_answered_for_by_another_on_the_same_port() {
    a_port_is_its_holders_alone(Isolation::None).await;
}
