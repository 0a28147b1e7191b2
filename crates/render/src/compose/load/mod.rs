//! A compose file with all that it includes and extends, as one set of services.
//!
//! Every file is read through the folder, so nothing outside the checkout can be named; relative
//! paths become relative to the checkout's root as soon as a file is read.

mod merge;
mod normalize;
mod rebase;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::interpolate::{Variables, dotenv, interpolate};
use super::{Options, err};
use crate::detect::COMPOSE_FILES;
use crate::folder::{Folder, join, name, parent};
use crate::rendered::{RenderError, Warning};
use crate::yaml;
use merge::{merge, strip_tags};
use normalize::{normalize, section};
pub(super) use rebase::OUTSIDE;
use rebase::{rebase_key, rebase_service};

/// Files that one compose file may bring in.
const MAX_FILES: usize = 50;

/// Services in all.
const MAX_SERVICES: usize = 100;

/// Services that one service may extend in turn.
const MAX_EXTENDS: usize = 16;

const SECTIONS: [&str; 4] = ["volumes", "networks", "configs", "secrets"];

/// All files together.
#[derive(Debug, Default)]
pub(super) struct Project {
    pub services: BTreeMap<String, Map<String, Value>>,
    pub volumes: Map<String, Value>,
    pub networks: Map<String, Value>,
    pub configs: Map<String, Value>,
    pub secrets: Map<String, Value>,
    /// Everything that may be used in a value.
    pub variables: Variables,
    pub warnings: Vec<Warning>,
}

impl Project {
    fn section(&mut self, name: &str) -> &mut Map<String, Value> {
        match name {
            "volumes" => &mut self.volumes,
            "networks" => &mut self.networks,
            "configs" => &mut self.configs,
            _ => &mut self.secrets,
        }
    }
}

/// The compose file that a template's path means: a file, or one of the usual names in a folder.
pub(super) fn find(folder: &Folder, path: &str) -> Result<String, RenderError> {
    let path = join("", path).map_err(|error| err(path, error))?;
    if folder.has(&path) {
        return Ok(path);
    }
    if folder.is_directory(&path) {
        if let Some(file) = COMPOSE_FILES
            .iter()
            .find_map(|file| folder.find(&path, file))
        {
            return join(&path, file).map_err(|error| err(file, error));
        }
        let place = if path.is_empty() { "the root" } else { &path };
        return Err(RenderError::new(
            "compose",
            format!(
                "{place} of the repository holds none of {}; name the file in the template's path",
                COMPOSE_FILES.join(", ")
            ),
        ));
    }
    Err(RenderError::new(
        "compose",
        format!("there is no file or folder {path:?} in the repository"),
    ))
}

pub(super) fn load(folder: &Folder, path: &str, options: &Options) -> Result<Project, RenderError> {
    let file = find(folder, path)?;
    let base = parent(&file).to_owned();
    let mut loader = Loader {
        folder,
        files: 0,
        missing: BTreeSet::new(),
        project: Project::default(),
    };
    let mut variables = options.variables.clone();
    super::secrets::mark(&mut variables, &options.secrets);
    let env = join(&base, ".env").map_err(|error| err(&file, error))?;
    if let Some(text) = folder.get(&env) {
        for (name, value) in dotenv(text, &options.variables) {
            variables.entry(name).or_insert(value);
        }
    }
    let mut document = loader.document(&file, &base, &variables)?;
    for over in &options.files {
        let over = join(&base, over).map_err(|error| err(over, error))?;
        let next = loader.document(&over, &base, &variables)?;
        merge(&mut document, next, "");
    }
    if options.files.is_empty()
        && let Some(over) = folder.files(&base).find(|file| is_override(file))
    {
        loader.warn(
            over,
            "is not merged; name it in the template's values.files if it should be".to_owned(),
        );
    }
    strip_tags(&mut document);
    loader.take(document, &file, &base, &variables, 0)?;
    let mut project = loader.project;
    let asked: BTreeSet<String> = variables
        .get("COMPOSE_PROFILES")
        .map(|all| all.split(',').map(|name| name.trim().to_owned()).collect())
        .unwrap_or_default();
    select(&mut project, &asked, &options.profiles);
    if !loader.missing.is_empty() {
        let names: Vec<_> = loader.missing.iter().map(String::as_str).collect();
        project.warnings.push(Warning::new(
            name(&file),
            format!("not set, and empty here: {} (set them in the template's config.env or in a .env file, or make them secrets of the project)", names.join(", ")),
        ));
    }
    if project.services.is_empty() {
        return Err(RenderError::new(
            file,
            "there are no services in it, or none without a profile",
        ));
    }
    project.variables = variables;
    Ok(project)
}

fn is_override(file: &str) -> bool {
    let file = file.to_ascii_lowercase();
    file.contains("compose.override.") && (file.ends_with(".yml") || file.ends_with(".yaml"))
}

