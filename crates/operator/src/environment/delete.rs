//! The end of an Environment. It needs nothing but its name: neither its labels nor its Project
//! have to be there any more.

use std::sync::Arc;

use catalyst_crd::{EnvironmentStatus, labels};
use catalyst_model::names;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};

use super::namespace::terminating;
use super::progress::{Clock, Progress, Step, status};
use super::write;
use crate::cache::made_by_us;
use crate::context::Context;
use crate::desired::namespace::is_owned_by;
use crate::error::Error;
use crate::metrics;

/// Deletes the namespaces that were made for this Environment, and lets it go once they are gone.
pub(super) async fn environment(
    meta: &ObjectMeta,
    before: Option<&EnvironmentStatus>,
    context: &Context,
) -> Result<Action, Error> {
    if !meta
        .finalizers
        .iter()
        .flatten()
        .any(|name| name == labels::ENVIRONMENT_FINALIZER)
    {
        return Ok(Action::await_change());
    }
    let name = meta.name.as_deref().unwrap_or_default();
    let owner = format!("{}/{name}", meta.namespace.as_deref().unwrap_or_default());
    let api: Api<Namespace> = Api::all(context.cluster.client.clone());

    let mut left = context
        .cluster
        .caches
        .namespaces
        .state_filter(|namespace| is_owned_by(namespace, &owner));
    if left.is_empty() {
        // The cache may be behind; letting go is for good, so the API server is asked.
        let selector = format!(
            "{},{}={}",
            made_by_us(),
            labels::ENVIRONMENT,
            names::label_value(name)
        );
        let all = api
            .list(&ListParams::default().labels(&selector))
            .await
            .map_err(Error::api("list", "Namespaces"))?;
        left = all
            .items
            .into_iter()
            .filter(|namespace| is_owned_by(namespace, &owner))
            .map(Arc::new)
            .collect();
    }
    let asked = meta
        .deletion_timestamp
        .as_ref()
        .map_or_else(Timestamp::now, |time| time.0);
    if left.is_empty() {
        context.written.forget(meta.uid.as_deref());
        match write::finalizer(&context.cluster.client, meta, false).await {
            // An earlier pass has let it go; the cache is behind.
            Err(error) if error.is_not_found() => return Ok(Action::await_change()),
            other => other?,
        }
        let duration_ms = since(asked);
        metrics::removed(duration_ms);
        tracing::info!(environment = owner, duration_ms, "deleted");
        return Ok(Action::await_change());
    }

    let mut waits_for = Vec::new();
    for namespace in &left {
        let name = namespace.name_any();
        if namespace.metadata.deletion_timestamp.is_none() {
            let parameters = DeleteParams {
                preconditions: Some(Preconditions {
                    uid: namespace.metadata.uid.clone(),
                    resource_version: None,
                }),
                ..DeleteParams::background()
            };
            match api.delete(&name, &parameters).await {
                Ok(_) => tracing::info!(environment = owner, namespace = name, "deleting"),
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(Error::api("delete", format!("Namespace {name}"))(error)),
            }
            context.cluster.forget(&name);
        }
        waits_for.push(terminating(namespace));
    }

    let progress = Progress {
        namespace: Step::waiting("Deleting", waits_for.join("; ")),
        url: before.and_then(|status| status.url.clone()),
        ..Progress::default()
    };
    let clock = Clock {
        started: asked,
        deadline: context.settings.deadline,
        now: Timestamp::now(),
    };
    let (status, look_again) = status(&progress, before, meta.generation, clock);
    match write::status(&context.cluster.client, meta, before, &status).await {
        // It went away between the look and the write.
        Err(error) if error.is_not_found() => {}
        other => other?,
    }
    Ok(super::reconcile::again_at(look_again))
}

/// Milliseconds from then until now.
pub(super) fn since(then: Timestamp) -> i64 {
    Timestamp::now()
        .as_millisecond()
        .saturating_sub(then.as_millisecond())
}
