//! The namespace of an Environment, and who runs in it.

use catalyst_crd::labels;
use catalyst_model::names;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::ResourceExt;

use super::{Source, Target};

/// The namespace. Pod Security holds its pods to the baseline, except that a `file://` repository
/// is mounted from the node, which the baseline forbids.
#[must_use]
pub fn namespace(target: &Target, source: Option<&Source>) -> Namespace {
    let mut namespace = Namespace {
        metadata: target.meta(&target.namespace),
        ..Namespace::default()
    };
    namespace.metadata.namespace = None;
    let local = source.is_some_and(|source| source.repository.local_path().is_some());
    let level = if local { "privileged" } else { "baseline" };
    let branch = names::label_value(source.map_or("main", |source| &source.branch));
    let all = namespace.labels_mut();
    all.insert(labels::NAMESPACE_TYPE.to_owned(), "environment".to_owned());
    all.insert(labels::BRANCH.to_owned(), branch);
    all.insert(
        "pod-security.kubernetes.io/enforce".to_owned(),
        level.to_owned(),
    );
    namespace
}

/// Whether a namespace was made for this Environment, and by us. Nothing else is ever adopted,
/// changed or deleted.
#[must_use]
pub fn is_owned_by(namespace: &Namespace, owner: &str) -> bool {
    namespace
        .annotations()
        .get(labels::OWNER)
        .is_some_and(|of| of == owner)
        && namespace
            .labels()
            .get(labels::MANAGED_BY)
            .is_some_and(|by| by == labels::MANAGER)
}

/// The account that pods run as unless they say otherwise. They get no token of it.
#[must_use]
pub fn service_account(target: &Target) -> ServiceAccount {
    ServiceAccount {
        metadata: target.meta("default"),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
