//! Starting and stopping a cluster, and how to reach it.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::api::{self, Identity, Tokens};
use crate::config::{LocalKubeConfig, StartError};
use crate::objects::Objects;
use crate::tasks::Tasks;
use crate::{controllers, ingress, node};

/// A running cluster. It lives until [`LocalKube::shutdown`], or until the process ends; its data
/// folder holds all it needs to go on where it stopped.
pub struct LocalKube {
    api: SocketAddr,
    ingress: SocketAddr,
    token: String,
    authority: String,
    objects: Objects,
    tasks: Tasks,
}

impl LocalKube {
    /// Start a cluster. When this returns, the API and the ingress answer.
    pub async fn start(config: LocalKubeConfig) -> Result<Self, StartError> {
        let file = |action, path: &std::path::Path| {
            let path = path.to_owned();
            move |source| StartError::File {
                action,
                path,
                source,
            }
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&config.data_dir)
            .map_err(file("create the folder", &config.data_dir))?;
        let folder = config.data_dir.join("objects");
        let objects =
            Objects::open(Some(&folder)).map_err(file("open the objects kept in", &folder))?;
        let tokens = Tokens::open(&config.data_dir)?;
        let token = tokens.admin().to_owned();
        let identity = Identity::open(&config.data_dir)?;
        let authority = identity.authority().to_owned();
        let tasks = Tasks::new();
        objects.start(&tasks);
        let started = async {
            let node = node::start(&objects, &tokens, &config, &tasks).await?;
            controllers::start(&objects, &config, &tasks);
            let ingress = ingress::start(&objects, node.clone(), &config, &tasks).await?;
            let api = api::start(&objects, node, tokens, &identity, &config, &tasks).await?;
            Ok((api, ingress))
        };
        match started.await {
            Ok((api, ingress)) => Ok(Self {
                api,
                ingress,
                token,
                authority,
                objects,
                tasks,
            }),
            Err(error) => {
                // What did start must not outlive the failure.
                tasks.shutdown().await;
                Err(error)
            }
        }
    }

    /// Where the Kubernetes API is, such as `https://127.0.0.1:6443`.
    pub fn api_url(&self) -> String {
        format!("https://{}", self.api)
    }

    /// The bearer token of the administrator, who may do everything.
    pub fn admin_token(&self) -> &str {
        &self.token
    }

    /// Where Ingresses are served.
    pub fn ingress_addr(&self) -> SocketAddr {
        self.ingress
    }

    /// A kubeconfig for the administrator, as a JSON value (which is YAML too). It holds the
    /// token: a file of it must have mode 0600.
    pub fn kubeconfig(&self) -> Value {
        let name = "catalyst-local";
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{
                "name": name,
                "cluster": {
                    "server": self.api_url(),
                    "certificate-authority-data": BASE64_STANDARD.encode(&self.authority),
                },
            }],
            "users": [{ "name": name, "user": { "token": self.token } }],
            "contexts": [{
                "name": name,
                "context": { "cluster": name, "user": name, "namespace": "default" },
            }],
            "current-context": name,
        })
    }

    /// The objects behind the API, for tests that look at what only the cluster itself sees.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Stop: pods' processes end, connections close, and everything is on disk.
    pub async fn shutdown(self) {
        self.tasks.shutdown().await;
    }
}
