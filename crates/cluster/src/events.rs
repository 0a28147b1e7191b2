//! What Kubernetes reports about the objects of a namespace.

use catalyst_model::views::EventView;
use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::Event;
use kube::{Api, api::ListParams};

use crate::{Cluster, ClusterError};

impl Cluster {
    /// The events of a namespace, newest first, at most `limit`. A namespace that does not exist
    /// has none.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn events(
        &self,
        namespace: &str,
        limit: usize,
    ) -> Result<Vec<EventView>, ClusterError> {
        let api: Api<Event> = Api::namespaced(self.client(), namespace);
        let list = api
            .list(&ListParams::default())
            .await
            .map_err(|e| self.failed("list events of", format!("namespace {namespace}"), e))?;
        let mut events: Vec<EventView> = list.items.into_iter().filter_map(view).collect();
        events.sort_by_key(|event| std::cmp::Reverse(event.at));
        events.truncate(limit);
        Ok(events)
    }
}

fn view(event: Event) -> Option<EventView> {
    let series = event.series.as_ref();
    let at = series
        .and_then(|s| s.last_observed_time.as_ref().map(|t| t.0))
        .or(event.last_timestamp.map(|t| t.0))
        .or(event.event_time.map(|t| t.0))
        .or(event.first_timestamp.map(|t| t.0))
        .or(event.metadata.creation_timestamp.map(|t| t.0))?;
    let count = series.and_then(|s| s.count).or(event.count).unwrap_or(1);
    let object = event.involved_object;
    Some(EventView {
        at: utc(at)?,
        warning: event.type_.as_deref() == Some("Warning"),
        reason: event.reason.unwrap_or_default(),
        object: format!(
            "{}/{}",
            object.kind.unwrap_or_default(),
            object.name.unwrap_or_default()
        ),
        message: event.message.unwrap_or_default(),
        count: u32::try_from(count).unwrap_or(1),
    })
}

/// Kubernetes' clock in the type that the views use.
pub(crate) fn utc(at: k8s_openapi::jiff::Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.as_second(), at.subsec_nanosecond().unsigned_abs())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(event: serde_json::Value) -> Option<EventView> {
        let mut whole = json!({
            "metadata": { "name": "e" },
            "involvedObject": { "kind": "Pod", "name": "web-1" },
            "reason": "BackOff", "message": "restarting", "type": "Warning",
        });
        whole
            .as_object_mut()
            .unwrap()
            .extend(event.as_object().unwrap().clone());
        view(serde_json::from_value(whole).unwrap())
    }

    #[test]
    fn an_event_is_shown_as_of_the_last_time_that_it_happened_and_how_often() {
        let (first, last) = ("2026-01-02T03:00:00Z", "2026-01-02T04:00:00Z");
        let micros = "2026-01-02T05:00:00.000000Z";
        let cases = [
            (
                json!({ "firstTimestamp": first, "lastTimestamp": last, "count": 3 }),
                4,
                3,
            ),
            (json!({ "firstTimestamp": first }), 3, 1),
            // As newer parts of Kubernetes write them.
            (json!({ "eventTime": micros }), 5, 1),
            (
                json!({ "eventTime": "2026-01-02T03:00:00.000000Z", "series": { "count": 7, "lastObservedTime": micros } }),
                5,
                7,
            ),
            (json!({ "metadata": { "creationTimestamp": last } }), 4, 1),
        ];
        for (event, hour, count) in cases {
            let view = seen(event.clone()).unwrap();
            assert_eq!(
                view.at.format("%H").to_string(),
                format!("{hour:02}"),
                "{event}"
            );
            assert_eq!(view.count, count, "{event}");
            assert!(view.warning);
            assert_eq!(
                (view.object.as_str(), view.reason.as_str()),
                ("Pod/web-1", "BackOff")
            );
        }
        assert_eq!(seen(json!({})), None, "nobody knows when");
        assert!(
            !seen(json!({ "firstTimestamp": first, "type": "Normal" }))
                .unwrap()
                .warning
        );
    }
}
