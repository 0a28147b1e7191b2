//! The five steps from a push to an answering URL, read off a row and its Environment: pure.

use catalyst_crd::ConditionType;
use catalyst_model::state::PreviewStatus;
use catalyst_model::views::{DeploymentResult, Step, StepState};
use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::observe::time;

/// What the store tells of the newest deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked<'a> {
    /// The row's status.
    pub status: PreviewStatus,
    /// Why it may not start yet.
    pub blocked: Option<&'a str>,
    /// What the row says went wrong or goes on.
    pub message: Option<&'a str>,
    /// When the deployment was asked for.
    pub started_at: DateTime<Utc>,
    /// When it was decided.
    pub finished_at: Option<DateTime<Utc>>,
    /// What became of it.
    pub result: DeploymentResult,
}

/// What the cluster tells of that very deployment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// When the cluster was given it; none while it was not.
    pub handed_over_at: Option<DateTime<Utc>>,
    /// The conditions that speak of it; older ones are left out.
    pub conditions: Vec<Condition>,
}

const STEPS: [(&str, ConditionType); 4] = [
    ("Prepared", ConditionType::NamespaceReady),
    ("Built", ConditionType::BuildReady),
    ("Deployed", ConditionType::DeploymentReady),
    ("Ready", ConditionType::Ready),
];

/// Queued, Prepared, Built, Deployed and Ready, always all five.
#[must_use]
pub fn timeline(asked: &Asked<'_>, told: &Told) -> Vec<Step> {
    if asked.result != DeploymentResult::Deploying && told.conditions.is_empty() {
        return afterwards(asked);
    }
    let queued = queued(asked, told);
    let mut cursor = match queued.state {
        StepState::Done => queued.finished_at,
        _ => None,
    };
    let mut steps = vec![queued];
    for (name, kind) in STEPS {
        let step = match cursor {
            None => waiting(name),
            Some(since) => {
                let condition = told.conditions.iter().find(|c| c.type_ == kind.as_str());
                reached(name, since, condition, asked)
            }
        };
        cursor = match step.state {
            StepState::Done => step.finished_at,
            _ => None,
        };
        steps.push(step);
    }
    steps
}

fn queued(asked: &Asked<'_>, told: &Told) -> Step {
    let mut step = Step {
        name: "Queued".to_owned(),
        state: StepState::Running,
        detail: asked.blocked.or(asked.message).map(str::to_owned),
        started_at: Some(asked.started_at),
        finished_at: None,
    };
    if let Some(at) = told.handed_over_at {
        step.state = StepState::Done;
        step.detail = None;
        step.finished_at = Some(at.max(asked.started_at));
    } else if asked.status == PreviewStatus::Failed {
        step.state = StepState::Failed;
        step.finished_at = asked.finished_at;
    }
    step
}

fn reached(
    name: &str,
    since: DateTime<Utc>,
    condition: Option<&Condition>,
    asked: &Asked<'_>,
) -> Step {
    let changed = condition.map(|c| time(&c.last_transition_time).max(since));
    let (state, finished_at) = match condition {
        Some(c) if c.status == "True" => (StepState::Done, changed),
        _ if asked.status == PreviewStatus::Failed => {
            (StepState::Failed, asked.finished_at.or(changed))
        }
        _ if asked.status == PreviewStatus::Deleting => (StepState::Waiting, None),
        _ => (StepState::Running, None),
    };
    let said = condition.map(|c| c.message.as_str());
    let detail = match state {
        StepState::Failed => said.filter(|text| !text.is_empty()).or(asked.message),
        _ => said.filter(|text| !text.is_empty()),
    };
    Step {
        name: name.to_owned(),
        state,
        detail: detail.map(str::to_owned),
        started_at: (state != StepState::Waiting).then_some(since),
        finished_at,
    }
}

fn waiting(name: &str) -> Step {
    Step {
        name: name.to_owned(),
        state: StepState::Waiting,
        detail: None,
        started_at: None,
        finished_at: None,
    }
}

