//! The object store: every object in memory, under one revision counter, with a window of history.
//!
//! Writes happen one at a time under one lock, and each is in the log file before it is
//! acknowledged (see [`super::log`]). Reads hand out shared values and never copy an object.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::error::ApiError;
use super::log::{Log, Record};

/// How many changes of a kind are kept for watches to resume from.
const HISTORY_LENGTH: usize = 2048;
/// For how long they are kept.
const HISTORY_AGE: Duration = Duration::from_secs(300);

/// Namespace (empty for cluster-scoped objects) and name.
pub(crate) type Key = (String, String);

/// One write to one object.
#[derive(Debug)]
pub(crate) struct Change {
    pub revision: u64,
    pub resource: Arc<str>,
    pub key: Key,
    /// The object before, absent where it was created.
    pub before: Option<Arc<Value>>,
    /// The object after; for a deletion its last state, with the deletion's resource version.
    pub object: Arc<Value>,
    pub deleted: bool,
    at: Instant,
}

#[derive(Default)]
struct Collection {
    objects: BTreeMap<Key, Arc<Value>>,
    history: VecDeque<Arc<Change>>,
    /// Changes up to this revision are no longer in the history.
    floor: u64,
}

/// An object's place in the store.
pub(crate) type Place = (Arc<str>, Key);

/// The state under the lock; what admission may look at while a write is decided.
#[derive(Default)]
pub(crate) struct State {
    revision: u64,
    collections: HashMap<Arc<str>, Collection>,
    by_uid: HashMap<String, Place>,
    /// Objects by the uid of each of their owners.
    dependents: HashMap<String, BTreeSet<Place>>,
    feeds: Vec<mpsc::UnboundedSender<Arc<Change>>>,
    log: Option<Log>,
}

impl State {
    pub fn revision(&self) -> u64 {
        self.revision
    }

    pub fn get(&self, resource: &str, key: &Key) -> Option<&Arc<Value>> {
        self.collections.get(resource)?.objects.get(key)
    }

