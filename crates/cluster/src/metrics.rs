//! What pods and nodes use, from the cluster's metrics server, and what the nodes have.
//!
//! A cluster without a metrics server says so: the answer is none, never a zero.

use std::collections::HashMap;

use catalyst_model::quantity;
use catalyst_model::usage::{Capacity, Resources};
use k8s_openapi::api::core::v1::{Container, Node, Pod, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::core::DynamicObject;
use kube::{
    Api, ResourceExt,
    api::{ApiResource, ListParams},
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Cluster, ClusterError};

/// How many pods are read at a time.
const PAGE: u32 = 500;

/// What a pod uses, as measured over the metrics server's last window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodUsage {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// Over all its containers.
    pub used: Resources,
}

#[derive(Deserialize)]
struct PodMetrics {
    #[serde(default)]
    containers: Vec<Metrics>,
}

#[derive(Deserialize)]
struct Metrics {
    #[serde(default)]
    usage: HashMap<String, String>,
}

impl Cluster {
    /// What each pod of a namespace uses; none where the cluster has no metrics server. Pods that
    /// were not measured yet are left out.
    ///
    /// # Errors
    /// What the API server answers; a metrics server that is away for the moment is none, not an
    /// error.
    pub async fn pod_usage(&self, namespace: &str) -> Result<Option<Vec<PodUsage>>, ClusterError> {
        let api = Api::namespaced_with(self.client(), namespace, &resource("PodMetrics", "pods"));
        pod_usage(self, api, &format!("namespace {namespace}")).await
    }

    /// What each pod of the whole cluster uses, in one call; else as [`Cluster::pod_usage`].
    ///
    /// # Errors
    /// As [`Cluster::pod_usage`].
    pub async fn all_pod_usage(&self) -> Result<Option<Vec<PodUsage>>, ClusterError> {
        let api = Api::all_with(self.client(), &resource("PodMetrics", "pods"));
        pod_usage(self, api, "all namespaces").await
    }

    /// What the pods of each of these namespaces use together, in one call; none where the cluster
    /// has no metrics server. A namespace without a measured pod is left out.
    ///
    /// # Errors
    /// As [`Cluster::pod_usage`].
    pub async fn namespace_usage(
        &self,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Option<HashMap<String, Resources>>, ClusterError> {
        let pods = self.all_pod_usage().await?;
        Ok(pods.map(|pods| {
            let mut namespaces: HashMap<String, Resources> = HashMap::new();
            for pod in pods.into_iter().filter(|pod| wanted(&pod.namespace)) {
                let sum = namespaces.entry(pod.namespace).or_default();
                *sum = *sum + pod.used;
            }
            namespaces
        }))
    }

    /// What each node uses, by its name; none where the cluster has no metrics server.
    ///
    /// # Errors
    /// As [`Cluster::pod_usage`].
    pub async fn node_usage(&self) -> Result<Option<HashMap<String, Resources>>, ClusterError> {
        let api = Api::all_with(self.client(), &resource("NodeMetrics", "nodes"));
        let nodes: Option<Vec<(DynamicObject, Metrics)>> = measured(self, api, "the nodes").await?;
        Ok(nodes.map(|nodes| {
            let nodes = nodes.into_iter();
            nodes
                .map(|(node, metrics)| (node.name_any(), sum(&[metrics])))
                .collect()
        }))
    }

    /// What the cluster's nodes have, and what is taken of it.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn capacity(&self) -> Result<Capacity, ClusterError> {
        let nodes: Api<Node> = Api::all(self.client());
        let pods: Api<Pod> = Api::all(self.client());
        let (nodes, pods, used) = tokio::join!(
            all(self, nodes, "nodes"),
            all(self, pods, "pods"),
            self.node_usage()
        );
        Ok(capacity(&nodes?, &pods?, used?))
    }
}

