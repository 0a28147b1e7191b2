//! The facts of a folder that detection reads: an [`Inventory`] made from what lies in it.
//!
//! Files are searched, never run. What is found is data: values are cut, and nothing of them is
//! read by a shell.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::inventory::{Directory, Inventory};
use crate::folder::Folder;

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

/// Looks at a folder.
#[must_use]
pub fn survey(folder: &Folder) -> Inventory {
    let mut inventory = Inventory::default();
    let mut names: Vec<_> = folder
        .directories("")
        .into_iter()
        .chain(folder.files(""))
        .filter(|name| *name != ".git")
        .collect();
    names.sort_unstable();
    inventory.names = names.iter().take(12).map(|name| cut(name, 40)).collect();
    inventory.add(examine(folder, ""));
    for place in places(folder) {
        inventory.add(examine(folder, &place));
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

    fn node(&mut self) {
        let Some(package) = self.text("package.json") else {
            return;
        };
        let package: Value =
            serde_json::from_str(package.trim_start_matches('\u{feff}')).unwrap_or_default();
        let words = |value: &Value| value.as_str().map(ToOwned::to_owned);
        for (fact, value) in [
            ("packageManager", words(&package["packageManager"])),
            ("main", words(&package["main"])),
            ("module-type", words(&package["type"])),
            ("node", words(&package["engines"]["node"])),
            ("node", words(&package["volta"]["node"])),
        ] {
            if let Some(value) = value {
                self.fact(fact, &value);
            }
        }
        for (name, script) in package["scripts"]
            .as_object()
            .into_iter()
            .flatten()
            .take(100)
        {
            if let Some(script) = script.as_str() {
                self.fact("script", &format!("{name}={script}"));
            }
        }
        let mut count = 0;
        for kind in ["dependencies", "devDependencies", "optionalDependencies"] {
            for name in package[kind]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name)
                .take(500)
            {
                count += 1;
                self.fact("dependency", name);
            }
        }
        self.fact("dependencies", &count.to_string());
        if !package["workspaces"].is_null() {
            self.fact("workspaces", "yes");
        }
        if let Some(version) = self.text("pnpm-lock.yaml").and_then(|lock| {
            let line = lock
                .lines()
                .take(5)
                .find_map(|line| line.strip_prefix("lockfileVersion:"))?;
            Some(
                line.trim()
                    .trim_matches(['\'', '"'])
                    .split('.')
                    .next()?
                    .to_owned(),
            )
        }) {
            self.fact("pnpm-lock", &version);
        }
        if self.text("yarn.lock").is_some_and(|lock| {
            lock.lines()
                .take(12)
                .any(|line| line.starts_with("__metadata:"))
        }) {
            self.fact("yarn", "berry");
        }
        if let Some(version) = [".nvmrc", ".node-version"]
            .iter()
            .find_map(|name| self.text(name)?.lines().next().map(ToOwned::to_owned))
        {
            self.fact("node-version", version.trim());
        }
        let mut files: Vec<String> = package["main"]
            .as_str()
            .map(|main| main.trim_start_matches("./").to_owned())
            .into_iter()
            .collect();
        for place in ["", "src/", "server/", "bin/"] {
            for stem in ["server", "app", "index", "main", "www"] {
                for end in ["js", "mjs", "cjs", "ts", "mts"] {
                    files.push(format!("{place}{stem}.{end}"));
                }
            }
        }
        files.push("bin/www".to_owned());
        self.listens(&files);
    }

    fn python(&mut self) {
        if let Some(version) = self
            .text(".python-version")
            .and_then(|text| text.lines().next())
        {
            let version = version.to_owned();
            self.fact("python-version", &version);
        } else if let Some(version) = self
            .text("runtime.txt")
            .and_then(|text| text.trim().strip_prefix("python-").map(ToOwned::to_owned))
        {
            self.fact("python-version", &version);
        }
        const KNOWN: &[&str] = &[
            "flask",
            "django",
            "fastapi",
            "standard",
            "uvicorn",
            "gunicorn",
            "streamlit",
            "starlette",
            "quart",
            "gradio",
            "dash",
            "sanic",
            "litestar",
            "tornado",
            "aiohttp",
            "bottle",
            "hypercorn",
            "daphne",
            "poetry-core",
            "tool.poetry",
            "tool.uv",
            "tool.pdm",
        ];
        let mut words = String::new();
        for name in [
            "requirements.txt",
            "requirements-dev.txt",
            "pyproject.toml",
            "Pipfile",
            "setup.py",
            "setup.cfg",
            "environment.yml",
        ] {
            if let Some(text) = self.text(name) {
                words.push_str(&text.to_ascii_lowercase());
                words.push('\n');
            }
        }
        for name in self
            .folder
            .files(&join(self.at, "requirements"))
            .filter(|name| name.ends_with(".txt"))
        {
            if let Some(text) = self.text(&format!("requirements/{name}")) {
                words.push_str(&text.to_ascii_lowercase());
                words.push('\n');
            }
        }
        let mut found: Vec<_> = PY_WORD
            .find_iter(&words)
            .map(|word| word.as_str().trim_end_matches('.'))
            .filter(|word| KNOWN.contains(word))
            .collect();
        found.sort_unstable();
        found.dedup();
        for word in found.into_iter().map(ToOwned::to_owned).collect::<Vec<_>>() {
            self.fact("python", &word);
        }
        let mut files: Vec<String> = [
            "app",
            "main",
            "wsgi",
            "asgi",
            "server",
            "run",
            "application",
        ]
        .map(|stem| format!("{stem}.py"))
        .into();
        let mut add = |name: String| {
            if !files.contains(&name)
                && !name.starts_with("test")
                && !name.contains("/test")
                && !name.contains("/migrations/")
            {
                files.push(name);
            }
        };
        self.folder
            .files(self.at)
            .filter(|name| name.ends_with(".py"))
            .for_each(|name| add(name.to_owned()));
        for directory in self.folder.directories(self.at) {
            for file in ["__init__.py", "app.py", "main.py", "server.py", "asgi.py"] {
                add(format!("{directory}/{file}"));
            }
        }
        for directory in self.folder.directories(&join(self.at, "src")) {
            for file in ["__init__.py", "app.py", "main.py"] {
                add(format!("src/{directory}/{file}"));
            }
        }
        let mut applications: Vec<String> = Vec::new();
        for name in files.iter().take(60) {
            let Some(text) = self.text(name) else {
                continue;
            };
            let mut say = |fact: String| {
                if applications.len() < 4 && !applications.contains(&fact) {
                    applications.push(fact);
                }
            };
            if let Some(found) = PY_APP.captures(text) {
                say(format!("{name}:{}:{}", &found[1], &found[2]));
            } else if PY_FACTORY.is_match(text) {
                say(format!("{name}:factory:Flask"));
            }
            if PY_STREAMLIT.is_match(text) {
                say(format!("{name}:-:Streamlit"));
            } else if PY_GRADIO.is_match(text) {
                say(format!("{name}:-:Gradio"));
            }
        }
        for application in applications {
            self.fact("application", &application);
        }
        if self.text("manage.py").is_none() {
            self.listens(&["app.py", "main.py", "server.py", "run.py"].map(ToOwned::to_owned));
        } else if let Some(settings) = self
            .folder
            .directories(self.at)
            .into_iter()
            .find(|name| self.folder.has(&join(&join(self.at, name), "wsgi.py")))
            .map(ToOwned::to_owned)
        {
            self.fact("django", &settings);
        }
    }

    fn go(&mut self) {
        let Some(module) = self.text("go.mod") else {
            return;
        };
        if let Some(version) = GO_VERSION.captures(module).map(|found| found[1].to_owned()) {
            self.fact("go-version", &version);
        }
        let module = module.to_owned();
        for (word, name) in [
            ("gin-gonic/gin", "Gin"),
            ("labstack/echo", "Echo"),
            ("gofiber/fiber", "Fiber"),
            ("go-chi/chi", "chi"),
            ("gorilla/mux", "Gorilla"),
            ("beego", "Beego"),
            ("gobuffalo/buffalo", "Buffalo"),
        ] {
            if module.contains(word) {
                self.fact("go-framework", name);
            }
        }
        let sources: Vec<String> = self
            .folder
            .files(self.at)
            .filter(|name| name.ends_with(".go") && !name.ends_with("_test.go"))
            .map(ToOwned::to_owned)
            .collect();
        let is_main = |text: &str| text.lines().any(|line| line.starts_with("package main"));
        if sources
            .iter()
            .any(|name| self.text(name).is_some_and(is_main))
        {
            self.fact("go", ".");
        }
        let mut all = sources;
        let commands: Vec<String> = self
            .folder
            .directories(&join(self.at, "cmd"))
            .into_iter()
            .filter(|name| self.text(&format!("cmd/{name}/main.go")).is_some())
            .map(ToOwned::to_owned)
            .collect();
        let likely = |name: &String| {
            u8::from(!matches!(
                name.as_str(),
                "server" | "web" | "api" | "app" | "serve"
            ))
        };
        let mut commands = commands;
        commands.sort_by_key(likely);
        if self.text("cmd/main.go").is_some_and(is_main) {
            self.fact("go", "./cmd");
            all.push("cmd/main.go".to_owned());
        }
        for name in commands.iter().take(3) {
            self.fact("go", &format!("./cmd/{name}"));
            all.push(format!("cmd/{name}/main.go"));
        }
        self.listens(&all);
    }

    fn rust(&mut self) {
        let Some(manifest) = self.text("Cargo.toml") else {
            return;
        };
        let manifest = manifest.to_owned();
        for (word, name) in [
            ("axum", "Axum"),
            ("actix-web", "Actix Web"),
            ("rocket", "Rocket"),
            ("warp", "warp"),
            ("leptos", "Leptos"),
            ("poem", "Poem"),
            ("tide", "Tide"),
        ] {
            if manifest.lines().any(|line| {
                line.trim_start().starts_with(word)
                    && line[line.find(word).unwrap_or(0) + word.len()..]
                        .trim_start()
                        .starts_with(['=', '.'])
            }) {
                self.fact("rust-framework", name);
            }
        }
        if let Some(name) = manifest
            .lines()
            .find_map(|line| {
                line.trim()
                    .strip_prefix("name")?
                    .trim_start()
                    .strip_prefix('=')
            })
            .map(|name| name.trim().trim_matches(['"', '\'']).to_owned())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        {
            self.fact("rust-name", &name);
        }
        let mut sources = vec!["src/main.rs".to_owned()];
        sources.extend(
            self.folder
                .files(&join(self.at, "src/bin"))
                .map(|name| format!("src/bin/{name}")),
        );
        if RUST_BIN.is_match(&manifest) {
            self.fact("rust", "bin");
        }
        if let Some(main) = sources
            .iter()
            .find(|name| self.text(name).is_some())
            .cloned()
        {
            self.fact("rust", &main);
        }
        self.listens(&sources);
    }

    fn ruby(&mut self) {
        let Some(gems) = self.text("Gemfile") else {
            return;
        };
        let mut all: Vec<String> = GEM
            .captures_iter(gems)
            .map(|found| found[1].to_owned())
            .collect();
        all.truncate(200);
        let version = RUBY.captures(gems).map(|found| found[1].to_owned());
        for gem in all {
            self.fact("gem", &gem);
        }
        let written = self
            .text(".ruby-version")
            .and_then(|text| MAJOR_MINOR.find(text))
            .map(|found| found.as_str().to_owned());
        if let Some(version) = written.or(version) {
            self.fact("ruby-version", &version);
        }
        self.listens(&["app.rb", "server.rb", "main.rb", "config.ru"].map(ToOwned::to_owned));
    }

    fn php(&mut self) {
        if let Some(package) = self.text("composer.json") {
            let package: Value = serde_json::from_str(package).unwrap_or_default();
            for name in package["require"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name)
                .take(200)
            {
                self.fact("php", name);
            }
            if let Some(version) = package["require"]["php"]
                .as_str()
                .and_then(|range| MAJOR_MINOR.find(range))
                .map(|found| found.as_str().to_owned())
            {
                self.fact("php-version", &version);
            }
        }
    }

    fn java(&mut self) {
        let mut all = String::new();
        for name in [
            "pom.xml",
            "build.gradle",
            "build.gradle.kts",
            "settings.gradle",
            "settings.gradle.kts",
        ] {
            if let Some(text) = self.text(name) {
                all.push_str(text);
            }
        }
        if all.is_empty() {
            return;
        }
        for (word, name) in [
            ("spring-boot", "Spring Boot"),
            ("springframework.boot", "Spring Boot"),
            ("quarkus", "Quarkus"),
            ("micronaut", "Micronaut"),
            ("io.ktor", "Ktor"),
            ("ktor-server", "Ktor"),
            ("dropwizard", "Dropwizard"),
            ("vertx", "Vert.x"),
            ("javalin", "Javalin"),
        ] {
            if all.contains(word) && self.directory.get("java").is_none() {
                self.fact("java", name);
            }
        }
        let kotlin = all.contains("kotlin(\"jvm\")")
            || all.contains("org.jetbrains.kotlin")
            || all.contains("kotlin-maven-plugin");
        if kotlin {
            self.fact("kotlin", "yes");
        }
        if let Some(version) = JAVA.captures(&all).map(|found| found[1].to_owned()) {
            self.fact("java-version", &version);
        }
        if let Some(port) = ["src/main/resources/application.properties"]
            .iter()
            .find_map(|name| Some(SERVER_XML.captures(self.text(name)?)?[1].to_owned()))
        {
            self.fact("port", &port);
        }
    }

    /// Deno, Elixir, .NET.
    fn others(&mut self) {
        for name in ["deno.json", "deno.jsonc"] {
            let Some(text) = self.text(name) else {
                continue;
            };
            // Comments on lines of their own are all that is common in a deno.jsonc.
            let plain: String = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect::<Vec<_>>()
                .join("\n");
            let config: Value = serde_json::from_str(&plain).unwrap_or_default();
            for (task, command) in config["tasks"].as_object().into_iter().flatten().take(50) {
                let command = command.as_str().or_else(|| command["command"].as_str());
                if let Some(command) = command {
                    self.fact("deno-task", &format!("{task}={command}"));
                }
            }
            for (_, import) in config["imports"]
                .as_object()
                .into_iter()
                .flatten()
                .take(100)
            {
                if let Some(import) = import.as_str() {
                    self.fact("deno-import", import);
                }
            }
            self.fact("deno", name);
        }
        for main in ["main.ts", "main.js", "server.ts", "mod.ts", "index.ts"] {
            if self.text(main).is_some_and(|text| {
                text.contains("Deno.serve")
                    || text.contains("https://deno.land/")
                    || text.contains("jsr:@std/http")
            }) {
                self.fact("deno-main", main);
            }
        }
        if self.directory.get("deno").is_some() || self.directory.get("deno-main").is_some() {
            self.listens(&["main.ts", "server.ts"].map(ToOwned::to_owned));
        }
        if let Some(text) = self.text("mix.exs") {
            let phoenix = text.contains(":phoenix");
            self.fact("elixir", if phoenix { "Phoenix" } else { "Elixir" });
        }
        let projects: Vec<String> = self
            .folder
            .below(self.at)
            .map(|(path, _)| path)
            .filter(|path| path.ends_with(".csproj") || path.ends_with(".fsproj"))
            .filter_map(|path| {
                path.get(
                    if self.at.is_empty() {
                        0
                    } else {
                        self.at.len() + 1
                    }..,
                )
            })
            .filter(|path| {
                path.matches('/').count() < 3 && !path.to_ascii_lowercase().contains("test")
            })
            .map(ToOwned::to_owned)
            .collect();
        if self.at.is_empty() || projects.iter().any(|path| !path.contains('/')) {
            let web = |name: &&String| self.text(name).is_some_and(|text| text.contains("Sdk.Web"));
            if let Some(project) = projects
                .iter()
                .find(web)
                .or_else(|| projects.first())
                .cloned()
            {
                let text = self.text(&project).unwrap_or_default().to_owned();
                if let Some(version) = TARGET_FRAMEWORK
                    .captures(&text)
                    .map(|found| found[1].to_owned())
                {
                    self.fact("dotnet-version", &version);
                }
                self.fact(
                    if text.contains("Sdk.Web") {
                        "dotnet-web"
                    } else {
                        "dotnet"
                    },
                    &project,
                );
            }
        }
        if let Some(text) = self.text("pubspec.yaml") {
            let flutter = text.contains("sdk: flutter");
            self.fact("dart", if flutter { "Flutter" } else { "Dart" });
        }
        if let Some(text) = self
            .text("hugo.toml")
            .or_else(|| self.text("hugo.yaml"))
            .or_else(|| {
                self.text("config.toml")
                    .filter(|text| text.contains("baseURL"))
            })
        {
            let _ = text;
            self.fact("generator", "Hugo");
        } else if self.text("_config.yml").is_some() {
            self.fact("generator", "Jekyll");
        } else if self.text("mkdocs.yml").is_some() {
            self.fact("generator", "MkDocs");
        }
    }

    fn makefile(&mut self) {
        let Some(text) = ["GNUmakefile", "makefile", "Makefile"]
            .iter()
            .find_map(|name| self.text(name))
        else {
            return;
        };
        let mut seen: Vec<(String, bool)> = Vec::new();
        let mut current = String::new();
        for line in text.lines() {
            if line.starts_with('\t') {
                let lower = line.to_ascii_lowercase();
                if ["docker", "podman", "kubectl"]
                    .iter()
                    .any(|word| lower.contains(word))
                    && let Some((_, container)) = seen.iter_mut().find(|(name, _)| *name == current)
                {
                    *container = true;
                }
            } else if let Some(found) = MAKE_TARGET.captures(line) {
                current = found[1].to_owned();
                if matches!(
                    current.as_str(),
                    "dev" | "run" | "serve" | "start" | "install" | "build" | "setup"
                ) {
                    seen.push((current.clone(), false));
                }
            }
        }
        for (name, container) in seen {
            self.fact(
                "make",
                &format!("{name}={}", if container { "container" } else { "" }),
            );
        }
    }

    fn procfile(&mut self) {
        for name in ["Procfile", "Procfile.dev"] {
            let line = self.text(name).and_then(|text| {
                text.lines()
                    .find_map(|line| line.strip_prefix("web:"))
                    .map(|line| line.trim().to_owned())
            });
            if let Some(line) = line {
                self.fact(
                    if name == "Procfile" {
                        "procfile"
                    } else {
                        "procfile-dev"
                    },
                    &line,
                );
            }
        }
    }

    fn site(&mut self) {
        for place in [
            "", "public", "dist", "docs", "site", "www", "static", "_site", "build", "html", "src",
        ] {
            if self.folder.has(&join(&join(self.at, place), "index.html")) {
                let place = if place.is_empty() { "." } else { place };
                self.fact("site", place);
            }
        }
    }

    /// Charts, kustomizations and manifests.
    fn cluster(&mut self) {
        for place in ["", "chart", "charts", "helm", "deploy/chart", "deploy/helm"] {
            if self
                .folder
                .find(&join(self.at, place), "Chart.yaml")
                .is_some()
            {
                self.fact("chart", if place.is_empty() { "." } else { place });
            }
        }
        if let Some(charts) = self
            .folder
            .directories(&join(self.at, "charts"))
            .into_iter()
            .find(|name| {
                self.folder.has(&join(
                    &join(self.at, "charts"),
                    &format!("{name}/Chart.yaml"),
                ))
            })
            .map(|name| format!("charts/{name}"))
        {
            self.fact("chart", &charts);
        }
        for place in [
            "",
            "k8s",
            "kubernetes",
            "deploy",
            "manifests",
            "kustomize",
            "k8s/base",
            "deploy/base",
            "base",
            "k8s/overlays/preview",
            "overlays/preview",
            "overlays/dev",
            "overlays/development",
            "k8s/overlays/dev",
        ] {
            let at = join(self.at, place);
            let place = if place.is_empty() { "." } else { place };
            if ["kustomization.yaml", "kustomization.yml", "Kustomization"]
                .iter()
                .any(|name| self.folder.has(&join(&at, name)))
            {
                self.fact("kustomization", place);
            } else if self
                .folder
                .files(&at)
                .filter(|name| name.ends_with(".yaml") || name.ends_with(".yml"))
                .any(|name| {
                    self.folder.get(&join(&at, name)).is_some_and(|text| {
                        API_VERSION.is_match(text)
                            && KIND.captures(text).is_some_and(|kind| {
                                matches!(
                                    &kind[1],
                                    "Deployment" | "StatefulSet" | "Service" | "Pod" | "List"
                                )
                            })
                    })
                })
            {
                self.fact("manifests", place);
            }
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
