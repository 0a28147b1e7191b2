//! A compose file as Kubernetes objects.
//!
//! Each service becomes a Deployment (a Job where it is to end) and a Service of its name; named
//! volumes become claims, files that are mounted become ConfigMaps, folders of the repository the
//! checkout. Whatever has no counterpart becomes a [`Warning`] that names the service and the key.
//! What reaches for the node (privileges, its network, its files) is translated as it stands and
//! left to the validator, which refuses it with words.

mod health;
mod interpolate;
mod load;
mod ports;
mod route;
mod secrets;
mod service;
mod units;
mod volumes;

pub(crate) use ports::is_no_web_port;
pub use volumes::CODE;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use k8s_openapi::api::core::v1::EnvVar;
use serde_json::{Map, Value, json};

use crate::Folder;
use crate::rendered::{ImageNames, RenderError, Rendered, Warning, dns_name};

/// Names the compose service that an object was made for.
pub const SERVICE_LABEL: &str = "catalyst.dev/compose-service";
/// Annotation on a workload: what has to be up before it is started, as `db=ready,migrate=complete`.
pub const AFTER: &str = "catalyst.dev/after";
/// Annotation on a Job whose name is to change with what it runs.
pub const ONCE: &str = "catalyst.dev/once";
/// The label of a compose service that says the URL reaches it: `true`, or its port.
pub const URL_LABEL: &str = "catalyst.dev/url";

/// What is not in the compose file and changes what becomes of it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Variables for `${NAME}` that count before those of `.env`.
    pub variables: BTreeMap<String, String>,
    /// Environment variables of every container, which count before the service's own.
    pub env: Vec<EnvVar>,
    /// Names of the preview's secrets, which `${NAME}` may stand for too; their values are read by
    /// the containers alone.
    pub secrets: BTreeSet<String>,
    /// Further files to be merged, relative to the first one's folder.
    pub files: Vec<String>,
    /// Profiles that are asked for; `*` for all.
    pub profiles: BTreeSet<String>,
    /// Replicas by service.
    pub replicas: BTreeMap<String, i64>,
    /// The source that holds the file.
    pub source_ref: Option<String>,
    /// What built images are called.
    pub images: ImageNames,
}

fn err(subject: &str, error: impl Display) -> RenderError {
    RenderError::new(subject, error.to_string())
}

/// Everything that translating one service needs to know of the others.
struct Context<'a> {
    folder: &'a Folder,
    options: &'a Options,
    project: &'a load::Project,
    /// Services that are to end, because others wait for that.
    ending: BTreeSet<String>,
    objects: Vec<Value>,
    warnings: Vec<Warning>,
    builds: Vec<crate::rendered::BuildSpec>,
    /// Claims and how many services mount them.
    claims: BTreeMap<String, usize>,
    routes: Vec<route::Candidate>,
}

impl Context<'_> {
    fn warn(&mut self, subject: impl Into<String>, message: impl Into<String>) {
        self.warnings.push(Warning::new(subject, message));
    }
}

/// Translates the compose file at `path`, a file or a folder.
///
/// # Errors
/// If a file cannot be read, a required variable is missing, a service has neither an image nor a
/// build, or a value cannot be understood.
pub fn render(folder: &Folder, path: &str, options: &Options) -> Result<Rendered, RenderError> {
    let mut rendered =
        translate(folder, path, options).map_err(|error| secrets::plain_error(&error))?;
    for warning in &mut rendered.warnings {
        warning.message = secrets::plain(&warning.message);
    }
    Ok(rendered)
}

fn translate(folder: &Folder, path: &str, options: &Options) -> Result<Rendered, RenderError> {
    let mut project = load::load(folder, path, options)?;
    let warnings = std::mem::take(&mut project.warnings);
    names(&project)?;
    let ending = project
        .services
        .values()
        .filter_map(|service| service.get("depends_on")?.as_object())
        .flatten()
        .filter(|(_, how)| how["condition"] == "service_completed_successfully")
        .map(|(name, _)| name.clone())
        .collect();
    let mut context = Context {
        folder,
        options,
        project: &project,
        ending,
        objects: Vec::new(),
        warnings,
        builds: Vec::new(),
        claims: BTreeMap::new(),
        routes: Vec::new(),
    };
    let mut workloads = Vec::new();
    for (name, service) in &project.services {
        workloads.extend(service::translate(&mut context, name, service)?);
    }
    volumes::claims(&mut context);
    networks(&mut context);
    let route = route::choose(&mut context);
    if let Some(route) = &route {
        probe_route(&mut workloads, route);
    }
    let Context {
        mut objects,
        mut warnings,
        mut builds,
        ..
    } = context;
    objects.extend(workloads);
    secrets::check(&objects, &mut builds, &mut warnings)?;
    warnings.sort();
    warnings.dedup();
    Ok(Rendered {
        objects,
        warnings,
        builds,
        route,
    })
}

/// Two services must not become one object.
fn names(project: &load::Project) -> Result<(), RenderError> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for name in project.services.keys() {
        let plain = dns_name(name, 63);
        if plain.is_empty() {
            return Err(RenderError::new(
                format!("service {name}"),
                "its name has no letter or digit",
            ));
        }
        if let Some(other) = seen.insert(plain.clone(), name) {
            return Err(RenderError::new(
                format!("service {name}"),
                format!(
                    "would be called {plain:?} in Kubernetes, like the service {other:?}; rename one of them"
                ),
            ));
        }
    }
    Ok(())
}

/// Networks separate services in Docker; a preview's namespace is one network.
fn networks(context: &mut Context) {
    let used: BTreeSet<&str> = context
        .project
        .services
        .values()
        .filter_map(|service| service.get("networks")?.as_object())
        .flat_map(Map::keys)
        .map(String::as_str)
        .collect();
    let mut said = Vec::new();
    if used.len() > 1 {
        said.push(Warning::new(
            "networks",
            format!(
                "{} are one network here: all services of a preview reach each other",
                used.into_iter().collect::<Vec<_>>().join(", ")
            ),
        ));
    }
    for (name, network) in &context.project.networks {
        if network["external"] == true || network["external"].is_object() {
            said.push(Warning::new(
                format!("network {name}"),
                "is external; a preview reaches only its own services",
            ));
        }
        if network["internal"] == true {
            said.push(Warning::new(
                format!("network {name}: internal"),
                "has no effect: what a preview may reach is set for the whole preview",
            ));
        }
        for key in network.as_object().into_iter().flat_map(Map::keys) {
            if !matches!(
                key.as_str(),
                "external" | "internal" | "name" | "driver" | "labels" | "attachable"
            ) && !key.starts_with("x-")
            {
                said.push(Warning::new(
                    format!("network {name}: {key}"),
                    "has no effect in Kubernetes",
                ));
            }
        }
    }
    context.warnings.extend(said);
}

/// What the URL reaches is ready once it listens, unless the service checks itself.
fn probe_route(workloads: &mut [Value], route: &crate::rendered::Route) {
    for path in &route.paths {
        for workload in workloads.iter_mut() {
            if workload["kind"] == "Deployment"
                && workload["metadata"]["name"] == path.service.as_str()
            {
                let container = &mut workload["spec"]["template"]["spec"]["containers"][0];
                if container.get("readinessProbe").is_none() {
                    container["readinessProbe"] = listening(path.port);
                }
            }
        }
    }
}

fn listening(port: u16) -> Value {
    json!({ "tcpSocket": { "port": port }, "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 3 })
}
