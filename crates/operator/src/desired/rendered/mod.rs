//! What a template of type docker-compose, kustomize, manifest or helm makes of a repository, as a
//! pure function.

use std::collections::BTreeMap;

use catalyst_crd::identity::GIT_CLIENT;
use catalyst_crd::project::Build;
use catalyst_crd::{EnvironmentConfig, labels};
use catalyst_model::ids::CommitSha;
use catalyst_render::dress::{Checkout, Dress, dress};
use catalyst_render::folder::{join, name, parent};
use catalyst_render::helm;
use catalyst_render::source::{Kind, translate};
use catalyst_render::validate::{Policy, admit};
use catalyst_render::{BuildSpec, Folder, RenderError, Rendered, Route, Warning, compose};
use k8s_openapi::api::core::v1::VolumeMount;
use serde_json::{Map, Value, json};

use super::build::image_names;
use super::record::Held;
use super::source::{CODE_PATH, account, git_clone, volumes};
use super::workload::{DRAIN, SECRETS};
use super::{Problem, Source, Target};
use crate::settings::OperatorSettings;

mod chart;

/// Files of a repository that say what is to be deployed.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// How they are read.
    pub kind: Kind,
    /// Where they lie, relative to the source's root.
    pub path: &'a str,
    /// The template's values: what a compose file is started with, or a chart rendered.
    pub values: Option<&'a Map<String, Value>>,
    /// Images that are built for a chart, each of its source.
    pub builds: &'a [(Build, Source)],
}

/// Everything that is needed to render.
#[derive(Debug, Clone)]
pub struct Recipe<'a> {
    /// The files.
    pub files: Files<'a>,
    /// The merged configuration.
    pub config: &'a EnvironmentConfig,
    /// Where it goes.
    pub target: &'a Target,
    /// The operator's settings.
    pub settings: &'a OperatorSettings,
    /// The last retry that a person asked for.
    pub retry: Option<&'a str>,
    /// Its secrets, where it has some: pods are made anew with another version of them.
    pub secrets: Option<&'a Held>,
}

/// Objects that can be applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The objects, in order.
    pub objects: Vec<Value>,
    /// What was not taken over as it stands.
    pub warnings: Vec<Warning>,
    /// Images that have to be there first.
    pub builds: Vec<BuildSpec>,
    /// Where the URL leads.
    pub route: Option<Route>,
    /// What it is, in words.
    pub words: String,
}

/// Warnings that a condition shows; all of them are in `catalyst render`.
const MAX_WARNINGS: usize = 12;

