//! What a sweep finds to do between store and cluster: pure.

use std::sync::Arc;

use catalyst_crd::Environment;
use catalyst_crd::labels::{ENVIRONMENT, PROJECT, TEAM};
use catalyst_model::names::project_namespace;
use catalyst_model::state::PreviewStatus;
use catalyst_store::Preview;
use chrono::{DateTime, TimeDelta, Utc};
use kube::ResourceExt;

use crate::observe::{asks_for, preview_id, time};
use crate::work::wanted;

/// An Environment this young may belong to a row that was written after the rows were listed.
const YOUNG: TimeDelta = TimeDelta::seconds(30);

/// An Environment of ours that no preview wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Orphan {
    pub namespace: String,
    pub name: String,
}

/// What a preview lacks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// The cluster is not in step with it.
    Work,
    /// It has no place any more.
    Removal,
}

/// The Environments that carry our annotation and labels, but whose preview is gone, or has
/// another one. What others made is left alone.
pub(super) fn orphans(
    environments: &[Arc<Environment>],
    previews: &[Preview],
    now: DateTime<Utc>,
) -> Vec<Orphan> {
    let orphan = |it: &&Arc<Environment>| {
        let ours = [TEAM, PROJECT, ENVIRONMENT]
            .iter()
            .all(|key| it.labels().contains_key(*key));
        let Some(id) = preview_id(it).filter(|_| ours) else {
            return false;
        };
        let born = it.creation_timestamp().as_ref().map_or(now, time);
        let namespace = it.namespace().unwrap_or_default();
        it.metadata.deletion_timestamp.is_none()
            && now - born > YOUNG
            && !previews.iter().any(|preview| {
                preview.id == id
                    && preview.environment == it.name_any()
                    && project_namespace(&preview.team, &preview.project) == namespace
            })
    };
    environments
        .iter()
        .filter(orphan)
        .map(|it| Orphan {
            namespace: it.namespace().unwrap_or_default(),
            name: it.name_any(),
        })
        .collect()
}

/// What a present preview lacks, given its Environment.
pub(super) fn unmet(preview: &Preview, environment: Option<&Environment>) -> Option<Wish> {
    if preview.status == PreviewStatus::Deleting {
        return Some(Wish::Work);
    }
    if preview.repository_removed {
        return Some(Wish::Removal);
    }
    if preview.blocked.is_some() || preview.status == PreviewStatus::Failed {
        return None;
    }
    let in_step = environment.is_some_and(|it| {
        preview_id(it) == Some(preview.id.as_str()) && asks_for(it, &wanted(preview))
    });
    (!in_step).then_some(Wish::Work)
}
