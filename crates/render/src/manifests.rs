//! Kubernetes manifests as they lie in a folder.

use serde_json::Value;

use crate::Folder;
use crate::folder::{Entry, join};
use crate::rendered::{RenderError, Rendered, Warning};
use crate::yaml;

/// All objects of a file, or of the files in a folder.
///
/// # Errors
/// If there is nothing there, or a file is no YAML.
pub fn render(folder: &Folder, path: &str) -> Result<Rendered, RenderError> {
    let path = join("", path).map_err(|error| RenderError::new(path, error.to_string()))?;
    let mut rendered = Rendered::default();
    if folder.has(&path) {
        read(folder, &path, true, &mut rendered)?;
    } else {
        let is_manifest = |file: &str| {
            [".yaml", ".yml", ".json"]
                .iter()
                .any(|end| file.to_ascii_lowercase().ends_with(end))
        };
        let direct: Vec<String> = folder
            .files(&path)
            .filter(|file| is_manifest(file))
            .filter_map(|file| join(&path, file).ok())
            .collect();
        for file in &direct {
            read(folder, file, false, &mut rendered)?;
        }
        if rendered.objects.is_empty() {
            // Folders that are sorted by component have nothing at their top.
            let deep: Vec<String> = folder
                .below(&path)
                .filter(|(file, entry)| is_manifest(file) && matches!(entry, Entry::Text(_)))
                .map(|(file, _)| file.to_owned())
                .filter(|file| !direct.contains(file))
                .collect();
            for file in deep {
                read(folder, &file, false, &mut rendered)?;
            }
        }
    }
    if rendered.objects.is_empty() {
        let place = if path.is_empty() {
            "the root of the repository"
        } else {
            &path
        };
        return Err(RenderError::new(
            "manifests",
            format!(
                "{place} holds no Kubernetes objects (files that end in .yaml, .yml or .json, with apiVersion and kind)"
            ),
        ));
    }
    Ok(rendered)
}

/// The objects of one file. Documents that are none are an error only where the file was named.
fn read(
    folder: &Folder,
    file: &str,
    named: bool,
    rendered: &mut Rendered,
) -> Result<(), RenderError> {
    let failed = |message: String| RenderError::new(file, message);
    let text = folder
        .text(file)
        .map_err(|error| failed(error.to_string()))?;
    // Templates of charts are no YAML, and lie next to manifests often enough.
    if !named && !text.contains("apiVersion") {
        return Ok(());
    }
    for document in yaml::documents(text).map_err(|error| failed(error.to_string()))? {
        match document {
            Value::Null => {}
            object if object["apiVersion"].is_string() && object["kind"].is_string() => {
                if object["kind"] == "Kustomization" {
                    rendered.warnings.push(Warning::new(
                        file,
                        "is a kustomization; use a template of type kustomize for it",
                    ));
                } else {
                    rendered.objects.push(object);
                }
            }
            _ if named => {
                return Err(failed(
                    "holds something without apiVersion and kind".to_owned(),
                ));
            }
            _ => rendered.warnings.push(Warning::new(
                file,
                "holds something without apiVersion and kind, which is left out",
            )),
        }
    }
    Ok(())
}
