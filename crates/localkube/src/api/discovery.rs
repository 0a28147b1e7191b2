//! What groups, versions and kinds there are, in the older and the aggregated form.

use std::collections::BTreeMap;

use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use super::request::{Form, accepted};
use super::reviews::REVIEWS;
use super::target::{Discovery, subresources};
use super::{Api, metrics, respond};
use crate::objects::{ApiError, Kind, Kinds, resource};

/// The version of Kubernetes whose API this is.
pub(super) fn version() -> Value {
    json!({
        "major": "1", "minor": "34", "gitVersion": "v1.34.0+catalyst",
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "", "compiler": "rustc", "platform": format!("{}/{}", std::env::consts::OS, go_arch()),
    })
}

fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A resource or subresource as discovery shows it.
struct Entry {
    name: String,
    singular: String,
    namespaced: bool,
    kind: String,
    /// Group and version of the kind, where they are not the path's.
    foreign: Option<(&'static str, &'static str)>,
    verbs: Vec<&'static str>,
    short_names: Vec<String>,
    categories: Vec<String>,
}

/// Entries by group and version; the core group is first.
type Groups = BTreeMap<String, BTreeMap<String, Vec<Entry>>>;

const VERBS: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

fn groups(kinds: &Kinds) -> Groups {
    let mut groups = Groups::new();
    for kind in kinds.all() {
        for version in kind.versions.iter().filter(|version| version.served) {
            let entries = groups
                .entry(kind.group.clone())
                .or_default()
                .entry(version.name.clone())
                .or_default();
            entries.push(Entry {
                name: kind.plural.clone(),
                singular: kind.singular.clone(),
                namespaced: kind.namespaced,
                kind: kind.kind.clone(),
                foreign: None,
                verbs: verbs(&kind),
                short_names: kind.short_names.clone(),
                categories: kind.categories.clone(),
            });
            for name in subresources(&kind, &version.name) {
                let (foreign, verbs) = subresource(name);
                let (foreign_kind, foreign) = match foreign {
                    Some((kind, group, version)) => (Some(kind), Some((group, version))),
                    None => (None, None),
                };
                entries.push(Entry {
                    name: format!("{}/{name}", kind.plural),
                    singular: String::new(),
                    namespaced: kind.namespaced,
                    kind: foreign_kind.map_or_else(|| kind.kind.clone(), str::to_owned),
                    foreign,
                    verbs: verbs.to_vec(),
                    short_names: Vec::new(),
                    categories: Vec::new(),
                });
            }
        }
    }
    for (plural, kind, group) in REVIEWS {
        let namespaced = plural.starts_with("local");
        let entry = virtual_entry(plural, kind, namespaced, &["create"]);
        groups
            .entry(group.to_owned())
            .or_default()
            .entry("v1".to_owned())
            .or_default()
            .push(entry);
    }
    let metrics_entries = [
        ("nodes", "NodeMetrics", false),
        ("pods", "PodMetrics", true),
    ]
    .map(|(plural, kind, namespaced)| virtual_entry(plural, kind, namespaced, &["get", "list"]));
    groups
        .entry(metrics::GROUP.to_owned())
        .or_default()
        .insert(metrics::VERSION.to_owned(), metrics_entries.into());
    groups
}

/// Namespaces go one by one.
fn verbs(kind: &Kind) -> Vec<&'static str> {
    let mut verbs = VERBS.to_vec();
    if kind.resource() == resource::NAMESPACES {
        verbs.retain(|verb| *verb != "deletecollection");
    }
    verbs
}

fn virtual_entry(plural: &str, kind: &str, namespaced: bool, verbs: &[&'static str]) -> Entry {
    Entry {
        name: plural.to_owned(),
        singular: kind.to_lowercase(),
        namespaced,
        kind: kind.to_owned(),
        foreign: None,
        verbs: verbs.to_vec(),
        short_names: Vec::new(),
        categories: Vec::new(),
    }
}

/// The kind (with group and version) and verbs of a subresource.
fn subresource(
    name: &str,
) -> (
    Option<(&'static str, &'static str, &'static str)>,
    &'static [&'static str],
) {
    match name {
        "scale" => (
            Some(("Scale", "autoscaling", "v1")),
            &["get", "patch", "update"],
        ),
        "token" => (
            Some(("TokenRequest", "authentication.k8s.io", "v1")),
            &["create"],
        ),
        "eviction" => (Some(("Eviction", "policy", "v1")), &["create"]),
        "log" => (None, &["get"]),
        "exec" => (Some(("PodExecOptions", "", "v1")), &["create", "get"]),
        "attach" => (Some(("PodAttachOptions", "", "v1")), &["create", "get"]),
        "portforward" => (
            Some(("PodPortForwardOptions", "", "v1")),
            &["create", "get"],
        ),
        "finalize" => (None, &["update"]),
        _ => (None, &["get", "patch", "update"]),
    }
}

/// Versions in the order of preference: stable before beta before alpha, newer before older.
fn by_preference(versions: &BTreeMap<String, Vec<Entry>>) -> Vec<&String> {
    let rank = |version: &str| -> (i32, u64, u64) {
        let rest = version.strip_prefix('v').unwrap_or(version);
        let (major, rest) = rest.split_at(
            rest.find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len()),
        );
        let number = |text: &str| text.parse().unwrap_or_default();
        let stage = if rest.is_empty() {
            3
        } else if rest.starts_with("beta") {
            2
        } else if rest.starts_with("alpha") {
            1
        } else {
            0
        };
        (
            stage,
            number(major),
            number(rest.trim_start_matches(char::is_alphabetic)),
        )
    };
    let mut names: Vec<&String> = versions.keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(rank(name)));
    names
}

fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

pub(super) fn answer(
    api: &Api,
    what: &Discovery,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let groups = groups(api.objects.kinds());
    let aggregated = accepted(headers)? == Form::Discovery;
    let body = match what {
        Discovery::CoreVersions | Discovery::Groups if aggregated => {
            let core = *what == Discovery::CoreVersions;
            return Ok(aggregate(
                groups.iter().filter(|(group, _)| group.is_empty() == core),
            ));
        }
        Discovery::CoreVersions => json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [],
        }),
        Discovery::Groups => {
            let named = groups.iter().filter(|(group, _)| !group.is_empty());
            let list: Vec<Value> = named
                .map(|(name, versions)| group(name, versions))
                .collect();
            json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": list })
        }
        Discovery::Group(name) => {
            let versions = groups
                .get(name)
                .filter(|_| !name.is_empty())
                .ok_or(ApiError::NoSuchResource)?;
            let mut group = group(name, versions);
            group["kind"] = "APIGroup".into();
            group["apiVersion"] = "v1".into();
            group
        }
        Discovery::Resources { group, version } => {
            let entries = groups
                .get(group)
                .and_then(|versions| versions.get(version))
                .ok_or(ApiError::NoSuchResource)?;
            json!({
                "kind": "APIResourceList", "apiVersion": "v1",
                "groupVersion": group_version(group, version),
                "resources": entries.iter().map(shown).collect::<Vec<_>>(),
            })
        }
    };
    Ok(respond::json(&body))
}

fn group(name: &str, versions: &BTreeMap<String, Vec<Entry>>) -> Value {
    let versions: Vec<Value> = by_preference(versions)
        .into_iter()
        .map(|version| json!({ "groupVersion": group_version(name, version), "version": version }))
        .collect();
    json!({ "name": name, "preferredVersion": versions[0], "versions": versions })
}

fn shown(entry: &Entry) -> Value {
    let mut resource = json!({
        "name": entry.name, "singularName": entry.singular, "namespaced": entry.namespaced,
        "kind": entry.kind, "verbs": entry.verbs,
    });
    if let Some((group, version)) = entry.foreign {
        resource["group"] = group.into();
        resource["version"] = version.into();
    }
    if !entry.short_names.is_empty() {
        resource["shortNames"] = entry.short_names.clone().into();
    }
    if !entry.categories.is_empty() {
        resource["categories"] = entry.categories.clone().into();
    }
    resource
}

fn aggregate<'a>(
    groups: impl Iterator<Item = (&'a String, &'a BTreeMap<String, Vec<Entry>>)>,
) -> Response {
    let items: Vec<Value> = groups
        .map(|(group, versions)| {
            let versions: Vec<Value> = by_preference(versions)
                .into_iter()
                .map(|version| {
                    json!({
                        "version": version,
                        "freshness": "Current",
                        "resources": aggregated_resources(group, version, &versions[version]),
                    })
                })
                .collect();
            let mut item = json!({ "metadata": {}, "versions": versions });
            if !group.is_empty() {
                item["metadata"]["name"] = group.clone().into();
            }
            item
        })
        .collect();
    let list = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {}, "items": items,
    });
    let mut response = respond::json(&list);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        ),
    );
    response
}

fn aggregated_resources(group: &str, version: &str, entries: &[Entry]) -> Vec<Value> {
    let kind = |entry: &Entry| {
        let (group, version) = entry.foreign.unwrap_or((group, version));
        json!({ "group": group, "version": version, "kind": entry.kind })
    };
    let mut resources: Vec<Value> = Vec::new();
    for entry in entries {
        if let Some((_, subresource)) = entry.name.split_once('/') {
            let Some(resource) = resources.last_mut() else {
                continue;
            };
            if !resource["subresources"].is_array() {
                resource["subresources"] = json!([]);
            }
            if let Some(list) = resource["subresources"].as_array_mut() {
                list.push(json!({
                    "subresource": subresource, "responseKind": kind(entry), "verbs": entry.verbs,
                }));
            }
            continue;
        }
        let mut resource = json!({
            "resource": entry.name,
            "responseKind": kind(entry),
            "scope": if entry.namespaced { "Namespaced" } else { "Cluster" },
            "singularResource": entry.singular,
            "verbs": entry.verbs,
        });
        if !entry.short_names.is_empty() {
            resource["shortNames"] = entry.short_names.clone().into();
        }
        if !entry.categories.is_empty() {
            resource["categories"] = entry.categories.clone().into();
        }
        resources.push(resource);
    }
    resources
}
