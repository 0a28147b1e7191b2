//! Kustomizations, each with what it is built to beside it; held against kustomize itself where
//! kubectl is at hand.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

mod scene;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use catalyst_render::{kustomize, yaml};
use scene::{Case, cases, compare};
use serde_json::Value;

fn told(case: &Case) -> String {
    match kustomize::render(&case.folder, case.header("path").unwrap_or_default()) {
        Ok(rendered) => {
            let warnings: String = rendered
                .warnings
                .iter()
                .map(|warning| format!("# warning: {warning}\n"))
                .collect();
            warnings + &yaml::print(&rendered.objects)
        }
        Err(error) => format!("error: {error}\n"),
    }
}

#[test]
fn every_kustomization_is_built_to_what_stands_beside_it() {
    let wrong: Vec<_> = cases("kustomizations")
        .iter()
        .filter_map(|case| compare("kustomizations", &case.name, &told(case)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn by_name(objects: Vec<Value>) -> BTreeMap<String, Value> {
    objects
        .into_iter()
        .map(|object| {
            (
                format!("{} {}", object["kind"], object["metadata"]["name"]),
                object,
            )
        })
        .collect()
}

/// KUBECTL names a kubectl; without one there is nothing to compare with, which is said.
#[test]
fn kustomize_itself_builds_the_same() {
    let Some(kubectl) = std::env::var_os("KUBECTL").map(PathBuf::from) else {
        eprintln!("not compared: KUBECTL names no kubectl");
        return;
    };
    let mut compared = 0;
    for case in cases("kustomizations") {
        let path = case.header("path").unwrap_or_default();
        let Ok(ours) = kustomize::render(&case.folder, path) else {
            continue;
        };
        let folder = tempfile::tempdir().unwrap();
        for (file, _) in case.folder.below("") {
            let target = folder.path().join(file);
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::write(target, case.folder.text(file).unwrap()).unwrap();
        }
        let output = Command::new(&kubectl)
            .arg("kustomize")
            .arg(folder.path().join(path))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}: {}",
            case.name,
            String::from_utf8_lossy(&output.stderr)
        );
        let theirs = yaml::documents(&String::from_utf8(output.stdout).unwrap()).unwrap();
        let (ours, theirs) = (by_name(ours.objects), by_name(theirs));
        assert_eq!(
            ours.keys().collect::<Vec<_>>(),
            theirs.keys().collect::<Vec<_>>(),
            "{}",
            case.name
        );
        for (name, theirs) in theirs {
            assert_eq!(ours[&name], theirs, "{}: {name}", case.name);
        }
        compared += 1;
    }
    assert!(compared >= 5, "{compared}");
}
