//! What the command line can do: each command parses, calls a use case, and prints.

#![allow(clippy::print_stdout, reason = "a command's output")]

pub mod demo;
pub mod operator;
pub mod preview;
pub mod project;
pub mod render;
pub mod serve;
pub mod token;
pub mod uninstall;
pub mod validate;

use std::io::Write;

use anyhow::Context;

use crate::{settings::Common, wiring};

/// Prints the custom resource definitions.
pub fn crds() -> anyhow::Result<()> {
    print(&catalyst_crd::custom_resource_definitions_yaml()?)
}

/// Writes a long text to standard output. Whoever reads it may have seen enough, as `head` has:
/// that is no failure.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let written = std::io::stdout().write_all(text.as_bytes());
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// Prints a link that signs in once, within the hour.
pub async fn sign_in(common: Common) -> anyhow::Result<()> {
    let store = wiring::open_store(&common).await?;
    let link = wiring::sign_in_link(&store, &common).await?;
    println!("{link}");
    Ok(())
}
