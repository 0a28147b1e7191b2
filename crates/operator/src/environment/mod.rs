//! The controller of Environments.

mod build;
mod delete;
mod deploy;
mod filling;
mod image;
mod inspection;
mod job;
mod kept;
mod namespace;
mod orphans;
mod outcomes;
pub mod pods;
pub mod progress;
mod reconcile;
mod registry;
mod rendered;
mod secrets;
mod services;
mod serving;
mod wanted;
mod write;

use std::sync::Arc;

use catalyst_cluster::chain;
use catalyst_crd::{Environment, labels};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::core::DeserializeGuard;
use kube::runtime::controller::{Action, Config, Error as ControllerError};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{Controller, WatchStreamExt};
use kube::{Api, Resource, ResourceExt};
use tokio::sync::watch as news;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::cache::{Caches, Cluster, made_by_us, watch, watch_named};
use crate::context::{Backoff, Context, PASS_LIMIT, Written};
use crate::desired::registry::REGISTRY_CREDENTIALS;
use crate::error::Error;
use crate::metrics::Pass;
use crate::network::Enforcement;
use crate::settings::OperatorSettings;

/// An Environment, or what is left of one that cannot be read.
type Guarded = DeserializeGuard<Environment>;

/// Passes at the same time.
const CONCURRENCY: u16 = 32;

/// Runs until `shutdown`; passes that have begun are ended first.
pub(crate) async fn run(
    client: kube::Client,
    settings: OperatorSettings,
    enforcement: news::Receiver<Option<Enforcement>>,
    shutdown: CancellationToken,
) {
    let own = catalyst_cluster::watch::watch(Api::<Guarded>::all(client.clone()), "");
    let (reader, writer) = kube::runtime::reflector::store();
    let own = own
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .touched_objects()
        .predicate_filter(what_is_asked_for, kube::runtime::PredicateConfig::default());
    let controller = Controller::for_stream(own, reader);
    let environments = controller.store();

    let (projects, project_events) = watch(&client, "");
    let hierarchy = labels::NAMESPACE_TYPE;
    let (namespaces, namespace_events) = watch(&client, hierarchy);
    let (registry_credentials, credentials_events) = watch_named(&client, REGISTRY_CREDENTIALS);
    let of_teams = environments.clone();
    let mut controller = controller
        .watches_stream(project_events, move |project| {
            of_project(&environments, &project)
        })
        .watches_stream(credentials_events, move |secret: Secret| {
            concerned(&of_teams, &secret)
        })
        .watches_stream(namespace_events, |object| owner(&object));
    macro_rules! owned {
        ($($field:ident),*) => {{
            $(
                let ($field, events) = watch(&client, &made_by_us());
                controller = controller.watches_stream(events, |object| owner(&object));
            )*
            Caches { projects, namespaces, registry_credentials, $($field),* }
        }};
    }
    let caches = owned!(
        quotas,
        limits,
        policies,
        ingresses,
        services,
        accounts,
        config_maps,
        claims,
        deployments,
        stateful_sets,
        jobs,
        pods
    );
    let context = Arc::new(Context {
        cluster: Cluster::new(client, caches),
        settings,
        backoff: Backoff::default(),
        written: Written::default(),
        enforcement: enforcement.clone(),
    });
    // Each Environment says whether policies are enforced.
    let found = futures::stream::unfold(enforcement, |mut enforcement| async move {
        enforcement.changed().await.ok()?;
        Some(((), enforcement))
    });
    let passes = controller
        .reconcile_all_on(found)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(async move { shutdown.cancelled().await })
        .run(pass, after_error, context.clone());
    // The stream drives the passes, so nothing is waited for here; what is started here ends with
    // this function.
    let mut removals = JoinSet::new();
    passes
        .for_each(|outcome| {
            while removals.try_join_next().is_some() {}
            match outcome {
                // What belongs to an Environment has changed, and there is none.
                Err(ControllerError::ObjectNotFound(missing)) => {
                    let home = missing.namespace.clone().unwrap_or_default();
                    removals.spawn(orphans::remove(context.clone(), home, missing.name.clone()));
                }
                // Told of where it happened.
                Ok(_) | Err(ControllerError::ReconcilerFailed(..)) => {}
                Err(error) => tracing::warn!(error = chain(&error), "watch_failed"),
            }
            std::future::ready(())
        })
        .await;
}