impl Recipe<'_> {
    /// Where the files lie, relative to the repository's root, which is the empty path.
    ///
    /// # Errors
    /// If the template's path leads out of the repository.
    pub fn path(&self) -> Result<String, Problem> {
        let path = join("", self.files.path).map_err(|error| {
            Problem::new(
                "ConfigRefused",
                format!("the template's path: {error}; correct it in the Project"),
            )
        })?;
        // A chart is a folder, and may be named by its file.
        Ok(match self.files.kind {
            Kind::Helm if name(&path) == helm::FILE => parent(&path).to_owned(),
            _ => path,
        })
    }

    /// The objects of what lies in `folder`, which is `source` at `commit`.
    ///
    /// # Errors
    /// If it cannot be read or asks for what a preview must not have.
    pub fn desired(
        &self,
        folder: &Folder,
        source: &Source,
        commit: &CommitSha,
    ) -> Result<Desired, Problem> {
        self.desired_with(folder, source, commit, &BTreeMap::new())
    }

    /// The same with `built` images in place of those that were to be built, by their names.
    ///
    /// # Errors
    /// As [`Self::desired`].
    pub fn desired_with(
        &self,
        folder: &Folder,
        source: &Source,
        commit: &CommitSha,
        images: &BTreeMap<String, String>,
    ) -> Result<Desired, Problem> {
        let path = self.path()?;
        let options = self.options(source, commit);
        let rendered = translate(self.files.kind, folder, &path, &options)
            .map_err(|error| self.not_rendered(&path, &error))?;
        self.admitted(rendered, &path, source, commit, images)
    }

    /// What may be deployed of it, as it is deployed.
    fn admitted(
        &self,
        mut rendered: Rendered,
        path: &str,
        source: &Source,
        commit: &CommitSha,
        images: &BTreeMap<String, String>,
    ) -> Result<Desired, Problem> {
        rendered.warnings.extend(self.unused());
        let mut admitted = admit(rendered, Policy::default())
            .map_err(|refused| Problem::new("ConfigRefused", refused.to_string()))?;
        let workloads: Vec<_> = admitted
            .objects
            .iter()
            .filter(|object| {
                matches!(
                    object["kind"].as_str(),
                    Some("Deployment" | "StatefulSet" | "Job")
                )
            })
            .filter_map(|object| object["metadata"]["name"].as_str())
            .collect();
        let mut words = self.what(path);
        if !workloads.is_empty() {
            words.push_str(": ");
            words.push_str(&workloads.join(", "));
        }
        let place = |image: &String| images.get(image).unwrap_or(image).clone();
        for object in &mut admitted.objects {
            put_images(object, images);
        }
        let built = admitted
            .builds
            .iter()
            .map(|build| place(&build.image))
            .chain(images.values().cloned())
            .collect();
        Ok(Desired {
            objects: dress(admitted.objects, &self.dress(source, commit, built)),
            warnings: admitted.warnings,
            builds: admitted.builds,
            route: admitted.route,
            words,
        })
    }

    fn what(&self, path: &str) -> String {
        let what = match self.files.kind {
            Kind::Compose => "the compose file",
            Kind::Kustomize => "the kustomization",
            Kind::Manifests => "the manifests",
            Kind::Helm => "the chart",
        };
        match path {
            "" => what.to_owned(),
            path => format!("{what} in {path}"),
        }
    }

    /// What a person is told who wrote files that cannot be deployed.
    #[must_use]
    pub fn not_rendered(&self, path: &str, error: &RenderError) -> Problem {
        Problem::new(
            "NotRendered",
            format!(
                "{} cannot be deployed: {error}. Correct it and push again; `catalyst render` shows the \
                 same before a push",
                self.what(path)
            ),
        )
    }

    /// What the configuration says and these files decide instead.
    fn unused(&self) -> Vec<Warning> {
        let config = self.config;
        let kind = self.files.kind;
        let env = !matches!(kind, Kind::Compose | Kind::Helm) && !config.env.is_empty();
        [
            ("image", kind != Kind::Helm && config.image.is_some()),
            ("command", !config.command.is_empty()),
            ("args", !config.args.is_empty()),
            ("workingDir", config.working_dir.is_some()),
            ("ports", !config.ports.is_empty()),
            ("env", env),
            ("resources", config.resources.is_some()),
            ("initContainers", !config.init_containers.is_empty()),
            ("services", !config.services.is_empty()),
            ("volumes", !config.volumes.is_empty()),
            ("seed", config.seed.is_some()),
        ]
        .into_iter()
        .filter(|(_, is_set)| *is_set)
        .map(|(field, _)| {
            Warning::new(
                format!("config.{field}"),
                "has no effect here: the repository's files say it",
            )
        })
        .collect()
    }

    fn options(&self, source: &Source, commit: &CommitSha) -> compose::Options {
        let none = Map::new();
        let values = self.files.values.unwrap_or(&none);
        let texts = |key: &str| {
            values
                .get(key)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(ToOwned::to_owned)
        };
        let mut variables = self.told();
        variables.insert("COMMIT_SHA".to_owned(), commit.to_string());
        let own = self.config.env.iter();
        variables.extend(
            own.filter_map(|variable| Some((variable.name.clone(), variable.value.clone()?))),
        );
        compose::Options {
            variables,
            env: self.config.env.clone(),
            secrets: self
                .secrets
                .map(|held| held.names.clone())
                .unwrap_or_default(),
            files: texts("files").collect(),
            profiles: texts("profiles").collect(),
            replicas: values
                .get("services")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .filter_map(|(name, service)| Some((name.clone(), service["replicas"].as_i64()?)))
                .collect(),
            source_ref: Some(source.name.clone()),
            images: image_names(
                self.target,
                commit.to_string(),
                self.settings.builds.as_ref(),
            ),
        }
    }

    /// What containers are told, whatever the commit.
    fn told(&self) -> BTreeMap<String, String> {
        [("PREVIEW_URL".to_owned(), self.target.url.clone())].into()
    }

    fn dress(&self, source: &Source, commit: &CommitSha, built: Vec<String>) -> Dress {
        let mount = VolumeMount {
            name: compose::CODE.to_owned(),
            mount_path: CODE_PATH.to_owned(),
            ..VolumeMount::default()
        };
        let mut all = self.target.labels();
        all.insert(
            labels::COMPONENT.to_owned(),
            catalyst_model::names::label_value(&source.name),
        );
        let mut annotations = BTreeMap::from([(labels::OWNER.to_owned(), self.target.owner())]);
        annotations.extend(
            self.retry
                .map(|retry| (labels::RETRY.to_owned(), retry.to_owned())),
        );
        annotations.extend(
            self.secrets
                .map(|held| (labels::SECRETS.to_owned(), held.version.clone())),
        );
        let mut env = self.told();
        env.extend(
            source
                .pull_request
                .map(|number| ("PR_NUMBER".to_owned(), number.to_string())),
        );
        if self.files.kind == Kind::Compose {
            // Vite refuses hosts that it was not told of; this is its way for hosting services.
            env.insert(
                "__VITE_ADDITIONAL_SERVER_ALLOWED_HOSTS".to_owned(),
                self.target.host.clone(),
            );
        }
        Dress {
            namespace: Some(self.target.namespace.clone()),
            labels: all,
            annotations,
            commit_labels: [(labels::COMMIT.to_owned(), commit.to_string())].into(),
            commit_env: [("COMMIT_SHA".to_owned(), commit.to_string())].into(),
            env,
            secrets: Some(SECRETS.to_owned()),
            built,
            images: self.settings.images.clone(),
            // Only what was translated here mounts the checkout: names of volumes in manifests are
            // their writers', who must not reach what the checkout's container is given.
            checkout: (self.files.kind == Kind::Compose).then(|| Checkout {
                container: json!(git_clone(source, &mount, self.settings)),
                volumes: volumes(source).iter().map(|volume| json!(volume)).collect(),
                account: account(source),
                labels: source
                    .installation
                    .iter()
                    .map(|_| (GIT_CLIENT.to_owned(), "true".to_owned()))
                    .collect(),
            }),
            drain: DRAIN,
            user_namespaces: self.settings.user_namespaces,
            version_annotation: labels::TEMPLATE.to_owned(),
            content_annotation: labels::CONTENT.to_owned(),
        }
    }
}

/// Puts the images of an object's pods in the place of those of other names.
fn put_images(object: &mut Value, images: &BTreeMap<String, String>) {
    let Some(pod) = object.pointer_mut("/spec/template/spec") else {
        return;
    };
    for list in ["initContainers", "containers"] {
        for container in pod[list].as_array_mut().into_iter().flatten() {
            let other = container["image"]
                .as_str()
                .and_then(|image| images.get(image));
            if let Some(other) = other {
                container["image"] = json!(other);
            }
        }
    }
}

impl Desired {
    /// What a condition says: what was made, and what was not taken over.
    #[must_use]
    pub fn message(&self) -> String {
        let mut text = self.words.clone();
        if !self.warnings.is_empty() {
            let shown: Vec<_> = self
                .warnings
                .iter()
                .take(MAX_WARNINGS)
                .map(ToString::to_string)
                .collect();
            text.push_str(&format!(
                ". Not taken over as it stands: {}",
                shown.join("; ")
            ));
            if self.warnings.len() > shown.len() {
                text.push_str(&format!(
                    "; and {} more (catalyst render shows all)",
                    self.warnings.len() - shown.len()
                ));
            }
        }
        text.chars().take(8000).collect()
    }
}

#[cfg(test)]
mod tests;
