//! Applies rendered objects, in the order of what waits for what: a workload is first applied when
//! everything that it depends on is ready or complete, so that a new version is not started before
//! its migration has run.

use std::collections::BTreeMap;

use catalyst_render::compose::ONCE;
use catalyst_render::dress::waits_for;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::state::state;
use crate::cache::Cached;
use crate::context::Context;
use crate::desired::Target;
use crate::desired::rendered::Desired;
use crate::environment::pods::Diagnosis;
use crate::environment::progress::Step;
use crate::error::Error;

/// Applies everything that waits for nothing any more, and says how far the whole is.
pub(super) async fn apply(
    context: &Context,
    target: &Target,
    desired: &Desired,
    now: Timestamp,
) -> Result<Diagnosis, Error> {
    let (workloads, others): (Vec<&Value>, Vec<&Value>) = desired
        .objects
        .iter()
        .partition(|object| is_workload(object));
    for object in others {
        put(context, object).await?;
    }
    let pods = context.cluster.caches.pods_in(&target.namespace);
    let mut states: States = workloads.iter().map(|one| (key(one), None)).collect();
    // In as many rounds as there are things that wait for each other.
    loop {
        let mut progressed = false;
        for object in &workloads {
            let key = key(object);
            if states.get(&key).is_some_and(Option::is_some) || !open(object, &states).is_empty() {
                continue;
            }
            let diagnosis = match put_workload(context, object).await? {
                Put::There(applied) => state(object, &applied, &pods, now),
                Put::MadeAnew => {
                    let message = "it is made anew, as what has changed cannot be changed in place";
                    (Step::waiting("Starting", message), None)
                }
            };
            states.insert(key, Some(diagnosis));
            progressed = true;
        }
        if !progressed {
            break;
        }
    }
    let mut all = Vec::new();
    for object in &workloads {
        let key = key(object);
        let name = key.1.clone();
        let (step, again) = states.get(&key).cloned().flatten().unwrap_or_else(|| {
            let message = format!("{name} waits for {}", open(object, &states).join(", "));
            (Step::waiting("Waiting", message), None)
        });
        all.push((name, step, again));
    }
    Ok(sum(&all))
}

type Key = (String, String);
/// How far each workload is; none: it waits for others.
type States = BTreeMap<Key, Option<Diagnosis>>;

/// The names of what a workload still waits for. What is not among the workloads is not waited for.
fn open(object: &Value, states: &States) -> Vec<String> {
    waits_for(object)
        .into_iter()
        .map(|(other, _)| other)
        .filter(|other| {
            states
                .iter()
                .filter(|((kind, name), _)| match other.split_once('/') {
                    Some((its, called)) => its == kind && called == name,
                    None => name == other,
                })
                .any(|(_, state)| !matches!(state, Some((Step::Done(_), _))))
        })
        .collect()
}

/// How far the whole is: what fails comes first, then what is under way, then what waits for that.
fn sum(all: &[(String, Step, Option<Timestamp>)]) -> Diagnosis {
    let look_again = all.iter().filter_map(|(_, _, again)| *again).min();
    let pick = |is: fn(&Step) -> bool| all.iter().find(|(_, step, _)| is(step));
    let first = pick(|step| matches!(step, Step::Failed(_)))
        .or_else(|| pick(|step| matches!(step, Step::Waiting(said) if said.reason != "Waiting")))
        .or_else(|| pick(|step| !matches!(step, Step::Done(_))));
    let step = first.map_or_else(
        || Step::done("Deployed", ""),
        |(name, step, _)| about(name, step),
    );
    (step, look_again)
}

/// A step with the name of what it is about.
fn about(name: &str, step: &Step) -> Step {
    let told = |message: &str| {
        if message.starts_with(&format!("{name} ")) {
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

fn is_workload(object: &Value) -> bool {
    matches!(
        object["kind"].as_str(),
        Some("Deployment" | "StatefulSet" | "Job")
    )
}

/// Its kind, and what others wait for it by: a Job's name changes with what it runs.
fn key(object: &Value) -> Key {
    let metadata = &object["metadata"];
    let name = metadata["annotations"][ONCE]
        .as_str()
        .or_else(|| metadata["name"].as_str());
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    (text(object["kind"].as_str()), text(name))
}

/// What became of a workload that was applied.
enum Put {
    /// It is there.
    There(Value),
    /// It is on its way out, and applied again when it is gone.
    MadeAnew,
}

/// Applies a workload. One that cannot be changed into what is wanted is deleted first.
async fn put_workload(context: &Context, object: &Value) -> Result<Put, Error> {
    let why = match put(context, object).await {
        Ok(applied) => return Ok(Put::There(applied)),
        Err(error) => error,
    };
    let is_fixed = why.refusal().is_some_and(|said| {
        said.contains("field is immutable") || said.contains("updates to statefulset spec")
    });
    if !is_fixed {
        return Err(why);
    }
    let metadata = &object["metadata"];
    let namespace = metadata["namespace"].as_str().unwrap_or_default();
    let name = metadata["name"].as_str().unwrap_or_default();
    tracing::info!(namespace, name, "made_anew");
    let cluster = &context.cluster;
    match object["kind"].as_str().unwrap_or_default() {
        "Deployment" => cluster.delete::<Deployment>(namespace, name).await?,
        "StatefulSet" => cluster.delete::<StatefulSet>(namespace, name).await?,
        _ => cluster.delete::<Job>(namespace, name).await?,
    }
    Ok(Put::MadeAnew)
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
