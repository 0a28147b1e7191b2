//! What a sweep finds to do between store and cluster: pure.

use std::sync::Arc;
use std::time::Duration;

use catalyst_crd::Environment;
use catalyst_crd::labels::{ENVIRONMENT, PROJECT, TEAM};
use catalyst_model::names::project_namespace;
use catalyst_model::state::PreviewStatus;
use catalyst_store::Preview;
use chrono::{DateTime, Utc};
use kube::ResourceExt;

use crate::observe::{asks_for, preview_id, time};
use crate::work::wanted;

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
/// another one, and that are older than `age`. What others made is left alone.
pub(super) fn orphans(
    environments: &[Arc<Environment>],
    previews: &[Preview],
    now: DateTime<Utc>,
    age: Duration,
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
            && (now - born).to_std().unwrap_or_default() > age
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::work::tests::preview;
    use catalyst_crd::EnvironmentSpec;
    use catalyst_crd::environment::EnvironmentSource;
    use catalyst_crd::labels::ENVIRONMENT_ID;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    const AGE: Duration = Duration::from_secs(30);

    /// What the preview of [`preview`] wants, made at second 100.
    fn environment(id: &str) -> Environment {
        let mut it = Environment::new("preview-7", EnvironmentSpec::default());
        it.spec.sources.push(EnvironmentSource {
            commit_sha: "a".repeat(40),
            ..EnvironmentSource::default()
        });
        it.metadata.namespace = Some("acme-shop".into());
        it.metadata.creation_timestamp = Some(Time(Timestamp::from_second(100).unwrap()));
        for key in [TEAM, PROJECT, ENVIRONMENT] {
            it.labels_mut().insert(key.into(), "x".into());
        }
        it.annotations_mut()
            .insert(ENVIRONMENT_ID.into(), id.into());
        it
    }

    fn found(it: Environment, second: i64) -> usize {
        let now = DateTime::from_timestamp(second, 0).unwrap();
        let previews = [preview(PreviewStatus::Running)];
        orphans(&[Arc::new(it)], &previews, now, AGE).len()
    }

    #[test]
    fn an_orphan_is_ours_and_old_and_wanted_by_nobody() {
        assert_eq!(found(environment("id-1"), 200), 0, "it is wanted");
        assert_eq!(found(environment("id-2"), 200), 1);
        assert_eq!(found(environment("id-2"), 110), 0, "it is young");
        let mut made_by_hand = environment("id-2");
        made_by_hand.annotations_mut().clear();
        assert_eq!(found(made_by_hand, 200), 0);
        let mut elsewhere = environment("id-1");
        elsewhere.metadata.namespace = Some("acme-other".into());
        assert_eq!(found(elsewhere, 200), 1);
        let mut going = environment("id-2");
        going.metadata.deletion_timestamp = going.metadata.creation_timestamp.clone();
        assert_eq!(found(going, 200), 0);
    }

    #[test]
    fn a_preview_lacks_what_the_cluster_does_not_have() {
        use PreviewStatus::{Deleting, Failed, Pending, Running};
        let there = environment("id-1");
        assert_eq!(unmet(&preview(Running), Some(&there)), None);
        assert_eq!(unmet(&preview(Running), None), Some(Wish::Work));
        let other = environment("id-2");
        assert_eq!(unmet(&preview(Pending), Some(&other)), Some(Wish::Work));
        assert_eq!(unmet(&preview(Failed), None), None);
        assert_eq!(unmet(&preview(Deleting), None), Some(Wish::Work));
        let mut homeless = preview(Running);
        homeless.repository_removed = true;
        assert_eq!(unmet(&homeless, Some(&there)), Some(Wish::Removal));
    }
}
