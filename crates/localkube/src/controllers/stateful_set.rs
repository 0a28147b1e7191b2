//! StatefulSets: pods with names, claims and an order.
//!
//! Pods are told apart by a hash of their template. There are no ControllerRevisions: a pod that
//! is made anew below `partition` gets the present template.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::object::{
    find, ignore_absent, is_controlled_by, is_terminating, items, itself, key, name, namespace,
    number, owner_key, set_count, text, uid,
};
use super::pods;
use super::queue::Key;
use super::runner::{Controller, Outcome, Source};
use super::template_hash::template_hash;
use crate::objects::{ApiError, Objects, Selector, resource};

const COMPONENT: &str = "statefulset-controller";
const REVISION: &str = "controller-revision-hash";

pub(super) fn controller() -> Controller {
    Controller {
        name: COMPONENT,
        sources: vec![
            Source {
                resource: resource::STATEFUL_SETS,
                keys: itself,
            },
            Source {
                resource: resource::PODS,
                keys: of_pod,
            },
        ],
        reconcile: Box::new(reconcile),
    }
}

fn of_pod(objects: &Objects, pod: &Value) -> Vec<Key> {
    match owner_key(pod, "StatefulSet") {
        Some(owner) => vec![owner],
        None => pods::possible_owners(objects, pod, resource::STATEFUL_SETS),
    }
}

fn reconcile(objects: &Objects, key: &Key) -> Outcome {
    let Some(set) = find(objects, resource::STATEFUL_SETS, key)? else {
        return Ok(None);
    };
    let selector = Selector::from_label_selector(&set["spec"]["selector"])?;
    let set = StatefulSet::new(set);
    let done = if is_terminating(&set.object) {
        Ok(())
    } else {
        set.step(objects, &set.pods(objects, &selector)?)
    };
    let again = set.write_status(objects, &set.pods(objects, &selector)?)?;
    done.and(Ok(again))
}

struct StatefulSet {
    object: Arc<Value>,
    /// What pods of the present template carry as their revision.
    revision: String,
}

type Pods = BTreeMap<i64, Arc<Value>>;

impl StatefulSet {
    fn new(object: Arc<Value>) -> Self {
        let revision = format!(
            "{}-{}",
            name(&object),
            template_hash(&object["spec"]["template"], 0)
        );
        Self { object, revision }
    }

    fn spec(&self) -> &Value {
        &self.object["spec"]
    }

    fn ordered(&self) -> bool {
        self.spec()["podManagementPolicy"] != "Parallel"
    }

    /// The ordinals that are wanted.
    fn ordinals(&self) -> std::ops::Range<i64> {
        let start = number(&self.spec()["ordinals"]["start"], 0);
        start..start + number(&self.spec()["replicas"], 1)
    }

    fn pod_name(&self, ordinal: i64) -> String {
        format!("{}-{ordinal}", name(&self.object))
    }

    /// Its pods by ordinal.
    fn pods(&self, objects: &Objects, selector: &Selector) -> Result<Pods, ApiError> {
        let prefix = format!("{}-", name(&self.object));
        let claimed = pods::claim(objects, resource::PODS, &self.object, selector)?;
        let ordinal = |pod: &Value| name(pod).strip_prefix(&prefix)?.parse().ok();
        Ok(claimed
            .into_iter()
            .filter_map(|pod| Some((ordinal(&pod)?, pod)))
            .collect())
    }

    fn is_healthy(&self, pod: &Value) -> bool {
        let seconds = number(&self.spec()["minReadySeconds"], 0);
        !is_terminating(pod)
            && pods::available_in(pod, seconds, Timestamp::now()).is_some_and(|wait| wait.is_zero())
    }

    /// Create, end or replace what may be now.
    fn step(&self, objects: &Objects, pods: &Pods) -> Result<(), ApiError> {
        for ordinal in self.ordinals() {
            match pods.get(&ordinal) {
                None => self.create(objects, ordinal)?,
                Some(pod) if pods::is_finished(pod) && !is_terminating(pod) => {
                    pods::delete(objects, &self.object, pod, COMPONENT)?;
                }
                Some(pod) if self.is_healthy(pod) => continue,
                Some(_) => {}
            }
            if self.ordered() {
                return Ok(());
            }
        }
        let wanted = self.ordinals();
        let surplus = pods
            .iter()
            .rev()
            .filter(|(ordinal, _)| !wanted.contains(ordinal));
        for (_, pod) in surplus {
            if !is_terminating(pod) {
                pods::delete(objects, &self.object, pod, COMPONENT)?;
            }
            if self.ordered() {
                return Ok(());
            }
        }
        self.replace_one(objects, pods)
    }

