//! Elixir, and Phoenix.

use super::Stack;
use crate::detect::{Confidence, Directory};

pub(super) fn phoenix(directory: &Directory) -> Option<Stack> {
    (directory.get("elixir") == Some("Phoenix")).then(|| Stack {
        project_type: "elixir",
        language: "Elixir",
        framework: Some("Phoenix".to_owned()),
        package_manager: Some("mix"),
        version: "1.18".to_owned(),
        install: Some("mix deps.get".to_owned()),
        dev: Some("mix phx.server".to_owned()),
        build: Some("mix do compile, assets.deploy, release".to_owned()),
        start: Some("mix phx.server".to_owned()),
        port: 4000,
        confidence: Confidence::High,
        reason: "mix.exs names phoenix".to_owned(),
    })
}

pub(super) fn elixir(directory: &Directory) -> Option<Stack> {
    directory.has("mix.exs").then(|| Stack {
        project_type: "elixir",
        language: "Elixir",
        framework: None,
        package_manager: Some("mix"),
        version: "1.18".to_owned(),
        install: Some("mix deps.get".to_owned()),
        dev: Some("mix run --no-halt".to_owned()),
        build: Some("mix compile".to_owned()),
        start: Some("mix run --no-halt".to_owned()),
        port: 4000,
        confidence: Confidence::Medium,
        reason: "it has a mix.exs".to_owned(),
    })
}
