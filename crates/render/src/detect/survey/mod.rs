//! The facts of a folder that detection reads: an [`Inventory`] made from what lies in it.
//!
//! Files are searched, never run. What is found is data: values are cut, and nothing of them is
//! read by a shell.

mod compiled;
mod more;
mod node;
mod python;
mod scripting;

use std::sync::LazyLock;

use regex::Regex;

use crate::folder::Folder;

use super::inventory::{Directory, Inventory};

/// Places of a repository with several programs, besides the root, the likeliest first. A star
/// stands for every directory there.
const PLACES: &[&str] = &[
    "web",
    "app",
    "frontend",
    "backend",
    "packages/*",
    "apps/*",
    "client",
    "server",
    "api",
    "ui",
    "site",
    "www",
    "website",
    "services/*",
    "src",
    "cmd",
];
/// Directories that are looked at besides the root.
const MAX_PLACES: usize = 16;
/// Characters of a value that are kept.
const MAX_VALUE: usize = 300;
/// Characters of a file that are searched.
const MAX_SEARCH: usize = 256 * 1024;
/// Files of a directory that are named.
const MAX_NAMES: usize = 300;

/// Looks at a repository.
#[must_use]
pub fn survey(folder: &Folder) -> Inventory {
    survey_at(folder, "")
}

/// Looks at a directory of a repository, relative to its root, and at the root too where it is another:
/// the directory may be a part of a workspace.
#[must_use]
pub fn survey_at(folder: &Folder, at: &str) -> Inventory {
    let mut names: Vec<_> = folder
        .directories(at)
        .into_iter()
        .chain(folder.files(at))
        .filter(|name| *name != ".git")
        .collect();
    names.sort_unstable();
    let mut inventory = Inventory {
        names: names.iter().take(12).map(|name| cut(name, 40)).collect(),
        root: (!at.is_empty()).then(|| examine(folder, "")),
        ..Inventory::default()
    };
    inventory.add(examine(folder, at));
    for place in places(&folder.within(at)) {
        inventory.add(examine(folder, &join(at, &place)));
    }
    inventory
}

/// The directories of a repository that may hold a program of their own.
fn places(folder: &Folder) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for place in PLACES {
        match place.strip_suffix("/*") {
            Some(parent) => all.extend(
                folder
                    .directories(parent)
                    .iter()
                    .map(|name| format!("{parent}/{name}")),
            ),
            None if folder.is_directory(place) => all.push((*place).to_owned()),
            None => {}
        }
    }
    // Whatever else lies at the root and looks like a program, after the usual places.
    for name in folder.directories("") {
        let program = [
            "package.json",
            "manage.py",
            "requirements.txt",
            "pyproject.toml",
            "go.mod",
            "Cargo.toml",
            "Gemfile",
            "pom.xml",
            "composer.json",
        ]
        .iter()
        .any(|file| folder.has(&format!("{name}/{file}")));
        if program
            && !all.iter().any(|known| known == name)
            && !matches!(
                name,
                "docs" | "examples" | "example" | "test" | "tests" | "e2e" | "scripts" | "tools"
            )
        {
            all.push(name.to_owned());
        }
    }
    let plain = |place: &String| {
        place
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._/@-".contains(&b))
    };
    all.retain(plain);
    all.truncate(MAX_PLACES);
    all
}

struct Examination<'a> {
    folder: &'a Folder,
    at: &'a str,
    directory: Directory,
}

fn examine(folder: &Folder, at: &str) -> Directory {
    let path = if at.is_empty() { "." } else { at };
    let mut examination = Examination {
        folder,
        at,
        directory: Directory::new(path),
    };
    for name in folder.files(at).take(MAX_NAMES) {
        examination.fact("file", name);
    }
    for name in folder.directories(at).into_iter().take(MAX_NAMES) {
        examination.fact("directory", name);
    }
    examination.node();
    examination.python();
    examination.go();
    examination.rust();
    examination.ruby();
    examination.php();
    examination.java();
    examination.others();
    examination.makefile();
    examination.procfile();
    examination.site();
    examination.cluster();
    examination.directory
}

fn cut(text: &str, length: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control() || *c == '\t')
        .take(length)
        .collect::<String>()
        .replace('\t', " ")
}

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        #[allow(
            clippy::expect_used,
            reason = "the pattern is fixed, and a test compiles it"
        )]
        static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new($text).expect("the pattern is valid"));
    };
}