fn resource(kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: "metrics.k8s.io".to_owned(),
        version: "v1beta1".to_owned(),
        api_version: "metrics.k8s.io/v1beta1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

async fn pod_usage(
    cluster: &Cluster,
    api: Api<DynamicObject>,
    on: &str,
) -> Result<Option<Vec<PodUsage>>, ClusterError> {
    let pods: Option<Vec<(DynamicObject, PodMetrics)>> = measured(cluster, api, on).await?;
    Ok(pods.map(|pods| {
        let pods = pods.into_iter();
        pods.map(|(pod, metrics)| PodUsage {
            namespace: pod.namespace().unwrap_or_default(),
            name: pod.name_any(),
            used: sum(&metrics.containers),
        })
        .collect()
    }))
}

/// The metrics server's answer; none where there is no such server, or it is away.
async fn measured<T: DeserializeOwned>(
    cluster: &Cluster,
    api: Api<DynamicObject>,
    on: &str,
) -> Result<Option<Vec<(DynamicObject, T)>>, ClusterError> {
    let attempted = "read the metrics of";
    let list = match api.list(&ListParams::default()).await {
        Ok(list) => list,
        Err(e) => {
            return match cluster.failed(attempted, on, e) {
                ClusterError::Kubernetes(answer) if matches!(answer.code, 404 | 503) => Ok(None),
                error => Err(error),
            };
        }
    };
    let items = list.items.into_iter().map(|mut item| {
        let data = std::mem::take(&mut item.data);
        let read = serde_json::from_value(data);
        let metrics =
            read.map_err(|e| cluster.failed(attempted, on, kube::Error::SerdeError(e)))?;
        Ok((item, metrics))
    });
    items.collect::<Result<_, _>>().map(Some)
}

/// All objects of a kind, page by page.
async fn all<K>(cluster: &Cluster, api: Api<K>, what: &str) -> Result<Vec<K>, ClusterError>
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut objects = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = api
            .list(&page)
            .await
            .map_err(|e| cluster.failed("list", what, e))?;
        objects.extend(list.items);
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(objects),
        }
    }
}

/// Amounts that are added up before they are rounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Exact {
    cpu: i128,
    memory: i128,
}

impl Exact {
    fn read<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Self {
        let read = |name| get(name).and_then(quantity::nanos).unwrap_or_default();
        Self {
            cpu: read("cpu"),
            memory: read("memory"),
        }
    }

    fn requested(resources: Option<&ResourceRequirements>) -> Self {
        let requests = resources.and_then(|it| it.requests.as_ref());
        Self::read(|name| requests?.get(name).map(|Quantity(text)| text.as_str()))
    }

    fn and(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            memory: self.memory + other.memory,
        }
    }

    fn or_more(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.max(other.cpu),
            memory: self.memory.max(other.memory),
        }
    }

    fn rounded(self) -> Resources {
        let up = |value: i128, divisor: i128| {
            u64::try_from((value + divisor - 1) / divisor).unwrap_or(u64::MAX)
        };
        Resources {
            cpu_millicores: up(self.cpu, 1_000_000),
            memory_mib: up(self.memory, 1_000_000_000 << 20),
        }
    }
}

fn sum(containers: &[Metrics]) -> Resources {
    let each = containers
        .iter()
        .map(|it| Exact::read(|name| it.usage.get(name).map(String::as_str)));
    each.fold(Exact::default(), Exact::and).rounded()
}

