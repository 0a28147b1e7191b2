//! How far an Environment has come, and the status that says so. Pure.

use std::time::Duration;

use catalyst_crd::conditions::condition;
use catalyst_crd::{Alternative, ConditionType, EnvironmentStatus, set_condition};
use catalyst_model::state::Phase;
use jiff::Timestamp;

use crate::desired::Problem;
use crate::network::Enforcement;

/// One of the three steps on the way to a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An earlier step comes first.
    Later,
    /// On its way.
    Waiting(Said),
    /// Done.
    Done(Said),
    /// Given up, until something changes.
    Failed(Said),
    /// Given up as well, with its pod kept for whoever wants to look around in it.
    Degraded(Said),
}

/// A condition's reason and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// One CamelCase word.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

impl Step {
    /// On its way.
    pub fn waiting(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Waiting(Said {
            reason,
            message: message.into(),
        })
    }

    /// Done.
    pub fn done(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Done(Said {
            reason,
            message: message.into(),
        })
    }

    /// Given up.
    pub fn failed(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Failed(Said {
            reason,
            message: message.into(),
        })
    }
}

impl From<Problem> for Step {
    fn from(problem: Problem) -> Self {
        Self::failed(problem.reason, problem.message)
    }
}

/// Everything that the status is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The namespace with what belongs into it.
    pub namespace: Step,
    /// The source, and how it is run.
    pub build: Step,
    /// The newest commit's workload.
    pub deployment: Step,
    /// Other ways the repository could be run.
    pub alternatives: Vec<Alternative>,
    /// What answers at the URL now, if anything does: `serving <commit>`.
    pub serving: Option<String>,
    /// Where it answers, or will.
    pub url: Option<String>,
    /// When to look again though nothing has changed.
    pub look_again: Option<Timestamp>,
    /// Whether the policies that keep it apart are enforced, where that is known.
    pub enforcement: Option<Enforcement>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            namespace: Step::Later,
            build: Step::Later,
            deployment: Step::Later,
            alternatives: Vec::new(),
            serving: None,
            url: None,
            look_again: None,
            enforcement: None,
        }
    }
}

/// What an attempt is measured by.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// When the present attempt began.
    pub started: Timestamp,
    /// How long it may take.
    pub deadline: Duration,
    /// Now.
    pub now: Timestamp,
}

