//! Making an object.

use std::sync::Arc;

use serde_json::{Value, json};

use super::change::has_generation;
use super::shape::track;
use super::{WriteOptions, Written, identify, to_storage, version};
use crate::objects::kinds::{Kind, resource};
use crate::objects::store::{Expect, State};
use crate::objects::{
    ATTEMPTS, ApiError, Cause, Objects, Selector, admission, crd, defaults, metadata,
};

impl Objects {
    /// Create an object; see [`Objects::create`].
    pub(crate) fn create_object(
        &self,
        kind: &Kind,
        namespace: &str,
        mut object: Value,
        options: &WriteOptions<'_>,
    ) -> Result<Written, ApiError> {
        if !object.is_object() {
            return Err(ApiError::BadRequest(
                "the object must be a JSON object".to_owned(),
            ));
        }
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        let generate = object["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .is_empty();
        if !generate {
            return self.create_named(kind, namespace, object, options);
        }
        let Some(prefix) = object["metadata"]["generateName"]
            .as_str()
            .map(str::to_owned)
        else {
            let causes = vec![Cause::required(
                "metadata.name",
                "name or generateName is required",
            )];
            return admission::invalid(kind, &object, causes).and(Err(ApiError::NoSuchResource));
        };
        let mut last = ApiError::NoSuchResource;
        for _ in 0..ATTEMPTS {
            let mut named = object.clone();
            let prefix: String = prefix.chars().take(58).collect();
            named["metadata"]["name"] = format!("{prefix}{}", metadata::random_suffix()).into();
            match self.create_named(kind, namespace, named, options) {
                Err(error) if error.is_already_exists() => last = error,
                other => return other,
            }
        }
        Err(last)
    }

    fn create_named(
        &self,
        kind: &Kind,
        namespace: &str,
        mut object: Value,
        options: &WriteOptions<'_>,
    ) -> Result<Written, ApiError> {
        let _crd_lock = self.crd_lock(kind);
        let version = version(kind, options)?;
        if !object["metadata"]["resourceVersion"]
            .as_str()
            .unwrap_or_default()
            .is_empty()
        {
            return Err(ApiError::BadRequest(
                "resourceVersion should not be set on objects to be created".to_owned(),
            ));
        }
        if kind.namespaced {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let state = self.store.read();
            admission::namespace_is_open(&state, kind, namespace, name)?;
            admission::kind_is_open(&state, kind, name)?;
        }
        metadata::clear_server_fields(&mut object);
        let name = object["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        identify(kind, version, namespace, &name, &mut object)?;
        object["metadata"]["uid"] = uuid::Uuid::new_v4().to_string().into();
        object["metadata"]["creationTimestamp"] = metadata::now().into();
        if has_generation(kind) {
            object["metadata"]["generation"] = 1.into();
        }
        if version.status
            && let Some(map) = object.as_object_mut()
        {
            map.remove("status");
        }
        let mut warnings = self.shape(kind, version, &mut object, options)?;
        let ranges = self.list(
            resource::LIMIT_RANGES,
            Some(namespace),
            &Selector::everything(),
        )?;
        let ranges = || ranges.items.iter().map(Arc::as_ref);
        match kind.resource().as_str() {
            resource::PODS => admission::apply_limit_ranges(ranges(), &mut object),
            resource::LIMIT_RANGES => admission::default_limit_range(&mut object),
            _ => {}
        }
        if version.status
            && !kind.custom
            && let Some(status) = defaults::initial_status(kind, &object)
        {
            object["status"] = status;
        }
        self.validate(kind, version, None, &mut object)?;
        admission::check_limit_ranges(ranges(), kind, &object)?;
        warnings.extend(self.pod_security(kind, namespace, &name, &object)?);
        track(kind, version, None, &mut object, options);
        metadata::drop_empty(&mut object);
        to_storage(kind, &mut object);

        let kinds = self.kinds.all();
        let admit = |state: &State, object: &mut Value| {
            admission::namespace_is_open(state, kind, namespace, &name)?;
            admission::check_quota(state, &kinds, kind, namespace, object)?;
            if kind.resource() == resource::SERVICES {
                admission::allocate_cluster_ip(state, object)?;
            }
            Ok(())
        };
        let resource = kind.stored_in();
        let key = (namespace.to_owned(), name.clone());
        let exists = || {
            let present = self.get(&resource, namespace, &name);
            ApiError::AlreadyExists {
                resource: kind.resource(),
                name: name.clone(),
                deleting: present.is_ok_and(|present| metadata::is_terminating(&present)),
            }
        };
        let object = if options.dry_run {
            if self.get(&resource, namespace, &name).is_ok() {
                return Err(exists());
            }
            admit(&self.store.read(), &mut object)?;
            Arc::new(object)
        } else {
            let object = self
                .store
                .put(&resource, key, Expect::Absent, object, admit)?
                .ok_or_else(exists)?;
            self.created(kind, &object)?;
            object
        };
        Ok(Written {
            object,
            created: true,
            warnings,
        })
    }

    /// What follows the creation of an object at once.
    fn created(&self, kind: &Kind, object: &Value) -> Result<(), ApiError> {
        match kind.resource().as_str() {
            resource::CUSTOM_RESOURCE_DEFINITIONS => {
                self.kinds.register(crd::kind_of(object)?);
            }
            resource::NAMESPACES => {
                let namespace = object["metadata"]["name"].as_str().unwrap_or_default();
                let account = json!({ "metadata": { "name": "default" } });
                match self.create(resource::SERVICE_ACCOUNTS, namespace, account) {
                    Err(error) if !error.is_already_exists() => return Err(error),
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }
}
