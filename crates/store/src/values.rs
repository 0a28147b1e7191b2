//! Columns as Rust values, and back.

use catalyst_model::access::TokenScope;
use catalyst_model::ids::{CommitSha, RepositoryName};
use catalyst_model::state::{Phase, PreviewStatus, Role};
use catalyst_model::views::DeploymentResult;
use chrono::{DateTime, SubsecRound, Utc};

use crate::pull_requests::{PullRequestState, ReviewStatus};

/// The time, to the microsecond: what PostgreSQL keeps, so that both databases give back exactly
/// what they were given.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// Text as PostgreSQL accepts it: without NUL.
pub(crate) fn text(text: &str) -> String {
    text.replace('\0', "")
}

/// A new object's id.
pub(crate) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Catalyst's counts and ids fit 63 bits; a number that does not is kept as the largest.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A column that holds one of a few words, or an identifier.
#[derive(Debug, sqlx::Type)]
#[sqlx(transparent)]
pub struct Word(String);

/// The same, where it may be null.
#[derive(Debug, sqlx::Type)]
#[sqlx(transparent)]
pub struct MaybeWord(Option<String>);

/// A nullable column that holds a number of GitHub's.
#[derive(Debug, sqlx::Type)]
#[sqlx(transparent)]
pub struct MaybeNumber(Option<i64>);

/// The database holds what no version of Catalyst wrote.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is none of the words that Catalyst keeps there")]
pub struct UnknownWord(String);

macro_rules! words {
    ($($kind:ty: $read:expr;)*) => {$(
        impl TryFrom<Word> for $kind {
            type Error = UnknownWord;
            fn try_from(Word(word): Word) -> Result<Self, UnknownWord> {
                let read: fn(&str) -> Option<$kind> = $read;
                read(&word).ok_or(UnknownWord(word))
            }
        }
        impl TryFrom<MaybeWord> for Option<$kind> {
            type Error = UnknownWord;
            fn try_from(MaybeWord(word): MaybeWord) -> Result<Self, UnknownWord> {
                word.map(|word| Word(word).try_into()).transpose()
            }
        }
    )*};
}
words! {
    PreviewStatus: PreviewStatus::from_word;
    Phase: |word| Some(Phase::from_word(word));
    Role: Role::from_word;
    TokenScope: TokenScope::from_word;
    CommitSha: |word| word.parse().ok();
    DeploymentResult: result_from_word;
    RepositoryName: |word| word.parse().ok();
    PullRequestState: |word| PullRequestState::ALL.into_iter().find(|state| state.as_str() == word);
    ReviewStatus: |word| ReviewStatus::ALL.into_iter().find(|status| status.as_str() == word);
    uuid::Uuid: |word| word.parse().ok();
}

impl TryFrom<MaybeNumber> for Option<u64> {
    type Error = std::num::TryFromIntError;
    fn try_from(MaybeNumber(number): MaybeNumber) -> Result<Self, Self::Error> {
        number.map(u64::try_from).transpose()
    }
}

fn result_from_word(word: &str) -> Option<DeploymentResult> {
    Some(match word {
        "deploying" => DeploymentResult::Deploying,
        "ready" => DeploymentResult::Ready,
        "failed" => DeploymentResult::Failed,
        "superseded" => DeploymentResult::Superseded,
        "cancelled" => DeploymentResult::Cancelled,
        _ => return None,
    })
}
