//! The one comment that Catalyst keeps on a pull request: what it says.
//!
//! Rendering is pure: equal input, equal [`CommentBody`]. Keeping it on GitHub is
//! [`GitHub::upsert_comment`](crate::GitHub::upsert_comment).

mod markdown;

use std::fmt::Write as _;

use catalyst_model::{ids::CommitSha, state::PreviewStatus, views::DeploymentResult};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use url::Url;

/// The first line of the comment, invisible on the page; the text in it is a contract.
pub const MARKER: &str = "<!-- catalyst-preview-deployment -->";

/// Of an error, this many characters are shown: the last ones, where the reason usually is.
const LONGEST_ERROR: usize = 2_000;

/// Of the history, this many deployments are shown: the newest.
const LONGEST_HISTORY: usize = 20;

/// What the comment is about.
#[derive(Debug, Clone)]
pub struct PreviewComment<'a> {
    /// How the preview is.
    pub state: CommentState<'a>,
    /// The commit that this is about.
    pub commit: &'a CommitSha,
    /// Its namespace, once known.
    pub namespace: Option<&'a str>,
    /// Its page in the dashboard, where logs are.
    pub page: Option<&'a Url>,
    /// When the preview got into this state; not when the comment is written.
    pub updated_at: DateTime<Utc>,
    /// Its deployments, newest first.
    pub history: &'a [PastDeployment<'a>],
}

/// How the preview is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommentState<'a> {
    /// Nothing has started yet.
    Pending,
    /// Nothing may start until a person says so.
    Blocked {
        /// Why, in a sentence.
        reason: &'a str,
    },
    /// The cluster is working on it.
    Deploying,
    /// It answers.
    Running {
        /// Where.
        url: &'a Url,
    },
    /// It could not be brought up.
    Failed {
        /// Why, as the cluster or a command put it: any text.
        message: Option<&'a str>,
    },
    /// It is being removed.
    Deleting,
    /// It is gone: the last edit.
    Removed,
}

/// One deployment in the history.
#[derive(Debug, Clone)]
pub struct PastDeployment<'a> {
    /// The commit.
    pub commit: &'a CommitSha,
    /// What became of it.
    pub result: DeploymentResult,
    /// When it was asked for.
    pub started_at: DateTime<Utc>,
    /// When it was decided.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A rendered comment. Two that are equal need no second edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentBody(String);

impl CommentBody {
    /// The Markdown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'a> CommentState<'a> {
    /// The state for a status in the store. A preview that runs has a URL; one without is still
    /// being deployed as far as a reader is concerned.
    #[must_use]
    pub fn new(status: PreviewStatus, url: Option<&'a Url>, message: Option<&'a str>) -> Self {
        match (status, url) {
            (PreviewStatus::Pending, _) => Self::Pending,
            (PreviewStatus::Running, Some(url)) => Self::Running { url },
            (PreviewStatus::Deploying | PreviewStatus::Running, _) => Self::Deploying,
            (PreviewStatus::Failed, _) => Self::Failed { message },
            (PreviewStatus::Deleting, _) => Self::Deleting,
        }
    }

    fn emoji_and_label(&self) -> (&'static str, &'static str) {
        match self {
            Self::Pending | Self::Blocked { .. } => ("🟡", "Pending"),
            Self::Deploying => ("🔄", "Deploying"),
            Self::Running { .. } => ("🟢", "Live"),
            Self::Failed { .. } => ("🔴", "Failed"),
            Self::Deleting => ("⏳", "Deleting"),
            Self::Removed => ("⚪", "Removed"),
        }
    }
}

