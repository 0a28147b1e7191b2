//! Server-side apply.

use serde_json::Value;

use super::shape::{type_errors, unknown_fields};
use super::{Apply, Part, Tracking, WriteOptions, Written, version};
use crate::objects::apply::{self, Manager};
use crate::objects::kinds::Kind;
use crate::objects::schema::prune;
use crate::objects::{ATTEMPTS, ApiError, Objects, metadata};

impl Objects {
    /// Server-side apply: creates the object where it is absent.
    pub(crate) fn apply_object(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        part: Part,
        apply: Apply<'_>,
        options: &WriteOptions<'_>,
    ) -> Result<Written, ApiError> {
        let version = version(kind, options)?;
        let api_version = kind.api_version(&version.name);
        let mut config = apply.config;
        if config["metadata"]["managedFields"]
            .as_array()
            .is_some_and(|list| !list.is_empty())
        {
            return Err(ApiError::BadRequest(
                "metadata.managedFields must be nil".to_owned(),
            ));
        }
        let unknown = prune(version.schema.root(), &mut config);
        let warnings = unknown_fields(kind, version, unknown, options)?;
        type_errors(kind, version, &config)?;
        let ignored = if part == Part::Status {
            "spec"
        } else {
            "status"
        };
        if version.status
            && let Some(map) = config.as_object_mut()
        {
            map.remove(ignored);
        }
        let now = metadata::now();
        let manager = Manager {
            name: apply.manager,
            api_version: &api_version,
            subresource: options.subresource,
            has_status: version.status,
            now: &now,
        };
        let applied = WriteOptions {
            tracking: Tracking::Applied,
            ..*options
        };
        let merge = |live: Option<&Value>| {
            apply::apply(version.schema.root(), live, &config, &manager, apply.force)
        };
        for _ in 0..ATTEMPTS {
            let written = match self.get(&kind.stored_in(), namespace, name) {
                Ok(_) => {
                    let merge = |live: &Value| merge(Some(live));
                    self.change_object(kind, namespace, name, part, &applied, &merge)
                }
                Err(error) if part == Part::Status => Err(error),
                Err(_) if config["metadata"]["uid"].is_string() => {
                    return Err(ApiError::Conflict {
                        resource: kind.resource(),
                        name: name.to_owned(),
                        message: "uid mismatch: the provided object specified a uid, and no \
                                  existing object was found"
                            .to_owned(),
                    });
                }
                Err(_) => self.create_object(kind, namespace, merge(None)?, &applied),
            };
            match written {
                Ok(written) => {
                    return Ok(Written {
                        warnings,
                        ..written
                    });
                }
                // Created or deleted by someone else in between.
                Err(error) if error.is_already_exists() => {}
                Err(ApiError::NotFound { resource, .. })
                    if part == Part::Main
                        && resource == kind.resource()
                        && kind.plural != "namespaces" => {}
                Err(error) => return Err(error),
            }
        }
        Err(ApiError::modified(kind.resource(), name))
    }
}
