//! What a repository is and what would become of it, for people to look before they push. No
//! cluster is asked.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use catalyst_render::detect::{self, Detection};
use catalyst_render::dress::{Dress, dress};
use catalyst_render::helm::{self, Chart};
use catalyst_render::validate::{Policy, admit};
use catalyst_render::{Folder, Rendered, Route, compose, source, yaml};
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::print;

/// Tell what a repository is and how it is run.
#[derive(Args)]
pub struct Detect {
    /// The repository's folder.
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// How to print it.
    #[arg(short, long, value_enum, default_value = "text")]
    output: DetectOutput,
}

#[derive(Clone, Copy, ValueEnum)]
enum DetectOutput {
    /// A line a fact.
    Text,
    /// One JSON object.
    Json,
    /// The Dockerfile that an image of it would be built with.
    Dockerfile,
}

/// Print the Kubernetes objects that a compose file, a kustomization, manifests, a chart or a
/// repository without any of them would become. Warnings go to standard error.
#[derive(Args)]
pub struct Render {
    /// A folder, or a compose, kustomization, manifest or chart file.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// How to print them.
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: RenderOutput,
    /// The repository that the path is in; nothing outside it is read. Otherwise the nearest folder
    /// above with .git, else the path's own.
    #[arg(long)]
    root: Option<PathBuf>,
    /// A profile of the compose file that is to be started; `*` for all.
    #[arg(long = "profile")]
    profiles: Vec<String>,
    /// A further compose file to be merged, or a values file of the chart.
    #[arg(short, long = "file")]
    files: Vec<String>,
    /// A variable of the compose file, NAME=VALUE.
    #[arg(short, long = "env", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Refuse what Pod Security's level restricted refuses.
    #[arg(long)]
    restricted: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum RenderOutput {
    /// A stream of YAML documents.
    Yaml,
    /// A Kubernetes List in JSON.
    Json,
}

fn variable(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("{text:?} is not NAME=VALUE"))
}

impl Detect {
    /// Does it.
    pub fn run(&self) -> anyhow::Result<()> {
        let folder = read(&self.directory)?;
        let inventory = detect::survey(&folder);
        let found = detect::describe(&inventory);
        match self.output {
            DetectOutput::Json => print(&format!("{}\n", serde_json::to_string_pretty(&found)?)),
            DetectOutput::Text => print(&words(&found)),
            DetectOutput::Dockerfile => match catalyst_render::dockerfile::generate(
                &inventory,
                &catalyst_render::Images::default(),
            ) {
                Some(made) => print(&made.text),
                None => bail!("no Dockerfile can be made for it: {}", found.reason),
            },
        }
    }
}