/// Changes when a person or the web side asks for something else, not when the operator writes.
fn what_is_asked_for(environment: &Guarded) -> Option<u64> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let meta = environment.meta();
    let mut hasher = DefaultHasher::new();
    (&meta.uid, meta.generation, &meta.labels, &meta.finalizers).hash(&mut hasher);
    meta.deletion_timestamp
        .as_ref()
        .map(|time| time.0)
        .hash(&mut hasher);
    for annotation in [labels::RETRY, labels::SECRETS] {
        let all = meta.annotations.as_ref();
        all.and_then(|all| all.get(annotation)).hash(&mut hasher);
    }
    Some(hasher.finish())
}

/// The Environment that an object was made for, as it says itself.
fn owner<K: Resource>(object: &K) -> Option<ObjectRef<Guarded>> {
    let (namespace, name) = object
        .meta()
        .annotations
        .as_ref()?
        .get(labels::OWNER)?
        .split_once('/')?;
    Some(ObjectRef::new(name).within(namespace))
}

/// The Environments that refer to a Project.
fn of_project<P: Resource>(environments: &Store<Guarded>, project: &P) -> Vec<ObjectRef<Guarded>> {
    let (team, name) = (
        project.meta().namespace.as_deref(),
        project.meta().name.as_deref(),
    );
    environments
        .state()
        .iter()
        .filter(|environment| {
            environment
                .0
                .as_ref()
                .is_ok_and(|e| refers_to(e, team, name))
        })
        .map(|environment| ObjectRef::from_obj(environment.as_ref()))
        .collect()
}

/// The Environments that a registry's credentials are for: those of the team that keeps them, or the
/// one that they were copied for.
fn concerned(environments: &Store<Guarded>, secret: &Secret) -> Vec<ObjectRef<Guarded>> {
    if let Some(copied_for) = owner(secret) {
        return vec![copied_for];
    }
    let namespace = secret.metadata.namespace.as_deref();
    environments
        .state()
        .iter()
        .filter(|environment| {
            let team = environment.labels().get(labels::TEAM);
            team.map(|team| catalyst_model::names::team_namespace(team))
                .as_deref()
                == namespace
        })
        .map(|environment| ObjectRef::from_obj(environment.as_ref()))
        .collect()
}

/// Whether an Environment is of the Project with this name in this team's namespace.
pub(crate) fn refers_to(
    environment: &Environment,
    team: Option<&str>,
    project: Option<&str>,
) -> bool {
    let of = environment
        .labels()
        .get(labels::TEAM)
        .map(|team| catalyst_model::names::team_namespace(team));
    of.as_deref() == team && Some(environment.spec.project_ref.name.as_str()) == project
}

async fn pass(environment: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    let span = tracing::info_span!(
        "reconcile",
        environment = %name_of(&environment),
        request = environment.annotations().get(labels::REQUEST),
    );
    let measured = Pass::begin("Environment");
    let result = look(environment, context).instrument(span).await;
    measured.end(&result);
    result
}

async fn look(environment: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    let object = ObjectRef::from_obj(environment.as_ref()).to_string();
    let action = tokio::time::timeout(PASS_LIMIT, async {
        context.cluster.ready().await?;
        match &environment.0 {
            Ok(environment) => reconcile::environment(environment, &context).await,
            Err(invalid) => reconcile::unreadable(invalid, &context).await,
        }
    })
    .await
    .unwrap_or(Err(Error::TooLong(PASS_LIMIT)))?;
    context.backoff.succeeded(&object);
    Ok(action)
}

fn name_of(environment: &Guarded) -> String {
    format!(
        "{}/{}",
        environment.namespace().unwrap_or_default(),
        environment.name_any()
    )
}

fn after_error(environment: Arc<Guarded>, error: &Error, context: Arc<Context>) -> Action {
    let object = ObjectRef::from_obj(environment.as_ref()).to_string();
    let wait = context.backoff.wait_after(&object, error);
    if !error.is_conflict() {
        tracing::warn!(
            environment = name_of(&environment),
            request = environment.annotations().get(labels::REQUEST),
            error = chain(error),
            again_in_ms = wait.as_millis(),
            "pass_failed"
        );
    }
    Action::requeue(wait)
}
