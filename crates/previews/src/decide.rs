//! What a webhook event means for a preview: a pure function.
//!
//! It goes by the state that the event describes rather than by the event's name, so that events
//! may come twice, late or out of order, and one that never came is made up for by the next.

use catalyst_github::event::{Event, PullRequestAction};
use catalyst_model::ids::CommitSha;
use catalyst_model::state::PreviewStatus;
use catalyst_store::{NewPullRequest, PullRequest, PullRequestState, ReviewStatus};
use chrono::{DateTime, Utc};

use crate::settings::PreviewSettings;

/// What is to be done about an event, and why, in a sentence for the list of deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The pull request's head commit is to run.
    Deploy(String),
    /// The preview is to go.
    TearDown(String),
    /// Nothing is to be done, for this reason.
    Skip(String),
    /// Nothing may be done until a person says so.
    Block(String),
    /// Not about a preview; remembered, that is all.
    Noted(String),
}

impl Decision {
    /// `deploy`, `tear down`, `skip`, `block` or `noted`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Deploy(_) => "deploy",
            Self::TearDown(_) => "tear down",
            Self::Skip(_) => "skip",
            Self::Block(_) => "block",
            Self::Noted(_) => "noted",
        }
    }

    /// The same decision for another reason.
    #[must_use]
    pub fn with_reason(self, reason: String) -> Self {
        match self {
            Self::Deploy(_) => Self::Deploy(reason),
            Self::TearDown(_) => Self::TearDown(reason),
            Self::Skip(_) => Self::Skip(reason),
            Self::Block(_) => Self::Block(reason),
            Self::Noted(_) => Self::Noted(reason),
        }
    }

    /// The same decision, with what led to it before its reason.
    #[must_use]
    pub fn because(self, because: &str) -> Self {
        let reason = format!("{because}: {}", self.reason());
        self.with_reason(reason)
    }

    /// Why, in a sentence.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Deploy(why)
            | Self::TearDown(why)
            | Self::Skip(why)
            | Self::Block(why)
            | Self::Noted(why) => why,
        }
    }
}

/// The part of a pull request's state that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Open, closed or merged.
    pub state: PullRequestState,
    /// Whether it is not ready for review.
    pub draft: bool,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// The newest commit of its head.
    pub head_sha: CommitSha,
    /// The head's repository; none once a fork is deleted.
    pub head_repository: Option<String>,
    /// Whether the head is in another repository.
    pub is_fork: bool,
    /// GitHub's time of this state.
    pub updated_at: DateTime<Utc>,
}

impl From<&NewPullRequest> for Facts {
    fn from(it: &NewPullRequest) -> Self {
        Self {
            state: it.state,
            draft: it.status == ReviewStatus::Draft,
            labels: it.labels.clone(),
            head_sha: it.head_sha.clone(),
            head_repository: it.head_repository.clone(),
            is_fork: it.is_fork,
            updated_at: it.updated_at,
        }
    }
}

impl From<&PullRequest> for Facts {
    fn from(it: &PullRequest) -> Self {
        Self {
            state: it.state,
            draft: it.status == ReviewStatus::Draft,
            labels: it.labels.clone(),
            head_sha: it.head_sha.clone(),
            head_repository: it.head_repository.clone(),
            is_fork: it.is_fork,
            updated_at: it.provider_updated_at,
        }
    }
}

/// What the store knows of a pull request before the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Whether it was closed, as far as is known.
    pub closed: bool,
    /// GitHub's time of what is known.
    pub updated_at: DateTime<Utc>,
    /// The fork's commit that a maintainer let run.
    pub approved: Option<CommitSha>,
    /// The commit at which a person removed the preview.
    pub removed: Option<CommitSha>,
    /// Its preview, where it has one.
    pub preview: Option<KnownPreview>,
}

/// The preview that a pull request has: the newest commit asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownPreview {
    /// The commit.
    pub commit: CommitSha,
    /// Its status.
    pub status: PreviewStatus,
    /// Whether it waits for approval.
    pub blocked: bool,
}

/// Where a description of a pull request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// An event, which may have been overtaken.
    Event,
    /// GitHub's answer just now, or, where GitHub is not configured, what is remembered of it:
    /// it counts whatever came before.
    Truth,
}

/// What the rules ask of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The label that keeps a pull request from having a preview.
    pub no_preview_label: String,
    /// Whether drafts have no preview.
    pub skip_drafts: bool,
}

impl From<&PreviewSettings> for Rules {
    fn from(settings: &PreviewSettings) -> Self {
        Self {
            no_preview_label: settings.no_preview_label.clone(),
            skip_drafts: settings.skip_drafts,
        }
    }
}

