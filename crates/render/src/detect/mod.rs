//! How a repository without any configuration is run, told from a few facts about it.
//!
//! [`survey`] makes an [`Inventory`] of a folder. From it, [`describe`] tells what the repository is,
//! and [`detect`] how it is run from its source, as a [`Plan`]. Everything that is taken from the
//! repository is an argument of its own; the scripts that a shell reads are fixed.

mod alternatives;
mod detection;
mod inventory;
mod more;
mod node;
mod other;
mod python;
mod stack;
mod survey;

pub use alternatives::{Alternative, alternatives};
pub use detection::{Detection, describe, dockerfile, is_run_by_dockerfile};
pub use inventory::{Directory, Inventory};
pub use stack::{Stack, stack};
pub use survey::{survey, survey_at};

use serde::Serialize;

/// The names of compose files, the preferred first.
pub const COMPOSE_FILES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];

/// Whether a file says how an image is built, by its name.
#[must_use]
pub fn is_dockerfile(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "dockerfile"
        || (name.starts_with("dockerfile.") && !name.ends_with(".dockerignore"))
        || name == "containerfile"
}

/// The port that a program is told to listen on where nothing else is known.
pub const DEFAULT_PORT: u16 = 8080;

/// How a repository is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The image of every step.
    pub image: String,
    /// Brings in dependencies.
    pub install: Option<Step>,
    /// Makes what is started.
    pub build: Option<Step>,
    /// The program itself, in the foreground.
    pub start: Step,
    /// Environment variables of every step, besides those that all previews have.
    pub env: Vec<(String, String)>,
    /// Where the program listens.
    pub port: u16,
    /// What it was recognised as, such as `Vite on Node 22`.
    pub kind: String,
    /// How sure that is.
    pub confidence: Confidence,
}

/// A process of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Relative to the repository's root.
    pub directory: String,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// What a person would have typed.
    pub words: String,
}

/// How sure a [`Plan`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// A guess.
    Low,
    /// Usual, but not said.
    Medium,
    /// The repository says so.
    High,
}

/// Why no plan was found; the text is for the person whose repository it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undetected {
    /// There is only a way that needs images to be built.
    #[error(
        "{0} needs images to be built, which nothing does here. Add another way to run it \
         (a dev script in package.json, a Procfile, a Makefile with dev:), or name an image and \
         ports in the Project's template; on a Kubernetes, Catalyst can be set up to build \
         (CATALYST_BUILD_REGISTRY)"
    )]
    NeedsImageBuild(String),
    /// Nothing that is known.
    #[error(
        "nothing that can be run was found in the repository{0}. Looked for, at the root and in \
         web, app, frontend, backend and packages/*: package.json with a dev or start script, \
         Makefile with dev or run, Procfile with web, Flask, Django, FastAPI or app.py, go.mod, \
         Cargo.toml, Gemfile, composer.json, pom.xml, build.gradle, mix.exs, deno.json, a .csproj, \
         index.html. Add one of them, or name image, command and ports in the \
         Project's template"
    )]
    NothingKnown(String),
}

impl Confidence {
    /// As a person would say it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Low => "a guess",
            Self::Medium => "likely",
            Self::High => "certain",
        }
    }
}

impl Plan {
    /// The whole plan as a person would tell it.
    #[must_use]
    pub fn words(&self) -> String {
        let steps: Vec<_> = [
            self.install.as_ref(),
            self.build.as_ref(),
            Some(&self.start),
        ]
        .into_iter()
        .flatten()
        .map(|step| match step.directory.as_str() {
            "." => step.words.clone(),
            directory => format!("{} (in {directory})", step.words),
        })
        .collect();
        format!(
            "{}: {}, on port {}",
            self.kind,
            steps.join(", then "),
            self.port
        )
    }

    /// The same with how sure it is, and why.
    #[must_use]
    pub fn told(&self, inventory: &Inventory) -> String {
        let found = describe(inventory);
        let why = match found.project_type {
            // Containers are what the repository is, not what this was told from.
            "docker-compose" | "dockerfile" | "unknown" => String::new(),
            _ => format!(": {}", found.reason),
        };
        format!("{} ({}{why})", self.words(), self.confidence.words())
    }
}

impl Step {
    /// A fixed script for `sh`, with arguments that it sees as `$1` and on.
    fn shell(directory: &str, script: &'static str, arguments: &[&str], words: &str) -> Self {
        let mut argv = vec![
            "sh".to_owned(),
            "-c".to_owned(),
            script.to_owned(),
            "sh".to_owned(),
        ];
        argv.extend(arguments.iter().map(|&argument| argument.to_owned()));
        Self {
            directory: directory.to_owned(),
            argv,
            words: words.to_owned(),
        }
    }
}

/// How to run what the inventory describes. `port` is the one to listen on where the
/// configuration names one.
///
/// A directory's own word counts first: a `dev` script, a Makefile's `dev`, a Procfile, a `start`
/// script. Then what its language usually needs. The root goes before its directories, and a
/// program before files to be served.
///
/// # Errors
/// If nothing in it can be run as it is.
pub fn detect(inventory: &Inventory, port: Option<u16>) -> Result<Plan, Undetected> {
    let root = inventory.root();
    let directories = &inventory.directories;
    directories
        .iter()
        .find_map(|directory| program(directory, root, port))
        .or_else(|| {
            directories
                .iter()
                .find_map(|directory| other::site(directory, port))
        })
        .ok_or_else(|| undetected(inventory))
}

/// A Makefile's targets that usually start a server, besides `dev`.
const MAKE_TARGETS: [&str; 3] = ["run", "start", "serve"];

fn program(directory: &Directory, root: Option<&Directory>, port: Option<u16>) -> Option<Plan> {
    more::framework(directory, port)
        .or_else(|| node::dev(directory, root, port))
        .or_else(|| other::make(directory, root, "dev", port))
        .or_else(|| other::procfile(directory, root, port))
        .or_else(|| node::start(directory, root, port))
        .or_else(|| python::plan(directory, port))
        .or_else(|| other::go(directory, port))
        .or_else(|| other::rust(directory, port))
        .or_else(|| more::language(directory, port))
        .or_else(|| {
            MAKE_TARGETS
                .into_iter()
                .find_map(|target| other::make(directory, root, target, port))
        })
}

fn undetected(inventory: &Inventory) -> Undetected {
    let container_file = |directory: &Directory| {
        directory
            .first_of(&COMPOSE_FILES)
            .or_else(|| directory.all("file").find(|name| is_dockerfile(name)))
            .map(|name| match directory.path.as_str() {
                "." => name.to_owned(),
                path => format!("{path}/{name}"),
            })
    };
    if let Some(file) = inventory.directories.iter().find_map(container_file) {
        return Undetected::NeedsImageBuild(file);
    }
    let seen = match inventory.names[..] {
        [] => " (it is empty)".to_owned(),
        ref names => format!(" (it holds {})", names.join(", ")),
    };
    Undetected::NothingKnown(seen)
}
