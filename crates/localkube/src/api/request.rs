//! Reading a request: its query, the media types it accepts, its body.

use axum::body::Body;
use axum::extract::Request;
use http::{HeaderMap, header};
use serde_json::{Value, json};

use super::protobuf;
use super::target::Asked;
use crate::objects::write::{FieldValidation, Tracking, WriteOptions};
use crate::objects::{ApiError, Cause, Selector};

/// Kubernetes' own limit.
const LARGEST_BODY: usize = 3 << 20;

/// The query of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(query: &str) -> Self {
        Self(
            url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// A parameter; empty counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next().filter(|value| !value.is_empty())
    }

    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn flag(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| matches!(value, "true" | "1" | "True" | "TRUE"))
    }

    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        self.get(name)
            .map(|value| {
                value.parse().map_err(|_| {
                    ApiError::BadRequest(format!("{name} must be a number, not {value:?}"))
                })
            })
            .transpose()
    }

    /// The selectors; refuses fields that cannot be selected by.
    pub fn selector(&self, asked: &Asked) -> Result<Selector, ApiError> {
        let labels = self.get("labelSelector").unwrap_or_default();
        let fields = self.get("fieldSelector").unwrap_or_default();
        let selector = Selector::parse(labels, fields)?;
        for path in selector.field_paths() {
            let known = path == "metadata.name"
                || (path == "metadata.namespace" && asked.kind.namespaced)
                || asked.kind.fields.iter().any(|field| field == path);
            if !known {
                return Err(ApiError::BadRequest(format!(
                    "field label not supported: {path}"
                )));
            }
        }
        Ok(selector)
    }

    /// Whether nothing is to be changed; `kind` is that of the request's options.
    pub fn dry_run(&self, kind: &str) -> Result<bool, ApiError> {
        match self.get("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => Err(ApiError::invalid_options(
                kind,
                Cause::unsupported("dryRun", json!([other]), &["All"]),
            )),
        }
    }

    /// How a write is to be made. `manager` is who it is noted as, `kind` that of the request's options.
    pub fn write_options<'a>(
        &self,
        asked: &'a Asked,
        manager: &'a str,
        kind: &str,
    ) -> Result<WriteOptions<'a>, ApiError> {
        let validation = match self.get("fieldValidation") {
            None | Some("Warn") => FieldValidation::Warn,
            Some("Ignore") => FieldValidation::Ignore,
            Some("Strict") => FieldValidation::Strict,
            Some(other) => {
                let cause = Cause::unsupported(
                    "fieldValidation",
                    format!("{other:?}"),
                    &["", "Ignore", "Strict", "Warn"],
                );
                return Err(ApiError::invalid_options(kind, cause));
            }
        };
        Ok(WriteOptions {
            tracking: Tracking::Update(manager),
            version: Some(&asked.version),
            dry_run: self.dry_run(kind)?,
            validation,
            subresource: asked.subresource.as_deref().unwrap_or_default(),
        })
    }

    /// The version that a list or a watch is to be of; the first version there is counts as none.
    pub fn resource_version(&self) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.get("resourceVersion") else {
            return Ok(None);
        };
        match text.parse() {
            Ok(version) => Ok(Some(version)),
            Err(_) => Err(ApiError::BadRequest(format!(
                "invalid resource version: resourceVersion: Invalid value: {text:?}: must be a number"
            ))),
        }
    }

    /// Refuse options of a list or a watch that contradict each other.
    pub fn check_list_options(&self, watch: bool) -> Result<(), ApiError> {
        let refuse = |cause| Err(ApiError::invalid_options("ListOptions", cause));
        let forbid = |field: &str, message: &str| refuse(Cause::forbidden(field, message));
        let matching = self.get("resourceVersionMatch");
        let version = self.get("resourceVersion");
        let initial = self.get("sendInitialEvents").is_some();
        const MATCH: &str = "resourceVersionMatch";
        if watch {
            return match matching {
                Some("NotOlderThan") if initial => Ok(()),
                None if !initial => Ok(()),
                _ if initial => forbid(
                    MATCH,
                    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                ),
                _ => forbid(
                    MATCH,
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                ),
            };
        }
        if initial {
            return forbid(
                "sendInitialEvents",
                "sendInitialEvents is forbidden for list",
            );
        }
        match (matching, version) {
            (None, _) => Ok(()),
            (Some(_), None) => forbid(
                MATCH,
                "resourceVersionMatch is forbidden unless resourceVersion is provided",
            ),
            (Some(_), Some(_)) if self.get("continue").is_some() => forbid(
                MATCH,
                "resourceVersionMatch is forbidden when continue is provided",
            ),
            (Some("Exact"), Some("0")) => forbid(
                MATCH,
                "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
            ),
            (Some("Exact" | "NotOlderThan"), Some(_)) => Ok(()),
            (Some(other), Some(_)) => refuse(Cause::unsupported(
                MATCH,
                format!("{other:?}"),
                &["Exact", "NotOlderThan", ""],
            )),
        }
    }

    /// Who writes: `fieldManager`, or the client's program as its user agent names it.
    pub fn manager(&self, headers: &HeaderMap) -> Result<String, ApiError> {
        if let Some(manager) = self.get("fieldManager") {
            if manager.len() > 128 || manager.contains(char::is_control) {
                return Err(ApiError::BadRequest(
                    "fieldManager: at most 128 printable characters".to_owned(),
                ));
            }
            return Ok(manager.to_owned());
        }
        let agent = headers
            .get(header::USER_AGENT)
            .and_then(|agent| agent.to_str().ok());
        let program = agent
            .and_then(|agent| agent.split('/').next())
            .unwrap_or_default();
        Ok(if program.is_empty() {
            "unknown".to_owned()
        } else {
            program.chars().take(128).collect()
        })
    }
}

