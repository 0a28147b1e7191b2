//! Building the program and its pages.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    tools::{cargo, ensure_npm, ensure_wasm_target, output, root, run, target},
    wasm::Module,
};

/// What to build, and how.
#[derive(Args, Clone, Copy, Default)]
pub struct Build {
    /// Optimized, as it is deployed.
    #[arg(long)]
    pub release: bool,
}

impl Build {
    /// Builds the pages, then the program; returns the program's path. Both end up side by side:
    /// `catalyst` and `site/`.
    pub fn run(self) -> Result<PathBuf> {
        let folder = target().join(if self.release { "release" } else { "debug" });
        site(&folder.join("site"))?;
        program("catalyst", self.release)?;
        Ok(folder.join("catalyst"))
    }
}

/// Builds one program. The whole workspace is named, as for the tests: otherwise what it uses would
/// be compiled once more, with the features that this one program asks for.
pub fn program(name: &str, release: bool) -> Result<()> {
    let mut command = cargo();
    command
        .args(["build", "--workspace", "--exclude", "catalyst-frontend"])
        .args(["--bin", name]);
    if release {
        command.arg("--release");
    }
    run(&mut command)
}

/// Builds the pages' files into `site`: `pkg/` with the scripts, the wasm and the style sheets, and
/// what is in public/.
fn site(site: &Path) -> Result<()> {
    ensure_wasm_target()?;
    ensure_npm(&tools())?;
    let pkg = site.join("pkg");
    fs::create_dir_all(&pkg)?;
    copy_tree(&root().join("public"), site)?;
    fs::write(
        pkg.join("catalyst.css"),
        bundle(&root().join("style/main.css"))?,
    )?;
    Module {
        package: "catalyst-frontend",
        name: "catalyst",
        split: true,
    }
    .build(&pkg, &tools())?;
    terminal(&pkg)?;
    compress(site)
}

/// Where the tools and the scripts from npm are.
fn tools() -> PathBuf {
    root().join("frontend")
}

/// Builds the terminal, which pages load when a shell is opened. Its bindings name the modules
/// that they use as npm does; browsers find them by address, in the same folder.
fn terminal(pkg: &Path) -> Result<()> {
    Module {
        package: "catalyst-terminal",
        name: "terminal",
        split: false,
    }
    .build(pkg, &tools())?;
    let script = pkg.join("terminal.js");
    let mut text = fs::read_to_string(&script)?;
    for (name, package, file) in [
        ("xterm", "@xterm/xterm", "xterm.mjs"),
        ("xterm-addon-fit", "@xterm/addon-fit", "addon-fit.mjs"),
    ] {
        let (before, after) = (format!("from '{name}'"), format!("from './{file}'"));
        text = text.replace(&before, &after);
        if !text.contains(&after) {
            bail!("terminal.js does not import {name}: see how wasm-bindgen writes imports now");
        }
        let module = tools()
            .join("node_modules")
            .join(package)
            .join("lib")
            .join(file);
        let module = fs::read_to_string(&module)
            .with_context(|| format!("cannot read {}", module.display()))?;
        // The map is not served.
        let module = module
            .lines()
            .filter(|line| !line.starts_with("//# sourceMappingURL="));
        fs::write(pkg.join(file), module.collect::<Vec<_>>().join("\n"))?;
    }
    fs::write(&script, text)?;
    fs::copy(
        tools().join("node_modules/@xterm/xterm/css/xterm.css"),
        pkg.join("xterm.css"),
    )?;
    fs::copy(
        root().join("terminal/start.js"),
        pkg.join("terminal-start.js"),
    )?;
    Ok(())
}

/// Writes a Brotli-compressed copy next to each file that gains from it.
fn compress(site: &Path) -> Result<()> {
    run(Command::new("node")
        .arg(root().join("xtask/compress.mjs"))
        .arg(site))
}

/// A style sheet with its `@import url("…") layer(…);` lines replaced by what they name.
fn bundle(entry: &Path) -> Result<String> {
    let text = fs::read_to_string(entry)
        .with_context(|| format!("cannot read the style sheet {}", entry.display()))?;
    let folder = entry.parent().unwrap_or(Path::new("."));
    let mut out = String::new();
    for line in text.lines() {
        let Some(import) = line.trim().strip_prefix("@import") else {
            // What sets lines apart for those who write them is not sent.
            let line = line.trim();
            if !line.is_empty() {
                out.push_str(line);
                out.push('\n');
            }
            continue;
        };
        let name = import
            .split(['"', '\''])
            .nth(1)
            .with_context(|| format!("cannot read {line:?} in {}", entry.display()))?;
        let inner = bundle(&folder.join(name))?;
        match import
            .split_once("layer(")
            .and_then(|(_, rest)| rest.split_once(')'))
        {
            Some((layer, _)) => {
                out.push_str(&format!("@layer {layer} {{\n{inner}}}\n"));
            }
            None => out.push_str(&inner),
        }
    }
    Ok(out)
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let destination = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &destination)?;
        } else {
            fs::copy(entry.path(), &destination)?;
        }
    }
    Ok(())
}

/// Writes, or with `check` compares, the chart's custom resource definitions.
pub fn crds(check: bool) -> Result<()> {
    program("catalyst", false)?;
    let yaml = output(Command::new(target().join("debug/catalyst")).arg("crds"))?;
    let path = root().join("charts/catalyst/crds/catalyst.yaml");
    let yaml = format!("# Generated by `cargo xtask crds`; do not edit.\n{yaml}\n");
    if check {
        if fs::read_to_string(&path).is_ok_and(|present| present == yaml) {
            return Ok(());
        }
        bail!("{} is out of date: run `cargo xtask crds`", path.display());
    }
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    fs::write(&path, yaml).with_context(|| format!("cannot write {}", path.display()))
}
