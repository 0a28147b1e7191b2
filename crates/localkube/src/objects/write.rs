//! The one path of every write: shape, defaults, validation, admission, metadata, store.

use std::sync::Arc;

use serde_json::{Value, json};

use super::apply::{self, Manager};
use super::kinds::{Kind, Version, resource};
use super::schema::{check_types, fill_defaults, missing_fields, prune};
use super::store::{Expect, revision_of};
use super::{ATTEMPTS, ApiError, Cause, Objects, admission, crd, defaults, metadata, validate};

/// Which part of an object a request writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All but the status, where that is a subresource.
    Main,
    /// The status alone.
    Status,
}

/// How a write is noted in `managedFields`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tracking<'a> {
    /// Not at all: the node and the controllers of this cluster.
    None,
    /// As an update by this manager.
    Update(&'a str),
    /// It already is: server-side apply.
    Applied,
}

/// What happens to fields that the schema does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    /// They are dropped.
    Ignore,
    /// They are dropped and named in a warning.
    Warn,
    /// The write is refused.
    Strict,
}

/// How a write is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WriteOptions<'a> {
    pub tracking: Tracking<'a>,
    /// The version that the request speaks; none: the storage version.
    pub version: Option<&'a str>,
    pub dry_run: bool,
    pub validation: FieldValidation,
    /// The subresource as `managedFields` names it.
    pub subresource: &'a str,
}

impl WriteOptions<'_> {
    /// For the node and the controllers.
    pub const INTERNAL: Self = Self {
        tracking: Tracking::None,
        version: None,
        dry_run: false,
        validation: FieldValidation::Ignore,
        subresource: "",
    };
}

/// What a write led to.
#[derive(Debug)]
pub(crate) struct Written {
    pub object: Arc<Value>,
    pub created: bool,
    /// Texts for `Warning` headers.
    pub warnings: Vec<String>,
}

