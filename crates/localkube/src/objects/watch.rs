//! Watching a kind: the present objects, then every change, in order and without a gap.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use serde_json::Value;
use tokio_stream::wrappers::WatchStream;

use super::error::ApiError;
use super::selector::Selector;
use super::store::{Change, Since, Store};

/// Where a watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchFrom {
    /// With the objects as they are now, each as [`WatchEvent::Added`], then a bookmark that
    /// says these were all, then changes.
    Start,
    /// With the changes after this resource version (of an object or of a list).
    Revision(u64),
}

/// What a watch tells.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchEvent {
    /// The object is new, or newly selected.
    Added(Arc<Value>),
    /// The object changed.
    Modified(Arc<Value>),
    /// The object is gone, or no longer selected; its last state.
    Deleted(Arc<Value>),
    /// All changes up to this revision have been told.
    Bookmark {
        /// The revision.
        revision: u64,
        /// Whether it ends the objects that a watch from [`WatchFrom::Start`] begins with.
        initial_events_end: bool,
    },
}

/// A stream of changes. It ends only with an error: [`ApiError::Expired`] where the reader fell
/// behind the history that is kept (list again, or watch from [`WatchFrom::Start`]).
pub struct Watch {
    store: Arc<Store>,
    resource: String,
    namespace: Option<String>,
    selector: Selector,
    revision: u64,
    pending: VecDeque<WatchEvent>,
    newest: WatchStream<u64>,
    ended: bool,
}

impl Watch {
    pub(super) fn new(
        store: Arc<Store>,
        resource: &str,
        namespace: Option<&str>,
        selector: Selector,
        from: WatchFrom,
    ) -> Result<Self, ApiError> {
        // Subscribed before the first look, so that no change falls in between.
        let newest = WatchStream::new(store.newest());
        let mut pending = VecDeque::new();
        let revision = match from {
            WatchFrom::Start => {
                let state = store.read();
                let revision = state.revision();
                pending.extend(
                    state
                        .list(resource, namespace)
                        .filter(|object| selector.matches(object))
                        .cloned()
                        .map(WatchEvent::Added),
                );
                pending.push_back(WatchEvent::Bookmark {
                    revision,
                    initial_events_end: true,
                });
                revision
            }
            WatchFrom::Revision(revision) => {
                if let Since::Expired = store.since(resource, revision) {
                    return Err(too_old(revision));
                }
                revision
            }
        };
        Ok(Self {
            store,
            resource: resource.to_owned(),
            namespace: namespace.map(str::to_owned),
            selector,
            revision,
            pending,
            newest,
            ended: false,
        })
    }

    /// Everything up to this revision has been told or is ready to be read.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether nothing is ready to be read, after looking for changes.
    pub fn is_caught_up(&mut self) -> bool {
        self.pending.is_empty() && self.look().is_ok() && self.pending.is_empty()
    }

    fn look(&mut self) -> Result<(), ApiError> {
        match self.store.since(&self.resource, self.revision) {
            Since::Expired => Err(too_old(self.revision)),
            Since::Changes(changes, newest) => {
                self.revision = newest.max(self.revision);
                for change in changes {
                    self.pending.extend(self.event(&change));
                }
                Ok(())
            }
        }
    }

    /// What a change means to someone who sees only the selected objects.
    fn event(&self, change: &Change) -> Option<WatchEvent> {
        if self
            .namespace
            .as_ref()
            .is_some_and(|namespace| *namespace != change.key.0)
        {
            return None;
        }
        let before = change
            .before
            .as_ref()
            .is_some_and(|object| self.selector.matches(object));
        let after = !change.deleted && self.selector.matches(&change.object);
        let object = change.object.clone();
        match (before, after) {
            (false, true) => Some(WatchEvent::Added(object)),
            (true, true) => Some(WatchEvent::Modified(object)),
            // As it was when it still belonged to the selection, at the version at which it left.
            (true, false) if !change.deleted => {
                let mut left = Value::clone(change.before.as_ref()?);
                left["metadata"]["resourceVersion"] = object["metadata"]["resourceVersion"].clone();
                Some(WatchEvent::Deleted(Arc::new(left)))
            }
            (true, false) => Some(WatchEvent::Deleted(object)),
            (false, false) => None,
        }
    }
}

impl Stream for Watch {
    type Item = Result<WatchEvent, ApiError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match Pin::new(&mut self.newest).poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {
                    self.ended = true;
                }
                Poll::Ready(Some(_)) => {
                    if let Err(error) = self.look() {
                        self.ended = true;
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
        }
    }
}

fn too_old(revision: u64) -> ApiError {
    ApiError::Expired(format!("too old resource version: {revision}"))
}
