//! The scripts as they run in pods: real repositories, real git, real shells.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod chart;
mod clone;
mod jobs;
mod stacks;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use catalyst_render::detect::{Plan, Undetected, detect, survey};
use catalyst_render::{Bundle, Folder, bundle};
use tempfile::TempDir;

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/scripts")
        .join(name)
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.com",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn write(root: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// A repository with one commit of these files.
fn repository(files: &[(&str, &str)]) -> TempDir {
    let directory = TempDir::new().unwrap();
    git(directory.path(), &["init", "-q"]);
    write(directory.path(), files);
    commit(directory.path(), "first");
    directory
}

fn commit(root: &Path, message: &str) -> String {
    git(root, &["add", "-A"]);
    git(root, &["commit", "-q", "--allow-empty", "-m", message]);
    git(root, &["rev-parse", "HEAD"])
}

/// The shells that pods may have: this machine's, and that of the small images.
fn shells() -> Vec<(String, Vec<String>)> {
    let mut all = vec![(std::env::var("PATH").unwrap(), vec!["sh".to_owned()])];
    if Command::new("busybox")
        .arg("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        let applets = Box::leak(Box::new(TempDir::new().unwrap()));
        for applet in [
            "sh", "awk", "sed", "grep", "head", "sort", "cat", "mktemp", "rm", "mkdir", "find",
            "gzip", "base64", "wc", "cmp", "timeout", "readlink",
        ] {
            std::os::unix::fs::symlink("/usr/bin/busybox", applets.path().join(applet)).unwrap();
        }
        let path = format!("{}:{}", applets.path().display(), all[0].0);
        all.push((path, vec![applets.path().join("sh").display().to_string()]));
    }
    all
}

fn clone_with(shell: &(String, Vec<String>), into: &Path, variables: &[(&str, &str)]) -> Output {
    Command::new(&shell.1[0])
        .arg(script("git-clone.sh"))
        .env("PATH", &shell.0)
        .env("GIT_CLONE_ROOT", into)
        .env("GIT_CLONE_DEST", ".")
        .env("GIT_ALLOW_PROTOCOL", "file")
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn clone(into: &Path, variables: &[(&str, &str)]) -> Output {
    clone_with(&shells()[0], into, variables)
}

fn url(directory: &TempDir) -> String {
    format!("file://{}", directory.path().display())
}

fn inspect(shell: &(String, Vec<String>), checkout: &Path) -> Bundle {
    let output = Command::new(&shell.1[0])
        .arg(script("inspect.sh"))
        .env("PATH", &shell.0)
        .env("GIT_CLONE_ROOT", checkout)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.len() <= bundle::MAX_REPORT, "{} bytes", text.len());
    let packed = bundle::packed(&text).unwrap();
    Bundle::unpack(&packed).unwrap_or_else(|error| panic!("{error}"))
}

/// Detects in every shell and from the folder itself, which must agree.
fn plan(files: &[(&str, &str)]) -> Result<Plan, Undetected> {
    let directory = repository(files);
    let here = survey(&Folder::read(directory.path()).unwrap());
    for shell in shells() {
        let bundle = inspect(&shell, directory.path());
        assert_eq!(
            bundle.commit.as_str(),
            git(directory.path(), &["rev-parse", "HEAD"])
        );
        assert_eq!(survey(&bundle.folder), here, "{shell:?} disagrees");
    }
    detect(&here, None)
}

/// What is run at last, without the shell around it.
fn start(plan: &Plan) -> String {
    plan.start.argv[4..].join(" ")
}

/// A site of Vite, as `package.json` tells it.
const VITE: &str = r#"{ "name": "site", "private": true, "type": "module", "scripts": { "dev": "vite", "build": "vite build", "preview": "vite preview" }, "devDependencies": { "vite": "^7.0.0" } }"#;
