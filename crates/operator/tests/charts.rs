//! Charts, from a commit to an answering URL. What stands in for helm is `charts/helm`, on the PATH of
//! the process that this test starts: a test of its own process's PATH would change it for others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    missing_docs,
    reason = "a test, and the scene has words for others too"
)]

mod scene;

use std::process::Command;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use kube::ResourceExt;
use kube::api::ListParams;
use scene::{Scene, condition, is_failed, is_ready};
use serde_json::{Value, json};

const NAMESPACE: &str = "acme-shop-preview-1";

const WEB: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: { name: RELEASE-shop }
spec:
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop }, annotations: { checksum/secret: "RANDOM" } }
    spec:
      containers:
        - name: shop
          image: busybox
          ports: [{ containerPort: 8080 }]
          readinessProbe: { tcpSocket: { port: 8080 } }
          env:
            - { name: PASSWORD, valueFrom: { secretKeyRef: { name: RELEASE-db, key: password } } }
          command: [sh, -c, 'mkdir -p /tmp/www; cp /pages/values /tmp/www/index.html; echo "$PASSWORD" > /tmp/www/password; exec busybox httpd -f -p 8080 -h /tmp/www']
          volumeMounts: [{ name: pages, mountPath: /pages }]
      volumes: [{ name: pages, configMap: { name: RELEASE-pages } }]
---
apiVersion: v1
kind: Service
metadata: { name: RELEASE-shop }
spec: { selector: { app: shop }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: RELEASE-pages, namespace: NAMESPACE }
data: { values: 'VALUES' }
---
apiVersion: v1
kind: Secret
metadata: { name: RELEASE-db }
stringData: { password: "RANDOM", user: shop }
"#;

const HOOKS: &str = r#"
apiVersion: v1
kind: ServiceAccount
metadata: { name: RELEASE-hooks, annotations: { helm.sh/hook: "pre-install,pre-upgrade" } }
---
apiVersion: batch/v1
kind: Job
metadata:
  name: RELEASE-schema
  annotations: { helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: hook-succeeded }
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      serviceAccountName: RELEASE-hooks
      containers: [{ name: schema, image: busybox, command: [sh, -c, "echo no such table >&2; exit 3"] }]
---
apiVersion: batch/v1
kind: Job
metadata: { name: RELEASE-first, annotations: { helm.sh/hook: post-install } }
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{ name: first, image: busybox, command: ["true"] }]
---
apiVersion: batch/v1
kind: Job
metadata: { name: RELEASE-later, annotations: { helm.sh/hook: post-upgrade } }
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{ name: later, image: busybox, command: ["true"] }]
"#;

/// Whether this is the process that is to run a test of this name; it is started, if not.
fn is_inner(name: &str) -> bool {
    const MARK: &str = "CATALYST_TEST_OF_CHARTS";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    // Pods have a /tmp of their own, which hides a checkout that lies there.
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let helm = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/charts/helm");
    std::fs::copy(helm, folder.path().join("helm")).unwrap();
    let stand_in = folder.path().display();
    let path = std::env::var("PATH").unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(MARK, "yes")
        .env("PATH", format!("{stand_in}:{path}"))
        .status()
        .unwrap();
    assert!(status.success(), "{name} has failed, as it says above");
    false
}

fn run(story: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(story);
}

async fn jobs(scene: &Scene, prefix: &str) -> Vec<String> {
    let all = scene.api::<Job>(NAMESPACE);
    let all = all.list(&ListParams::default()).await.unwrap();
    let names = all.items.iter().map(ResourceExt::name_any);
    names.filter(|name| name.starts_with(prefix)).collect()
}