    /// Delete the last pod of an earlier template, once all after it are healthy.
    fn replace_one(&self, objects: &Objects, pods: &Pods) -> Result<(), ApiError> {
        let strategy = &self.spec()["updateStrategy"];
        if strategy["type"] == "OnDelete" {
            return Ok(());
        }
        let partition = number(&strategy["rollingUpdate"]["partition"], 0);
        let wanted = self.ordinals();
        for (ordinal, pod) in pods.iter().rev() {
            if *ordinal < partition || !wanted.contains(ordinal) {
                continue;
            }
            if !self.is_present(pod) && !is_terminating(pod) {
                return pods::delete(objects, &self.object, pod, COMPONENT);
            }
            if !self.is_healthy(pod) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether a pod is of the present template.
    fn is_present(&self, pod: &Value) -> bool {
        text(&pod["metadata"]["labels"], REVISION) == self.revision
    }

    fn create(&self, objects: &Objects, ordinal: i64) -> Result<(), ApiError> {
        let spec = self.spec();
        let pod_name = self.pod_name(ordinal);
        let mut pod = pods::from_template(&spec["template"], &self.object);
        pod["metadata"]["name"] = pod_name.clone().into();
        if !pod["metadata"]["labels"].is_object() {
            pod["metadata"]["labels"] = json!({});
        }
        let labels = &mut pod["metadata"]["labels"];
        labels[REVISION] = self.revision.clone().into();
        labels["statefulset.kubernetes.io/pod-name"] = pod_name.clone().into();
        labels["apps.kubernetes.io/pod-index"] = ordinal.to_string().into();
        pod["spec"]["hostname"] = pod_name.clone().into();
        if let Some(service) = spec["serviceName"]
            .as_str()
            .filter(|service| !service.is_empty())
        {
            pod["spec"]["subdomain"] = service.into();
        }
        let mut volumes: Vec<Value> = items(&pod["spec"]["volumes"]).cloned().collect();
        for template in items(&spec["volumeClaimTemplates"]) {
            let claim = format!("{}-{pod_name}", name(template));
            self.claim(objects, template, &claim)?;
            volumes.retain(|volume| volume["name"] != template["metadata"]["name"]);
            volumes.push(json!({
                "name": name(template), "persistentVolumeClaim": { "claimName": claim },
            }));
        }
        if !volumes.is_empty() {
            pod["spec"]["volumes"] = volumes.into();
        }
        match pods::create(objects, &self.object, pod, COMPONENT) {
            Err(error) if error.is_already_exists() => {
                let present = objects.get(resource::PODS, namespace(&self.object), &pod_name)?;
                // One that is another's has to go before this one can be.
                if is_controlled_by(&present, &self.object) {
                    Ok(())
                } else {
                    Err(error)
                }
            }
            created => created.map(drop),
        }
    }

    /// Create a pod's claim, which stays when the pod goes.
    fn claim(&self, objects: &Objects, template: &Value, claim: &str) -> Result<(), ApiError> {
        let namespace = namespace(&self.object);
        match objects.get(resource::PERSISTENT_VOLUME_CLAIMS, namespace, claim) {
            Err(error) if error.is_not_found() => {}
            present => return present.map(drop),
        }
        let mut metadata = json!({ "name": claim });
        for field in ["labels", "annotations"] {
            if let Some(value) = template["metadata"].get(field) {
                metadata[field] = value.clone();
            }
        }
        let own = &self.spec()["selector"]["matchLabels"];
        for (key, value) in own.as_object().into_iter().flatten() {
            metadata["labels"][key] = value.clone();
        }
        let object = json!({ "metadata": metadata, "spec": template["spec"] });
        let created = objects.create(resource::PERSISTENT_VOLUME_CLAIMS, namespace, object);
        let (type_, reason, message) = match &created {
            Ok(_) => (
                "Normal",
                "SuccessfulCreate",
                format!("Created claim: {claim}"),
            ),
            Err(error) => (
                "Warning",
                "FailedCreate",
                format!("Error creating claim: {error}"),
            ),
        };
        objects.record_event(&self.object, type_, reason, &message, COMPONENT);
        created.map(drop)
    }

    fn write_status(&self, objects: &Objects, pods: &Pods) -> Outcome {
        let now = Timestamp::now();
        let seconds = number(&self.spec()["minReadySeconds"], 0);
        let alive: Vec<&Arc<Value>> = pods.values().filter(|pod| !is_terminating(pod)).collect();
        let count = |holds: &dyn Fn(&Value) -> bool| {
            i64::try_from(alive.iter().filter(|pod| holds(pod)).count()).unwrap_or(i64::MAX)
        };
        let replicas = i64::try_from(pods.len()).unwrap_or(i64::MAX);
        let ready = count(&pods::is_ready);
        let available_in = |pod: &Value| pods::available_in(pod, seconds, now);
        let available = count(&|pod| available_in(pod).is_some_and(|wait| wait.is_zero()));
        let updated = count(&|pod| self.is_present(pod));
        let wanted = number(&self.spec()["replicas"], 1);
        let complete = updated == wanted && replicas == wanted && ready == wanted;
        let (namespace, name) = key(&self.object);
        ignore_absent(objects.modify_status(
            resource::STATEFUL_SETS,
            &namespace,
            &name,
            |object| {
                if uid(object) != uid(&self.object) {
                    return;
                }
                let status = &mut object["status"];
                if !status.is_object() {
                    *status = json!({});
                }
                let before = text(status, "currentRevision").to_owned();
                let current = if complete || before.is_empty() {
                    &self.revision
                } else {
                    &before
                };
                let of_current =
                    count(&|pod| text(&pod["metadata"]["labels"], REVISION) == current);
                status["replicas"] = replicas.into();
                status["observedGeneration"] = self.object["metadata"]["generation"].clone();
                status["currentRevision"] = current.clone().into();
                status["updateRevision"] = self.revision.clone().into();
                status["availableReplicas"] = available.into();
                status["collisionCount"] = 0.into();
                set_count(status, "readyReplicas", ready);
                set_count(status, "updatedReplicas", updated);
                set_count(status, "currentReplicas", of_current);
            },
        ))?;
        let next = alive
            .iter()
            .filter_map(|pod| available_in(pod))
            .filter(|wait| !wait.is_zero())
            .min();
        Ok(next.map(|wait| Duration::try_from(wait).unwrap_or_default()))
    }
}
