//! What each operation does, by GitHub's name for it.

use serde_json::Value;

use super::{
    FakeComment,
    app::{APP_ID, APP_SLUG, Caller, TOKEN_LOGIN},
    openapi::{Operation, openapi},
    state::{Posted, Repository, State},
};

/// A request that fits GitHub's description.
pub(super) struct Asked<'a> {
    pub operation: &'a Operation<'a>,
    pub caller: Caller,
    pub query: &'a [(String, String)],
    pub body: Value,
}

/// What is answered.
pub(super) struct Answer {
    pub status: u16,
    pub body: Value,
    pub headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            body,
            headers: vec![],
        }
    }

    pub fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    fn not_found() -> Self {
        Self::error(404, "Not Found")
    }
}

impl Asked<'_> {
    fn text(&self, parameter: &str) -> &str {
        self.operation
            .path
            .get(parameter)
            .map_or("", String::as_str)
    }

    fn number<T: std::str::FromStr + Default>(&self, parameter: &str) -> T {
        self.text(parameter).parse().unwrap_or_default()
    }

    fn query(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.iter();
        pairs
            .find(|(of, _)| of == name)
            .map(|(_, value)| value.as_str())
    }

    fn repository(&self) -> String {
        format!("{}/{}", self.text("owner"), self.text("repo")).to_lowercase()
    }
}

pub(super) fn answer(state: &mut State, asked: &Asked<'_>) -> Answer {
    match asked.operation.id {
        "apps/get-authenticated" => app(asked),
        "users/get-authenticated" => user(state, asked),
        "users/get-by-username" => account(state, asked),
        "apps/get-repo-installation" => installation(state, asked),
        "apps/create-installation-access-token" => access_token(state, asked),
        name => {
            let id = state.next_id();
            let Some(repository) = state.repositories.get_mut(&asked.repository()) else {
                return Answer::not_found();
            };
            match asked.caller {
                Caller::App => return Answer::error(401, "A JSON web token is not enough"),
                Caller::Installation(id) if repository.installation != Some(id) => {
                    return Answer::not_found();
                }
                _ => {}
            }
            match name {
                "repos/get" => about(repository),
                "pulls/get" => pull_request(repository, asked),
                "pulls/list" => pull_requests(repository, asked),
                "issues/list-comments" => comments(repository, asked),
                "issues/create-comment" => create_comment(repository, asked, id),
                "issues/update-comment" => update_comment(repository, asked),
                "issues/delete-comment" => delete_comment(repository, asked),
                "repos/create-commit-status" => commit_status(repository, asked, id),
                "repos/create-deployment" => deployment(repository, asked, id),
                "repos/create-deployment-status" => deployment_status(repository, asked, id),
                other => Answer::error(501, &format!("the fake GitHub has no {other} yet")),
            }
        }
    }
}

fn app(asked: &Asked<'_>) -> Answer {
    if asked.caller != Caller::App {
        return Answer::error(401, "A JSON web token is required");
    }
    let mut app = openapi().example("apps/get-authenticated");
    app["id"] = APP_ID.into();
    app["slug"] = APP_SLUG.into();
    Answer::json(200, app)
}

fn user(state: &State, asked: &Asked<'_>) -> Answer {
    let mut user = openapi().example("users/get-authenticated");
    match asked.caller {
        Caller::User => user["login"] = TOKEN_LOGIN.into(),
        Caller::Account(id) => {
            user["id"] = id.into();
            user["login"] = state.accounts[&id].as_str().into();
        }
        Caller::App | Caller::Installation(_) => {
            return Answer::error(403, "Resource not accessible by integration");
        }
    }
    Answer::json(200, user)
}

fn account(state: &State, asked: &Asked<'_>) -> Answer {
    if asked.caller == Caller::App {
        return Answer::error(401, "A JSON web token is not enough");
    }
    let wanted = asked.text("username");
    let mut accounts = state.accounts.iter();
    let Some((id, login)) = accounts.find(|(_, login)| login.eq_ignore_ascii_case(wanted)) else {
        return Answer::not_found();
    };
    let mut user = openapi().example("users/get-by-username");
    user["id"] = (*id).into();
    user["login"] = login.as_str().into();
    // The logins of organizations in the tests end so.
    if login.ends_with("-org") {
        user["type"] = "Organization".into();
    }
    Answer::json(200, user)
}

