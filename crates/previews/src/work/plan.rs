//! What to do next about a preview, given its row and its Environment: pure.

use std::time::Duration;

use catalyst_crd::{ConditionType, Environment};
use catalyst_model::state::PreviewStatus;
use catalyst_store::Preview;
use chrono::{DateTime, Utc};

use crate::observe::{preview_id, time};

/// The next thing to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing; or nothing but what the cluster's next news lead to.
    Nothing,
    /// Nothing now, but to look again after this time.
    Wait(Duration),
    /// Make or change the Environment, where it is not as it should be.
    Apply,
    /// Delete the Environment.
    Delete,
    /// Nothing is left in the cluster: end the removal.
    Finish,
    /// It cannot go on.
    Fail(Stuck),
}

/// Why it cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stuck {
    /// In words.
    pub why: String,
    /// Whether it passes by itself.
    pub passing: bool,
}

pub(super) fn plan(
    preview: &Preview,
    present: Option<&Environment>,
    now: DateTime<Utc>,
    patience: Duration,
) -> Action {
    let ours = |it: &&Environment| preview_id(it) == Some(preview.id.as_str());
    if preview.deleted_at.is_some() {
        return Action::Nothing;
    }
    if preview.status == PreviewStatus::Deleting {
        return match present.filter(ours) {
            None => Action::Finish,
            Some(it) => removal(preview, it, now, patience),
        };
    }
    let may_run = preview.blocked.is_none() && preview.status != PreviewStatus::Failed;
    match present {
        _ if !may_run => Action::Nothing,
        None => Action::Apply,
        Some(it) if !ours(&it) => Action::Fail(Stuck {
            why: format!(
                "the cluster has an Environment {} that belongs to something else",
                preview.environment
            ),
            // One left over from an earlier database is removed by the sweep.
            passing: true,
        }),
        // The watch tells when it is gone.
        Some(it) if it.metadata.deletion_timestamp.is_some() => Action::Wait(patience),
        Some(_) => Action::Apply,
    }
}

fn removal(
    preview: &Preview,
    present: &Environment,
    now: DateTime<Utc>,
    patience: Duration,
) -> Action {
    let Some(asked_at) = present.metadata.deletion_timestamp.as_ref().map(time) else {
        return Action::Delete;
    };
    // A person who takes a removal up again begins its time anew.
    let since = asked_at.max(preview.updated_at);
    let waited = (now - since).to_std().unwrap_or_default();
    match patience.checked_sub(waited) {
        Some(left) if !left.is_zero() => Action::Wait(left),
        _ => Action::Fail(Stuck {
            why: still_there(preview, present, waited),
            passing: false,
        }),
    }
}

fn still_there(preview: &Preview, present: &Environment, waited: Duration) -> String {
    let said = present
        .status
        .as_ref()
        .and_then(|status| status.condition(ConditionType::Ready))
        .map(|ready| format!(": {}", ready.message))
        .unwrap_or_default();
    format!(
        "namespace {} is still there {} s after its removal began{said}",
        preview.namespace,
        waited.as_secs()
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::work::tests::preview;
    use catalyst_crd::EnvironmentSpec;
    use catalyst_crd::labels::ENVIRONMENT_ID;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;
    use kube::ResourceExt;

    const PATIENCE: Duration = Duration::from_secs(120);

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn environment(owner: &str, deleted_at: Option<i64>) -> Environment {
        let mut it = Environment::new("preview-7", EnvironmentSpec::default());
        let annotations = it.annotations_mut();
        annotations.insert(ENVIRONMENT_ID.into(), owner.into());
        let time = |second| Time(Timestamp::from_second(second).unwrap());
        it.metadata.deletion_timestamp = deleted_at.map(time);
        it
    }

    fn planned(preview: &Preview, present: Option<&Environment>, now: i64) -> Action {
        plan(preview, present, at(now), PATIENCE)
    }

    #[test]
    fn what_may_run_is_applied_and_what_may_not_is_left_alone() {
        use PreviewStatus::{Deploying, Failed, Pending, Running};
        let present = environment("id-1", None);
        for status in [Pending, Deploying, Running] {
            assert_eq!(planned(&preview(status), None, 1), Action::Apply);
            assert_eq!(planned(&preview(status), Some(&present), 1), Action::Apply);
        }
        assert_eq!(planned(&preview(Failed), None, 1), Action::Nothing);
        let blocked = Preview {
            blocked: Some("a fork".into()),
            ..preview(Pending)
        };
        assert_eq!(planned(&blocked, None, 1), Action::Nothing);
    }

    #[test]
    fn a_removal_deletes_waits_and_ends_when_nothing_is_left() {
        let deleting = preview(PreviewStatus::Deleting);
        let present = environment("id-1", None);
        assert_eq!(planned(&deleting, Some(&present), 1), Action::Delete);
        let going = environment("id-1", Some(100));
        let left = Action::Wait(Duration::from_secs(90));
        assert_eq!(planned(&deleting, Some(&going), 130), left);
        assert_eq!(planned(&deleting, None, 131), Action::Finish);
        // Another preview's Environment of that name is none of its business.
        let other = environment("id-2", None);
        assert_eq!(planned(&deleting, Some(&other), 131), Action::Finish);
    }

    #[test]
    fn a_removal_that_takes_too_long_fails_and_says_what_the_operator_says() {
        use catalyst_crd::conditions::condition;
        let deleting = preview(PreviewStatus::Deleting);
        let mut stuck = environment("id-1", Some(100));
        let now = Timestamp::UNIX_EPOCH;
        stuck.status = Some(catalyst_crd::EnvironmentStatus {
            conditions: vec![condition(
                ConditionType::Ready,
                Some(false),
                "Terminating",
                "finalizer example.com/keep is not removed",
                None,
                now,
            )],
            ..Default::default()
        });
        let Action::Fail(failure) = planned(&deleting, Some(&stuck), 220) else {
            unreachable!("it has waited long enough");
        };
        assert!(failure.why.contains("120 s") && failure.why.contains("example.com/keep"));
        assert!(!failure.passing);
    }

    #[test]
    fn one_that_comes_back_while_the_last_goes_waits_for_that() {
        let going = environment("id-1", Some(100));
        let planned = planned(&preview(PreviewStatus::Pending), Some(&going), 101);
        assert_eq!(planned, Action::Wait(PATIENCE));
    }

    #[test]
    fn an_environment_of_somebody_else_is_never_taken_over() {
        let other = environment("id-2", None);
        let Action::Fail(failure) = planned(&preview(PreviewStatus::Pending), Some(&other), 1)
        else {
            unreachable!("it is not ours");
        };
        assert!(failure.passing);
    }
}