/// The steps of a deployment of which the cluster tells nothing any more: its beginning and its
/// end are known, what lay between is not.
fn afterwards(asked: &Asked<'_>) -> Vec<Step> {
    let mut steps: Vec<Step> = std::iter::once("Queued")
        .chain(STEPS.map(|(name, _)| name))
        .map(waiting)
        .collect();
    let last = steps.len() - 1;
    match asked.result {
        DeploymentResult::Ready => {
            for step in &mut steps {
                step.state = StepState::Done;
            }
            steps[last].finished_at = asked.finished_at;
        }
        DeploymentResult::Failed => {
            steps[0].state = StepState::Failed;
            steps[0].detail = asked.message.map(str::to_owned);
            steps[0].finished_at = asked.finished_at;
        }
        DeploymentResult::Deploying
        | DeploymentResult::Superseded
        | DeploymentResult::Cancelled => {
            steps[0].detail = asked.message.map(str::to_owned);
        }
    }
    steps[0].started_at = Some(asked.started_at);
    steps
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use catalyst_crd::conditions::condition;
    use k8s_openapi::jiff::Timestamp;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn asked(status: PreviewStatus, result: DeploymentResult) -> Asked<'static> {
        Asked {
            status,
            blocked: None,
            message: None,
            started_at: at(100),
            finished_at: None,
            result,
        }
    }

    fn told(conditions: &[(ConditionType, bool, &str, i64)]) -> Told {
        Told {
            handed_over_at: Some(at(101)),
            conditions: conditions
                .iter()
                .map(|(kind, status, message, second)| {
                    let now = Timestamp::from_second(*second).unwrap();
                    condition(*kind, Some(*status), "Reason", *message, Some(1), now)
                })
                .collect(),
        }
    }

    fn states(steps: &[Step]) -> Vec<(&str, StepState)> {
        steps.iter().map(|s| (s.name.as_str(), s.state)).collect()
    }

    #[test]
    fn a_deployment_moves_through_its_steps_and_each_starts_where_the_last_ended() {
        let asked = asked(PreviewStatus::Deploying, DeploymentResult::Deploying);
        let steps = timeline(
            &asked,
            &told(&[
                // Prepared long ago, for an earlier commit: it takes no time now.
                (ConditionType::NamespaceReady, true, "", 5),
                (ConditionType::BuildReady, true, "Node.js with npm", 110),
                (ConditionType::DeploymentReady, false, "npm install", 103),
                (ConditionType::Ready, false, "npm install", 103),
            ]),
        );
        use StepState::{Done, Running, Waiting};
        assert_eq!(
            states(&steps),
            [
                ("Queued", Done),
                ("Prepared", Done),
                ("Built", Done),
                ("Deployed", Running),
                ("Ready", Waiting)
            ]
        );
        assert_eq!(steps[1].started_at, steps[1].finished_at);
        assert_eq!(steps[2].started_at, Some(at(101)));
        assert_eq!(steps[2].finished_at, Some(at(110)));
        assert_eq!(steps[3].started_at, Some(at(110)));
        assert_eq!(steps[3].detail.as_deref(), Some("npm install"));
    }

    #[test]
    fn the_step_that_failed_says_why_and_those_after_it_wait() {
        let asked = Asked {
            finished_at: Some(at(120)),
            ..asked(PreviewStatus::Failed, DeploymentResult::Failed)
        };
        let steps = timeline(
            &asked,
            &told(&[
                (ConditionType::NamespaceReady, true, "", 102),
                (
                    ConditionType::BuildReady,
                    false,
                    "install exited with 1",
                    119,
                ),
            ]),
        );
        assert_eq!(steps[2].state, StepState::Failed);
        assert_eq!(steps[2].detail.as_deref(), Some("install exited with 1"));
        assert_eq!(steps[2].finished_at, Some(at(120)));
        assert_eq!(steps[3].state, StepState::Waiting);
    }

    #[test]
    fn a_blocked_one_waits_in_the_queue_and_says_for_what() {
        let asked = Asked {
            blocked: Some("an admin has to approve"),
            ..asked(PreviewStatus::Pending, DeploymentResult::Deploying)
        };
        let steps = timeline(&asked, &Told::default());
        assert_eq!(steps[0].state, StepState::Running);
        assert_eq!(steps[0].detail.as_deref(), Some("an admin has to approve"));
        assert!(steps[1..].iter().all(|s| s.state == StepState::Waiting));
    }

    #[test]
    fn one_that_the_cluster_refused_failed_in_the_queue() {
        let asked = Asked {
            message: Some("the namespace is somebody else's"),
            finished_at: Some(at(130)),
            ..asked(PreviewStatus::Failed, DeploymentResult::Failed)
        };
        let steps = timeline(&asked, &Told::default());
        assert_eq!(steps[0].state, StepState::Failed);
        assert_eq!(steps[0].finished_at, Some(at(130)));
    }

    #[test]
    fn of_a_removed_preview_the_beginning_and_the_end_are_known() {
        let asked = Asked {
            finished_at: Some(at(130)),
            ..asked(PreviewStatus::Deleting, DeploymentResult::Ready)
        };
        let steps = timeline(&asked, &Told::default());
        assert!(steps.iter().all(|s| s.state == StepState::Done));
        assert_eq!(steps[0].started_at, Some(at(100)));
        assert_eq!(steps[4].finished_at, Some(at(130)));
        assert_eq!(steps[2].finished_at, None);
    }
}
