//! The scripts as they run in pods: real repositories, real git, real shells.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

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

#[test]
fn exactly_the_commit_is_checked_out_with_any_shell() {
    for shell in shells() {
        let origin = repository(&[("a.txt", "one")]);
        let first = git(origin.path(), &["rev-parse", "HEAD"]);
        write(origin.path(), &[("a.txt", "two")]);
        commit(origin.path(), "second");
        let code = TempDir::new().unwrap();
        let output = clone_with(
            &shell,
            code.path(),
            &[
                ("GIT_REPO_URL", &url(&origin)),
                ("GIT_COMMIT", &first),
                ("GIT_BRANCH", "main"),
            ],
        );
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(
            std::fs::read_to_string(code.path().join("a.txt")).unwrap(),
            "one"
        );
        assert_eq!(git(code.path(), &["rev-parse", "HEAD"]), first);
    }
}

#[test]
fn a_push_replaces_the_checkout_and_keeps_what_is_not_in_it() {
    let origin = repository(&[("a.txt", "one")]);
    let first = git(origin.path(), &["rev-parse", "HEAD"]);
    let code = TempDir::new().unwrap();
    let variables = |commit: &str| {
        [
            ("GIT_REPO_URL", url(&origin)),
            ("GIT_COMMIT", commit.to_owned()),
            ("GIT_BRANCH", "main".to_owned()),
        ]
    };
    let run = |commit: &str| {
        let all = variables(commit);
        let all: Vec<_> = all
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        clone(code.path(), &all)
    };
    assert!(run(&first).status.success());
    write(
        code.path(),
        &[
            ("node_modules/x", "kept"),
            ("a.txt", "edited by the program"),
        ],
    );
    write(origin.path(), &[("a.txt", "two")]);
    let second = commit(origin.path(), "second");
    assert!(run(&second).status.success());
    assert_eq!(
        std::fs::read_to_string(code.path().join("a.txt")).unwrap(),
        "two"
    );
    assert_eq!(
        std::fs::read_to_string(code.path().join("node_modules/x")).unwrap(),
        "kept"
    );
}

#[test]
fn the_newest_commit_of_a_branch_is_taken_where_none_is_named() {
    let origin = repository(&[("a.txt", "one")]);
    git(origin.path(), &["checkout", "-q", "-b", "feature/x"]);
    write(origin.path(), &[("a.txt", "feature")]);
    let newest = commit(origin.path(), "feature");
    git(origin.path(), &["checkout", "-q", "main"]);
    let code = TempDir::new().unwrap();
    let output = clone(
        code.path(),
        &[
            ("GIT_REPO_URL", &url(&origin)),
            ("GIT_COMMIT", ""),
            ("GIT_BRANCH", "feature/x"),
        ],
    );
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains(&newest));
}

#[test]
fn a_commit_that_only_the_pull_request_has_is_found_and_a_missing_one_is_said() {
    let origin = repository(&[("a.txt", "one")]);
    git(origin.path(), &["checkout", "-q", "--detach"]);
    write(origin.path(), &[("a.txt", "fork")]);
    let head = commit(origin.path(), "fork");
    git(origin.path(), &["update-ref", "refs/pull/7/head", &head]);
    git(origin.path(), &["checkout", "-q", "main"]);
    // A server that does not hand out single commits.
    git(origin.path(), &["config", "protocol.version", "0"]);
    let code = TempDir::new().unwrap();
    let all = [
        ("GIT_REPO_URL", url(&origin)),
        ("GIT_COMMIT", head.clone()),
        ("GIT_BRANCH", "main".to_owned()),
        ("GIT_PULL_REQUEST", "7".to_owned()),
    ];
    let all: Vec<_> = all
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let output = clone(code.path(), &all);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        std::fs::read_to_string(code.path().join("a.txt")).unwrap(),
        "fork"
    );

    let missing = "0123456789abcdef0123456789abcdef01234567";
    let code = TempDir::new().unwrap();
    let output = clone(
        code.path(),
        &[
            ("GIT_REPO_URL", &url(&origin)),
            ("GIT_COMMIT", missing),
            ("GIT_BRANCH", "main"),
        ],
    );
    assert!(!output.status.success());
    assert_eq!(
        last_line(&output.stderr),
        format!(
            "commit {missing} cannot be fetched from {}: branch main does not have it (any more): push again",
            url(&origin)
        )
    );
}

