//! What people asked for, and its history: SQLite and PostgreSQL behind one interface.
//!
//! [`Store`] is the whole interface; its methods are grouped by noun, one module a noun. Each
//! statement is written once and runs on both databases; the few words that differ are in
//! `database`. Everything a method changes, it changes in one transaction, durable when it
//! returns. What a method guarantees under concurrency, it guarantees between processes too.
//!
//! Nothing here decides whether something should happen or who may ask for it: that is the use
//! cases' part. The store refuses only what would make its rows untrue.

#[macro_use]
mod statement;

mod audit;
mod database;
mod deliveries;
mod deployments;
mod error;
mod kept_logs;
mod leases;
mod listing;
#[cfg(test)]
mod plans;
mod previews;
mod projects;
mod pull_requests;
mod repositories;
mod secrets;
mod sign_in;
mod teams;
mod tokens;
mod users;
mod values;
mod work;
mod write_ahead_log;

pub use audit::{AuditEntry, NewAuditEntry};
pub use database::{SessionPool, Store};
pub use deliveries::{Delivery, NewDelivery};
pub use error::StoreError;
pub use kept_logs::{KeptLog, KeptLogBounds, NewKeptLog};
pub use listing::{Listing, Scope};
pub use previews::{
    ManualPreview, Preview, PreviewReport, PreviewRequest, Reported, Request, Requested,
};
pub use projects::{ProjectRepository, ProjectSync};
pub use pull_requests::{
    NewPullRequest, PullRequest, PullRequestState, ReviewStatus, UpsertedPullRequest,
};
pub use repositories::Repository;
pub use secrets::{NewSecret, Sealed, StoredSecret};
pub use teams::{Member, Team};
pub use tokens::{NewToken, Token};
pub use users::{Membership, User};
pub use work::Work;
