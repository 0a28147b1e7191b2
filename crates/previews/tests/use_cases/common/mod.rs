//! A whole Catalyst but its operator and its doors: real store, real embedded cluster, the fake
//! GitHub. The operator's part, writing status onto Environments, is played by the tests.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "each test file uses a part of it, and fails by failing"
)]

pub mod operator;

use std::collections::HashMap;
use std::future::Future;
use std::time::{Duration, Instant};

use catalyst_cluster::{Cluster, Clusters};
use catalyst_crd::Environment;
use catalyst_github::{Credentials, GitHub, Settings};
use catalyst_localkube::{LocalKube, LocalKubeConfig};
use catalyst_model::state::Role;
use catalyst_model::views::{DeliveryView, PreviewDetail, PreviewFilter, PreviewSummary};
use catalyst_previews::{Actor, IncomingDelivery, NewProject, PreviewSettings, Previews, Receipt};
use catalyst_store::Store;
use catalyst_testkit::github::{FakeGitHub, FakePullRequest, FakeRepository, TOKEN};
use catalyst_testkit::proxy::Proxy;
use catalyst_testkit::store::TemporaryStore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const TEAM: &str = "acme";
pub const PROJECT: &str = "shop";
pub const REPOSITORY: &str = "acme/shop";
pub const PROJECT_NAMESPACE: &str = "acme-shop";

pub struct World {
    pub store: TemporaryStore,
    /// The default cluster.
    pub cluster: Cluster,
    pub clusters: Clusters,
    pub github: Option<FakeGitHub>,
    pub previews: Previews,
    pub operator: Actor,
    settings: PreviewSettings,
    running: Vec<(CancellationToken, JoinHandle<()>)>,
    _kubes: Vec<(LocalKube, tempfile::TempDir)>,
}

/// Short waits, so that what is retried is retried within the test.
pub fn settings() -> PreviewSettings {
    PreviewSettings {
        first_wait: Duration::from_millis(50),
        lease: Duration::from_secs(3),
        comment_pause: Duration::from_millis(100),
        orphan_age: Duration::from_secs(1),
        dashboard_url: Some("https://catalyst.example".parse().unwrap()),
        redactor: catalyst_previews::Redactor::new(["canary-s3cret".into()]),
        ..PreviewSettings::default()
    }
}

impl World {
    /// With the project acme/shop, without GitHub.
    pub async fn new() -> Self {
        Self::build(settings(), None).await
    }

    pub async fn with_settings(settings: PreviewSettings) -> Self {
        Self::build(settings, None).await
    }

    /// With a GitHub that knows the repository.
    pub async fn with_github() -> Self {
        let github = FakeGitHub::start().await;
        github.put_repository(&repository());
        Self::build(settings(), Some(github)).await
    }

    pub async fn build(settings: PreviewSettings, github: Option<FakeGitHub>) -> Self {
        let (local, home) = kube("local").await;
        let store = TemporaryStore::sqlite().await;
        Self::on(store, settings, github, local.into(), vec![home]).await
    }

    /// With a second cluster `eu`, which is reached through a proxy that can be broken.
    pub async fn with_two_clusters() -> (Self, Cluster, Proxy) {
        let settings = PreviewSettings {
            first_wait: Duration::from_millis(200),
            ..settings()
        };
        let store = TemporaryStore::sqlite().await;
        let (local, home) = kube("local").await;
        let (eu, abroad) = kube("eu").await;
        let address = abroad.0.api_url();
        let address = address.rsplit_once("//").unwrap().1.trim_end_matches('/');
        let proxy = Proxy::to(address.parse().unwrap()).await;
        let through = connected("eu", &abroad.0, Some(&proxy)).await;
        let clusters = Clusters::from(local).with(through);
        let world = Self::on(store, settings, None, clusters, vec![home, abroad]).await;
        (world, eu, proxy)
    }

    pub async fn on_postgresql() -> Self {
        let (local, home) = kube("local").await;
        let store = TemporaryStore::postgres().await;
        Self::on(store, settings(), None, local.into(), vec![home]).await
    }

