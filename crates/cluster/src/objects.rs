//! Environments and Projects, one at a time.

use std::fmt::Debug;
use std::time::Duration;

use catalyst_crd::{Environment, Project};
use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Cluster, ClusterError};

/// How many objects one answer brings at most.
const PAGE: u32 = 500;

/// The namespaced objects of one kind in one cluster. Every error names the kind, the object and
/// the cluster.
#[derive(Debug, Clone)]
pub struct Objects<K> {
    cluster: Cluster,
    kind: std::marker::PhantomData<fn() -> K>,
}

/// The Environments of a cluster.
pub type EnvironmentClient = Objects<Environment>;
/// The Projects of a cluster.
pub type ProjectClient = Objects<Project>;

impl Cluster {
    /// The objects of a kind, as in `cluster.objects::<Environment>()`.
    #[must_use]
    pub fn objects<K>(&self) -> Objects<K> {
        Objects {
            cluster: self.clone(),
            kind: std::marker::PhantomData,
        }
    }
}

impl<K> Objects<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug,
{
    /// The object of this name; none where there is none.
    ///
    /// # Errors
    /// What the API server answers, other than 404.
    pub async fn get(&self, namespace: &str, name: &str) -> Result<Option<K>, ClusterError> {
        let found = self.api(namespace).get_opt(name).await;
        found.map_err(|e| self.failed("read", namespace, name, e))
    }

    /// The objects of a namespace, by name. A namespace that does not exist has none.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn list(&self, namespace: &str) -> Result<Vec<K>, ClusterError> {
        let on = || format!("{} of namespace {namespace}", K::plural(&()));
        self.pages(&self.api(namespace), on).await
    }

    /// The objects of every namespace, by namespace and name.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn list_all(&self) -> Result<Vec<K>, ClusterError> {
        let on = || format!("{} of all namespaces", K::plural(&()));
        self.pages(&Api::all(self.cluster.client()), on).await
    }

    /// Makes the object, in the namespace that it names.
    ///
    /// # Errors
    /// What the API server answers; [`ClusterError::is_conflict`] where there is one of its name.
    pub async fn create(&self, object: &K) -> Result<K, ClusterError> {
        let (namespace, name) = place(object);
        let api = self.api(&namespace);
        let made = api.create(&PostParams::default(), object).await;
        made.map_err(|e| self.failed("create", &namespace, &name, e))
    }

    /// Replaces the object, if it still is at the `resourceVersion` that this one has.
    ///
    /// # Errors
    /// What the API server answers; [`ClusterError::is_conflict`] where it was changed meanwhile.
    pub async fn update(&self, object: &K) -> Result<K, ClusterError> {
        let (namespace, name) = place(object);
        let api = self.api(&namespace);
        let replaced = api.replace(&name, &PostParams::default(), object).await;
        replaced.map_err(|e| self.failed("update", &namespace, &name, e))
    }

    /// Changes the fields that `change` names, as a merge patch (RFC 7396): `null` removes.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn patch(
        &self,
        namespace: &str,
        name: &str,
        change: &Value,
    ) -> Result<K, ClusterError> {
        let (api, change) = (self.api(namespace), Patch::Merge(change));
        let patched = api.patch(name, &PatchParams::default(), &change).await;
        patched.map_err(|e| self.failed("change", namespace, name, e))
    }

    /// Server-side applies the object as `manager`; see [`Cluster::apply`].
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn apply(&self, manager: &str, object: &K) -> Result<K, ClusterError> {
        let (namespace, _) = place(object);
        let api = self.api(&namespace);
        self.cluster.apply(&api, manager, object).await
    }

    /// Deletes the object of this name; one that is not there counts as deleted. It is gone once
    /// its finalizers are.
    ///
    /// # Errors
    /// What the API server answers, other than 404.
    pub async fn delete(&self, namespace: &str, name: &str) -> Result<(), ClusterError> {
        let api = self.api(namespace);
        match api.delete(name, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(e) => Err(self.failed("delete", namespace, name, e)),
        }
    }

    /// Waits until the object of this name is gone, with its finalizers; one of the same name that
    /// was made anew counts as another one.
    ///
    /// # Errors
    /// [`ConnectionError::TimedOut`](crate::ConnectionError::TimedOut) after `patience`.
    pub async fn until_gone(
        &self,
        namespace: &str,
        name: &str,
        patience: Duration,
    ) -> Result<(), ClusterError>
    where
        K: Send + 'static,
    {
        let on = format!("{} {namespace}/{name}", K::kind(&()));
        let api = self.api(namespace);
        self.cluster.until_gone(api, name, on, patience).await
    }

    fn api(&self, namespace: &str) -> Api<K> {
        Api::namespaced(self.cluster.client(), namespace)
    }

    async fn pages(&self, api: &Api<K>, on: impl Fn() -> String) -> Result<Vec<K>, ClusterError> {
        let mut params = ListParams::default().limit(PAGE);
        let mut items = Vec::new();
        loop {
            let page = match api.list(&params).await {
                Ok(page) => page,
                // The list changed so much that its rest is forgotten: it is read once more.
                Err(kube::Error::Api(status)) if status.code == 410 && !items.is_empty() => {
                    let whole = api.list(&ListParams::default()).await;
                    return whole
                        .map(|list| list.items)
                        .map_err(|e| self.cluster.failed("list", on(), e));
                }
                Err(e) => return Err(self.cluster.failed("list", on(), e)),
            };
            items.extend(page.items);
            match page.metadata.continue_.filter(|it| !it.is_empty()) {
                Some(rest) => params = ListParams::default().limit(PAGE).continue_token(&rest),
                None => return Ok(items),
            }
        }
    }

    fn failed(
        &self,
        verb: &'static str,
        namespace: &str,
        name: &str,
        e: kube::Error,
    ) -> ClusterError {
        let on = format!("{} {namespace}/{name}", K::kind(&()));
        self.cluster.failed(verb, on, e)
    }
}

fn place<K: Resource>(object: &K) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}
