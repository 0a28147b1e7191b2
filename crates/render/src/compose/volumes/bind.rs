//! Files and folders of the repository, and what would reach for the node's own.

use serde_json::json;

use super::files::{MAX_BYTES, MAX_FILES, config_map};
use super::{CODE, Mounts, Wanted, add, mount};
use crate::compose::Context;
use crate::compose::load::OUTSIDE;
use crate::folder::{Entry, join, name as last};
use crate::rendered::{RenderError, dns_name};

pub(super) fn host_path(all: &mut Mounts, path: &str, target: &str, read_only: bool) {
    add(
        all,
        target,
        read_only,
        None,
        json!({ "hostPath": { "path": path } }),
    );
}

/// Folders of the machine that are given to containers so that they show its time.
const HARMLESS: &[&str] = &[
    "/etc/localtime",
    "/etc/timezone",
    "/usr/share/zoneinfo",
    "/etc/hosts",
    "/etc/resolv.conf",
];

/// Places of a machine that nobody mounts by accident.
const NODE: &[&str] = &[
    "/", "/etc", "/var/run", "/run", "/proc", "/sys", "/dev", "/boot", "/var/lib", "/usr", "/root",
    "/lib", "/bin", "/sbin", "/var/log",
];

pub(super) fn bind(
    context: &mut Context,
    service: &str,
    object: &str,
    all: &mut Mounts,
    entry: &Wanted,
) -> Result<(), RenderError> {
    let subject = format!("service {service}: volumes");
    let source = entry.source.as_str();
    if HARMLESS.contains(&source) {
        context.warn(
            subject,
            format!("{source} of the machine is not mounted; the cluster sets it itself"),
        );
        return Ok(());
    }
    if source.starts_with(OUTSIDE) || source.starts_with("/outside/") {
        let path = source
            .trim_start_matches(OUTSIDE)
            .trim_start_matches("/outside/");
        context.warn(
            subject,
            format!(
                "{path:?} leads out of the repository; {} is empty here",
                entry.target
            ),
        );
        add(all, &entry.target, false, None, json!({ "emptyDir": {} }));
        return Ok(());
    }
    if source.starts_with('/') {
        let node = NODE.iter().any(|place| {
            source == *place || (*place != "/" && source.starts_with(&format!("{place}/")))
        });
        if node {
            // The validator refuses it, and says so.
            host_path(all, source, &entry.target, entry.read_only);
            return Ok(());
        }
    }
    if source.starts_with(['/', '~']) {
        context.warn(
            subject,
            format!(
                "{source} is a folder of the machine; {} is empty here",
                entry.target
            ),
        );
        add(all, &entry.target, false, None, json!({ "emptyDir": {} }));
        return Ok(());
    }
    let path =
        join("", source).map_err(|error| RenderError::new(subject.clone(), error.to_string()))?;
    if context.folder.has(&path) {
        if let Some(text) = context.folder.get(&path) {
            let text = text.to_owned();
            let file = last(&path).to_owned();
            config_map(context, object, all, &entry.target, &[(file, text)], true);
        } else {
            checkout(all, &entry.target, entry.read_only, &path);
        }
        return Ok(());
    }
    if context.folder.is_directory(&path) {
        // A folder of a few texts that is only read is mounted as it stands; any other is the
        // checkout's.
        let looks_read = entry.read_only
            || entry.target.starts_with("/etc/")
            || entry.target.contains("initdb")
            || entry.target.starts_with("/config");
        let files: Option<Vec<(String, String)>> = context
            .folder
            .below(&path)
            .map(|(file, entry)| {
                let name = file.strip_prefix(path.as_str())?.trim_start_matches('/');
                match entry {
                    Entry::Text(text) if !name.contains('/') => {
                        Some((name.to_owned(), text.clone()))
                    }
                    _ => None,
                }
            })
            .collect();
        if let Some(files) = files.filter(|files| {
            looks_read
                && files.len() <= MAX_FILES
                && files.iter().map(|(_, text)| text.len()).sum::<usize>() <= MAX_BYTES
        }) {
            config_map(context, object, all, &entry.target, &files, false);
        } else {
            checkout(all, &entry.target, entry.read_only, &path);
        }
        return Ok(());
    }
    // Docker makes the folder; what is written there is kept.
    let claim = dns_name(&format!("bind-{path}"), 63);
    context.warn(
        subject,
        format!(
            "the repository has nothing at {path}; {} is an empty volume that is kept",
            entry.target
        ),
    );
    *context.claims.entry(claim.clone()).or_default() += 1;
    all.has_claim = true;
    add(
        all,
        &entry.target,
        entry.read_only,
        None,
        json!({ "persistentVolumeClaim": { "claimName": claim } }),
    );
    Ok(())
}

fn checkout(all: &mut Mounts, target: &str, read_only: bool, path: &str) {
    if !all.volumes.iter().any(|volume| volume["name"] == CODE) {
        all.volumes.push(json!({ "name": CODE, "emptyDir": {} }));
    }
    mount(
        all,
        CODE,
        target,
        read_only,
        (!path.is_empty()).then_some(path),
    );
}