    async fn on(
        store: TemporaryStore,
        settings: PreviewSettings,
        github: Option<FakeGitHub>,
        clusters: Clusters,
        kubes: Vec<(LocalKube, tempfile::TempDir)>,
    ) -> Self {
        let cluster = clusters.default_cluster().clone();
        let previews = make(&store, &clusters, github.as_ref(), &settings);
        let operator = previews.local_operator().await.unwrap();
        let mut world = Self {
            store,
            cluster,
            clusters,
            github,
            previews,
            operator,
            settings,
            running: Vec::new(),
            _kubes: kubes,
        };
        world.start();
        let new = NewProject {
            team: TEAM.into(),
            name: PROJECT.into(),
            repository: REPOSITORY.into(),
            clone_url: None,
            branch: "main".into(),
            installation_id: None,
            cluster: None,
            preset: None,
        };
        world
            .previews
            .create_project(&world.operator, new)
            .await
            .unwrap();
        world
    }

    /// Runs the present [`Previews`].
    pub fn start(&mut self) {
        let stop = CancellationToken::new();
        let (previews, token) = (self.previews.clone(), stop.clone());
        let task = tokio::spawn(async move { previews.run(token).await });
        self.running.push((stop, task));
    }

    /// Another process on the same store and cluster.
    pub fn second(&mut self) -> Previews {
        let first = self.previews.clone();
        self.previews = self.fresh();
        self.start();
        std::mem::replace(&mut self.previews, first)
    }

    /// Ends everything at once, as kill -9 does: nothing is ended in order.
    pub async fn kill(&mut self) {
        for (_, task) in self.running.drain(..) {
            task.abort();
            let _ = task.await;
        }
    }

    /// Ends everything in order.
    pub async fn shut_down(&mut self) {
        for (stop, task) in self.running.drain(..) {
            stop.cancel();
            task.await.unwrap();
        }
    }

    /// A new process after [`World::kill`] or [`World::shut_down`].
    pub fn restart(&mut self) {
        self.previews = self.fresh();
        self.start();
    }

    fn fresh(&self) -> Previews {
        make(
            &self.store,
            &self.clusters,
            self.github.as_ref(),
            &self.settings,
        )
    }

    pub fn github(&self) -> &FakeGitHub {
        self.github.as_ref().expect("a world with GitHub")
    }

    /// A delivery of a pull request's event arrives; GitHub, where there is one, is at the same
    /// state.
    pub async fn event(&self, action: &str, it: &FakePullRequest) -> Receipt {
        if let Some(github) = &self.github {
            github.put_pull_request(it);
        }
        self.deliver(action, it).await
    }

    /// A delivery arrives, whatever GitHub's own state.
    pub async fn deliver(&self, action: &str, it: &FakePullRequest) -> Receipt {
        self.previews.receive(delivery(action, it)).await.unwrap()
    }

    /// The deliveries, once all are worked off, newest first.
    pub async fn worked_off(&self) -> Vec<DeliveryView> {
        eventually("all deliveries are worked off", || async {
            let all = self.previews.deliveries(&self.operator, 500).await.unwrap();
            all.iter()
                .all(|it| it.processed_at.is_some())
                .then_some(all)
        })
        .await
    }

    pub async fn list(&self) -> Vec<PreviewSummary> {
        let filter = PreviewFilter {
            limit: 500,
            ..PreviewFilter::default()
        };
        let list = self.previews.list(&self.operator, &filter).await.unwrap();
        list.previews
    }

    pub async fn removed(&self) -> Vec<PreviewSummary> {
        let filter = PreviewFilter {
            removed: true,
            ..PreviewFilter::default()
        };
        let list = self.previews.list(&self.operator, &filter).await.unwrap();
        list.previews
    }

    /// The preview of this number, once it satisfies the condition.
    pub async fn preview(
        &self,
        number: u64,
        what: &str,
        condition: impl Fn(&PreviewSummary) -> bool,
    ) -> PreviewSummary {
        eventually(&format!("preview {number}: {what}"), || async {
            let list = self.list().await;
            list.into_iter()
                .find(|it| it.number == Some(number) && condition(it))
        })
        .await
    }

    pub async fn detail(&self, id: &str) -> PreviewDetail {
        self.previews.get(&self.operator, id).await.unwrap()
    }

    pub async fn environment(&self, name: &str) -> Option<Environment> {
        let api = self.cluster.environments(PROJECT_NAMESPACE);
        api.get_opt(name).await.unwrap()
    }

