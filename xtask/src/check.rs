//! Tests, lints and coverage.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    build::Build,
    tools::{self, cargo, ensure_npm, has, root, run, run_tests},
};

/// Which tests to run; all of them unless some are chosen.
#[derive(Args)]
pub struct Test {
    /// Rust's tests.
    #[arg(long)]
    rust: bool,
    /// The whole binary, as GitHub, a visitor and an unlucky machine use it.
    #[arg(long)]
    system: bool,
    /// The journeys in a browser.
    #[arg(long)]
    browser: bool,
}

impl Test {
    /// Runs them.
    pub fn run(self) -> Result<()> {
        let all = !(self.rust || self.system || self.browser);
        tools::ensure(&[tools::PREVIEWS, tools::TESTS])?;
        ensure_npm(&root().join("end2end/github-fixtures"))?;
        if self.rust || all {
            run(cargo().args([
                "test",
                "--workspace",
                "--exclude",
                "catalyst-frontend",
                "--no-fail-fast",
            ]))?;
        }
        if self.rust && !(self.system || self.browser) {
            return Ok(());
        }
        let catalyst = Build::default().run()?;
        // The GitHub that people sign in with, beside the binary under test.
        crate::build::program("fake-github", false)?;
        if self.system || all {
            ensure_npm(&root().join("end2end/mcp"))?;
            run_tests(&mut node_test("end2end/system", &catalyst)?)?;
        }
        if self.browser || all {
            tools::ensure(&[tools::BROWSER])?;
            let end2end = root().join("end2end");
            ensure_npm(&end2end)?;
            run_tests(
                Command::new("npm")
                    .args(["test", "--silent"])
                    .current_dir(&end2end)
                    .env("CATALYST", &catalyst),
            )?;
        }
        Ok(())
    }
}

/// Runs the tests of a folder with Node's own test runner, one file after the other.
pub fn node_test(folder: &str, catalyst: &Path) -> Result<Command> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join(folder))
        .with_context(|| format!("cannot read {folder}"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    files.sort();
    let mut node = Command::new("node");
    node.args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .args(files);
    node.env("CATALYST", catalyst);
    Ok(node)
}

/// Formatting, lints of both halves, dependencies, generated files.
pub fn lint() -> Result<()> {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo()
        .args([
            "clippy",
            "--workspace",
            "--exclude",
            "catalyst-frontend",
            "--all-targets",
        ])
        .args(["--", "-D", "warnings"]))?;
    tools::ensure_wasm_target()?;
    run(cargo()
        .args(["clippy", "--package", "catalyst-frontend"])
        .args([
            "--target",
            "wasm32-unknown-unknown",
            "--profile",
            "wasm-release",
        ])
        .args(["--", "-D", "warnings"]))?;
    if !has("cargo-deny") {
        run(cargo().args(["install", "--locked", "cargo-deny"])).context("cargo-deny is needed")?;
    }
    // Licences, sources and duplicates; advisories need a database from outside and run in CI
    // where that is reachable.
    run(cargo().args(["deny", "check", "bans", "licenses", "sources"]))?;
    crate::build::crds(true)
}

/// The crates whose every decision is to be tested, and how much of their lines at least.
const MEASURED: &[&str] = &[
    "catalyst-previews",
    "catalyst-operator",
    "catalyst-github",
    "catalyst-store",
    "catalyst-cluster",
];
const AT_LEAST: f64 = 80.0;

/// Line coverage of the business logic; prints a line a crate.
pub fn coverage() -> Result<()> {
    tools::ensure(&[tools::PREVIEWS, tools::TESTS])?;
    ensure_npm(&root().join("end2end/github-fixtures"))?;
    if !has("cargo-llvm-cov") {
        run(cargo().args(["install", "--locked", "cargo-llvm-cov"]))?;
    }
    run(Command::new("rustup").args(["component", "add", "llvm-tools"]))?;
    let report = tools::target().join("coverage.json");
    let mut command = cargo();
    command
        .args(["llvm-cov", "--json", "--summary-only", "--output-path"])
        .arg(&report);
    for name in MEASURED {
        command.args(["--package", name]);
    }
    run(&mut command)?;
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&report)?)?;
    let mut low = Vec::new();
    for name in MEASURED {
        let folder = format!("/crates/{}/src/", name.trim_start_matches("catalyst-"));
        let (mut lines, mut covered) = (0, 0);
        for file in report["data"][0]["files"].as_array().into_iter().flatten() {
            if file["filename"]
                .as_str()
                .is_some_and(|f| f.contains(&folder))
            {
                lines += file["summary"]["lines"]["count"].as_u64().unwrap_or(0);
                covered += file["summary"]["lines"]["covered"].as_u64().unwrap_or(0);
            }
        }
        #[allow(clippy::cast_precision_loss, reason = "line counts are far below 2^52")]
        let percent = 100.0 * covered as f64 / lines.max(1) as f64;
        println!("{name:20} {percent:5.1} % of {lines} lines");
        if percent < AT_LEAST {
            low.push(*name);
        }
    }
    anyhow::ensure!(low.is_empty(), "below {AT_LEAST} %: {}", low.join(", "));
    Ok(())
}
