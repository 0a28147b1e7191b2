//! The namespace of an Environment: made by us, or not touched.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};

use super::progress::Step;
use crate::context::Context;
use crate::desired::{self, Source, Target};
use crate::error::Error;

/// Makes the namespace, or repairs its labels. `Done` only when it is there, ours, and stays.
pub(super) async fn ensure(
    context: &Context,
    target: &Target,
    source: Option<&Source>,
) -> Result<Step, Error> {
    let wanted = desired::namespace::namespace(target, source);
    let seen = context
        .cluster
        .caches
        .namespaces
        .get(&ObjectRef::new(&target.namespace));
    let api: Api<Namespace> = Api::all(context.cluster.client.clone());
    let object = format!("Namespace {}", target.namespace);
    let seen = match seen {
        Some(seen) => (*seen).clone(),
        None => {
            let parameters = PostParams {
                field_manager: Some(catalyst_crd::labels::MANAGER.to_owned()),
                ..PostParams::default()
            };
            match api.create(&parameters, &wanted).await {
                Ok(created) => created,
                // Someone else's, or one of ours that the cache has not shown yet.
                Err(kube::Error::Api(status)) if status.code == 409 => {
                    match api
                        .get_opt(&target.namespace)
                        .await
                        .map_err(Error::api("get", &object))?
                    {
                        Some(found) => found,
                        None => {
                            return Ok(Step::waiting(
                                "NamespaceTerminating",
                                "the namespace is about to be made anew",
                            ));
                        }
                    }
                }
                Err(error) => return Err(Error::api("create", object)(error)),
            }
        }
    };
    if !desired::namespace::is_owned_by(&seen, &target.owner()) {
        return Ok(Step::failed(
            "NamespaceTaken",
            format!(
                "the namespace {} exists and was not made for this Environment, so it is left alone; \
                 remove or rename the one or the other",
                target.namespace
            ),
        ));
    }
    if seen.metadata.deletion_timestamp.is_some() {
        return Ok(Step::waiting("NamespaceTerminating", terminating(&seen)));
    }
    let in_order = wanted
        .labels()
        .iter()
        .all(|(key, value)| seen.labels().get(key) == Some(value));
    if !in_order {
        let mut wanted = wanted;
        // Holds the write to the very namespace that was looked at.
        wanted.metadata.uid.clone_from(&seen.metadata.uid);
        api.patch(
            &target.namespace,
            &PatchParams::apply(catalyst_crd::labels::MANAGER).force(),
            &Patch::Apply(&wanted),
        )
        .await
        .map_err(Error::api("apply", object))?;
    }
    Ok(in_place(target))
}

/// The namespace is there and ours.
pub(super) fn in_place(target: &Target) -> Step {
    Step::done(
        "NamespaceReady",
        format!("namespace {} is in place", target.namespace),
    )
}

/// What a namespace that is being deleted still waits for, in the API server's words.
pub(super) fn terminating(namespace: &Namespace) -> String {
    let conditions = namespace
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref())
        .unwrap_or_default();
    let reasons: Vec<_> = conditions
        .iter()
        .filter(|condition| condition.status == "True")
        .filter_map(|condition| condition.message.as_deref())
        .collect();
    let name = namespace.name_any();
    if reasons.is_empty() {
        format!("namespace {name} is being deleted")
    } else {
        format!("namespace {name} is being deleted: {}", reasons.join("; "))
    }
}
