//! Whether and how images are built.

use std::collections::BTreeMap;
use std::fmt;

use url::Url;

use crate::settings::Inside;

/// How images are built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildSettings {
    /// `CATALYST_BUILD_ENGINE`: what builds them.
    pub engine: Engine,
    /// `CATALYST_BUILD_IMAGE`: the image of the container that builds, or of the client of what builds.
    pub image: String,
    /// `CATALYST_BUILD_REGISTRY`: where images are pushed to and pulled from: a host, a port, and
    /// perhaps a path.
    pub registry: String,
    /// `CATALYST_BUILD_REGISTRY_INSECURE`: the registry speaks plain HTTP.
    pub insecure: bool,
}

/// What builds images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// Kaniko, in the build's own pod.
    Kaniko,
    /// A BuildKit daemon, of which the build's pod is a client.
    BuildKit(Daemon),
}

/// A BuildKit daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// `CATALYST_BUILDKIT_ADDRESS`: where it answers.
    pub address: Url,
    /// `CATALYST_BUILDKIT_CERTIFICATES`: how it and its clients know each other. What it runs for one
    /// client shares its network, and must not be taken for another.
    pub identity: Option<Identity>,
}

/// Certificates and a key (PEM), which nothing prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Whom the daemon and its clients trust.
    pub authority: String,
    /// The clients' certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

impl Engine {
    /// The image that the container has where nothing else is said.
    #[must_use]
    pub fn usual_image(&self) -> &'static str {
        match self {
            Self::Kaniko => "gcr.io/kaniko-project/executor:v1.24.0",
            Self::BuildKit(_) => "moby/buildkit:v0.34.2",
        }
    }
}

impl BuildSettings {
    /// Whom the pods of builds talk to inside of the cluster, besides DNS; none: only the internet.
    #[must_use]
    pub fn inside(&self) -> Option<Inside> {
        match &self.engine {
            Engine::BuildKit(daemon) => {
                let (namespace, port) = service(&daemon.address)?;
                let labels = [
                    ("app.kubernetes.io/name", "catalyst"),
                    ("app.kubernetes.io/component", "buildkitd"),
                ];
                Some(Inside {
                    namespace,
                    labels: labels
                        .map(|(key, value)| (key.to_owned(), value.to_owned()))
                        .into(),
                    port: port.unwrap_or(1234),
                })
            }
            Engine::Kaniko => {
                let host = self.registry.split('/').next().unwrap_or_default();
                let (namespace, port) = service(&format!("tcp://{host}").parse().ok()?)?;
                Some(Inside {
                    namespace,
                    labels: BTreeMap::new(),
                    port: port.unwrap_or(if self.insecure { 80 } else { 443 }),
                })
            }
        }
    }
}

/// The namespace and the port of an address of the form `NAME.NAMESPACE.svc`.
fn service(address: &Url) -> Option<(String, Option<u16>)> {
    let host = address
        .host_str()?
        .trim_end_matches('.')
        .to_ascii_lowercase();
    let mut parts = host.split('.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(namespace), Some("svc")) => Some((namespace.to_owned(), address.port())),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn settings(engine: Engine, registry: &str) -> BuildSettings {
        BuildSettings {
            image: engine.usual_image().to_owned(),
            engine,
            registry: registry.to_owned(),
            insecure: true,
        }
    }

    #[test]
    fn pods_of_builds_are_let_out_to_what_builds_or_else_to_the_registry() {
        let daemon = Daemon {
            address: "tcp://catalyst-buildkitd.catalyst-system-builds.svc:1234"
                .parse()
                .unwrap(),
            identity: None,
        };
        let inside = settings(Engine::BuildKit(daemon), "ghcr.io/acme").inside();
        let inside = inside.unwrap();
        assert_eq!(
            (inside.namespace.as_str(), inside.port),
            ("catalyst-system-builds", 1234)
        );
        let inside = settings(Engine::Kaniko, "registry.default.svc.cluster.local:5000").inside();
        let inside = inside.unwrap();
        assert_eq!((inside.namespace.as_str(), inside.port), ("default", 5000));
        assert_eq!(settings(Engine::Kaniko, "ghcr.io/acme").inside(), None);
    }
}
