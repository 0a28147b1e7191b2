//! `cargo xtask e2e`: kubectl against the embedded cluster, then Catalyst installed into a real
//! Kubernetes, as people would install it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    build::Build,
    check::node_test,
    image::Image,
    tools::{self, ensure_npm, output, root, run, run_tests},
};

/// Which suites to run; all of them unless one is chosen.
///
/// With KUBECONFIG set, the cluster it names is used: end2end/kubernetes/README.md says what it has
/// to bring along. Otherwise one is brought up here, which needs root, and taken away afterwards.
#[derive(Args)]
pub struct E2e {
    /// kubectl's everyday verbs against the embedded cluster.
    #[arg(long)]
    kubectl: bool,
    /// Catalyst in a real Kubernetes.
    #[arg(long)]
    kubernetes: bool,
    /// The embedded cluster's contract suite, against a real Kubernetes.
    #[arg(long)]
    contract: bool,
}

impl E2e {
    /// Runs them.
    pub fn run(self) -> Result<()> {
        let all = !(self.kubectl || self.kubernetes || self.contract);
        tools::ensure(&[tools::PREVIEWS])?;
        let given = std::env::var_os("KUBECONFIG").is_some();
        let kubectl = if given {
            PathBuf::from("kubectl")
        } else {
            let mut build = script("build");
            if self.kubectl && !self.kubernetes && !self.contract {
                build.arg("kubectl");
            } else {
                tools::ensure(&[tools::KUBERNETES])?;
            }
            run(&mut build).context("the cluster's programs need Go 1.26 or newer")?;
            programs()?.join("kubectl")
        };
        if self.kubectl || all {
            let catalyst = Build::default().run()?;
            run(node_test("end2end/kubectl", &catalyst)?
                .env("KUBECTL", &kubectl)
                .env_remove("KUBECONFIG"))?;
        }
        if self.contract && !self.kubernetes {
            let _cluster = if given { None } else { Some(Cluster::up()?) };
            contract(given)?;
        }
        if self.kubernetes || all {
            let _cluster = if given {
                None
            } else {
                Some(Cluster::with_catalyst()?)
            };
            if self.contract || all {
                contract(given)?;
            }
            // The browser of one of its tests.
            tools::ensure(&[tools::BROWSER])?;
            ensure_npm(&root().join("end2end"))?;
            let suite = node_test("end2end/kubernetes", Path::new("/opt/catalyst/catalyst"))?;
            run_tests(&mut if given { suite } else { inside(&suite) })?;
        }
        Ok(())
    }
}

/// The tests of crates/localkube/tests/contract, against the cluster that is up, or that KUBECONFIG names.
fn contract(given: bool) -> Result<()> {
    let test = || {
        let mut cargo = Command::new("cargo");
        cargo.args([
            "test",
            "--workspace",
            "--exclude",
            "catalyst-frontend",
            "--test",
            "contract",
        ]);
        cargo
    };
    // Built outside, where the registries are closest.
    run(test().arg("--no-run"))?;
    let (kubeconfig, image) = if given {
        let image = std::env::var("CATALYST_CONTRACT_IMAGE").unwrap_or("busybox".to_owned());
        (std::env::var_os("KUBECONFIG").unwrap_or_default(), image)
    } else {
        let state = std::env::var_os("CATALYST_KUBERNETES_STATE");
        let state = PathBuf::from(state.unwrap_or("/tmp/catalyst-kubernetes".into()));
        let image = "localhost:5000/tools:1".to_owned();
        (state.join("admin.kubeconfig").into(), image)
    };
    let mut suite = test();
    suite
        .arg("--offline")
        .env("CATALYST_CONTRACT_KUBECONFIG", kubeconfig)
        .env("CATALYST_CONTRACT_IMAGE", image);
    run(&mut if given { suite } else { inside(&suite) })
}

/// Where the cluster's programs are, as end2end/kubernetes/common.sh has it.
fn programs() -> Result<PathBuf> {
    let cache = match std::env::var_os("CATALYST_KUBERNETES_CACHE") {
        Some(cache) => cache.into(),
        None => std::env::home_dir()
            .context("there is no home folder: set CATALYST_KUBERNETES_CACHE")?
            .join(".cache/catalyst-kubernetes"),
    };
    Ok(cache.join("bin"))
}

fn script(name: &str) -> Command {
    Command::new(root().join("end2end/kubernetes").join(name))
}

/// The same command in the cluster's network.
fn inside(command: &Command) -> Command {
    let mut inside = script("in");
    inside.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            inside.env(name, value);
        }
    }
    inside
}

/// The cluster that was brought up here.
struct Cluster;

/// The image under test, by the name that it is installed and the one that it is upgraded to.
const IMAGES: [&str; 2] = ["catalyst:dev", "catalyst:next"];

impl Cluster {
    /// The bare cluster.
    fn up() -> Result<Self> {
        let cluster = Self;
        run(&mut script("up"))?;
        Ok(cluster)
    }

    /// The cluster with Catalyst's image in its registry.
    fn with_catalyst() -> Result<Self> {
        let image = Image {
            build: Build::default(),
            name: format!("localhost:5000/{}", IMAGES[0]),
            output: None,
        }
        .run()?;
        let cluster = Self::up()?;
        run(script("images").arg("push").arg(image).args(IMAGES))?;
        Ok(cluster)
    }
}

impl Drop for Cluster {
    // Without a word: what the test runner said last is to be the last that is read.
    fn drop(&mut self) {
        if let Err(error) = output(&mut script("down")) {
            eprintln!("the cluster may not be gone entirely: {error:#}");
        }
    }
}
