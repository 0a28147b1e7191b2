//! Environment and Project: the custom resources that are the only contract between the web side
//! and the operator. Group `catalyst.catalyst.dev`, version `v1alpha1`.
//!
//! The CRD YAML that the chart installs is generated from here by [`custom_resource_definitions`].

pub mod conditions;
pub mod config;
pub mod environment;
pub mod identity;
pub mod labels;
pub mod preset;
pub mod project;

pub use conditions::{ConditionType, set_condition};
pub use config::EnvironmentConfig;
pub use environment::{Alternative, Environment, EnvironmentSpec, EnvironmentStatus};
pub use preset::Preset;
pub use project::{Project, ProjectSpec, ProjectStatus};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// The API group of both kinds.
pub const GROUP: &str = "catalyst.catalyst.dev";

/// Both CustomResourceDefinitions, Project first, as they are to be applied.
#[must_use]
pub fn custom_resource_definitions() -> Vec<CustomResourceDefinition> {
    vec![Project::crd(), Environment::crd()]
}

/// The same as one YAML stream.
///
/// # Errors
/// Never in practice: it would take a schema that cannot be written as YAML.
pub fn custom_resource_definitions_yaml() -> Result<String, serde_yaml::Error> {
    let mut out = String::new();
    for crd in custom_resource_definitions() {
        out.push_str("---\n");
        out.push_str(&serde_yaml::to_string(&crd)?);
    }
    Ok(out)
}
