//! What the client does, on whatever cluster the scene is given: see `scene`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails where it stands"
)]

#[path = "../scene/mod.rs"]
mod scene;

mod health;
mod namespaces;
mod objects;
mod pods;
mod watches;
