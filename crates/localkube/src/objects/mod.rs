//! The objects of the cluster and the rules by which they change: what stands behind the
//! Kubernetes API, for the API server, the node and the controllers alike.
//!
//! Every write goes through the same path, wherever it comes from: defaulting, validation,
//! admission (namespace, quota, limits), bookkeeping of metadata, the store.

mod admission;
mod apply;
mod cel;
mod collector;
mod crd;
mod defaults;
pub(crate) mod delete;
mod error;
mod events;
pub mod kinds;
mod log;
pub mod metadata;
mod namespaces;
pub(crate) mod patch;
mod pod_security;
pub mod quantity;
mod quota;
pub(crate) mod schema;
mod selector;
mod store;
mod validate;
mod watch;
pub(crate) mod write;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

pub use error::{ApiError, Cause};
pub use kinds::{Kind, Kinds, resource};
pub use quantity::Quantity;
pub use selector::Selector;
use store::Store;
pub use watch::{Watch, WatchEvent, WatchFrom};
use write::{Part, WriteOptions};

/// How often a write that met another write is tried again.
const ATTEMPTS: usize = 16;

/// The namespaces that every cluster has.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// All objects of the cluster. Cloning is cheap and shares them.
///
/// Calls do not block on anything but memory and a short write to the log file, so they may be
/// made from async code. `resource` is a key such as `pods` or `deployments.apps` (see
/// [`resource`]); `namespace` is empty for cluster-scoped kinds. Objects are plain JSON in the
/// kind's storage version, shared and never changed in place.
#[derive(Clone)]
pub struct Objects {
    store: Arc<Store>,
    kinds: Arc<Kinds>,
    /// Held while a CRD is written, so that the table of kinds follows in the same order.
    crds: Arc<Mutex<()>>,
}

/// The objects of a kind at one moment.
#[derive(Debug, Clone)]
pub struct List {
    /// The selected objects, by namespace and name.
    pub items: Vec<Arc<Value>>,
    /// The moment; a watch from here misses nothing.
    pub revision: u64,
}

/// What becomes of objects that are owned by a deleted one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted after it.
    #[default]
    Background,
    /// They are deleted before it goes.
    Foreground,
    /// They stay, without the reference to it.
    Orphan,
}

/// How to delete an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Seconds that a pod has to end; none: what the pod's spec says. With 0 the object goes at
    /// once (finalizers still hold it), which is how the node says that a pod has ended.
    pub grace_period_seconds: Option<i64>,
    /// What becomes of what it owns.
    pub propagation: Propagation,
    /// Only if the object has this uid.
    pub uid: Option<String>,
    /// Only if the object has this resource version.
    pub resource_version: Option<String>,
}

impl DeleteOptions {
    /// Remove this very object now: how the node reports a pod that has ended.
    pub fn now(uid: &str) -> Self {
        Self {
            grace_period_seconds: Some(0),
            uid: Some(uid.to_owned()),
            ..Self::default()
        }
    }
}

impl Objects {
    /// Open the objects kept in a directory; without one they live as long as the process.
    pub fn open(directory: Option<&Path>) -> std::io::Result<Self> {
        let objects = Self {
            store: Arc::new(Store::open(directory)?),
            kinds: Arc::new(Kinds::built_in()),
            crds: Arc::default(),
        };
        let crds = objects
            .list(
                resource::CUSTOM_RESOURCE_DEFINITIONS,
                None,
                &Selector::everything(),
            )
            .map_err(std::io::Error::other)?;
        for crd in crds.items {
            let kind = crd::kind_of(&crd).map_err(std::io::Error::other)?;
            objects.kinds.register(kind);
        }
        for name in NAMESPACES {
            let namespace = json!({ "metadata": { "name": name } });
            match objects.create(resource::NAMESPACES, "", namespace) {
                Err(error) if !error.is_already_exists() => {
                    return Err(std::io::Error::other(error));
                }
                _ => {}
            }
        }
        Ok(objects)
    }