fn installation(state: &State, asked: &Asked<'_>) -> Answer {
    if asked.caller != Caller::App {
        return Answer::error(401, "A JSON web token is required");
    }
    let repository = state.repositories.get(&asked.repository());
    let Some(id) = repository.and_then(|repository| repository.installation) else {
        return Answer::not_found();
    };
    let mut installation = openapi().example("apps/get-repo-installation");
    installation["id"] = id.into();
    Answer::json(200, installation)
}

fn access_token(state: &mut State, asked: &Asked<'_>) -> Answer {
    let id: u64 = asked.number("installation_id");
    let mut repositories = state.repositories.values();
    if asked.caller != Caller::App || !repositories.any(|it| it.installation == Some(id)) {
        return Answer::not_found();
    }
    let secret = format!("ghs_{:036}", state.next_id());
    let named = |key: &str| asked.body.get(key).cloned().unwrap_or(Value::Null);
    if named("repositories").as_array().is_some_and(|names| {
        names.iter().any(|name| {
            !state.repositories.iter().any(|(full_name, it)| {
                it.installation == Some(id)
                    && full_name
                        .rsplit('/')
                        .next()
                        .zip(name.as_str())
                        .is_some_and(|(known, name)| known.eq_ignore_ascii_case(name))
            })
        })
    }) {
        return Answer::error(
            422,
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        );
    }
    state.tokens.insert(secret.clone(), id);
    state.minted.push(Posted {
        target: secret.clone(),
        id: i64::try_from(id).unwrap_or_default(),
        body: asked.body.clone(),
    });
    let mut token = openapi().example("apps/create-installation-access-token");
    token["token"] = secret.into();
    token["expires_at"] = timestamp(3_600).into();
    Answer::json(201, token)
}

fn about(repository: &Repository) -> Answer {
    let Some(about) = &repository.about else {
        return Answer::not_found();
    };
    let mut object = openapi().example("repos/get");
    about.write_to(&mut object);
    // The example lacks what GitHub's description requires, here and in what it was forked from.
    object["language"] = Value::Null;
    if let Some(members) = object.as_object_mut() {
        members.retain(|name, _| !matches!(name.as_str(), "source" | "parent"));
    }
    Answer::json(200, object)
}

fn pull_request(repository: &Repository, asked: &Asked<'_>) -> Answer {
    match repository.pull_requests.get(&asked.number("pull_number")) {
        Some(pull_request) => Answer::json(200, pull_request.object()),
        None => Answer::not_found(),
    }
}

fn pull_requests(repository: &Repository, asked: &Asked<'_>) -> Answer {
    let wanted = asked.query("state").unwrap_or("open");
    let all = repository.pull_requests.values();
    let mut matching: Vec<_> = all
        .filter(|it| wanted == "all" || (wanted == "open") == it.open)
        .collect();
    // Like GitHub: the newest first, unless asked otherwise.
    if asked.query("direction") != Some("asc") {
        matching.reverse();
    }
    page(asked, &matching, |pull_request| pull_request.object())
}

fn comments(repository: &Repository, asked: &Asked<'_>) -> Answer {
    let number: u64 = asked.number("issue_number");
    let comments = repository.comments.values();
    let on_it: Vec<_> = comments.filter(|(on, _)| *on == number).collect();
    page(asked, &on_it, |(_, comment)| comment_object(comment))
}

fn create_comment(repository: &mut Repository, asked: &Asked<'_>, id: i64) -> Answer {
    let number = asked.number("issue_number");
    if !repository.pull_requests.contains_key(&number) {
        return Answer::not_found();
    }
    let body = asked.body["body"].as_str().unwrap_or_default();
    if body.chars().count() > 65_536 || body.is_empty() {
        return Answer::error(422, "Validation Failed");
    }
    let comment = FakeComment {
        id,
        author: asked.caller.login(),
        body: body.to_owned(),
        edits: 0,
    };
    let object = comment_object(&comment);
    repository.comments.insert(id, (number, comment));
    Answer::json(201, object)
}

