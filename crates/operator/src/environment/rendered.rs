//! Environments whose objects are written in the repository: compose files, kustomizations and
//! manifests.
//!
//! The objects are applied in the order of what waits for what: a workload is first applied when
//! everything that it depends on is ready or complete, so that a new version is not started before
//! its migration has run. What vanished from the repository is removed by its label.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use catalyst_crd::labels;
use catalyst_render::compose::ONCE;
use catalyst_render::dress::waits_for;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    ConfigMap, PersistentVolumeClaim, Pod, PodTemplateSpec, Secret, Service, ServiceAccount,
};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::inspection::{Seen, inspect};
use super::progress::Step;
use super::{deploy, pods};
use crate::cache::Cached;
use crate::context::Context;
use crate::desired::rendered::{Desired, Recipe};
use crate::desired::workload::{NAME, Workload};
use crate::desired::{Source, Target, routing};
use crate::error::Error;

/// How far it is.
pub(super) struct Outcome {
    pub build: Step,
    pub deployment: Step,
    pub look_again: Option<Timestamp>,
    /// What answers at the URL.
    pub serving: Option<String>,
    /// How it is run, in words.
    pub runs: Option<String>,
}

impl Outcome {
    fn open(build: Step, look_again: Option<Timestamp>) -> Self {
        Self {
            build,
            deployment: Step::Later,
            look_again,
            serving: None,
            runs: None,
        }
    }
}

/// Brings the objects up.
pub(super) async fn rendered(
    context: &Context,
    recipe: &Recipe<'_>,
    source: &Source,
    now: Timestamp,
) -> Result<Outcome, Error> {
    let target = recipe.target;
    let bundle = match inspect(context, target, source, recipe.path(), recipe.retry, now).await? {
        Seen::Known(bundle) => bundle,
        Seen::Open(step, look_again) => return Ok(Outcome::open(step, look_again)),
    };
    let source = source
        .commit()
        .map_or_else(|| source.at(&bundle.commit), |_| source.clone());
    let desired = match recipe.desired(&bundle.folder, &source, &bundle.commit) {
        Ok(desired) => desired,
        Err(problem) => return Ok(Outcome::open(problem.into(), None)),
    };
    if let Some(step) = images(&desired) {
        return Ok(Outcome::open(step, None));
    }
    let cluster = &context.cluster;
    if let Some(route) = &desired.route {
        cluster
            .ensure(&routing::ingress(target, Some(route), &context.settings))
            .await?;
    }
    let (deployment, look_again) = apply(context, target, &desired, now).await?;
    remove_others(context, target, &names(&desired.objects)).await?;
    Ok(Outcome {
        build: Step::done("Rendered", desired.message()),
        deployment: match deployment {
            Step::Done(_) => Step::done(
                "Deployed",
                format!("{} is up: {}", bundle.commit, desired.words),
            ),
            other => other,
        },
        look_again,
        serving: serving(&desired, &cluster.caches.pods_in(&target.namespace)),
        runs: Some(desired.words),
    })
}

/// Why the images are not there yet, if they are not. Nothing is built here: whatever needs a build
/// says so.
fn images(desired: &Desired) -> Option<Step> {
    if desired.builds.is_empty() {
        return None;
    }
    let all: Vec<_> = desired
        .builds
        .iter()
        .map(|build| format!("{} (by {})", build.name, build.dockerfile))
        .collect();
    Some(Step::failed(
        "NeedsImageBuild",
        format!(
            "images have to be built first, which this version does not do: {}. Name images that exist instead of building them",
            all.join(", ")
        ),
    ))
}

/// What answers now.
fn serving(desired: &Desired, all: &[Arc<Pod>]) -> Option<String> {
    let wanted = desired.serving_pods()?;
    let mut ready: Vec<_> = all
        .iter()
        .filter(|pod| {
            pods::is_ready(pod)
                && wanted
                    .iter()
                    .all(|(key, value)| pod.labels().get(key) == Some(value))
        })
        .collect();
    ready.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));
    let newest = ready.last()?;
    Some(pods::commit(newest).map_or_else(
        || "serving".to_owned(),
        |commit| format!("serving {commit}"),
    ))
}

/// The kinds and names of objects.
fn names(objects: &[Value]) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    objects
        .iter()
        .map(|object| (text(&object["kind"]), text(&object["metadata"]["name"])))
        .collect()
}

type Diagnosis = (Step, Option<Timestamp>);