    /// Objects of one namespace, or of all, in the order of their names.
    pub fn list<'a>(
        &'a self,
        resource: &str,
        namespace: Option<&str>,
    ) -> Box<dyn Iterator<Item = &'a Arc<Value>> + 'a> {
        let Some(collection) = self.collections.get(resource) else {
            return Box::new(std::iter::empty());
        };
        match namespace {
            None => Box::new(collection.objects.values()),
            Some(namespace) => {
                let namespace = namespace.to_owned();
                Box::new(
                    collection
                        .objects
                        .range((namespace.clone(), String::new())..)
                        .take_while(move |((ns, _), _)| *ns == namespace)
                        .map(|(_, object)| object),
                )
            }
        }
    }

    /// Where the object with a uid is.
    pub fn find_uid(&self, uid: &str) -> Option<&Place> {
        self.by_uid.get(uid)
    }

    /// The objects that name this uid as an owner.
    pub fn dependents(&self, uid: &str) -> impl Iterator<Item = &Place> {
        self.dependents.get(uid).into_iter().flatten()
    }

    /// Every object.
    pub fn all(&self) -> impl Iterator<Item = (&Arc<str>, &Key, &Arc<Value>)> {
        self.collections.iter().flat_map(|(resource, collection)| {
            collection
                .objects
                .iter()
                .map(move |(key, object)| (resource, key, object))
        })
    }

    fn index(&mut self, place: &Place, before: Option<&Value>, after: Option<&Value>) {
        let uid = |object: Option<&Value>| {
            object
                .and_then(|object| object["metadata"]["uid"].as_str())
                .map(str::to_owned)
        };
        let owners = |object: Option<&Value>| -> BTreeSet<String> {
            object
                .map(owner_uids)
                .into_iter()
                .flatten()
                .map(str::to_owned)
                .collect()
        };
        if let (Some(old), None) = (uid(before), uid(after)) {
            self.by_uid.remove(&old);
        }
        if let Some(new) = uid(after) {
            self.by_uid.insert(new, place.clone());
        }
        let (old, new) = (owners(before), owners(after));
        for owner in old.difference(&new) {
            if let Some(places) = self.dependents.get_mut(owner) {
                places.remove(place);
                if places.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
        for owner in new.difference(&old) {
            self.dependents
                .entry(owner.clone())
                .or_default()
                .insert(place.clone());
        }
    }

    fn resource(&self, resource: &str) -> Arc<str> {
        match self.collections.get_key_value(resource) {
            Some((known, _)) => known.clone(),
            None => resource.into(),
        }
    }

    /// Take over what the log holds.
    fn replay(&mut self, record: Record<Value>) {
        let resource = self.resource(&record.resource);
        let key = (record.namespace, record.name);
        let place = (resource.clone(), key.clone());
        let before = self.get(&resource, &key).cloned();
        self.index(&place, before.as_deref(), record.object.as_ref());
        let objects = &mut self.collections.entry(resource).or_default().objects;
        match record.object {
            Some(object) => objects.insert(key, Arc::new(object)),
            None => objects.remove(&key),
        };
        self.revision = self.revision.max(record.revision);
    }
}

/// The uids of an object's owners.
pub(crate) fn owner_uids(object: &Value) -> impl Iterator<Item = &str> {
    object["metadata"]["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|owner| owner["uid"].as_str())
}

/// What happened to a kind between two looks at it.
pub(crate) enum Since {
    /// The changes, and the revision up to which they are complete.
    Changes(Vec<Arc<Change>>, u64),
    /// The history no longer reaches back so far.
    Expired,
}

/// See the module.
pub(crate) struct Store {
    state: Mutex<State>,
    /// The newest revision, for those who wait for changes.
    newest: watch::Sender<u64>,
    /// The revision at which it was opened; older ones are unknown to kinds without history too.
    opened: u64,
}

/// What a write expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    Absent,
    Revision(u64),
}

impl Store {
    /// Open the store in a directory, which is created where it is absent; without a directory
    /// objects live as long as the process.
    pub fn open(directory: Option<&Path>) -> std::io::Result<Self> {
        let mut state = State {
            revision: 1,
            ..State::default()
        };
        if let Some(directory) = directory {
            let found = Log::open(directory)?;
            found
                .records
                .into_iter()
                .for_each(|record| state.replay(record));
            state.log = Some(found.log);
        }
        // Nothing of what happened before is known any more.
        let revision = state.revision;
        state
            .collections
            .values_mut()
            .for_each(|collection| collection.floor = revision);
        Ok(Self {
            newest: watch::Sender::new(revision),
            state: Mutex::new(state),
            opened: revision,
        })
    }

    /// Every change from now on, of all kinds. Changes wait in memory until they are read.
    pub fn feed(&self) -> mpsc::UnboundedReceiver<Arc<Change>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.read().feeds.push(sender);
        receiver
    }

    /// Look at the state; writes wait meanwhile.
    pub fn read(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn revision(&self) -> u64 {
        self.read().revision
    }

    /// Signals each new revision.
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Write an object, if what is there is as expected and `admit` agrees. The resource version
    /// is stamped here. Returns none where the expectation does not hold.
    pub fn put(
        &self,
        resource: &str,
        key: Key,
        expect: Expect,
        mut object: Value,
        admit: impl FnOnce(&State, &mut Value) -> Result<(), ApiError>,
    ) -> Result<Option<Arc<Value>>, ApiError> {
        let mut state = self.read();
        let before = state.get(resource, &key).cloned();
        let as_expected = match (expect, &before) {
            (Expect::Absent, None) => true,
            (Expect::Revision(revision), Some(object)) => revision_of(object) == revision,
            _ => false,
        };
        if !as_expected {
            return Ok(None);
        }
        admit(&state, &mut object)?;
        let revision = state.revision + 1;
        stamp(&mut object, revision);
        let object = Arc::new(object);
        self.commit(&mut state, resource, key, before, object.clone(), false)?;
        Ok(Some(object))
    }

    /// Remove an object of the given revision; returns its last state (`last`, where given), or
    /// none where it changed or is gone.
    pub fn remove(
        &self,
        resource: &str,
        key: &Key,
        revision: u64,
        last: Option<Value>,
    ) -> Result<Option<Arc<Value>>, ApiError> {
        let mut state = self.read();
        let Some(before) = state.get(resource, key).cloned() else {
            return Ok(None);
        };
        if revision_of(&before) != revision {
            return Ok(None);
        }
        let mut last = last.unwrap_or_else(|| Value::clone(&before));
        stamp(&mut last, state.revision + 1);
        let last = Arc::new(last);
        self.commit(
            &mut state,
            resource,
            key.clone(),
            Some(before),
            last.clone(),
            true,
        )?;
        Ok(Some(last))
    }

    fn commit(
        &self,
        state: &mut State,
        resource: &str,
        key: Key,
        before: Option<Arc<Value>>,
        object: Arc<Value>,
        deleted: bool,
    ) -> Result<(), ApiError> {
        let revision = state.revision + 1;
        let resource = state.resource(resource);
        state.write_log(&Record {
            revision,
            resource: resource.to_string(),
            namespace: key.0.clone(),
            name: key.1.clone(),
            object: (!deleted).then_some(&*object),
        })?;
        state.revision = revision;
        let place = (resource.clone(), key.clone());
        state.index(&place, before.as_deref(), (!deleted).then_some(&object));
        let floor = self.opened;
        let collection = state
            .collections
            .entry(resource.clone())
            .or_insert_with(|| Collection {
                floor,
                ..Collection::default()
            });
        if deleted {
            collection.objects.remove(&key);
        } else {
            collection.objects.insert(key.clone(), object.clone());
        }
        let at = Instant::now();
        let change = Arc::new(Change {
            revision,
            resource,
            key,
            before,
            object,
            deleted,
            at,
        });
        collection.history.push_back(change.clone());
        collection.trim(at);
        state.feeds.retain(|feed| feed.send(change.clone()).is_ok());
        self.newest.send_replace(revision);
        Ok(())
    }

    /// Forget changes that are older than they are kept, so that a burst does not stay in memory.
    pub fn trim(&self) {
        let now = Instant::now();
        self.read()
            .collections
            .values_mut()
            .for_each(|collection| collection.trim(now));
    }

    /// The changes of a kind after a revision.
    pub fn since(&self, resource: &str, revision: u64) -> Since {
        let state = self.read();
        let newest = state.revision;
        let Some(collection) = state.collections.get(resource) else {
            if revision < self.opened {
                return Since::Expired;
            }
            return Since::Changes(Vec::new(), newest);
        };
        if revision < collection.floor {
            return Since::Expired;
        }
        let start = collection
            .history
            .partition_point(|change| change.revision <= revision);
        Since::Changes(collection.history.range(start..).cloned().collect(), newest)
    }
}

impl State {
    fn write_log(&mut self, record: &Record<&Value>) -> Result<(), ApiError> {
        let Some(mut log) = self.log.take() else {
            return Ok(());
        };
        let mut written = log.append(record);
        if written.is_ok() && log.is_long() {
            // The snapshot lacks this write, which goes on in the new log.
            let records = self
                .all()
                .map(|(resource, key, object)| Record {
                    revision: self.revision,
                    resource: resource.to_string(),
                    namespace: key.0.clone(),
                    name: key.1.clone(),
                    object: Some(object.clone()),
                })
                .collect();
            written = log.shorten(records).and_then(|()| log.append(record));
        }
        self.log = Some(log);
        written
            .map_err(|error| ApiError::Internal(format!("the object could not be stored: {error}")))
    }
}

impl Collection {
    fn trim(&mut self, now: Instant) {
        while let Some(oldest) = self.history.front() {
            let keep =
                self.history.len() <= HISTORY_LENGTH && now.duration_since(oldest.at) < HISTORY_AGE;
            if keep {
                break;
            }
            self.floor = oldest.revision;
            self.history.pop_front();
        }
    }
}

/// The revision at which an object was last written.
pub(crate) fn revision_of(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

fn stamp(object: &mut Value, revision: u64) {
    object["metadata"]["resourceVersion"] = revision.to_string().into();
}
