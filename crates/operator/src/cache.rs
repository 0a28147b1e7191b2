//! What the operator has seen of the cluster, kept fresh by watches, and the way to change it.
//!
//! Every kind that the operator makes is watched across namespaces by its label. A pass over an
//! Environment reads from here alone, and writes only where what is seen differs from what is
//! wanted: a pass that finds all in order costs no request.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use catalyst_crd::{Project, labels};
use futures::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    ConfigMap, LimitRange, Namespace, PersistentVolumeClaim, Pod, ResourceQuota, Secret, Service,
    ServiceAccount,
};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::desired::digest;
use crate::error::Error;

/// A watched kind: the cache and the events that fill it.
pub(crate) type Watched<K> = (
    Store<K>,
    std::pin::Pin<Box<dyn Stream<Item = Result<K, watcher::Error>> + Send>>,
);

/// Watches a kind, all namespaces; the stream fills the store while it is polled.
pub(crate) fn watch<K>(client: &Client, selector: &str) -> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let (reader, writer) = store();
    let stream = catalyst_cluster::watch::watch(Api::<K>::all(client.clone()), selector)
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .touched_objects();
    (reader, stream.boxed())
}

/// Watches the objects of one name, all namespaces.
pub(crate) fn watch_named<K>(client: &Client, name: &str) -> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let (reader, writer) = store();
    let stream = catalyst_cluster::watch::watch_named(Api::<K>::all(client.clone()), name)
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .touched_objects();
    (reader, stream.boxed())
}

/// The label of everything that the operator makes inside an Environment's namespace.
pub(crate) fn made_by_us() -> String {
    format!("{}={}", labels::MANAGED_BY, labels::MANAGER)
}

/// The caches.
#[derive(Clone)]
#[allow(
    missing_docs,
    reason = "each is the cache of the kind that its type names"
)]
pub(crate) struct Caches {
    pub projects: Store<DeserializeGuard<Project>>,
    /// Every namespace of Catalyst's hierarchy, not only the operator's own.
    pub namespaces: Store<Namespace>,
    /// The credentials of registries, those that teams keep and those that previews got of them. Of
    /// Secrets, these alone are read.
    pub registry_credentials: Store<Secret>,
    pub quotas: Store<ResourceQuota>,
    pub limits: Store<LimitRange>,
    pub policies: Store<NetworkPolicy>,
    pub ingresses: Store<Ingress>,
    pub services: Store<Service>,
    pub accounts: Store<ServiceAccount>,
    pub config_maps: Store<ConfigMap>,
    pub claims: Store<PersistentVolumeClaim>,
    pub deployments: Store<Deployment>,
    pub stateful_sets: Store<StatefulSet>,
    pub jobs: Store<Job>,
    pub pods: Store<Pod>,
}

impl Caches {
    /// Until each has seen the whole of its kind once. For one task only: of several that wait for
    /// a store, kube wakes the last.
    async fn ready(&self) -> Result<(), Error> {
        macro_rules! wait {
            ($($field:ident),*) => {
                $(self.$field.wait_until_ready().await.map_err(|_| Error::ShuttingDown)?;)*
            };
        }
        wait!(
            projects,
            namespaces,
            registry_credentials,
            quotas,
            limits,
            policies,
            ingresses,
            services,
            accounts,
            config_maps,
            claims,
            deployments,
            stateful_sets,
            jobs,
            pods
        );
        Ok(())
    }

    /// The pods of a namespace.
    pub fn pods_in(&self, namespace: &str) -> Vec<Arc<Pod>> {
        self.pods
            .state_filter(|pod| pod.metadata.namespace.as_deref() == Some(namespace))
    }
}

/// A kind that has a cache.
pub(crate) trait Cached:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Serialize
    + DeserializeOwned
    + Clone
    + Debug
    + Send
    + Sync
    + 'static
{
    fn store(caches: &Caches) -> &Store<Self>;
}

macro_rules! cached {
    ($($kind:ty => $field:ident),* $(,)?) => {
        $(impl Cached for $kind {
            fn store(caches: &Caches) -> &Store<Self> { &caches.$field }
        })*
    };
}
cached! {
    ResourceQuota => quotas,
    LimitRange => limits,
    NetworkPolicy => policies,
    Ingress => ingresses,
    Service => services,
    ServiceAccount => accounts,
    ConfigMap => config_maps,
    PersistentVolumeClaim => claims,
    Deployment => deployments,
    StatefulSet => stateful_sets,
    Job => jobs,
}

/// The cluster as the controllers use it.
pub(crate) struct Cluster {
    pub client: Client,
    pub caches: Caches,
    /// What was last applied, by kind, namespace and name: a field that is no longer wanted is
    /// missing in no comparison, so a new version is always applied once.
    applied: Mutex<HashMap<(String, String, String), String>>,
    ready: OnceCell<()>,
}

impl Cluster {
    pub fn new(client: Client, caches: Caches) -> Self {
        Self {
            client,
            caches,
            applied: Mutex::default(),
            ready: OnceCell::new(),
        }
    }

    /// Until the caches hold what the cluster held at some moment after the start.
    pub async fn ready(&self) -> Result<(), Error> {
        self.ready
            .get_or_try_init(|| self.caches.ready())
            .await
            .copied()
    }

