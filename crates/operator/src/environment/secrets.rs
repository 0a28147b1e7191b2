//! The secrets of an Environment: asked of the web side, put where its pods find them.
//!
//! The operator reads no Secret of the cluster. What it has put there is told by the version that
//! the workload's pods carry: the web side names another one on the Environment whenever a secret
//! is written or removed.

use catalyst_crd::{Environment, labels};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use kube::runtime::reflector::ObjectRef;

use super::deploy::template_annotation;
use super::progress::Step;
use crate::context::Context;
use crate::desired::Target;
use crate::desired::workload::{NAME, SECRETS};
use crate::error::Error;
use crate::web::WebError;
use catalyst_cluster::chain;

/// How long to wait before the web side is asked again.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(3);

/// What the workload is to be made with.
pub(super) enum Secrets {
    /// With this version of its secrets; none: without any.
    At(Option<String>),
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
    let web = ObjectRef::new(NAME).within(&target.namespace);
    let deployed = context.cluster.caches.deployments.get(&web);
    let deployed = deployed
        .as_ref()
        .and_then(|it| template_annotation(it, labels::SECRETS));
    let Some(wanted) = wanted else {
        if deployed.is_some() {
            write(context, target, [].into()).await?;
        }
        return Ok(Secrets::At(None));
    };
    let there = Secrets::At(Some(wanted.to_owned()));
    if deployed.map(String::as_str) == Some(wanted) {
        return Ok(there);
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
            write(context, target, values.collect()).await?;
            tracing::info!(
                environment = target.owner(),
                version = wanted,
                "secrets_synced"
            );
            Ok(there)
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

/// Makes Secret `catalyst-secrets` hold these and no others.
async fn write(
    context: &Context,
    target: &Target,
    data: std::collections::BTreeMap<String, ByteString>,
) -> Result<(), Error> {
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
        ))
}