struct Loader<'a> {
    folder: &'a Folder,
    files: usize,
    missing: BTreeSet<String>,
    project: Project,
}

impl Loader<'_> {
    fn warn(&mut self, subject: &str, message: String) {
        self.project.warnings.push(Warning::new(subject, message));
    }

    /// One file, its variables put in and its paths made the checkout's.
    fn document(
        &mut self,
        file: &str,
        base: &str,
        variables: &Variables,
    ) -> Result<Map<String, Value>, RenderError> {
        self.files += 1;
        if self.files > MAX_FILES {
            return Err(RenderError::new(
                file,
                format!("more than {MAX_FILES} compose files belong together"),
            ));
        }
        let text = self.folder.text(file).map_err(|error| err(file, error))?;
        let mut value = yaml::document(text).map_err(|error| err(file, error))?;
        interpolate(&mut value, variables, &mut self.missing).map_err(|error| err(file, error))?;
        let Value::Object(mut document) = value else {
            return Err(RenderError::new(
                file,
                "it is no compose file: services: is missing",
            ));
        };
        if document.get("services").is_none_or(Value::is_null) && !document.contains_key("include")
        {
            // The first form of the files had services at the top.
            let old = document
                .values()
                .all(|value| value.get("image").is_some() || value.get("build").is_some());
            if old && !document.is_empty() {
                document = Map::from_iter([("services".to_owned(), Value::Object(document))]);
            } else {
                return Err(RenderError::new(
                    file,
                    "it is no compose file: services: is missing",
                ));
            }
        }
        for key in document.keys() {
            let known = matches!(
                key.as_str(),
                "services"
                    | "volumes"
                    | "networks"
                    | "configs"
                    | "secrets"
                    | "include"
                    | "version"
                    | "name"
            );
            if !known && !key.starts_with("x-") {
                let warning = Warning::new(file, format!("{key:?} is not translated"));
                self.project.warnings.push(warning);
            }
        }
        for (service, value) in section(&mut document, "services", file)? {
            let Value::Object(service_map) = value else {
                return Err(RenderError::new(
                    format!("service {service}"),
                    "it is no map",
                ));
            };
            normalize(service_map);
            rebase_service(service_map, base);
        }
        for kind in ["configs", "secrets"] {
            for value in section(&mut document, kind, file)?.values_mut() {
                rebase_key(value, "file", base);
            }
        }
        Ok(document)
    }

    /// Adds what a document holds to the project.
    fn take(
        &mut self,
        mut document: Map<String, Value>,
        file: &str,
        base: &str,
        variables: &Variables,
        depth: usize,
    ) -> Result<(), RenderError> {
        if depth > 8 {
            return Err(RenderError::new(
                file,
                "it is included too deeply, or by itself",
            ));
        }
        let includes = match document.remove("include") {
            Some(Value::Array(list)) => list,
            None | Some(Value::Null) => Vec::new(),
            Some(_) => return Err(RenderError::new(file, "include: is no list")),
        };
        for include in includes {
            self.include(include, file, base, variables, depth)?;
        }
        let services: Map<String, Value> =
            std::mem::take(section(&mut document, "services", file)?);
        for name in services.keys() {
            let mut trail = Vec::new();
            let service = self.extended(&services, name, file, variables, &mut trail)?;
            if self
                .project
                .services
                .insert(name.clone(), service)
                .is_some()
            {
                return Err(RenderError::new(
                    file,
                    format!("the service {name:?} is defined in another included file too"),
                ));
            }
        }
        if self.project.services.len() > MAX_SERVICES {
            return Err(RenderError::new(
                file,
                format!("there are more than {MAX_SERVICES} services"),
            ));
        }
        for kind in SECTIONS {
            let all = std::mem::take(section(&mut document, kind, file)?);
            self.project.section(kind).extend(all);
        }
        Ok(())
    }

    fn include(
        &mut self,
        include: Value,
        file: &str,
        base: &str,
        variables: &Variables,
        depth: usize,
    ) -> Result<(), RenderError> {
        let paths: Vec<String> = match include.get("path").unwrap_or(&include) {
            Value::String(path) => vec![path.clone()],
            Value::Array(list) => list
                .iter()
                .filter_map(|path| path.as_str().map(ToOwned::to_owned))
                .collect(),
            _ => return Err(RenderError::new(file, "an include names no path")),
        };
        let mut document: Option<Map<String, Value>> = None;
        let mut first = String::new();
        let mut home = String::new();
        let mut own = variables.clone();
        for path in &paths {
            if path.contains("://") {
                return Err(RenderError::new(
                    file,
                    format!("include of {path:?}: only files of this repository can be included"),
                ));
            }
            let path = join(base, path).map_err(|error| err(file, error))?;
            let path = find(self.folder, &path).map_err(|_| {
                RenderError::new(
                    file,
                    format!("the included file {path:?} is not in the repository"),
                )
            })?;
            if document.is_none() {
                home = match include.get("project_directory").and_then(Value::as_str) {
                    Some(directory) => join(base, directory).map_err(|error| err(file, error))?,
                    None => parent(&path).to_owned(),
                };
                let env_files = match include.get("env_file") {
                    Some(Value::String(path)) => vec![path.clone()],
                    Some(Value::Array(list)) => list
                        .iter()
                        .filter_map(|path| path.as_str().map(ToOwned::to_owned))
                        .collect(),
                    _ => Vec::new(),
                };
                let env_files = if env_files.is_empty() {
                    vec![join(&home, ".env").map_err(|error| err(file, error))?]
                } else {
                    env_files
                        .iter()
                        .map(|env| join(base, env))
                        .collect::<Result<_, _>>()
                        .map_err(|error| err(file, error))?
                };
                for env in env_files {
                    if let Some(text) = self.folder.get(&env) {
                        for (name, value) in dotenv(text, variables) {
                            own.entry(name).or_insert(value);
                        }
                    }
                }
                first.clone_from(&path);
            }
            let next = self.document(&path, &home, &own)?;
            match &mut document {
                None => document = Some(next),
                Some(document) => merge(document, next, ""),
            }
        }
        let Some(mut document) = document else {
            return Ok(());
        };
        strip_tags(&mut document);
        self.take(document, &first, &home, &own, depth + 1)
    }

    /// A service over the one that it extends.
    fn extended(
        &mut self,
        services: &Map<String, Value>,
        name: &str,
        file: &str,
        variables: &Variables,
        trail: &mut Vec<(String, String)>,
    ) -> Result<Map<String, Value>, RenderError> {
        let subject = format!("service {name}");
        let here = (file.to_owned(), name.to_owned());
        if trail.len() >= MAX_EXTENDS || trail.contains(&here) {
            return Err(RenderError::new(subject, "it extends itself"));
        }
        trail.push(here);
        let Some(Value::Object(service)) = services.get(name) else {
            return Err(RenderError::new(
                subject,
                format!("{file} has no such service to extend"),
            ));
        };
        let mut service = service.clone();
        let (parent_name, from) = match service.remove("extends") {
            None | Some(Value::Null) => return Ok(service),
            Some(Value::String(name)) => (name, None),
            Some(Value::Object(map)) => (
                map.get("service")
                    .and_then(Value::as_str)
                    .unwrap_or(name)
                    .to_owned(),
                map.get("file")
                    .and_then(Value::as_str)
                    .map(ToOwned::to_owned),
            ),
            Some(_) => return Err(RenderError::new(subject, "extends: names no service")),
        };
        let mut base = match from {
            None => self.extended(services, &parent_name, file, variables, trail)?,
            Some(from) => {
                if let Some(path) = from.strip_prefix(OUTSIDE) {
                    return Err(RenderError::new(
                        subject,
                        format!("extends {path:?}, which leads out of the repository"),
                    ));
                }
                let home = parent(&from).to_owned();
                let mut other = self.document(&from, &home, variables).map_err(|error| {
                    RenderError::new(
                        subject.clone(),
                        format!("extends {from}: {}", error.message),
                    )
                })?;
                strip_tags(&mut other);
                let others = std::mem::take(section(&mut other, "services", &from)?);
                self.extended(&others, &parent_name, &from, variables, trail)?
            }
        };
        // What names other services is not inherited.
        for key in ["depends_on", "volumes_from", "links"] {
            base.remove(key);
        }
        merge(&mut base, service, "service");
        strip_tags(&mut base);
        Ok(base)
    }
}

