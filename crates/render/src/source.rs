//! What a place in a repository holds, and what becomes of it.

use crate::compose;
use crate::detect::COMPOSE_FILES;
use crate::folder::{Folder, join, name};
use crate::rendered::{RenderError, Rendered};
use crate::{helm, kustomize, manifests};

/// How a place in a repository is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A compose file.
    Compose,
    /// A kustomization.
    Kustomize,
    /// Plain manifests.
    Manifests,
    /// A chart, which helm renders.
    Helm,
}

/// What the place at `path` holds, told from the names of its files; none: nothing that is read
/// without a cluster.
#[must_use]
pub fn kind(folder: &Folder, path: &str) -> Option<Kind> {
    let path = join("", path).ok()?;
    if folder.has(&path) {
        let file = name(&path).to_ascii_lowercase();
        let text = folder.get(&path).unwrap_or_default();
        let has = |key: &str| text.lines().any(|line| line.starts_with(key));
        return if file.contains("compose") || (has("services:") && !has("apiVersion:")) {
            Some(Kind::Compose)
        } else if kustomize::FILES
            .iter()
            .any(|known| known.eq_ignore_ascii_case(&file))
        {
            Some(Kind::Kustomize)
        } else if name(&path) == helm::FILE {
            Some(Kind::Helm)
        } else if has("apiVersion:") || file.ends_with(".json") {
            Some(Kind::Manifests)
        } else {
            None
        };
    }
    if COMPOSE_FILES
        .iter()
        .any(|file| folder.find(&path, file).is_some())
    {
        Some(Kind::Compose)
    } else if kustomize::FILES
        .iter()
        .any(|file| folder.files(&path).any(|known| known == *file))
    {
        Some(Kind::Kustomize)
    } else if folder.files(&path).any(|file| file == helm::FILE) {
        Some(Kind::Helm)
    } else {
        let object = |text: &str| {
            text.lines().any(|line| line.starts_with("apiVersion:"))
                && text.lines().any(|line| line.starts_with("kind:"))
        };
        folder
            .files(&path)
            .filter(|file| file.ends_with(".yaml") || file.ends_with(".yml"))
            .filter_map(|file| join(&path, file).ok())
            .any(|file| folder.get(&file).is_some_and(object))
            .then_some(Kind::Manifests)
    }
}

/// Translates it. What comes out has yet to be admitted.
///
/// # Errors
/// If it cannot be read, with what is wrong and where. A chart never can: helm renders it, and
/// [`helm::Chart`] is what that comes to.
pub fn translate(
    kind: Kind,
    folder: &Folder,
    path: &str,
    options: &compose::Options,
) -> Result<Rendered, RenderError> {
    match kind {
        Kind::Compose => compose::render(folder, path, options),
        Kind::Kustomize => kustomize::render(folder, path),
        Kind::Manifests => manifests::render(folder, path),
        Kind::Helm => Err(RenderError::new(
            path,
            "is a chart, which helm alone can read",
        )),
    }
}
