//! Fills a new environment with data by way of Jobs, one after the other, once each.

use catalyst_crd::labels;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::deploy::Site;
use super::job::{belongs_to, has, why_failed};
use super::pods::{self, Diagnosis};
use super::progress::Step;
use crate::desired::filling::{FILLED, Filling, Fillings, filled, filled_text};
use crate::desired::record::{record, recorded};
use crate::desired::workload::Workload;
use crate::error::Error;

/// Fills what is not filled yet. Says how far the first one is that is not done, if any is not.
pub(super) async fn fill(site: &Site<'_>, workload: &Workload) -> Result<Option<Diagnosis>, Error> {
    let Site {
        context,
        target,
        config,
        source,
        retry,
        ..
    } = *site;
    let cluster = &context.cluster;
    let fillings = Fillings {
        target,
        config,
        source,
        workload,
        retry,
        settings: &context.settings,
    };
    let Some(all) = fillings.all(&cluster.caches.pods_in(&target.namespace)) else {
        let step = Step::waiting("Starting", "a service is being started");
        return Ok(Some((step, None)));
    };
    if all.is_empty() {
        return Ok(None);
    }
    let place = ObjectRef::<ConfigMap>::new(FILLED).within(&target.namespace);
    let known = cluster.caches.config_maps.get(&place);
    let mut done = known.map_or_else(Default::default, |known| filled(recorded(&known)));
    for filling in all {
        if done.get(&filling.name) == Some(&filling.data) {
            continue;
        }
        if let Some(waiting) = advance(site, &filling).await? {
            return Ok(Some(waiting));
        }
        tracing::info!(
            environment = target.owner(),
            namespace = target.namespace,
            name = filling.name,
            "filled"
        );
        done.insert(filling.name, filling.data);
        cluster
            .ensure(&record(target, FILLED, &filled_text(&done)))
            .await?;
    }
    Ok(None)
}

/// How far one is; none: it is done.
async fn advance(site: &Site<'_>, filling: &Filling) -> Result<Option<Diagnosis>, Error> {
    let Site {
        context, target, ..
    } = *site;
    let cluster = &context.cluster;
    if stop_others(site, filling).await? {
        return Ok(Some((
            waiting(filling, "an earlier try is being stopped"),
            None,
        )));
    }
    let name = filling.job.name_any();
    let seen = cluster
        .caches
        .jobs
        .get(&ObjectRef::<Job>::new(&name).within(&target.namespace));
    // A Job that is there is left as it is: most of it cannot be changed.
    let job = match seen {
        Some(job) => job,
        None => cluster.ensure(&filling.job).await?,
    };
    if has(&job, "Complete") {
        return Ok(None);
    }
    let mut own: Vec<_> = cluster.caches.pods_in(&target.namespace);
    own.retain(|pod| belongs_to(pod, &job));
    let why = own.iter().find_map(|pod| pods::failure(pod));
    if why.is_some() || has(&job, "Failed") {
        let why = match why_failed(&job, why, site.now) {
            Ok(why) => why,
            Err(again) => {
                let step = waiting(filling, "it has failed, and why is about to be known");
                return Ok(Some((step, again)));
            }
        };
        let message = format!(
            "{}, and that failed: {why}. Its log says more; push a correction, or retry",
            filling.words
        );
        return Ok(Some((Step::failed("FillingFailed", message), None)));
    }
    let Some(pod) = own.last() else {
        return Ok(Some((
            waiting(filling, "its pod is about to be made"),
            None,
        )));
    };
    let (step, again) = pods::diagnose(pod, &filling.commands, 0, site.now);
    let step = match step {
        Step::Waiting(said) if said.reason == "NotReady" => waiting(filling, "it is running"),
        Step::Waiting(said) => waiting(filling, &said.message),
        other => other,
    };
    Ok(Some((step, again)))
}

fn waiting(filling: &Filling, how: &str) -> Step {
    Step::waiting("Filling", format!("{}: {how}", filling.words))
}

/// Stops what earlier commits and tries have begun; two at once would fill it twice. Whether there
/// was any.
async fn stop_others(site: &Site<'_>, filling: &Filling) -> Result<bool, Error> {
    let Site {
        context, target, ..
    } = *site;
    let caches = &context.cluster.caches;
    let name = filling.job.name_any();
    let others = caches.jobs.state_filter(|job| {
        job.metadata.namespace.as_deref() == Some(&target.namespace)
            && job.annotations().get(labels::FILLING) == Some(&filling.name)
            && (job.name_any() != name || job.metadata.deletion_timestamp.is_some())
    });
    for job in &others {
        if job.metadata.deletion_timestamp.is_none() {
            context
                .cluster
                .delete::<Job>(&target.namespace, &job.name_any())
                .await?;
        }
    }
    // Pods outlive their Job by a moment.
    let runs = caches.pods_in(&target.namespace).iter().any(|pod| {
        pod.annotations().get(labels::FILLING) == Some(&filling.name)
            && !pod
                .owner_references()
                .iter()
                .any(|owner| owner.name == name)
            && !pods::has_ended(pod)
    });
    Ok(runs || !others.is_empty())
}