/// The status of this progress, and when to look at it again without a change.
///
/// Conditions keep the time of their last change from `before`. An attempt that is still waiting
/// when its deadline is over has failed; time counts from its start, or from when it was last
/// ready.
#[must_use]
pub fn status(
    progress: &Progress,
    before: Option<&EnvironmentStatus>,
    generation: Option<i64>,
    clock: Clock,
) -> (EnvironmentStatus, Option<Timestamp>) {
    let since =
        unready_since(before, clock.now).map_or(clock.started, |lost| lost.max(clock.started));
    let due = since
        .saturating_add(clock.deadline)
        .unwrap_or(Timestamp::MAX);
    let late = clock.now >= due;
    let judge = |step: &Step| match step {
        Step::Waiting(said) if late => Step::failed(
            "DeadlineExceeded",
            format!(
                "not done within {}: {}",
                words(clock.deadline),
                said.message
            ),
        ),
        other => other.clone(),
    };
    let steps = [
        (
            ConditionType::NamespaceReady,
            Phase::Pending,
            judge(&progress.namespace),
        ),
        (
            ConditionType::BuildReady,
            Phase::Building,
            judge(&progress.build),
        ),
        (
            ConditionType::DeploymentReady,
            Phase::Deploying,
            judge(&progress.deployment),
        ),
    ];

    let mut conditions = before
        .map(|status| status.conditions.clone())
        .unwrap_or_default();
    let mut set = |kind, state, reason: &str, message: &str| {
        set_condition(
            &mut conditions,
            condition(kind, state, reason, message, generation, clock.now),
        );
    };
    for (kind, _, step) in &steps {
        match step {
            Step::Later => set(*kind, None, "Waiting", "an earlier step comes first"),
            Step::Waiting(said) => set(*kind, Some(false), said.reason, &said.message),
            Step::Done(said) => set(*kind, Some(true), said.reason, &said.message),
            Step::Failed(said) | Step::Degraded(said) => {
                set(*kind, Some(false), said.reason, &said.message);
            }
        }
    }
    if let Some(found) = &progress.enforcement {
        set(
            ConditionType::NetworkIsolated,
            found.status(),
            found.reason(),
            &found.message(),
        );
    }
    match &progress.serving {
        Some(serving) => set(ConditionType::Available, Some(true), "Serving", serving),
        None => set(
            ConditionType::Available,
            Some(false),
            "NothingServes",
            "nothing answers at the URL yet",
        ),
    }

    let failed = steps
        .iter()
        .find(|(_, _, step)| matches!(step, Step::Failed(_) | Step::Degraded(_)));
    let open = failed.or_else(|| {
        steps
            .iter()
            .find(|(_, _, step)| !matches!(step, Step::Done(_)))
    });
    let phase = match open {
        None => {
            let message = progress
                .url
                .as_deref()
                .map_or("ready".to_owned(), |url| format!("answers at {url}"));
            set(ConditionType::Ready, Some(true), "Ready", &message);
            Phase::Ready
        }
        Some((_, phase, Step::Waiting(said))) => {
            set(
                ConditionType::Ready,
                Some(false),
                said.reason,
                &said.message,
            );
            *phase
        }
        Some((_, _, step @ (Step::Failed(said) | Step::Degraded(said)))) => {
            set(
                ConditionType::Ready,
                Some(false),
                said.reason,
                &said.message,
            );
            match step {
                Step::Degraded(_) => Phase::Degraded,
                _ => Phase::Failed,
            }
        }
        Some((_, phase, _)) => {
            set(
                ConditionType::Ready,
                Some(false),
                "Waiting",
                "not started yet",
            );
            *phase
        }
    };
    let status = EnvironmentStatus {
        phase: Some(phase.as_str().to_owned()),
        url: progress.url.clone(),
        alternatives: progress.alternatives.clone(),
        conditions,
    };
    let waiting = steps
        .iter()
        .any(|(_, _, step)| matches!(step, Step::Waiting(_)));
    let look_again = match (waiting.then_some(due), progress.look_again) {
        (Some(due), Some(sooner)) => Some(due.min(sooner)),
        (one, other) => one.or(other),
    };
    (status, look_again.filter(|at| *at > clock.now))
}

/// Since when it has not been ready: from now on, where the last word was that it is.
fn unready_since(before: Option<&EnvironmentStatus>, now: Timestamp) -> Option<Timestamp> {
    let ready = before?.condition(ConditionType::Ready)?;
    Some(if ready.status == "True" {
        now
    } else {
        ready.last_transition_time.0
    })
}

