//! What a repository is, in one answer that people and programs read.

use serde::Serialize;

use super::inventory::{Directory, Inventory};
use super::stack::{Stack, stack};
use super::{COMPOSE_FILES, Confidence, is_dockerfile};

/// What a repository is. Absent words are null, so that every answer has the same fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Detection {
    /// `docker-compose`, `dockerfile`, `nodejs`, `makefile`, `python`, `ruby`, `go`, `rust`, `java`,
    /// `php`, `deno`, `elixir`, `dotnet`, `procfile`, `helm`, `kustomize`, `manifest`, `static` or
    /// `unknown`.
    pub project_type: &'static str,
    /// The language, by its own name.
    pub language: Option<&'static str>,
    /// The framework, by its own name.
    pub framework: Option<String>,
    /// What brings in the dependencies.
    pub package_manager: Option<&'static str>,
    /// Where the program is, relative to the root; `.` for the root itself.
    pub workdir: String,
    /// Brings in the dependencies.
    pub install_command: Option<String>,
    /// Starts it for work on it.
    pub dev_command: Option<String>,
    /// Makes what is started in production.
    pub build_command: Option<String>,
    /// Starts it in production.
    pub start_command: Option<String>,
    /// Where it listens.
    pub port: Option<u16>,
    /// `high`, `medium` or `low`.
    pub confidence: Confidence,
    /// What it was told from, in a sentence.
    pub reason: String,
}

/// What a repository is.
///
/// The order is fixed: a compose file, a Dockerfile, a `dev` script, a Makefile's `dev`, a Procfile,
/// a `start` script, then what the language usually needs; the root before its directories.
#[must_use]
pub fn describe(inventory: &Inventory) -> Detection {
    let root = inventory.root();
    let directories = &inventory.directories;
    let program = directories
        .iter()
        .find_map(|directory| program(directory, root));
    if let Some((directory, file)) = directories
        .iter()
        .find_map(|directory| Some((directory, directory.first_of(&COMPOSE_FILES)?)))
    {
        let inside = stack(directory, root)
            .map(|stack| from(&stack, directory))
            .or(program);
        return container(
            "docker-compose",
            directory,
            file,
            Confidence::High,
            format!("{} is a compose file", shown(directory, file)),
            inside,
        );
    }
    let first = first_dockerfile(inventory);
    if let Some((directory, file)) =
        first.filter(|(directory, _)| inventory.is_top(directory) || program.is_none())
    {
        let inside = stack(directory, root)
            .map(|stack| from(&stack, directory))
            .or(program);
        return container(
            "dockerfile",
            directory,
            file,
            Confidence::Medium,
            format!("{} says how an image is built", shown(directory, file)),
            inside,
        );
    }
    program
        .or_else(|| cluster(directories.first()?))
        .or_else(|| directories.iter().find_map(site))
        .unwrap_or_else(|| unknown(inventory))
}

/// Of several Dockerfiles the plain one counts, and the root's before others.
fn first_dockerfile(inventory: &Inventory) -> Option<(&Directory, &str)> {
    inventory.directories.iter().find_map(|directory| {
        let plain = directory.first_of(&["Dockerfile"]);
        Some((
            directory,
            plain.or_else(|| directory.all("file").find(|name| is_dockerfile(name)))?,
        ))
    })
}

/// The Dockerfile that an image of the repository is built by, relative to the root.
#[must_use]
pub fn dockerfile(inventory: &Inventory) -> Option<String> {
    first_dockerfile(inventory).map(|(directory, file)| shown(directory, file))
}

/// Whether the repository is run as its Dockerfile says rather than from its source: one at the
/// root says so, another one only where nothing else is known.
#[must_use]
pub fn is_run_by_dockerfile(inventory: &Inventory) -> bool {
    let root = inventory.root();
    first_dockerfile(inventory).is_some_and(|(directory, _)| {
        inventory.is_top(directory)
            || !inventory
                .directories
                .iter()
                .any(|directory| program(directory, root).is_some())
    })
}

fn shown(directory: &Directory, file: &str) -> String {
    match directory.path.as_str() {
        "." => file.to_owned(),
        path => format!("{path}/{file}"),
    }
}

/// What containers are made of is described by what lies next to the file.
fn container(
    kind: &'static str,
    directory: &Directory,
    file: &str,
    confidence: Confidence,
    reason: String,
    inside: Option<Detection>,
) -> Detection {
    let _ = file;
    match inside {
        Some(inside) => Detection {
            project_type: kind,
            confidence,
            reason,
            ..inside
        },
        None => Detection {
            workdir: directory.path.clone(),
            confidence,
            reason,
            project_type: kind,
            ..empty()
        },
    }
}

