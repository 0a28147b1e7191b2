//! Where a preview's URL leads, told from Ingresses, annotations and Services.

use serde_json::Value;

use super::{Gate, is_empty};
use crate::compose::URL_LABEL;
use crate::rendered::{Route, RoutePath};

/// Annotations that put text into the configuration of the ingress controller, or make it call out.
const REFUSED: &[&str] = &[
    "snippet",
    "auth-url",
    "auth-signin",
    "auth-tls",
    "lua",
    "modsecurity",
    "custom-http-errors",
    "default-backend",
    "mirror",
    "permanent-redirect",
    "temporal-redirect",
    "upstream-vhost",
    "server-alias",
    "external-auth",
    "haproxy.org/backend-config",
];

pub(super) fn check(gate: &mut Gate, object: &str, ingress: &Value) {
    for (key, _) in ingress["metadata"]["annotations"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let name = key.rsplit('/').next().unwrap_or_default();
        if REFUSED.iter().any(|word| name.contains(word)) {
            gate.refuse(object, format!("sets the annotation {key}, which would change the ingress controller for everybody; leave it out"));
        } else if key.contains("ingress.kubernetes.io")
            || key.contains("traefik")
            || key.contains("alb.")
        {
            gate.warn(
                object,
                format!(
                    "the annotation {key} has no effect: the preview's host has its own Ingress"
                ),
            );
        }
    }
    if !is_empty(&ingress["spec"]["tls"]) {
        gate.warn(
            object,
            "its tls is left out: the preview's host has a certificate already",
        );
    }
}

/// The rules, in order: the annotation or label `catalyst.dev/url` on a Service; the paths of the
/// Ingress; the Service `web`; the only Service with a port for browsers; of several, the one with
/// the most usual name, with a warning.
pub(super) fn choose(gate: &mut Gate, objects: &[Value], ingresses: &[Value]) -> Option<Route> {
    let services: Vec<&Value> = objects
        .iter()
        .filter(|object| object["kind"] == "Service")
        .collect();
    for service in &services {
        let said = ["annotations", "labels"]
            .iter()
            .find_map(|kind| service["metadata"][kind][URL_LABEL].as_str());
        let port = match said {
            None | Some("false" | "") => continue,
            Some("true") => http_port(service),
            Some(number) => number
                .parse()
                .ok()
                .filter(|wanted| ports(service).any(|(port, _)| port == *wanted)),
        };
        match port {
            Some(port) => {
                return Some(Route::all(
                    name(service),
                    port,
                    format!("its {URL_LABEL} says so"),
                ));
            }
            None => gate.warn(
                &super::name_of(service),
                format!("{URL_LABEL} names no port of it"),
            ),
        }
    }
    if let Some(route) = from_ingresses(gate, &services, ingresses) {
        return Some(route);
    }
    let candidates: Vec<(&str, u16)> = services
        .iter()
        .filter_map(|service| Some((name(service), http_port(service)?)))
        .collect();
    if let Some((name, port)) = candidates.iter().find(|(name, _)| *name == "web") {
        return Some(Route::all(name, *port, "it is called web"));
    }
    match candidates[..] {
        [] => {
            gate.warn("the URL", format!("no Service has a port for browsers, so nothing answers at it; add an Ingress, or {URL_LABEL}: \"<port>\" to a Service"));
            None
        }
        [(name, port)] => Some(Route::all(
            name,
            port,
            "it is the only Service with a port for browsers",
        )),
        _ => {
            const USUAL: &[&str] = &[
                "web", "frontend", "app", "nginx", "proxy", "gateway", "ui", "site", "server",
                "api", "backend",
            ];
            let rank = |(name, port): &&(&str, u16)| {
                (
                    USUAL
                        .iter()
                        .position(|usual| name.contains(usual))
                        .unwrap_or(usize::MAX),
                    u8::from(*port != 80),
                    (*name).to_owned(),
                )
            };
            let (name, port) = candidates.iter().min_by_key(rank)?;
            let others: Vec<_> = candidates
                .iter()
                .filter(|(other, _)| other != name)
                .map(|(other, _)| *other)
                .collect();
            gate.warn(&format!("Service {name}"), format!("the URL leads here; {} could be meant too. Add an Ingress, or {URL_LABEL}: \"true\" to the Service that is meant", others.join(", ")));
            Some(Route::all(
                name,
                *port,
                "of several Services, its name is the most usual",
            ))
        }
    }
}

