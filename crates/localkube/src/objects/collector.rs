//! Garbage collection: objects whose owners are gone, owners that wait for what they own,
//! namespaces and custom kinds that are being deleted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::delete::{FOREGROUND, ORPHAN};
use super::kinds::resource;
use super::metadata::{finalizers, is_terminating};
use super::namespaces::ignore_absent;
use super::store::{Change, Place, owner_uids};
use super::{ApiError, DeleteOptions, Objects, Propagation, Selector, crd};

/// How long to wait before a step that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What is to be looked at, each once.
#[derive(Debug, Default)]
struct Work {
    /// Objects with owners, or that wait for what they own.
    objects: BTreeSet<Place>,
    /// Namespaces that end.
    namespaces: BTreeSet<String>,
    /// CRDs that end.
    crds: BTreeSet<String>,
}

pub(super) async fn run(objects: Objects) {
    let mut feed = objects.store.feed();
    let mut work = Work::default();
    // What was under way when the process last ended.
    let all: Vec<(Place, Arc<Value>)> = objects
        .store
        .read()
        .all()
        .map(|(resource, key, object)| ((resource.clone(), key.clone()), object.clone()))
        .collect();
    for (place, object) in all {
        work.add_object(&objects, place, &object);
    }
    loop {
        let failed = work.run(&objects);
        let change = if failed {
            tokio::time::timeout(RETRY, feed.recv()).await.ok()
        } else {
            Some(feed.recv().await)
        };
        match change {
            None => {}
            Some(None) => return,
            Some(Some(change)) => work.add(&objects, &change),
        }
        while let Ok(change) = feed.try_recv() {
            work.add(&objects, &change);
        }
    }
}

impl Work {
    fn add(&mut self, objects: &Objects, change: &Change) {
        let state = objects.store.read();
        let uid = change.object["metadata"]["uid"]
            .as_str()
            .unwrap_or_default();
        if change.deleted {
            self.objects.extend(state.dependents(uid).cloned());
            // Owners and containers may have waited for this one.
            let owners = owner_uids(&change.object).filter_map(|uid| state.find_uid(uid));
            self.objects.extend(owners.cloned());
            let namespace = (String::new(), change.key.0.clone());
            if state
                .get(resource::NAMESPACES, &namespace)
                .is_some_and(|object| is_terminating(object))
            {
                self.namespaces.insert(change.key.0.clone());
            }
            let crd = (String::new(), change.resource.to_string());
            if state
                .get(resource::CUSTOM_RESOURCE_DEFINITIONS, &crd)
                .is_some_and(|object| is_terminating(object))
            {
                self.crds.insert(crd.1);
            }
            return;
        }
        drop(state);
        let place = (change.resource.clone(), change.key.clone());
        self.add_object(objects, place, &change.object);
    }

    fn add_object(&mut self, objects: &Objects, place: Place, object: &Value) {
        if is_terminating(object) {
            match &*place.0 {
                resource::NAMESPACES => {
                    self.namespaces.insert(place.1.1.clone());
                }
                resource::CUSTOM_RESOURCE_DEFINITIONS => {
                    self.crds.insert(place.1.1.clone());
                }
                _ => {}
            }
        }
        let state = objects.store.read();
        let mut owners = owner_uids(object);
        // Most objects have living owners that wait for nothing; they need no second look.
        let stale = owners.any(|uid| {
            state
                .find_uid(uid)
                .and_then(|(resource, key)| state.get(resource, key))
                .is_none_or(|owner| is_terminating(owner))
        });
        let waits = is_terminating(object)
            && finalizers(object).any(|name| name == FOREGROUND || name == ORPHAN);
        if stale || waits {
            self.objects.insert(place);
        }
    }

    /// Do what is to be done; what failed stays. Says whether anything did.
    fn run(&mut self, objects: &Objects) -> bool {
        let mut failed = Self::default();
        let report = |what: &str, name: &str, result: Result<(), ApiError>| {
            let result = ignore_absent(result);
            if let Err(error) = &result {
                tracing::warn!(%error, what, name, "garbage collection failed and is tried again");
            }
            result.is_err()
        };
        for place in std::mem::take(&mut self.objects) {
            if report("object", &place.1.1, objects.collect(&place)) {
                failed.objects.insert(place);
            }
        }
        for namespace in std::mem::take(&mut self.namespaces) {
            if report("namespace", &namespace, objects.end_namespace(&namespace)) {
                failed.namespaces.insert(namespace);
            }
        }
        for crd in std::mem::take(&mut self.crds) {
            if report("custom kind", &crd, objects.end_custom_kind(&crd)) {
                failed.crds.insert(crd);
            }
        }
        let any =
            !failed.objects.is_empty() || !failed.namespaces.is_empty() || !failed.crds.is_empty();
        *self = failed;
        any
    }
}

/// How an object's owner stands.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    Alive,
    /// It goes after what it owns.
    Waiting,
    Gone,
}

