//! The Kubernetes client: one cluster, reached through its API and nothing else.
//!
//! What answers may be a real Kubernetes or the embedded cluster; nothing here knows which. Every
//! call names what it attempted in its error.

mod client;
mod error;
mod events;
mod exec;
mod identity;
pub mod lease;
mod logs;
mod namespaces;
mod pods;
mod source;
mod watch;

pub use error::ClusterError;
pub use exec::{
    Exec, ExecError, ExecEvent, ExecInput, ExecOutput, ExecRequest, Finished, TerminalSize,
};
pub use identity::ServiceAccountName;
pub use logs::{LogEnd, LogLine, LogStream, stamped};
pub use pods::pod_view;
pub use source::ClusterSource;

use catalyst_crd::{Environment, Project};
use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};

/// One cluster. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    name: String,
    client: Client,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// The cluster that `client` speaks to, by the name that people know it by.
    #[must_use]
    pub fn new(name: impl Into<String>, client: Client) -> Self {
        Self {
            name: name.into(),
            client: client::impatient(client),
        }
    }

    /// Connects to the cluster that `source` describes. No request is made yet.
    ///
    /// # Errors
    /// [`ClusterError::NotConfigured`] when the source names no usable cluster.
    pub async fn connect(source: &ClusterSource) -> Result<Self, ClusterError> {
        let (name, config) = source.resolve().await?;
        let client = Client::try_from(config)
            .map_err(|e| ClusterError::new("set up a client for", &name, e))?;
        Ok(Self::new(name, client))
    }

    /// The name that people know it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The client beneath, for what this crate does not wrap.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The Environments of a project's namespace.
    #[must_use]
    pub fn environments(&self, namespace: &str) -> Api<Environment> {
        Api::namespaced(self.client(), namespace)
    }

    /// The Environments of every namespace.
    #[must_use]
    pub fn all_environments(&self) -> Api<Environment> {
        Api::all(self.client())
    }

    /// The Projects of a team's namespace.
    #[must_use]
    pub fn projects(&self, namespace: &str) -> Api<Project> {
        Api::namespaced(self.client(), namespace)
    }

    /// The Projects of every namespace.
    #[must_use]
    pub fn all_projects(&self) -> Api<Project> {
        Api::all(self.client())
    }

    /// Server-side applies `object` as `manager`, taking over fields that others hold. Applying
    /// the same object again changes nothing.
    ///
    /// # Errors
    /// What the API server answers, with the object's kind and name.
    pub async fn apply<K>(&self, api: &Api<K>, manager: &str, object: &K) -> Result<K, ClusterError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + std::fmt::Debug,
    {
        let name = object.name_any();
        api.patch(
            &name,
            &PatchParams::apply(manager).force(),
            &Patch::Apply(object),
        )
        .await
        .map_err(|e| ClusterError::new("apply", &described(object), e))
    }

    /// Deletes the object of this name; one that is not there counts as deleted.
    ///
    /// # Errors
    /// What the API server answers, other than 404.
    pub async fn delete<K>(&self, api: &Api<K>, name: &str) -> Result<(), ClusterError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        match api.delete(name, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(e) => match ClusterError::new("delete", &format!("{} {name}", K::kind(&())), e) {
                ClusterError::NotFound { .. } => Ok(()),
                other => Err(other),
            },
        }
    }

    /// Whether the API answers at all.
    ///
    /// # Errors
    /// [`ClusterError::Unreachable`] or what it answers instead of its version.
    pub async fn ping(&self) -> Result<(), ClusterError> {
        self.client
            .apiserver_version()
            .await
            .map(|_| ())
            .map_err(|e| ClusterError::new("reach", &format!("cluster {}", self.name), e))
    }

    /// Installs or updates the Environment and Project definitions, and waits until the API
    /// serves them.
    ///
    /// # Errors
    /// What the API server answers, or that it did not serve them within 30 s.
    pub async fn install_crds(&self) -> Result<(), ClusterError> {
        use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
        use kube::runtime::{conditions, wait::await_condition};

        let api: Api<CustomResourceDefinition> = Api::all(self.client());
        for crd in catalyst_crd::custom_resource_definitions() {
            self.apply(&api, catalyst_crd::labels::WEB_MANAGER, &crd)
                .await?;
            let name = crd.name_any();
            let established = await_condition(api.clone(), &name, conditions::is_crd_established());
            tokio::time::timeout(std::time::Duration::from_secs(30), established)
                .await
                .map_err(|_| ClusterError::TimedOut {
                    attempted: "establish",
                    on: format!("CustomResourceDefinition {name}"),
                })?
                .map_err(|e| ClusterError::Watch {
                    on: format!("CustomResourceDefinition {name}"),
                    source: Box::new(e),
                })?;
        }
        Ok(())
    }
}

/// `Kind namespace/name` for messages.
fn described<K: Resource<DynamicType = ()>>(object: &K) -> String {
    let name = object.name_any();
    match object.namespace() {
        Some(namespace) => format!("{} {namespace}/{name}", K::kind(&())),
        None => format!("{} {name}", K::kind(&())),
    }
}
