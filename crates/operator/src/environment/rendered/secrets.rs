//! The Secrets that a repository's files make. They are written and never read: which there are is
//! told by a record of their names.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::reflector::ObjectRef;

use super::prune::Names;
use crate::context::Context;
use crate::desired::Target;
use crate::desired::record::{RENDERED_SECRETS, record, recorded};
use crate::error::Error;

/// Notes that Secrets of these names are about to be there, besides those that are.
pub(super) async fn announce(
    context: &Context,
    target: &Target,
    objects: &Names,
) -> Result<(), Error> {
    let mut all = known(context, target);
    let before = all.len();
    all.extend(of(objects));
    if all.len() == before {
        return Ok(());
    }
    write(context, target, &all).await
}

/// Deletes those that are not among the `wanted` objects.
pub(super) async fn prune(context: &Context, target: &Target, wanted: &Names) -> Result<(), Error> {
    let wanted: BTreeSet<String> = of(wanted).collect();
    let known = known(context, target);
    if known.is_subset(&wanted) {
        return Ok(());
    }
    for name in known.difference(&wanted) {
        context
            .cluster
            .delete_unseen(&target.namespace, name)
            .await?;
    }
    write(context, target, &wanted).await
}

fn of(objects: &Names) -> impl Iterator<Item = String> {
    objects
        .iter()
        .filter(|(kind, _)| kind == "Secret")
        .map(|(_, name)| name.clone())
}

/// The names of those that there are.
pub(super) fn known(context: &Context, target: &Target) -> BTreeSet<String> {
    let place = ObjectRef::<ConfigMap>::new(RENDERED_SECRETS).within(&target.namespace);
    let there = context.cluster.caches.config_maps.get(&place);
    there
        .iter()
        .flat_map(|there| recorded(there).split_whitespace())
        .map(ToOwned::to_owned)
        .collect()
}

async fn write(context: &Context, target: &Target, names: &BTreeSet<String>) -> Result<(), Error> {
    let text: Vec<_> = names.iter().map(String::as_str).collect();
    let wanted = record(target, RENDERED_SECRETS, &text.join("\n"));
    context.cluster.ensure(&wanted).await.map(drop)
}
