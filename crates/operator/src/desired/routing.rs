//! The way from a preview's URL to its pods.

use catalyst_render::Route;
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
const SERVICE_PORT: u16 = 80;

/// Ingress `web`: one host, by default all paths to Service `web`. TLS is the ingress controller's,
/// with its wildcard certificate.
#[must_use]
pub fn ingress(target: &Target, route: Option<&Route>, settings: &OperatorSettings) -> Ingress {
    let own = Route::all(NAME, SERVICE_PORT, "");
    Ingress {
        metadata: target.meta(NAME),
        spec: Some(ingress_spec(
            &target.host,
            route.unwrap_or(&own),
            Some(&settings.ingress_class),
        )),
        status: None,
    }
}

/// One host with the paths of a route.
#[must_use]
pub fn ingress_spec(host: &str, route: &Route, class: Option<&str>) -> IngressSpec {
    let paths = route
        .paths
        .iter()
        .map(|path| HTTPIngressPath {
            path: Some(path.path.clone()),
            path_type: if path.below { "Prefix" } else { "Exact" }.to_owned(),
            backend: IngressBackend {
                service: Some(IngressServiceBackend {
                    name: path.service.clone(),
                    port: Some(ServiceBackendPort {
                        number: Some(i32::from(path.port)),
                        name: None,
                    }),
                }),
                resource: None,
            },
        })
        .collect();
    IngressSpec {
        ingress_class_name: class.map(ToOwned::to_owned),
        rules: Some(vec![IngressRule {
            host: Some(host.to_owned()),
            http: Some(HTTPIngressRuleValue { paths }),
        }]),
        ..IngressSpec::default()
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
                port: i32::from(SERVICE_PORT),
                target_port: Some(IntOrString::Int(port)),
                protocol: Some("TCP".to_owned()),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}
