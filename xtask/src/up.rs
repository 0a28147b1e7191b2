//! `cargo xtask up`: from a fresh checkout to a preview that answers.

use std::{
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    build::Build,
    tools::{self, output, root, run},
};

/// How to start.
#[derive(Args)]
pub struct Up {
    /// Build it optimized.
    #[arg(long)]
    release: bool,
    /// End once the preview answers, instead of keeping on until Ctrl-C.
    #[arg(long)]
    once: bool,
}

impl Up {
    /// Builds, starts, plays the demo's pull request, and keeps running until it is interrupted.
    pub fn run(self) -> Result<()> {
        let started = Instant::now();
        tools::ensure(&[tools::PREVIEWS])?;
        let catalyst = Build {
            release: self.release,
        }
        .run()?;
        println!("Built in {} s.", started.elapsed().as_secs());

        let mut server = Server::start(&catalyst)?;
        server.wait_until_ready(&catalyst)?;
        run(&mut command(&catalyst, &["demo", "open"]))?;
        println!();
        println!(
            "Dashboard:  {}",
            output(&mut command(&catalyst, &["sign-in"]))?
        );
        println!("            (the link works once; `catalyst sign-in` makes another)");
        println!(
            "Next:       {} demo push    changes what the preview shows",
            catalyst.display()
        );
        println!("            {} demo close   removes it", catalyst.display());
        println!(
            "            with CATALYST_DATA={} in the environment",
            data().display()
        );
        if self.once {
            return Ok(());
        }
        println!("Stop with Ctrl-C.");
        let status = server.0.wait()?;
        bail!("catalyst serve ended by itself ({status}); its last lines above say why");
    }
}

fn data() -> std::path::PathBuf {
    std::env::var_os("CATALYST_DATA").map_or_else(|| root().join(".catalyst"), Into::into)
}

fn command(catalyst: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(catalyst);
    command
        .args(args)
        .env("CATALYST_DATA", data())
        .env("CATALYST_CLUSTER", "local")
        .env("CATALYST_ALLOW_LOCAL_REPOSITORIES", "true")
        // What runs is the demo's own code; what is missing is said in the log and the dashboard.
        .env("CATALYST_ALLOW_WEAK_ISOLATION", "true");
    command
}

struct Server(Child);

impl Server {
    fn start(catalyst: &Path) -> Result<Self> {
        std::fs::create_dir_all(data())?;
        println!("Starting {} serve …", catalyst.display());
        let mut serve = command(catalyst, &["serve"]);
        serve
            .spawn()
            .map(Self)
            .context("cannot start catalyst serve")
    }

    fn wait_until_ready(&mut self, catalyst: &Path) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.0.try_wait()? {
                bail!("catalyst serve ended at once ({status}); its lines above say why");
            }
            if output(&mut command(catalyst, &["project", "list"])).is_ok() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("catalyst serve was not ready within 60 s");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Server {
    /// Asks it to stop, so that its previews' processes are ended in order.
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let asked = Command::new("kill").arg(self.0.id().to_string()).status();
            if asked.is_err() && self.0.kill().is_err() {
                eprintln!(
                    "catalyst serve (process {}) could not be stopped",
                    self.0.id()
                );
            }
            if let Err(error) = self.0.wait() {
                eprintln!("waiting for catalyst serve failed: {error}");
            }
        }
    }
}
