//! The project's own commands: `cargo xtask …`. Each installs what it needs that is missing.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line's output"
)]

mod build;
mod check;
mod e2e;
mod image;
mod tools;
mod up;
mod wasm;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Catalyst's own commands")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build everything, start it on embedded defaults, and show a working preview.
    Up(up::Up),
    /// Run all tests: Rust's, the whole binary's, then the journeys in a browser.
    Test(check::Test),
    /// Run kubectl against the embedded cluster, and Catalyst in a real Kubernetes; needs Go.
    E2e(e2e::E2e),
    /// Pack the program as a container image, without a base image.
    Image(image::Image),
    /// Build the program and its pages.
    Build(build::Build),
    /// Write the custom resource definitions into the chart, or check that they are up to date.
    Crds {
        /// Change nothing; fail if they are out of date.
        #[arg(long)]
        check: bool,
    },
    /// Check formatting, lints for both the server and the browser, and dependencies.
    Lint,
    /// Measure how much of the business logic the tests run, and fail below 80 %.
    Coverage,
}

fn main() -> anyhow::Result<()> {
    std::env::set_current_dir(tools::root())?;
    match Cli::parse().command {
        Command::Up(up) => up.run(),
        Command::Test(test) => test.run(),
        Command::E2e(e2e) => e2e.run(),
        Command::Image(image) => image.run().map(|_| ()),
        Command::Build(build) => build.run().map(|_| ()),
        Command::Crds { check } => build::crds(check),
        Command::Lint => check::lint(),
        Command::Coverage => check::coverage(),
    }
}
