//! A command that fails leaves a pod in which a person can look around, and put it right.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    missing_docs,
    reason = "a test, and the scene has words for others too"
)]

mod scene;

use catalyst_crd::{Environment, labels};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{AttachParams, ListParams};
use scene::{Scene, condition, is_ready, serves};

const NAMESPACE: &str = "acme-shop-preview-1";
const NEEDS_A_WHEEL: &str =
    "dev:\n\t@test -f wheel || { echo the wheel is missing >&2; exit 3; }\n\tpython3 server.py\n";
const SERVER: &str = r#"
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"it rolls")

http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"#;

fn is_degraded(environment: &Environment) -> bool {
    let phase = environment
        .status
        .as_ref()
        .and_then(|it| it.phase.as_deref());
    let ready = condition(environment, "Ready");
    phase == Some("Degraded")
        && ready.observed_generation == environment.metadata.generation
        && ready.message.contains("its pod is kept: open a shell")
}

async fn kept_pod(scene: &Scene) -> Option<Pod> {
    let pods = scene.api::<Pod>(NAMESPACE);
    let all = pods.list(&ListParams::default()).await.unwrap();
    all.into_iter().find(|pod| {
        pod.metadata.deletion_timestamp.is_none() && pod.annotations().contains_key(labels::KEPT)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_keeps_its_pod_from_which_the_url_answers_until_a_push_mends_it() {
    let scene = Scene::start().await;
    let broken = scene.commit(&[("Makefile", NEEDS_A_WHEEL), ("server.py", SERVER)]);
    scene.project("shop").await;
    scene.environment("shop", "preview-1", &broken).await;
    let degraded = scene.until("shop", "preview-1", is_degraded).await;
    let message = condition(&degraded, "DeploymentReady").message;
    assert!(
        message.contains("app exited with 2 (make dev)"),
        "{message}"
    );
    assert!(message.contains("tried 4 times"), "{message}");

    // As a person does it in a shell.
    let pod = kept_pod(&scene).await.unwrap();
    let command = ["sh", "-c", "touch wheel; setsid make dev >/dev/null 2>&1 &"];
    let params = AttachParams::default().container("app");
    let pods = scene.api::<Pod>(NAMESPACE);
    let mut shell = pods.exec(&pod.name_any(), command, &params).await.unwrap();
    let ended = shell.take_status().unwrap().await;
    assert_eq!(ended.unwrap().status.as_deref(), Some("Success"));
    let ready = scene.until("shop", "preview-1", is_ready).await;
    assert!(serves(&ready, &broken));
    assert!(scene.get(NAMESPACE).await.1.contains("it rolls"));

    // The wheel was in the pod alone.
    scene.retry("shop", "preview-1", "1").await;
    scene.until("shop", "preview-1", is_degraded).await;

    let mended = scene.commit(&[("Makefile", "dev:\n\tpython3 server.py\n")]);
    scene.environment("shop", "preview-1", &mended).await;
    let ready = scene
        .until("shop", "preview-1", |e| is_ready(e) && serves(e, &mended))
        .await;
    assert_eq!(ready.status.unwrap().phase.as_deref(), Some("Ready"));
    assert!(kept_pod(&scene).await.is_none());
    scene.stop().await;
}
