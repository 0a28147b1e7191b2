//! What comes out of a translation.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// Something that was not taken over as it stands, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// What it is about: `service web: ulimits`, `Deployment web`.
    pub subject: String,
    /// What a person should know.
    pub message: String,
}

impl Warning {
    /// A warning.
    pub fn new(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.message)
    }
}

/// Why nothing can be made of what a repository holds, for the person whose repository it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{subject}: {message}")]
pub struct RenderError {
    /// The file, service or object.
    pub subject: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl RenderError {
    /// An error about something.
    pub fn new(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            message: message.into(),
        }
    }
}

/// An image that has to be built before what was rendered can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildSpec {
    /// The build's name within the project: a compose service's.
    pub name: String,
    /// The source to build from; none: the template's own.
    pub source_ref: Option<String>,
    /// The build context, relative to the source's root; empty for the root itself.
    pub path: String,
    /// The Dockerfile, relative to the source's root.
    pub dockerfile: String,
    /// A Dockerfile that the file itself holds instead.
    pub dockerfile_inline: Option<String>,
    /// The stage to build; the last one otherwise.
    pub target: Option<String>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// What the image will be called.
    pub image: String,
}

/// Which Services a preview's URL reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// By path; the order does not matter.
    pub paths: Vec<RoutePath>,
    /// Which rule chose it, in words.
    pub reason: String,
}

/// A path of a preview's URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePath {
    /// Such as `/`.
    pub path: String,
    /// Whether all paths below it belong to it too.
    pub below: bool,
    /// The Service.
    pub service: String,
    /// The Service's port.
    pub port: u16,
}

impl Route {
    /// All paths to one Service.
    #[must_use]
    pub fn all(service: &str, port: u16, reason: impl Into<String>) -> Self {
        Self {
            paths: vec![RoutePath {
                path: "/".to_owned(),
                below: true,
                service: service.to_owned(),
                port,
            }],
            reason: reason.into(),
        }
    }
}

/// Objects, and what should be known about them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rendered {
    /// The objects, in an order in which they can be applied.
    pub objects: Vec<Value>,
    /// What was not taken over as it stands.
    pub warnings: Vec<Warning>,
    /// Images to be built first.
    pub builds: Vec<BuildSpec>,
    /// Where the URL leads; none: nothing was found that answers HTTP.
    pub route: Option<Route>,
}

/// The names of images that are built for an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageNames {
    /// The registry's host and port.
    pub registry: String,
    /// The project.
    pub project: String,
    /// The environment.
    pub environment: String,
    /// The commit or branch.
    pub reference: String,
}

impl Default for ImageNames {
    fn default() -> Self {
        Self {
            registry: "registry.default.svc.cluster.local:5000".to_owned(),
            project: "project".to_owned(),
            environment: "environment".to_owned(),
            reference: "latest".to_owned(),
        }
    }
}

impl ImageNames {
    /// The image of a build.
    #[must_use]
    pub fn of(&self, build: &str) -> String {
        let tag: String = self
            .reference
            .chars()
            .map(|c| if matches!(c, '/' | ':' | ' ') { '-' } else { c })
            .collect();
        format!(
            "{}/{}/{build}-{}:{tag}",
            self.registry, self.project, self.environment
        )
    }
}

/// A name as Kubernetes takes it for objects, ports and labels: lower case letters, digits and
/// hyphens, at most `most` of them.
#[must_use]
pub fn dns_name(name: &str, most: usize) -> String {
    let mut plain = String::new();
    for c in name.chars() {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            plain.push(c);
        } else if !plain.ends_with('-') {
            plain.push('-');
        }
    }
    let plain = plain.trim_matches('-');
    if plain.len() <= most {
        return plain.to_owned();
    }
    // What is cut is told apart by a digest.
    let digest = digest(name);
    format!(
        "{}-{}",
        plain[..most - 6].trim_end_matches('-'),
        &digest[..5]
    )
}

/// A short, stable digest: ten hexadecimal digits.
#[must_use]
pub fn digest(value: &(impl serde::Serialize + ?Sized)) -> String {
    use sha2::{Digest, Sha256};
    let text = serde_json::to_vec(value).unwrap_or_default();
    hex::encode(&Sha256::digest(text)[..5])
}
