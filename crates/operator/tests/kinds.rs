//! Compose files, kustomizations and manifests, from a commit to an answering URL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    missing_docs,
    reason = "a test, and the scene has words for others too"
)]

mod scene;

use std::sync::{Arc, Mutex};

use catalyst_crd::labels;
use catalyst_operator::WebSide;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{
    ConfigMap, Namespace, PersistentVolumeClaim, Pod, Secret, Service,
};
use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt;
use kube::api::ListParams;
use scene::{Scene, condition, is_failed, is_ready, serves};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const NAMESPACE: &str = "acme-shop-preview-1";

/// A page that says what the checkout and the database's volume hold.
const COMPOSE: &str = r#"
services:
  web:
    image: busybox
    working_dir: /app
    volumes: [".:/app"]
    ports: ["8080:8080"]
    command:
      - sh
      - -c
      - |
        mkdir -p /tmp/www
        { cat index.html; busybox wget -q -O - http://db:9000/; } > /tmp/www/index.html
        exec busybox httpd -f -p 8080 -h /tmp/www
    depends_on:
      db: { condition: service_healthy }
      migrate: { condition: service_completed_successfully }
    ulimits: { nofile: 1024 }
  db:
    image: busybox
    command: sh -c "touch /data/up; exec busybox httpd -f -p 9000 -h /data"
    expose: ["9000"]
    volumes: ["data:/data"]
    healthcheck: { test: ["CMD", "test", "-f", "/data/up"], interval: 1s }
  migrate:
    image: busybox
    command: sh -c "echo migrated >> /data/index.html"
    volumes: ["data:/data"]
  extra:
    image: busybox
    command: sleep 100000
    expose: ["7000"]
volumes:
  data: {}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_compose_app_comes_up_in_order_is_updated_by_a_push_and_goes() {
    let scene = Scene::start().await;
    let first = scene.commit(&[("compose.yaml", COMPOSE), ("index.html", "one\n")]);
    scene
        .project_with("shop", json!({ "type": "docker-compose" }))
        .await;
    scene.environment("shop", "preview-1", &first).await;

    let ready = scene.until("shop", "preview-1", is_ready).await;
    assert!(serves(&ready, &first), "{:?}", ready.status);
    let said = condition(&ready, "BuildReady");
    assert_eq!(said.reason, "Rendered");
    assert!(
        said.message.starts_with("the compose file: ")
            && said.message.contains("service web: ulimits"),
        "{}",
        said.message
    );
    let page = (200, "one\nmigrated\n".to_owned());
    assert_eq!(scene.get(NAMESPACE).await, page);
    scene
        .api::<PersistentVolumeClaim>(NAMESPACE)
        .get("data")
        .await
        .unwrap();

    // A push changes what runs the commit, and takes away what is no longer in the file.
    let database = pod_of(&scene, "db").await;
    let without = COMPOSE.replace("  extra:", "x-extra:\n  extra:");
    let second = scene.commit(&[("compose.yaml", &without), ("index.html", "two\n")]);
    let asking = scene.ask_all_the_time(NAMESPACE);
    scene.environment("shop", "preview-1", &second).await;
    let ready = scene
        .until("shop", "preview-1", |e| is_ready(e) && serves(e, &second))
        .await;
    assert!(serves(&ready, &second));
    scene
        .until_gone_by_name::<Deployment>(NAMESPACE, "extra")
        .await;
    scene
        .until_gone_by_name::<Service>(NAMESPACE, "extra")
        .await;
    let answers = asking.stop().await;
    assert!(answers.iter().all(|(code, _)| *code == 200), "{answers:?}");
    assert!(scene.get(NAMESPACE).await.1.starts_with("two\nmigrated\n"));
    assert_eq!(pod_of(&scene, "db").await, database);

    // A typo is told with its place, and what was there goes on answering.
    let broken = scene.commit(&[(
        "compose.yaml",
        "services:\n  web:\n    image: busybox\n   ports: [80]\n",
    )]);
    scene.environment("shop", "preview-1", &broken).await;
    let failed = scene.until("shop", "preview-1", is_failed).await;
    let said = condition(&failed, "Ready");
    assert_eq!(said.reason, "NotRendered");
    assert!(
        said.message.contains("compose.yaml") && said.message.contains("line 4"),
        "{}",
        said.message
    );
    assert!(serves(&failed, &second), "{:?}", failed.status);
    assert!(scene.get(NAMESPACE).await.1.starts_with("two\n"));

    scene.delete("shop", "preview-1").await;
    scene.until_environment_gone("shop", "preview-1").await;
    let namespaces = scene.api::<Namespace>("");
    assert!(namespaces.get_opt(NAMESPACE).await.unwrap().is_none());
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_reach_the_containers_of_a_compose_file_by_reference_and_others_make_pods_anew() {
    let web = FakeWeb::start().await;
    web.hold("first-value");
    let side = web.side();
    let scene = Scene::start_with(|settings| settings.web = Some(side)).await;
    let compose = r#"
services:
  web:
    image: busybox
    ports: ["8080:8080"]
    environment:
      KEY: ${TOKEN:?a token is needed}
      URL: https://user:${TOKEN}@example.com/
    command:
      - sh
      - -c
      - |
        mkdir -p /tmp/www
        echo "$$TOKEN $$KEY $$URL" > /tmp/www/index.html
        exec busybox httpd -f -p 8080 -h /tmp/www
"#;
    let commit = scene.commit(&[("compose.yaml", compose)]);
    scene
        .project_with("shop", json!({ "type": "docker-compose" }))
        .await;
    let mut environment = scene.environment_object("shop", "preview-1", &commit);
    for (value, version) in [("first-value", "1"), ("second-value", "2")] {
        web.hold(value);
        let annotations = environment.annotations_mut();
        annotations.insert(labels::ENVIRONMENT_ID.to_owned(), "an-id".to_owned());
        annotations.insert(labels::SECRETS.to_owned(), version.to_owned());
        scene.apply(&environment).await;
        let wanted = format!("{value} {value} https://user:{value}@example.com/\n");
        let start = std::time::Instant::now();
        while scene.get(NAMESPACE).await != (200, wanted.clone()) {
            assert!(
                start.elapsed().as_secs() < 60,
                "{:?}",
                scene.get(NAMESPACE).await
            );
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
    scene.until("shop", "preview-1", is_ready).await;
    let everything = ListParams::default();
    for objects in [
        json!(
            scene
                .api::<Deployment>(NAMESPACE)
                .list(&everything)
                .await
                .unwrap()
                .items
        ),
        json!(
            scene
                .api::<Pod>(NAMESPACE)
                .list(&everything)
                .await
                .unwrap()
                .items
        ),
        json!(
            scene
                .api::<ConfigMap>(NAMESPACE)
                .list(&everything)
                .await
                .unwrap()
                .items
        ),
    ] {
        let text = objects.to_string();
        for value in ["first-value", "second-value"] {
            assert!(!text.contains(value), "{objects}");
        }
    }
    scene.stop().await;
}

/// The web side, as far as it hands out secrets.
struct FakeWeb {
    address: std::net::SocketAddr,
    value: Arc<Mutex<String>>,
}

impl FakeWeb {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let value = Arc::new(Mutex::new(String::new()));
        let held = value.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = [0; 4096];
                let read = stream.read(&mut asked).await.unwrap_or(0);
                let asked = String::from_utf8_lossy(&asked[..read]).into_owned();
                assert!(
                    asked.starts_with("GET /api/internal/secrets/an-id "),
                    "{asked}"
                );
                let body = json!({ "secrets": { "TOKEN": *held.lock().unwrap() } }).to_string();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { address, value }
    }

    fn hold(&self, value: &str) {
        value.clone_into(&mut self.value.lock().unwrap());
    }

    fn side(&self) -> WebSide {
        let url = format!("http://{}", self.address).parse().unwrap();
        WebSide::new(
            &url,
            Arc::new(|| Box::pin(async { Ok("token".to_owned()) })),
        )
        .unwrap()
    }
}

/// The name of the pod of a compose service.
async fn pod_of(scene: &Scene, service: &str) -> Vec<String> {
    let selector = ListParams::default().labels(&format!("app={service}"));
    let pods = scene.api::<Pod>(NAMESPACE).list(&selector).await.unwrap();
    pods.items.iter().map(ResourceExt::name_any).collect()
}

const BASE: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: { name: site }
spec:
  selector: { matchLabels: { app: site } }
  template:
    metadata: { labels: { app: site } }
    spec:
      containers:
        - name: site
          image: busybox
          command: [busybox, httpd, -f, -p, '8080', -h, /www]
          ports: [{ containerPort: 8080 }]
          readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 }
          volumeMounts: [{ name: pages, mountPath: /www }]
      volumes: [{ name: pages, configMap: { name: pages } }]
---
apiVersion: v1
kind: Service
metadata: { name: site }
spec: { selector: { app: site }, ports: [{ port: 80, targetPort: 8080 }] }
";

#[tokio::test(flavor = "multi_thread")]
async fn an_overlay_is_built_over_its_base_and_a_broken_one_says_so() {
    let scene = Scene::start().await;
    let overlay = "resources: [../../base]\nnamePrefix: pr-\n";
    let first = scene.commit(&[
        ("deploy/base/site.yaml", BASE),
        (
            "deploy/base/kustomization.yaml",
            "resources: [site.yaml]\nconfigMapGenerator: [{ name: pages, files: [index.html] }]\n",
        ),
        ("deploy/base/index.html", "one\n"),
        ("deploy/overlays/preview/kustomization.yaml", overlay),
    ]);
    let path = "./deploy/overlays/preview/";
    scene
        .project_with("shop", json!({ "type": "kustomize", "path": path }))
        .await;
    scene.environment("shop", "preview-1", &first).await;
    let ready = scene.until("shop", "preview-1", is_ready).await;
    assert!(serves(&ready, &first), "{:?}", ready.status);
    assert_eq!(scene.get(NAMESPACE).await, (200, "one\n".to_owned()));
    let deployments = scene.api::<Deployment>(NAMESPACE);
    deployments.get("pr-site").await.unwrap();

    // Another name: the old Deployment, its Service and its ConfigMap go once the new ones are up.
    let second = scene.commit(&[
        ("deploy/base/index.html", "two\n"),
        (
            "deploy/overlays/preview/kustomization.yaml",
            &overlay.replace("pr-", "next-"),
        ),
    ]);
    let asking = scene.ask_all_the_time(NAMESPACE);
    scene.environment("shop", "preview-1", &second).await;
    scene
        .until("shop", "preview-1", |e| is_ready(e) && serves(e, &second))
        .await;
    scene
        .until_gone_by_name::<Deployment>(NAMESPACE, "pr-site")
        .await;
    scene
        .until_gone_by_name::<Service>(NAMESPACE, "pr-site")
        .await;
    let answers = asking.stop().await;
    assert!(answers.iter().all(|(code, _)| *code == 200), "{answers:?}");
    assert_eq!(scene.get(NAMESPACE).await.1, "two\n");
    let maps = scene.api::<ConfigMap>(NAMESPACE);
    let maps = maps.list(&ListParams::default()).await.unwrap();
    let pages: Vec<_> = maps
        .items
        .iter()
        .map(ResourceExt::name_any)
        .filter(|name| name.contains("pages"))
        .collect();
    assert_eq!(pages.len(), 1, "{pages:?}");

    let broken = scene.commit(&[(
        "deploy/overlays/preview/kustomization.yaml",
        "resources: [../../bass]\n",
    )]);
    scene.environment("shop", "preview-1", &broken).await;
    let failed = scene.until("shop", "preview-1", is_failed).await;
    let said = condition(&failed, "BuildReady");
    assert_eq!(said.reason, "NotRendered");
    assert!(
        said.message
            .contains("deploy/overlays/preview/kustomization.yaml")
            && said.message.contains("bass"),
        "{}",
        said.message
    );
    assert!(serves(&failed, &second), "{:?}", failed.status);
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_are_deployed_as_they_lie_and_what_leaves_the_folder_leaves_the_cluster() {
    let scene = Scene::start().await;
    let pages = |text: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: pages }}\ndata: {{ index.html: \"{text}\" }}\n"
        )
    };
    let key = "apiVersion: v1\nkind: Secret\nmetadata: { name: key }\nstringData: { k: v }\n";
    let ingress = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: front }
spec: { rules: [{ host: shop.example.com, http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: site, port: { number: 80 } } } }] } }] }
";
    let worker = BASE.split("---").next().unwrap().replace("site", "worker");
    let first = scene.commit(&[
        ("k8s/site.yaml", BASE),
        ("k8s/pages.yaml", &pages("one")),
        ("k8s/worker.yaml", &worker),
        ("k8s/key.yaml", key),
        ("k8s/ingress.yaml", ingress),
    ]);
    scene
        .project_with("shop", json!({ "type": "manifest", "path": "k8s" }))
        .await;
    scene.environment("shop", "preview-1", &first).await;
    let ready = scene.until("shop", "preview-1", is_ready).await;
    assert!(serves(&ready, &first), "{:?}", ready.status);
    assert_eq!(scene.get(NAMESPACE).await, (200, "one".to_owned()));
    let secrets = scene.api::<Secret>(NAMESPACE);
    secrets.get("key").await.unwrap();

    // A changed ConfigMap is a changed page, though the Deployment's text is the same.
    scene.remove_file("k8s/worker.yaml");
    scene.remove_file("k8s/key.yaml");
    let second = scene.commit(&[("k8s/pages.yaml", &pages("two"))]);
    scene.environment("shop", "preview-1", &second).await;
    scene
        .until("shop", "preview-1", |e| is_ready(e) && serves(e, &second))
        .await;
    assert_eq!(scene.get(NAMESPACE).await.1, "two");
    scene
        .until_gone_by_name::<Deployment>(NAMESPACE, "worker")
        .await;
    scene.until_gone_by_name::<Secret>(NAMESPACE, "key").await;

    for (file, text, reason, words) in [
        (
            "k8s/site.yaml",
            "apiVersion: v1\nkind: [\n",
            "NotRendered",
            "k8s/site.yaml",
        ),
        (
            "k8s/site.yaml",
            "apiVersion: v1\nkind: Node\nmetadata: { name: x }\n",
            "ConfigRefused",
            "Node x",
        ),
    ] {
        let broken = scene.commit(&[(file, text)]);
        scene.environment("shop", "preview-1", &broken).await;
        let failed = scene.until("shop", "preview-1", is_failed).await;
        let said = condition(&failed, "Ready");
        assert_eq!(said.reason, reason, "{}", said.message);
        assert!(said.message.contains(words), "{}", said.message);
        assert!(serves(&failed, &second), "{:?}", failed.status);
    }

    // What the API server alone refuses is the deployment's fault, and what was rendered is still told.
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: { name: data }\nspec: { resources: { requests: { storage: 1Gi } } }\n";
    let refused = scene.commit(&[("k8s/site.yaml", BASE), ("k8s/claim.yaml", claim)]);
    scene.environment("shop", "preview-1", &refused).await;
    let failed = scene.until("shop", "preview-1", is_failed).await;
    assert_eq!(condition(&failed, "BuildReady").status, "True");
    let said = condition(&failed, "DeploymentReady");
    assert_eq!(said.reason, "Refused");
    assert!(
        said.message.contains("PersistentVolumeClaim") && said.message.contains("accessModes"),
        "{}",
        said.message
    );
    scene.remove_file("k8s/claim.yaml");

    // Without a Service the URL leads nowhere, and is not told.
    let alone = BASE.split("---").next().unwrap();
    let unreachable = scene.commit(&[("k8s/site.yaml", alone), ("k8s/ingress.yaml", "")]);
    scene.environment("shop", "preview-1", &unreachable).await;
    let ready = scene.until("shop", "preview-1", is_ready).await;
    assert_eq!(ready.status.as_ref().unwrap().url, None);
    let said = condition(&ready, "BuildReady").message;
    assert!(
        said.contains("no Service has a port for browsers"),
        "{said}"
    );
    scene.until_gone_by_name::<Ingress>(NAMESPACE, "web").await;

    // An image that is only an image is told with the ways out.
    let database = BASE
        .replace("image: busybox", "image: postgres:16")
        .replace(
            "command: [busybox, httpd, -f, -p, '8080', -h, /www]",
            "args: []",
        );
    let image = scene.commit(&[("k8s/site.yaml", &database)]);
    scene.environment("shop", "preview-1", &image).await;
    let failed = scene.until("shop", "preview-1", is_failed).await;
    let said = condition(&failed, "DeploymentReady");
    assert!(
        said.message.contains("postgres:16") && said.message.contains("use a Kubernetes cluster"),
        "{}",
        said.message
    );
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_with_nothing_but_a_compose_file_needs_no_template() {
    let scene = Scene::start().await;
    let compose = "
services:
  site:
    image: busybox
    command: busybox httpd -f -p 8080 -h /www
    ports: ['80:8080']
    volumes: ['./pages:/www:ro']
";
    let commit = scene.commit(&[
        ("docker-compose.yml", compose),
        ("pages/index.html", "hello"),
    ]);
    scene.project("shop").await;
    scene.environment("shop", "preview-1", &commit).await;
    let ready = scene.until("shop", "preview-1", is_ready).await;
    assert!(serves(&ready, &commit), "{:?}", ready.status);
    assert_eq!(scene.get(NAMESPACE).await, (200, "hello".to_owned()));

    // The same repository with a program of its own is run from its source instead.
    let program = scene.commit(&[("index.html", "a site of its own")]);
    scene.environment("shop", "preview-1", &program).await;
    scene
        .until("shop", "preview-1", |e| is_ready(e) && serves(e, &program))
        .await;
    assert_eq!(scene.get(NAMESPACE).await.1, "a site of its own");
    scene
        .until_gone_by_name::<Deployment>(NAMESPACE, "site")
        .await;
    scene.stop().await;
}
