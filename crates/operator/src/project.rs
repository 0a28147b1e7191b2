//! The controller of Projects: says whether they can be used, and keeps them while they are.

use std::collections::BTreeSet;
use std::sync::Arc;

use catalyst_cluster::{chain, watch::watch};
use catalyst_crd::conditions::condition;
use catalyst_crd::{ConditionType, Environment, Project, ProjectSpec, labels, set_condition};
use catalyst_model::names;
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::DeserializeGuard;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{ObjectRef, store};
use kube::runtime::{Controller, PredicateConfig, WatchStreamExt};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::context::{Backoff, PASS_LIMIT};
use crate::desired::Problem;
use crate::desired::quota::Allowance;
use crate::environment::refers_to;
use crate::error::Error;
use crate::metrics::Pass;
use crate::repository::Repository;
use crate::settings::OperatorSettings;

type Guarded = DeserializeGuard<Project>;

/// What a template may be of.
const TEMPLATE_TYPES: &[&str] = &["managed", "helm", "manifest", "kustomize", "docker-compose"];

const CONCURRENCY: u16 = 16;

struct Context {
    client: Client,
    settings: OperatorSettings,
    backoff: Backoff,
}

/// Runs until `shutdown`; passes that have begun are ended first.
pub(crate) async fn run(client: Client, settings: OperatorSettings, shutdown: CancellationToken) {
    let (reader, writer) = store();
    let own = watch(Api::<Guarded>::all(client.clone()), "")
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .touched_objects()
        .predicate_filter(what_is_asked_for, PredicateConfig::default());
    // An Environment that goes may be the last one that kept its Project.
    let environments = Api::<DeserializeGuard<Environment>>::all(client.clone());
    let environments = watch(environments, "").touched_objects();
    let context = Arc::new(Context {
        client,
        settings,
        backoff: Backoff::default(),
    });
    Controller::for_stream(own, reader)
        .watches_stream(environments, project_of)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(async move { shutdown.cancelled().await })
        .run(pass, after_error, context)
        .for_each(|_| async {})
        .await;
}

fn what_is_asked_for(project: &Guarded) -> Option<u64> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let meta = project.meta();
    let mut hasher = DefaultHasher::new();
    (&meta.uid, meta.generation, &meta.labels, &meta.finalizers).hash(&mut hasher);
    meta.deletion_timestamp
        .as_ref()
        .map(|time| time.0)
        .hash(&mut hasher);
    Some(hasher.finish())
}

/// The Project that an Environment refers to.
fn project_of(environment: DeserializeGuard<Environment>) -> Option<ObjectRef<Guarded>> {
    let environment = environment.0.ok()?;
    let team = environment.labels().get(labels::TEAM)?;
    Some(ObjectRef::new(&environment.spec.project_ref.name).within(&names::team_namespace(team)))
}

async fn pass(project: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    let object = ObjectRef::from_obj(project.as_ref()).to_string();
    let measured = Pass::begin("Project");
    let result = tokio::time::timeout(PASS_LIMIT, reconcile(&project, &context))
        .await
        .unwrap_or(Err(Error::TooLong(PASS_LIMIT)));
    measured.end(&result);
    result?;
    context.backoff.succeeded(&object);
    Ok(Action::await_change())
}

fn after_error(project: Arc<Guarded>, error: &Error, context: Arc<Context>) -> Action {
    let object = ObjectRef::from_obj(project.as_ref()).to_string();
    let wait = context.backoff.wait_after(&object, error);
    if !error.is_conflict() {
        let project = format!(
            "{}/{}",
            project.namespace().unwrap_or_default(),
            project.name_any()
        );
        tracing::warn!(
            project,
            error = chain(error),
            again_in_ms = wait.as_millis(),
            "pass_failed"
        );
    }
    Action::requeue(wait)
}

