//! Which Service a host and path lead to, over all Ingress objects.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use serde_json::Value;
use tokio::sync::watch;

use crate::Tasks;
use crate::controllers::object::{is_terminating, items, text};
use crate::objects::{Objects, Selector, WatchFrom, resource};

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backend {
    pub namespace: String,
    pub service: String,
    pub port: ServicePort,
}

/// How an Ingress names a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServicePort {
    Number(u64),
    Name(String),
}

/// Where a request leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'a> {
    To(&'a Backend),
    NoSuchHost,
    NoSuchPath,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Path {
    path: String,
    exact: bool,
    backend: Backend,
}

/// A host's paths. A host belongs to the namespace whose Ingress named it first: what another
/// namespace says of it is left aside, so that no preview can take a part of another's.
#[derive(Debug, Default, PartialEq, Eq)]
struct Host {
    namespace: String,
    paths: Vec<Path>,
}

/// The table of all Ingresses at one moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Routes {
    /// By lower-case name; `*.example.org` as it is written, and an empty name for any host.
    hosts: HashMap<String, Host>,
}

/// The table, kept up to date until the tasks end.
pub(super) fn follow(objects: &Objects, tasks: &Tasks) -> watch::Receiver<Arc<Routes>> {
    let (sender, receiver) = watch::channel(Arc::new(Routes::read(objects)));
    let objects = objects.clone();
    tasks.spawn(async move {
        loop {
            let everything = Selector::everything();
            let changes = objects.watch(resource::INGRESSES, None, &everything, WatchFrom::Start);
            let mut changes = match changes {
                Ok(changes) => changes,
                Err(error) => {
                    tracing::error!(%error, "the ingress proxy cannot watch Ingresses");
                    return;
                }
            };
            while let Some(Ok(_)) = changes.next().await {
                // Many changes at once make one new table.
                while let Some(Some(Ok(_))) = changes.next().now_or_never() {}
                sender.send_replace(Arc::new(Routes::read(&objects)));
            }
        }
    });
    receiver
}

impl Routes {
    fn read(objects: &Objects) -> Self {
        let all = objects.list(resource::INGRESSES, None, &Selector::everything());
        let all = all.map(|list| list.items).unwrap_or_default();
        Self::of(all.iter().map(Arc::as_ref))
    }

    fn of<'a>(ingresses: impl Iterator<Item = &'a Value>) -> Self {
        let mut ingresses: Vec<&Value> = ingresses
            .filter(|ingress| !is_terminating(ingress))
            .collect();
        ingresses.sort_by_key(|ingress| {
            let field = |name: &str| text(&ingress["metadata"], name).to_owned();
            (
                field("creationTimestamp"),
                field("namespace"),
                field("name"),
            )
        });
        let mut routes = Self::default();
        for ingress in ingresses {
            routes.add(ingress);
        }
        for host in routes.hosts.values_mut() {
            // The longest path first, and an exact one before a prefix of the same length. The
            // sort is stable: of equal paths the oldest Ingress's is found.
            host.paths.sort_by_key(|path| {
                (
                    std::cmp::Reverse(path.path.trim_end_matches('/').len()),
                    !path.exact,
                )
            });
        }
        routes
    }

    fn add(&mut self, ingress: &Value) {
        let namespace = text(&ingress["metadata"], "namespace");
        let spec = &ingress["spec"];
        for rule in items(&spec["rules"]) {
            let Some(host) = self.host(text(rule, "host"), namespace) else {
                continue;
            };
            for path in items(&rule["http"]["paths"]) {
                if let Some(backend) = backend(namespace, &path["backend"]) {
                    host.paths.push(Path {
                        path: text(path, "path").to_owned(),
                        exact: path["pathType"] == "Exact",
                        backend,
                    });
                }
            }
        }
        let Some(backend) = backend(namespace, &spec["defaultBackend"]) else {
            return;
        };
        // What its rules do not match, at their hosts; without rules: at any host.
        let mut names: Vec<&str> = items(&spec["rules"])
            .map(|rule| text(rule, "host"))
            .collect();
        if names.is_empty() {
            names.push("");
        }
        for name in names {
            if let Some(host) = self.host(name, namespace) {
                let path = Path {
                    path: "/".to_owned(),
                    exact: false,
                    backend: backend.clone(),
                };
                host.paths.push(path);
            }
        }
    }

    /// The entry of a host, unless it is another namespace's.
    fn host(&mut self, name: &str, namespace: &str) -> Option<&mut Host> {
        let host = self
            .hosts
            .entry(name.to_ascii_lowercase())
            .or_insert_with(|| Host {
                namespace: namespace.to_owned(),
                paths: Vec::new(),
            });
        (host.namespace == namespace).then_some(host)
    }

    /// Where a request leads: by its host's own entry, else by a wildcard for the first label,
    /// else by rules without a host. `host` is as [`host_name`] gives it.
    pub fn find(&self, host: &str, path: &str) -> Route<'_> {
        let wildcard = host
            .split_once('.')
            .map(|(_, domain)| format!("*.{domain}"));
        let entry = self
            .hosts
            .get(host)
            .or_else(|| self.hosts.get(&wildcard?))
            .or_else(|| self.hosts.get(""));
        let Some(entry) = entry else {
            return Route::NoSuchHost;
        };
        match entry.paths.iter().find(|known| known.matches(path)) {
            Some(known) => Route::To(&known.backend),
            None => Route::NoSuchPath,
        }
    }
}

