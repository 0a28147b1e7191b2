//! Reading: one object, and lists in pages.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::request::{Form, Query, accepted};
use super::target::Asked;
use super::{Api, respond, table, watch};
use crate::objects::{ApiError, List};

/// How long the rest of a list waits for its next page.
const PAGES_KEPT: Duration = Duration::from_secs(300);
/// How many lists wait at most; the oldest goes first.
const PAGED_LISTS: usize = 64;

/// One object.
pub(super) fn get(
    api: &Api,
    asked: &Asked,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let form = accepted(headers)?;
    if let Some(wanted) = query.resource_version()? {
        let current = api.objects.revision();
        if wanted > current {
            return Err(ApiError::VersionTooLarge { wanted, current });
        }
    }
    let object = find(api, asked)?;
    let object = respond::in_version(asked, &object);
    let body = match form {
        Form::Table => table::render(
            asked,
            [&*object],
            &object["metadata"]["resourceVersion"],
            query,
        ),
        Form::Metadata => respond::metadata_only(&object),
        _ => object.into_owned(),
    };
    Ok(respond::json(&body))
}

/// The object that a request names.
pub(super) fn find(api: &Api, asked: &Asked) -> Result<Arc<Value>, ApiError> {
    api.objects
        .get(&asked.kind.stored_in(), asked.namespace(), asked.name())
        .map_err(|error| match error {
            // Named after the kind that was asked for, which may be a view of another.
            ApiError::NotFound { name, .. } => ApiError::not_found(asked.kind.resource(), name),
            other => other,
        })
}

/// A list, or a watch.
pub(super) fn list(
    api: &Arc<Api>,
    asked: &Asked,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let form = accepted(headers)?;
    if query.flag("watch") {
        return watch::start(api, asked, query, form);
    }
    query.check_list_options(false)?;
    let limit = query
        .number::<i64>("limit")?
        .and_then(|limit| usize::try_from(limit).ok())
        .filter(|limit| *limit > 0);
    // How many remain is known of whole lists alone.
    let counted = query.get("labelSelector").is_none() && query.get("fieldSelector").is_none();
    let page = match query.get("continue") {
        Some(token) => {
            if query
                .get("resourceVersion")
                .is_some_and(|version| version != "0")
            {
                return Err(ApiError::BadRequest(
                    "specifying resource version is not allowed when using continue".to_owned(),
                ));
            }
            api.pages.take(token, limit)?
        }
        None => {
            check_version(api, query)?;
            let selector = query.selector(asked)?;
            let list = api.objects.list(
                &asked.kind.stored_in(),
                asked.namespace.as_deref(),
                &selector,
            )?;
            api.pages.first(list, limit)
        }
    };
    Ok(respond::with_status(
        StatusCode::OK,
        render(asked, &page, form, query, counted),
    ))
}

/// Only the present can be listed.
fn check_version(api: &Api, query: &Query) -> Result<(), ApiError> {
    let Some(revision) = query.resource_version()? else {
        return Ok(());
    };
    let newest = api.objects.revision();
    if revision > newest {
        return Err(ApiError::VersionTooLarge {
            wanted: revision,
            current: newest,
        });
    }
    if query.get("resourceVersionMatch") == Some("Exact") && revision != newest {
        return Err(ApiError::Expired(
            "The resourceVersion for the provided list is too old.".to_owned(),
        ));
    }
    Ok(())
}

