//! Makefiles, Procfiles, Go, Rust and files to be served.

use super::{Confidence, DEFAULT_PORT, Directory, Plan, Step, node, python};

const EXEC: &str = r#"exec "$@""#;

/// Runs a Procfile's line, in the virtual environment where there is one.
const PROCFILE: &str = r#"if [ -f .venv/bin/activate ]; then . .venv/bin/activate; fi
PATH="$CATALYST_TOOLS/node_modules/.bin:node_modules/.bin:$PATH"; export PATH
exec sh -c "$1""#;

const MAKE: &str = r#"if [ -f .venv/bin/activate ]; then . .venv/bin/activate; fi
PATH="$CATALYST_TOOLS/node_modules/.bin:$PATH"; export PATH
exec make "$1""#;

/// The built program lies inside `.git`, where no watcher looks.
const GO_BUILD: &str =
    r#"mkdir -p "$CATALYST_TOOLS" && exec go build -buildvcs=false -o "$CATALYST_TOOLS/app" "$1""#;
const GO_START: &str = r#"exec "$CATALYST_TOOLS/app""#;

/// Serves a directory. The repository's history is no part of a site that is its root.
const SERVE: &str =
    r#"if [ "$1" = . ]; then rm -rf .git; fi; exec busybox httpd -f -p "$2" -h "$1""#;

/// The image with what a directory's language needs, the step that installs its dependencies, and
/// the language's name.
fn toolchain(
    directory: &Directory,
    root: Option<&Directory>,
) -> (String, Option<Step>, &'static str) {
    if directory.has("package.json") {
        let (image, install) = node::toolchain(directory, root);
        (image, install, "Node")
    } else if directory
        .first_of(&["requirements.txt", "pyproject.toml", "Pipfile"])
        .is_some()
    {
        let (image, install) = python::toolchain(directory, None);
        (image, Some(install), "Python")
    } else if directory.has("go.mod") {
        ("golang:1".to_owned(), None, "Go")
    } else if directory.has("Cargo.toml") {
        ("rust:1".to_owned(), None, "Rust")
    } else {
        ("buildpack-deps:stable".to_owned(), None, "no language")
    }
}

pub(super) fn make(
    directory: &Directory,
    root: Option<&Directory>,
    target: &'static str,
    port: Option<u16>,
) -> Option<Plan> {
    if !directory.makes(target) {
        return None;
    }
    let (image, install, language) = toolchain(directory, root);
    Some(Plan {
        image,
        install,
        build: None,
        start: Step::shell(&directory.path, MAKE, &[target], &format!("make {target}")),
        env: Vec::new(),
        port: port
            .or_else(|| directory.fixed_port())
            .unwrap_or(DEFAULT_PORT),
        kind: format!("Makefile with {language}"),
        confidence: if target == "dev" {
            Confidence::Medium
        } else {
            Confidence::Low
        },
    })
}

pub(super) fn procfile(
    directory: &Directory,
    root: Option<&Directory>,
    port: Option<u16>,
) -> Option<Plan> {
    let line = directory.get("procfile")?;
    let (image, install, language) = toolchain(directory, root);
    if language == "no language" {
        return None;
    }
    Some(Plan {
        image,
        install,
        build: None,
        start: Step::shell(&directory.path, PROCFILE, &[line], line),
        env: Vec::new(),
        port: port.unwrap_or(DEFAULT_PORT),
        kind: format!("Procfile with {language}"),
        confidence: Confidence::Medium,
    })
}

pub(super) fn go(directory: &Directory, port: Option<u16>) -> Option<Plan> {
    let package = directory.get("go")?;
    Some(Plan {
        image: "golang:1".to_owned(),
        install: None,
        build: Some(Step::shell(
            &directory.path,
            GO_BUILD,
            &[package],
            &format!("go build {package}"),
        )),
        start: Step::shell(&directory.path, GO_START, &[], "the program"),
        env: Vec::new(),
        port: port
            .or_else(|| directory.fixed_port())
            .unwrap_or(DEFAULT_PORT),
        kind: "Go".to_owned(),
        confidence: Confidence::Medium,
    })
}

pub(super) fn rust(directory: &Directory, port: Option<u16>) -> Option<Plan> {
    directory.get("rust")?;
    // Not optimized: it is compiled in a fraction of the time.
    Some(Plan {
        image: "rust:1".to_owned(),
        install: None,
        build: Some(Step::shell(
            &directory.path,
            EXEC,
            &["cargo", "build"],
            "cargo build",
        )),
        start: Step::shell(&directory.path, EXEC, &["cargo", "run"], "cargo run"),
        env: Vec::new(),
        port: port
            .or_else(|| directory.fixed_port())
            .unwrap_or(DEFAULT_PORT),
        kind: "Rust".to_owned(),
        confidence: Confidence::Medium,
    })
}

pub(super) fn site(directory: &Directory, port: Option<u16>) -> Option<Plan> {
    let place = directory.get("site")?;
    let port = port.unwrap_or(DEFAULT_PORT);
    let words = if place == "." {
        "serve index.html".to_owned()
    } else {
        format!("serve {place}/")
    };
    Some(Plan {
        image: "busybox:1.37".to_owned(),
        install: None,
        build: None,
        start: Step::shell(&directory.path, SERVE, &[place, &port.to_string()], &words),
        env: Vec::new(),
        port,
        kind: "Static site".to_owned(),
        confidence: Confidence::Medium,
    })
}
