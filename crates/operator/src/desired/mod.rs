//! The objects that an Environment's namespace should hold, as pure functions.
//!
//! Nothing here asks the cluster or the clock; two calls with the same arguments give the same
//! objects, which is what makes comparing and repairing them possible.

pub mod build;
pub mod chart;
pub mod config;
pub mod filling;
pub mod inspect;
pub mod kept;
pub mod namespace;
mod pod;
pub mod policy;
pub mod quota;
pub mod record;
pub mod registry;
pub mod rendered;
pub mod routing;
pub mod services;
pub mod source;
pub mod target;
pub mod validate;
pub mod workload;

pub use source::{Reference, Source};
pub use target::Target;
pub use workload::Workload;

use k8s_openapi::api::core::v1::EnvVar;
use sha2::{Digest, Sha256};

/// Something that only a person can put right, as it is said in a condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// The condition's reason: one CamelCase word.
    pub reason: &'static str,
    /// A sentence that says what to do.
    pub message: String,
}

impl Problem {
    /// A problem with its sentence.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// A plain environment variable.
fn variable(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.into()),
        value_from: None,
    }
}

/// A short, stable digest of something that can be written as JSON: the first ten hexadecimal
/// digits of its SHA-256. For telling versions apart.
#[must_use]
pub fn digest(value: &impl serde::Serialize) -> String {
    // Maps are ordered in everything that is digested, so the text is the same each time.
    let text = serde_json::to_vec(value).unwrap_or_default();
    hex::encode(&Sha256::digest(text)[..5])
}

#[cfg(test)]
pub(crate) mod tests;