fn last_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.trim().lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_repository_that_cannot_be_fetched_says_why_and_what_to_do_in_its_last_line() {
    let origin = repository(&[("a.txt", "one")]);
    let commit = git(origin.path(), &["rev-parse", "HEAD"]);
    let gone = format!("{}-gone", url(&origin));
    for shell in shells() {
        for (address, sha, branch, why, todo) in [
            (
                gone.as_str(),
                commit.as_str(),
                "main",
                "does not appear to be a git repository",
                "check the URL in the Project",
            ),
            (
                gone.as_str(),
                "",
                "main",
                "does not appear to be a git repository",
                "check the URL in the Project",
            ),
            (
                &url(&origin),
                "",
                "other",
                "couldn't find remote ref refs/heads/other",
                "push again",
            ),
            (
                "https://127.0.0.1:9/a.git",
                commit.as_str(),
                "main",
                "Failed to connect to 127.0.0.1",
                "retry",
            ),
        ] {
            let code = TempDir::new().unwrap();
            let variables = [
                ("GIT_REPO_URL", address),
                ("GIT_COMMIT", sha),
                ("GIT_BRANCH", branch),
                ("GIT_ALLOW_PROTOCOL", "file:https"),
            ];
            let output = clone_with(&shell, code.path(), &variables);
            assert!(!output.status.success());
            let last = last_line(&output.stderr);
            assert!(
                [address, why, todo].iter().all(|part| last.contains(part)),
                "{last}"
            );
        }
    }
}

#[test]
fn a_clone_needs_little_memory_whatever_is_in_the_repository() {
    let origin = repository(&[]);
    let big = std::fs::File::create(origin.path().join("big")).unwrap();
    big.set_len(100_000_000).unwrap();
    let commit = commit(origin.path(), "a file of 100 MB");
    let code = TempDir::new().unwrap();
    let limited = Command::new("sh")
        .args(["-c", "ulimit -v 90000; exec sh \"$0\""])
        .arg(script("git-clone.sh"))
        .env("GIT_CLONE_ROOT", code.path())
        .env("GIT_ALLOW_PROTOCOL", "file")
        .env("GIT_REPO_URL", url(&origin))
        .env("GIT_COMMIT", commit)
        .output()
        .unwrap();
    assert!(limited.status.success(), "{}", last_line(&limited.stderr));
    let size = std::fs::metadata(code.path().join("big")).unwrap().len();
    assert_eq!(size, 100_000_000);
}

#[test]
fn hostile_values_run_nothing_and_fetch_nothing() {
    let origin = repository(&[("a.txt", "one")]);
    let canary = TempDir::new().unwrap();
    let canary = canary.path().join("ran");
    let touch = format!("touch {}", canary.display());
    let texts = [
        format!("$({touch})"),
        format!("`{touch}`"),
        format!("; {touch} ;"),
        format!("main; {touch}"),
        format!("\"; {touch}; \""),
        format!("'; {touch}; '"),
        format!("--upload-pack={touch}"),
        format!("-c core.sshCommand={touch}"),
        format!("ext::sh -c '{touch}'"),
        "main:refs/heads/other".to_owned(),
        "../../etc".to_owned(),
        "*".to_owned(),
        "a\nb".to_owned(),
    ];
    for text in &texts {
        for variable in [
            "GIT_REPO_URL",
            "GIT_COMMIT",
            "GIT_BRANCH",
            "GIT_PULL_REQUEST",
        ] {
            let code = TempDir::new().unwrap();
            let mut all = [
                ("GIT_REPO_URL", url(&origin)),
                ("GIT_COMMIT", String::new()),
                ("GIT_BRANCH", "main".to_owned()),
                ("GIT_PULL_REQUEST", String::new()),
            ];
            all.iter_mut()
                .find(|(name, _)| *name == variable)
                .unwrap()
                .1
                .clone_from(text);
            let all: Vec<_> = all
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let output = clone(code.path(), &all);
            assert!(
                variable == "GIT_PULL_REQUEST" || !output.status.success(),
                "{variable}={text}"
            );
            assert!(!canary.exists(), "{variable}={text}");
        }
    }
}

#[test]
fn other_protocols_than_the_allowed_one_are_refused_by_git_too() {
    let origin = repository(&[("a.txt", "one")]);
    let code = TempDir::new().unwrap();
    let output = clone(
        code.path(),
        &[
            ("GIT_REPO_URL", &url(&origin)),
            ("GIT_COMMIT", ""),
            ("GIT_BRANCH", "main"),
            ("GIT_ALLOW_PROTOCOL", "https"),
        ],
    );
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("transport 'file' not allowed"));
}