fn empty() -> Detection {
    Detection {
        project_type: "unknown",
        language: None,
        framework: None,
        package_manager: None,
        workdir: ".".to_owned(),
        install_command: None,
        dev_command: None,
        build_command: None,
        start_command: None,
        port: None,
        confidence: Confidence::Low,
        reason: String::new(),
    }
}

fn from(stack: &Stack, directory: &Directory) -> Detection {
    Detection {
        project_type: stack.project_type,
        language: Some(stack.language),
        framework: stack.framework.clone(),
        package_manager: stack.package_manager,
        workdir: directory.path.clone(),
        install_command: stack.install.clone(),
        dev_command: stack.dev.clone(),
        build_command: stack.build.clone(),
        start_command: stack.start.clone(),
        port: Some(stack.port),
        confidence: stack.confidence,
        reason: stack.reason.clone(),
    }
}

fn program(directory: &Directory, root: Option<&Directory>) -> Option<Detection> {
    let found = stack(directory, root).map(|stack| from(&stack, directory));
    // A framework's own sign, or a dev script.
    let sure = found
        .as_ref()
        .is_some_and(|found| found.confidence == Confidence::High && found.dev_command.is_some());
    if sure {
        return found;
    }
    let base = || {
        found.clone().unwrap_or_else(|| Detection {
            workdir: directory.path.clone(),
            port: directory.fixed_port().or(Some(super::DEFAULT_PORT)),
            ..empty()
        })
    };
    if directory.makes("dev") {
        return Some(Detection {
            project_type: "makefile",
            dev_command: Some("make dev".to_owned()),
            confidence: Confidence::Medium,
            reason: "the Makefile has the target dev".to_owned(),
            ..base()
        });
    }
    if let Some(line) = directory.get("procfile").filter(|_| found.is_some()) {
        return Some(Detection {
            start_command: Some(line.to_owned()),
            confidence: Confidence::Medium,
            reason: "the Procfile says how web is started".to_owned(),
            ..base()
        });
    }
    // A package.json that starts nothing says nothing.
    if let Some(found) = found
        .clone()
        .filter(|found| found.dev_command.is_some() || found.start_command.is_some())
    {
        return Some(found);
    }
    if let Some(line) = directory.get("procfile") {
        return Some(Detection {
            project_type: "procfile",
            start_command: Some(line.to_owned()),
            reason: "the Procfile says how web is started, in a language that is not recognised"
                .to_owned(),
            ..base()
        });
    }
    let target = ["run", "start", "serve"]
        .into_iter()
        .find(|target| directory.makes(target))?;
    Some(Detection {
        project_type: "makefile",
        start_command: Some(format!("make {target}")),
        confidence: Confidence::Low,
        reason: format!("the Makefile has the target {target}"),
        ..base()
    })
}

fn cluster(root: &Directory) -> Option<Detection> {
    let (kind, place, what) = [
        ("chart", "helm", "a Helm chart"),
        ("kustomization", "kustomize", "a kustomization"),
        ("manifests", "manifest", "Kubernetes manifests"),
    ]
    .into_iter()
    .find_map(|(fact, kind, what)| Some((kind, root.get(fact)?, what)))?;
    Some(Detection {
        project_type: kind,
        workdir: place.to_owned(),
        confidence: Confidence::Medium,
        reason: if place == "." {
            format!("the root holds {what}")
        } else {
            format!("{place} holds {what}")
        },
        ..empty()
    })
}

fn site(directory: &Directory) -> Option<Detection> {
    let place = directory.get("site")?;
    Some(Detection {
        project_type: "static",
        language: Some("HTML"),
        workdir: match (directory.path.as_str(), place) {
            (path, ".") => path.to_owned(),
            (".", place) => place.to_owned(),
            (path, place) => format!("{path}/{place}"),
        },
        port: Some(super::DEFAULT_PORT),
        confidence: Confidence::Medium,
        reason: "there is an index.html, and no program".to_owned(),
        ..empty()
    })
}

fn unknown(inventory: &Inventory) -> Detection {
    Detection {
        reason: match inventory.names[..] {
            [] => "the folder is empty".to_owned(),
            ref names => format!(
                "nothing that is known to be run was found; it holds {}",
                names.join(", ")
            ),
        },
        ..empty()
    }
}
