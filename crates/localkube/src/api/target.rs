//! What a path means.

use std::sync::Arc;

use crate::objects::{ApiError, Kind};

/// A path of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Path {
    /// `/healthz`, `/livez`, `/readyz`.
    Health,
    /// `/version`.
    Version,
    /// What groups, versions and kinds there are.
    Discovery(Discovery),
    /// `/openapi/v3` or one of its documents (`apis/apps/v1`).
    OpenApi(Option<String>),
    /// Objects.
    Objects(Target),
    /// Nothing.
    Unknown,
}

/// Which discovery document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Discovery {
    /// `/api`.
    CoreVersions,
    /// `/apis`.
    Groups,
    /// `/apis/{group}`.
    Group(String),
    /// `/api/v1` or `/apis/{group}/{version}`.
    Resources { group: String, version: String },
}

/// Objects as a path names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Target {
    pub group: String,
    pub version: String,
    pub plural: String,
    pub namespace: Option<String>,
    pub name: Option<String>,
    pub subresource: Option<String>,
}

/// Objects of a known kind.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub kind: Arc<Kind>,
    /// The version that the request speaks.
    pub version: String,
    /// None: all namespaces, or a cluster-scoped kind.
    pub namespace: Option<String>,
    pub name: Option<String>,
    pub subresource: Option<String>,
}

impl Path {
    pub fn parse(path: &str) -> Self {
        let decoded: Option<Vec<String>> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| {
                let decoded = percent_encoding::percent_decode_str(segment)
                    .decode_utf8()
                    .ok()?;
                // A decoded slash would be another path.
                (!decoded.contains('/')).then(|| decoded.into_owned())
            })
            .collect();
        let Some(segments) = decoded else {
            return Self::Unknown;
        };
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["healthz" | "livez" | "readyz", ..] => Self::Health,
            ["version"] => Self::Version,
            ["openapi", "v3"] => Self::OpenApi(None),
            ["openapi", "v3", document @ ..] => Self::OpenApi(Some(document.join("/"))),
            ["api"] => Self::Discovery(Discovery::CoreVersions),
            ["apis"] => Self::Discovery(Discovery::Groups),
            ["apis", group] => Self::Discovery(Discovery::Group((*group).to_owned())),
            ["api", version] => Self::resources("", version),
            ["apis", group, version] => Self::resources(group, version),
            ["api", version, rest @ ..] => Self::objects("", version, rest),
            ["apis", group, version, rest @ ..] => Self::objects(group, version, rest),
            _ => Self::Unknown,
        }
    }

    fn resources(group: &str, version: &str) -> Self {
        Self::Discovery(Discovery::Resources {
            group: group.to_owned(),
            version: version.to_owned(),
        })
    }

    fn objects(group: &str, version: &str, rest: &[&str]) -> Self {
        let (namespace, rest) = match rest {
            // `namespaces/{name}/status` is about the namespace itself.
            ["namespaces", _, "status" | "finalize"] if group.is_empty() => (None, rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
            _ => (None, rest),
        };
        let owned = |text: &&str| (*text).to_owned();
        let mut target = Target {
            group: group.to_owned(),
            version: version.to_owned(),
            namespace: namespace.as_ref().map(owned),
            ..Target::default()
        };
        match rest {
            [plural] => target.plural = owned(plural),
            [plural, name] => {
                target.plural = owned(plural);
                target.name = Some(owned(name));
            }
            [plural, name, subresource] => {
                target.plural = owned(plural);
                target.name = Some(owned(name));
                target.subresource = Some(owned(subresource));
            }
            _ => return Self::Unknown,
        }
        Self::Objects(target)
    }
}

impl Target {
    /// The same, once the kind is known.
    pub fn of(self, kind: Arc<Kind>) -> Result<Asked, ApiError> {
        let misplaced = match (&self.namespace, kind.namespaced) {
            (Some(_), false) => true,
            // Only lists span namespaces.
            (None, true) => self.name.is_some(),
            _ => false,
        };
        if misplaced {
            return Err(ApiError::NoSuchResource);
        }
        if let Some(subresource) = &self.subresource
            && !has_subresource(&kind, &self.version, subresource)
        {
            return Err(ApiError::NoSuchResource);
        }
        Ok(Asked {
            kind,
            version: self.version,
            namespace: self.namespace,
            name: self.name,
            subresource: self.subresource,
        })
    }
}

fn has_subresource(kind: &Kind, version: &str, subresource: &str) -> bool {
    subresources(kind, version).contains(&subresource)
}

/// The subresources of a kind.
pub(super) fn subresources(kind: &Kind, version: &str) -> Vec<&'static str> {
    let mut names = match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "pods") => vec!["attach", "eviction", "exec", "log", "portforward"],
        ("", "namespaces") => vec!["finalize"],
        ("", "serviceaccounts") => vec!["token"],
        _ => Vec::new(),
    };
    if let Some(version) = kind.served(version) {
        if version.scale.is_some() {
            names.push("scale");
        }
        if version.status {
            names.push("status");
        }
    }
    names
}

impl Asked {
    /// The namespace; empty for cluster-scoped kinds and lists over all namespaces.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    /// The name; empty for collections.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> String {
        match Path::parse(path) {
            Path::Objects(t) => format!(
                "{}/{} {} ns={:?} name={:?} sub={:?}",
                t.group, t.version, t.plural, t.namespace, t.name, t.subresource
            ),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn paths_name_objects() {
        for (path, expected) in [
            ("/api/v1/pods", "/v1 pods ns=None name=None sub=None"),
            (
                "/api/v1/namespaces",
                "/v1 namespaces ns=None name=None sub=None",
            ),
            (
                "/api/v1/namespaces/a",
                "/v1 namespaces ns=None name=Some(\"a\") sub=None",
            ),
            (
                "/api/v1/namespaces/a/status",
                "/v1 namespaces ns=None name=Some(\"a\") sub=Some(\"status\")",
            ),
            (
                "/api/v1/namespaces/a/pods/b/log",
                "/v1 pods ns=Some(\"a\") name=Some(\"b\") sub=Some(\"log\")",
            ),
            (
                "/apis/apps/v1/namespaces/a/deployments",
                "apps/v1 deployments ns=Some(\"a\") name=None sub=None",
            ),
            (
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Ax",
                "rbac.authorization.k8s.io/v1 clusterroles ns=None name=Some(\"system:x\") sub=None",
            ),
            ("/api/v1/namespaces/a%2fb/pods", "Unknown"),
            ("/metrics", "Unknown"),
            ("/readyz/ping", "Health"),
        ] {
            assert_eq!(target(path), expected, "{path}");
        }
    }
}