/// A text, number or flag as text.
pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Leaves out services whose profiles nobody asked for.
fn select(project: &mut Project, by_variable: &BTreeSet<String>, asked: &BTreeSet<String>) {
    let mut out = BTreeMap::new();
    project.services.retain(|name, service| {
        let profiles: Vec<String> = service
            .get("profiles")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(scalar)
            .collect();
        let wanted = profiles.is_empty()
            || asked.contains("*")
            || profiles
                .iter()
                .any(|profile| asked.contains(profile) || by_variable.contains(profile));
        if !wanted {
            out.insert(name.clone(), profiles);
        }
        wanted
    });
    for (name, profiles) in &out {
        project.warnings.push(Warning::new(
            format!("service {name}"),
            format!("is left out: none of its profiles is asked for ({}); name one in the template's values.profiles", profiles.join(", ")),
        ));
    }
    for (name, service) in &mut project.services {
        let Some(Value::Object(depends)) = service.get_mut("depends_on") else {
            continue;
        };
        depends.retain(|other, how| {
            let gone = out.contains_key(other);
            if gone && how["required"] != false {
                project.warnings.push(Warning::new(
                    format!("service {name}: depends_on"),
                    format!("{other} is left out with its profile"),
                ));
            }
            !gone
        });
    }
}
