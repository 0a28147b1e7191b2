//! Which backend an Ingress names for a host and a path.

use std::sync::Arc;

use serde_json::Value;

/// A Service and its port, as an Ingress names them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Backend {
    pub namespace: String,
    pub service: String,
    /// A number or a name.
    pub port: Value,
}

/// What the Ingresses say about a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Route {
    /// Nobody has claimed the host.
    UnknownHost,
    /// The host is claimed, the path is not.
    NoPath,
    To(Backend),
}

/// Find the route: an exact host before a wildcard before rules for any host, then an exact path,
/// then the longest prefix; among equals the oldest Ingress.
pub(super) fn find(ingresses: &[Arc<Value>], host: &str, path: &str) -> Route {
    let host = bare(host);
    let mut ingresses: Vec<&Arc<Value>> = ingresses.iter().collect();
    ingresses.sort_by(|a, b| age(a).cmp(&age(b)));
    let mut best: Option<((u8, bool, usize), Backend)> = None;
    let mut known = false;
    for ingress in ingresses {
        let namespace = ingress["metadata"]["namespace"]
            .as_str()
            .unwrap_or_default();
        let mut consider = |rank: (u8, bool, usize), backend: &Value| {
            let Some(backend) = read(namespace, backend) else {
                return;
            };
            if best.as_ref().is_none_or(|(best, _)| rank > *best) {
                best = Some((rank, backend));
            }
        };
        for rule in items(&ingress["spec"]["rules"]) {
            let Some(rank) = host_rank(rule["host"].as_str().unwrap_or_default(), &host) else {
                continue;
            };
            known |= rank > 0;
            for entry in items(&rule["http"]["paths"]) {
                let wanted = entry["path"].as_str().unwrap_or("/");
                let exact = entry["pathType"] == "Exact";
                if matches(wanted, exact, path) {
                    consider(
                        (rank, exact, wanted.trim_end_matches('/').len()),
                        &entry["backend"],
                    );
                }
            }
        }
        if ingress["spec"]["defaultBackend"].is_object() {
            consider((0, false, 0), &ingress["spec"]["defaultBackend"]);
        }
    }
    match best {
        Some((_, backend)) => Route::To(backend),
        None if known => Route::NoPath,
        None => Route::UnknownHost,
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn age(ingress: &Value) -> (&str, &str, &str) {
    let text = |field: &str| ingress["metadata"][field].as_str().unwrap_or_default();
    (text("creationTimestamp"), text("namespace"), text("name"))
}

/// A host without its port and closing dot, in lower case.
fn bare(host: &str) -> String {
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    host.trim_end_matches('.').to_ascii_lowercase()
}

fn host_rank(rule: &str, host: &str) -> Option<u8> {
    let rule = rule.to_ascii_lowercase();
    if rule.is_empty() {
        return Some(0);
    }
    if rule == host {
        return Some(2);
    }
    let (label, rest) = host.split_once('.')?;
    // A wildcard stands for one whole label.
    (!label.is_empty() && rule.strip_prefix("*.") == Some(rest)).then_some(1)
}

/// Kubernetes compares prefixes by their parts: `/foo` is a prefix of `/foo/bar`, not of `/foobar`.
fn matches(wanted: &str, exact: bool, path: &str) -> bool {
    if exact {
        return wanted == path;
    }
    let wanted = wanted.trim_end_matches('/');
    path.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn read(namespace: &str, backend: &Value) -> Option<Backend> {
    let service = &backend["service"];
    let port = match &service["port"] {
        Value::Object(port) => port.get("number").or_else(|| port.get("name"))?.clone(),
        _ => return None,
    };
    Some(Backend {
        namespace: namespace.to_owned(),
        service: service["name"].as_str()?.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ingress(name: &str, host: &str, paths: &[(&str, &str, &str)]) -> Arc<Value> {
        let paths: Vec<Value> = paths
            .iter()
            .map(|(path, kind, service)| {
                json!({ "path": path, "pathType": kind, "backend": { "service": { "name": service, "port": { "number": 80 } } } })
            })
            .collect();
        let mut rule = json!({ "http": { "paths": paths } });
        if !host.is_empty() {
            rule["host"] = json!(host);
        }
        Arc::new(json!({
            "metadata": { "namespace": "shop", "name": name, "creationTimestamp": name },
            "spec": { "rules": [rule] },
        }))
    }

    fn service(route: Route) -> String {
        match route {
            Route::To(backend) => backend.service,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn hosts_are_compared_without_case_and_port() {
        let all = [ingress("a", "Shop-1.localhost", &[("/", "Prefix", "web")])];
        assert_eq!(service(find(&all, "shop-1.LOCALHOST:8080", "/x")), "web");
        assert_eq!(find(&all, "shop-2.localhost", "/"), Route::UnknownHost);
    }

    #[test]
    fn the_most_specific_path_wins_and_prefixes_end_at_a_slash() {
        let all = [ingress(
            "a",
            "h",
            &[
                ("/", "Prefix", "root"),
                ("/api", "Prefix", "api"),
                ("/api/v1", "Exact", "exact"),
                ("/api/v1/", "Prefix", "v1"),
            ],
        )];
        for (path, expected) in [
            ("/", "root"),
            ("/apix", "root"),
            ("/api", "api"),
            ("/api/x", "api"),
            ("/api/v1", "exact"),
            ("/api/v1/x", "v1"),
        ] {
            assert_eq!(service(find(&all, "h", path)), expected, "{path}");
        }
        let only_api = [ingress("a", "h", &[("/api", "Prefix", "api")])];
        assert_eq!(find(&only_api, "h", "/"), Route::NoPath);
    }

    #[test]
    fn an_exact_host_wins_over_a_wildcard_and_the_oldest_over_the_younger() {
        let all = [
            ingress("2", "a.h", &[("/", "Prefix", "younger")]),
            ingress("1", "a.h", &[("/", "Prefix", "older")]),
            ingress("0", "*.h", &[("/", "Prefix", "wild")]),
        ];
        assert_eq!(service(find(&all, "a.h", "/")), "older");
        assert_eq!(service(find(&all, "b.h", "/")), "wild");
        assert_eq!(find(&all, "a.b.h", "/"), Route::UnknownHost);
    }
}
