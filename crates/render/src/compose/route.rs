//! Which service a preview's URL reaches.

use super::ports::is_no_web_port;
use super::{Context, URL_LABEL};
use crate::rendered::Route;

/// A service that could be meant.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// The Service's name.
    pub service: String,
    /// What its label says, if it has one.
    pub label: Option<String>,
    /// TCP ports, those that are published first, with whether they are.
    pub ports: Vec<(u16, bool)>,
    /// Whether its image is one of a database or the like.
    pub is_store: bool,
}

impl Candidate {
    /// The port that most likely speaks HTTP.
    fn port(&self) -> Option<u16> {
        let web = |&&(port, _): &&(u16, bool)| !is_no_web_port(port);
        self.ports
            .iter()
            .filter(|(_, published)| *published)
            .find(web)
            .or_else(|| self.ports.iter().find(web))
            .map(|(port, _)| *port)
    }

    fn publishes(&self) -> bool {
        !self.is_store
            && self
                .ports
                .iter()
                .any(|(port, published)| *published && !is_no_web_port(*port))
    }
}

/// Names that are usually given to what people look at, the likeliest first.
const USUAL: &[&str] = &[
    "web", "app", "frontend", "proxy", "nginx", "caddy", "traefik", "gateway", "client", "ui",
    "site", "website", "www", "server", "api", "backend",
];

/// The rules, in order: the label `catalyst.dev/url`; the service `web`; the only service that
/// publishes a port that is not a database's; of several, the one with the most usual name, with a
/// warning; the only one with any such port.
pub(super) fn choose(context: &mut Context) -> Option<Route> {
    let all = std::mem::take(&mut context.routes);
    for candidate in &all {
        let Some(label) = candidate.label.as_deref() else {
            continue;
        };
        let port = match label.trim() {
            "false" | "" => continue,
            "true" => candidate.port(),
            number => number.parse().ok(),
        };
        match port {
            Some(port) => return Some(Route::all(&candidate.service, port, format!("its label {URL_LABEL} says so"))),
            None => context.warn(
                format!("service {}: labels", candidate.service),
                format!("{URL_LABEL} is {label:?}, which is neither \"true\" with a port to be found nor a port"),
            ),
        }
    }
    let all: Vec<_> = all
        .into_iter()
        .filter(|candidate| candidate.label.as_deref() != Some("false"))
        .collect();
    if let Some(web) = all.iter().find(|candidate| candidate.service == "web")
        && let Some(port) = web.port()
    {
        return Some(Route::all("web", port, "it is called web"));
    }
    let publishing: Vec<_> = all
        .iter()
        .filter(|candidate| candidate.publishes())
        .collect();
    match publishing[..] {
        [only] => {
            return Some(Route::all(
                &only.service,
                only.port()?,
                "it is the only service that publishes a port for browsers",
            ));
        }
        [] => {}
        _ => {
            let rank = |candidate: &&&Candidate| {
                let name = candidate.service.as_str();
                let exact = USUAL.iter().position(|usual| *usual == name);
                let similar = USUAL
                    .iter()
                    .position(|usual| name.contains(usual))
                    .map(|at| at + USUAL.len());
                (
                    exact.or(similar).unwrap_or(usize::MAX),
                    u8::from(
                        !candidate
                            .ports
                            .iter()
                            .any(|(port, _)| matches!(port, 80 | 8080 | 3000)),
                    ),
                )
            };
            let chosen = publishing.iter().min_by_key(rank)?;
            let names: Vec<_> = publishing
                .iter()
                .map(|candidate| candidate.service.as_str())
                .collect();
            context.warn(
                format!("service {}", chosen.service),
                format!("the URL leads here; {} publish ports too. Set the label {URL_LABEL}: \"true\" on the one that is meant", names.iter().filter(|name| **name != chosen.service).copied().collect::<Vec<_>>().join(", ")),
            );
            return Some(Route::all(
                &chosen.service,
                chosen.port()?,
                "of the services that publish ports, its name is the most usual",
            ));
        }
    }
    let mut exposing: Vec<_> = all
        .iter()
        .filter(|candidate| !candidate.is_store && candidate.port().is_some())
        .collect();
    exposing.sort_by_key(|candidate| {
        USUAL
            .iter()
            .position(|usual| *usual == candidate.service)
            .unwrap_or(usize::MAX)
    });
    if let Some(first) = exposing.first() {
        return Some(Route::all(
            &first.service,
            first.port()?,
            "it has a port, though none is published",
        ));
    }
    context.warn("the URL", format!("no service has a port for browsers, so nothing answers at it; publish one, or set the label {URL_LABEL} to its number"));
    None
}