/// Waits until there are so many Jobs: what is pruned goes after the Environment is ready.
async fn until_jobs(scene: &Scene, prefix: &str, count: usize) {
    let begun = std::time::Instant::now();
    loop {
        let found = jobs(scene, prefix).await;
        if found.len() == count {
            return;
        }
        assert!(begun.elapsed().as_secs() < 30, "{count}: {found:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn page(scene: &Scene) -> Value {
    let (code, text) = scene.get(NAMESPACE).await;
    assert_eq!(code, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_chart_comes_up_with_its_hooks_is_updated_by_a_push_and_keeps_what_it_made_up() {
    if is_inner("a_chart_comes_up_with_its_hooks_is_updated_by_a_push_and_keeps_what_it_made_up") {
        run(story());
    }
}

async fn story() {
    let scene = Scene::start().await;
    let good = HOOKS.replace("echo no such table >&2; exit 3", "echo migrated");
    let first = scene.commit(&[
        (
            "deploy/Chart.yaml",
            "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
        ),
        ("deploy/templates/web.yaml", WEB),
        ("deploy/templates/hooks.yaml", &good),
    ]);
    let template = |path: &str, text: &str| {
        json!({ "type": "helm", "sourceRef": "primary", "path": path,
            "values": { "text": text, "image": { "name": "x", "tag": "1" } },
            "config": { "image": "busybox:1", "env": [{ "name": "GREETING", "value": "hi" }] } })
    };
    scene.project_with("shop", template("deploy", "one")).await;
    scene.environment("shop", "preview-1", &first).await;
    let ready = scene.until("shop", "preview-1", is_ready).await;
    let said = condition(&ready, "BuildReady");
    assert!(
        said.message.starts_with("the chart in deploy: "),
        "{}",
        said.message
    );
    assert_eq!(
        page(&scene).await,
        json!({ "text": "one", "image": { "name": "busybox:1", "tag": "1" }, "env": { "GREETING": "hi" } })
    );
    let password = scene.get_path(NAMESPACE, "/password").await;
    assert_eq!(password.0, 200);
    scene
        .api::<ServiceAccount>(NAMESPACE)
        .get("preview-1-hooks")
        .await
        .unwrap();
    until_jobs(&scene, "preview-1-schema", 1).await;
    until_jobs(&scene, "preview-1-first", 1).await;
    until_jobs(&scene, "preview-1-later", 0).await;
    let rendered = jobs(&scene, "chart-").await;

    // Nothing that it made up is kept where those may look who may not read Secrets.
    let maps = scene.api::<ConfigMap>(NAMESPACE);
    let maps = maps.list(&ListParams::default()).await.unwrap();
    let text = serde_json::to_string(&maps.items).unwrap();
    assert!(!text.contains(password.1.trim()), "{text}");

    // A push is an upgrade: the hooks for that run, and the password stays.
    let second = scene.commit(&[("README", "more")]);
    let asking = scene.ask_all_the_time(NAMESPACE);
    scene.environment("shop", "preview-1", &second).await;
    scene
        .until("shop", "preview-1", |e| {
            is_ready(e) && jobs_are_of(e, &second)
        })
        .await;
    assert_eq!(scene.get_path(NAMESPACE, "/password").await, password);
    let answers = asking.stop().await;
    assert!(answers.iter().all(|(code, _)| *code == 200), "{answers:?}");
    until_jobs(&scene, "preview-1-later", 1).await;
    let again = jobs(&scene, "chart-").await;
    assert_ne!(again, rendered);

    // Asked for again, it is not rendered again.
    scene.retry("shop", "preview-1", "again").await;
    scene
        .until("shop", "preview-1", |e| {
            is_ready(e)
                && e.annotations()
                    .get("catalyst.dev/observed-retry")
                    .map(String::as_str)
                    == Some("again")
        })
        .await;
    let now = jobs(&scene, "chart-").await;
    assert!(now.iter().all(|job| again.contains(job)), "{now:?}");
    let key = |secret: &Secret, key: &str| secret.data.as_ref().unwrap()[key].0.clone();
    let secret = scene
        .api::<Secret>(NAMESPACE)
        .get("preview-1-db")
        .await
        .unwrap();
    assert_eq!(key(&secret, "user"), b"shop");
    assert_eq!(key(&secret, "password"), password.1.trim().as_bytes());

    // Other values are rendered with.
    scene.project_with("shop", template("deploy", "two")).await;
    let begun = std::time::Instant::now();
    while page(&scene).await["text"] != "two" {
        assert!(begun.elapsed().as_secs() < 60, "{}", page(&scene).await);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    scene.until("shop", "preview-1", is_ready).await;

    // What cannot be rendered is told in helm's words, and what ran goes on; a correction is deployed.
    let broken = scene.commit(&[("deploy/broken", "")]);
    scene.environment("shop", "preview-1", &broken).await;
    let failed = scene.until("shop", "preview-1", is_failed).await;
    let said = condition(&failed, "Ready");
    assert_eq!(said.reason, "NotRendered");
    for word in ["shop/templates/web.yaml:3:20", "nil pointer", "push again"] {
        assert!(said.message.contains(word), "{word}: {}", said.message);
    }
    assert_eq!(page(&scene).await["text"], "two");
    scene.remove_file("deploy/broken");

    // So does a hook that fails.
    let failing = scene.commit(&[("deploy/templates/hooks.yaml", HOOKS)]);
    scene.environment("shop", "preview-1", &failing).await;
    let failed = scene
        .until("shop", "preview-1", |e| {
            is_failed(e) && condition(e, "Ready").reason == "JobFailed"
        })
        .await;
    let said = condition(&failed, "Ready");
    assert!(said.message.contains("no such table"), "{}", said.message);
    assert_eq!(page(&scene).await["text"], "two");

    // What a chart must not have is refused before any of it is applied.
    let role =
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: { name: x }\n";
    let outside = scene.commit(&[
        ("deploy/templates/hooks.yaml", &good),
        ("deploy/templates/role.yaml", role),
    ]);
    scene.environment("shop", "preview-1", &outside).await;
    let failed = scene
        .until("shop", "preview-1", |e| {
            is_failed(e) && condition(e, "Ready").reason == "ConfigRefused"
        })
        .await;
    let said = condition(&failed, "Ready");
    assert!(said.message.contains("ClusterRole x"), "{}", said.message);

    scene.remove_file("deploy/templates/role.yaml");
    scene.remove_file("deploy/templates/hooks.yaml");
    let corrected = scene.commit(&[("README", "corrected")]);
    scene.environment("shop", "preview-1", &corrected).await;
    scene
        .until("shop", "preview-1", |e| {
            is_ready(e) && jobs_are_of(e, &corrected)
        })
        .await;
    assert_eq!(scene.get_path(NAMESPACE, "/password").await, password);
    until_jobs(&scene, "preview-1-", 0).await;
    let deployments = scene.api::<Deployment>(NAMESPACE);
    let deployments = deployments.list(&ListParams::default()).await.unwrap();
    assert_eq!(deployments.items.len(), 1);

    // A place without a chart, one outside of the repository, and a dependency that is not fetched.
    let inside = scene.commit(&[(
        "other/Chart.yaml",
        "name: other\ndependencies: [{ name: a, version: 1, repository: 'https://169.254.169.254/' }]\n",
    )]);
    scene.environment("shop", "preview-1", &inside).await;
    for (path, reason, words) in [
        ("charts", "NotRendered", "source not found"),
        ("/etc", "ConfigRefused", "leads out of the repository"),
        ("../charts", "ConfigRefused", "leads out of the repository"),
        ("other", "NotRendered", "169.254.169.254"),
    ] {
        scene.project_with("shop", template(path, "three")).await;
        let failed = scene
            .until("shop", "preview-1", |e| {
                is_failed(e) && condition(e, "Ready").message.contains(words)
            })
            .await;
        assert_eq!(condition(&failed, "Ready").reason, reason, "{path}");
    }
    assert_eq!(page(&scene).await["text"], "two");
    scene.delete("shop", "preview-1").await;
    scene.until_environment_gone("shop", "preview-1").await;
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_where_nothing_renders_one_says_what_to_do() {
    let scene = Scene::start_with(|settings| {
        settings.helm_image = "registry.example.com/charts:1".to_owned();
    })
    .await;
    let commit = scene.commit(&[("Chart.yaml", "name: shop\nversion: 0.1.0\n")]);
    // No template is needed for a chart at the root.
    scene.project("shop").await;
    scene.environment("shop", "preview-1", &commit).await;
    let failed = scene.until("shop", "preview-1", is_failed).await;
    let said = condition(&failed, "Ready");
    for word in ["registry.example.com/charts:1", "use a Kubernetes cluster"] {
        assert!(said.message.contains(word), "{}", said.message);
    }
    scene.stop().await;
}

/// Whether what is up is said to be of this commit.
fn jobs_are_of(environment: &catalyst_crd::Environment, commit: &str) -> bool {
    condition(environment, "DeploymentReady")
        .message
        .contains(commit)
}