fn update_comment(repository: &mut Repository, asked: &Asked<'_>) -> Answer {
    let comment = repository.comments.get_mut(&asked.number("comment_id"));
    let Some((_, comment)) = comment else {
        return Answer::not_found();
    };
    if comment.author != asked.caller.login() {
        return Answer::error(403, "Must have admin rights to Repository.");
    }
    asked.body["body"]
        .as_str()
        .unwrap_or_default()
        .clone_into(&mut comment.body);
    comment.edits += 1;
    Answer::json(200, comment_object(comment))
}

fn delete_comment(repository: &mut Repository, asked: &Asked<'_>) -> Answer {
    match repository.comments.remove(&asked.number("comment_id")) {
        Some(_) => Answer::json(204, Value::Null),
        None => Answer::not_found(),
    }
}

fn comment_object(comment: &FakeComment) -> Value {
    let mut object = openapi().example("issues/create-comment");
    object["id"] = comment.id.into();
    object["body"] = comment.body.as_str().into();
    object["user"]["login"] = comment.author.as_str().into();
    object
}

fn commit_status(repository: &mut Repository, asked: &Asked<'_>, id: i64) -> Answer {
    let too_long = |text: &Value| text.as_str().is_some_and(|text| text.chars().count() > 140);
    if too_long(&asked.body["description"]) {
        return Answer::error(422, "description is too long (maximum is 140 characters)");
    }
    repository
        .statuses
        .push(posted(asked.text("sha"), id, asked));
    let mut object = openapi().example("repos/create-commit-status");
    copy(
        &asked.body,
        &mut object,
        &["state", "description", "target_url", "context"],
    );
    object["id"] = id.into();
    Answer::json(201, object)
}

fn deployment(repository: &mut Repository, asked: &Asked<'_>, id: i64) -> Answer {
    let commit = asked.body["ref"].as_str().unwrap_or_default();
    repository.deployments.push(posted(commit, id, asked));
    let mut object = openapi().example("repos/create-deployment");
    copy(&asked.body, &mut object, &["ref", "environment"]);
    object["id"] = id.into();
    object["sha"] = commit.into();
    Answer::json(201, object)
}

fn deployment_status(repository: &mut Repository, asked: &Asked<'_>, id: i64) -> Answer {
    let deployment: i64 = asked.number("deployment_id");
    if !repository.deployments.iter().any(|it| it.id == deployment) {
        return Answer::not_found();
    }
    let status = posted(asked.text("deployment_id"), id, asked);
    repository.deployment_statuses.push(status);
    let mut object = openapi().example("repos/create-deployment-status");
    copy(
        &asked.body,
        &mut object,
        &["state", "description", "environment_url", "log_url"],
    );
    object["id"] = id.into();
    Answer::json(201, object)
}

fn posted(target: &str, id: i64, asked: &Asked<'_>) -> Posted {
    Posted {
        target: target.to_owned(),
        id,
        body: asked.body.clone(),
    }
}

fn copy(from: &Value, to: &mut Value, names: &[&str]) {
    for name in names {
        if let Some(value) = from.get(name) {
            to[*name] = value.clone();
        }
    }
}

/// One page of a list, with the links to its neighbours: 30 items unless asked otherwise, 100 at
/// most.
fn page<T>(asked: &Asked<'_>, items: &[T], object: impl Fn(&T) -> Value) -> Answer {
    let number = |name, otherwise| {
        let asked = asked.query(name).and_then(|text| text.parse().ok());
        asked.unwrap_or(otherwise)
    };
    let size = number("per_page", 30).clamp(1, 100);
    let page = number("page", 1).max(1);
    let shown = items.iter().skip((page - 1) * size).take(size);
    let answer = Answer::json(200, shown.map(object).collect());
    let last = items.len().div_ceil(size).max(1);
    let link = |page: usize, relation| {
        let repository = asked.repository();
        format!(
            "<https://api.github.com/repositories/{repository}?per_page={size}&page={page}>; rel=\"{relation}\""
        )
    };
    let mut links = Vec::new();
    if page > 1 {
        links.extend([link(1, "first"), link(page - 1, "prev")]);
    }
    if page < last {
        links.extend([link(page + 1, "next"), link(last, "last")]);
    }
    if links.is_empty() {
        answer
    } else {
        answer.with_header("link", links.join(", "))
    }
}

/// The time so many seconds from now, RFC 3339.
fn timestamp(seconds: i64) -> String {
    let time = chrono::Utc::now() + chrono::TimeDelta::seconds(seconds);
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