/// A server-side apply.
pub(crate) struct Apply<'a> {
    pub config: Value,
    pub manager: &'a str,
    pub force: bool,
}

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
        let warnings = self.shape(kind, version, &mut object, options)?;
        if version.status
            && !kind.custom
            && let Some(status) = defaults::initial_status(kind, &object)
        {
            object["status"] = status;
        }
        let ranges = self.list(
            resource::LIMIT_RANGES,
            Some(namespace),
            &super::Selector::everything(),
        )?;
        let ranges = || ranges.items.iter().map(Arc::as_ref);
        match kind.resource().as_str() {
            resource::PODS => admission::apply_limit_ranges(ranges(), &mut object),
            resource::LIMIT_RANGES => admission::default_limit_range(&mut object),
            _ => {}
        }
        self.validate(kind, version, None, &mut object)?;
        admission::check_limit_ranges(ranges(), kind, &object)?;
        track(kind, version, None, &mut object, options);
        metadata::drop_empty(&mut object);
        to_storage(kind, &mut object);

        let kinds = self.kinds.all();
        let admit = |state: &super::store::State, object: &mut Value| {
            admission::namespace_is_open(state, kind, namespace, &name)?;
            admission::check_quota(state, &kinds, kind, namespace, object)?;
            if kind.resource() == resource::SERVICES {
                admission::allocate_cluster_ip(state, object)?;
            }
            Ok(())
        };
        let resource = kind.stored_in();
        let key = (namespace.to_owned(), name.clone());
        let exists = || ApiError::AlreadyExists {
            resource: kind.resource(),
            name: name.clone(),
        };
        let object = if options.dry_run {
            let state = self.store.read();
            if state.get(&resource, &key).is_some() {
                return Err(exists());
            }
            admit(&state, &mut object)?;
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

    /// Change an object: `change` gets the present one (in the request's version) and gives the
    /// wanted one; it may run several times.
    pub(crate) fn change_object(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        part: Part,
        options: &WriteOptions<'_>,
        change: &dyn Fn(&Value) -> Result<Value, ApiError>,
    ) -> Result<Written, ApiError> {
        let _crd_lock = self.crd_lock(kind);
        let resource = kind.stored_in();
        for _ in 0..ATTEMPTS {
            let current = self.get(&resource, namespace, name)?;
            let version = version(kind, options)?;
            let mut seen = Value::clone(&current);
            seen["apiVersion"] = kind.api_version(&version.name).into();
            let wanted = change(&seen)?;
            check_preconditions(kind, name, &current, &wanted)?;
            let (object, warnings) = self.updated(
                kind,
                version,
                (namespace, name),
                part,
                &seen,
                wanted,
                options,
            )?;
            let unchanged = object == *current;
            if unchanged || options.dry_run {
                let object = if unchanged { current } else { Arc::new(object) };
                return Ok(Written {
                    object,
                    created: false,
                    warnings,
                });
            }
            let key = (namespace.to_owned(), name.to_owned());
            let revision = revision_of(&current);
            let written = if may_vanish(kind, &object) {
                self.remove(kind, &key, revision, Some(object))?
            } else {
                let written = self.store.put(
                    &resource,
                    key,
                    Expect::Revision(revision),
                    object,
                    |_, _| Ok(()),
                )?;
                if let Some(object) = &written
                    && kind.resource() == resource::CUSTOM_RESOURCE_DEFINITIONS
                {
                    self.kinds.register(crd::kind_of(object)?);
                }
                written
            };
            if let Some(object) = written {
                return Ok(Written {
                    object,
                    created: false,
                    warnings,
                });
            }
        }
        Err(ApiError::modified(kind.resource(), name))
    }

    /// The object as it will be after an update.
    #[allow(
        clippy::too_many_arguments,
        reason = "one step of change_object, split for reading"
    )]
    fn updated(
        &self,
        kind: &Kind,
        version: &Version,
        (namespace, name): (&str, &str),
        part: Part,
        current: &Value,
        wanted: Value,
        options: &WriteOptions<'_>,
    ) -> Result<(Value, Vec<String>), ApiError> {
        let mut object = match part {
            Part::Main => {
                let mut object = wanted;
                if version.status {
                    set_or_remove(&mut object, "status", current.get("status"));
                }
                object
            }
            Part::Status => {
                let mut object = current.clone();
                set_or_remove(&mut object, "status", wanted.get("status"));
                let managed = wanted["metadata"].get("managedFields");
                set_or_remove(&mut object["metadata"], "managedFields", managed);
                object
            }
        };
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        metadata::keep_server_fields(&mut object, current);
        let finalizing = options.tracking == Tracking::None || options.subresource == "finalize";
        if kind.resource() == resource::NAMESPACES && !finalizing {
            set_or_remove(&mut object, "spec", current.get("spec"));
        }
        identify(kind, version, namespace, name, &mut object)?;
        let warnings = self.shape(kind, version, &mut object, options)?;
        if kind.resource() == resource::SERVICES {
            keep_cluster_ip(&mut object, current);
        }
        self.validate(kind, version, Some(current), &mut object)?;
        if has_generation(kind) && part == Part::Main && spec_changed(version, current, &object) {
            let generation = current["metadata"]["generation"]
                .as_i64()
                .unwrap_or_default();
            object["metadata"]["generation"] = (generation + 1).into();
        }
        track(kind, version, Some(current), &mut object, options);
        metadata::drop_empty(&mut object);
        to_storage(kind, &mut object);
        Ok((object, warnings))
    }

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

    /// Bring an object into the shape of its schema.
    fn shape(
        &self,
        kind: &Kind,
        version: &Version,
        object: &mut Value,
        options: &WriteOptions<'_>,
    ) -> Result<Vec<String>, ApiError> {
        let unknown = prune(version.schema.root(), object);
        let warnings = unknown_fields(kind, version, unknown, options)?;
        type_errors(kind, version, object)?;
        fill_defaults(version.schema.root(), object);
        if !kind.custom {
            defaults::fill(kind, object);
            // Objects that came with the first round may have defaults of their own.
            fill_defaults(version.schema.root(), object);
        }
        Ok(warnings)
    }

    fn validate(
        &self,
        kind: &Kind,
        version: &Version,
        current: Option<&Value>,
        object: &mut Value,
    ) -> Result<(), ApiError> {
        let mut causes = Vec::new();
        metadata::validate(&kind.resource(), object, &mut causes);
        if let Some(current) = current
            && metadata::is_terminating(current)
        {
            let added = metadata::finalizers(object)
                .any(|name| !metadata::finalizers(current).any(|known| known == name));
            if added {
                causes.push(Cause {
                    reason: "FieldValueForbidden",
                    field: "metadata.finalizers".to_owned(),
                    message:
                        "Forbidden: no new finalizers can be added if the object is being deleted"
                            .to_owned(),
                });
            }
        }
        if kind.custom {
            if let Some(validator) = &version.validator {
                causes.extend(crd::violations(validator, object));
            }
        } else {
            causes.extend(missing_fields(
                version.schema.root().field("spec"),
                &object["spec"],
                "spec",
            ));
            let unchanged = current.is_some_and(|current| {
                current["spec"] == object["spec"] && object.get("data") == current.get("data")
            });
            if causes.is_empty() && !unchanged {
                validate::object(kind, object, &mut causes);
            }
            if let Some(current) = current {
                validate::update(kind, current, object, &mut causes);
            }
            if causes.is_empty() && kind.resource() == resource::CUSTOM_RESOURCE_DEFINITIONS {
                crd::prepare(&self.kinds, current, object, &mut causes);
            }
        }
        admission::invalid(kind, object, causes)
    }

    /// Remove an object of a revision for good; none where it changed in between.
    pub(crate) fn remove(
        &self,
        kind: &Kind,
        key: &super::store::Key,
        revision: u64,
        last: Option<Value>,
    ) -> Result<Option<Arc<Value>>, ApiError> {
        let removed = self.store.remove(&kind.stored_in(), key, revision, last)?;
        if let Some(object) = &removed
            && kind.resource() == resource::CUSTOM_RESOURCE_DEFINITIONS
        {
            self.kinds.unregister(&crd::resource_of(object));
        }
        Ok(removed)
    }
}