impl Objects {
    fn owner(&self, namespace: &str, uid: &str) -> Owner {
        let state = self.store.read();
        let Some((resource, key)) = state.find_uid(uid) else {
            return Owner::Gone;
        };
        // An owner in another namespace counts as absent, as in Kubernetes.
        if !key.0.is_empty() && key.0 != namespace {
            return Owner::Gone;
        }
        match state.get(resource, key) {
            None => Owner::Gone,
            Some(owner)
                if is_terminating(owner) && finalizers(owner).any(|name| name == FOREGROUND) =>
            {
                Owner::Waiting
            }
            Some(_) => Owner::Alive,
        }
    }

    /// Look at an object that has owners, or waits for what it owns.
    fn collect(&self, (resource, (namespace, name)): &Place) -> Result<(), ApiError> {
        let object = self.get(resource, namespace, name)?;
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        if is_terminating(&object) {
            self.collect_dependents(&object, resource)?;
        }
        let owners: Vec<(String, Owner)> = owner_uids(&object)
            .map(|uid| (uid.to_owned(), self.owner(namespace, uid)))
            .collect();
        if owners.is_empty() || is_terminating(&object) {
            return Ok(());
        }
        let options = |propagation| DeleteOptions {
            uid: Some(uid.to_owned()),
            propagation,
            ..DeleteOptions::default()
        };
        if owners.iter().all(|(_, owner)| *owner == Owner::Gone) {
            self.delete(resource, namespace, name, &options(Propagation::Background))?;
        } else if !owners.iter().any(|(_, owner)| *owner == Owner::Alive) {
            self.delete(resource, namespace, name, &options(Propagation::Foreground))?;
        } else {
            let gone: Vec<&str> = owners
                .iter()
                .filter(|(_, owner)| *owner != Owner::Alive)
                .map(|(uid, _)| uid.as_str())
                .collect();
            self.modify(resource, namespace, name, |object| {
                forget_owners(object, &gone)
            })?;
        }
        Ok(())
    }

    /// Let an object go that waits for what it owns, once that is done.
    fn collect_dependents(&self, owner: &Value, resource: &str) -> Result<(), ApiError> {
        let text = |field: &str| owner["metadata"][field].as_str().unwrap_or_default();
        let (uid, namespace, name) = (text("uid"), text("namespace"), text("name"));
        let held = |finalizer: &str| finalizers(owner).any(|held| held == finalizer);
        let dependents: Vec<Place> = self.store.read().dependents(uid).cloned().collect();
        let finished = if held(ORPHAN) {
            for (resource, (namespace, name)) in &dependents {
                ignore_absent(self.modify(resource, namespace, name, |object| {
                    forget_owners(object, &[uid])
                }))?;
            }
            ORPHAN
        } else if held(FOREGROUND) {
            let mut waiting = false;
            for (resource, (namespace, name)) in &dependents {
                let Ok(object) = self.get(resource, namespace, name) else {
                    continue;
                };
                waiting |= object["metadata"]["ownerReferences"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|owner| owner["uid"] == uid && owner["blockOwnerDeletion"] == true);
                if !is_terminating(&object) {
                    ignore_absent(
                        self.collect(&(resource.clone(), (namespace.clone(), name.clone()))),
                    )?;
                }
            }
            // Looked at again when a dependent is gone.
            if waiting && self.store.read().dependents(uid).next().is_some() {
                return Ok(());
            }
            FOREGROUND
        } else {
            return Ok(());
        };
        self.modify(resource, namespace, name, |object| {
            if let Some(list) = object["metadata"]["finalizers"].as_array_mut() {
                list.retain(|name| name != finished);
            }
        })?;
        Ok(())
    }

    /// Delete all objects of a custom kind that is being deleted, then let its CRD go.
    fn end_custom_kind(&self, crd: &str) -> Result<(), ApiError> {
        let object = self.get(resource::CUSTOM_RESOURCE_DEFINITIONS, "", crd)?;
        if !is_terminating(&object) {
            return Ok(());
        }
        let list = self.list(crd, None, &Selector::everything())?;
        for object in &list.items {
            if !is_terminating(object) {
                let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
                let options = DeleteOptions::default();
                ignore_absent(self.delete(crd, text("namespace"), text("name"), &options))?;
            }
        }
        if self
            .list(crd, None, &Selector::everything())?
            .items
            .is_empty()
        {
            self.modify(resource::CUSTOM_RESOURCE_DEFINITIONS, "", crd, |object| {
                if let Some(list) = object["metadata"]["finalizers"].as_array_mut() {
                    list.retain(|name| name != crd::CLEANUP_FINALIZER);
                }
            })?;
        }
        Ok(())
    }
}

fn forget_owners(object: &mut Value, gone: &[&str]) {
    if let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() {
        owners.retain(|owner| !owner["uid"].as_str().is_some_and(|uid| gone.contains(&uid)));
    }
}
