//! Where a service's image comes from: a registry, or a build.

use std::collections::BTreeMap;

use crate::compose::Context;

use serde_json::{Map, Value};

use super::meant;
use crate::compose::load::{OUTSIDE, scalar};
use crate::folder::{join, parent};
use crate::rendered::{BuildSpec, RenderError, dns_name};

/// The image, and the build that makes it.
pub(super) fn image(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
) -> Result<String, RenderError> {
    let subject = format!("service {name}: build");
    let named = service
        .get("image")
        .map(scalar)
        .filter(|image| !image.trim().is_empty());
    let Some(build) = service.get("build").filter(|build| !build.is_null()) else {
        let named = named.ok_or_else(|| {
            let typo = service.keys().find_map(|key| {
                let meant = meant(key).filter(|meant| key != meant)?;
                matches!(meant, "image" | "build").then_some((key, meant))
            });
            let hint = typo.map(|(key, meant)| format!("; is {key:?} to be {meant:?}?"));
            RenderError::new(
                format!("service {name}"),
                format!(
                    "it has neither an image nor a build{}",
                    hint.unwrap_or_default()
                ),
            )
        })?;
        if named.contains(char::is_whitespace) {
            return Err(RenderError::new(
                format!("service {name}: image"),
                format!("{named:?} is no name of an image"),
            ));
        }
        return Ok(named);
    };
    let text = |key: &str| build.get(key).map(scalar).filter(|text| !text.is_empty());
    let context_path = text("context").unwrap_or_else(|| ".".to_owned());
    if let Some(path) = context_path.strip_prefix(OUTSIDE) {
        return Err(RenderError::new(
            subject,
            format!("the context {path:?} leads out of the repository"),
        ));
    }
    if context_path.contains("://")
        || context_path.starts_with("git@")
        || context_path.starts_with("github.com/")
    {
        return Err(RenderError::new(
            subject,
            format!("the context {context_path:?} is another repository; only this one is built"),
        ));
    }
    let path = join("", &context_path)
        .map_err(|error| RenderError::new(subject.clone(), error.to_string()))?;
    let file = text("dockerfile").unwrap_or_else(|| "Dockerfile".to_owned());
    let dockerfile =
        join(&path, &file).map_err(|error| RenderError::new(subject.clone(), error.to_string()))?;
    let inline = text("dockerfile_inline");
    if inline.is_none() && !context.folder.has(&dockerfile) {
        let similar = context
            .folder
            .find(parent(&dockerfile), crate::folder::name(&dockerfile))
            .map(ToOwned::to_owned);
        match similar {
            Some(similar) => context.warn(
                subject.clone(),
                format!("{dockerfile} is spelt {similar} in the repository"),
            ),
            None => context.warn(
                subject.clone(),
                format!("the repository has no file {dockerfile}"),
            ),
        }
    }
    let mut args = BTreeMap::new();
    for (key, value) in build
        .get("args")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        match value {
            Value::Null => match context.project.variables.get(key) {
                Some(value) => drop(args.insert(key.clone(), value.clone())),
                None => context.warn(
                    format!("{subject}: args"),
                    format!("{key} is passed on from the machine's environment, and not set here"),
                ),
            },
            value => drop(args.insert(key.clone(), scalar(value))),
        }
    }
    for key in build.as_object().into_iter().flat_map(Map::keys) {
        let known = matches!(
            key.as_str(),
            "context" | "dockerfile" | "dockerfile_inline" | "args" | "target"
        );
        // What only makes builds faster or labels images loses nothing.
        let harmless = matches!(
            key.as_str(),
            "cache_from"
                | "cache_to"
                | "no_cache"
                | "pull"
                | "labels"
                | "tags"
                | "provenance"
                | "sbom"
        );
        if !known && !harmless && !key.starts_with("x-") {
            context.warn(format!("{subject}: {key}"), "is not translated");
        }
    }
    let build = dns_name(name, 40);
    let image = context.options.images.of(&build);
    context.builds.push(BuildSpec {
        name: build,
        source_ref: context.options.source_ref.clone(),
        path,
        dockerfile,
        dockerfile_inline: inline,
        target: text("target"),
        args,
        image: image.clone(),
    });
    Ok(image)
}
