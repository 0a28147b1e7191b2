//! The Kubernetes client: clusters, each reached through its API and nothing else.
//!
//! What answers may be a real Kubernetes or the embedded cluster; nothing here knows which. Every
//! call names in its error what it attempted, on what, and in which cluster.
//!
//! - [`Clusters`] is the registry: those that this process is configured for, by name.
//! - [`Cluster`] is one of them: Environments and Projects ([`Objects`]), pods, logs, events,
//!   namespaces, watches, and whether it answers ([`Health`]).
//! - [`lease`] elects one leader among several processes.

mod client;
mod clusters;
mod error;
mod events;
mod exec;
mod follow;
mod gone;
mod health;
mod identity;
pub mod lease;
mod logs;
mod metrics;
mod namespaces;
mod objects;
mod pods;
mod source;
pub mod watch;

pub use clusters::{Clusters, Contexts};
pub use error::{Attempt, ClusterError, ConnectionError, KubernetesError, WatchError, chain};
pub use exec::{
    Exec, ExecError, ExecEvent, ExecInput, ExecOutput, ExecRequest, Finished, TerminalSize,
};
pub use follow::{NamespaceLog, PodLogLine};
pub use health::Health;
pub use identity::ServiceAccountName;
pub use logs::{LogEnd, LogLine, LogStream, MAX_TAIL, stamped};
pub use metrics::PodUsage;
pub use namespaces::held_up_by;
pub use objects::{EnvironmentClient, Objects, ProjectClient};
pub use pods::pod_view;
pub use source::{ClusterSource, IN_CLUSTER, LOCAL};

use std::sync::Arc;

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
    name: Arc<str>,
    client: Client,
    health: health::Record,
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
        let health = health::Record::default();
        Self {
            name: name.into().into(),
            client: client::impatient(client, &health),
            health,
        }
    }

    /// The name that people know it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it answers, as far as its own traffic tells.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.now()
    }

    /// Follows [`Cluster::health`]: told when it falls silent, and when it answers again.
    #[must_use]
    pub fn follow_health(&self) -> tokio::sync::watch::Receiver<Health> {
        self.health.follow()
    }

    /// What an error is to say of a call that is not wrapped here.
    #[must_use]
    pub fn attempt(&self, verb: &'static str, on: impl Into<Box<str>>) -> Attempt {
        Attempt {
            verb,
            on: on.into(),
            cluster: self.name().into(),
        }
    }

    /// The client's error as ours, for a call that is not wrapped here.
    #[must_use]
    pub fn failed(
        &self,
        verb: &'static str,
        on: impl Into<Box<str>>,
        error: kube::Error,
    ) -> ClusterError {
        ClusterError::new(self.attempt(verb, on), error)
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
        .map_err(|e| self.failed("apply", described(object), e))
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
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(e) => Err(self.failed("delete", format!("{} {name}", K::kind(&())), e)),
        }
    }

    /// Whether the API answers at all.
    ///
    /// # Errors
    /// [`ConnectionError`] or what it answers instead of its version.
    pub async fn ping(&self) -> Result<(), ClusterError> {
        self.client
            .apiserver_version()
            .await
            .map(|_| ())
            .map_err(|e| self.failed("reach", "the API server", e))
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
                .map_err(|_| ConnectionError::TimedOut {
                    attempt: self.attempt("establish", format!("CustomResourceDefinition {name}")),
                })?
                .map_err(|e| WatchError {
                    on: format!("CustomResourceDefinition {name}"),
                    cluster: self.name().to_owned(),
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
