//! The checkout of a commit.

use std::process::Command;

use tempfile::TempDir;

use super::{clone, clone_with, commit, git, repository, script, shells, url, write};

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