pattern!(
    READS_PORT,
    r#"(?:env|environ|getenv|Getenv|var|env_var|LookupEnv|ENV|fetch|get_env)(?:\.|\[\s*['"]|\.get\(['"]|\.fetch\(['"]|\(\s*['"])PORT\b|\$\{?PORT\b|\$\{PORT:"#
);
pattern!(
    NAMES_PORT,
    r#"(?i)(?:listen(?:_and_serve)?\(\s*|port['"]?\s*[:=]+\s*|['"(:]:|0\.0\.0\.0['"]?[:,]\s*|127\.0\.0\.1['"]?[:,]\s*|localhost:|\[[0-9., ]+\],\s*)([0-9]{4,5})(?:[^0-9]|$)"#
);
pattern!(
    PY_APP,
    r"(?m)^([A-Za-z_][A-Za-z0-9_]*)(?:\s*:\s*[A-Za-z_.]+)?\s*=\s*(?:[A-Za-z_]+\.)?(Flask|FastAPI|Starlette|Quart|Sanic|Dash|Litestar)\("
);
pattern!(PY_FACTORY, r"(?m)^def (?:create|make)_app *\(");
pattern!(PY_STREAMLIT, r"(?m)^(?:import streamlit|from streamlit)");
pattern!(PY_GRADIO, r"(?m)^(?:import gradio|from gradio)");
pattern!(PY_WORD, r"[a-z0-9_.-]+");
pattern!(MAKE_TARGET, r"^([A-Za-z0-9_-]+)[ \t]*:(?:[^=]|$)");
pattern!(GEM, r#"(?m)^\s*gem\s+["']([A-Za-z0-9_-]+)["']"#);
pattern!(RUBY, r#"(?m)^\s*ruby\s+["']~?>?=?\s*([0-9]+\.[0-9]+)"#);
pattern!(MAJOR_MINOR, r"([0-9]+)\.([0-9]+)");
pattern!(
    JAVA,
    r#"(?:<java\.version>|<maven\.compiler\.release>|<maven\.compiler\.source>|<release>|sourceCompatibility\s*=?\s*['"]?(?:JavaVersion\.VERSION_)?|JavaLanguageVersion\.of\(|jvmToolchain\()\s*(?:1\.)?([0-9]{1,2})"#
);
pattern!(GO_VERSION, r"(?m)^go ([0-9]+\.[0-9]+)");
pattern!(
    TARGET_FRAMEWORK,
    r"<TargetFramework>net([0-9]+\.[0-9]+)</TargetFramework>"
);
pattern!(API_VERSION, r"(?m)^apiVersion:\s*\S+");
pattern!(KIND, r"(?m)^kind:\s*([A-Za-z]+)");
pattern!(RUST_BIN, r"(?m)^\[\[bin\]\]");
pattern!(SERVER_XML, r"(?m)^server\.port\s*[=:]\s*([0-9]{2,5})");

impl<'a> Examination<'a> {
    fn fact(&mut self, fact: &str, value: &str) {
        let value = cut(value, MAX_VALUE);
        if !value.is_empty() {
            self.directory.add(fact, value);
        }
    }

    /// The beginning of a file of this directory; a name in another case is as good.
    fn text(&self, name: &str) -> Option<&'a str> {
        let path = if self.at.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.at)
        };
        let text = self.folder.get(&path).or_else(|| {
            let found = self.folder.find(self.at, name)?;
            let path = if self.at.is_empty() {
                found.to_owned()
            } else {
                format!("{}/{found}", self.at)
            };
            self.folder.get(&path)
        })?;
        let end = (0..=MAX_SEARCH.min(text.len()))
            .rev()
            .find(|&at| text.is_char_boundary(at))?;
        text.get(..end)
    }

    /// Where a program listens: from the environment, or on a port of its own.
    fn listens(&mut self, files: &[String]) {
        if self.directory.get("port").is_some() {
            return;
        }
        let texts: Vec<&str> = files.iter().filter_map(|name| self.text(name)).collect();
        let said = if texts.iter().any(|text| READS_PORT.is_match(text)) {
            Some("environment".to_owned())
        } else {
            texts
                .iter()
                .find_map(|text| NAMES_PORT.captures(text).map(|found| found[1].to_owned()))
        };
        if let Some(said) = said {
            self.fact("port", &said);
        }
    }
}

fn join(base: &str, path: &str) -> String {
    match (base, path) {
        ("", path) => path.to_owned(),
        (base, "") => base.to_owned(),
        (base, path) => format!("{base}/{path}"),
    }
}
