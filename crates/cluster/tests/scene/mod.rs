//! A cluster to test against: the embedded one, or the one whose kubeconfig
//! `CATALYST_TEST_KUBECONFIG` names.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses its part, and fails where it stands"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use catalyst_cluster::Cluster;
use catalyst_localkube::{LocalKube, LocalKubeConfig};
use catalyst_testkit::proxy::Proxy;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{DeleteParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client, Config};
use serde_json::{Value, json};

/// Nothing here takes that long; a machine that is busy with other tests may.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// An image for pods that run `sh`: any in the embedded cluster, which has no images.
pub fn image() -> String {
    std::env::var("CATALYST_TEST_IMAGE").unwrap_or_else(|_| "busybox:1.36".to_owned())
}

pub struct Scene {
    pub cluster: Cluster,
    /// A namespace of this test's own.
    pub namespace: String,
    config: Config,
    embedded: Option<(LocalKube, tempfile::TempDir)>,
}

impl Scene {
    pub async fn start() -> Self {
        let _ = rustls_provider();
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let (kubeconfig, embedded) = match std::env::var_os("CATALYST_TEST_KUBECONFIG") {
            Some(path) => (kube::config::Kubeconfig::read_from(path).unwrap(), None),
            None => {
                let folder = tempfile::tempdir().unwrap();
                let started = LocalKube::start(LocalKubeConfig::new(folder.path())).await;
                let embedded = started.unwrap();
                let kubeconfig = serde_json::from_value(embedded.kubeconfig()).unwrap();
                (kubeconfig, Some((embedded, folder)))
            }
        };
        let options = kube::config::KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .unwrap();
        let cluster = Cluster::new("test", Client::try_from(config.clone()).unwrap());
        let namespace = format!("catalyst-test-{}", unique());
        let scene = Self {
            cluster,
            namespace,
            config,
            embedded,
        };
        scene.make_namespace(&scene.namespace).await;
        scene
    }

    /// With the definitions of Environment and Project.
    pub async fn with_definitions() -> Self {
        let scene = Self::start().await;
        scene.cluster.install_crds().await.unwrap();
        scene
    }

    /// Another client for the same cluster, through a proxy that can be broken.
    pub async fn through_proxy(&self) -> (Cluster, Proxy) {
        let url = &self.config.cluster_url;
        let target = format!("{}:{}", url.host().unwrap(), url.port_u16().unwrap_or(443));
        let target: SocketAddr = tokio::net::lookup_host(target)
            .await
            .unwrap()
            .next()
            .unwrap();
        let proxy = Proxy::to(target).await;
        let mut config = self.config.clone();
        // The certificate names the server, not the proxy.
        config.tls_server_name = Some(url.host().unwrap().to_owned());
        config.cluster_url = format!("{}://{}", url.scheme_str().unwrap(), proxy.address)
            .parse()
            .unwrap();
        let cluster = Cluster::new("through a proxy", Client::try_from(config).unwrap());
        (cluster, proxy)
    }

    pub async fn make_namespace(&self, name: &str) {
        let namespace: Namespace =
            serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        let api: Api<Namespace> = Api::all(self.cluster.client());
        api.create(&PostParams::default(), &namespace)
            .await
            .unwrap();
    }

    /// Makes a pod in the test's namespace.
    pub async fn pod(&self, name: &str, spec: Value) -> Pod {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "name": name, "labels": { "app": name } },
            "spec": spec,
        }))
        .unwrap();
        self.pods()
            .create(&PostParams::default(), &pod)
            .await
            .unwrap()
    }

    /// Makes a pod whose only container `main` runs this script.
    pub async fn script(&self, name: &str, script: &str) {
        let container =
            json!({ "name": "main", "image": image(), "command": ["sh", "-c", script] });
        let spec = json!({
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": false, "containers": [container],
        });
        self.pod(name, spec).await;
    }

    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.cluster.client(), &self.namespace)
    }

    pub async fn until_pod(&self, name: &str, is: impl Fn(&Pod) -> bool) -> Pod {
        let condition = |pod: Option<&Pod>| pod.is_some_and(&is);
        let found =
            tokio::time::timeout(PATIENCE, await_condition(self.pods(), name, condition)).await;
        match found {
            Ok(found) => found.unwrap().unwrap(),
            Err(_) => panic!(
                "{name} did not get there: {:#?}",
                self.pods().get_opt(name).await
            ),
        }
    }

    pub async fn until_running(&self, name: &str) -> Pod {
        self.until_pod(name, |pod| phase(pod) == Some("Running"))
            .await
    }

    pub async fn stop(self) {
        let api: Api<Namespace> = Api::all(self.cluster.client());
        let _ = api
            .delete(&self.namespace, &DeleteParams::background())
            .await;
        if let Some((embedded, _folder)) = self.embedded {
            embedded.shutdown().await;
        }
    }
}

pub fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}

/// Waits for a condition that no watch tells of.
pub async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !is().await {
        assert!(began.elapsed() < PATIENCE, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}

fn unique() -> String {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    format!("{}-{}", std::process::id(), nanos % 1_000_000_000)
}

/// Two crates bring rustls; this names the implementation that both are to use.
fn rustls_provider() -> Result<(), impl Sized> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(drop)
}