impl Path {
    fn matches(&self, path: &str) -> bool {
        if self.exact {
            return self.path == path;
        }
        let prefix = self.path.trim_end_matches('/');
        // By whole elements: `/a` matches `/a` and `/a/b`, and not `/ab`.
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn backend(namespace: &str, backend: &Value) -> Option<Backend> {
    let service = &backend["service"];
    let port = &service["port"];
    let port = match port["number"].as_u64() {
        Some(number) => ServicePort::Number(number),
        None => ServicePort::Name(port["name"].as_str()?.to_owned()),
    };
    Some(Backend {
        namespace: namespace.to_owned(),
        service: service["name"].as_str()?.to_owned(),
        port,
    })
}

/// The name of a `Host` header: lower-case, without port and final dot.
pub(super) fn host_name(host: &str) -> String {
    let name = match host.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ingress(namespace: &str, created: &str, host: &str, paths: &[(&str, &str, &str)]) -> Value {
        let paths: Vec<Value> = paths
            .iter()
            .map(|(path, kind, service)| {
                json!({
                    "path": path, "pathType": kind,
                    "backend": { "service": { "name": service, "port": { "number": 80 } } },
                })
            })
            .collect();
        json!({
            "metadata": { "namespace": namespace, "name": "web", "creationTimestamp": created },
            "spec": { "rules": [{ "host": host, "http": { "paths": paths } }] },
        })
    }

    fn service<'a>(routes: &'a Routes, host: &str, path: &str) -> &'a str {
        match routes.find(host, path) {
            Route::To(backend) => &backend.service,
            Route::NoSuchHost => "no host",
            Route::NoSuchPath => "no path",
        }
    }

    #[test]
    fn the_longest_path_wins_and_prefixes_are_whole_elements() {
        let paths = [
            ("/", "Prefix", "web"),
            ("/api", "Prefix", "api"),
            ("/api/", "Exact", "exact"),
            ("/api/v2/", "ImplementationSpecific", "v2"),
        ];
        let one = ingress("a", "2030", "a.localhost", &paths);
        let routes = Routes::of([&one].into_iter());
        for (path, expected) in [
            ("/", "web"),
            ("/apiary", "web"),
            ("/api", "api"),
            ("/api/", "exact"),
            ("/api/users", "api"),
            ("/api/v2", "v2"),
            ("/api/v2/users", "v2"),
            ("/api/v20", "api"),
        ] {
            assert_eq!(service(&routes, "a.localhost", path), expected, "{path}");
        }
        assert_eq!(service(&routes, "b.localhost", "/"), "no host");
    }

    #[test]
    fn a_host_is_found_before_a_wildcard_and_that_before_any_host() {
        let own = ingress("a", "2030", "A.Localhost", &[("/a", "Prefix", "own")]);
        let wild = ingress("a", "2030", "*.localhost", &[("/", "Prefix", "wild")]);
        let routes = Routes::of([&own, &wild].into_iter());
        assert_eq!(service(&routes, "a.localhost", "/a"), "own");
        assert_eq!(service(&routes, "a.localhost", "/"), "no path");
        assert_eq!(service(&routes, "b.localhost", "/"), "wild");
        assert_eq!(service(&routes, "b.c.localhost", "/"), "no host");
        let any = json!({
            "metadata": { "namespace": "a" },
            "spec": { "defaultBackend": { "service": { "name": "any", "port": { "name": "http" } } } },
        });
        let routes = Routes::of([&own, &any].into_iter());
        assert_eq!(service(&routes, "else.where", "/"), "any");
    }

    #[test]
    fn no_namespace_takes_a_part_of_anothers_host() {
        let first = ingress("a", "2030-01-01", "a.localhost", &[("/", "Prefix", "web")]);
        let second = ingress(
            "b",
            "2030-01-02",
            "a.localhost",
            &[("/login", "Prefix", "thief")],
        );
        let routes = Routes::of([&second, &first].into_iter());
        assert_eq!(service(&routes, "a.localhost", "/login"), "web");
    }

    #[test]
    fn the_port_and_the_case_of_a_host_do_not_matter() {
        for (host, name) in [
            ("A.localhost:8080", "a.localhost"),
            ("a.localhost.", "a.localhost"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(host_name(host), name);
        }
    }
}
