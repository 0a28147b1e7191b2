//! What became of a build, kept beside it: neither a restart nor a Job that is cleaned up asks for
//! another one.

use k8s_openapi::api::core::v1::ConfigMap;
use serde::{Deserialize, Serialize};

use super::Order;
use crate::desired::Target;
use crate::desired::record::{record, recorded};

/// What became of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// What was built: [`Order::key`].
    pub key: String,
    /// The attempt, which counts for failures alone.
    pub retry: Option<String>,
    /// The image, by its digest where that is known.
    pub image: Option<String>,
    /// Why there is none.
    pub failure: Option<String>,
}

impl Outcome {
    /// The image, or why there is none, where this speaks of the order and, if it failed, of this
    /// attempt.
    #[must_use]
    pub fn of(record: &ConfigMap, order: &Order, retry: Option<&str>) -> Option<Self> {
        let known: Self = serde_json::from_str(recorded(record)).ok()?;
        let is_meant =
            known.key == order.key() && (known.image.is_some() || known.retry.as_deref() == retry);
        is_meant.then_some(known)
    }

    /// The ConfigMap that keeps it.
    #[must_use]
    pub fn record(&self, target: &Target, order: &Order) -> ConfigMap {
        let text = serde_json::to_string(self).unwrap_or_default();
        record(target, &built_record(&order.name), &text)
    }
}

/// The name of the ConfigMap that keeps what became of the last build of this name.
#[must_use]
pub fn built_record(name: &str) -> String {
    format!("catalyst-built-{name}")
}
