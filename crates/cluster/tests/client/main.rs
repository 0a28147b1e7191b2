//! What the client does, on whatever cluster the scene is given: see `scene`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails where it stands, and tells what it measured"
)]

#[path = "../scene/mod.rs"]
mod scene;

mod health;
mod namespaces;
mod objects;
mod pods;
mod watches;