fn words(found: &Detection) -> String {
    let port = found.port.map(|port| port.to_string());
    let confidence = serde_json::to_value(found.confidence).unwrap_or_default();
    [
        ("project type", Some(found.project_type)),
        ("language", found.language),
        ("framework", found.framework.as_deref()),
        ("package manager", found.package_manager),
        ("workdir", Some(found.workdir.as_str())),
        ("install", found.install_command.as_deref()),
        ("dev", found.dev_command.as_deref()),
        ("build", found.build_command.as_deref()),
        ("start", found.start_command.as_deref()),
        ("port", port.as_deref()),
        ("confidence", confidence.as_str()),
        ("reason", Some(found.reason.as_str())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(format!("{name:<16} {}\n", value?)))
    .collect()
}

impl Render {
    /// Does it.
    pub fn run(&self) -> anyhow::Result<()> {
        let rendered = self.rendered()?;
        for warning in &rendered.warnings {
            say(&format!("warning: {warning}"));
        }
        for build in &rendered.builds {
            say(&format!(
                "image: {} is built from {} by {}",
                build.image,
                if build.path.is_empty() {
                    "."
                } else {
                    &build.path
                },
                build.dockerfile
            ));
        }
        if let Some(route) = &rendered.route {
            let paths: Vec<_> = route
                .paths
                .iter()
                .map(|path| {
                    format!(
                        "{} to Service {}, port {}",
                        path.path, path.service, path.port
                    )
                })
                .collect();
            say(&format!("url: {} ({})", paths.join(", "), route.reason));
        }
        let mut objects = dress(rendered.objects, &Dress::default());
        objects.extend(rendered.route.as_ref().map(ingress));
        match self.output {
            RenderOutput::Yaml => print(&yaml::print(&objects)),
            RenderOutput::Json => {
                let list =
                    serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": objects });
                print(&format!("{}\n", serde_json::to_string_pretty(&list)?))
            }
        }
    }

    fn rendered(&self) -> anyhow::Result<Rendered> {
        let policy = Policy {
            restricted: self.restricted,
        };
        let path = self
            .path
            .canonicalize()
            .with_context(|| format!("cannot find {}", self.path.display()))?;
        if path.join(helm::FILE).is_file() {
            return Ok(admit(self.chart(&path)?, policy)?);
        }
        if path.ends_with(helm::FILE) {
            let folder = path.parent().unwrap_or(&path);
            return Ok(admit(self.chart(folder)?, policy)?);
        }
        let home = if path.is_dir() {
            path.clone()
        } else {
            path.parent().unwrap_or(&path).to_owned()
        };
        let root = match &self.root {
            Some(root) => root
                .canonicalize()
                .with_context(|| format!("cannot find {}", root.display()))?,
            None => home
                .ancestors()
                .find(|above| above.join(".git").exists())
                .unwrap_or(&home)
                .to_owned(),
        };
        let inside = path
            .strip_prefix(&root)
            .with_context(|| format!("{} is not in {}", path.display(), root.display()))?;
        let inside = inside.to_str().context("the path is not UTF-8")?;
        let folder = read(&root)?;
        let Some(kind) = source::kind(&folder, inside) else {
            if !path.is_dir() {
                bail!(
                    "{} is no compose file, kustomization or manifest",
                    self.path.display()
                );
            }
            let folder = read(&path)?;
            return self.bare(&folder);
        };
        let options = compose::Options {
            variables: self.env.iter().cloned().collect(),
            files: self.files.clone(),
            profiles: self.profiles.iter().cloned().collect(),
            ..compose::Options::default()
        };
        Ok(admit(
            source::translate(kind, &folder, inside, &options)?,
            policy,
        )?)
    }

    /// Nothing in it is written for Kubernetes or compose: what it is, and how it could be an image.
    fn bare(&self, folder: &Folder) -> anyhow::Result<Rendered> {
        let found = detect::describe(&detect::survey(folder));
        bail!(
            "{} holds no compose file, kustomization, manifests or chart. It is run from its source: {} ({}); catalyst detect tells more",
            self.path.display(),
            found
                .dev_command
                .or(found.start_command)
                .unwrap_or_else(|| "nothing to start was found".to_owned()),
            found.reason
        )
    }

    /// What helm makes of a chart, as the operator has it rendered when a preview comes up for the
    /// first time. Its dependencies have to be in `charts/` already.
    fn chart(&self, path: &Path) -> anyhow::Result<Rendered> {
        let rendered = self.helm(path)?;
        let again = self.helm(path)?;
        let chart = Chart::of(&rendered, (again != rendered).then_some(&again))?;
        for one in &chart.generated {
            let keys: Vec<_> = one.values.keys().map(String::as_str).collect();
            say(&format!(
                "made up once: {} of Secret {}",
                keys.join(", "),
                one.secret
            ));
        }
        Ok(chart.rendered(false, "0000000000000000000000000000000000000000"))
    }

    /// What helm prints of it.
    fn helm(&self, path: &Path) -> anyhow::Result<String> {
        let mut command = Command::new("helm");
        command.args(["template", "preview"]).arg(path).args([
            "--namespace",
            "preview",
            "--skip-tests",
        ]);
        for file in &self.files {
            command.arg("--values").arg(file);
        }
        let output = match command.output() {
            Ok(output) => output,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!(
                    "{} is a Helm chart, and there is no helm on the PATH here; install helm 3 (https://helm.sh) to see what the chart becomes",
                    self.path.display()
                )
            }
            Err(error) => return Err(error).context("cannot run helm"),
        };
        if !output.status.success() {
            bail!(
                "helm cannot render the chart: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The Ingress of a route, at a host that is nobody's.
fn ingress(route: &Route) -> Value {
    let paths: Vec<_> = route
        .paths
        .iter()
        .map(|path| {
            serde_json::json!({
                "path": path.path,
                "pathType": if path.below { "Prefix" } else { "Exact" },
                "backend": { "service": { "name": path.service, "port": { "number": path.port } } }
            })
        })
        .collect();
    serde_json::json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": "web" },
        "spec": { "rules": [{ "host": "preview.example.com", "http": { "paths": paths } }] }
    })
}

fn read(directory: &Path) -> anyhow::Result<Folder> {
    Folder::read(directory).with_context(|| format!("cannot look at {}", directory.display()))
}

#[allow(clippy::print_stderr, reason = "what is no part of the answer")]
fn say(text: &str) {
    eprintln!("{text}");
}
