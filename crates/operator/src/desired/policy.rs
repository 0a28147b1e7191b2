//! Who may talk to a preview, and whom it may talk to.

use std::collections::BTreeMap;

use catalyst_crd::identity::GIT_CLIENT;
use catalyst_crd::labels::JOB_TYPE;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Target;
use super::build::BUILD;
use crate::builds::BuildSettings;
use crate::settings::{EgressRule, OperatorSettings};

/// The label that every namespace carries with its own name.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// NetworkPolicy `default-policy` for all pods: in from the ingress controller and from the
/// namespace itself; out to the namespace itself, to DNS and to what the settings open; all else
/// is closed.
#[must_use]
pub fn network_policy(target: &Target, settings: &OperatorSettings) -> NetworkPolicy {
    let own = NetworkPolicyPeer {
        pod_selector: Some(LabelSelector::default()),
        ..NetworkPolicyPeer::default()
    };
    let ingress_controller = NetworkPolicyPeer {
        namespace_selector: Some(labelled(NAMESPACE_NAME, &settings.ingress_namespace)),
        ..NetworkPolicyPeer::default()
    };
    let dns = NetworkPolicyEgressRule {
        to: Some(vec![NetworkPolicyPeer {
            namespace_selector: Some(labelled(NAMESPACE_NAME, "kube-system")),
            pod_selector: Some(labelled("k8s-app", "kube-dns")),
            ip_block: None,
        }]),
        ports: Some(vec![port("UDP", 53), port("TCP", 53)]),
    };
    let inside = NetworkPolicyEgressRule {
        to: Some(vec![own.clone()]),
        ports: None,
    };
    let outside = settings.egress.iter().map(egress);
    NetworkPolicy {
        metadata: target.meta("default-policy"),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: Some(vec![ingress_controller, own]),
                ports: None,
            }]),
            egress: Some([inside, dns].into_iter().chain(outside).collect()),
        }),
    }
}

/// NetworkPolicy `git-credentials` for pods that clone a private repository: out to the door that
/// hands out credentials, and to no other port of the web side. None where the door is outside of
/// the cluster.
#[must_use]
pub fn git_credentials(target: &Target, settings: &OperatorSettings) -> Option<NetworkPolicy> {
    let inside = settings.credentials.as_ref()?.inside.as_ref()?;
    let web = NetworkPolicyPeer {
        namespace_selector: Some(labelled(NAMESPACE_NAME, &inside.namespace)),
        pod_selector: Some(LabelSelector {
            match_labels: Some(inside.labels.clone()),
            match_expressions: None,
        }),
        ip_block: None,
    };
    Some(NetworkPolicy {
        metadata: target.meta("git-credentials"),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labelled(GIT_CLIENT, "true")),
            policy_types: Some(vec!["Egress".to_owned()]),
            egress: Some(vec![NetworkPolicyEgressRule {
                to: Some(vec![web]),
                ports: Some(vec![port("TCP", inside.port)]),
            }]),
            ingress: None,
        }),
    })
}

/// NetworkPolicy `image-builds` for the pods of builds: out to what builds, or to the registry. None
/// where that is outside of the cluster.
#[must_use]
pub fn image_builds(target: &Target, builds: &BuildSettings) -> Option<NetworkPolicy> {
    let inside = builds.inside()?;
    let labels = (!inside.labels.is_empty()).then_some(inside.labels);
    let peer = NetworkPolicyPeer {
        namespace_selector: Some(labelled(NAMESPACE_NAME, &inside.namespace)),
        pod_selector: labels.map(|labels| LabelSelector {
            match_labels: Some(labels),
            match_expressions: None,
        }),
        ip_block: None,
    };
    Some(NetworkPolicy {
        metadata: target.meta("image-builds"),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labelled(JOB_TYPE, BUILD)),
            policy_types: Some(vec!["Egress".to_owned()]),
            egress: Some(vec![NetworkPolicyEgressRule {
                to: Some(vec![peer]),
                ports: Some(vec![port("TCP", inside.port)]),
            }]),
            ingress: None,
        }),
    })
}

fn egress(rule: &EgressRule) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: Some(vec![NetworkPolicyPeer {
            ip_block: Some(IPBlock {
                cidr: rule.cidr.clone(),
                except: (!rule.except.is_empty()).then(|| rule.except.clone()),
            }),
            ..NetworkPolicyPeer::default()
        }]),
        ports: Some(
            rule.ports
                .iter()
                .map(|&number| port("TCP", number))
                .collect(),
        ),
    }
}

fn labelled(key: &str, value: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some(BTreeMap::from([(key.to_owned(), value.to_owned())])),
        match_expressions: None,
    }
}

fn port(protocol: &str, number: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(i32::from(number))),
        end_port: None,
    }
}