#[test]
fn what_an_earlier_commit_left_in_the_volume_is_not_obeyed() {
    let origin = repository(&[("a.txt", "one")]);
    let code = TempDir::new().unwrap();
    let all = [
        ("GIT_REPO_URL", url(&origin)),
        ("GIT_COMMIT", String::new()),
        ("GIT_BRANCH", "main".to_owned()),
    ];
    let all: Vec<_> = all
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert!(clone(code.path(), &all).status.success());
    let canary = code.path().join("ran");
    let hook = format!("#!/bin/sh\ntouch {}\n", canary.display());
    write(
        code.path(),
        &[
            (".git/hooks/post-checkout", &hook),
            (
                ".git/config",
                &format!(
                    "[core]\n\tfsmonitor = touch {}\n\trepositoryformatversion = 0\n",
                    canary.display()
                ),
            ),
            (".git/index.lock", ""),
        ],
    );
    Command::new("chmod")
        .args(["+x", ".git/hooks/post-checkout"])
        .current_dir(code.path())
        .status()
        .unwrap();
    write(origin.path(), &[("a.txt", "two")]);
    commit(origin.path(), "second");
    assert!(clone(code.path(), &all).status.success());
    assert_eq!(
        std::fs::read_to_string(code.path().join("a.txt")).unwrap(),
        "two"
    );
    assert!(!canary.exists());
}

const VITE: &str = r#"{ "name": "site", "private": true, "type": "module", "scripts": { "dev": "vite", "build": "vite build", "preview": "vite preview" }, "devDependencies": { "vite": "^7.0.0" } }"#;

#[test]
fn vite_is_told_where_to_listen() {
    let plan = plan(&[
        ("package.json", VITE),
        ("index.html", "<html>"),
        ("src/main.js", ""),
    ])
    .unwrap();
    assert_eq!(start(&plan), "npm run dev -- --host 0.0.0.0 --port 8080");
    assert_eq!(
        plan.install.as_ref().unwrap().argv[4..].join(" "),
        "npm install --no-audit --no-fund"
    );
    assert_eq!(
        (plan.port, plan.image.as_str(), &plan.build),
        (8080, "node:22", &None)
    );
    assert_eq!(
        plan.words(),
        "Vite on Node 22: npm install, then npm run dev, on port 8080"
    );
}