    /// The Environment of this name, once it asks for this commit.
    pub async fn environment_at(&self, name: &str, sha: &str) -> Environment {
        eventually(&format!("Environment {name} asks for {sha}"), || async {
            let it = self.environment(name).await;
            it.filter(|it| it.spec.sources[0].commit_sha == sha)
        })
        .await
    }

    pub async fn gone(&self, name: &str) {
        eventually(&format!("Environment {name} is gone"), || async {
            self.environment(name).await.is_none().then_some(())
        })
        .await;
    }

    /// A user with a role in a team.
    pub async fn member(&self, login: &str, team: &str, role: Role) -> Actor {
        let id = login.bytes().fold(7_u64, |sum, b| sum * 31 + u64::from(b)) >> 8;
        let user = self.store.github_user(id, login).await.unwrap();
        self.store
            .set_membership(user.id, team, role)
            .await
            .unwrap();
        self.previews.actor(user.id).await.unwrap().unwrap()
    }

    /// The audit log's actions about an object, oldest first.
    pub async fn audited(&self, object: &str) -> Vec<(String, String)> {
        let mut all = self.store.audit(Some(object), 100).await.unwrap();
        all.reverse();
        all.into_iter().map(|it| (it.actor, it.action)).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for (_, task) in &self.running {
            task.abort();
        }
    }
}

fn make(
    store: &Store,
    clusters: &Clusters,
    github: Option<&FakeGitHub>,
    settings: &PreviewSettings,
) -> Previews {
    let github = github.map(client);
    Previews::new(store.clone(), clusters.clone(), github, settings.clone())
}

/// An embedded cluster with our definitions.
async fn kube(name: &str) -> (Cluster, (LocalKube, tempfile::TempDir)) {
    let folder = tempfile::tempdir().unwrap();
    let mut local = LocalKubeConfig::new(folder.path());
    local.allow_weak_isolation = true;
    let kube = LocalKube::start(local).await.unwrap();
    let cluster = connected(name, &kube, None).await;
    cluster.install_crds().await.unwrap();
    (cluster, (kube, folder))
}

async fn connected(name: &str, kube: &LocalKube, proxy: Option<&Proxy>) -> Cluster {
    let kubeconfig = serde_json::from_value(kube.kubeconfig()).unwrap();
    let options = kube::config::KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = config.unwrap();
    if let Some(proxy) = proxy {
        config.cluster_url = format!("https://{}", proxy.address).parse().unwrap();
    }
    Cluster::new(name, kube::Client::try_from(config).unwrap())
}

fn client(github: &FakeGitHub) -> GitHub {
    let credentials = Credentials::token(&TOKEN.into()).unwrap();
    let mut settings = Settings::new(github.url().parse().unwrap());
    settings.timeout = Duration::from_secs(2);
    settings.first_pause = Duration::from_millis(50);
    GitHub::new(credentials, settings).unwrap()
}

pub fn repository() -> FakeRepository {
    FakeRepository::new(1, REPOSITORY)
}

pub fn sha(digit: char) -> String {
    digit.to_string().repeat(40)
}

/// A sha that stands for a number.
pub fn numbered_sha(n: usize) -> String {
    format!("{n:040x}")
}

/// An open pull request at this commit, as of second 1.
pub fn pull_request(number: u64, digit: char) -> FakePullRequest {
    let mut it = FakePullRequest::new(&repository(), number, &sha(digit));
    it.updated_at = second(1);
    it
}

/// RFC 3339, so many seconds into a fixed day.
pub fn second(n: u32) -> String {
    format!(
        "2025-01-01T{:02}:{:02}:{:02}Z",
        n / 3600,
        n / 60 % 60,
        n % 60
    )
}

/// The same pull request later, changed.
pub fn later(
    it: &FakePullRequest,
    at: u32,
    change: impl FnOnce(&mut FakePullRequest),
) -> FakePullRequest {
    let mut it = it.clone();
    it.updated_at = second(at);
    change(&mut it);
    it
}

pub fn delivery(action: &str, it: &FakePullRequest) -> IncomingDelivery {
    IncomingDelivery {
        id: uuid::Uuid::new_v4().to_string(),
        event: "pull_request".into(),
        body: it.webhook(action, None).to_string().into(),
    }
}

/// Asks until there is an answer; fails after 20 s.
pub async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "not within 20 s: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// How often each word comes.
pub fn counted<'a>(words: impl IntoIterator<Item = &'a str>) -> HashMap<&'a str, usize> {
    let mut counts = HashMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    counts
}
