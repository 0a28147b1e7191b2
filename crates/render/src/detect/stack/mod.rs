//! What a directory's program is written with, and the words that its people type.

mod compiled;
mod elixir;
mod javascript;
mod php;
mod ruby;

use super::{Confidence, Directory};
use compiled::{dotnet, go, java, rust};
use elixir::{elixir, phoenix};
use javascript::{deno, node};
use php::{laravel, php};
use ruby::{rails, ruby};

/// A program in one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Which kind of project, as the product calls it: `nodejs`, `python`, `static` …
    pub project_type: &'static str,
    /// The language, by its own name.
    pub language: &'static str,
    /// The framework, by its own name.
    pub framework: Option<String>,
    /// What brings in the dependencies.
    pub package_manager: Option<&'static str>,
    /// The version of the language's image.
    pub version: String,
    /// Brings in the dependencies.
    pub install: Option<String>,
    /// Starts it for work on it.
    pub dev: Option<String>,
    /// Makes what is started in production.
    pub build: Option<String>,
    /// Starts it in production.
    pub start: Option<String>,
    /// Where it listens if nobody says otherwise.
    pub port: u16,
    /// How sure that is.
    pub confidence: Confidence,
    /// What it was told from, in words.
    pub reason: String,
}

/// What the directory holds by the strongest of its signs.
#[must_use]
pub fn stack(directory: &Directory, root: Option<&Directory>) -> Option<Stack> {
    // A framework that names itself outweighs the package.json of its assets.
    let named = rails(directory)
        .or_else(|| laravel(directory))
        .or_else(|| phoenix(directory))
        .or_else(|| super::python::stack(directory).filter(|_| directory.has("manage.py")));
    named
        .or_else(|| deno(directory).filter(|_| !directory.has("package.json")))
        .or_else(|| node(directory, root))
        .or_else(|| go(directory))
        .or_else(|| rust(directory))
        .or_else(|| java(directory))
        .or_else(|| dotnet(directory))
        .or_else(|| ruby(directory))
        .or_else(|| elixir(directory))
        .or_else(|| php(directory))
        .or_else(|| super::python::stack(directory))
        .or_else(|| deno(directory))
        .or_else(|| generator(directory))
}

/// Generators of sites, and sites as they are.
fn generator(directory: &Directory) -> Option<Stack> {
    let (language, framework, manager, version, install, dev, build, start, port) =
        match directory.get("generator") {
            Some("Hugo") => (
                "Go templates",
                "Hugo",
                "hugo",
                "0.140.2",
                None,
                "hugo server --bind 0.0.0.0",
                Some("hugo --minify"),
                "hugo server",
                1313,
            ),
            Some("MkDocs") => (
                "Python",
                "MkDocs",
                "pip",
                "3.12",
                Some("pip install mkdocs"),
                "mkdocs serve --dev-addr 0.0.0.0:8000",
                Some("mkdocs build"),
                "mkdocs serve",
                8000,
            ),
            Some("Jekyll") => (
                "Ruby",
                "Jekyll",
                "bundler",
                "3.4",
                Some("gem install jekyll"),
                "jekyll serve --host 0.0.0.0",
                Some("jekyll build"),
                "jekyll serve",
                4000,
            ),
            _ => return None,
        };
    Some(Stack {
        project_type: "static",
        language,
        framework: Some(framework.to_owned()),
        package_manager: Some(manager),
        version: version.to_owned(),
        install: install.map(ToOwned::to_owned),
        dev: Some(dev.to_owned()),
        build: build.map(ToOwned::to_owned),
        start: Some(start.to_owned()),
        port,
        confidence: Confidence::Medium,
        reason: format!("it has {framework}'s configuration"),
    })
}
