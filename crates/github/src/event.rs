//! The events that Catalyst acts on, read out of webhook payloads.
//!
//! octocrab models webhook payloads too, but whole: a payload must match every field of its
//! types, is first copied into a JSON tree, and one field that GitHub adds or drops makes a
//! delivery unreadable. The structs here name what Catalyst uses and skip the rest unread.

use catalyst_model::ids::{PullRequestNumber, RepositoryName};
use serde::{Deserialize, Deserializer, de::IgnoredAny};

use crate::pull_request::{PullRequest, Repository, login};

/// A webhook's payload.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// GitHub greets a new webhook.
    Ping,
    /// Something happened to a pull request.
    PullRequest(PullRequestEvent),
    /// Commits or tags were pushed.
    Push(PushEvent),
    /// The App was installed, removed or suspended.
    Installation(InstallationEvent),
    /// An installation gained or lost repositories.
    InstallationRepositories(InstallationRepositoriesEvent),
    /// An event that Catalyst does not read, by name.
    Other(String),
}

/// What happened to a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullRequestAction {
    /// It is new.
    Opened,
    /// Commits were pushed to it.
    Synchronize,
    /// It was closed before and is open again.
    Reopened,
    /// It was merged or given up.
    Closed,
    /// Its title, text or base branch changed.
    Edited,
    /// It is no longer a draft.
    ReadyForReview,
    /// It became a draft.
    ConvertedToDraft,
    /// It got a label.
    Labeled,
    /// It lost a label.
    Unlabeled,
    /// Anything else, by name.
    #[serde(untagged)]
    Other(String),
}

/// The `pull_request` event.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PullRequestEvent {
    /// What happened.
    pub action: PullRequestAction,
    /// The pull request's number.
    pub number: PullRequestNumber,
    /// The pull request after it happened.
    pub pull_request: PullRequest,
    /// The repository it is proposed for.
    pub repository: Repository,
    /// The App's installation; `None` for a webhook set up on the repository itself.
    #[serde(default, rename = "installation", deserialize_with = "id")]
    pub installation_id: Option<i64>,
    /// The login of whoever did it; `None` when GitHub does not say.
    #[serde(default, deserialize_with = "login")]
    pub sender: Option<String>,
}

/// The `push` event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PushEvent {
    /// `refs/heads/…` or `refs/tags/…`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The commit it points to now; 40 zeros when it was deleted.
    pub after: String,
    /// How many commits came with it.
    #[serde(default, deserialize_with = "count")]
    pub commits: usize,
    /// The repository.
    pub repository: InstalledRepository,
}

/// The `installation` event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InstallationEvent {
    /// `created`, `deleted`, `suspend`, `unsuspend` or `new_permissions_accepted`.
    pub action: String,
    /// The installation.
    pub installation: Installation,
    /// The repositories it can reach, where GitHub lists them.
    #[serde(default)]
    pub repositories: Vec<InstalledRepository>,
}

/// The `installation_repositories` event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InstallationRepositoriesEvent {
    /// `added` or `removed`.
    pub action: String,
    /// The installation.
    pub installation: Installation,
    /// Repositories that it can reach from now on.
    #[serde(default)]
    pub repositories_added: Vec<InstalledRepository>,
    /// Repositories that it can no longer reach.
    #[serde(default)]
    pub repositories_removed: Vec<InstalledRepository>,
}

/// An installation of the App.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Installation {
    /// GitHub's id.
    pub id: i64,
    /// The login of the account it is installed on.
    #[serde(default, deserialize_with = "login")]
    pub account: Option<String>,
}

/// A repository in the short form that these events carry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InstalledRepository {
    /// GitHub's id.
    pub id: i64,
    /// `owner/name`.
    pub full_name: RepositoryName,
    /// Whether it takes credentials to read it.
    pub private: bool,
}

/// Why a payload could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// The webhook sends forms.
    #[error("the payload is a form; set the webhook's content type to application/json")]
    FormEncoded,
    /// Not JSON, or not the JSON of such an event.
    #[error("the payload is not one of a {event} event")]
    Unreadable {
        /// The event's name.
        event: String,
        /// Where and why.
        #[source]
        source: serde_path_to_error::Error<serde_json::Error>,
    },
}

impl Event {
    /// Reads the payload of an event with this name (`X-GitHub-Event`). Unknown events are not
    /// read at all; fields that Catalyst does not use are skipped, however deep.
    ///
    /// # Errors
    /// When it is not JSON, or lacks a field that GitHub always sends for such an event.
    pub fn parse(name: &str, body: &[u8]) -> Result<Self, PayloadError> {
        Ok(match name {
            "ping" => Self::Ping,
            "pull_request" => Self::PullRequest(read(name, body)?),
            "push" => Self::Push(read(name, body)?),
            "installation" => Self::Installation(read(name, body)?),
            "installation_repositories" => Self::InstallationRepositories(read(name, body)?),
            other => Self::Other(other.to_owned()),
        })
    }
}

fn read<'de, T: Deserialize<'de>>(event: &str, body: &'de [u8]) -> Result<T, PayloadError> {
    if body.starts_with(b"payload=") {
        return Err(PayloadError::FormEncoded);
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut json).map_err(|source| PayloadError::Unreadable {
        event: event.to_owned(),
        source,
    })
}

fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    struct Identified {
        id: i64,
    }
    Ok(Option::<Identified>::deserialize(deserializer)?.map(|it| it.id))
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    Vec::<IgnoredAny>::deserialize(deserializer).map(|items| items.len())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_is_not_read_may_hold_anything() {
        assert_eq!(
            Event::parse("star", b"\xff not json").unwrap(),
            Event::Other("star".into())
        );
    }

    #[test]
    fn deep_nesting_costs_neither_the_stack_nor_an_error_where_it_is_skipped() {
        let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        let repository = r#"{"id":1,"full_name":"a/b","private":false}"#;
        let body = format!(
            r#"{{"ref":"refs/heads/x","after":"","unknown":{deep},"repository":{repository}}}"#
        );
        let Event::Push(push) = Event::parse("push", body.as_bytes()).unwrap() else {
            panic!("a push");
        };
        assert_eq!(push.repository.full_name.as_str(), "a/b");
        // Where a value is read, it is refused.
        let body = format!(r#"{{"ref":{deep}}}"#);
        assert!(Event::parse("push", body.as_bytes()).is_err());
    }

    #[test]
    fn an_error_names_the_field() {
        let error = Event::parse("push", br#"{"ref":7}"#).unwrap_err();
        assert_eq!(error.to_string(), "the payload is not one of a push event");
        let PayloadError::Unreadable { source, .. } = error else {
            panic!("unreadable");
        };
        assert_eq!(source.path().to_string(), "ref");
    }

    #[test]
    fn a_form_is_recognized_and_the_remedy_named() {
        let error = Event::parse("push", b"payload=%7B%7D").unwrap_err();
        assert!(error.to_string().contains("application/json"));
    }
}
