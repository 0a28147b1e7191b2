//! A kustomization, built from the checkout alone.
//!
//! Bases, components, generators, patches and the plain transformers are done as `kustomize build`
//! does them. What would run a program or fetch something (remote bases, charts, plugins), and what
//! reads values out of other objects, is refused with words.

mod generate;
mod patch;
mod transform;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::Folder;
use crate::folder::{join, parent};
use crate::rendered::{RenderError, Rendered, Warning};
use crate::yaml;

/// The names of a kustomization's file.
pub const FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Kustomizations inside kustomizations.
const MAX_DEPTH: usize = 20;
/// Kustomizations in all, one that is used twice counted twice.
const MAX_BUILDS: usize = 200;
/// Objects in all.
const MAX_OBJECTS: usize = 1000;

/// Fields that are done, or that change nothing here.
const FIELDS: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "resources",
    "bases",
    "components",
    "namePrefix",
    "nameSuffix",
    "namespace",
    "commonLabels",
    "labels",
    "commonAnnotations",
    "images",
    "replicas",
    "configMapGenerator",
    "secretGenerator",
    "generatorOptions",
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "sortOptions",
    "buildMetadata",
    "configurations",
];

/// An object on its way, with the names that it had.
#[derive(Debug, Clone)]
struct Resource {
    object: Value,
    /// Earlier names, the oldest first.
    names: Vec<String>,
    /// Whether its name ends with a digest of its content.
    hashed: bool,
}

impl Resource {
    fn kind(&self) -> &str {
        self.object["kind"].as_str().unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }

    fn rename(&mut self, name: String) {
        if self.name() != name {
            let old = self.name().to_owned();
            self.names.push(old);
            self.object["metadata"]["name"] = name.into();
        }
    }

    /// Whether it has or had this name.
    fn is_called(&self, name: &str) -> bool {
        self.name() == name || self.names.iter().any(|known| known == name)
    }
}

/// Builds the kustomization in a folder; `path` may name its file.
///
/// # Errors
/// If a file is missing or cannot be read, or asks for something that is not done here.
pub fn render(folder: &Folder, path: &str) -> Result<Rendered, RenderError> {
    let mut path = join("", path).map_err(|error| RenderError::new(path, error.to_string()))?;
    if folder.has(&path) {
        path = parent(&path).to_owned();
    }
    let mut builder = Builder {
        folder,
        builds: 0,
        warnings: Vec::new(),
    };
    let mut resources = builder.build(&path, Vec::new(), 0)?;
    for resource in &mut resources {
        if resource.hashed {
            let name = format!("{}-{}", resource.name(), generate::hash(&resource.object));
            resource.rename(name);
        }
    }
    transform::references(&mut resources);
    if resources.is_empty() {
        return Err(RenderError::new("kustomization", "it has no resources"));
    }
    Ok(Rendered {
        objects: resources
            .into_iter()
            .map(|resource| resource.object)
            .collect(),
        warnings: builder.warnings,
        ..Rendered::default()
    })
}

struct Builder<'a> {
    folder: &'a Folder,
    builds: usize,
    warnings: Vec<Warning>,
}

