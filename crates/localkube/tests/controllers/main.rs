//! The controllers of the embedded cluster, each over the real API server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cluster;
mod deployment;
mod job;
mod service;
mod stateful_set;
