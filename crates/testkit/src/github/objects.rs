//! Repositories and pull requests in GitHub's JSON: its own examples, with what a test cares
//! about put in place.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::{fixtures, openapi::openapi};

/// A repository on the fake GitHub.
#[derive(Debug, Clone, PartialEq)]
pub struct FakeRepository {
    /// GitHub's id.
    pub id: i64,
    /// `owner/name`.
    pub full_name: String,
    /// Where it can be cloned.
    pub clone_url: String,
    /// Whether it is private.
    pub private: bool,
    /// Whether it is a fork.
    pub fork: bool,
    /// Its default branch.
    pub default_branch: String,
}

impl FakeRepository {
    /// A public repository with `main` as its default branch.
    pub fn new(id: i64, full_name: &str) -> Self {
        Self {
            id,
            full_name: full_name.to_owned(),
            clone_url: format!("https://github.com/{full_name}.git"),
            private: false,
            fork: false,
            default_branch: "main".to_owned(),
        }
    }

    /// Puts this repository's properties into an object that describes one.
    pub(super) fn write_to(&self, object: &mut Value) {
        let (owner, name) = self.full_name.split_once('/').expect("owner/name");
        object["id"] = self.id.into();
        object["name"] = name.into();
        object["full_name"] = self.full_name.as_str().into();
        object["owner"]["login"] = owner.into();
        object["private"] = self.private.into();
        object["fork"] = self.fork.into();
        object["clone_url"] = self.clone_url.as_str().into();
        object["default_branch"] = self.default_branch.as_str().into();
        object["html_url"] = format!("https://github.com/{}", self.full_name).into();
    }
}

/// A pull request on the fake GitHub, or in a webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct FakePullRequest {
    /// The repository it is proposed for.
    pub repository: FakeRepository,
    /// The repository its code is in; `None` for a deleted fork.
    pub head_repository: Option<FakeRepository>,
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// The login of whoever opened it.
    pub author: String,
    /// The commit at its tip.
    pub head_sha: String,
    /// The branch it comes from.
    pub head_branch: String,
    /// The commit it is proposed for.
    pub base_sha: String,
    /// Whether it is a draft.
    pub draft: bool,
    /// Whether it is open.
    pub open: bool,
    /// Whether it was merged.
    pub merged: bool,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// When it last changed, RFC 3339.
    pub updated_at: String,
}

impl FakePullRequest {
    /// An open pull request from a branch of the same repository.
    pub fn new(repository: &FakeRepository, number: u64, head_sha: &str) -> Self {
        Self {
            repository: repository.clone(),
            head_repository: Some(repository.clone()),
            number,
            title: format!("Change {number}"),
            author: "octocat".to_owned(),
            head_sha: head_sha.to_owned(),
            head_branch: format!("change-{number}"),
            base_sha: "0".repeat(40),
            draft: false,
            open: true,
            merged: false,
            labels: vec![],
            updated_at: "2025-01-01T00:00:00Z".to_owned(),
        }
    }

    /// The payload of a `pull_request` webhook with this action about this pull request.
    pub fn webhook(&self, action: &str, installation: Option<u64>) -> Value {
        let examples = fixtures::examples().iter();
        let mut of_event = examples.filter(|example| example.event == "pull_request");
        let first = of_event.clone().next();
        // GitHub's own example of this very action, where there is one.
        let example = of_event
            .find(|example| example.payload["action"] == action)
            .or(first)
            .expect("GitHub's example of a pull_request event");
        let mut payload = example.payload.clone();
        payload["action"] = action.into();
        payload["number"] = self.number.into();
        self.write_to(&mut payload["pull_request"]);
        self.repository.write_to(&mut payload["repository"]);
        if action == "synchronize" {
            payload["after"] = self.head_sha.as_str().into();
        }
        let object = payload.as_object_mut().expect("a payload is an object");
        match installation {
            Some(id) => object.insert("installation".into(), json!({"id": id, "node_id": "x"})),
            None => object.remove("installation"),
        };
        payload
    }

    /// This pull request as the REST API tells it in full.
    pub(super) fn object(&self) -> Value {
        static EXAMPLE: OnceLock<Value> = OnceLock::new();
        let mut object = EXAMPLE
            .get_or_init(|| {
                let mut example = openapi().example("pulls/get");
                // Older than GitHub's description of a team.
                example["requested_teams"] = json!([]);
                example
            })
            .clone();
        self.write_to(&mut object);
        object
    }

    fn write_to(&self, object: &mut Value) {
        let repository = &self.repository.full_name;
        let updated_at = self.updated_at.as_str();
        object["id"] = (self.repository.id * 100_000 + self.number.cast_signed()).into();
        object["number"] = self.number.into();
        object["title"] = self.title.as_str().into();
        object["user"]["login"] = self.author.as_str().into();
        object["state"] = if self.open { "open" } else { "closed" }.into();
        object["draft"] = self.draft.into();
        object["merged"] = self.merged.into();
        object["merged_at"] = self.merged.then_some(updated_at).into();
        object["closed_at"] = (!self.open).then_some(updated_at).into();
        object["updated_at"] = updated_at.into();
        object["html_url"] = format!("https://github.com/{repository}/pull/{}", self.number).into();
        object["labels"] = self.labels.iter().map(|name| label(name)).collect();

        let mut repo = object["base"]["repo"].clone();
        self.repository.write_to(&mut repo);
        object["head"]["sha"] = self.head_sha.as_str().into();
        object["head"]["ref"] = self.head_branch.as_str().into();
        object["head"]["repo"] = match &self.head_repository {
            Some(head) => {
                let mut object = repo.clone();
                head.write_to(&mut object);
                object
            }
            None => Value::Null,
        };
        object["base"]["sha"] = self.base_sha.as_str().into();
        object["base"]["ref"] = self.repository.default_branch.as_str().into();
        object["base"]["repo"] = repo;
    }
}

fn label(name: &str) -> Value {
    json!({
        "id": 1, "node_id": "x", "url": "https://api.github.com/labels/x", "name": name,
        "color": "ededed", "default": false, "description": null,
    })
}