fn render(asked: &Asked, page: &Page, form: Form, query: &Query, counted: bool) -> Vec<u8> {
    let mut metadata = json!({ "resourceVersion": page.revision.to_string() });
    if let Some(token) = &page.next {
        metadata["continue"] = token.clone().into();
        if counted {
            metadata["remainingItemCount"] = page.remaining.into();
        }
    }
    let objects = page
        .items
        .iter()
        .map(|object| respond::in_version(asked, object));
    if form == Form::Table {
        let objects: Vec<_> = objects.collect();
        let mut table = table::render(
            asked,
            objects.iter().map(AsRef::as_ref),
            &Value::Null,
            query,
        );
        table["metadata"] = metadata;
        return table.to_string().into_bytes();
    }
    let (kind, api_version) = match form {
        Form::Metadata => (
            "PartialObjectMetadataList".to_owned(),
            "meta.k8s.io/v1".to_owned(),
        ),
        _ => (
            asked.kind.list_kind.clone(),
            asked.kind.api_version(&asked.version),
        ),
    };
    let head = json!({ "kind": kind, "apiVersion": api_version, "metadata": metadata });
    let mut body = head.to_string();
    body.truncate(body.len() - 1);
    body.push_str(",\"items\":[");
    for (index, object) in objects.enumerate() {
        if index > 0 {
            body.push(',');
        }
        match form {
            Form::Metadata => body.push_str(&respond::metadata_only(&object).to_string()),
            _ if asked.kind.custom => body.push_str(&object.to_string()),
            _ => push_untyped(&object, &mut body),
        }
    }
    body.push_str("]}");
    body.into_bytes()
}

/// An item of a built-in kind, which does not say what it is: the list has said it.
fn push_untyped(object: &Value, body: &mut String) {
    body.push('{');
    let fields = object.as_object().into_iter().flatten();
    let fields = fields.filter(|(name, _)| !["kind", "apiVersion"].contains(&name.as_str()));
    for (index, (name, value)) in fields.enumerate() {
        if index > 0 {
            body.push(',');
        }
        body.push_str(&Value::from(name.as_str()).to_string());
        body.push(':');
        body.push_str(&value.to_string());
    }
    body.push('}');
}

/// Lists of which a client reads one page after the other. The rest is kept as it was, so that
/// all pages together are the list of one moment.
#[derive(Debug, Default)]
pub(super) struct Pages {
    waiting: Mutex<VecDeque<Rest>>,
}

#[derive(Debug)]
struct Rest {
    token: String,
    items: Vec<Arc<Value>>,
    revision: u64,
    since: Instant,
}

struct Page {
    items: Vec<Arc<Value>>,
    revision: u64,
    next: Option<String>,
    remaining: usize,
}

impl Pages {
    fn first(&self, list: List, limit: Option<usize>) -> Page {
        self.page(list.items, list.revision, limit)
    }

    fn take(&self, token: &str, limit: Option<usize>) -> Result<Page, ApiError> {
        if token.len() != 32 || hex::decode(token).is_err() {
            return Err(ApiError::BadRequest(
                "invalid continue token: continue key is not valid: it is none of this server's"
                    .to_owned(),
            ));
        }
        let rest = {
            let mut waiting = self.lock();
            waiting.retain(|rest| rest.since.elapsed() < PAGES_KEPT);
            let rest = waiting.iter().find(|rest| rest.token == token);
            // Kept, so that a client whose connection broke can ask for the page again.
            rest.map(|rest| (rest.items.clone(), rest.revision))
        };
        let (items, revision) = rest.ok_or_else(|| {
            ApiError::Expired(
                "The provided continue parameter is too old to display a consistent list result. \
                 You must start a new list without the continue parameter."
                    .to_owned(),
            )
        })?;
        Ok(self.page(items, revision, limit))
    }

    fn page(&self, mut items: Vec<Arc<Value>>, revision: u64, limit: Option<usize>) -> Page {
        let rest = items.split_off(limit.unwrap_or(items.len()).min(items.len()));
        let remaining = rest.len();
        let next = (remaining > 0).then(|| {
            let token = hex::encode(rand::random::<[u8; 16]>());
            let mut waiting = self.lock();
            waiting.push_back(Rest {
                token: token.clone(),
                items: rest,
                revision,
                since: Instant::now(),
            });
            while waiting.len() > PAGED_LISTS {
                waiting.pop_front();
            }
            token
        });
        Page {
            items,
            revision,
            next,
            remaining,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Rest>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
