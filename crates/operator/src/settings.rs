//! What an operator of Catalyst can set.

use std::collections::BTreeMap;
use std::time::Duration;

use catalyst_render::Images;
use url::{Host, Url};

use crate::builds::BuildSettings;
use crate::network::NetworkProbe;
use crate::web::WebSide;

/// The controllers' settings. Each field's documentation names its environment variable.
#[derive(Debug, Clone)]
pub struct OperatorSettings {
    /// `PREVIEW_DOMAIN`: previews answer at `https://<namespace>.<domain>/`.
    pub preview_domain: String,
    /// `LOCAL_PREVIEW_ROUTING`: previews answer at `http://<namespace>.localhost:<port>/` instead.
    pub local_preview_routing: bool,
    /// `INGRESS_PORT`: the port of local URLs.
    pub ingress_port: u16,
    /// `INGRESS_CLASS`: `ingressClassName` of the Ingresses.
    pub ingress_class: String,
    /// `INGRESS_NAMESPACE`: where the ingress controller runs; previews accept connections from
    /// there.
    pub ingress_namespace: String,
    /// `GIT_CLONE_IMAGE`: an image with `git`, and `sh`, `awk`, `find`, `sort`, `gzip` and `base64`.
    pub git_image: String,
    /// `CATALYST_HELM_IMAGE`: an image with `helm` 3, and `sh`, `awk`, `find`, `gzip`, `base64`, `cmp`
    /// and `timeout`.
    pub helm_image: String,
    /// `CATALYST_IMAGES`: what stands in for the images that detection and repositories name.
    pub images: Images,
    /// How images are built. Without it none are, as in the embedded cluster, which runs none.
    pub builds: Option<BuildSettings>,
    /// `CATALYST_ALLOW_LOCAL_REPOSITORIES`: whether `file://` clone URLs are accepted. Only for
    /// the embedded cluster: namespaces of such previews admit host paths.
    pub allow_local_repositories: bool,
    /// `CATALYST_CREDENTIALS_URL`: where the container that clones asks for credentials. Without
    /// it, only public repositories can be cloned.
    pub credentials: Option<CredentialsDoor>,
    /// `CATALYST_INTERNAL_URL`: the web side, which hands out previews' secrets to the operator.
    /// Without it, previews run without secrets.
    pub web: Option<WebSide>,
    /// `CATALYST_GIT_CERTIFICATES`: certificates (PEM) that clones trust instead of their image's.
    pub git_certificates: Option<String>,
    /// `PREVIEW_EGRESS`: where previews may connect to besides their own namespace and DNS.
    pub egress: Vec<EgressRule>,
    /// `PREVIEW_DEADLINE`: how long an attempt may take until it counts as failed.
    pub deadline: Duration,
    /// `PREVIEW_USER_NAMESPACES`: run pods with `hostUsers: false`, where the nodes can.
    pub user_namespaces: bool,
    /// `POD_NAMESPACE`, `POD_NAME`, `CATALYST_METRICS_LISTEN`: where it can be tried out whether
    /// the cluster enforces NetworkPolicy. Without it nothing is said about that.
    pub network_probe: Option<NetworkProbe>,
}

/// The door of the web side that hands out credentials for Git, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialsDoor {
    /// Its address, without a trailing slash.
    pub url: String,
    /// The pods behind it, where it is inside of the cluster: the network policy lets pods that
    /// clone out to these, on this one port.
    pub inside: Option<Inside>,
}

/// Pods of a namespace, and a port of theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside {
    /// The namespace.
    pub namespace: String,
    /// The pods' labels.
    pub labels: BTreeMap<String, String>,
    /// The port.
    pub port: u16,
}

impl CredentialsDoor {
    /// The door at an address. One of the form `http://NAME.NAMESPACE.svc:PORT` is inside of the
    /// cluster, with the web side's pods behind it listening on the Service's own port number;
    /// any other is reached by the way out that previews have.
    #[must_use]
    pub fn at(url: &Url) -> Self {
        let host = match url.host() {
            Some(Host::Domain(name)) => name.trim_end_matches('.').to_ascii_lowercase(),
            _ => String::new(),
        };
        let mut parts = host.split('.');
        let inside = match (parts.next(), parts.next(), parts.next()) {
            (Some(_), Some(namespace), Some("svc")) => Some(Inside {
                namespace: namespace.to_owned(),
                labels: Self::pods(),
                port: url.port_or_known_default().unwrap_or(80),
            }),
            _ => None,
        };
        Self {
            url: url.as_str().trim_end_matches('/').to_owned(),
            inside,
        }
    }

    /// The labels of the web side's pods.
    #[must_use]
    pub fn pods() -> BTreeMap<String, String> {
        [
            ("app.kubernetes.io/name", "catalyst"),
            ("app.kubernetes.io/component", "web"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }
}

/// A range of addresses and ports that previews may connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressRule {
    /// For example `0.0.0.0/0`.
    pub cidr: String,
    /// Ranges inside `cidr` that stay closed.
    pub except: Vec<String>,
    /// TCP ports.
    pub ports: Vec<u16>,
}

/// IPv4 ranges that are not the public internet (RFC 6890), among them those that clusters and
/// their metadata services live in.
const PRIVATE_V4: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// The same for IPv6, with the ranges that lead back to IPv4. Not `::ffff:0:0/96`: packets to those
/// addresses are IPv4's, and Kubernetes refuses the range inside `::/0`.
const PRIVATE_V6: &[&str] = &[
    "::/127",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
];

impl EgressRule {
    /// HTTPS to the public internet: git hosts and package mirrors.
    #[must_use]
    pub fn public_https() -> Vec<Self> {
        let rule = |cidr: &str, except: &[&str]| Self {
            cidr: cidr.to_owned(),
            except: except.iter().map(|&range| range.to_owned()).collect(),
            ports: vec![443],
        };
        vec![rule("0.0.0.0/0", PRIVATE_V4), rule("::/0", PRIVATE_V6)]
    }
}

impl Default for OperatorSettings {
    fn default() -> Self {
        Self {
            preview_domain: "preview.catalyst.dev".to_owned(),
            local_preview_routing: false,
            ingress_port: 8080,
            ingress_class: "nginx".to_owned(),
            ingress_namespace: "ingress-nginx".to_owned(),
            git_image: "alpine/git:2.45.2".to_owned(),
            helm_image: "alpine/helm:3.17.3".to_owned(),
            images: Images::default(),
            builds: None,
            allow_local_repositories: false,
            credentials: None,
            git_certificates: None,
            web: None,
            egress: EgressRule::public_https(),
            deadline: Duration::from_secs(600),
            user_namespaces: false,
            network_probe: None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_door_inside_of_the_cluster_is_told_by_its_name() {
        let at = |url: &str| CredentialsDoor::at(&url.parse().unwrap());
        for url in [
            "http://catalyst-web.catalyst-system.svc:3001/",
            "http://catalyst-web.catalyst-system.svc.cluster.local:3001",
        ] {
            let inside = at(url).inside.unwrap();
            assert_eq!(
                (inside.namespace.as_str(), inside.port),
                ("catalyst-system", 3001)
            );
        }
        let outside = at("https://catalyst.example.com/");
        assert_eq!(outside.inside, None);
        assert_eq!(outside.url, "https://catalyst.example.com");
        assert_eq!(at("http://10.0.0.1:3001").inside, None);
    }
}