/// What an event that is not about a pull request comes to. None for one that is.
#[must_use]
pub fn note(event: &Event) -> Option<Decision> {
    let sentence = match event {
        Event::PullRequest(_) => return None,
        Event::Ping => "GitHub greets: the webhook works".to_owned(),
        Event::Push(push) => format!(
            "a push to {} of {}: previews follow pull requests, which announce their own pushes",
            push.reference, push.repository.full_name
        ),
        Event::Installation(event) => format!(
            "the GitHub App's installation {} on {}: {}",
            event.installation.id,
            event
                .installation
                .account
                .as_deref()
                .unwrap_or("an account"),
            event.action
        ),
        Event::InstallationRepositories(event) => format!(
            "installation {} reaches {} more and {} fewer repositories",
            event.installation.id,
            event.repositories_added.len(),
            event.repositories_removed.len()
        ),
        Event::Other(name) => format!("{name} events have nothing to do with previews"),
    };
    Some(Decision::Noted(sentence))
}

/// What is to be done about a pull request of a registered repository, given its state and what
/// was known before.
#[must_use]
pub fn decide(
    action: &PullRequestAction,
    pull_request: &Facts,
    source: Source,
    known: Option<&Known>,
    rules: &Rules,
) -> Decision {
    if let PullRequestAction::Other(action) = action {
        return Decision::Noted(format!("a preview does not depend on {action:?}"));
    }
    if source == Source::Event
        && let Some(known) = known
        && let Some(why) = overtaken(action, pull_request, known)
    {
        return Decision::Skip(why);
    }
    let preview = known.and_then(|known| known.preview.as_ref());
    let present = preview.is_some_and(|preview| preview.status != PreviewStatus::Deleting);
    if let Some(why) = unwanted(pull_request, rules) {
        return if present {
            Decision::TearDown(why)
        } else if preview.is_some() {
            Decision::Skip(format!("{why}; its preview is being removed already"))
        } else {
            Decision::Skip(format!("{why}, and there is no preview of it"))
        };
    }

    let head = &pull_request.head_sha;
    let removed = known.and_then(|known| known.removed.as_ref());
    if removed == Some(head) && *action != PullRequestAction::Reopened {
        return Decision::Skip(format!(
            "a person removed the preview at commit {}; the next push brings it back",
            head.short()
        ));
    }
    let approved = known.and_then(|known| known.approved.as_ref());
    if pull_request.is_fork && approved != Some(head) {
        return Decision::Block(format!(
            "the code comes from {}: an admin or owner of the team has to approve commit {} before it runs",
            origin(pull_request),
            head.short()
        ));
    }
    match preview {
        Some(preview) if present && preview.commit == *head && !preview.blocked => {
            Decision::Skip(already(head, preview.status))
        }
        Some(preview) if present && preview.commit != *head => Decision::Deploy(format!(
            "commit {} takes the place of {}",
            head.short(),
            preview.commit.short()
        )),
        _ => Decision::Deploy(format!("commit {} is to run", head.short())),
    }
}

/// Whether what is known is newer than what the event says. GitHub's times are whole seconds, so
/// that equal ones tell nothing, except that a closed pull request opens by `reopened` only.
///
/// What is overtaken must not be written down either.
pub(crate) fn overtaken(
    action: &PullRequestAction,
    event: &Facts,
    known: &Known,
) -> Option<String> {
    let older = event.updated_at < known.updated_at;
    let undoes_a_close = event.updated_at == known.updated_at
        && known.closed
        && event.state == PullRequestState::Open
        && *action != PullRequestAction::Reopened;
    (older || undoes_a_close).then(|| {
        format!(
            "it is overtaken: it tells of {}, and what is known is from {}",
            event.updated_at.format("%H:%M:%S"),
            known.updated_at.format("%H:%M:%S")
        )
    })
}

/// Why this pull request is to have no preview, in words that begin a sentence.
fn unwanted(pull_request: &Facts, rules: &Rules) -> Option<String> {
    let label = &rules.no_preview_label;
    if pull_request.state == PullRequestState::Merged {
        Some("the pull request is merged".to_owned())
    } else if pull_request.state == PullRequestState::Closed {
        Some("the pull request is closed".to_owned())
    } else if !label.is_empty() && pull_request.labels.iter().any(|it| it == label) {
        Some(format!("the pull request is labelled {label}"))
    } else if rules.skip_drafts && pull_request.draft {
        Some("the pull request is a draft".to_owned())
    } else {
        None
    }
}

fn origin(pull_request: &Facts) -> String {
    match &pull_request.head_repository {
        Some(fork) => format!("the fork {fork}"),
        None => "a fork that is gone".to_owned(),
    }
}

fn already(head: &CommitSha, status: PreviewStatus) -> String {
    let commit = head.short();
    match status {
        PreviewStatus::Running => format!("commit {commit} is already deployed"),
        PreviewStatus::Failed => {
            format!("commit {commit} is already deployed and failed; a person can retry it")
        }
        _ => format!("commit {commit} is already deployed or on its way"),
    }
}

#[cfg(test)]
mod tests;