    /// Start the work that goes on by itself: garbage collection, the end of namespaces and of
    /// custom kinds, quota figures, the expiry of events.
    pub fn start(&self, tasks: &crate::Tasks) {
        tasks.spawn(collector::run(self.clone()));
        tasks.spawn(quota::run(self.clone()));
        tasks.spawn(events::expire(self.clone()));
    }

    fn crd_lock(&self, kind: &Kind) -> Option<MutexGuard<'_, ()>> {
        (kind.resource() == resource::CUSTOM_RESOURCE_DEFINITIONS)
            .then(|| self.crds.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The table of kinds.
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// The newest resource version of the cluster.
    pub fn revision(&self) -> u64 {
        self.store.revision()
    }

    /// An object.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Result<Arc<Value>, ApiError> {
        self.store
            .read()
            .get(resource, &(namespace.to_owned(), name.to_owned()))
            .cloned()
            .ok_or_else(|| ApiError::not_found(resource, name))
    }

    /// The objects of a kind in one namespace, or in all.
    pub fn list(
        &self,
        resource: &str,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<List, ApiError> {
        let resource = self.kinds.get(resource)?.stored_in();
        let state = self.store.read();
        let items = state
            .list(&resource, namespace)
            .filter(|object| selector.matches(object))
            .cloned()
            .collect();
        Ok(List {
            items,
            revision: state.revision(),
        })
    }

    /// Create an object. The name comes from its metadata (`name` or `generateName`);
    /// `apiVersion` and `kind` may be left out. The status is not taken over where it is a
    /// subresource.
    pub fn create(
        &self,
        resource: &str,
        namespace: &str,
        object: Value,
    ) -> Result<Arc<Value>, ApiError> {
        let kind = self.kinds.get(resource)?;
        Ok(self
            .create_object(&kind, namespace, object, &WriteOptions::INTERNAL)?
            .object)
    }

    /// Replace an object's main part (its status stays as it is where status is a subresource).
    /// With a resource version in its metadata, only if the object still has it.
    pub fn update(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        object: Value,
    ) -> Result<Arc<Value>, ApiError> {
        self.modify(resource, namespace, name, |current| {
            *current = object.clone()
        })
    }

    /// Read, change and write an object, again where someone else wrote in between. The closure
    /// may run several times and decides on what it is given. Where it changes nothing, nothing
    /// is written. Changes to the status are left aside where status is a subresource.
    pub fn modify(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        change: impl Fn(&mut Value),
    ) -> Result<Arc<Value>, ApiError> {
        self.modify_part(resource, namespace, name, Part::Main, change)
    }

    /// Like [`Objects::modify`], for the status subresource: only `status` is taken from what the
    /// closure leaves.
    pub fn modify_status(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        change: impl Fn(&mut Value),
    ) -> Result<Arc<Value>, ApiError> {
        self.modify_part(resource, namespace, name, Part::Status, change)
    }

    fn modify_part(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        part: Part,
        change: impl Fn(&mut Value),
    ) -> Result<Arc<Value>, ApiError> {
        let kind = self.kinds.get(resource)?;
        let change = |current: &Value| {
            let mut object = current.clone();
            change(&mut object);
            Ok(object)
        };
        let options = WriteOptions::INTERNAL;
        Ok(self
            .change_object(&kind, namespace, name, part, &options, &change)?
            .object)
    }

    /// Delete an object, or begin to: a pod that runs, and an object with finalizers, get a
    /// `deletionTimestamp` and stay until the node or the finalizers' owners let them go.
    /// Returns the object as it is then, or its last state where it is gone.
    pub fn delete(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Arc<Value>, ApiError> {
        let kind = self.kinds.get(resource)?;
        Ok(self
            .delete_object(&kind, namespace, name, options, false)?
            .object)
    }

    /// Watch the objects of a kind in one namespace, or in all.
    pub fn watch(
        &self,
        resource: &str,
        namespace: Option<&str>,
        selector: &Selector,
        from: WatchFrom,
    ) -> Result<Watch, ApiError> {
        let resource = self.kinds.get(resource)?.stored_in();
        Watch::new(
            self.store.clone(),
            &resource,
            namespace,
            selector.clone(),
            from,
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
