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

use crate::{settings::Common, wiring};

/// Prints the custom resource definitions.
pub fn crds() -> anyhow::Result<()> {
    print!("{}", catalyst_crd::custom_resource_definitions_yaml()?);
    Ok(())
}

/// Prints a link that signs in once, within the hour.
pub async fn sign_in(common: Common) -> anyhow::Result<()> {
    let store = wiring::open_store(&common).await?;
    let link = wiring::sign_in_link(&store, &common).await?;
    println!("{link}");
    Ok(())
}
