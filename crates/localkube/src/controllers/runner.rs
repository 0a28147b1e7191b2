//! Runs a controller: watches in, one look at a time out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures::stream::SelectAll;
use futures::{FutureExt, Stream, StreamExt};
use serde_json::Value;
use tokio::time::Instant;

use super::queue::{Key, Queue};
use crate::objects::{ApiError, Objects, Selector, Watch, WatchEvent, WatchFrom};

/// What a look leads to: when to look again though nothing changes, or why it failed.
pub(super) type Outcome = Result<Option<Duration>, ApiError>;

/// A kind whose changes concern a controller.
pub(super) struct Source {
    /// The kind's key, such as `pods`.
    pub resource: &'static str,
    /// Which of the controller's objects a changed (or deleted) object concerns.
    pub keys: fn(&Objects, &Value) -> Vec<Key>,
}

/// A controller.
pub(super) struct Controller {
    /// As it is named in logs.
    pub name: &'static str,
    /// What wakes it.
    pub sources: Vec<Source>,
    /// Looks at one object. It has to cope with the object being gone.
    pub reconcile: Box<Reconcile>,
}

type Reconcile = dyn Fn(&Objects, &Key) -> Outcome + Send;
type Events<'a> = SelectAll<std::pin::Pin<Box<dyn Stream<Item = (usize, Told)> + Send + 'a>>>;
type Told = Result<WatchEvent, ApiError>;

/// Run a controller for as long as the future is polled. It ends by itself only where one of its
/// kinds does not exist.
pub(super) async fn run(controller: Controller, objects: Objects) {
    let mut queue = Queue::default();
    let mut events = Events::new();
    for index in 0..controller.sources.len() {
        if let Err(error) = watch(&controller, &objects, &mut events, index) {
            tracing::error!(%error, controller = controller.name, "a controller cannot watch");
            return;
        }
    }
    loop {
        // All that has happened is taken in before the next look, which then sees it at once.
        while let Some(Some((index, told))) = events.next().now_or_never() {
            take_in(&controller, &objects, &mut queue, &mut events, index, told);
        }
        if let Some(key) = queue.pop(Instant::now()) {
            look(&controller, &objects, &mut queue, key);
            tokio::task::yield_now().await;
            continue;
        }
        let due = queue.next_due();
        let timer = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = events.next() => {
                let Some((index, told)) = event else { return };
                take_in(&controller, &objects, &mut queue, &mut events, index, told);
            }
            () = timer => {}
        }
    }
}

fn watch<'a>(
    controller: &Controller,
    objects: &Objects,
    events: &mut Events<'a>,
    index: usize,
) -> Result<(), ApiError> {
    let resource = controller.sources[index].resource;
    let watch: Watch = objects.watch(resource, None, &Selector::everything(), WatchFrom::Start)?;
    events.push(Box::pin(watch.map(move |told| (index, told))));
    Ok(())
}

fn take_in(
    controller: &Controller,
    objects: &Objects,
    queue: &mut Queue,
    events: &mut Events<'_>,
    index: usize,
    told: Told,
) {
    match told {
        Ok(
            WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object),
        ) => {
            for key in (controller.sources[index].keys)(objects, &object) {
                queue.add(key);
            }
        }
        Ok(WatchEvent::Bookmark { .. }) => {}
        Err(error) => {
            // It fell behind. A new watch begins with everything there is.
            tracing::debug!(%error, controller = controller.name, "watching anew");
            if let Err(error) = watch(controller, objects, events, index) {
                tracing::error!(%error, controller = controller.name, "a controller cannot watch");
            }
        }
    }
}

fn look(controller: &Controller, objects: &Objects, queue: &mut Queue, key: Key) {
    // One object that nobody thought of must not stop the work for all others.
    let outcome = catch_unwind(AssertUnwindSafe(|| (controller.reconcile)(objects, &key)));
    let (namespace, name) = (&key.0, &key.1);
    match outcome {
        Ok(Ok(again)) => queue.succeeded(key, again.map(|wait| Instant::now() + wait)),
        Ok(Err(error)) => {
            // Refusals are part of the work and told by Events; a fault of this server is not.
            if matches!(error, ApiError::Internal(_)) {
                tracing::warn!(%error, controller = controller.name, namespace, name, "will be tried again");
            } else {
                tracing::debug!(%error, controller = controller.name, namespace, name, "will be tried again");
            }
            queue.failed(key, Instant::now());
        }
        Err(_) => {
            tracing::error!(
                controller = controller.name,
                namespace,
                name,
                "a controller panicked"
            );
            queue.failed(key, Instant::now());
        }
    }
}