async fn reconcile(project: &Guarded, context: &Context) -> Result<(), Error> {
    let meta = project.meta();
    let before = project
        .0
        .as_ref()
        .ok()
        .and_then(|project| project.status.as_ref());
    let before = before
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let deleting = meta.deletion_timestamp.is_some();
    let kept = meta
        .finalizers
        .iter()
        .flatten()
        .any(|name| name == labels::PROJECT_FINALIZER);
    if deleting {
        if !kept {
            return Ok(());
        }
        let users = users(meta, context).await?;
        if users.is_empty() {
            finalizer(context, meta, false).await?;
            tracing::info!(project = qualified(meta), "project_deleted");
            return Ok(());
        }
        let message = format!("kept until its Environments are gone: {}", users.join(", "));
        return write(context, meta, before, Some(false), "InUse", message).await;
    }
    finalizer(context, meta, true).await?;
    match project
        .0
        .as_ref()
        .map(|project| check(&project.spec, &context.settings))
    {
        Ok(Ok(())) => {
            write(
                context,
                meta,
                before,
                Some(true),
                "Valid",
                "the Project can be used".to_owned(),
            )
            .await
        }
        Ok(Err(problem)) => {
            write(
                context,
                meta,
                before,
                Some(false),
                problem.reason,
                problem.message,
            )
            .await
        }
        Err(invalid) => {
            let message = format!("this Project cannot be read: {}", invalid.error);
            write(context, meta, before, Some(false), "Unreadable", message).await
        }
    }
}

/// Whether a Project can be used as it stands.
///
/// # Errors
/// The first thing that has to be put right.
pub fn check(spec: &ProjectSpec, settings: &OperatorSettings) -> Result<(), Problem> {
    if spec.sources.is_empty() {
        return Err(Problem::new(
            "NoSources",
            "spec.sources is empty; add one with a name, a repositoryUrl and a branch",
        ));
    }
    let mut names = BTreeSet::new();
    for source in &spec.sources {
        if !names.insert(&source.name) {
            return Err(Problem::new(
                "SourceTwice",
                format!("two sources are called {:?}; name them apart", source.name),
            ));
        }
        Repository::parse(&source.repository_url, settings.allow_local_repositories).map_err(
            |error| {
                Problem::new(
                    "RepositoryRefused",
                    format!("source {:?}: {error}", source.name),
                )
            },
        )?;
    }
    for (key, template) in &spec.templates {
        if !TEMPLATE_TYPES.contains(&template.kind.as_str()) {
            return Err(Problem::new(
                "TemplateInvalid",
                format!(
                    "template {key:?} is of the unknown type {:?}; use one of {}",
                    template.kind,
                    TEMPLATE_TYPES.join(", ")
                ),
            ));
        }
        let of_builds = template.builds.iter().map(|build| &build.source_ref);
        let unknown = template
            .source_ref
            .iter()
            .chain(of_builds)
            .filter(|name| !name.is_empty())
            .find(|name| spec.sources.iter().all(|source| source.name != **name));
        if let Some(unknown) = unknown {
            return Err(Problem::new(
                "TemplateInvalid",
                format!(
                    "template {key:?} refers to a source {unknown:?} that the Project does not have"
                ),
            ));
        }
        if let Some(config) = &template.config {
            crate::desired::validate::validate(config)?;
        }
    }
    Allowance::of(
        spec.resources
            .as_ref()
            .and_then(|resources| resources.default_quota.as_ref()),
    )
    .map(drop)
}

/// The Environments that refer to this Project.
async fn users(meta: &ObjectMeta, context: &Context) -> Result<Vec<String>, Error> {
    let api: Api<DeserializeGuard<Environment>> = Api::all(context.client.clone());
    let all = api
        .list(&ListParams::default())
        .await
        .map_err(Error::api("list", "Environments"))?;
    Ok(all
        .items
        .into_iter()
        .filter_map(|environment| environment.0.ok())
        .filter(|environment| {
            refers_to(environment, meta.namespace.as_deref(), meta.name.as_deref())
        })
        .map(|environment| {
            format!(
                "{}/{}",
                environment.namespace().unwrap_or_default(),
                environment.name_any()
            )
        })
        .collect())
}

fn qualified(meta: &ObjectMeta) -> String {
    format!(
        "{}/{}",
        meta.namespace.as_deref().unwrap_or_default(),
        meta.name.as_deref().unwrap_or_default()
    )
}

