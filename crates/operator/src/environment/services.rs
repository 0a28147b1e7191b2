//! The services next to a workload.

use catalyst_crd::config::ManagedService;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::api::PostParams;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use rand::distr::{Alphanumeric, SampleString};

use super::deploy::Site;
use super::pods::{self, Diagnosis};
use super::progress::Step;
use crate::desired::services;
use crate::desired::workload::NAME;
use crate::error::Error;

/// Brings all of them up, side by side. Says how far the first one is that is not ready, if any is
/// not.
pub(super) async fn managed_services(site: &Site<'_>) -> Result<Option<Diagnosis>, Error> {
    let Site {
        context,
        target,
        config,
        ..
    } = *site;
    let cluster = &context.cluster;
    forget_services(site).await?;
    let mut waiting = None;
    for service in &config.services {
        credentials(site, service).await?;
        if let Some(wanted) = services::service(target, service) {
            cluster.ensure(&wanted).await?;
        }
        let wanted = services::stateful_set(target, service, site.allowance, &context.settings);
        let set = cluster.ensure(&wanted).await?;
        if waiting.is_none() && !is_ready(&set) {
            let pods = cluster.caches.pods_in(&target.namespace);
            let pod = pods
                .iter()
                .find(|pod| pod.labels().get("app") == Some(&service.name));
            waiting = Some(match pod {
                Some(pod) => pods::diagnose(pod, &[].into(), 0, site.now),
                None => (
                    Step::waiting(
                        "Starting",
                        format!("the service {} is being started", service.name),
                    ),
                    None,
                ),
            });
        }
    }
    Ok(waiting)
}

/// Whether its pod can be used, and is of the newest version.
fn is_ready(set: &StatefulSet) -> bool {
    let status = set.status.clone().unwrap_or_default();
    status.ready_replicas.unwrap_or_default() > 0
        && status.observed_generation >= set.metadata.generation
        && (status.update_revision.is_none() || status.updated_replicas.unwrap_or_default() > 0)
}

/// Puts the credentials there before the pod that needs them. Generated ones are made once: they
/// are in the database from then on, and reading a Secret is not needed to know that it is there.
async fn credentials(site: &Site<'_>, service: &ManagedService) -> Result<(), Error> {
    let Site {
        context, target, ..
    } = *site;
    if !services::is_generated(service) {
        if let Some(given) = services::credentials(target, service, "") {
            context.cluster.ensure_unseen(&given).await?;
        }
        return Ok(());
    }
    let place = ObjectRef::<StatefulSet>::new(&service.name).within(&target.namespace);
    let made = context.cluster.caches.stateful_sets.get(&place);
    if made.is_some_and(|set| services::has_credentials(&set, service)) {
        return Ok(());
    }
    let password = Alphanumeric.sample_string(&mut rand::rng(), 32);
    let Some(secret) = services::credentials(target, service, &password) else {
        return Ok(());
    };
    let api: Api<Secret> = Api::namespaced(context.cluster.client.clone(), &target.namespace);
    match api.create(&PostParams::default(), &secret).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        Err(error) => Err(Error::api(
            "create",
            format!("Secret {}/{}", target.namespace, secret.name_any()),
        )(error)),
    }
}

/// Removes services that the configuration no longer has. Their claims stay.
async fn forget_services(site: &Site<'_>) -> Result<(), Error> {
    let Site {
        context,
        target,
        config,
        ..
    } = *site;
    let caches = &context.cluster.caches;
    let gone =
        |name: &str| name != NAME && !config.services.iter().any(|service| service.name == name);
    let here = |namespace: Option<&str>| namespace == Some(target.namespace.as_str());
    for set in caches
        .stateful_sets
        .state_filter(|set| here(set.metadata.namespace.as_deref()) && gone(&set.name_any()))
    {
        context
            .cluster
            .delete::<StatefulSet>(&target.namespace, &set.name_any())
            .await?;
    }
    for service in caches
        .services
        .state_filter(|s| here(s.metadata.namespace.as_deref()) && gone(&s.name_any()))
    {
        context
            .cluster
            .delete::<Service>(&target.namespace, &service.name_any())
            .await?;
    }
    Ok(())
}