/// Applies everything that waits for nothing any more, and says how far the whole is.
async fn apply(
    context: &Context,
    target: &Target,
    desired: &Desired,
    now: Timestamp,
) -> Result<Diagnosis, Error> {
    let (workloads, others): (Vec<&Value>, Vec<&Value>) =
        desired.objects.iter().partition(|object| {
            matches!(
                object["kind"].as_str(),
                Some("Deployment" | "StatefulSet" | "Job")
            )
        });
    for object in others {
        put(context, object).await?;
    }
    let all = context.cluster.caches.pods_in(&target.namespace);
    let mut states: BTreeMap<String, Diagnosis> = BTreeMap::new();
    // In as many rounds as there are things that wait for each other.
    loop {
        let mut progressed = false;
        for object in &workloads {
            let name = called(object);
            if states.contains_key(&name) {
                continue;
            }
            let met = waits_for(object).iter().all(|(other, _)| {
                states
                    .get(other)
                    .is_some_and(|(step, _)| matches!(step, Step::Done(_)))
            });
            if met {
                let applied = put(context, object).await?;
                states.insert(name, state(object, &applied, &all, now));
                progressed = true;
            }
        }
        if !progressed {
            break;
        }
    }
    for object in &workloads {
        let name = called(object);
        if !states.contains_key(&name) {
            let open: Vec<_> = waits_for(object)
                .into_iter()
                .map(|(other, _)| other)
                .filter(|other| {
                    !states
                        .get(other)
                        .is_some_and(|(step, _)| matches!(step, Step::Done(_)))
                })
                .collect();
            let step = Step::waiting("Waiting", format!("{name} waits for {}", open.join(", ")));
            states.insert(name, (step, None));
        }
    }
    let look_again = states.values().filter_map(|(_, again)| *again).min();
    let pick = |is: fn(&Step) -> bool| states.iter().find(|(_, (step, _))| is(step));
    // What fails comes first, then what is under way, then what waits for that.
    let first = pick(|step| matches!(step, Step::Failed(_)))
        .or_else(|| pick(|step| matches!(step, Step::Waiting(said) if said.reason != "Waiting")))
        .or_else(|| pick(|step| !matches!(step, Step::Done(_))));
    let step = first.map_or_else(
        || Step::done("Deployed", ""),
        |(name, (step, _))| about(name, step),
    );
    Ok((step, look_again))
}

/// A step with the name of what it is about.
fn about(name: &str, step: &Step) -> Step {
    let told = |message: &str| {
        if message.starts_with(name) {
            message.to_owned()
        } else {
            format!("{name}: {message}")
        }
    };
    match step {
        Step::Waiting(said) => Step::waiting(said.reason, told(&said.message)),
        Step::Failed(said) => Step::failed(said.reason, told(&said.message)),
        other => other.clone(),
    }
}

/// What others wait for it by: a Job's name changes with what it runs.
fn called(object: &Value) -> String {
    let metadata = &object["metadata"];
    metadata["annotations"][ONCE]
        .as_str()
        .or_else(|| metadata["name"].as_str())
        .unwrap_or_default()
        .to_owned()
}

/// Applies one object, and gives back what is there then.
async fn put(context: &Context, object: &Value) -> Result<Value, Error> {
    async fn typed<K: Cached>(context: &Context, object: &Value) -> Result<Value, Error> {
        let wanted: K = parse(object)?;
        Ok(json!(*context.cluster.ensure(&wanted).await?))
    }
    match object["kind"].as_str().unwrap_or_default() {
        "Deployment" => typed::<Deployment>(context, object).await,
        "StatefulSet" => typed::<StatefulSet>(context, object).await,
        "Job" => typed::<Job>(context, object).await,
        "Service" => typed::<Service>(context, object).await,
        "ConfigMap" => typed::<ConfigMap>(context, object).await,
        "PersistentVolumeClaim" => typed::<PersistentVolumeClaim>(context, object).await,
        "ServiceAccount" => typed::<ServiceAccount>(context, object).await,
        // Secrets are written, and never read.
        "Secret" => {
            let wanted: Secret = parse(object)?;
            context.cluster.ensure_unseen(&wanted).await?;
            Ok(Value::Null)
        }
        other => Err(Error::Unreadable(format!(
            "an object of the kind {other:?}, which is not deployed"
        ))),
    }
}

fn parse<K: DeserializeOwned>(object: &Value) -> Result<K, Error> {
    serde_json::from_value(object.clone()).map_err(|error| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        Error::Unreadable(format!(
            "{} {name}: {error}",
            object["kind"].as_str().unwrap_or_default()
        ))
    })
}

