//! What an Environment says, read for one wanted commit: pure.

use catalyst_crd::labels::{ENVIRONMENT_ID, OBSERVED_RETRY, RETRY, RUNS, WEB_MANAGER};
use catalyst_crd::{ConditionType, Environment};
use catalyst_model::ids::CommitSha;
use catalyst_model::state::{Phase, PreviewStatus};
use catalyst_model::views::ConditionView;
use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt;
use url::Url;

use crate::timeline::Told;

/// What is wanted, and for which time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What is to run.
    pub revision: Revision,
    /// From 1, counted up by each retry of it.
    pub attempt: u32,
}

/// What is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revision {
    /// A commit.
    Commit(CommitSha),
    /// The newest commit of this branch, at the time of the attempt.
    Newest(String),
    /// An image as it is, and the port that it listens on.
    Image(String, u16),
}

impl Revision {
    /// What the Environment's source says: the commit, or nothing.
    #[must_use]
    pub fn commit(&self) -> &str {
        match self {
            Self::Commit(commit) => commit.as_str(),
            Self::Newest(_) | Self::Image(..) => "",
        }
    }
}

impl Wanted {
    /// The value of the retry annotation for this attempt; none for the first one, which needs
    /// no annotation.
    #[must_use]
    pub fn retry_token(&self) -> Option<String> {
        let what = match &self.revision {
            Revision::Commit(commit) => commit.short(),
            Revision::Newest(_) => "branch",
            Revision::Image(..) => "image",
        };
        (self.attempt > 1).then(|| format!("{what}-{}", self.attempt))
    }
}

/// An Environment's status as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Whether the status speaks of the wanted commit and attempt. If not, the status is pending.
    pub current: bool,
    /// The store's word for it.
    pub status: PreviewStatus,
    /// The operator's word for it, while current.
    pub phase: Option<Phase>,
    /// What goes on or went wrong.
    pub message: Option<String>,
    /// Where it answers, or will.
    pub url: Option<String>,
    /// The commit that answers there.
    pub serving: Option<CommitSha>,
}

/// Reads the status for what is wanted.
#[must_use]
pub fn observe(environment: &Environment, wanted: &Wanted) -> Observation {
    let status = environment.status.as_ref();
    let current = is_current(environment, wanted);
    let phase = current.then(|| {
        let word = status.and_then(|s| s.phase.as_deref()).unwrap_or_default();
        Phase::from_word(word)
    });
    let deleting = environment.metadata.deletion_timestamp.is_some();
    Observation {
        current,
        status: match phase {
            _ if deleting => PreviewStatus::Deleting,
            Some(phase) => phase.preview_status(),
            None => PreviewStatus::Pending,
        },
        phase,
        message: if current || deleting {
            status
                .and_then(|s| s.condition(ConditionType::Ready))
                .filter(|ready| ready.status != "True" && !ready.message.is_empty())
                .map(|ready| ready.message.clone())
        } else {
            None
        },
        url: status.and_then(|s| s.url.as_deref()).and_then(web_url),
        serving: status
            .and_then(|s| s.condition(ConditionType::Available))
            .filter(|available| available.status == "True")
            .and_then(|available| available.message.strip_prefix("serving "))
            .and_then(|sha| sha.parse().ok()),
    }
}

/// Whether the status speaks of the wanted commit and attempt: of the present spec, which holds
/// that commit, and of the retry that was asked for last.
#[must_use]
pub fn is_current(environment: &Environment, wanted: &Wanted) -> bool {
    let generation = environment.metadata.generation;
    let observed = environment
        .status
        .as_ref()
        .and_then(|s| s.condition(ConditionType::Ready))
        .and_then(|ready| ready.observed_generation);
    let annotations = environment.annotations();
    let retry = annotations.get(RETRY);
    asks_for(environment, wanted)
        && generation.is_some()
        && observed == generation
        && annotations.get(OBSERVED_RETRY).map_or("", String::as_str)
            == retry.map_or("", String::as_str)
}

/// Whether the spec asks for what is wanted, and for this attempt.
#[must_use]
pub fn asks_for(environment: &Environment, wanted: &Wanted) -> bool {
    let source = environment.spec.sources.first();
    let image = environment.spec.config.as_ref();
    let image = image.and_then(|config| config.image.as_ref());
    let retry = environment.annotations().get(RETRY);
    source.is_some_and(|source| source.commit_sha == wanted.revision.commit())
        && match &wanted.revision {
            Revision::Commit(_) => true,
            Revision::Newest(branch) => source.is_some_and(|source| source.branch == *branch),
            Revision::Image(wanted, _) => image == Some(wanted),
        }
        && wanted
            .retry_token()
            .is_none_or(|token| retry == Some(&token))
}

/// The id of the preview that an Environment belongs to.
#[must_use]
pub fn preview_id(environment: &Environment) -> Option<&str> {
    environment
        .annotations()
        .get(ENVIRONMENT_ID)
        .map(String::as_str)
}

/// How its source is built and run, in words.
#[must_use]
pub fn runs(environment: &Environment) -> Option<&str> {
    environment.annotations().get(RUNS).map(String::as_str)
}

/// What the timeline shows of the wanted commit.
#[must_use]
pub fn told(environment: &Environment, wanted: &Wanted) -> Told {
    if !asks_for(environment, wanted) {
        return Told::default();
    }
    let current = is_current(environment, wanted);
    let conditions = environment.status.iter().flat_map(|s| &s.conditions);
    Told {
        handed_over_at: Some(handed_over_at(environment)),
        conditions: conditions
            .filter(|c| current && c.observed_generation == environment.metadata.generation)
            .cloned()
            .collect(),
    }
}

