//! Packing the program as a container image, from Debian's packages and without a base image.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    build::Build,
    tools::{self, root, run, target},
};

/// What the program needs of Debian: the C library it is linked with, and whom to trust.
const PACKAGES: &[&str] = &["libc6", "libgcc-s1", "ca-certificates"];
/// As the Dockerfile has it.
const CONFIG: &str = r#"{
    "Entrypoint": ["/opt/catalyst/catalyst"], "Cmd": ["serve"], "User": "65532:65532",
    "Env": ["PATH=/usr/bin:/bin"], "ExposedPorts": {"3000/tcp": {}, "9090/tcp": {}}
}"#;

/// What to pack, and as what.
#[derive(Args, Clone)]
pub struct Image {
    #[command(flatten)]
    pub build: Build,
    /// The image's name, with the registry it is meant for.
    #[arg(long, default_value = "catalyst:dev")]
    pub name: String,
    /// The archive to write [default: catalyst-image.tar in the target folder].
    #[arg(long)]
    pub output: Option<PathBuf>,
}

impl Image {
    /// Builds and packs it; returns the archive's path.
    pub fn run(self) -> Result<PathBuf> {
        tools::ensure(&[tools::IMAGES])?;
        let catalyst = self.build.run()?;
        let work = target().join("image");
        let system = work.join("debian");
        if self.build.release || !system.join(".complete").is_file() {
            clear(&system)?;
            run(Command::new(root().join("xtask/debian-rootfs"))
                .arg(&system)
                .args(PACKAGES))?;
            fs::write(system.join(".complete"), "")?;
        }
        let program = work.join("program");
        clear(&program)?;
        let home = program.join("opt/catalyst");
        fs::create_dir_all(&home)?;
        run(Command::new("strip")
            .args(["--strip-debug", "-o"])
            .arg(home.join("catalyst"))
            .arg(&catalyst))?;
        run(Command::new("cp")
            .arg("-r")
            .arg(catalyst.with_file_name("site"))
            .arg(&home))?;
        let output = self
            .output
            .unwrap_or_else(|| target().join("catalyst-image.tar"));
        run(Command::new("node")
            .arg(root().join("xtask/image.mjs"))
            .arg(&output)
            .args([&self.name, CONFIG])
            .args([&system, &program]))?;
        println!("{} is in {}", self.name, output.display());
        Ok(output)
    }
}

fn clear(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot clear {}", folder.display()))?;
    }
    Ok(())
}
