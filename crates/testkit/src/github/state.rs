//! What the fake GitHub remembers.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant, SystemTime},
};

use serde_json::Value;

use super::{FakePullRequest, FakeRepository, oauth::Code};

/// A comment on a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeComment {
    /// GitHub's id; a later comment has a higher one.
    pub id: i64,
    /// The login of its author.
    pub author: String,
    /// Its Markdown.
    pub body: String,
    /// How often it was edited.
    pub edits: usize,
}

/// A commit status, a deployment or a deployment's status, as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Posted {
    /// The commit, or the deployment's id.
    pub target: String,
    /// The id it got.
    pub id: i64,
    /// The request's body.
    pub body: Value,
}

/// A request that was answered, or is being kept waiting.
#[derive(Debug, Clone)]
pub struct Call {
    /// GitHub's name for it, such as `issues/create-comment`.
    pub operation: String,
    /// Its path and query.
    pub path: String,
    /// The answer's status; 0 while there is none.
    pub status: u16,
    /// When it came.
    pub at: Instant,
}

/// What the next calls meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This status instead of an answer; nothing is done.
    Status(u16),
    /// 502, although what was asked for is done.
    LostAnswer,
    /// No answer, ever.
    Hang,
}

#[derive(Default)]
pub(super) struct Repository {
    pub about: Option<FakeRepository>,
    pub installation: Option<u64>,
    pub pull_requests: BTreeMap<u64, FakePullRequest>,
    pub comments: BTreeMap<i64, (u64, FakeComment)>,
    pub statuses: Vec<Posted>,
    pub deployments: Vec<Posted>,
    pub deployment_statuses: Vec<Posted>,
}

pub(super) struct State {
    /// By lower-case `owner/name`.
    pub repositories: BTreeMap<String, Repository>,
    pub tokens: HashMap<String, u64>,
    /// Every token that was made: itself, its installation, and what it was asked to be good for.
    pub minted: Vec<Posted>,
    /// Logins by id.
    pub accounts: BTreeMap<u64, String>,
    pub codes: HashMap<String, Code>,
    /// Of accounts that agreed to something.
    pub user_tokens: HashMap<String, u64>,
    pub calls: Vec<Call>,
    pub violations: Vec<String>,
    /// The operation (or `*`), how many more times, and what.
    pub faults: Vec<(String, usize, Fault)>,
    pub primary: PrimaryLimit,
    pub secondary_until: Option<Instant>,
    pub refused_for_rate: usize,
    last_id: i64,
}

/// GitHub's primary rate limit: so many calls until a time, which is a whole second.
pub(super) struct PrimaryLimit {
    pub remaining: u64,
    pub reset: u64,
}

impl PrimaryLimit {
    pub const PER_HOUR: u64 = 5_000;

    /// Counts a call; false when there is none left.
    pub fn take(&mut self) -> bool {
        if unix_now() >= Duration::from_secs(self.reset) {
            *self = Self::default();
        }
        let allowed = self.remaining > 0;
        self.remaining = self.remaining.saturating_sub(1);
        allowed
    }
}

impl Default for PrimaryLimit {
    fn default() -> Self {
        Self {
            remaining: Self::PER_HOUR,
            reset: unix_now().as_secs() + 3_600,
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            repositories: BTreeMap::new(),
            tokens: HashMap::new(),
            minted: Vec::new(),
            accounts: BTreeMap::new(),
            codes: HashMap::new(),
            user_tokens: HashMap::new(),
            calls: vec![],
            violations: vec![],
            faults: vec![],
            primary: PrimaryLimit::default(),
            secondary_until: None,
            refused_for_rate: 0,
            last_id: 1_000,
        }
    }
}

impl State {
    pub fn next_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    /// The fault that a call meets, if any; it is used up.
    pub fn next_fault(&mut self, operation: &str) -> Option<Fault> {
        let (_, times, fault) = self
            .faults
            .iter_mut()
            .find(|(of, times, _)| *times > 0 && (of == "*" || of == operation))?;
        *times -= 1;
        Some(*fault)
    }
}

pub(super) fn unix_now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("a clock after 1970")
}
