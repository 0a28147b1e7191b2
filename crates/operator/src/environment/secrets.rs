//! The secrets of an Environment: asked of the web side, put where its pods find them.
//!
//! The operator reads no Secret of the cluster. Which version it has put there is told by a record
//! beside it: the web side names another one on the Environment whenever a secret is written or
//! removed.

use catalyst_crd::{Environment, labels};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use kube::runtime::reflector::ObjectRef;

use super::progress::Step;
use crate::context::Context;
use crate::desired::Target;
use crate::desired::record::{HELD_SECRETS, Held, record, recorded};
use crate::desired::workload::SECRETS;
use crate::error::Error;
use crate::web::WebError;
use catalyst_cluster::chain;

/// How long to wait before the web side is asked again.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(3);

/// What the workload is to be made with.
pub(super) enum Secrets {
    /// With these; none: without any.
    At(Option<Held>),
    /// They are not there yet.
    Waiting(Step, Option<Timestamp>),
}

/// Brings the Environment's secrets to the version that it names.
pub(super) async fn sync(
    context: &Context,
    environment: &Environment,
    target: &Target,
    now: Timestamp,
) -> Result<Secrets, Error> {
    let named = |key: &str| environment.annotations().get(key).map(String::as_str);
    let wanted = named(labels::SECRETS).filter(|version| *version != labels::NO_SECRETS);
    let place = ObjectRef::<ConfigMap>::new(HELD_SECRETS).within(&target.namespace);
    let known = context.cluster.caches.config_maps.get(&place);
    let known = known.as_ref().map(|known| Held::read(recorded(known)));
    let Some(wanted) = wanted else {
        if known.is_some_and(|known| known.version != labels::NO_SECRETS) {
            write(context, target, labels::NO_SECRETS, [].into()).await?;
        }
        return Ok(Secrets::At(None));
    };
    if let Some(known) = known
        && known.version == wanted
    {
        return Ok(Secrets::At(Some(known)));
    }
    let (Some(web), Some(id)) = (&context.settings.web, named(labels::ENVIRONMENT_ID)) else {
        tracing::warn!(
            environment = target.owner(),
            "secrets_not_synced: the web side's address is not set (CATALYST_INTERNAL_URL)"
        );
        return Ok(Secrets::At(None));
    };
    match web.secrets(id).await {
        Ok(values) => {
            let values = values
                .into_iter()
                .map(|(name, value)| (name, ByteString(value.into_bytes())));
            let held = write(context, target, wanted, values.collect()).await?;
            tracing::info!(
                environment = target.owner(),
                version = wanted,
                "secrets_synced"
            );
            Ok(Secrets::At(Some(held)))
        }
        Err(error) => {
            tracing::warn!(
                environment = target.owner(),
                error = chain(&error),
                "secrets_not_synced"
            );
            let message = match error {
                // Forgotten by the web side, or waiting for a maintainer.
                WebError::NotFound => "the web side does not know this Environment".to_owned(),
                other => format!("its secrets cannot be read: {other}; it is tried again"),
            };
            Ok(Secrets::Waiting(
                Step::waiting("SecretsUnavailable", message),
                now.saturating_add(PAUSE).ok(),
            ))
        }
    }
}

/// Makes Secret `catalyst-secrets` hold these and no others, and records their version.
async fn write(
    context: &Context,
    target: &Target,
    version: &str,
    data: std::collections::BTreeMap<String, ByteString>,
) -> Result<Held, Error> {
    let held = Held {
        version: version.to_owned(),
        names: data.keys().cloned().collect(),
    };
    let api: Api<Secret> = Api::namespaced(context.cluster.client.clone(), &target.namespace);
    let secret = Secret {
        metadata: target.meta(SECRETS),
        data: Some(data),
        ..Secret::default()
    };
    let parameters = PatchParams::apply(labels::MANAGER).force();
    api.patch(SECRETS, &parameters, &Patch::Apply(&secret))
        .await
        .map(drop)
        .map_err(Error::api(
            "apply",
            format!("Secret {}/{SECRETS}", target.namespace),
        ))?;
    let record = record(target, HELD_SECRETS, &held.text());
    context.cluster.ensure(&record).await?;
    Ok(held)
}
