//! A private repository from its pull request to its URL: the fake GitHub as an App's, a Git server
//! that demands what GitHub minted, the embedded cluster, and both halves of Catalyst.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{future::IntoFuture, path::Path, process::Command, sync::Arc, time::Duration};

use catalyst_cluster::Cluster;
use catalyst_crd::labels;
use catalyst_github::{Credentials, GitHub, Settings};
use catalyst_localkube::{HostService, LocalKube, LocalKubeConfig};
use catalyst_model::secrets::SecretLevel;
use catalyst_operator::{EgressRule, OperatorSettings, WebSide};
use catalyst_previews::{
    IncomingDelivery, Keyring, NewProject, PreviewSettings, Previews, SecretToWrite,
    ServiceAccountName,
};
use catalyst_testkit::{
    git_server::GitServer,
    github::{APP_ID, FakeGitHub, FakePullRequest, FakeRepository, private_key},
    store::TemporaryStore,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{Event, Pod, Secret, ServiceAccount},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
    runtime::wait::await_condition,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::http::internal;

const PATIENCE: Duration = Duration::from_secs(120);
const HOST: &str = "git.acme.dev";
const INSTALLATION: u64 = 99;
const KEY: &str = "8f3a1c5e7d9b2046f1e8c3a5b7d90214365870a9cbedf1023546879abcdef013";
const NAMESPACE: &str = "acme-shop-preview-7";

fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(["-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Status, headers and body of a GET.
async fn get(address: std::net::SocketAddr, path: &str, headers: &str) -> (u16, String) {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.to_ascii_lowercase())
}

async fn token(client: &Client, namespace: &str, account: &str, audience: &str) -> String {
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![audience.to_owned()],
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let parameters = PostParams::default();
    let made = api.create_token_request(account, &parameters, &request);
    made.await.unwrap().status.unwrap().token
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_repository_is_cloned_with_a_token_that_reads_it_alone() {
    // GitHub and its repositories.
    let github = Arc::new(FakeGitHub::start().await);
    let accepts = {
        let github = github.clone();
        move |token: &str, repository: &str| {
            let scope = json!({ "repositories": ["shop"], "permissions": { "contents": "read" } });
            let mut minted = github.minted().into_iter();
            repository == "/acme/shop.git"
                && minted.any(|it| it.target == token && it.body == scope)
        }
    };
    let server = GitServer::start(HOST, Arc::new(accepts)).await;
    let port = server.address().port();
    let bare = server.create("acme/shop");
    let folder = tempfile::tempdir().unwrap();
    let checkout = folder.path().join("checkout");
    std::fs::create_dir(&checkout).unwrap();
    git(&checkout, &["init", "-q"]);
    std::fs::write(checkout.join("index.html"), "a private page").unwrap();
    git(&checkout, &["add", "-A"]);
    git(&checkout, &["commit", "-q", "-m", "first"]);
    git(
        &checkout,
        &[
            "push",
            "-q",
            &bare.display().to_string(),
            "HEAD:refs/heads/change-7",
        ],
    );
    let commit = git(&checkout, &["rev-parse", "HEAD"]);
    let clone_url = format!("https://{HOST}:{port}/acme/shop.git");
    let repository = FakeRepository {
        private: true,
        clone_url: clone_url.clone(),
        ..FakeRepository::new(1, "acme/shop")
    };
    github.install_app(&repository, INSTALLATION);

    // The cluster, with the door and the Git server in reach of pods that may.
    let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door_address = door.local_addr().unwrap();
    let mut config = LocalKubeConfig::new(folder.path().join("cluster"));
    config.allow_weak_isolation = true;
    let mut settings = OperatorSettings {
        local_preview_routing: true,
        git_certificates: Some(server.authority().to_owned()),
        egress: vec![EgressRule {
            cidr: "10.96.0.3/32".to_owned(),
            except: vec![],
            ports: vec![port],
        }],
        ..OperatorSettings::default()
    };
    crate::wiring::open_credentials(door_address, &mut config, &mut settings).unwrap();
    config.host_services.push(HostService {
        names: vec![HOST.to_owned()],
        namespace: "elsewhere".to_owned(),
        labels: [].into(),
        listener: server.address(),
    });
    let kube = LocalKube::start(config).await.unwrap();
    settings.ingress_port = kube.ingress_addr().port();
    let kubeconfig = serde_json::from_value(kube.kubeconfig()).unwrap();
    let options = kube::config::KubeConfigOptions::default();
    let client = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let client = Client::try_from(client.unwrap()).unwrap();
    let cluster = Cluster::new("local", client.clone());
    cluster.install_crds().await.unwrap();

    // Both halves.
    let account = ServiceAccountName {
        namespace: "catalyst-system".into(),
        name: "catalyst-operator".into(),
    };
    let inside = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let inside_url = format!("http://{}", inside.local_addr().unwrap());
    let token_source = crate::wiring::own_account(&cluster, &account)
        .await
        .unwrap();
    settings.web = Some(WebSide::new(&inside_url.parse().unwrap(), token_source).unwrap());
    let store = TemporaryStore::sqlite().await;
    let credentials = Credentials::app(APP_ID, &private_key().into()).unwrap();
    let api = Settings::new(github.url().parse().unwrap());
    let previews = Previews::new(
        store.clone(),
        cluster.clone(),
        Some(GitHub::new(credentials, api).unwrap()),
        PreviewSettings {
            git_hosts: vec![HOST.to_owned()],
            keyring: Some(Keyring::new(&KEY.into(), None).unwrap()),
            operator_account: Some(account),
            ..PreviewSettings::default()
        },
    );
    let _door = super::serve(door, previews.clone());
    let routes = axum::Router::new()
        .route(internal::PATH, axum::routing::get(internal::secrets))
        .with_state(previews.clone());
    let _inside = AbortOnDropHandle::new(tokio::spawn(axum::serve(inside, routes).into_future()));
    let stop = CancellationToken::new();
    let running = {
        let (previews, stop) = (previews.clone(), stop.clone());
        tokio::spawn(async move { previews.run(stop).await })
    };
    let operating = tokio::spawn(catalyst_operator::run(
        client.clone(),
        settings,
        stop.clone(),
    ));

    // A project, and its pull request.
    let actor = previews.local_operator().await.unwrap();
    let new = NewProject {
        team: "acme".into(),
        name: "shop".into(),
        repository: "acme/shop".into(),
        clone_url: Some(clone_url),
        branch: "main".into(),
        installation_id: None,
        cluster: None,
        preset: None,
    };
    previews.create_project(&actor, new).await.unwrap();
    let project = cluster.projects("acme").get("shop").await.unwrap();
    assert_eq!(
        project.spec.github_installation_id.as_deref(),
        Some("99"),
        "the installation was found"
    );
    let pull_request = FakePullRequest::new(&repository, 7, &commit);
    github.put_pull_request(&pull_request);
    let delivery = IncomingDelivery {
        id: "1".into(),
        event: "pull_request".into(),
        body: pull_request.webhook("opened", None).to_string().into(),
    };
    previews.receive(delivery).await.unwrap();
    let environments = cluster.environments("acme-shop");
    let ready = await_condition(
        environments.clone(),
        "preview-7",
        |it: Option<&catalyst_crd::Environment>| {
            let phase = it.and_then(|it| it.status.as_ref()?.phase.clone());
            matches!(phase.as_deref(), Some("Ready" | "Failed"))
        },
    );
    let ready = tokio::time::timeout(PATIENCE, ready).await;
    let environment = environments.get("preview-7").await.unwrap();
    let status = environment.status.clone().unwrap_or_default();
    assert!(ready.is_ok(), "{status:#?} {:?}", server.seen());
    assert_eq!(
        status.phase.as_deref(),
        Some("Ready"),
        "{status:#?} {:?}",
        server.seen()
    );
    let host = format!("Host: {NAMESPACE}.localhost\r\n");
    let mut page = tokio::net::TcpStream::connect(kube.ingress_addr())
        .await
        .unwrap();
    let request = format!("GET / HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
    page.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    page.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("a private page"), "{text}");
    // It was asked without credentials first, as git does, and what was asked for is read-only.
    assert!(server.seen().iter().any(|(_, status)| *status == 401));

    // Neither the pod's own namespace nor its account opens the door to anyone else.
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let web = ListParams::default().labels("app=web");
    let pods = pods.list(&web).await.unwrap();
    let spec = pods.items[0].spec.as_ref().unwrap();
    assert_eq!(
        spec.service_account_name.as_deref(),
        Some("catalyst-git-clone")
    );
    let app = json!(spec.containers[0]);
    assert!(!app.to_string().contains("git-identity"), "{app}");
    let good = token(&client, NAMESPACE, "catalyst-git-clone", "catalyst-git").await;
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let ask = async |path: &str, headers: String| get(door_address, path, &headers).await;
    let (status, answer) = ask("/api/git-token/99", bearer(&good)).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("content-type: text/plain"), "{answer}");
    assert!(answer.contains("cache-control: no-store"), "{answer}");
    let minted = github.minted();
    assert!(answer.ends_with(&minted.last().unwrap().target), "{answer}");

    let other = token(&client, NAMESPACE, "default", "catalyst-git").await;
    let api_token = token(
        &client,
        NAMESPACE,
        "catalyst-git-clone",
        "https://kubernetes.default.svc",
    )
    .await;
    let stranger = {
        let api: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
        let account: ServiceAccount =
            serde_json::from_value(json!({ "metadata": { "name": "catalyst-git-clone" } }))
                .unwrap();
        api.create(&PostParams::default(), &account).await.unwrap();
        token(&client, "default", "catalyst-git-clone", "catalyst-git").await
    };
    for (path, headers, expected) in [
        ("/api/git-token/99", String::new(), 401),
        ("/api/git-token/99", bearer("nonsense"), 401),
        ("/api/git-token/99", bearer(&other), 401),
        ("/api/git-token/99", bearer(&api_token), 401),
        ("/api/git-token/99", bearer(kube.admin_token()), 401),
        ("/api/git-token/99", bearer(&stranger), 403),
        ("/api/git-token/98", bearer(&good), 403),
        ("/api/git-token/pat", bearer(&good), 404),
        ("/api/git-token/abc", bearer(&good), 400),
        ("/", bearer(&good), 404),
        ("/api/internal/secrets/x", bearer(&good), 404),
        ("/preview-environments", bearer(&good), 404),
    ] {
        let (status, answer) = ask(path, headers).await;
        assert_eq!(status, expected, "{path}: {answer}");
        assert!(!answer.contains("ghs_"), "{path}: {answer}");
    }
    assert_eq!(github.minted().len(), minted.len(), "nothing more was made");

    // A secret comes to what runs by new pods, and goes again; nowhere else is it to be seen.
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let version = async || {
        let web = deployments.get("web").await.unwrap();
        let template = web.spec.unwrap().template.metadata.unwrap();
        template
            .annotations
            .unwrap_or_default()
            .get(labels::SECRETS)
            .cloned()
    };
    assert_eq!(version().await, None);
    assert!(secrets.get_opt("catalyst-secrets").await.unwrap().is_none());
    let write = async |value: &str| {
        let secret = SecretToWrite {
            level: SecretLevel::Team,
            name: "API_KEY".into(),
            value: value.into(),
            description: String::new(),
        };
        previews
            .write_secret(&actor, "acme", "shop", secret)
            .await
            .unwrap();
    };
    let pods_now: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let until = async |what: &str, value: Option<&str>| {
        let start = std::time::Instant::now();
        loop {
            let held = secrets.get_opt("catalyst-secrets").await.unwrap();
            let held = held.and_then(|it| it.data?.get("API_KEY").map(|it| it.0.clone()));
            let current = environments.get("preview-7").await.unwrap();
            let ready = current.status.and_then(|it| it.phase).as_deref() == Some("Ready");
            let carried = version().await;
            // Its pod has cloned: no token for it is on its way.
            let current = pods_now.list(&ListParams::default()).await.unwrap();
            let ready = ready
                && current.items.iter().any(|pod| {
                    let conditions = pod.status.as_ref().and_then(|it| it.conditions.as_ref());
                    pod.annotations().get(labels::SECRETS) == carried.as_ref()
                        && conditions
                            .into_iter()
                            .flatten()
                            .any(|it| it.type_ == "Ready" && it.status == "True")
                });
            if held.as_deref() == value.map(str::as_bytes)
                && carried.is_some() == value.is_some()
                && ready
            {
                return carried;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{what}: {carried:?}, ready {ready}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    write("canary-first-value").await;
    let first = until("the first value", Some("canary-first-value")).await;
    write("canary-second-value").await;
    let second = until("the second value", Some("canary-second-value")).await;
    assert_ne!(first, second, "the pods were made anew");
    let web = deployments.get("web").await.unwrap();
    assert!(
        json!(web).to_string().contains("catalyst-secrets"),
        "it is in their environment"
    );
    let all = ListParams::default();
    let events: Api<Event> = Api::namespaced(client.clone(), NAMESPACE);
    for text in [
        json!(environments.list(&all).await.unwrap().items),
        json!(deployments.list(&all).await.unwrap().items),
        json!(pods_now.list(&all).await.unwrap().items),
        json!(events.list(&all).await.unwrap().items),
        json!(previews.platform(&actor, "acme-shop").await.unwrap()),
        json!(previews.get(&actor, NAMESPACE).await.unwrap()),
        json!(
            store
                .audit(None, 1000)
                .await
                .unwrap()
                .iter()
                .map(|it| it.details.clone())
                .collect::<Vec<_>>()
        ),
    ] {
        let text = text.to_string();
        assert!(
            !text.contains("canary") && !text.contains("Y2FuYXJ5"),
            "{text}"
        );
    }
    previews
        .remove_secret(&actor, "acme", "shop", &SecretLevel::Team, "API_KEY")
        .await
        .unwrap();
    until("no value", None).await;
    // The door for previews does not open to this, and this one not to them.
    let (status, _) = get(
        inside_url[7..].parse().unwrap(),
        "/api/internal/secrets/x",
        &bearer(&good),
    )
    .await;
    assert_eq!(status, 401);

    // With its Project's word gone, so is the right.
    let minted = github.minted();
    let patch = json!({ "spec": { "githubInstallationId": "98" } });
    cluster
        .projects("acme")
        .patch("shop", &Default::default(), &kube::api::Patch::Merge(patch))
        .await
        .unwrap();
    assert_eq!(ask("/api/git-token/99", bearer(&good)).await.0, 403);
    assert_eq!(
        ask("/api/git-token/98", bearer(&good)).await.0,
        403,
        "an installation that does not reach the repository"
    );
    assert_eq!(github.minted().len(), minted.len());

    // Nowhere it does not belong.
    for pod in &pods.items {
        let text = json!(pod).to_string();
        assert!(!text.contains("ghs_"), "{text}");
    }
    assert!(!json!(environment).to_string().contains("ghs_"));

    stop.cancel();
    running.await.unwrap();
    operating.await.unwrap();
    kube.shutdown().await;
}
