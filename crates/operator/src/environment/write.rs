//! What the operator writes on an Environment itself.

use std::collections::BTreeMap;

use catalyst_crd::{Environment, EnvironmentStatus, labels};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::{Value, json};

use crate::error::Error;

/// The present attempt: what is asked for, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    pub key: String,
    pub started: Timestamp,
}

impl Attempt {
    /// The attempt that the Environment's annotation speaks of, if it is still the same one; else
    /// a new one.
    pub fn of(environment: &Environment, key: String, now: Timestamp) -> Self {
        let started = environment
            .annotations()
            .get(labels::ATTEMPT)
            .and_then(|text| text.split_once(' '))
            .filter(|(known, _)| *known == key)
            .and_then(|(_, time)| time.parse().ok());
        Self {
            key,
            started: started.unwrap_or(now),
        }
    }

    fn annotation(&self) -> String {
        format!("{} {}", self.key, self.started)
    }
}

/// Untyped, so that an Environment that cannot be read can be written to.
fn api(client: &Client, meta: &ObjectMeta) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<Environment>(&());
    Api::namespaced_with(
        client.clone(),
        meta.namespace.as_deref().unwrap_or_default(),
        &resource,
    )
}

fn object(meta: &ObjectMeta) -> String {
    let (namespace, name) = (meta.namespace.as_deref(), meta.name.as_deref());
    format!(
        "Environment {}/{}",
        namespace.unwrap_or_default(),
        name.unwrap_or_default()
    )
}

fn parameters() -> PatchParams {
    PatchParams {
        field_manager: Some(labels::MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

async fn merge(client: &Client, meta: &ObjectMeta, patch: Value) -> Result<(), Error> {
    api(client, meta)
        .patch(
            meta.name.as_deref().unwrap_or_default(),
            &parameters(),
            &Patch::Merge(patch),
        )
        .await
        .map(drop)
        .map_err(Error::api("update", object(meta)))
}

/// Adds or removes the finalizer, unless somebody changed the Environment meanwhile.
pub(super) async fn finalizer(
    client: &Client,
    meta: &ObjectMeta,
    present: bool,
) -> Result<(), Error> {
    let name = labels::ENVIRONMENT_FINALIZER;
    let mut all = meta.finalizers.clone().unwrap_or_default();
    if all.iter().any(|known| known == name) == present {
        return Ok(());
    }
    if present {
        all.push(name.to_owned());
    } else {
        all.retain(|known| known != name);
    }
    let metadata = json!({ "resourceVersion": meta.resource_version, "finalizers": all });
    merge(client, meta, json!({ "metadata": metadata })).await
}

/// Writes the status, where it differs from what was there.
pub(super) async fn status(
    client: &Client,
    meta: &ObjectMeta,
    before: Option<&EnvironmentStatus>,
    status: &EnvironmentStatus,
) -> Result<(), Error> {
    if before == Some(status) {
        return Ok(());
    }
    // Whole lists replace those that are there: the operator alone writes them.
    let mut patch = json!({ "status": status });
    for optional in ["url", "alternatives"] {
        // What a merge does not name stays.
        if patch["status"].get(optional).is_none() {
            patch["status"][optional] = Value::Null;
        }
    }
    api(client, meta)
        .patch_status(
            meta.name.as_deref().unwrap_or_default(),
            &parameters(),
            &Patch::Merge(patch),
        )
        .await
        .map(drop)
        .map_err(Error::api("update the status of", object(meta)))
}

/// Writes annotations, where they differ from what is there.
pub(super) async fn annotations(
    client: &Client,
    environment: &Environment,
    attempt: &Attempt,
    runs: Option<&str>,
    observed_retry: Option<&str>,
) -> Result<(), Error> {
    let attempt = attempt.annotation();
    let wanted = [
        (labels::ATTEMPT, Some(attempt.as_str())),
        (labels::RUNS, runs),
        (labels::OBSERVED_RETRY, observed_retry),
    ];
    let changed: BTreeMap<_, _> = wanted
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .filter(|(key, value)| {
            environment.annotations().get(*key).map(String::as_str) != Some(value)
        })
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    merge(
        client,
        environment.meta(),
        json!({ "metadata": { "annotations": changed } }),
    )
    .await
}
