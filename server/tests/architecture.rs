//! The arrows of docs/ARCHITECTURE.md, held against what the manifests say.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

/// For each of our crates, those of ours that it may name outside its tests.
const ARROWS: &[(&str, &[&str])] = &[
    ("catalyst-model", &[]),
    ("catalyst-crd", &["model"]),
    ("catalyst-cluster", &["model", "crd"]),
    ("catalyst-github", &["model"]),
    ("catalyst-store", &["model"]),
    (
        "catalyst-previews",
        &["model", "crd", "cluster", "github", "store"],
    ),
    ("catalyst-render", &["model", "crd"]),
    ("catalyst-operator", &["model", "crd", "cluster", "render"]),
    ("catalyst-localkube", &[]),
    ("catalyst-mcp", &["model", "previews"]),
    ("catalyst-app", &["model", "previews"]),
    ("catalyst-frontend", &["app"]),
    ("catalyst-terminal", &[]),
    (
        "catalyst-testkit",
        &["model", "crd", "cluster", "github", "store", "localkube"],
    ),
    (
        "catalyst",
        &[
            "model",
            "crd",
            "cluster",
            "github",
            "store",
            "previews",
            "operator",
            "render",
            "localkube",
            "app",
            "mcp",
        ],
    ),
    ("xtask", &[]),
];

/// The crates that may speak HTTP as a server.
const AXUM: &[&str] = &[
    "catalyst",
    "catalyst-app",
    "catalyst-localkube",
    "catalyst-testkit",
];

fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = |package: &Value| {
        let normal = |d: &&Value| d["kind"].is_null();
        let dependencies = package["dependencies"].as_array().unwrap();
        dependencies
            .iter()
            .filter(normal)
            .map(|d| d["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|p| (p["name"].as_str().unwrap().to_owned(), names(p)))
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    for (name, dependencies) in dependencies() {
        let allowed = ARROWS
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| {
                panic!("{name} is a new room: give it its arrows here and in docs/ARCHITECTURE.md")
            })
            .1;
        for dependency in &dependencies {
            if let Some(room) = dependency.strip_prefix("catalyst-") {
                assert!(
                    allowed.contains(&room),
                    "{name} may not depend on {dependency}"
                );
            }
        }
    }
}

#[test]
fn only_the_rooms_with_a_door_speak_http_as_a_server() {
    for (name, dependencies) in dependencies() {
        if dependencies.iter().any(|d| d == "axum") {
            assert!(
                AXUM.contains(&name.as_str()),
                "{name} may not depend on axum"
            );
        }
    }
}
