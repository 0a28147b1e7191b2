//! The variables of a service's container.

use std::collections::BTreeSet;

use super::escape;
use crate::compose::Context;
use crate::folder::join;
use crate::rendered::RenderError;

use serde_json::{Map, Value, json};

use crate::compose::interpolate::{Variables, dotenv};
use crate::compose::load::{OUTSIDE, scalar};

/// The variables of the container: files first, then the service's own, then the environment's.
pub(super) fn environment(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
) -> Result<Vec<Value>, RenderError> {
    let mut all = Variables::new();
    for file in service
        .get("env_file")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let path = file.get("path").unwrap_or(file);
        let subject = format!("service {name}: env_file");
        let shown = scalar(path);
        if let Some(path) = shown.strip_prefix(OUTSIDE) {
            return Err(RenderError::new(
                subject,
                format!("{path:?} leads out of the repository"),
            ));
        }
        let path = join("", &shown)
            .map_err(|error| RenderError::new(subject.clone(), error.to_string()))?;
        let required = file.get("required") != Some(&Value::Bool(false));
        match context.folder.text(&path) {
            Ok(text) if file.get("format").is_some_and(|format| format == "raw") => {
                all.extend(
                    text.lines()
                        .filter_map(|line| line.split_once('='))
                        .map(|(name, value)| (name.to_owned(), value.to_owned())),
                );
            }
            Ok(text) => all.extend(dotenv(text, &context.project.variables)),
            // A file that people keep out of the repository is no reason to show nothing.
            Err(
                error @ (crate::folder::FolderError::Missing(_)
                | crate::folder::FolderError::NotText(_)),
            ) => {
                if required {
                    context.warn(subject, format!("{error}; its variables are not set"));
                }
            }
            Err(error) => return Err(RenderError::new(subject, error.to_string())),
        }
    }
    for (key, value) in service
        .get("environment")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        match value {
            Value::Null => match context.project.variables.get(key) {
                Some(value) => drop(all.insert(key.clone(), value.clone())),
                None => {
                    all.remove(key);
                    context.warn(format!("service {name}: environment"), format!("{key} is passed on from the machine's environment, and not set here; give it a value, or make it a secret of the project"));
                }
            },
            Value::Array(_) | Value::Object(_) => {
                return Err(RenderError::new(
                    format!("service {name}: environment"),
                    format!("{key} is no text"),
                ));
            }
            value => drop(all.insert(key.clone(), scalar(value))),
        }
    }
    let over: BTreeSet<&str> = context
        .options
        .env
        .iter()
        .map(|variable| variable.name.as_str())
        .collect();
    let mut out: Vec<Value> = Vec::new();
    for (key, value) in all {
        if key.is_empty() || key.contains(['=', '\0']) {
            context.warn(
                format!("service {name}: environment"),
                format!("{key:?} is no name of a variable"),
            );
        } else if !over.contains(key.as_str()) {
            out.push(json!({ "name": key, "value": escape(&value) }));
        }
    }
    out.extend(
        context
            .options
            .env
            .iter()
            .map(|variable| serde_json::to_value(variable).unwrap_or_default()),
    );
    Ok(out)
}
