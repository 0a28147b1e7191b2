//! The patch types other than apply: JSON patch, JSON merge patch, strategic merge patch.

mod strategic;

use serde_json::Value;

use super::error::{ApiError, Cause};
use super::schema::Schema;

/// A patch that changes an object by itself, without ownership.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Patch {
    /// RFC 6902.
    Json(json_patch::Patch),
    /// RFC 7396.
    Merge(Value),
    /// Kubernetes' strategic merge patch.
    Strategic(Value),
}

impl Patch {
    /// The object after the patch.
    pub fn apply(&self, schema: &Schema, object: &Value) -> Result<Value, ApiError> {
        let mut patched = object.clone();
        match self {
            Self::Json(patch) => {
                json_patch::patch(&mut patched, patch).map_err(|error| ApiError::Invalid {
                    kind: object["kind"].as_str().unwrap_or_default().to_owned(),
                    name: object["metadata"]["name"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                    causes: vec![Cause::invalid("patch", error.to_string())],
                })?
            }
            Self::Merge(patch) => json_patch::merge(&mut patched, patch),
            Self::Strategic(patch) => strategic::apply(schema.root(), &mut patched, patch)?,
        }
        Ok(patched)
    }
}
