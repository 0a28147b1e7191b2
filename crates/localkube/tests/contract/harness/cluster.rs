//! The cluster that the tests of this run ask.

use std::io::Write;
use std::sync::{Arc, Mutex, Weak};

use catalyst_localkube::{LocalKube, LocalKubeConfig};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;

/// Names the kubeconfig of another cluster to run against.
const KUBECONFIG: &str = "CATALYST_CONTRACT_KUBECONFIG";

/// One cluster for all tests that run at the same time.
#[derive(Clone)]
pub(super) enum Cluster {
    Embedded(Arc<Embedded>),
    /// That of a kubeconfig's path.
    Given(String),
}

impl Cluster {
    pub fn get() -> Self {
        if let Ok(path) = std::env::var(KUBECONFIG) {
            return Self::Given(path);
        }
        static SHARED: Mutex<Weak<Embedded>> = Mutex::new(Weak::new());
        let mut shared = SHARED
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(running) = shared.upgrade() {
            return Self::Embedded(running);
        }
        let started = Arc::new(Embedded::start());
        *shared = Arc::downgrade(&started);
        Self::Embedded(started)
    }

    pub async fn client(&self) -> kube::Client {
        let kubeconfig = match self {
            Self::Embedded(embedded) => {
                serde_json::from_value(embedded.kubeconfig.clone()).unwrap()
            }
            Self::Given(path) => Kubeconfig::read_from(path).unwrap(),
        };
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options);
        let mut config = config.await.unwrap();
        // Watches and logs that are followed are quiet for a while.
        config.read_timeout = None;
        // Each answer is looked at as it came, also one that a client would ask for again.
        config.default_retry = false;
        kube::Client::try_from(config).unwrap()
    }

    /// Deletes what a test leaves behind. The embedded cluster goes as a whole.
    pub fn remove(&self, paths: Vec<String>) {
        let Self::Given(_) = self else { return };
        let cluster = self.clone();
        let work = async move {
            let client = cluster.client().await;
            for path in paths {
                let body = kube::client::Body::empty();
                let request = http::Request::delete(path.as_str()).body(body).unwrap();
                let _ = client.send(request).await;
            }
        };
        in_thread(move || runtime().block_on(work));
    }
}

/// An embedded cluster on threads of its own, since each test has a runtime that ends with it.
pub(super) struct Embedded {
    kubeconfig: Value,
    running: Option<(tokio::runtime::Runtime, LocalKube, tempfile::TempDir)>,
}

impl Embedded {
    fn start() -> Self {
        in_thread(|| {
            let folder = tempfile::tempdir().unwrap();
            let mut config = LocalKubeConfig::new(folder.path());
            config.allow_weak_isolation = true;
            let runtime = runtime();
            let kube = runtime.block_on(LocalKube::start(config)).unwrap();
            Self {
                kubeconfig: kube.kubeconfig(),
                running: Some((runtime, kube, folder)),
            }
        })
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Some((runtime, kube, folder)) = self.running.take() {
            in_thread(move || {
                runtime.block_on(kube.shutdown());
                drop(folder);
            });
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Blocking work, which a test's runtime forbids on its own threads.
fn in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(work).join().unwrap()
}

/// A line for whoever runs the tests, also of those that pass.
pub(super) fn say(line: &str) {
    // `eprintln` would be kept back with a passing test's output.
    let _ = writeln!(std::io::stderr(), "{line}");
}
