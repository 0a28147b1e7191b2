//! What a repository holds, as Kubernetes objects.
//!
//! Everything here is a pure function over a [`Folder`]: no cluster, no network, no clock. The
//! operator deploys what comes out, `catalyst detect` and `catalyst render` print it.
//!
//! - [`folder`]: a checkout, and the only door to it;
//! - [`bundle`]: a checkout as an inspection in the cluster reports it;
//! - [`yaml`]: strangers' YAML, read within bounds;
//! - [`detect`]: what a repository is, and how it is run from its source;
//! - [`dockerfile`]: the Dockerfile of a repository that has none;
//! - [`compose`]: a compose file;
//! - [`kustomize`], [`manifests`]: what is written for Kubernetes already;
//! - [`helm`]: a chart, as helm has rendered it;
//! - [`source`]: which of these a place in a repository holds;
//! - [`dress`]: what every object of a preview carries;
//! - [`validate`]: the one gate for everything that a user can influence;
//! - [`images`]: which images stand in for those that are named here.

pub mod bundle;
pub mod compose;
pub mod detect;
pub mod dockerfile;
pub mod dress;
pub mod folder;
pub mod helm;
pub mod images;
pub mod kustomize;
pub mod manifests;
pub mod rendered;
pub mod source;
pub mod validate;
pub mod yaml;

pub use bundle::Bundle;
pub use folder::Folder;
pub use images::{Images, InvalidImage};
pub use rendered::{BuildSpec, ImageNames, RenderError, Rendered, Route, RoutePath, Warning};
