//! How far a pair has come, and how that is told: pure.

use std::time::Duration;

use catalyst_crd::labels::{OBSERVED_RETRY, RETRY};
use catalyst_crd::{ConditionType, Environment};
use catalyst_model::state::Phase;
use kube::ResourceExt;

/// What an Environment says of the present attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// None: nobody has taken the attempt up.
    pub phase: Option<Phase>,
    /// What goes on or went wrong.
    pub message: String,
    /// Where it answers, or will.
    pub url: Option<String>,
    /// What is not as it should be, a line each.
    pub problems: Vec<String>,
}

/// How a pair has come out.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub name: String,
    pub kind: String,
    pub progress: Progress,
    /// Since when it stands as it does, from the start.
    pub after: Duration,
}

/// Not all that was tried out is ready.
#[derive(Debug, thiserror::Error)]
pub enum NotValid {
    /// Some are not.
    #[error("{} of {all} {} not ready: {}", .names.len(), if .names.len() == 1 { "is" } else { "are" }, .names.join(", "))]
    NotReady {
        /// Which.
        names: Vec<String>,
        /// How many were tried out.
        all: usize,
    },
    /// It was stopped before the end.
    #[error("interrupted")]
    Interrupted,
}

/// Reads an Environment's status, if it speaks of its present spec and attempt.
pub fn read(environment: &Environment) -> Progress {
    let status = environment.status.clone().unwrap_or_default();
    let ready = status.condition(ConditionType::Ready);
    let annotations = environment.annotations();
    let is_current = annotations.get(RETRY) == annotations.get(OBSERVED_RETRY)
        && ready.is_some_and(|it| it.observed_generation == environment.metadata.generation);
    let Some(ready) = ready.filter(|_| is_current) else {
        return Progress::default();
    };
    let told = status.conditions.iter().filter(|it| {
        it.status == "False"
            && it.type_ != ConditionType::Available.as_str()
            && it.type_ != ConditionType::NetworkIsolated.as_str()
            && !it.message.is_empty()
    });
    let mut problems: Vec<String> = Vec::new();
    for condition in told {
        // `Ready` repeats what the others say.
        if !problems.iter().any(|it| it.ends_with(&condition.message)) {
            let (kind, reason) = (&condition.type_, &condition.reason);
            problems.push(format!("{kind}, {reason}: {}", condition.message));
        }
    }
    Progress {
        phase: Some(Phase::from_word(
            status.phase.as_deref().unwrap_or_default(),
        )),
        message: ready.message.clone(),
        url: status.url.clone(),
        problems,
    }
}

impl Progress {
    /// Whether nothing will come after it by itself.
    pub fn is_final(&self) -> bool {
        matches!(
            self.phase,
            Some(Phase::Ready | Phase::Failed | Phase::Degraded)
        )
    }

    /// Whether all of it answers.
    pub fn is_ready(&self) -> bool {
        self.phase == Some(Phase::Ready)
    }

    /// `Building: the repository is being looked at`.
    pub fn line(&self) -> String {
        let phase = self.phase.map_or("Waiting", Phase::as_str);
        match self.message.as_str() {
            "" => phase.to_owned(),
            message => format!("{phase}: {message}"),
        }
    }
}

/// How all of it came out: a table, then what is wrong with what is not ready.
pub fn table(outcomes: &[Outcome]) -> String {
    use std::fmt::Write;
    let mut text = format!(
        "{:<12} {:<15} {:<10} {:>7}  URL\n",
        "NAME", "KIND", "PHASE", "SECONDS"
    );
    for it in outcomes {
        let phase = it.progress.phase.map_or("Waiting", Phase::as_str);
        let url = it.progress.url.as_deref().unwrap_or("-");
        let seconds = it.after.as_secs_f64();
        let _ = writeln!(
            text,
            "{:<12} {:<15} {phase:<10} {seconds:>7.1}  {url}",
            it.name, it.kind
        );
    }
    for it in outcomes.iter().filter(|it| !it.progress.is_ready()) {
        let _ = writeln!(text, "\n{}:", it.name);
        match (it.progress.phase, it.progress.problems.as_slice()) {
            (None, _) => text.push_str(
                "  nothing has taken it up: does an operator of Catalyst run in this cluster?\n",
            ),
            (Some(_), []) => {
                let _ = writeln!(text, "  it was still {}", it.progress.line());
            }
            (Some(_), problems) => {
                for problem in problems {
                    let _ = writeln!(text, "  {}", problem.replace('\n', "\n  "));
                }
            }
        }
    }
    text
}

