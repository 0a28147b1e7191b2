//! Paths of a file of another folder, as seen from the first one's.

use serde_json::{Map, Value};

use crate::folder::join;

/// Marks a path that leads out of the checkout, so that what uses it can say so.
pub(in crate::compose) const OUTSIDE: &str = "outside:";

fn rebased(base: &str, path: &str) -> String {
    // The root itself is written as a dot, so that it stays a path.
    match join(base, path) {
        Ok(path) if path.is_empty() => ".".to_owned(),
        Ok(path) => format!("./{path}"),
        Err(_) => format!("{OUTSIDE}{path}"),
    }
}

pub(super) fn rebase_key(value: &mut Value, key: &str, base: &str) {
    if let Some(Value::String(path)) = value.get_mut(key) {
        *path = rebased(base, path);
    }
}

fn is_remote(context: &str) -> bool {
    context.contains("://") || context.starts_with("git@") || context.starts_with("github.com/")
}

pub(super) fn rebase_service(service: &mut Map<String, Value>, base: &str) {
    if let Some(build) = service.get_mut("build") {
        match build.get_mut("context") {
            Some(Value::String(context)) if !is_remote(context) => {
                *context = rebased(base, context)
            }
            Some(_) => {}
            None => {
                if let Value::Object(build) = build {
                    build.insert("context".to_owned(), rebased(base, ".").into());
                }
            }
        }
    }
    if let Some(Value::Array(files)) = service.get_mut("env_file") {
        for file in files {
            match file {
                Value::String(path) => *path = rebased(base, path),
                other => rebase_key(other, "path", base),
            }
        }
    }
    if let Some(Value::Array(volumes)) = service.get_mut("volumes") {
        for volume in volumes {
            match volume {
                Value::String(text) => {
                    if text.starts_with('.') {
                        let (source, rest) = text
                            .split_once(':')
                            .map_or((text.as_str(), None), |(source, rest)| (source, Some(rest)));
                        let source = rebased(base, source);
                        *text = rest.map_or_else(
                            || source.clone(),
                            |rest| format!("{}:{rest}", source.replacen(OUTSIDE, "/outside/", 1)),
                        );
                    }
                }
                other => {
                    let relative = other["type"] == "bind"
                        && other["source"]
                            .as_str()
                            .is_some_and(|source| !source.starts_with(['/', '~']));
                    if relative {
                        rebase_key(other, "source", base);
                    }
                }
            }
        }
    }
    if let Some(Value::Object(extends)) = service.get_mut("extends")
        && let Some(Value::String(file)) = extends.get_mut("file")
    {
        *file = join(base, file).unwrap_or_else(|_| format!("{OUTSIDE}{file}"));
    }
}
