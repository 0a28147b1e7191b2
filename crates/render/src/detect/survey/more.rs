//! Further languages, and what says how to build or to start without one.

use serde_json::Value;

use super::{API_VERSION, Examination, KIND, MAKE_TARGET, TARGET_FRAMEWORK, join};

impl Examination<'_> {
    /// Deno, Elixir, .NET.
    pub(super) fn others(&mut self) {
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

    pub(super) fn makefile(&mut self) {
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

    pub(super) fn procfile(&mut self) {
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

    pub(super) fn site(&mut self) {
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
    pub(super) fn cluster(&mut self) {
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