fn name(service: &Value) -> &str {
    service["metadata"]["name"].as_str().unwrap_or_default()
}

fn ports(service: &Value) -> impl Iterator<Item = (u16, &str)> {
    service["spec"]["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|port| matches!(port["protocol"].as_str(), None | Some("TCP")))
        .filter_map(|port| {
            Some((
                u16::try_from(port["port"].as_u64()?).ok()?,
                port["name"].as_str().unwrap_or_default(),
            ))
        })
}

fn http_port(service: &Value) -> Option<u16> {
    if service["spec"]["clusterIP"] == "None" {
        return None;
    }
    let store = |port: u16| crate::compose::is_no_web_port(port);
    let all: Vec<(u16, &str)> = ports(service).collect();
    all.iter()
        .find(|(port, name)| {
            *name == "http" || name.starts_with("http-") || *name == "web" || *port == 80
        })
        .or_else(|| {
            all.iter()
                .find(|(port, name)| !store(*port) && !name.contains("metrics") && *name != "https")
        })
        .map(|(port, _)| *port)
}

fn from_ingresses(gate: &mut Gate, services: &[&Value], ingresses: &[Value]) -> Option<Route> {
    let mut paths: Vec<RoutePath> = Vec::new();
    let mut first: Option<String> = None;
    for ingress in ingresses {
        let object = super::name_of(ingress);
        let mut add = |gate: &mut Gate, path: &str, kind: &str, backend: &Value| {
            let Some(service) = backend["service"]["name"].as_str() else {
                gate.warn(
                    &object,
                    format!("the path {path} leads to no Service and is left out"),
                );
                return;
            };
            let Some(known) = services.iter().find(|known| name(known) == service) else {
                gate.warn(&object, format!("the path {path} leads to the Service {service}, which is not among the objects"));
                return;
            };
            let port = match (
                backend["service"]["port"]["number"].as_u64(),
                backend["service"]["port"]["name"].as_str(),
            ) {
                (Some(number), _) => u16::try_from(number).ok(),
                (None, Some(wanted)) => ports(known)
                    .find(|(_, name)| *name == wanted)
                    .map(|(port, _)| port),
                _ => None,
            };
            let Some(port) = port.filter(|port| ports(known).any(|(known, _)| known == *port))
            else {
                gate.warn(
                    &object,
                    format!(
                        "the path {path} leads to a port that the Service {service} does not have"
                    ),
                );
                return;
            };
            // Patterns of one controller or another: what stands before them is what is meant.
            let plain = path.split(['(', '*', '$', '[']).next().unwrap_or("/");
            let plain = if plain.len() > 1 {
                plain.trim_end_matches('/')
            } else {
                plain
            };
            if plain != path.trim_end_matches('/') && path != "/" {
                gate.warn(
                    &object,
                    format!("the path {path} is a pattern; {plain} and all below it are used"),
                );
            }
            let path = if plain.starts_with('/') {
                plain.to_owned()
            } else {
                format!("/{plain}")
            };
            if !paths.iter().any(|known| known.path == path) {
                paths.push(RoutePath {
                    path,
                    below: kind != "Exact",
                    service: service.to_owned(),
                    port,
                });
            }
        };
        let rules = ingress["spec"]["rules"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for rule in &rules {
            // A preview has one host: the paths of the first one are what its URL shows.
            let host = rule["host"].as_str().unwrap_or_default().to_owned();
            match &first {
                None => first = Some(host),
                Some(known) if *known != host => {
                    gate.warn(
                        &object,
                        format!(
                            "the host {host} is left out: a preview has one host, and shows {known}"
                        ),
                    );
                    continue;
                }
                Some(_) => {}
            }
            for path in rule["http"]["paths"].as_array().into_iter().flatten() {
                add(
                    gate,
                    path["path"].as_str().unwrap_or("/"),
                    path["pathType"].as_str().unwrap_or("Prefix"),
                    &path["backend"],
                );
            }
        }
        if !ingress["spec"]["defaultBackend"].is_null() {
            add(gate, "/", "Prefix", &ingress["spec"]["defaultBackend"]);
        }
    }
    (!paths.is_empty()).then(|| Route {
        paths,
        reason: "the Ingress says so".to_owned(),
    })
}
