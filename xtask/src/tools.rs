//! Running other programs, and installing those that are missing.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, bail};

/// The checkout's folder: as cargo says, since one target folder may serve several checkouts, and what
/// another one built is not built again.
pub fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.parent().map_or_else(|| here.clone(), Path::to_owned)
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Runs a command in the foreground; fails unless it succeeds.
pub fn run(command: &mut Command) -> Result<()> {
    let started = Instant::now();
    run_tests(command)?;
    let seconds = started.elapsed().as_secs();
    if seconds >= 10 {
        eprintln!("  took {seconds} s");
    }
    Ok(())
}

/// The same without a word of our own at the end, so that a test runner has the last one.
pub fn run_tests(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    eprintln!("$ {shown}");
    let status = command
        .status()
        .with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown} failed ({status})");
    }
    Ok(())
}

/// A command's standard output, trimmed; fails unless it succeeds.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output = command
        .output()
        .with_context(|| format!("cannot start {shown}"))?;
    if !output.status.success() {
        bail!(
            "{shown} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|arg| arg.to_string_lossy().into_owned()),
    );
    words.join(" ")
}

/// `cargo` with the toolchain that runs this.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Whether a program is on PATH, or where Debian puts system programs.
pub fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}

/// A program, or a file, and the Debian package that brings it.
pub struct Package {
    present: fn() -> bool,
    name: &'static str,
}

/// What previews need that run as processes on this machine.
pub const PREVIEWS: &[Package] = &[
    Package {
        present: || has("git"),
        name: "git",
    },
    Package {
        present: || has("bwrap"),
        name: "bubblewrap",
    },
    Package {
        present: || has("slirp4netns"),
        name: "slirp4netns",
    },
    Package {
        present: || has("nft"),
        name: "nftables",
    },
    Package {
        present: || has("ip"),
        name: "iproute2",
    },
    Package {
        present: || has("busybox"),
        name: "busybox",
    },
];

/// What the tests need besides.
pub const TESTS: &[Package] = &[
    Package {
        present: || Path::new("/usr/lib/postgresql").is_dir(),
        name: "postgresql",
    },
    Package {
        present: || has("python3"),
        name: "python3",
    },
    Package {
        present: has_venv,
        name: "python3-venv",
    },
    Package {
        present: || has("openssl"),
        name: "openssl",
    },
];

/// What the journeys in a browser need besides.
pub const BROWSER: &[Package] = &[Package {
    present: || has("chromium"),
    name: "chromium",
}];

/// What packing an image needs besides.
pub const IMAGES: &[Package] = &[
    Package {
        present: || has("dpkg-deb"),
        name: "dpkg",
    },
    Package {
        present: || has("strip"),
        name: "binutils",
    },
];

/// What a Kubernetes on this machine needs besides what is built for it.
pub const KUBERNETES: &[Package] = &[
    Package {
        present: || has("containerd"),
        name: "containerd",
    },
    Package {
        present: || has("runc"),
        name: "runc",
    },
    Package {
        present: || has("etcd"),
        name: "etcd-server",
    },
    Package {
        present: || Path::new("/usr/lib/cni/bridge").is_file(),
        name: "containernetworking-plugins",
    },
    Package {
        present: || has("iptables"),
        name: "iptables",
    },
    Package {
        present: || has("docker-registry"),
        name: "docker-registry",
    },
    Package {
        present: || has("openssl"),
        name: "openssl",
    },
];

fn has_venv() -> bool {
    Command::new("python3")
        .args(["-c", "import ensurepip, venv"])
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Installs what is missing with apt, where that can be done; otherwise says what to install.
pub fn ensure(packages: &[&[Package]]) -> Result<()> {
    let missing: Vec<&str> = packages
        .iter()
        .copied()
        .flatten()
        .filter(|package| !(package.present)())
        .map(|package| package.name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !has("apt-get") {
        bail!("please install these first (by their names in Debian): {list}");
    }
    let root = output(Command::new("id").arg("-u"))? == "0";
    let apt = |args: &[&str]| {
        let mut command = if root {
            Command::new("apt-get")
        } else {
            Command::new("sudo")
        };
        if !root {
            command.args(["-n", "apt-get"]);
        }
        command
            .args(["-qq", "-y"])
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive");
        command.stdout(std::process::Stdio::null());
        run(&mut command)
    };
    let installed = apt(&["update"]).and_then(|()| {
        let mut args = vec!["install", "--no-install-recommends"];
        args.extend(&missing);
        apt(&args)
    });
    installed.with_context(|| format!("please install them by hand: apt-get install {list}"))
}

/// Adds the browser's target to the toolchain.
pub fn ensure_wasm_target() -> Result<()> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    if Path::new(&sysroot)
        .join("lib/rustlib/wasm32-unknown-unknown")
        .is_dir()
    {
        return Ok(());
    }
    run(Command::new("rustup").args(["target", "add", "wasm32-unknown-unknown"]))
        .context("the pages need Rust's target wasm32-unknown-unknown")
}

/// Installs a folder's npm packages as its lock file names them, unless they are there already.
pub fn ensure_npm(folder: &Path) -> Result<()> {
    let wanted = std::fs::read(folder.join("package-lock.json"))
        .with_context(|| format!("{} has no package-lock.json", folder.display()))?;
    let stamp = folder.join("node_modules/.installed-lock.json");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    run(Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(folder))?;
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}
