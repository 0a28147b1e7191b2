//! The objects of the cluster and the rules by which they change: what stands behind the
//! Kubernetes API, for the API server, the node and the controllers alike.
//!
//! Every write goes through the same path, wherever it comes from: defaulting, validation,
//! admission (namespace, quota, limits), bookkeeping of metadata, the store.

mod apply;
mod error;
pub mod kinds;
mod patch;
mod schema;
mod selector;
mod store;
mod watch;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

pub use error::{ApiError, Cause};
pub use kinds::{Kind, Kinds, resource};
pub use selector::Selector;
use store::{Expect, Store, revision_of};
pub use watch::{Watch, WatchEvent, WatchFrom};

/// How often a write that met another write is tried again.
const ATTEMPTS: usize = 16;

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
        Ok(Self {
            store: Arc::new(Store::open(directory)?),
            kinds: Arc::new(Kinds::built_in()),
        })
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
        self.kinds.get(resource)?;
        let state = self.store.read();
        let items = state
            .list(resource, namespace)
            .filter(|object| selector.matches(object))
            .cloned()
            .collect();
        Ok(List {
            items,
            revision: state.revision(),
        })
    }

    /// Create an object. The name comes from its metadata (`name` or `generateName`).
    pub fn create(
        &self,
        resource: &str,
        namespace: &str,
        mut object: Value,
    ) -> Result<Arc<Value>, ApiError> {
        self.kinds.get(resource)?;
        let name = object["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if !namespace.is_empty() {
            object["metadata"]["namespace"] = namespace.into();
        }
        object["metadata"]["uid"] = uuid::Uuid::new_v4().to_string().into();
        self.store
            .put(
                resource,
                (namespace.to_owned(), name.clone()),
                Expect::Absent,
                object,
                |_| Ok(()),
            )?
            .ok_or_else(|| ApiError::AlreadyExists {
                resource: resource.to_owned(),
                name,
            })
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
        self.modify_part(resource, namespace, name, change)
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
        self.modify_part(resource, namespace, name, change)
    }

    fn modify_part(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        change: impl Fn(&mut Value),
    ) -> Result<Arc<Value>, ApiError> {
        for _ in 0..ATTEMPTS {
            let current = self.get(resource, namespace, name)?;
            let mut object = Value::clone(&current);
            change(&mut object);
            if object == *current {
                return Ok(current);
            }
            let key = (namespace.to_owned(), name.to_owned());
            let expect = Expect::Revision(revision_of(&current));
            if let Some(written) = self.store.put(resource, key, expect, object, |_| Ok(()))? {
                return Ok(written);
            }
        }
        Err(ApiError::modified(resource, name))
    }

    /// Delete an object, or begin to: a pod that runs, and an object with finalizers, get a
    /// `deletionTimestamp` and stay until the node or the finalizers' owners let them go.
    /// Returns the object as it is then, or its last state where it is gone.
    pub fn delete(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        _options: &DeleteOptions,
    ) -> Result<Arc<Value>, ApiError> {
        for _ in 0..ATTEMPTS {
            let current = self.get(resource, namespace, name)?;
            let key = (namespace.to_owned(), name.to_owned());
            if let Some(last) = self.store.remove(resource, &key, revision_of(&current))? {
                return Ok(last);
            }
        }
        Err(ApiError::modified(resource, name))
    }

    /// Watch the objects of a kind in one namespace, or in all.
    pub fn watch(
        &self,
        resource: &str,
        namespace: Option<&str>,
        selector: &Selector,
        from: WatchFrom,
    ) -> Result<Watch, ApiError> {
        self.kinds.get(resource)?;
        Watch::new(
            self.store.clone(),
            resource,
            namespace,
            selector.clone(),
            from,
        )
    }

    /// Tell people of something that happened to an object, as a core/v1 Event in its namespace.
    /// The same event again raises the count of the first. `type_` is `Normal` or `Warning`,
    /// `component` who tells it. A failure to store it is logged and otherwise without effect.
    pub fn record_event(
        &self,
        about: &Value,
        type_: &str,
        reason: &str,
        message: &str,
        component: &str,
    ) {
        let metadata = &about["metadata"];
        let namespace = metadata["namespace"].as_str().unwrap_or("default");
        let event = json!({
            "metadata": { "name": format!("{}.{:x}", metadata["name"].as_str().unwrap_or_default(), rand::random::<u64>()) },
            "type": type_, "reason": reason, "message": message,
            "source": { "component": component },
        });
        if let Err(error) = self.create(resource::EVENTS, namespace, event) {
            tracing::warn!(%error, reason, "an event could not be stored");
        }
    }
}