#[test]
fn lock_files_and_the_package_manager_field_decide_how_dependencies_come_in() {
    let package = |manager: &str| {
        format!(r#"{{ {manager} "scripts": {{ "dev": "vite" }}, "dependencies": {{ "a": "1" }} }}"#)
    };
    let install =
        |files: &[(&str, &str)]| plan(files).unwrap().install.unwrap().argv[4..].join(" ");
    let plain = package("");
    for (lock, text, expected) in [
        ("package-lock.json", "{}", "npm ci --no-audit --no-fund"),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n",
            "pnpm@9 pnpm install --frozen-lockfile",
        ),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '6.0'\n",
            "pnpm@8 pnpm install --frozen-lockfile",
        ),
        (
            "yarn.lock",
            "# yarn lockfile v1\n",
            "yarn@1 yarn install --frozen-lockfile",
        ),
        (
            "yarn.lock",
            "# x\n\n__metadata:\n  version: 8\n",
            "@yarnpkg/cli-dist@4 yarn install --immutable",
        ),
        ("bun.lock", "{}", "bun@1 bun install --frozen-lockfile"),
    ] {
        assert_eq!(
            install(&[("package.json", &plain), (lock, text)]),
            expected,
            "{lock} {text}"
        );
    }
    let said = package(r#""packageManager": "pnpm@10.4.1+sha512.abc","#);
    assert_eq!(
        install(&[("package.json", &said), ("yarn.lock", "")]),
        "pnpm@10.4.1 pnpm install"
    );
    let hostile = package(r#""packageManager": "pnpm@1;touch x","#);
    assert_eq!(
        install(&[("package.json", &hostile)]),
        "pnpm@9 pnpm install"
    );
}

#[test]
fn known_servers_get_the_flags_that_they_need() {
    for (script, expected, port) in [
        ("next dev", "npm run dev -- -H 0.0.0.0 -p 8080", 8080),
        (
            "next dev --turbopack -p 3001",
            "npm run dev -- -H 0.0.0.0",
            3001,
        ),
        (
            "next dev -p ${PORT:-3000}",
            "npm run dev -- -H 0.0.0.0",
            8080,
        ),
        (
            "astro dev",
            "npm run dev -- --host 0.0.0.0 --port 8080",
            8080,
        ),
        (
            "nuxt dev",
            "npm run dev -- --host 0.0.0.0 --port 8080",
            8080,
        ),
        (
            "cross-env NODE_ENV=development vite dev --host",
            "npm run dev -- --port 8080",
            8080,
        ),
        (
            "tsc -b && vite",
            "npm run dev -- --host 0.0.0.0 --port 8080",
            8080,
        ),
        ("react-scripts start", "npm run dev", 8080),
        ("node --watch server.js", "npm run dev", 8080),
        ("PORT=4000 node server.js", "npm run dev", 4000),
        ("vite build --watch", "npm run dev", 8080),
        ("echo \\\"hi\\\" && node server.js", "npm run dev", 8080),
    ] {
        let package = format!(r#"{{ "scripts": {{ "dev": "{script}" }} }}"#);
        let plan = plan(&[("package.json", &package)]).unwrap();
        assert_eq!(
            (start(&plan).as_str(), plan.port),
            (expected, port),
            "{script}"
        );
        assert_eq!(plan.install, None, "nothing to install: {script}");
    }
}

#[test]
fn an_express_app_runs_on_the_port_that_it_has_chosen() {
    let package = r#"{ "main": "index.js", "scripts": { "start": "node index.js" }, "dependencies": { "express": "^5.0.0" } }"#;
    let fixed = "const express = require('express')\nconst app = express()\nconst port = 3000\napp.listen(port, () => {})\n";
    let direct = "require('express')().listen(4000)\n";
    let heeds = "const port = process.env.PORT || 3000\nrequire('express')().listen(port)\n";
    for (source, port) in [(fixed, 3000), (direct, 4000), (heeds, 8080)] {
        let plan = plan(&[("package.json", package), ("index.js", source)]).unwrap();
        assert_eq!(
            (plan.port, start(&plan).as_str()),
            (port, "npm run start"),
            "{source}"
        );
        assert_eq!(
            plan.words(),
            format!("Node 22: npm install, then npm run start, on port {port}")
        );
    }
}

#[test]
fn a_start_script_after_a_build_gets_its_build() {
    let package = r#"{ "scripts": { "build": "next build", "start": "next start" }, "dependencies": { "next": "15" } }"#;
    let next = plan(&[("package.json", package)]).unwrap();
    assert_eq!(next.build.as_ref().unwrap().words, "npm run build");
    assert_eq!(start(&next), "npm run start -- -H 0.0.0.0 -p 8080");
    let package = r#"{ "scripts": { "build": "react-scripts build", "start": "react-scripts start" }, "dependencies": { "react-scripts": "5" } }"#;
    assert_eq!(plan(&[("package.json", package)]).unwrap().build, None);
}

#[test]
fn the_wanted_version_of_node_is_used() {
    let image = |files: &[(&str, &str)]| plan(files).unwrap().image;
    let with = |range: &str| {
        format!(r#"{{ "engines": {{ "node": "{range}" }}, "scripts": {{ "dev": "vite" }} }}"#)
    };
    assert_eq!(
        image(&[("package.json", VITE), (".nvmrc", "v18.17.0\n")]),
        "node:18"
    );
    assert_eq!(
        image(&[("package.json", VITE), (".nvmrc", "lts/*\n")]),
        "node:22"
    );
    for (range, expected) in [
        ("20.x", "node:22"),
        ("^20.1.0", "node:20"),
        (">=18", "node:22"),
        (">=24", "node:24"),
        ("20", "node:20"),
        ("$(id)", "node:22"),
    ] {
        assert_eq!(
            image(&[("package.json", &with(range))]),
            expected,
            "{range}"
        );
    }
}

#[test]
fn python_frameworks_are_served_by_their_own_servers() {
    let flask = plan(&[
        ("requirements.txt", "Flask==3.0\n"),
        ("app.py", "from flask import Flask\napp = Flask(__name__)\n"),
    ])
    .unwrap();
    assert_eq!(
        start(&flask),
        "flask --app app run --host 0.0.0.0 --port 8080"
    );
    assert_eq!(
        flask.words(),
        "Flask on Python 3.12: pip install -r requirements.txt, then flask --app app run, on port 8080"
    );
    assert_eq!(
        flask.install.unwrap().argv.len(),
        4,
        "flask is required already"
    );

    let factory = plan(&[
        (
            "pyproject.toml",
            "[project]\nname = \"flaskr\"\ndependencies = [\"flask\"]\n",
        ),
        (
            "flaskr/__init__.py",
            "def create_app(test_config=None):\n    pass\n",
        ),
    ])
    .unwrap();
    assert_eq!(
        start(&factory),
        "flask --app flaskr run --host 0.0.0.0 --port 8080"
    );

    let fastapi = plan(&[
        ("requirements.txt", "fastapi\n"),
        (
            "app/main.py",
            "from fastapi import FastAPI\n\napi: FastAPI = FastAPI(title='x')\n",
        ),
        (".python-version", "3.11.4\n"),
    ])
    .unwrap();
    assert_eq!(
        start(&fastapi),
        "uvicorn --app-dir . app.main:api --host 0.0.0.0 --port 8080"
    );
    assert_eq!(fastapi.install.as_ref().unwrap().argv[4..], ["uvicorn"]);
    assert_eq!(fastapi.image, "python:3.11");

    let django = plan(&[
        ("requirements.txt", "Django>=5\n"),
        ("manage.py", "#!/usr/bin/env python\n"),
        ("site/settings.py", ""),
    ])
    .unwrap();
    assert_eq!(
        (django.kind.as_str(), start(&django).as_str()),
        ("Django on Python 3.12", "8080")
    );

    let plain = plan(&[("main.py", "from http.server import *\nHTTPServer(('', 5005), SimpleHTTPRequestHandler)\nport = 5005\n")]).unwrap();
    assert_eq!(
        (start(&plain).as_str(), plain.port),
        ("python main.py", 5005)
    );
}

#[test]
fn go_and_rust_programs_are_built_and_started() {
    let go = plan(&[
        ("go.mod", "module x\n"),
        (
            "main.go",
            "package main\nfunc main() { http.ListenAndServe(\":9000\", nil) }\n",
        ),
    ])
    .unwrap();
    assert_eq!(
        (go.port, go.build.as_ref().unwrap().words.as_str()),
        (9000, "go build .")
    );
    let go = plan(&[
        ("go.mod", "module x\n"),
        (
            "cmd/server/main.go",
            "package main\nvar p = os.Getenv(\"PORT\")\n",
        ),
    ])
    .unwrap();
    assert_eq!(
        (go.port, go.build.as_ref().unwrap().words.as_str()),
        (8080, "go build ./cmd/server")
    );
    let rust = plan(&[
        ("Cargo.toml", "[package]\n"),
        ("src/main.rs", "let address = ([127, 0, 0, 1], 3030);"),
    ])
    .unwrap();
    assert_eq!((rust.port, start(&rust).as_str()), (3030, "cargo run"));
    let library = plan(&[("Cargo.toml", "[package]\n"), ("src/lib.rs", "")]);
    assert!(matches!(library, Err(Undetected::NothingKnown(_))));
}

#[test]
fn sites_are_served_as_they_are_and_their_history_is_not() {
    let site = plan(&[("index.html", "<html>")]).unwrap();
    assert_eq!(
        (start(&site).as_str(), site.image.as_str()),
        (". 8080", "busybox:1.37")
    );
    assert!(site.start.argv[2].contains("rm -rf .git"));
    let built = plan(&[("README.md", ""), ("public/index.html", "<html>")]).unwrap();
    assert_eq!(start(&built), "public 8080");
}

#[test]
fn makefiles_and_procfiles_are_followed() {
    let make = plan(&[
        (
            "Makefile",
            "install:\n\tnpm ci\n\ndev: install\n\tnpm start\n",
        ),
        (
            "package.json",
            r#"{ "scripts": { "start": "node x.js" }, "dependencies": { "a": "1" } }"#,
        ),
    ])
    .unwrap();
    assert_eq!(
        (start(&make).as_str(), make.kind.as_str()),
        ("dev", "Makefile with Node")
    );
    let containers = plan(&[
        ("Makefile", "dev:\n\tdocker compose up\n"),
        ("index.html", "x"),
    ])
    .unwrap();
    assert_eq!(containers.kind, "Static site");
    let procfile = plan(&[
        (
            "Procfile",
            "release: x\nweb: gunicorn app:app --bind 0.0.0.0:$PORT\n",
        ),
        ("requirements.txt", "gunicorn\n"),
    ])
    .unwrap();
    assert_eq!(start(&procfile), "gunicorn app:app --bind 0.0.0.0:$PORT");
    let runs = plan(&[("Makefile", "run:\n\tpython3 -m http.server $(PORT)\n")]).unwrap();
    assert_eq!(
        (start(&runs).as_str(), runs.image.as_str()),
        ("run", "buildpack-deps:stable")
    );
}

#[test]
fn the_program_of_a_repository_with_several_is_found() {
    let web = plan(&[
        ("README.md", ""),
        ("docs/index.html", "x"),
        ("web/package.json", VITE),
    ])
    .unwrap();
    assert_eq!(web.start.directory, "web");
    assert_eq!(
        web.words(),
        "Vite on Node 22: npm install (in web), then npm run dev (in web), on port 8080"
    );
    let workspace = plan(&[
        (
            "package.json",
            r#"{ "workspaces": ["packages/*"], "packageManager": "pnpm@9.1.0" }"#,
        ),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n"),
        ("packages/site/package.json", VITE),
    ])
    .unwrap();
    assert_eq!(workspace.install.as_ref().unwrap().directory, ".");
    assert_eq!(
        (
            workspace.start.directory.as_str(),
            start(&workspace).as_str()
        ),
        ("packages/site", "pnpm run dev --host 0.0.0.0 --port 8080")
    );
}

#[test]
fn what_cannot_be_run_is_said_with_what_was_looked_for() {
    let nothing = plan(&[("README.md", ""), ("LICENSE", "")]).unwrap_err();
    let text = nothing.to_string();
    assert!(
        text.contains("it holds LICENSE, README.md") && text.contains("package.json"),
        "{text}"
    );
    let image = plan(&[("Dockerfile", "FROM scratch\n"), ("compose.yaml", "")]).unwrap_err();
    assert_eq!(
        image,
        Undetected::NeedsImageBuild("compose.yaml".to_owned())
    );
    let runnable = plan(&[("Dockerfile", "FROM node\n"), ("package.json", VITE)]).unwrap();
    assert_eq!(runnable.kind, "Vite on Node 22");
    assert!(plan(&[]).unwrap_err().to_string().contains("it is empty"));
}

#[test]
fn a_folder_to_be_built_from_that_leads_out_of_the_repository_ends_the_clone() {
    let directory = repository(&[("web/Dockerfile", ""), ("web.txt", "")]);
    for (name, to) in [
        ("out", "/etc"),
        ("up", "../.."),
        ("in", "web"),
        ("own", "."),
    ] {
        std::os::unix::fs::symlink(to, directory.path().join(name)).unwrap();
    }
    let commit = commit(directory.path(), "links");
    for shell in shells() {
        for (folder, expected) in [
            ("web", None),
            ("in", None),
            ("own", None),
            ("out", Some("leads out of the repository")),
            ("up", Some("leads out of the repository")),
            ("out/..", Some("leads out of the repository")),
            ("web.txt", Some("has no folder")),
            ("missing", Some("has no folder")),
            ("-x", Some("has no folder")),
        ] {
            let into = TempDir::new().unwrap();
            let output = clone_with(
                &shell,
                into.path(),
                &[
                    ("GIT_REPO_URL", &url(&directory)),
                    ("GIT_COMMIT", &commit),
                    ("GIT_CLONE_CONTEXT", folder),
                ],
            );
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            match expected {
                None => assert!(output.status.success(), "{folder}: {said}"),
                Some(words) => assert!(
                    !output.status.success() && said.contains(words),
                    "{folder}: {said}"
                ),
            }
        }
    }
}

#[test]
fn a_build_passes_its_arguments_on_and_ends_with_what_ended_it() {
    let bin = TempDir::new().unwrap();
    let fake = bin.path().join("fake");
    std::fs::write(
        &fake,
        "#!/bin/sh\nfor word in \"$@\"; do echo \"<$word>\"; done\nexit 7\n",
    )
    .unwrap();
    std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for shell in shells() {
        let output = Command::new(&shell.1[0])
            .arg(script("build.sh"))
            .env("PATH", &shell.0)
            .arg(&fake)
            .args(["a b", "$(id)", "--opt"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(7), "{said}");
        assert!(
            said.starts_with("<a b>\n<$(id)>\n<--opt>\n<--metadata-file>\n"),
            "{said}"
        );
    }
}

/// Programs that say what they were asked to do, in a folder of their own.
fn spies(names: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in names {
        let path = folder.path().join(name);
        let text =
            "#!/bin/sh\necho \"$(basename \"$0\")\"\nprintf '<%s>\\n' \"$@\"\n[ -t 0 ] || cat\n";
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
    }
    folder
}

#[test]
fn a_dump_is_loaded_by_what_it_is_and_half_of_one_not_at_all() {
    let programs = spies(&["psql", "pg_restore", "mysql"]);
    let folder = TempDir::new().unwrap();
    let space = TempDir::new().unwrap();
    let zipped = |name: &str, text: &[u8]| {
        let plain = folder.path().join(name);
        std::fs::write(&plain, text).unwrap();
        let status = Command::new("gzip").arg("-f").arg(&plain).status().unwrap();
        assert!(status.success());
    };
    zipped("a.sql", b"select 1;");
    zipped("b.dump", b"PGDMP\x01\x0e");
    zipped("half.sql", "insert;".repeat(1000).as_bytes());
    let half = folder.path().join("half.sql.gz");
    let whole = std::fs::read(&half).unwrap();
    std::fs::write(&half, &whole[..whole.len() - 10]).unwrap();
    std::fs::write(folder.path().join("c $(id).sql"), "select 2;").unwrap();
    for shell in shells() {
        let restore = |client: &str, name: &str| {
            let path = format!("{}:{}", programs.path().display(), shell.0);
            let output = Command::new(&shell.1[0])
                .arg(script("restore.sh"))
                .env("PATH", path)
                .env("RESTORE_CLIENT", client)
                .env("RESTORE_HOST", "db")
                .env("RESTORE_PORT", "1")
                .env("RESTORE_DATABASE", "shop")
                .env("DUMP_FILE", folder.path().join(name))
                .env("DUMP_NAME", name)
                .env("DUMP_SPACE", space.path())
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap();
            let said = [output.stdout, output.stderr].concat();
            (
                output.status.code(),
                String::from_utf8_lossy(&said).into_owned(),
            )
        };
        for (client, name, expected) in [
            ("postgres", "a.sql.gz", "psql\n<--no-psqlrc>"),
            ("postgres", "b.dump.gz", "pg_restore\n<--exit-on-error>"),
            ("postgres", "c $(id).sql", "c $(id).sql>"),
            ("mysql", "a.sql.gz", "<shop>\nselect 1;"),
        ] {
            let (code, said) = restore(client, name);
            assert_eq!(code, Some(0), "{said}");
            assert!(said.contains(expected), "{name}: {said}");
        }
        for (client, name, expected) in [
            ("postgres", "half.sql.gz", "half.sql.gz cannot be unpacked"),
            ("postgres", "none.sql", "there is no file none.sql"),
            ("oracle", "a.sql.gz", "no client"),
        ] {
            let (code, said) = restore(client, name);
            assert_eq!(code, Some(1), "{said}");
            assert!(
                said.contains(expected) && !said.contains("psql\n"),
                "{said}"
            );
        }
    }
}

#[test]
fn a_dump_is_fetched_over_https_alone_and_its_signature_is_not_told() {
    let programs = spies(&["curl"]);
    for shell in shells() {
        let fetch = |address: &str| {
            let file = programs.path().join("fetched");
            std::fs::write(&file, "").unwrap();
            let output = Command::new(&shell.1[0])
                .arg(script("fetch.sh"))
                .env("PATH", format!("{}:{}", programs.path().display(), shell.0))
                .env("DUMP_URL", address)
                .env("DUMP_FILE", file)
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap();
            (
                output.status.code(),
                String::from_utf8_lossy(&output.stdout).into_owned(),
            )
        };
        let (code, said) = fetch("https://dumps.example/$(id).sql?signature=x");
        assert_eq!(code, Some(0));
        assert!(said.contains("<--proto-redir>\n<=https>"), "{said}");
        assert!(
            said.contains("<https://dumps.example/$(id).sql?signature=x>\n"),
            "{said}"
        );
        assert!(
            said.contains("fetched https://dumps.example/$(id).sql ("),
            "{said}"
        );
        for refused in [
            "http://169.254.169.254/",
            "file:///etc/passwd",
            "--config",
            "",
        ] {
            assert_eq!(fetch(refused), (Some(2), String::new()), "{refused}");
        }
    }
}

#[test]
fn a_hostile_repository_is_only_read() {
    let canary = TempDir::new().unwrap();
    let canary = canary.path().join("ran");
    let touch = format!("touch {}", canary.display());
    let package = format!(
        r#"{{ "packageManager": "npm@$({touch})", "scripts": {{ "dev": "$({touch})\tx\nversion" }}, "dependencies": {{ "a": "1" }} }}"#
    );
    let name = format!("$({}).py", touch.replace('/', "_"));
    let plan = plan(&[
        ("package.json", &package),
        (".nvmrc", "$(id)\nversion\t.\t2\n"),
        ("Procfile", &format!("web: $({touch})\n")),
        (&name, "app = Flask(__name__)\n"),
        ("packages/$(x)/package.json", VITE),
        ("requirements.txt", "flask\n"),
    ])
    .unwrap();
    assert!(!canary.exists());
    assert_eq!(start(&plan), "npm run dev");
}

#[test]
fn a_huge_repository_is_reported_in_what_a_config_map_holds() {
    let long = "x".repeat(5000);
    let mut files: Vec<(String, String)> = (0..200)
        .map(|n| {
            (
                format!("packages/p{n}/package.json"),
                format!(r#"{{ "scripts": {{ "dev": "{long}", "start": "{long}" }} }}"#),
            )
        })
        .collect();
    files.push((
        "package.json".to_owned(),
        format!(r#"{{ "description": "{long}{long}", "scripts": {{ "dev": "vite" }} }}"#),
    ));
    files.extend((0..300).map(|n| (format!("{}{n}.md", "y".repeat(200)), String::new())));
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    assert_eq!(
        start(&plan(&files).unwrap()),
        "npm run dev -- --host 0.0.0.0 --port 8080"
    );
}

/// What the script that has a chart rendered makes of `checkout`, with what stands in for helm.
fn chart(shell: &(String, Vec<String>), checkout: &Path, repositories: &str) -> Output {
    let stand_in = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/charts");
    let values = checkout.join(".git/values.json");
    std::fs::write(&values, r#"{"text":"a value"}"#).unwrap();
    Command::new(&shell.1[0])
        .arg(script("render-chart.sh"))
        .env("PATH", format!("{stand_in}:{}", shell.0))
        .env("KUBECONFIG", "/etc/kubernetes/admin.conf")
        .env("KUBERNETES_SERVICE_HOST", "10.96.0.1")
        .env("GIT_CLONE_ROOT", checkout)
        .env("CHART_PATH", "de ploy")
        .env("CHART_RELEASE", "preview-1")
        .env("CHART_NAMESPACE", "acme-shop-preview-1")
        .env("CHART_VALUES", &values)
        .env("CHART_REPOSITORIES", repositories)
        .env("CHART_KUBERNETES", "v1.34.0")
        .output()
        .unwrap()
}

/// A checkout of these files, as it is before a chart is rendered from it.
fn checked_out(files: &[(&str, &str)]) -> (TempDir, String) {
    let directory = repository(files);
    let commit = git(directory.path(), &["rev-parse", "HEAD"]);
    git(directory.path(), &["checkout", "-q", "--detach", &commit]);
    (directory, commit)
}

fn reported(output: &Output) -> Bundle {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(!text.contains("a value"), "{text}");
    Bundle::unpack(&bundle::packed(&text).unwrap())
        .unwrap_or_else(|error| panic!("{error}: {said}"))
}

const CHART: &str = "name: shop\nversion: 0.1.0\n";

#[test]
fn a_chart_is_rendered_at_its_commit_twice_where_that_tells_it_apart() {
    for shell in shells() {
        let plain = "a: VALUES\nb: RELEASE in NAMESPACE on VERSION\n";
        let (checkout, commit) = checked_out(&[
            ("de ploy/Chart.yaml", CHART),
            ("de ploy/templates/a.yaml", plain),
        ]);
        let bundle = reported(&chart(&shell, checkout.path(), ""));
        assert_eq!(bundle.commit.as_str(), commit);
        let text = bundle.folder.text("rendered/1000.yaml").unwrap();
        assert!(
            text.contains(r#"a: {"text":"a value"}"#)
                && text.contains("b: preview-1 in acme-shop-preview-1 on v1.34.0"),
            "{text}"
        );
        assert_eq!(bundle.folder.len(), 1, "{shell:?}");

        // Larger than a file of a report may be, and another one each time.
        let large = format!("# {}\n", "x".repeat(1000)).repeat(1500) + "password: RANDOM\n";
        let (checkout, _) = checked_out(&[
            ("de ploy/Chart.yaml", CHART),
            ("de ploy/templates/a.yaml", &large),
        ]);
        let bundle = reported(&chart(&shell, checkout.path(), ""));
        let last = |place: &str| bundle.folder.text(&format!("{place}/1003.yaml")).unwrap();
        assert!(last("rendered").contains("password: "));
        assert_ne!(last("rendered"), last("again"));
    }
}

#[test]
fn what_helm_refuses_is_reported_and_what_cannot_be_fetched_is_tried_again() {
    for shell in shells() {
        let (checkout, _) = checked_out(&[("de ploy/Chart.yaml", CHART), ("de ploy/broken", "")]);
        let bundle = reported(&chart(&shell, checkout.path(), ""));
        assert_eq!(bundle.folder.len(), 1);
        assert!(bundle.folder.text("error").unwrap().contains("nil pointer"));

        let files = [
            ("de ploy/Chart.yaml", CHART),
            ("de ploy/needs", ""),
            ("de ploy/templates/a.yaml", "a: b\n"),
        ];
        let (checkout, _) = checked_out(&files);
        reported(&chart(
            &shell,
            checkout.path(),
            "https://charts.example.com",
        ));
        assert!(checkout.path().join("de ploy/charts-fetched").exists());

        let (checkout, _) = checked_out(&[&files[..], &[("de ploy/unreachable", "")]].concat());
        let output = chart(&shell, checkout.path(), "https://charts.example.com");
        assert!(!output.status.success() && output.stdout.is_empty());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("cannot be fetched: Error: no route to charts.example.com"),
            "{said}"
        );
    }
}

#[test]
fn a_chart_reads_nothing_outside_of_its_checkout() {
    for shell in shells() {
        let outside = TempDir::new().unwrap();
        write(outside.path(), &[("secret.yaml", "stolen: true\n")]);
        let (checkout, _) = checked_out(&[
            ("de ploy/Chart.yaml", CHART),
            ("de ploy/templates/a.yaml", "own: true\n"),
            ("shared/b.yaml", "shared: true\n"),
        ]);
        let templates = checkout.path().join("de ploy/templates");
        std::os::unix::fs::symlink(outside.path().join("secret.yaml"), templates.join("c.yaml"))
            .unwrap();
        std::os::unix::fs::symlink("../../shared/b.yaml", templates.join("b $(touch ran).yaml"))
            .unwrap();
        let bundle = reported(&chart(&shell, checkout.path(), ""));
        let text = bundle.folder.text("rendered/1000.yaml").unwrap();
        assert!(
            text.contains("own: true") && text.contains("shared: true"),
            "{text}"
        );
        assert!(!text.contains("stolen"), "{text}");
        assert!(!checkout.path().join("ran").exists());
    }
}