fn capacity(nodes: &[Node], pods: &[Pod], used: Option<HashMap<String, Resources>>) -> Capacity {
    let open: Vec<&Node> = nodes.iter().filter(|node| takes_pods(node)).collect();
    let of_node = |node: &&Node| {
        let amounts = node.status.as_ref().and_then(|it| it.allocatable.as_ref());
        Exact::read(|name| amounts?.get(name).map(|Quantity(text)| text.as_str()))
    };
    let allocatable = open.iter().map(of_node).fold(Exact::default(), Exact::and);
    let on_open = |pod: &&Pod| {
        let node = pod.spec.as_ref().and_then(|it| it.node_name.as_deref());
        node.is_some_and(|name| open.iter().any(|node| node.name_any() == name))
    };
    let requested = pods
        .iter()
        .filter(|pod| !has_ended(pod))
        .filter(on_open)
        .map(requested)
        .fold(Exact::default(), Exact::and);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Capacity {
        nodes: count(nodes.len()),
        unavailable_nodes: count(nodes.len() - open.len()),
        allocatable: allocatable.rounded(),
        requested: requested.rounded(),
        // A server that has measured no node yet knows nothing.
        used: used
            .filter(|used| !used.is_empty())
            .map(|used| used.into_values().sum()),
    }
}