/// When our last apply changed it, as the API server wrote down; else when it was made.
fn handed_over_at(environment: &Environment) -> DateTime<Utc> {
    environment
        .managed_fields()
        .iter()
        .filter(|entry| entry.manager.as_deref() == Some(WEB_MANAGER))
        .filter_map(|entry| entry.time.as_ref())
        .map(time)
        .max()
        .or_else(|| environment.creation_timestamp().as_ref().map(time))
        .unwrap_or_default()
}

/// Every condition, for people.
#[must_use]
pub fn condition_views(environment: &Environment) -> Vec<ConditionView> {
    let conditions = environment.status.iter().flat_map(|s| &s.conditions);
    conditions.map(condition_view).collect()
}

fn condition_view(condition: &Condition) -> ConditionView {
    ConditionView {
        kind: condition.type_.clone(),
        status: condition.status.clone(),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        since: time(&condition.last_transition_time),
    }
}

/// Kubernetes' time as ours.
pub(crate) fn time(time: &Time) -> DateTime<Utc> {
    let nanos = u32::try_from(time.0.subsec_nanosecond().max(0)).unwrap_or(0);
    DateTime::from_timestamp(time.0.as_second(), nanos).unwrap_or_default()
}

/// The text if it is a URL that a browser may be sent to.
pub(crate) fn web_url(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let web = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    (web && url.username().is_empty() && url.password().is_none()).then(|| text.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use catalyst_crd::conditions::condition;
    use catalyst_crd::environment::{EnvironmentSource, EnvironmentSpec, EnvironmentStatus};
    use k8s_openapi::jiff::Timestamp;

    fn sha(digit: char) -> CommitSha {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn wanted(digit: char, attempt: u32) -> Wanted {
        Wanted {
            revision: Revision::Commit(sha(digit)),
            attempt,
        }
    }

    /// Ready at generation 3 with commit `aaa…`.
    fn environment() -> Environment {
        let mut environment = Environment::new(
            "preview-7",
            EnvironmentSpec {
                sources: vec![EnvironmentSource {
                    name: "primary".into(),
                    commit_sha: sha('a').to_string(),
                    branch: "feature".into(),
                    pr_number: Some(7),
                }],
                ..EnvironmentSpec::default()
            },
        );
        environment.metadata.generation = Some(3);
        let now = Timestamp::from_second(100).unwrap();
        environment.status = Some(EnvironmentStatus {
            phase: Some("Ready".into()),
            url: Some("http://acme-shop-preview-7.localhost:8080/".into()),
            conditions: vec![
                condition(
                    ConditionType::Available,
                    Some(true),
                    "Answers",
                    format!("serving {}", sha('a')),
                    Some(3),
                    now,
                ),
                condition(ConditionType::Ready, Some(true), "Ready", "", Some(3), now),
            ],
            ..EnvironmentStatus::default()
        });
        environment
    }

    #[test]
    fn a_status_of_the_wanted_commit_is_believed() {
        let seen = observe(&environment(), &wanted('a', 1));
        assert!(seen.current);
        assert_eq!(seen.status, PreviewStatus::Running);
        assert_eq!(seen.phase, Some(Phase::Ready));
        assert_eq!(seen.serving, Some(sha('a')));
        assert_eq!(
            seen.url.as_deref(),
            Some("http://acme-shop-preview-7.localhost:8080/")
        );
    }

    #[test]
    fn a_status_of_an_earlier_commit_spec_or_attempt_is_not_believed_but_still_serves() {
        let mut older_spec = environment();
        older_spec.metadata.generation = Some(4);
        let mut retry = environment();
        retry
            .annotations_mut()
            .insert(RETRY.into(), "aaaaaaa-2".into());
        for (environment, wanted) in [
            (environment(), wanted('b', 1)),
            (older_spec, wanted('a', 1)),
            (environment(), wanted('a', 2)),
            (retry, wanted('a', 2)),
        ] {
            let seen = observe(&environment, &wanted);
            assert!(!seen.current);
            assert_eq!(seen.status, PreviewStatus::Pending);
            assert_eq!(seen.serving, Some(sha('a')));
        }
    }

    #[test]
    fn an_attempt_is_believed_once_the_operator_says_that_it_saw_it() {
        let mut environment = environment();
        for key in [RETRY, OBSERVED_RETRY] {
            let annotations = environment.annotations_mut();
            annotations.insert(key.into(), "aaaaaaa-2".into());
        }
        assert!(observe(&environment, &wanted('a', 2)).current);
    }

    #[test]
    fn a_url_that_no_browser_should_follow_is_left_out() {
        for url in ["javascript:alert(1)", "https://user:pass@x/", "nonsense"] {
            let mut environment = environment();
            environment.status.as_mut().unwrap().url = Some(url.into());
            assert_eq!(observe(&environment, &wanted('a', 1)).url, None, "{url}");
        }
    }

    #[test]
    fn without_a_status_it_is_pending() {
        let mut environment = environment();
        environment.status = None;
        let seen = observe(&environment, &wanted('a', 1));
        assert_eq!(seen.status, PreviewStatus::Pending);
        assert_eq!((seen.url, seen.serving, seen.message), (None, None, None));
    }
}
