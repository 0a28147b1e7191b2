//! Services next to a workload, and what they are filled with, in their order.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    missing_docs,
    reason = "a test, and the scene has words for others too"
)]

mod scene;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use scene::{Scene, condition, is_failed, is_ready, serves};
use serde_json::{Value, json};

const NAMESPACE: &str = "acme-shop-preview-1";

/// A workload that serves a folder which a database, or what stands for one, fills.
fn template(service: Value, seed: &[&str]) -> Value {
    let claim = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Mi" } } });
    json!({ "type": "managed", "config": {
        "image": "busybox", "command": ["busybox", "httpd", "-f", "-p", "8080", "-h", "/data"],
        "ports": [{ "containerPort": 8080 }],
        "volumeMounts": [{ "name": "code", "mountPath": "/code" }, { "name": "data", "mountPath": "/data" }],
        "volumes": [{ "name": "data", "persistentVolumeClaim": claim }],
        "services": [service],
        "seed": { "command": seed }
    } })
}

/// It answers once it has slept, and not before.
fn slow() -> Value {
    json!({ "name": "db", "container": {
        "image": "busybox", "ports": [{ "containerPort": 9000 }],
        "command": ["sh", "-c", "sleep 2; mkdir -p /tmp/www; echo from the database > /tmp/www/row; exec busybox httpd -f -p 9000 -h /tmp/www"]
    } })
}

async fn jobs(scene: &Scene) -> Vec<Job> {
    let api = scene.api::<Job>(NAMESPACE);
    let mut all = api.list(&ListParams::default()).await.unwrap().items;
    all.retain(|job| job.name_any().starts_with("seed-"));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn services_come_first_then_the_seed_once_then_the_workload() {
    let scene = Scene::start().await;
    let first = scene.commit(&[("a", "1")]);
    let fill = "busybox wget -q -O - http://db:9000/row >> /data/index.html";
    scene
        .project_with("shop", template(slow(), &["sh", "-c", fill]))
        .await;
    scene.environment("shop", "preview-1", &first).await;
    scene.until("shop", "preview-1", is_ready).await;
    let page = (200, "from the database\n".to_owned());
    assert_eq!(scene.get(NAMESPACE).await, page);

    // In this order: the service was ready when the seed was made, and that was over before the
    // workload was.
    let ready = ready_since(&scene, "db-0").await;
    let [seed] = &jobs(&scene).await[..] else {
        panic!("one seed");
    };
    let begun = seed.metadata.creation_timestamp.clone().unwrap().0;
    let ended = seed.status.clone().unwrap().completion_time.unwrap().0;
    let web = scene.api::<Deployment>(NAMESPACE).get("web").await.unwrap();
    let web = web.metadata.creation_timestamp.unwrap().0;
    assert!(
        ready <= begun && begun <= ended && ended <= web,
        "{ready} {begun} {ended} {web}"
    );

    // Neither a push nor a retry does it again, and neither does a Job that was cleaned up.
    let second = scene.commit(&[("a", "2")]);
    scene.environment("shop", "preview-1", &second).await;
    scene
        .until("shop", "preview-1", |e| is_ready(e) && serves(e, &second))
        .await;
    let name = seed.name_any();
    let background = DeleteParams::background();
    scene
        .api::<Job>(NAMESPACE)
        .delete(&name, &background)
        .await
        .unwrap();
    let before = scene.pods("shop", "preview-1").await;
    scene.retry("shop", "preview-1", "again").await;
    scene.until("shop", "preview-1", is_ready).await;
    assert_ne!(scene.pods("shop", "preview-1").await, before);
    assert_eq!(scene.get(NAMESPACE).await, page);
    assert!(jobs(&scene).await.is_empty());
    scene.stop().await;
}

async fn ready_since(scene: &Scene, pod: &str) -> k8s_openapi::jiff::Timestamp {
    let pod = scene.api::<Pod>(NAMESPACE).get(pod).await.unwrap();
    let conditions = pod.status.unwrap().conditions.unwrap();
    let ready = conditions.iter().find(|it| it.type_ == "Ready").unwrap();
    ready.last_transition_time.clone().unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_that_fails_says_so_with_its_last_words_and_a_retry_tries_again() {
    let scene = Scene::start().await;
    let first = scene.commit(&[("a", "1")]);
    // It works the second time.
    let fill = "if [ -f /data/tried ]; then echo seeded > /data/index.html; exit; fi; touch /data/tried; echo relation users does not exist >&2; exit 3";
    let service = json!({ "name": "db", "container": { "image": "busybox", "command": ["sleep", "100000"] } });
    scene
        .project_with("shop", template(service, &["sh", "-c", fill]))
        .await;
    scene.environment("shop", "preview-1", &first).await;
    let failed = scene.until("shop", "preview-1", is_failed).await;
    let said = condition(&failed, "DeploymentReady");
    assert_eq!(said.reason, "FillingFailed");
    for part in ["seed exited with 3: relation users does not exist", "retry"] {
        assert!(said.message.contains(part), "{}", said.message);
    }
    let made = scene.api::<Deployment>(NAMESPACE).get_opt("web").await;
    assert!(made.unwrap().is_none(), "nothing is served unseeded");

    scene.retry("shop", "preview-1", "1").await;
    scene.until("shop", "preview-1", is_ready).await;
    assert_eq!(scene.get(NAMESPACE).await, (200, "seeded\n".to_owned()));
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_has_its_password_from_a_secret_and_the_workload_its_address() {
    let scene = Scene::start().await;
    let first = scene.commit(&[("a", "1")]);
    // A program of this machine in the place of the real one: it shows what it was given.
    let redis = json!({ "name": "cache", "container": { "image": "redis:7", "env": [{ "name": "REDIS_PASSWORD", "value": "s3cret" }] } });
    let mut template = template(redis, &["true"]);
    template["config"]["services"][0]["database"] = json!("2");
    scene.project_with("shop", template).await;
    scene.environment("shop", "preview-1", &first).await;
    let failed = scene.until("shop", "preview-1", is_failed).await;
    let said = condition(&failed, "DeploymentReady");
    assert!(
        said.message.contains("redis:7") && said.message.contains("use a Kubernetes cluster"),
        "{}",
        said.message
    );
    let secret = scene
        .api::<Secret>(NAMESPACE)
        .get("cache-credentials")
        .await;
    let secret = secret.unwrap().data.unwrap();
    assert_eq!(secret["url"].0, b"redis://:s3cret@cache:6379/2");
    let set = scene
        .api::<StatefulSet>(NAMESPACE)
        .get("cache")
        .await
        .unwrap();
    assert!(!json!(set).to_string().contains("s3cret"));
    scene.stop().await;
}
