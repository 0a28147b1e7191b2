//! From a crate to what a browser loads: wasm, in parts where it is marked for that, and scripts.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, anyhow};
use wasm_bindgen_cli_support::Bindgen;
use wasm_split_cli_support::Options;

use crate::tools::{cargo, output, run, target};

/// The script that loads the parts. The program names it so, and Leptos links it by this name.
const LINK: &str = "__wasm_split.______________________.js";

/// Which parts a lazy function needs: Leptos reads it to have them loaded early.
const MANIFEST: &str = "__wasm_split_manifest.json";

/// A crate for browsers.
pub struct Module<'a> {
    /// Its package.
    pub package: &'a str,
    /// The name of its files: `NAME.js` and `NAME_bg.wasm`.
    pub name: &'a str,
    /// Whether its lazy functions become parts of their own.
    pub split: bool,
}

impl Module<'_> {
    /// Builds it into `pkg`. Each crate in a run of its own: together they would share the features
    /// of what they use, and each would grow by what the other needs. `tools` holds the npm packages.
    pub fn build(&self, pkg: &Path, tools: &Path) -> Result<()> {
        let wasm = self.compile()?;
        let stamp = pkg.join(format!(".{}.source", self.name));
        let source = output(Command::new("sha256sum").arg(&wasm))?;
        if fs::read_to_string(&stamp).is_ok_and(|built| built == source) {
            return Ok(());
        }
        let mut parts = Vec::new();
        let mut whole = wasm.clone();
        if self.split {
            whole = wasm.with_extension("main.wasm");
            parts = self.split(&wasm, &whole, pkg)?;
        }
        Bindgen::new()
            .input_path(&whole)
            .web(true)?
            .typescript(false)
            // The parts use the memory, the table and the stack of the whole.
            .keep_lld_exports(self.split)
            .out_name(self.name)
            .generate(pkg)
            .with_context(|| {
                format!(
                    "wasm-bindgen could not process the wasm of {}",
                    self.package
                )
            })?;
        parts.push(pkg.join(format!("{}_bg.wasm", self.name)));
        for file in &parts {
            optimize(file, tools)?;
        }
        Ok(fs::write(&stamp, source)?)
    }

    fn compile(&self) -> Result<PathBuf> {
        run(cargo().args([
            "build",
            "--package",
            self.package,
            "--target",
            "wasm32-unknown-unknown",
            "--profile",
            "wasm-release",
        ]))?;
        let file = self.package.replace('-', "_");
        Ok(target().join(format!("wasm32-unknown-unknown/wasm-release/{file}.wasm")))
    }

    /// Cuts the wasm into what is needed at once, written to `whole`, and parts in `pkg`, which are
    /// returned.
    fn split(&self, wasm: &Path, whole: &Path, pkg: &Path) -> Result<Vec<PathBuf>> {
        forget_parts(pkg)?;
        let input = fs::read(wasm).with_context(|| format!("cannot read {}", wasm.display()))?;
        let main_module = format!("./{}.js", self.name);
        let link = format!("./{LINK}");
        let mut options = Options::new(&input);
        options.output_dir = pkg;
        options.main_out_path = whole;
        options.link_name = &link;
        options.main_module = &main_module;
        let split = wasm_split_cli_support::transform(options)
            .map_err(|error| anyhow!("cannot cut the wasm of {}: {error:?}", self.package))?;
        let manifest = serde_json::to_string(&split.prefetch_map)?;
        fs::write(pkg.join(MANIFEST), manifest)?;
        Ok(split.split_modules)
    }
}

/// Removes the parts of an earlier build, of which there may have been others.
fn forget_parts(pkg: &Path) -> Result<()> {
    for entry in fs::read_dir(pkg)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if ["split_", "chunk_", "__wasm_split"]
            .iter()
            .any(|start| name.starts_with(start))
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Makes a file of wasm as small as it gets.
fn optimize(wasm: &Path, tools: &Path) -> Result<()> {
    // What rustc emits and every browser reads; with all features it would write what none does.
    let features = [
        "--enable-bulk-memory",
        "--enable-multivalue",
        "--enable-mutable-globals",
        "--enable-nontrapping-float-to-int",
        "--enable-reference-types",
        "--enable-sign-ext",
    ];
    run(Command::new(tools.join("node_modules/.bin/wasm-opt"))
        .args(features)
        .args(["-Oz", "-o"])
        .arg(wasm)
        .arg(wasm))
}