    /// Brings an object to what is wanted by server-side apply, unless it already is.
    pub async fn ensure<K: Cached>(&self, wanted: &K) -> Result<Arc<K>, Error> {
        let (namespace, name) = (wanted.namespace().unwrap_or_default(), wanted.name_any());
        let kind = K::kind(&()).into_owned();
        let version = digest(wanted);
        let key = (kind.clone(), namespace.clone(), name.clone());
        let seen = K::store(&self.caches).get(&ObjectRef::new(&name).within(&namespace));
        if let Some(seen) = seen
            && seen.meta().deletion_timestamp.is_none()
            && self.applied().get(&key) == Some(&version)
            && holds(&json(seen.as_ref()), &json(wanted))
        {
            return Ok(seen);
        }
        let api: Api<K> = Api::namespaced(self.client.clone(), &namespace);
        let object = api
            .patch(
                &name,
                &PatchParams::apply(labels::MANAGER).force(),
                &Patch::Apply(wanted),
            )
            .await
            .map_err(Error::api("apply", format!("{kind} {namespace}/{name}")))?;
        self.applied().insert(key, version);
        Ok(Arc::new(object))
    }

    /// Deletes an object with what belongs to it. One that is gone already is fine.
    pub async fn delete<K: Cached>(&self, namespace: &str, name: &str) -> Result<(), Error> {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        match api.delete(name, &DeleteParams::background()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(Error::api(
                "delete",
                format!("{} {namespace}/{name}", K::kind(&())),
            )(error)),
        }
    }

    /// Applies a Secret unless this very version was applied before. Secrets are not watched, so
    /// nothing is compared.
    pub async fn ensure_unseen(&self, wanted: &Secret) -> Result<(), Error> {
        let (namespace, name) = (wanted.namespace().unwrap_or_default(), wanted.name_any());
        let version = digest(wanted);
        let key = ("Secret".to_owned(), namespace.clone(), name.clone());
        if self.applied().get(&key) == Some(&version) {
            return Ok(());
        }
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &namespace);
        api.patch(
            &name,
            &PatchParams::apply(labels::MANAGER).force(),
            &Patch::Apply(wanted),
        )
        .await
        .map_err(Error::api("apply", format!("Secret {namespace}/{name}")))?;
        self.applied().insert(key, version);
        Ok(())
    }

    /// Applies a Secret in the name of another than the operator's usual: what is applied later
    /// without the keys of this one leaves them.
    pub async fn apply_as(&self, manager: &str, wanted: &Secret) -> Result<(), Error> {
        let (namespace, name) = (wanted.namespace().unwrap_or_default(), wanted.name_any());
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &namespace);
        api.patch(
            &name,
            &PatchParams::apply(manager).force(),
            &Patch::Apply(wanted),
        )
        .await
        .map(drop)
        .map_err(Error::api("apply", format!("Secret {namespace}/{name}")))
    }

    /// Deletes a Secret that was applied by [`Self::ensure_unseen`]. One that is gone is fine.
    pub async fn delete_unseen(&self, namespace: &str, name: &str) -> Result<(), Error> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        match api.delete(name, &DeleteParams::background()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => {
                return Err(Error::api("delete", format!("Secret {namespace}/{name}"))(
                    error,
                ));
            }
        }
        self.applied()
            .remove(&("Secret".to_owned(), namespace.to_owned(), name.to_owned()));
        Ok(())
    }

    /// Forgets what was applied in a namespace that is gone.
    pub fn forget(&self, namespace: &str) {
        self.applied().retain(|(_, of, _), _| of != namespace);
    }

    fn applied(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String, String), String>> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn json(object: &impl Serialize) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

/// Whether `seen` has all that is `wanted`, whatever else defaulting or others added to it. Lists
/// must be of equal length. What the API server writes in another form is taken for different,
/// which costs an apply that changes nothing.
fn holds(seen: &Value, wanted: &Value) -> bool {
    match (seen, wanted) {
        (Value::Object(seen), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| match seen.get(key) {
                Some(seen) => holds(seen, wanted),
                None => is_nothing(wanted),
            })
        }
        (Value::Array(seen), Value::Array(wanted)) => {
            seen.len() == wanted.len()
                && seen
                    .iter()
                    .zip(wanted)
                    .all(|(seen, wanted)| holds(seen, wanted))
        }
        (seen, wanted) => seen == wanted,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::holds;

    #[test]
    fn what_was_added_by_others_does_not_matter() {
        let wanted = json!({ "spec": { "ports": [{ "port": 80 }], "selector": { "app": "web" } } });
        let seen = json!({ "spec": { "ports": [{ "port": 80, "protocol": "TCP" }], "selector": { "app": "web" }, "clusterIP": "10.0.0.1" }, "status": {} });
        assert!(holds(&seen, &wanted));
    }

    #[test]
    fn what_was_changed_or_taken_away_does() {
        let wanted = json!({ "spec": { "ports": [{ "port": 80 }], "selector": { "app": "web" } } });
        for seen in [
            json!({ "spec": { "ports": [{ "port": 81 }], "selector": { "app": "web" } } }),
            json!({ "spec": { "ports": [], "selector": { "app": "web" } } }),
            json!({ "spec": { "ports": [{ "port": 80 }, { "port": 22 }], "selector": { "app": "web" } } }),
            json!({ "spec": { "ports": [{ "port": 80 }] } }),
            json!({}),
        ] {
            assert!(!holds(&seen, &wanted), "{seen}");
        }
    }
}
