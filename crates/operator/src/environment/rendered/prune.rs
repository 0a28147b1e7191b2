//! Removes what came from a repository once and is not wanted any more. Claims stay, with what
//! they hold.

use std::collections::{BTreeMap, BTreeSet};

use catalyst_crd::labels;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use kube::ResourceExt;

use super::secrets;
use crate::cache::Cached;
use crate::context::Context;
use crate::desired::Target;
use crate::desired::workload::NAME;
use crate::error::Error;

/// Objects by kind and name.
pub(super) type Names = BTreeSet<(String, String)>;
type Labels = BTreeMap<String, String>;

/// Removes everything that workloads are made of but what is `wanted`, whichever mode it was made
/// in.
pub(crate) async fn remove_others(
    context: &Context,
    target: &Target,
    wanted: &Names,
) -> Result<(), Error> {
    remove(context, target, wanted, |_| true).await
}

/// Removes what came from a repository's files, once the workload of another mode is up.
pub(crate) async fn after_workload(context: &Context, target: &Target) -> Result<(), Error> {
    let own = ["Deployment", "Service"].map(|kind| (kind.to_owned(), NAME.to_owned()));
    let from_files = |all: &Labels| all.contains_key(labels::COMPONENT);
    remove(context, target, &own.into(), from_files).await
}

async fn remove(
    context: &Context,
    target: &Target,
    wanted: &Names,
    is_meant: fn(&Labels) -> bool,
) -> Result<(), Error> {
    let pruning = Pruning {
        context,
        target,
        wanted,
        is_meant,
    };
    pruning.of_kind::<Deployment>().await?;
    pruning.of_kind::<StatefulSet>().await?;
    pruning.of_kind::<Job>().await?;
    pruning.of_kind::<Service>().await?;
    pruning.of_kind::<ConfigMap>().await?;
    pruning.of_kind::<ServiceAccount>().await?;
    secrets::prune(context, target, wanted).await
}

struct Pruning<'a> {
    context: &'a Context,
    target: &'a Target,
    wanted: &'a Names,
    is_meant: fn(&Labels) -> bool,
}

impl Pruning<'_> {
    async fn of_kind<K: Cached>(&self) -> Result<(), Error> {
        let kind = K::kind(&()).into_owned();
        let namespace = &self.target.namespace;
        let gone = K::store(&self.context.cluster.caches).state_filter(|object| {
            let name = object.name_any();
            object.meta().namespace.as_ref() == Some(namespace)
                && object.meta().deletion_timestamp.is_none()
                && !is_own(&name, object.labels())
                && (self.is_meant)(object.labels())
                && !self.wanted.contains(&(kind.clone(), name))
        });
        for object in gone {
            let name = object.name_any();
            tracing::info!(environment = self.target.owner(), kind, name, "removed");
            self.context.cluster.delete::<K>(namespace, &name).await?;
        }
        Ok(())
    }
}

/// Whether it is the operator's own: the scripts, the inspections, the namespace's accounts.
fn is_own(name: &str, all: &Labels) -> bool {
    name == "default" || name.starts_with("catalyst-") || all.contains_key(labels::JOB_TYPE)
}
