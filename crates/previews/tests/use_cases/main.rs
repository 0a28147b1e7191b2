//! The use cases, each over a real store and a real API server, with a stand-in for the operator
//! where one is needed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod clusters;
mod common;
mod forks;
mod github;
mod inbox;
mod kept_logs;
mod lifecycle;
mod manual;
mod people;
mod projects;
mod removal;
mod secrets;
mod shell;
mod sweep;
mod usage;