/// Whether nothing holds an object that is being deleted.
pub(crate) fn may_vanish(kind: &Kind, object: &Value) -> bool {
    let running = kind.resource() == resource::PODS
        && object["metadata"]["deletionGracePeriodSeconds"]
            .as_i64()
            .unwrap_or_default()
            > 0;
    let filled = kind.resource() == resource::NAMESPACES
        && validate::items(&object["spec"]["finalizers"])
            .next()
            .is_some();
    metadata::is_terminating(object)
        && metadata::finalizers(object).next().is_none()
        && !running
        && !filled
}

fn version<'a>(kind: &'a Kind, options: &WriteOptions<'_>) -> Result<&'a Version, ApiError> {
    match options.version {
        Some(name) => kind.served(name).ok_or(ApiError::NoSuchResource),
        None => Ok(kind.storage()),
    }
}

/// State what the object is and where; refuse it where it states something else.
fn identify(
    kind: &Kind,
    version: &Version,
    namespace: &str,
    name: &str,
    object: &mut Value,
) -> Result<(), ApiError> {
    let differs = |value: &Value, expected: &str| {
        value
            .as_str()
            .is_some_and(|text| !text.is_empty() && text != expected)
    };
    let metadata = &object["metadata"];
    if differs(&metadata["name"], name) {
        return Err(ApiError::BadRequest(format!(
            "the name of the object ({}) does not match the name on the URL ({name})",
            metadata["name"].as_str().unwrap_or_default()
        )));
    }
    if differs(&metadata["namespace"], namespace) {
        return Err(ApiError::BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
                .to_owned(),
        ));
    }
    object["apiVersion"] = kind.api_version(&version.name).into();
    object["kind"] = kind.kind.clone().into();
    object["metadata"]["name"] = name.into();
    let namespace = kind.namespaced.then(|| Value::from(namespace));
    set_or_remove(&mut object["metadata"], "namespace", namespace.as_ref());
    Ok(())
}

fn to_storage(kind: &Kind, object: &mut Value) {
    object["apiVersion"] = kind.api_version(&kind.storage().name).into();
}

fn set_or_remove(object: &mut Value, field: &str, value: Option<&Value>) {
    if let Some(map) = object.as_object_mut() {
        match value {
            Some(value) => map.insert(field.to_owned(), value.clone()),
            None => map.remove(field),
        };
    }
}