/// Whether all are ready.
pub fn verdict(outcomes: &[Outcome]) -> Result<(), NotValid> {
    let not_ready = outcomes.iter().filter(|it| !it.progress.is_ready());
    let names: Vec<String> = not_ready.map(|it| it.name.clone()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let all = outcomes.len();
    Err(NotValid::NotReady { names, all })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn environment(phase: &str, conditions: &[(&str, &str, &str)]) -> Environment {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(kind, status, message)| {
                json!({
                    "type": kind, "status": status, "reason": "Reason", "message": message,
                    "observedGeneration": 2, "lastTransitionTime": "2026-01-01T00:00:00Z"
                })
            })
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "catalyst.catalyst.dev/v1alpha1", "kind": "Environment",
            "metadata": {
                "name": "validate", "generation": 2,
                "annotations": { RETRY: "two", OBSERVED_RETRY: "two" }
            },
            "spec": { "projectRef": { "name": "shop" }, "type": "development" },
            "status": { "phase": phase, "url": "https://it.example.com/", "conditions": conditions }
        }))
        .unwrap()
    }

    fn outcome(name: &str, progress: Progress) -> Outcome {
        Outcome {
            name: name.to_owned(),
            kind: "helm".to_owned(),
            progress,
            after: Duration::from_millis(1234),
        }
    }

    #[test]
    fn a_status_counts_for_the_present_spec_and_attempt_only() {
        let ready = environment("Ready", &[("Ready", "True", "")]);
        assert!(read(&ready).is_ready());
        let mut of_another_spec = ready.clone();
        of_another_spec.metadata.generation = Some(3);
        let mut of_another_attempt = ready.clone();
        let annotations = of_another_attempt.annotations_mut();
        annotations.insert(RETRY.to_owned(), "three".to_owned());
        let mut without = ready;
        without.status = None;
        for environment in [of_another_spec, of_another_attempt, without] {
            assert_eq!(read(&environment), Progress::default());
        }
    }

    #[test]
    fn what_has_failed_or_is_degraded_is_final_and_not_ready() {
        for (phase, is_final) in [
            ("Pending", false),
            ("Building", false),
            ("Deploying", false),
            ("Failed", true),
            ("Degraded", true),
        ] {
            let progress = read(&environment(phase, &[("Ready", "False", "why")]));
            assert_eq!(
                (progress.is_final(), progress.is_ready()),
                (is_final, false),
                "{phase}"
            );
            assert_eq!(progress.line(), format!("{phase}: why"));
        }
    }

    #[test]
    fn a_problem_is_told_once_by_the_condition_that_is_about_it() {
        let conditions = [
            ("NamespaceReady", "True", "there"),
            ("BuildReady", "False", "no such file"),
            ("DeploymentReady", "Unknown", "waits"),
            ("Available", "False", "nothing answers"),
            ("Ready", "False", "no such file"),
            ("NetworkIsolated", "False", "policies are ignored"),
        ];
        let progress = read(&environment("Failed", &conditions));
        assert_eq!(progress.problems, ["BuildReady, Reason: no such file"]);
    }

    #[test]
    fn the_table_ends_with_what_is_wrong_and_only_all_ready_is_valid() {
        let ready = outcome(
            "catalyst",
            read(&environment("Ready", &[("Ready", "True", "")])),
        );
        let failed = outcome(
            "rails",
            read(&environment(
                "Failed",
                &[
                    ("BuildReady", "False", "one\ntwo"),
                    ("Ready", "False", "one\ntwo"),
                ],
            )),
        );
        let slow = outcome(
            "slow",
            read(&environment(
                "Building",
                &[("Ready", "Unknown", "npm ci runs")],
            )),
        );
        let unseen = outcome("nextjs", Progress::default());
        assert!(verdict(std::slice::from_ref(&ready)).is_ok());
        let all = [ready, failed, slow, unseen];
        let text = table(&all);
        assert!(
            text.contains(
                "catalyst     helm            Ready          1.2  https://it.example.com/\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("\nrails:\n  BuildReady, Reason: one\n  two\n"),
            "{text}"
        );
        assert!(
            text.contains("\nslow:\n  it was still Building: npm ci runs\n"),
            "{text}"
        );
        assert!(
            text.contains("\nnextjs:\n  nothing has taken it up"),
            "{text}"
        );
        assert!(!text.contains("\ncatalyst:"), "{text}");
        let error = verdict(&all).unwrap_err().to_string();
        assert_eq!(error, "3 of 4 are not ready: rails, slow, nextjs");
    }
}