/// In what form a client wants objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Objects,
    Table,
    Metadata,
    /// The aggregated discovery document.
    Discovery,
}

/// The first of the accepted media types that can be produced.
pub(super) fn accepted(headers: &HeaderMap) -> Result<Form, ApiError> {
    let header = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .unwrap_or("*/*");
    for media_type in header.split(',') {
        let mut parts = media_type.split(';').map(str::trim);
        let plain = matches!(
            parts.next().unwrap_or_default(),
            "" | "*/*" | "application/*" | "application/json"
        );
        if !plain {
            continue;
        }
        let mut form = Some(Form::Objects);
        let mut version = "";
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            match (key.trim(), value.trim()) {
                ("as", "Table") => form = Some(Form::Table),
                ("as", "PartialObjectMetadata" | "PartialObjectMetadataList") => {
                    form = Some(Form::Metadata)
                }
                ("as", "APIGroupDiscoveryList") => form = Some(Form::Discovery),
                ("as", _) => form = None,
                ("v", value) => version = value,
                _ => {}
            }
        }
        match (form, version) {
            (Some(Form::Discovery), "v2") | (Some(Form::Objects), _) => {
                return Ok(form.unwrap_or(Form::Objects));
            }
            (Some(Form::Table | Form::Metadata), "v1" | "") => {
                return Ok(form.unwrap_or(Form::Objects));
            }
            _ => {}
        }
    }
    Err(ApiError::NotAcceptable("application/json".to_owned()))
}

/// The media type of the body, without parameters.
pub(super) fn content_type(headers: &HeaderMap) -> String {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase())
        .unwrap_or_default()
}

/// The bytes of the body.
pub(super) async fn bytes(body: Body) -> Result<bytes::Bytes, ApiError> {
    use http_body_util::{BodyExt, LengthLimitError, Limited};
    match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
            Err(ApiError::TooLarge(LARGEST_BODY))
        }
        Err(error) => Err(ApiError::BadRequest(format!(
            "the body could not be read: {error}"
        ))),
    }
}

/// The body as one object, in JSON, YAML or protobuf.
pub(super) async fn object(request: Request) -> Result<Value, ApiError> {
    let media_type = content_type(request.headers());
    let bytes = bytes(request.into_body()).await?;
    match media_type.as_str() {
        "" | "application/json" | "*/*" => decode(&bytes, false),
        "application/yaml" | "text/yaml" | "application/x-yaml" => decode(&bytes, true),
        protobuf::MEDIA_TYPE => protobuf::decode(&bytes),
        _ => {
            let types = ["application/json", "application/yaml", protobuf::MEDIA_TYPE];
            Err(ApiError::UnsupportedMediaType(types.join(", ")))
        }
    }
}

/// An object, or nothing where the body is empty.
pub(super) async fn optional_object(request: Request) -> Result<Value, ApiError> {
    let (parts, body) = request.into_parts();
    let bytes = bytes(body).await?;
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    object(Request::from_parts(parts, Body::from(bytes))).await
}

/// Decode JSON, or YAML where that is allowed.
pub(super) fn decode(bytes: &[u8], yaml: bool) -> Result<Value, ApiError> {
    let json = serde_json::from_slice(bytes);
    let value: Value = match json {
        Ok(value) => value,
        Err(_) if yaml => serde_yaml::from_slice(bytes).map_err(|error| {
            ApiError::BadRequest(format!("the body is not valid YAML: {error}"))
        })?,
        Err(error) => {
            return Err(ApiError::BadRequest(format!(
                "the body is not valid JSON: {error}"
            )));
        }
    };
    if value.is_object() || value.is_array() {
        Ok(value)
    } else {
        Err(ApiError::BadRequest(
            "the body must be an object".to_owned(),
        ))
    }
}

/// Refuse an object of another kind than the path names.
pub(super) fn check_kind(asked: &Asked, object: &Value) -> Result<(), ApiError> {
    if !object.is_object() {
        return Err(ApiError::BadRequest(format!(
            "the object provided is unrecognized (must be of type {}): it is no object",
            asked.kind.kind
        )));
    }
    let expected = (
        asked.kind.api_version(&asked.version),
        asked.kind.kind.as_str(),
    );
    let given = |field: &str, expected: &str| match object[field].as_str() {
        None | Some("") => expected.to_owned(),
        Some(given) => given.to_owned(),
    };
    let (version, kind) = (given("apiVersion", &expected.0), given("kind", expected.1));
    if version == expected.0 && kind == expected.1 {
        return Ok(());
    }
    Err(ApiError::BadRequest(format!(
        "{kind} in version {version:?} cannot be handled as a {}: the object of this path is a {} in version {:?}",
        expected.1, expected.1, expected.0
    )))
}
