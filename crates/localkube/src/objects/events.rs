//! Events: what people are told of an object, for an hour.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::kinds::resource;
use super::{DeleteOptions, Objects, Selector, metadata};

/// For how long an event is kept after it last happened, as in Kubernetes.
const KEPT: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

impl Objects {
    /// Tell people of something that happened to an object, as a core/v1 Event in its namespace
    /// (`default` for cluster-scoped objects). The same event again raises the count of the
    /// first. `type_` is `Normal` or `Warning`, `component` who tells it. A failure to store it
    /// is logged and otherwise without effect.
    pub fn record_event(
        &self,
        about: &Value,
        type_: &str,
        reason: &str,
        message: &str,
        component: &str,
    ) {
        let metadata = &about["metadata"];
        let name = metadata["name"].as_str().unwrap_or_default();
        let namespace = metadata["namespace"].as_str().unwrap_or("default");
        let uid = metadata["uid"].as_str().unwrap_or_default();
        // The name follows from what is told, so that telling it again finds it.
        let mut digest = Sha256::new();
        for part in [uid, type_, reason, message, component] {
            digest.update(part);
            digest.update([0]);
        }
        let event_name = format!("{name}.{}", &hex::encode(digest.finalize())[..16]);
        let now = metadata::now();
        let again = self.modify(resource::EVENTS, namespace, &event_name, |event| {
            event["count"] = (event["count"].as_i64().unwrap_or(1) + 1).into();
            event["lastTimestamp"] = now.clone().into();
        });
        let told = match again {
            Err(error) if error.is_not_found() => {
                let event = json!({
                    "metadata": { "name": event_name },
                    "involvedObject": {
                        "apiVersion": about["apiVersion"], "kind": about["kind"],
                        "namespace": metadata["namespace"], "name": name, "uid": uid,
                        "resourceVersion": metadata["resourceVersion"],
                    },
                    "type": type_, "reason": reason, "message": message,
                    "source": { "component": component }, "reportingComponent": component,
                    "reportingInstance": "", "count": 1,
                    "firstTimestamp": now, "lastTimestamp": now,
                });
                self.create(resource::EVENTS, namespace, event)
            }
            other => other,
        };
        if let Err(error) = told {
            tracing::debug!(%error, reason, namespace, name, "an event could not be stored");
        }
    }

    /// Delete events that are older than they are kept.
    fn expire_events(&self, now: jiff::Timestamp) {
        let Ok(events) = self.list(resource::EVENTS, None, &Selector::everything()) else {
            return;
        };
        for event in events.items {
            let metadata = &event["metadata"];
            let last = [
                &event["lastTimestamp"],
                &event["series"]["lastObservedTime"],
                &event["eventTime"],
                &metadata["creationTimestamp"],
            ]
            .into_iter()
            .find_map(|time| time.as_str()?.parse::<jiff::Timestamp>().ok());
            if last.is_some_and(|last| now.duration_since(last) < KEPT) {
                continue;
            }
            let text = |field: &str| metadata[field].as_str().unwrap_or_default();
            let (namespace, name) = (text("namespace"), text("name"));
            let options = DeleteOptions::default();
            if let Err(error) = self.delete(resource::EVENTS, namespace, name, &options)
                && !error.is_not_found()
            {
                tracing::warn!(%error, "an old event could not be removed");
            }
        }
    }
}

/// Remove old events, and old history of the store, from time to time.
pub(super) async fn expire(objects: Objects) {
    let mut minute = tokio::time::interval(Duration::from_secs(60));
    minute.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        minute.tick().await;
        objects.expire_events(jiff::Timestamp::now());
        objects.store.trim();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_same_event_is_counted_and_old_ones_go() {
        let objects = Objects::open(None).unwrap();
        let map = objects
            .create(
                "configmaps",
                "default",
                json!({ "metadata": { "name": "a" } }),
            )
            .unwrap();
        for _ in 0..3 {
            objects.record_event(&map, "Normal", "Seen", "it was seen", "test");
        }
        objects.record_event(&map, "Warning", "Lost", "it was lost", "test");
        let list = || {
            objects
                .list("events", Some("default"), &Selector::everything())
                .unwrap()
                .items
        };
        let mut counts: Vec<i64> = list()
            .iter()
            .map(|event| event["count"].as_i64().unwrap())
            .collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 3]);
        objects.expire_events(jiff::Timestamp::now());
        assert_eq!(list().len(), 2);
        objects.expire_events(jiff::Timestamp::now() + KEPT + KEPT);
        assert!(list().is_empty());
    }
}