fn check_preconditions(
    kind: &Kind,
    name: &str,
    current: &Value,
    wanted: &Value,
) -> Result<(), ApiError> {
    let given = |field: &str| {
        wanted["metadata"][field]
            .as_str()
            .filter(|text| !text.is_empty())
    };
    if let Some(uid) = given("uid")
        && current["metadata"]["uid"] != uid
    {
        return Err(ApiError::Conflict {
            resource: kind.resource(),
            name: name.to_owned(),
            message: format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                current["metadata"]["uid"].as_str().unwrap_or_default()
            ),
        });
    }
    if let Some(revision) = given("resourceVersion")
        && current["metadata"]["resourceVersion"] != revision
    {
        return Err(ApiError::modified(kind.resource(), name));
    }
    Ok(())
}

/// Whether the server counts changes of the spec for a kind.
fn has_generation(kind: &Kind) -> bool {
    kind.custom
        || matches!(
            kind.group.as_str(),
            "apps" | "batch" | "networking.k8s.io" | "policy" | "apiextensions.k8s.io"
        )
        || kind.resource() == resource::PODS
}

fn spec_changed(version: &Version, before: &Value, after: &Value) -> bool {
    let parts = |object: &Value| {
        let mut object = object.clone();
        if let Some(map) = object.as_object_mut() {
            map.remove("metadata");
            if version.status {
                map.remove("status");
            }
        }
        object
    };
    parts(before) != parts(after)
}

/// A Service keeps its address where an update leaves it out.
fn keep_cluster_ip(object: &mut Value, current: &Value) {
    let wants = object["spec"]["type"] != "ExternalName";
    for field in ["clusterIP", "clusterIPs"] {
        let given = match &object["spec"][field] {
            Value::String(address) => !address.is_empty(),
            Value::Array(addresses) => !addresses.is_empty(),
            _ => false,
        };
        if wants
            && !given
            && let Some(value) = current["spec"].get(field)
        {
            object["spec"][field] = value.clone();
        }
    }
}

fn track(
    kind: &Kind,
    version: &Version,
    current: Option<&Value>,
    object: &mut Value,
    options: &WriteOptions<'_>,
) {
    match options.tracking {
        Tracking::Applied => {}
        Tracking::None => {
            let managed = current.and_then(|current| current["metadata"].get("managedFields"));
            set_or_remove(&mut object["metadata"], "managedFields", managed);
        }
        Tracking::Update(name) => apply::track_update(
            version.schema.root(),
            current,
            object,
            &Manager {
                name,
                api_version: &kind.api_version(&version.name),
                subresource: options.subresource,
                has_status: version.status,
                now: &metadata::now(),
            },
        ),
    }
}

fn unknown_fields(
    kind: &Kind,
    version: &Version,
    unknown: Vec<String>,
    options: &WriteOptions<'_>,
) -> Result<Vec<String>, ApiError> {
    let unknown = unknown
        .into_iter()
        .map(|field| format!("unknown field {field:?}"));
    match options.validation {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Warn => Ok(unknown.collect()),
        FieldValidation::Strict => {
            let unknown: Vec<String> = unknown.collect();
            if unknown.is_empty() {
                return Ok(unknown);
            }
            Err(ApiError::BadRequest(format!(
                "{} in version {:?} cannot be handled as a {}: strict decoding error: {}",
                kind.kind,
                version.name,
                kind.kind,
                unknown.join(", ")
            )))
        }
    }
}

/// Wrong types in a built-in kind cannot be decoded at all; those in a custom one are invalid.
fn type_errors(kind: &Kind, version: &Version, object: &Value) -> Result<(), ApiError> {
    if kind.custom {
        let mut causes = check_types(version.schema.root().field("metadata"), &object["metadata"]);
        causes
            .iter_mut()
            .for_each(|cause| cause.field = format!("metadata.{}", cause.field));
        return admission::invalid(kind, object, causes);
    }
    match check_types(version.schema.root(), object).first() {
        None => Ok(()),
        Some(cause) => Err(ApiError::BadRequest(format!(
            "{} in version {:?} cannot be handled as a {}: {}: {}",
            kind.kind, version.name, kind.kind, cause.field, cause.message
        ))),
    }
}
