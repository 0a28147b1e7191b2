//! GitHub, both ways: what it tells us, and what we tell it.
//!
//! - [`webhook`] proves that a delivery comes from GitHub, before anything reads it; [`event`]
//!   then reads the few fields that Catalyst acts on.
//! - [`client`] is the REST API with an App's or a token's authority. It never calls before the
//!   time GitHub names, and no call lasts longer than its timeout.
//! - [`sign_in`] has GitHub tell who a visitor is (OAuth).
//! - [`comment`] renders the one comment that Catalyst keeps on a pull request, from text that
//!   nobody has vouched for, and keeps it there.

pub mod client;
pub mod comment;
pub mod credentials;
pub mod error;
pub mod event;
mod limits;
pub mod metrics;
pub mod pull_request;
pub mod sign_in;
mod transport;
pub mod webhook;

pub use client::{Account, GitHub, Settings};
pub use credentials::Credentials;
pub use error::{Cause, Error, Retry};
pub use event::Event;
pub use pull_request::{PullRequest, Repository};
