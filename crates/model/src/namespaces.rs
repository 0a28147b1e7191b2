//! The namespaces that belong to one's teams.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::views::{EventView, PodView};

/// What a namespace is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NamespaceKind {
    /// It holds a team's Projects.
    Team,
    /// It holds a project's Environments.
    Project,
    /// It holds what a preview runs.
    Environment,
}

/// A namespace, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceView {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub kind: NamespaceKind,
    /// The team it belongs to.
    pub team: String,
    /// The project it belongs to, unless it is a team's.
    pub project: Option<String>,
    /// The preview that runs in it, where it is one's.
    pub preview: Option<String>,
}

/// A namespace, with what is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceDetail {
    /// Its name and place.
    pub namespace: NamespaceView,
    /// The name of the cluster it is in.
    pub cluster: String,
    /// `Active` or `Terminating`; none while it is not there (yet).
    pub phase: Option<String>,
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
    /// Its pods, newest first.
    pub pods: Vec<PodView>,
    /// What Kubernetes reports about its objects, newest first, at most 50.
    pub events: Vec<EventView>,
}
