//! Brings a team's credentials for registries to its previews, and takes them away with it.

use catalyst_crd::labels;
use catalyst_model::names;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{Patch, PatchParams};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::context::Context;
use crate::desired::Target;
use crate::desired::registry::{REGISTRY_CREDENTIALS, copy, pull_secrets};
use crate::error::Error;

/// Makes the preview's copy what the team keeps, and the account that pods run as name it.
pub(super) async fn sync(
    context: &Context,
    target: &Target,
    account: &ServiceAccount,
) -> Result<(), Error> {
    let all = &context.cluster.caches.registry_credentials;
    let in_namespace =
        |namespace: &str| all.get(&ObjectRef::new(REGISTRY_CREDENTIALS).within(namespace));
    let kept = in_namespace(&names::team_namespace(&target.team));
    let seen = in_namespace(&target.namespace);
    match (&kept, &seen) {
        (Some(kept), seen) => {
            let wanted = copy(target, kept);
            let is_there = seen.as_ref().is_some_and(|seen| {
                seen.data == wanted.data
                    && seen.type_ == wanted.type_
                    && seen.labels().get(labels::MANAGED_BY)
                        == wanted.labels().get(labels::MANAGED_BY)
            });
            if !is_there {
                // What kind of a Secret it is cannot be changed.
                if seen.as_ref().is_some_and(|seen| seen.type_ != wanted.type_) {
                    delete(context, target).await?;
                }
                apply(context, target, &wanted).await?;
            }
        }
        (None, Some(seen))
            if seen.labels().get(labels::MANAGED_BY).map(String::as_str)
                == Some(labels::MANAGER) =>
        {
            delete(context, target).await?;
        }
        // Somebody else's, or none.
        (None, _) => return Ok(()),
    }
    let Some(references) = pull_secrets(account, kept.is_some()) else {
        return Ok(());
    };
    // Others write into this list too: what was seen is what is changed, or it is looked at again.
    let patch = json!({
        "metadata": { "resourceVersion": account.metadata.resource_version },
        "imagePullSecrets": references,
    });
    let name = account.name_any();
    let parameters = PatchParams {
        field_manager: Some(labels::MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let api: Api<ServiceAccount> =
        Api::namespaced(context.cluster.client.clone(), &target.namespace);
    api.patch(&name, &parameters, &Patch::Merge(patch))
        .await
        .map(drop)
        .map_err(Error::api(
            "update",
            format!("ServiceAccount {}/{name}", target.namespace),
        ))
}

async fn apply(context: &Context, target: &Target, wanted: &Secret) -> Result<(), Error> {
    let api: Api<Secret> = Api::namespaced(context.cluster.client.clone(), &target.namespace);
    let parameters = PatchParams::apply(labels::MANAGER).force();
    api.patch(REGISTRY_CREDENTIALS, &parameters, &Patch::Apply(wanted))
        .await
        .map_err(Error::api(
            "apply",
            format!("Secret {}/{REGISTRY_CREDENTIALS}", target.namespace),
        ))?;
    tracing::info!(
        environment = target.owner(),
        namespace = target.namespace,
        "registry_credentials_copied"
    );
    Ok(())
}

async fn delete(context: &Context, target: &Target) -> Result<(), Error> {
    context
        .cluster
        .delete_unseen(&target.namespace, REGISTRY_CREDENTIALS)
        .await
}
