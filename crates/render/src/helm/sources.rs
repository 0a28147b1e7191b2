//! Where a chart's dependencies come from, looked at before helm is.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use super::FILE;
use crate::Folder;
use crate::folder::join;
use crate::rendered::{RenderError, Warning};
use crate::yaml;

/// Where each of a chart's dependencies may be named: helm 3 reads the lock's own addresses.
const FILES: [&str; 4] = [FILE, "Chart.lock", "requirements.yaml", "requirements.lock"];

/// What a chart needs from elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The chart's own name.
    pub name: String,
    /// Addresses of repositories that charts are fetched from, where they are not in it already.
    pub repositories: BTreeSet<String>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
}

/// Looks at the chart in the folder at `path`.
///
/// # Errors
/// If there is none, it cannot be installed, or a dependency would be fetched from where nothing
/// is: another folder than the checkout's, this machine, a private network, or by anything but
/// HTTPS.
pub fn sources(folder: &Folder, path: &str) -> Result<Sources, RenderError> {
    let outside = |error: crate::folder::FolderError| RenderError::new(path, error.to_string());
    let mut found = Sources::default();
    for name in FILES {
        let file = join(path, name).map_err(outside)?;
        if !folder.has(&file) {
            if name == FILE {
                return Err(missing(folder, path));
            }
            continue;
        }
        let failed = |message: String| RenderError::new(file.as_str(), message);
        let text = folder
            .text(&file)
            .map_err(|error| failed(error.to_string()))?;
        let map = yaml::document(text).map_err(|error| failed(error.to_string()))?;
        if name == FILE {
            found.name = map["name"].as_str().unwrap_or_default().to_owned();
            if map["type"] == "library" {
                return Err(failed(
                    "it is a library, which other charts use; name the chart that is to be installed"
                        .to_owned(),
                ));
            }
        }
        for dependency in map["dependencies"].as_array().into_iter().flatten() {
            let repository = repository(path, dependency).map_err(failed)?;
            found.repositories.extend(repository);
        }
    }
    let definitions = join(path, "crds").map_err(outside)?;
    if folder.is_directory(&definitions) {
        found.warnings.push(Warning::new(
            definitions,
            "is left out: definitions of kinds are the whole cluster's; an administrator installs them once",
        ));
    }
    Ok(found)
}

fn missing(folder: &Folder, path: &str) -> RenderError {
    let place = if path.is_empty() {
        "the root of the repository"
    } else {
        path
    };
    let mut charts: Vec<_> = folder
        .below("")
        .filter_map(|(file, _)| file.strip_suffix("/Chart.yaml"))
        .collect();
    charts.sort_unstable_by_key(|at| (at.matches('/').count(), *at));
    charts.truncate(5);
    let hint = if charts.is_empty() {
        "there is none in the repository".to_owned()
    } else {
        format!(
            "there is one in {}; set the template's path",
            charts.join(", ")
        )
    };
    RenderError::new(
        place,
        format!("source not found: it holds no chart ({FILE}); {hint}"),
    )
}

/// The address that a dependency is fetched from; none: from nowhere.
fn repository(chart: &str, dependency: &Value) -> Result<Option<String>, String> {
    let name = dependency["name"].as_str().unwrap_or_default();
    let address = dependency["repository"].as_str().unwrap_or_default().trim();
    let refused = |why: &str| {
        Err(format!(
            "the dependency {name:?} has the repository {address:?}, {why}; put the chart into charts/ \
             (helm dependency build), or name a public repository (https:// or oci://)"
        ))
    };
    if address.is_empty() {
        return Ok(None);
    }
    if let Some(place) = address.strip_prefix("file://") {
        if join(chart, place).is_err() {
            return refused("which leads out of the repository");
        }
        return Ok(None);
    }
    let Some(rest) = address
        .strip_prefix("https://")
        .or_else(|| address.strip_prefix("oci://"))
    else {
        return refused("which is none that is fetched from");
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?=&%+[]".contains(&b);
    if !rest.bytes().all(plain) {
        return refused("which has characters that no such address has");
    }
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    if is_inside(host) {
        return refused("which is not on the public internet");
    }
    Ok(address.starts_with("https://").then(|| address.to_owned()))
}

/// Whether a host, with its port, is an address by number or a name that is no public one. What a
/// public name leads to is the network policy's to refuse.
fn is_inside(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let last = name.rsplit('.').next().unwrap_or_default();
    name.parse::<Ipv4Addr>().is_ok()
        || name.parse::<Ipv6Addr>().is_ok()
        // Other ways to write an address by number.
        || last.starts_with("0x")
        || last.bytes().all(|b| b.is_ascii_digit())
        || !name.contains('.')
        || matches!(last, "localhost" | "local" | "internal" | "svc" | "cluster" | "lan" | "home")
}
