//! What pods and their containers have in common.

use k8s_openapi::api::core::v1::{
    Container, PodSecurityContext, PodSpec, Probe, SeccompProfile, SecurityContext, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::settings::OperatorSettings;

/// What all pods of an Environment have in common: no token, no environment of other Services,
/// the runtime's seccomp profile.
pub(super) fn pod_defaults(settings: &OperatorSettings) -> PodSpec {
    PodSpec {
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        host_users: settings.user_namespaces.then_some(false),
        security_context: Some(PodSecurityContext {
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..PodSecurityContext::default()
        }),
        ..PodSpec::default()
    }
}

/// A container that cannot gain rights, and whose last words are kept when it fails.
pub(super) fn restrained() -> Container {
    Container {
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            ..SecurityContext::default()
        }),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

/// Ready once something listens; the first answers of a development server may take long, and
/// they are waited for by the one who asked.
pub(super) fn listening(port: i32) -> Probe {
    Probe {
        tcp_socket: Some(TCPSocketAction {
            port: IntOrString::Int(port),
            host: None,
        }),
        period_seconds: Some(1),
        timeout_seconds: Some(1),
        failure_threshold: Some(3),
        ..Probe::default()
    }
}