fn takes_pods(node: &Node) -> bool {
    let cordoned = node.spec.as_ref().and_then(|it| it.unschedulable);
    let conditions = node.status.iter().flat_map(|it| it.conditions.iter());
    let ready = conditions
        .flatten()
        .any(|it| it.type_ == "Ready" && it.status == "True");
    ready && cordoned != Some(true)
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|it| it.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// What the scheduler keeps free for a pod: its containers' requests together, or what one of its
/// init containers needs beside the sidecars before it, whichever is more.
fn requested(pod: &Pod) -> Exact {
    let Some(spec) = &pod.spec else {
        return Exact::default();
    };
    let of = |container: &Container| Exact::requested(container.resources.as_ref());
    let (mut sidecars, mut starting) = (Exact::default(), Exact::default());
    for container in spec.init_containers.iter().flatten() {
        let needs = sidecars.and(of(container));
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars = needs;
        }
        starting = starting.or_more(needs);
    }
    let running = spec.containers.iter().map(of).fold(sidecars, Exact::and);
    let overhead = spec.overhead.as_ref();
    running.or_more(starting).and(Exact::read(|name| {
        overhead?.get(name).map(|Quantity(text)| text.as_str())
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use serde_json::{Value, json};

    fn resources(cpu_millicores: u64, memory_mib: u64) -> Resources {
        Resources {
            cpu_millicores,
            memory_mib,
        }
    }

    /// A cluster whose API server answers everything like this.
    fn answering(status: u16, body: &'static str) -> Cluster {
        let service = tower::service_fn(move |_: Request<Body>| async move {
            let answer = Response::builder().status(status);
            answer.body(Body::from(body.as_bytes().to_vec()))
        });
        Cluster::new("test", Client::new(service, "default"))
    }

    #[tokio::test]
    async fn a_missing_metrics_server_is_none_and_never_zero() {
        let unavailable = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","code":503,
            "message":"the server is currently unable to handle the request","reason":"ServiceUnavailable"}"#;
        for (status, body) in [(404, "404 page not found"), (503, unavailable)] {
            let cluster = answering(status, body);
            assert_eq!(cluster.all_pod_usage().await.unwrap(), None, "{status}");
            assert_eq!(cluster.pod_usage("a").await.unwrap(), None, "{status}");
            assert_eq!(cluster.node_usage().await.unwrap(), None, "{status}");
            let usage = cluster.namespace_usage(|_| true).await.unwrap();
            assert_eq!(usage, None, "{status}");
        }
    }

    #[tokio::test]
    async fn a_refusal_is_an_error_that_says_what_was_attempted() {
        let forbidden = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","code":403,
            "message":"pods.metrics.k8s.io is forbidden","reason":"Forbidden"}"#;
        let error = answering(403, forbidden).all_pod_usage().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "Catalyst is not allowed to read the metrics of all namespaces in cluster test: pods.metrics.k8s.io is forbidden"
        );
    }

    #[tokio::test]
    async fn containers_are_added_up_before_they_are_rounded_and_namespaces_told_apart() {
        let list = r#"{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[
            {"metadata":{"name":"web-1","namespace":"a"},"timestamp":"2026-01-01T00:00:00Z","window":"15s","containers":[
                {"name":"app","usage":{"cpu":"400u","memory":"524288"}},
                {"name":"side","usage":{"cpu":"600000n","memory":"512Ki"}}]},
            {"metadata":{"name":"web-2","namespace":"a"},"containers":[{"name":"app","usage":{"cpu":"1","memory":"1Gi"}}]},
            {"metadata":{"name":"web-1","namespace":"b"},"containers":[]}]}"#;
        let cluster = answering(200, list);
        let pods = cluster.all_pod_usage().await.unwrap().unwrap();
        assert_eq!(pods[0].used, resources(1, 1));
        let mine = cluster.namespace_usage(|name| name == "a").await.unwrap();
        let expected = HashMap::from([("a".to_owned(), resources(1001, 1025))]);
        assert_eq!(mine, Some(expected));
    }

    fn pod(spec: Value) -> Pod {
        serde_json::from_value(json!({ "metadata": { "name": "p" }, "spec": spec })).unwrap()
    }

    fn needing(cpu: &str, memory: &str) -> Value {
        json!({ "name": "c", "resources": { "requests": { "cpu": cpu, "memory": memory } } })
    }

    #[test]
    fn a_pod_needs_what_the_scheduler_keeps_for_it() {
        let mut sidecar = needing("50m", "10Mi");
        sidecar["restartPolicy"] = "Always".into();
        for (spec, expected) in [
            (json!({ "containers": [] }), resources(0, 0)),
            (json!({ "containers": [{ "name": "c" }] }), resources(0, 0)),
            (
                json!({ "containers": [needing("100m", "64Mi"), needing("0.2", "64Mi")] }),
                resources(300, 128),
            ),
            (
                json!({ "initContainers": [needing("1", "16Mi")], "containers": [needing("100m", "64Mi")] }),
                resources(1000, 64),
            ),
            (
                json!({ "initContainers": [sidecar, needing("1", "16Mi")], "containers": [needing("100m", "64Mi")],
                    "overhead": { "cpu": "5m", "memory": "1Mi" } }),
                resources(1055, 75),
            ),
        ] {
            assert_eq!(requested(&pod(spec.clone())).rounded(), expected, "{spec}");
        }
    }

    fn node(name: &str, ready: &str, cordoned: bool) -> Node {
        serde_json::from_value(json!({
            "metadata": { "name": name }, "spec": { "unschedulable": cordoned },
            "status": { "allocatable": { "cpu": "2", "memory": "4Gi" },
                "conditions": [{ "type": "Ready", "status": ready }] },
        }))
        .unwrap()
    }

    #[test]
    fn capacity_is_what_nodes_that_take_pods_have_and_their_live_pods_asked_for() {
        let on = |node: &str, phase: &str| {
            let mut pod = pod(json!({ "nodeName": node, "containers": [needing("100m", "1Gi")] }));
            pod.status = serde_json::from_value(json!({ "phase": phase })).unwrap();
            pod
        };
        let nodes = [
            node("a", "True", false),
            node("b", "Unknown", false),
            node("c", "True", true),
        ];
        let pods = [
            on("a", "Running"),
            on("a", "Pending"),
            on("a", "Succeeded"),
            on("b", "Running"),
            pod(json!({ "containers": [needing("1", "1Gi")] })),
        ];
        let used = HashMap::from([("a".to_owned(), resources(700, 900))]);
        let expected = Capacity {
            nodes: 3,
            unavailable_nodes: 2,
            allocatable: resources(2000, 4096),
            requested: resources(200, 2048),
            used: Some(resources(700, 900)),
        };
        assert_eq!(capacity(&nodes, &pods, Some(used)), expected);
        assert_eq!(capacity(&nodes, &pods, None).used, None);
        assert_eq!(capacity(&nodes, &pods, Some(HashMap::new())).used, None);
    }
}