impl Builder<'_> {
    /// Builds the kustomization in `at` on top of what a component finds.
    fn build(
        &mut self,
        at: &str,
        below: Vec<Resource>,
        depth: usize,
    ) -> Result<Vec<Resource>, RenderError> {
        let shown = if at.is_empty() { "the root" } else { at };
        self.builds += 1;
        if depth > MAX_DEPTH || self.builds > MAX_BUILDS {
            return Err(RenderError::new(
                shown,
                "kustomizations use each other without end",
            ));
        }
        let file = FILES
            .iter()
            .filter_map(|name| join(at, name).ok())
            .find(|file| self.folder.has(file))
            .ok_or_else(|| {
                RenderError::new(shown, format!("it holds none of {}", FILES.join(", ")))
            })?;
        let failed = |message: String| RenderError::new(file.as_str(), message);
        let text = self
            .folder
            .text(&file)
            .map_err(|error| failed(error.to_string()))?;
        let Value::Object(map) = yaml::document(text).map_err(|error| failed(error.to_string()))?
        else {
            return Err(failed("it is no kustomization".to_owned()));
        };
        self.fields(&file, &map)?;

        let mut resources = below;
        let mut own: Vec<Resource> = Vec::new();
        for entry in list(&map, "resources")
            .into_iter()
            .chain(list(&map, "bases"))
        {
            own.extend(self.resource(&file, at, &entry, depth)?);
        }
        for resource in own {
            let taken = resources.iter().any(|known| {
                known.kind() == resource.kind()
                    && known.name() == resource.name()
                    && known.object["metadata"]["namespace"]
                        == resource.object["metadata"]["namespace"]
            });
            if taken {
                return Err(failed(format!(
                    "{} {} is defined twice",
                    resource.kind(),
                    resource.name()
                )));
            }
            resources.push(resource);
        }
        for entry in list(&map, "components") {
            let path = text_of(&entry)
                .ok_or_else(|| failed("components: holds something that is no path".to_owned()))?;
            let path = self.inside(&file, at, &path)?;
            resources = self.build(&path, resources, depth + 1)?;
        }
        if resources.len() > MAX_OBJECTS {
            return Err(failed(format!("it has more than {MAX_OBJECTS} objects")));
        }
        generate::all(self.folder, &file, at, &map, &mut resources)?;
        patch::all(self.folder, &file, at, &map, &mut resources)?;
        transform::all(&file, &map, &mut resources)?;
        transform::references(&mut resources);
        Ok(resources)
    }

    /// Fields that are not done.
    fn fields(&mut self, file: &str, map: &Map<String, Value>) -> Result<(), RenderError> {
        for (key, value) in map {
            if FIELDS.contains(&key.as_str()) {
                if matches!(key.as_str(), "configurations")
                    && !value.as_array().is_none_or(Vec::is_empty)
                {
                    self.warnings.push(Warning::new(
                        file,
                        "configurations: is not read; the built-in rules are used",
                    ));
                }
                continue;
            }
            let why = match key.as_str() {
                "helmCharts" | "helmChartInflationGenerator" | "helmGlobals" => {
                    "is not built here; use a template of type helm for a chart"
                }
                "generators" | "transformers" | "validators" => {
                    "would run plugins; only what kustomize itself does is built"
                }
                "vars" => {
                    "is not done here, and deprecated; write the value where it is used, or generate a ConfigMap"
                }
                "replacements" => "is not done here; write the value where it is used, or patch it",
                "crds" | "openapi" => {
                    "is not read here; patches of custom kinds replace whole lists"
                }
                _ => "is no field of a kustomization",
            };
            if matches!(key.as_str(), "crds" | "openapi") {
                self.warnings
                    .push(Warning::new(file, format!("{key}: {why}")));
            } else if !value.as_array().is_some_and(Vec::is_empty) {
                return Err(RenderError::new(file, format!("{key}: {why}")));
            }
        }
        Ok(())
    }

    fn inside(&self, file: &str, at: &str, path: &str) -> Result<String, RenderError> {
        if is_remote(path) {
            return Err(RenderError::new(
                file,
                format!(
                    "{path:?} is outside this repository; copy it in, nothing is fetched while a preview is made"
                ),
            ));
        }
        join(at, path).map_err(|error| RenderError::new(file, error.to_string()))
    }

    fn resource(
        &mut self,
        file: &str,
        at: &str,
        entry: &Value,
        depth: usize,
    ) -> Result<Vec<Resource>, RenderError> {
        let failed = |message: String| RenderError::new(file, message);
        let path = text_of(entry)
            .ok_or_else(|| failed("resources: holds something that is no path".to_owned()))?;
        // A text of several lines is an object itself.
        let text = if path.contains('\n') {
            path.clone()
        } else {
            let path = self.inside(file, at, &path)?;
            if self.folder.is_directory(&path) && !self.folder.has(&path) {
                if path == at || at.starts_with(&format!("{path}/")) || path.is_empty() {
                    let has = FILES
                        .iter()
                        .filter_map(|name| join(&path, name).ok())
                        .any(|file| self.folder.has(&file));
                    if path == at || !has {
                        return Err(failed(format!(
                            "{path:?} would contain this kustomization itself"
                        )));
                    }
                }
                return self.build(&path, Vec::new(), depth + 1);
            }
            self.folder
                .text(&path)
                .map_err(|error| failed(error.to_string()))?
                .to_owned()
        };
        let mut all = Vec::new();
        for object in yaml::documents(&text).map_err(|error| failed(format!("{path}: {error}")))? {
            if object.is_null() {
                continue;
            }
            let items = match object["items"].as_array() {
                Some(items)
                    if object["kind"]
                        .as_str()
                        .is_some_and(|kind| kind.ends_with("List")) =>
                {
                    items.clone()
                }
                _ => vec![object],
            };
            for object in items {
                if !object["kind"].is_string() || !object["metadata"]["name"].is_string() {
                    return Err(failed(format!(
                        "{path} holds an object without kind or metadata.name"
                    )));
                }
                all.push(Resource {
                    object,
                    names: Vec::new(),
                    hashed: false,
                });
            }
        }
        Ok(all)
    }
}

fn is_remote(path: &str) -> bool {
    path.contains("://")
        || path.contains("?ref=")
        || path.starts_with("git@")
        || path.starts_with("git::")
        || path.starts_with("github.com")
        || path.starts_with("gitlab.com")
        || path.starts_with("bitbucket.org")
        || path.contains(".git//")
}

fn list(map: &Map<String, Value>, key: &str) -> Vec<Value> {
    map.get(key)
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default()
}

fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}

/// The kinds of the resources, for messages.
fn known(resources: &[Resource]) -> String {
    let all: BTreeSet<String> = resources
        .iter()
        .map(|resource| format!("{} {}", resource.kind(), resource.name()))
        .collect();
    all.into_iter().take(10).collect::<Vec<_>>().join(", ")
}
