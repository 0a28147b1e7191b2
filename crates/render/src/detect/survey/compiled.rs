//! What the files of Go, Rust and Java say.

use super::{Examination, GO_VERSION, JAVA, RUST_BIN, SERVER_XML, join};

impl Examination<'_> {
    pub(super) fn go(&mut self) {
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

    pub(super) fn rust(&mut self) {
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

    pub(super) fn java(&mut self) {
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
}
