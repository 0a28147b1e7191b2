//! A GitHub on a loopback port, strict where the real one is.
//!
//! Every request is checked against GitHub's own OpenAPI description, and so is every answer:
//! what does not fit is answered 500 and fails the test when the fake is dropped. Objects are
//! GitHub's own examples with the test's values put in place.
//!
//! It keeps repositories, pull requests, comments, commit statuses, deployments, installations and
//! their tokens, and accounts that sign in with OAuth; it can hang, fail and limit rates when told to. [`Delivery`] is the other
//! direction: webhooks, signed.

mod app;
mod fixtures;
mod oauth;
mod objects;
mod openapi;
mod operations;
mod server;
mod state;
mod webhook;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub use app::{APP_ID, APP_SLUG, TOKEN, TOKEN_LOGIN, private_key};
pub use fixtures::{Example, examples};
pub use oauth::{CLIENT_ID, CLIENT_SECRET};
pub use objects::{FakePullRequest, FakeRepository};
pub use state::{Call, FakeComment, Fault, Posted};
use state::{PrimaryLimit, State, unix_now};
pub use webhook::{Delivery, sign};

/// A running fake GitHub. It stops when dropped, and then panics if a request did not fit GitHub's
/// description (see [`FakeGitHub::take_violations`]).
pub struct FakeGitHub {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: tokio::task::JoinHandle<()>,
}

impl FakeGitHub {
    /// Starts on a free port.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let state = Arc::new(Mutex::new(State::default()));
        let router = server::router(state.clone());
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("a server");
        });
        Self {
            address,
            state,
            server,
        }
    }

    /// What GITHUB_API_URL has to be.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds somebody's account, or changes the login of the one with this id.
    pub fn put_account(&self, id: u64, login: &str) {
        self.state().accounts.insert(id, login.to_owned());
    }

    /// Has an account agree to what an application asks for at this address, as it does by a button
    /// of the page there; the code and the state that the application gets.
    ///
    /// # Panics
    /// Where GitHub would not ask.
    pub fn authorize(&self, url: &str, account: u64) -> (String, String) {
        let mut state = self.state();
        let back = oauth::read(url).and_then(|asked| oauth::authorize(&mut state, &asked, account));
        let back = back.unwrap_or_else(|problem| panic!("{url}: {problem}"));
        let value = |name: &str| {
            let mut pairs = back.query_pairs();
            let found = pairs.find(|(key, _)| key == name);
            found
                .map(|(_, value)| value.into_owned())
                .unwrap_or_default()
        };
        (value("code"), value("state"))
    }

    /// Adds a repository, or changes one with the same name.
    pub fn put_repository(&self, repository: &FakeRepository) {
        let mut state = self.state();
        let key = repository.full_name.to_lowercase();
        state.repositories.entry(key).or_default().about = Some(repository.clone());
    }

    /// Installs the App on a repository, under this id of an installation.
    pub fn install_app(&self, repository: &FakeRepository, installation: u64) {
        self.put_repository(repository);
        self.with(&repository.full_name, |it| {
            it.installation = Some(installation)
        });
    }

    /// Takes back all tokens of installations, as GitHub does when the App's key changes.
    pub fn revoke_tokens(&self) {
        self.state().tokens.clear();
    }

    /// Every token that was made for an installation: the token, the installation's id, and the
    /// request's body, which says what the token is good for.
    pub fn minted(&self) -> Vec<Posted> {
        self.state().minted.clone()
    }

    /// Adds a pull request, or changes the one with its number.
    pub fn put_pull_request(&self, pull_request: &FakePullRequest) {
        self.put_repository(&pull_request.repository);
        self.with(&pull_request.repository.full_name, |repository| {
            let all = &mut repository.pull_requests;
            all.insert(pull_request.number, pull_request.clone());
        });
    }

    /// Writes a comment in somebody's name, and returns its id.
    pub fn add_comment(&self, repository: &str, number: u64, author: &str, body: &str) -> i64 {
        let id = self.state().next_id();
        let comment = FakeComment {
            id,
            author: author.to_owned(),
            body: body.to_owned(),
            edits: 0,
        };
        self.with(repository, |it| it.comments.insert(id, (number, comment)));
        id
    }

    /// Deletes a comment.
    pub fn delete_comment(&self, repository: &str, id: i64) {
        self.with(repository, |it| it.comments.remove(&id));
    }

    /// The comments on a pull request, oldest first.
    pub fn comments(&self, repository: &str, number: u64) -> Vec<FakeComment> {
        self.with(repository, |it| {
            let all = it.comments.values().filter(|(on, _)| *on == number);
            all.map(|(_, comment)| comment.clone()).collect()
        })
    }

    /// The commit statuses that were set, oldest first.
    pub fn statuses(&self, repository: &str) -> Vec<Posted> {
        self.with(repository, |it| it.statuses.clone())
    }

    /// The deployments that were created, oldest first.
    pub fn deployments(&self, repository: &str) -> Vec<Posted> {
        self.with(repository, |it| it.deployments.clone())
    }

    /// The statuses of deployments that were set, oldest first.
    pub fn deployment_statuses(&self, repository: &str) -> Vec<Posted> {
        self.with(repository, |it| it.deployment_statuses.clone())
    }

    /// Every request so far.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// How often an operation was asked for, such as `issues/update-comment`.
    pub fn count(&self, operation: &str) -> usize {
        let state = self.state();
        let calls = state.calls.iter();
        calls.filter(|call| call.operation == operation).count()
    }

    /// Makes the next `times` calls of an operation (`*`: of any) meet a fault.
    pub fn fail(&self, operation: &str, times: usize, fault: Fault) {
        let mut state = self.state();
        state.faults.push((operation.to_owned(), times, fault));
    }

    /// Ends all faults and limits. Calls that hang go on hanging.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.primary = PrimaryLimit::default();
        state.secondary_until = None;
    }

    /// Leaves this many calls until a reset that comes after `reset_in`, rounded up to a whole
    /// second: 403 with `x-ratelimit-reset` in between.
    pub fn limit_primary(&self, remaining: u64, reset_in: Duration) {
        let reset = (unix_now() + reset_in).as_secs() + 1;
        self.state().primary = PrimaryLimit { remaining, reset };
    }

    /// Answers every call 429 with `retry-after` for this long.
    pub fn limit_secondary(&self, length: Duration) {
        self.state().secondary_until = Some(Instant::now() + length);
    }

    /// How many calls were refused for their rate. More than one in a row means that somebody
    /// did not wait for as long as GitHub asked.
    pub fn refused_for_rate(&self) -> usize {
        self.state().refused_for_rate
    }

    /// The requests and answers so far that did not fit GitHub's description; forgets them.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.state().violations)
    }

    fn with<T>(&self, repository: &str, change: impl FnOnce(&mut state::Repository) -> T) -> T {
        let mut state = self.state();
        let repository = state.repositories.get_mut(&repository.to_lowercase());
        change(repository.expect("a repository that was put there"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FakeGitHub {
    fn drop(&mut self) {
        self.server.abort();
        let violations = self.take_violations();
        if violations.is_empty() {
            return;
        }
        let told = format!("not as GitHub describes it:\n{}", violations.join("\n"));
        if std::thread::panicking() {
            // A second panic would end the process, and this may be the reason for the first.
            #[allow(clippy::print_stderr, reason = "a failing test shows it")]
            {
                eprintln!("{told}");
            }
        } else {
            panic!("{told}");
        }
    }
}