/// How far a workload is.
fn state(wanted: &Value, applied: &Value, all: &[Arc<Pod>], now: Timestamp) -> Diagnosis {
    let template = &wanted["spec"]["template"];
    let version = template["metadata"]["annotations"][labels::TEMPLATE]
        .as_str()
        .unwrap_or_default();
    let port = template["spec"]["containers"][0]["ports"][0]["containerPort"]
        .as_i64()
        .and_then(|port| i32::try_from(port).ok())
        .unwrap_or_default();
    let done = || (Step::done("Deployed", ""), None);
    if wanted["kind"] == "Job" {
        let has = |kind: &str| {
            applied["status"]["conditions"]
                .as_array()
                .is_some_and(|all| {
                    all.iter()
                        .any(|c| c["type"] == kind && c["status"] == "True")
                })
        };
        let mut own: Vec<_> = all
            .iter()
            .filter(|pod| {
                pod.annotations()
                    .get(labels::TEMPLATE)
                    .is_some_and(|known| known == version)
            })
            .collect();
        own.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));
        if has("Complete")
            || applied["status"]["succeeded"]
                .as_i64()
                .is_some_and(|count| count > 0)
        {
            return done();
        }
        let why = own.iter().rev().find_map(|pod| pods::failure(pod));
        if has("Failed") {
            let why = why.unwrap_or_else(|| "it did not end in time".to_owned());
            return (Step::failed("JobFailed", why), None);
        }
        return match (why, own.last()) {
            (Some(why), _) => (
                Step::waiting("Starting", format!("{why}; it is tried again")),
                None,
            ),
            (None, Some(pod)) => match pods::diagnose(pod, &BTreeMap::new(), 0, now) {
                (Step::Waiting(said), again)
                    if matches!(said.reason, "NotListening" | "Starting") =>
                {
                    (Step::waiting("Starting", "it is running"), again)
                }
                other => other,
            },
            (None, None) => (
                Step::waiting("Starting", "the pod is about to be made"),
                None,
            ),
        };
    }
    if wanted["spec"]["replicas"] == 0 {
        return done();
    }
    let workload = Workload {
        template: PodTemplateSpec::default(),
        version: version.to_owned(),
        port,
        commands: BTreeMap::new(),
        words: String::new(),
        commit: None,
    };
    let deployment: Deployment = if wanted["kind"] == "Deployment" {
        serde_json::from_value(applied.clone()).unwrap_or_default()
    } else {
        Deployment::default()
    };
    deploy::state(&deployment, &workload, all, now)
}

/// Removes what came from a repository once and is not wanted any more; claims stay with what they
/// hold. The workload of another mode goes too.
pub(super) async fn remove_others(
    context: &Context,
    target: &Target,
    wanted: &BTreeSet<(String, String)>,
) -> Result<(), Error> {
    async fn of_kind<K: Cached>(
        context: &Context,
        target: &Target,
        wanted: &BTreeSet<(String, String)>,
    ) -> Result<(), Error>
    where
        K: Resource<DynamicType = ()>,
    {
        let kind = K::kind(&()).into_owned();
        let gone = K::store(&context.cluster.caches).state_filter(|object| {
            object.meta().namespace.as_deref() == Some(&target.namespace)
                && object.meta().deletion_timestamp.is_none()
                && (object.labels().contains_key(labels::COMPONENT)
                    || (!wanted.is_empty()
                        && object.name_any() == NAME
                        && matches!(kind.as_str(), "Deployment" | "Service")))
                && !wanted.contains(&(kind.clone(), object.name_any()))
        });
        for object in gone {
            tracing::info!(
                environment = target.owner(),
                kind,
                name = object.name_any(),
                "removed"
            );
            context
                .cluster
                .delete::<K>(&target.namespace, &object.name_any())
                .await?;
        }
        Ok(())
    }
    of_kind::<Deployment>(context, target, wanted).await?;
    of_kind::<StatefulSet>(context, target, wanted).await?;
    of_kind::<Job>(context, target, wanted).await?;
    of_kind::<Service>(context, target, wanted).await?;
    of_kind::<ConfigMap>(context, target, wanted).await?;
    of_kind::<ServiceAccount>(context, target, wanted).await?;
    context
        .cluster
        .delete_unseen_secrets(&target.namespace, wanted)
        .await
}