/// Renders the comment. `redact` takes secrets out of texts that we did not write; it sees them
/// whole and free of terminal escapes, so that nothing hides a secret from it.
pub fn render(comment: &PreviewComment<'_>, redact: &dyn Fn(&str) -> String) -> CommentBody {
    let updated = time(comment.updated_at);
    let (emoji, label) = comment.state.emoji_and_label();
    let mut rows = vec![
        ("Status", format!("{emoji} {label}")),
        ("Commit", markdown::code(comment.commit.short())),
    ];
    if let Some(namespace) = comment.namespace {
        rows.push(("Namespace", markdown::code(namespace)));
    }
    if let CommentState::Running { url } = comment.state {
        rows.push(("URL", markdown::link(&markdown::code(url.as_str()), url)));
    }
    rows.push(("Updated", updated.clone()));

    let mut text = format!("{MARKER}\n## {emoji} Preview Environment\n\n");
    text.push_str("| Property | Value |\n| --- | --- |\n");
    for (name, value) in rows {
        let _ = writeln!(text, "| **{name}** | {value} |");
    }
    if let Some(section) = section(comment, redact) {
        let _ = write!(text, "\n{section}\n");
    }
    text.push_str(&history(comment.history));
    let _ = writeln!(text, "\n---\n<sub>Catalyst · last update {updated}</sub>");
    CommentBody(text)
}

fn section(comment: &PreviewComment<'_>, redact: &dyn Fn(&str) -> String) -> Option<String> {
    let page = |text: &str| comment.page.map(|page| markdown::link(text, page));
    Some(match comment.state {
        CommentState::Pending => return None,
        CommentState::Blocked { reason } => {
            let reason = markdown::fence(&redact(&markdown::plain(reason)));
            let link = page("Look at it and approve it")
                .map_or_else(String::new, |link| format!("\n\n{link}"));
            format!("### Waiting for approval\n\n{reason}{link}")
        }
        CommentState::Deploying => {
            let mut text = "### Deploying\n\nThe preview is being built and started. This usually \
                            takes 1–3 minutes; this comment follows."
                .to_owned();
            if let Some(link) = page("Watch its progress") {
                let _ = write!(text, "\n\n{link}");
            }
            text
        }
        CommentState::Running { url } => {
            let open = markdown::link("Open the preview", url);
            let more =
                page("logs and details").map_or_else(String::new, |link| format!(" · {link}"));
            format!("### Access\n\n{open}{more}\n\nIt follows every push to this pull request.")
        }
        CommentState::Failed { message } => {
            let mut text = "### Error\n\n".to_owned();
            if let Some(message) = message.filter(|message| !message.trim().is_empty()) {
                let whole = redact(&markdown::plain(message));
                text.push_str(&markdown::fence(&markdown::end_of(&whole, LONGEST_ERROR)));
                text.push_str("\n\n");
            }
            text.push_str(&page("See the logs").map_or_else(
                || "The logs on the preview's page in Catalyst say more.".to_owned(),
                |link| format!("{link} for what led to it."),
            ));
            text
        }
        CommentState::Deleting => {
            "### Cleaning up\n\nThe preview and everything that belongs to it is being removed."
                .to_owned()
        }
        CommentState::Removed => {
            "### Removed\n\nThe preview and everything that belonged to it is gone.".to_owned()
        }
    })
}

fn history(deployments: &[PastDeployment<'_>]) -> String {
    if deployments.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n<details>\n<summary>Deployments ({})</summary>\n\n\
         | Commit | Result | Duration | When |\n| --- | --- | --- | --- |\n",
        deployments.len()
    );
    for deployment in deployments.iter().take(LONGEST_HISTORY) {
        let result = match deployment.result {
            DeploymentResult::Deploying => "🔄 Deploying",
            DeploymentResult::Ready => "🟢 Live",
            DeploymentResult::Failed => "🔴 Failed",
            DeploymentResult::Superseded => "⚪ Superseded",
            DeploymentResult::Cancelled => "⚪ Cancelled",
        };
        let lasted = deployment.finished_at.map_or_else(
            || "–".to_owned(),
            |end| duration(end - deployment.started_at),
        );
        let _ = writeln!(
            text,
            "| {} | {result} | {lasted} | {} |",
            markdown::code(deployment.commit.short()),
            time(deployment.started_at)
        );
    }
    if let Some(left_out) = deployments
        .len()
        .checked_sub(LONGEST_HISTORY)
        .filter(|n| *n > 0)
    {
        let _ = writeln!(text, "\n{left_out} earlier ones are not shown.");
    }
    text.push_str("\n</details>\n");
    text
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn duration(duration: TimeDelta) -> String {
    let seconds = duration.num_seconds().max(0);
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

#[cfg(test)]
mod tests;
