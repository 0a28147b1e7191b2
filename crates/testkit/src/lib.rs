//! What tests share: builders, a fake GitHub, temporary stores and clusters.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "what a test stands on fails by failing the test"
)]

pub mod git_server;
pub mod github;
pub mod postgres;
pub mod proxy;
pub mod store;