/// A duration as people say it.
#[must_use]
pub fn words(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if seconds >= 60 && seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn clock(now: i64) -> Clock {
        Clock {
            started: at(0),
            deadline: 10 * MINUTE,
            now: at(now),
        }
    }

    fn deploying() -> Progress {
        Progress {
            namespace: Step::done("Created", "in place"),
            build: Step::done("Detected", "Vite"),
            deployment: Step::waiting("Starting", "app starts"),
            url: Some("http://x.localhost:8080/".to_owned()),
            ..Progress::default()
        }
    }

    fn ready() -> Progress {
        Progress {
            deployment: Step::done("Ready", "up"),
            serving: Some("serving abc".to_owned()),
            ..deploying()
        }
    }

    fn phase_of(progress: &Progress, now: i64) -> String {
        status(progress, None, Some(1), clock(now)).0.phase.unwrap()
    }

    #[test]
    fn the_first_step_that_is_not_done_names_the_phase() {
        let fresh = Progress {
            namespace: Step::waiting("Terminating", "x"),
            ..Progress::default()
        };
        assert_eq!(phase_of(&fresh, 1), "Pending");
        let building = Progress {
            namespace: Step::done("Created", ""),
            build: Step::waiting("Inspecting", ""),
            ..Progress::default()
        };
        assert_eq!(phase_of(&building, 1), "Building");
        assert_eq!(phase_of(&deploying(), 1), "Deploying");
        assert_eq!(phase_of(&ready(), 1), "Ready");
        let failed = Progress {
            deployment: Step::failed("Crash", "exited with 1"),
            ..deploying()
        };
        assert_eq!(phase_of(&failed, 1), "Failed");
        let degraded = Progress {
            deployment: Step::Degraded(Said {
                reason: "Crash",
                message: "exited with 1".to_owned(),
            }),
            ..deploying()
        };
        assert_eq!(phase_of(&degraded, 1), "Degraded");
        assert_eq!(
            phase_of(&degraded, 10_000),
            "Degraded",
            "it waits for nothing"
        );
    }

    #[test]
    fn every_condition_is_written_with_the_generation_it_speaks_of() {
        let (status, _) = status(&deploying(), None, Some(7), clock(1));
        for kind in ConditionType::ALL {
            let condition = status.condition(kind).unwrap();
            assert_eq!(condition.observed_generation, Some(7), "{kind:?}");
            assert!(
                !condition.reason.is_empty() && !condition.message.is_empty(),
                "{kind:?}"
            );
        }
        let ready = status.condition(ConditionType::Ready).unwrap();
        assert_eq!(
            (ready.reason.as_str(), ready.message.as_str()),
            ("Starting", "app starts")
        );
    }

    #[test]
    fn a_cluster_that_ignores_policies_is_said_so_and_what_is_not_known_anew_stays() {
        let found = Progress {
            enforcement: Some(Enforcement::NotEnforced),
            ..ready()
        };
        let (before, _) = status(&found, None, Some(1), clock(5));
        let isolated = before.condition(ConditionType::NetworkIsolated).unwrap();
        assert_eq!(
            (isolated.status.as_str(), isolated.reason.as_str()),
            ("False", "PolicyNotEnforced")
        );
        assert_eq!(
            before.phase.as_deref(),
            Some("Ready"),
            "it runs all the same"
        );
        let (after, _) = status(&ready(), Some(&before), Some(1), clock(6));
        assert_eq!(
            after.condition(ConditionType::NetworkIsolated),
            Some(isolated)
        );
        let (never, _) = status(&ready(), None, Some(1), clock(6));
        assert_eq!(never.condition(ConditionType::NetworkIsolated), None);
    }

    #[test]
    fn what_still_waits_at_the_deadline_has_failed_and_says_for_what() {
        let (status, look_again) = status(&deploying(), None, Some(1), clock(599));
        assert_eq!(status.phase.unwrap(), "Deploying");
        assert_eq!(look_again, Some(at(600)));
        let (status, look_again) = super::status(&deploying(), None, Some(1), clock(600));
        assert_eq!(status.phase.as_deref(), Some("Failed"));
        let ready = status.condition(ConditionType::Ready).unwrap();
        assert_eq!(ready.reason, "DeadlineExceeded");
        assert_eq!(ready.message, "not done within 10 min: app starts");
        assert_eq!(look_again, None);
    }

    #[test]
    fn a_preview_that_gets_well_after_its_deadline_is_ready() {
        assert_eq!(phase_of(&ready(), 10_000), "Ready");
    }

    #[test]
    fn a_preview_that_was_ready_gets_the_whole_deadline_to_come_back() {
        let (up, _) = status(&ready(), None, Some(1), clock(100));
        // It goes down long after the attempt began.
        let (down, look_again) = status(&deploying(), Some(&up), Some(1), clock(5000));
        assert_eq!(
            (down.phase.as_deref(), look_again),
            (Some("Deploying"), Some(at(5600)))
        );
        let (down, _) = status(&deploying(), Some(&down), Some(1), clock(5600));
        assert_eq!(down.phase.as_deref(), Some("Failed"));
    }

    #[test]
    fn an_old_commit_stays_available_while_the_new_one_fails() {
        let failed = Progress {
            deployment: Step::failed("Crash", "exited with 1"),
            serving: Some("serving 0123".to_owned()),
            ..deploying()
        };
        let (status, _) = status(&failed, None, Some(2), clock(5));
        assert_eq!(
            status.condition(ConditionType::Available).unwrap().status,
            "True"
        );
        assert_eq!(
            status.condition(ConditionType::Available).unwrap().message,
            "serving 0123"
        );
        assert_eq!(status.phase.as_deref(), Some("Failed"));
    }
}
