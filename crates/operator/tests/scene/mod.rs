//! A cluster with the operator and a repository, and words to tell a story about them.

mod weather;

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use catalyst_crd::{Environment, Project, custom_resource_definitions, labels};
use catalyst_localkube::{LocalKube, LocalKubeConfig};
use catalyst_operator::OperatorSettings;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::client::ClientBuilder;
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use weather::Weather;

/// Nothing here takes that long; a machine that is busy with other tests may.
const PATIENCE: Duration = Duration::from_secs(90);

pub struct Scene {
    pub client: Client,
    config: kube::Config,
    kube: LocalKube,
    settings: OperatorSettings,
    operator: Option<(CancellationToken, tokio::task::JoinHandle<()>)>,
    repository: PathBuf,
    _folder: TempDir,
}

impl Scene {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut OperatorSettings)) -> Self {
        let mut scene = Self::start_without_operator().await;
        change(&mut scene.settings);
        scene.start_operator();
        scene
    }

    pub async fn start_without_operator() -> Self {
        // RUST_LOG=catalyst_operator=info shows the operator's own story.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let folder = TempDir::new().unwrap();
        let repository = folder.path().join("repositories/shop");
        std::fs::create_dir_all(&repository).unwrap();
        git(&repository, &["init", "-q"]);

        let mut local = LocalKubeConfig::new(folder.path().join("cluster"));
        local
            .host_path_roots
            .push(folder.path().join("repositories"));
        local.allow_weak_isolation = true;
        let kube = LocalKube::start(local).await.unwrap();
        let kubeconfig = serde_json::from_value(kube.kubeconfig()).unwrap();
        let options = kube::config::KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .unwrap();
        let client = Client::try_from(config.clone()).unwrap();
        for crd in custom_resource_definitions() {
            let api: Api<CustomResourceDefinition> = Api::all(client.clone());
            let name = crd.name_any();
            api.patch(
                &name,
                &PatchParams::apply("test").force(),
                &Patch::Apply(&crd),
            )
            .await
            .unwrap();
            tokio::time::timeout(
                PATIENCE,
                await_condition(api, &name, conditions::is_crd_established()),
            )
            .await
            .unwrap()
            .unwrap();
        }
        let settings = OperatorSettings {
            local_preview_routing: true,
            allow_local_repositories: true,
            ingress_port: kube.ingress_addr().port(),
            ..OperatorSettings::default()
        };
        let scene = Self {
            client,
            config,
            kube,
            settings,
            operator: None,
            repository,
            _folder: folder,
        };
        for (name, kind) in [("acme", "team"), ("acme-shop", "project")] {
            let mut labels = json!({ labels::NAMESPACE_TYPE: kind, labels::TEAM: "acme" });
            if kind == "project" {
                labels[labels::PROJECT] = json!("shop");
            }
            let namespace: Namespace =
                serde_json::from_value(json!({ "metadata": { "name": name, "labels": labels } }))
                    .unwrap();
            scene
                .api::<Namespace>("")
                .create(&kube::api::PostParams::default(), &namespace)
                .await
                .unwrap();
        }
        scene
    }

    /// The operator, with an API server that refuses so many of a hundred calls.
    pub fn start_operator_in(&mut self, refused_percent: u32) -> Weather {
        let weather = Weather::new(refused_percent);
        // As kube builds its own clients: what is refused for the moment is asked again.
        let retry = tower::retry::RetryLayer::new(kube::client::retry::RetryPolicy::server_retry());
        let client = ClientBuilder::try_from(self.config.clone())
            .unwrap()
            .with_layer(&weather)
            .with_layer(&tower::buffer::BufferLayer::new(1024))
            .with_layer(&retry)
            .build();
        self.run_operator(client);
        weather
    }

    pub fn start_operator(&mut self) {
        self.run_operator(self.client.clone());
    }

    fn run_operator(&mut self, client: Client) {
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(catalyst_operator::run(
            client,
            self.settings.clone(),
            shutdown.clone(),
        ));
        self.operator = Some((shutdown, task));
    }

    pub async fn stop_operator(&mut self) {
        if let Some((shutdown, task)) = self.operator.take() {
            shutdown.cancel();
            tokio::time::timeout(PATIENCE, task)
                .await
                .expect("the operator stops")
                .unwrap();
        }
    }

    pub async fn stop(mut self) {
        self.stop_operator().await;
        self.kube.shutdown().await;
    }

    pub fn ingress_port(&self) -> u16 {
        self.settings.ingress_port
    }

    /// The API of a kind: in a namespace, or of a kind without any.
    pub fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = ()> + ApiOf,
    {
        K::api(self.client.clone(), namespace)
    }

    // The repository.

    pub fn commit(&self, files: &[(&str, &str)]) -> String {
        for (name, text) in files {
            let path = self.repository.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        git(&self.repository, &["add", "-A"]);
        git(
            &self.repository,
            &["commit", "-q", "--allow-empty", "-m", "change"],
        );
        git(&self.repository, &["rev-parse", "HEAD"])
    }

    pub fn remove_file(&self, name: &str) {
        std::fs::remove_file(self.repository.join(name)).unwrap();
    }

    /// Takes all files out of the next commit.
    pub fn clear(&self) {
        for entry in std::fs::read_dir(&self.repository).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    /// A commit that the repository gets to know only by [`Scene::bring_in`].
    pub fn commit_aside(&self, files: &[(&str, &str)]) -> String {
        let aside = self.aside();
        git(
            self.repository.parent().unwrap(),
            &[
                "clone",
                "-q",
                &self.repository.display().to_string(),
                &aside.display().to_string(),
            ],
        );
        for (name, text) in files {
            std::fs::write(aside.join(name), text).unwrap();
        }
        git(&aside, &["add", "-A"]);
        git(&aside, &["commit", "-q", "-m", "aside"]);
        git(&aside, &["rev-parse", "HEAD"])
    }

    pub fn bring_in(&self, commit: &str) {
        git(
            &self.repository,
            &["fetch", "-q", &self.aside().display().to_string(), commit],
        );
    }

    fn aside(&self) -> PathBuf {
        self.repository.with_file_name("aside")
    }

    // What people and the web side do.

    pub async fn project(&self, name: &str) {
        self.project_with(name, json!({})).await;
    }

    /// A project whose previews are made as this template says.
    pub async fn project_with(&self, name: &str, template: Value) {
        let templates = match &template["type"] {
            Value::Null => json!({}),
            _ => json!({ "development": template }),
        };
        let project: Project = serde_json::from_value(json!({
            "apiVersion": "catalyst.catalyst.dev/v1alpha1", "kind": "Project",
            "metadata": { "name": name, "namespace": "acme", "labels": { labels::TEAM: "acme", labels::PROJECT: name } },
            "spec": { "sources": [{ "name": "primary", "repositoryUrl": format!("file://{}", self.repository.display()), "branch": "main" }], "templates": templates }
        }))
        .unwrap();
        let parameters = PatchParams::apply(labels::WEB_MANAGER).force();
        self.api::<Project>("acme")
            .patch(name, &parameters, &Patch::Apply(&project))
            .await
            .unwrap();
    }

    pub fn environment_object(&self, project: &str, name: &str, commit: &str) -> Environment {
        serde_json::from_value(json!({
            "apiVersion": "catalyst.catalyst.dev/v1alpha1", "kind": "Environment",
            "metadata": { "name": name, "namespace": format!("acme-{project}"),
                "labels": { labels::TEAM: "acme", labels::PROJECT: project, labels::ENVIRONMENT: name } },
            "spec": { "projectRef": { "name": project }, "type": "development",
                "sources": [{ "name": "primary", "commitSha": commit, "branch": "main", "prNumber": 1 }] }
        }))
        .unwrap()
    }

    pub async fn environment(&self, project: &str, name: &str, commit: &str) {
        self.apply(&self.environment_object(project, name, commit))
            .await;
    }

    pub async fn apply(&self, environment: &Environment) {
        self.apply_value(&serde_json::to_value(environment).unwrap())
            .await;
    }

    pub async fn apply_value(&self, environment: &Value) {
        let (namespace, name) = (
            &environment["metadata"]["namespace"],
            &environment["metadata"]["name"],
        );
        let parameters = PatchParams::apply(labels::WEB_MANAGER).force();
        self.untyped(namespace.as_str().unwrap())
            .patch(
                name.as_str().unwrap(),
                &parameters,
                &Patch::Apply(environment),
            )
            .await
            .unwrap();
    }

    pub async fn retry(&self, project: &str, name: &str, value: &str) {
        let patch =
            Patch::Merge(json!({ "metadata": { "annotations": { labels::RETRY: value } } }));
        self.untyped(&format!("acme-{project}"))
            .patch(name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    pub async fn delete(&self, project: &str, name: &str) {
        self.untyped(&format!("acme-{project}"))
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }

    // Waiting, by watches.

    pub async fn until(
        &self,
        project: &str,
        name: &str,
        is: impl Fn(&Environment) -> bool,
    ) -> Environment {
        let api = self.api::<Environment>(&format!("acme-{project}"));
        let found = wait(api.clone(), name, |object: Option<&Environment>| {
            object.is_some_and(&is)
        })
        .await;
        match found {
            Some(found) => found.unwrap(),
            None => panic!(
                "{name} did not get there: {:#?}\n{}",
                api.get_opt(name).await,
                self.pods(project, name).await
            ),
        }
    }

    pub async fn pods(&self, project: &str, name: &str) -> String {
        let pods = self.api::<k8s_openapi::api::core::v1::Pod>(&format!("acme-{project}-{name}"));
        let pods = pods.list(&ListParams::default()).await.unwrap();
        pods.items
            .iter()
            .map(|pod| format!("{}: {}\n", pod.name_any(), json!(pod.status)))
            .collect()
    }

    pub async fn until_value(
        &self,
        namespace: &str,
        name: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Value {
        let check =
            |object: Option<&DynamicObject>| object.is_some_and(|object| is(&json!(object)));
        let found = wait(self.untyped(namespace), name, check).await;
        json!(found.expect("in time").unwrap())
    }

    pub async fn until_there<K>(&self, namespace: &str, name: &str, is: impl Fn(&K) -> bool)
    where
        K: Resource<DynamicType = ()> + ApiOf + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let found = wait(self.api::<K>(namespace), name, |object: Option<&K>| {
            object.is_some_and(&is)
        })
        .await;
        assert!(found.is_some(), "{} {name} did not get there", K::kind(&()));
    }

    pub async fn until_gone_by_name<K>(&self, namespace: &str, name: &str)
    where
        K: Resource<DynamicType = ()> + ApiOf + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let found = wait(self.api::<K>(namespace), name, |object: Option<&K>| {
            object.is_none()
        })
        .await;
        assert!(
            found.is_some(),
            "{} {name} did not go: {:#?}",
            K::kind(&()),
            self.api::<K>(namespace).get_opt(name).await
        );
    }

    pub async fn until_environment_gone(&self, project: &str, name: &str) {
        self.until_gone_by_name::<Environment>(&format!("acme-{project}"), name)
            .await;
    }

    /// Until nothing of a kind has these labels any more.
    pub async fn until_gone<K>(&self, namespace: &str, selector: &str)
    where
        K: Resource<DynamicType = ()>
            + ApiOf
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        use futures::StreamExt;
        let api = self.api::<K>(namespace);
        let mut changes = Box::pin(watcher(
            api.clone(),
            watcher::Config::default().labels(selector),
        ));
        tokio::time::timeout(PATIENCE, async {
            while !api
                .list(&ListParams::default().labels(selector))
                .await
                .unwrap()
                .items
                .is_empty()
            {
                changes.next().await;
            }
        })
        .await
        .expect("they go");
    }

    fn untyped(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(
            self.client.clone(),
            namespace,
            &ApiResource::erase::<Environment>(&()),
        )
    }

    // Requests to previews.

    pub async fn get(&self, namespace: &str) -> (u16, String) {
        self.get_path(namespace, "/").await
    }

    pub async fn get_path(&self, namespace: &str, path: &str) -> (u16, String) {
        request(self.ingress_port(), namespace, path).await
    }

    /// Asks every 50 ms until it is stopped.
    pub fn ask_all_the_time(&self, namespace: &str) -> Asking {
        let stop = CancellationToken::new();
        let (port, namespace, stopped) = (self.ingress_port(), namespace.to_owned(), stop.clone());
        let task = tokio::spawn(async move {
            let mut answers = Vec::new();
            while !stopped.is_cancelled() {
                answers.push(request(port, &namespace, "/").await);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            answers
        });
        Asking { stop, task }
    }
}

pub struct Asking {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Vec<(u16, String)>>,
}

impl Asking {
    pub async fn stop(self) -> Vec<(u16, String)> {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}

/// Whether a kind lives in namespaces, told by its type.
pub trait ApiOf: Sized {
    fn api(client: Client, namespace: &str) -> Api<Self>;
}

impl<K> ApiOf for K
where
    K: Resource<DynamicType = ()>,
    K::Scope: ScopeOf<K>,
{
    fn api(client: Client, namespace: &str) -> Api<Self> {
        K::Scope::api(client, namespace)
    }
}

pub trait ScopeOf<K> {
    fn api(client: Client, namespace: &str) -> Api<K>;
}

impl<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>> ScopeOf<K>
    for NamespaceResourceScope
{
    fn api(client: Client, namespace: &str) -> Api<K> {
        Api::namespaced(client, namespace)
    }
}

impl<K: Resource<DynamicType = (), Scope = Self>> ScopeOf<K> for ClusterResourceScope {
    fn api(client: Client, _: &str) -> Api<K> {
        Api::all(client)
    }
}

/// None where it takes too long.
async fn wait<K>(api: Api<K>, name: &str, is: impl Fn(Option<&K>) -> bool) -> Option<Option<K>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let found = tokio::time::timeout(PATIENCE, await_condition(api, name, is)).await;
    found.ok().map(|found| found.unwrap())
}

async fn request(port: u16, namespace: &str, path: &str) -> (u16, String) {
    let attempt = async {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
        let text = format!(
            "GET {path} HTTP/1.1\r\nHost: {namespace}.localhost:{port}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(text.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    match tokio::time::timeout(Duration::from_secs(10), attempt).await {
        Ok(Ok(answer)) => {
            let code = answer
                .split_whitespace()
                .nth(1)
                .and_then(|code| code.parse().ok())
                .unwrap_or(0);
            let body = answer
                .split_once("\r\n\r\n")
                .map(|(_, body)| body.to_owned());
            (code, body.unwrap_or_default())
        }
        other => (0, format!("{other:?}")),
    }
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.com",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub fn condition(environment: &Environment, kind: &str) -> Condition {
    let conditions = environment
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    conditions
        .iter()
        .find(|c| c.type_ == kind)
        .cloned()
        .unwrap_or_else(|| Condition {
            type_: kind.to_owned(),
            status: "Unknown".to_owned(),
            reason: String::new(),
            message: String::new(),
            observed_generation: None,
            last_transition_time: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
                k8s_openapi::jiff::Timestamp::now(),
            ),
        })
}

fn speaks_of_the_present(environment: &Environment) -> bool {
    let annotation = |key: &str| environment.annotations().get(key);
    condition(environment, "Ready").observed_generation == environment.metadata.generation
        && annotation(labels::RETRY)
            .is_none_or(|retry| annotation(labels::OBSERVED_RETRY) == Some(retry))
}

fn phase(environment: &Environment) -> Option<&str> {
    environment.status.as_ref()?.phase.as_deref()
}

pub fn is_ready(environment: &Environment) -> bool {
    speaks_of_the_present(environment) && phase(environment) == Some("Ready")
}

pub fn is_failed(environment: &Environment) -> bool {
    speaks_of_the_present(environment) && phase(environment) == Some("Failed")
}

/// Whether what answers at the URL is this commit.
pub fn serves(environment: &Environment, commit: &str) -> bool {
    let available = condition(environment, "Available");
    available.status == "True" && available.message == format!("serving {commit}")
}
