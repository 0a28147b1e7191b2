//! The way from a preview's URL to its pods.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, ServiceBackendPort,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Target;
use super::workload::NAME;
use crate::settings::OperatorSettings;

/// The port of Service `web`, whatever the container listens on.
const SERVICE_PORT: i32 = 80;

/// Ingress `web`: one host, all paths. TLS is the ingress controller's, with its wildcard
/// certificate.
#[must_use]
pub fn ingress(target: &Target, settings: &OperatorSettings) -> Ingress {
    let backend = IngressBackend {
        service: Some(IngressServiceBackend {
            name: NAME.to_owned(),
            port: Some(ServiceBackendPort {
                number: Some(SERVICE_PORT),
                name: None,
            }),
        }),
        resource: None,
    };
    let path = HTTPIngressPath {
        path: Some("/".to_owned()),
        path_type: "Prefix".to_owned(),
        backend,
    };
    Ingress {
        metadata: target.meta(NAME),
        spec: Some(IngressSpec {
            ingress_class_name: Some(settings.ingress_class.clone()),
            rules: Some(vec![IngressRule {
                host: Some(target.host.clone()),
                http: Some(HTTPIngressRuleValue { paths: vec![path] }),
            }]),
            ..IngressSpec::default()
        }),
        status: None,
    }
}

/// Service `web`: port 80 to the port that the container listens on.
#[must_use]
pub fn service(target: &Target, port: i32) -> Service {
    Service {
        metadata: target.meta(NAME),
        spec: Some(ServiceSpec {
            selector: Some([("app".to_owned(), NAME.to_owned())].into()),
            ports: Some(vec![ServicePort {
                name: Some("http".to_owned()),
                port: SERVICE_PORT,
                target_port: Some(IntOrString::Int(port)),
                protocol: Some("TCP".to_owned()),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}
