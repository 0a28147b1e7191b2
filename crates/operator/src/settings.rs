//! What an operator of Catalyst can set.

use std::time::Duration;

use crate::images::Images;

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
    /// `GIT_CLONE_IMAGE`: an image with `git`, `sh` and `awk`.
    pub git_image: String,
    /// `CATALYST_IMAGES`: what stands in for the images that detection names.
    pub images: Images,
    /// `CATALYST_ALLOW_LOCAL_REPOSITORIES`: whether `file://` clone URLs are accepted. Only for
    /// the embedded cluster: namespaces of such previews admit host paths.
    pub allow_local_repositories: bool,
    /// `PREVIEW_EGRESS`: where previews may connect to besides their own namespace and DNS.
    pub egress: Vec<EgressRule>,
    /// `PREVIEW_DEADLINE`: how long an attempt may take until it counts as failed.
    pub deadline: Duration,
    /// `PREVIEW_USER_NAMESPACES`: run pods with `hostUsers: false`, where the nodes can.
    pub user_namespaces: bool,
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
            images: Images::default(),
            allow_local_repositories: false,
            egress: EgressRule::public_https(),
            deadline: Duration::from_secs(600),
            user_namespaces: false,
        }
    }
}
