//! Namespaces whose Environment is gone without them: its finalizer was taken off by hand, or the
//! cluster came back from a backup.

use std::sync::Arc;

use catalyst_cluster::chain;
use catalyst_crd::Environment;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, Preconditions};
use kube::core::DeserializeGuard;
use kube::{Api, ResourceExt};

use crate::context::Context;
use crate::desired::namespace::is_owned_by;
use crate::error::Error;

/// Deletes the namespaces that were made for an Environment that does not exist.
pub(super) async fn remove(context: Arc<Context>, home: String, name: String) {
    if let Err(error) = try_remove(&context, &home, &name).await {
        // The next event of the namespace, or the next start, tries again.
        tracing::warn!(
            environment = format!("{home}/{name}"),
            error = chain(&error),
            "orphan_kept"
        );
    }
}

async fn try_remove(context: &Context, home: &str, name: &str) -> Result<(), Error> {
    context.cluster.ready().await?;
    let owner = format!("{home}/{name}");
    let orphans = context.cluster.caches.namespaces.state_filter(|namespace| {
        is_owned_by(namespace, &owner) && namespace.metadata.deletion_timestamp.is_none()
    });
    if orphans.is_empty() || !is_gone(context, home, name).await? {
        return Ok(());
    }
    let api: Api<Namespace> = Api::all(context.cluster.client.clone());
    for orphan in orphans {
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: orphan.metadata.uid.clone(),
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        let namespace = orphan.name_any();
        match api.delete(&namespace, &parameters).await {
            Ok(_) => tracing::warn!(environment = owner, namespace, "orphan_deleted"),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => {
                return Err(Error::api("delete", format!("Namespace {namespace}"))(
                    error,
                ));
            }
        }
        context.cluster.forget(&namespace);
    }
    Ok(())
}

/// Whether the API server itself says that there is no such Environment. That it does not know
/// Environments at all, for want of their definition, is no answer.
async fn is_gone(context: &Context, home: &str, name: &str) -> Result<bool, Error> {
    let api: Api<DeserializeGuard<Environment>> =
        Api::namespaced(context.cluster.client.clone(), home);
    match api.get(name).await {
        Ok(_) => Ok(false),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(status
            .details
            .as_ref()
            .is_some_and(|details| details.name == name)),
        Err(error) => Err(Error::api("get", format!("Environment {home}/{name}"))(
            error,
        )),
    }
}