async fn finalizer(context: &Context, meta: &ObjectMeta, present: bool) -> Result<(), Error> {
    let mut all = meta.finalizers.clone().unwrap_or_default();
    if all.iter().any(|name| name == labels::PROJECT_FINALIZER) == present {
        return Ok(());
    }
    if present {
        all.push(labels::PROJECT_FINALIZER.to_owned());
    } else {
        all.retain(|name| name != labels::PROJECT_FINALIZER);
    }
    let patch =
        json!({ "metadata": { "resourceVersion": meta.resource_version, "finalizers": all } });
    api(context, meta)
        .patch(
            meta.name.as_deref().unwrap_or_default(),
            &parameters(),
            &Patch::Merge(patch),
        )
        .await
        .map(drop)
        .map_err(Error::api("update", format!("Project {}", qualified(meta))))
}

async fn write(
    context: &Context,
    meta: &ObjectMeta,
    before: &[Condition],
    status: Option<bool>,
    reason: &str,
    message: String,
) -> Result<(), Error> {
    let mut after = before.to_vec();
    set_condition(
        &mut after,
        condition(
            ConditionType::Ready,
            status,
            reason,
            message,
            meta.generation,
            Timestamp::now(),
        ),
    );
    if after == before {
        return Ok(());
    }
    let patch: Value = json!({ "status": { "conditions": after } });
    api(context, meta)
        .patch_status(
            meta.name.as_deref().unwrap_or_default(),
            &parameters(),
            &Patch::Merge(patch),
        )
        .await
        .map(drop)
        .map_err(Error::api(
            "update the status of",
            format!("Project {}", qualified(meta)),
        ))
}

/// Untyped, so that a Project that cannot be read can be written to.
fn api(context: &Context, meta: &ObjectMeta) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<Project>(&());
    Api::namespaced_with(
        context.client.clone(),
        meta.namespace.as_deref().unwrap_or_default(),
        &resource,
    )
}

fn parameters() -> PatchParams {
    PatchParams {
        field_manager: Some(labels::MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn reason(spec: Value) -> Option<&'static str> {
        check(
            &serde_json::from_value(spec).unwrap(),
            &OperatorSettings::default(),
        )
        .err()
        .map(|problem| problem.reason)
    }

    fn source(name: &str, url: &str) -> Value {
        json!({ "name": name, "repositoryUrl": url, "branch": "main" })
    }

    #[test]
    fn a_project_needs_a_source_that_can_be_fetched_and_templates_that_are_known() {
        let shop = source("primary", "https://github.com/acme/shop");
        assert_eq!(reason(json!({ "sources": [shop] })), None);
        assert_eq!(reason(json!({ "sources": [] })), Some("NoSources"));
        assert_eq!(
            reason(json!({ "sources": [shop, shop] })),
            Some("SourceTwice")
        );
        assert_eq!(
            reason(json!({ "sources": [source("x", "http://169.254.169.254/")] })),
            Some("RepositoryRefused")
        );
        for (template, expected) in [
            (json!({ "type": "managed" }), None),
            (json!({ "type": "helm", "sourceRef": "primary" }), None),
            (json!({ "type": "helm", "sourceRef": "" }), None),
            (
                json!({ "type": "helm", "sourceRef": "charts" }),
                Some("TemplateInvalid"),
            ),
            (
                json!({ "type": "managed", "builds": [{ "name": "web", "sourceRef": "primary" }] }),
                None,
            ),
            (
                json!({ "type": "managed", "builds": [{ "name": "web", "sourceRef": "site" }] }),
                Some("TemplateInvalid"),
            ),
            (json!({ "type": "terraform" }), Some("TemplateInvalid")),
            (
                json!({ "type": "managed", "config": { "ports": [{ "containerPort": 80, "hostPort": 80 }] } }),
                Some("ConfigRefused"),
            ),
        ] {
            assert_eq!(
                reason(json!({ "sources": [shop], "templates": { "development": template } })),
                expected,
                "{template}"
            );
        }
        assert_eq!(
            reason(
                json!({ "sources": [shop], "resources": { "defaultQuota": { "cpu": "lots" } } })
            ),
            Some("QuotaInvalid")
        );
    }
}
