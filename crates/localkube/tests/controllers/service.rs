//! Services, Ingresses and the scheduling of pods.

use crate::cluster::{Cluster, condition, template};
use catalyst_localkube::objects::resource;
use serde_json::{Value, json};

fn pod(name: &str, does: &str) -> Value {
    let mut pod = template(does);
    pod["metadata"]["name"] = name.into();
    pod
}

fn service() -> Value {
    json!({
        "metadata": { "name": "web" },
        "spec": {
            "selector": { "app": "web" },
            "ports": [{ "name": "http", "port": 80, "targetPort": "http" }],
        },
    })
}

fn names(addresses: &Value) -> Vec<&str> {
    let addresses = addresses.as_array().into_iter().flatten();
    addresses
        .map(|address| address["targetRef"]["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_services_endpoints_are_the_ready_pods_that_it_selects() {
    let cluster = Cluster::start();
    cluster.create(resource::SERVICES, service());
    for (name, does) in [("a", "ready"), ("b", "unready"), ("done", "succeed")] {
        cluster.create(resource::PODS, pod(name, does));
    }
    let both = |endpoints: &Value| {
        let subset = &endpoints["subsets"][0];
        names(&subset["addresses"]) == ["a"] && names(&subset["notReadyAddresses"]) == ["b"]
    };
    let endpoints = cluster.until(resource::ENDPOINTS, "web", both).await;
    let port = &endpoints["subsets"][0]["ports"][0];
    assert_eq!(
        *port,
        json!({ "name": "http", "port": 3000, "protocol": "TCP" })
    );

    cluster
        .until_all(resource::ENDPOINT_SLICES, |slices| {
            slices.len() == 1
                && slices[0]["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
                && slices[0]["endpoints"].as_array().unwrap().len() == 2
                && slices[0]["ports"][0]["port"] == 3000
        })
        .await;

    cluster.modify(resource::PODS, "b", |pod| {
        pod["metadata"]["annotations"]["test/does"] = "ready".into();
    });
    let grown = |endpoints: &Value| names(&endpoints["subsets"][0]["addresses"]) == ["a", "b"];
    cluster.until(resource::ENDPOINTS, "web", grown).await;
    cluster.modify(resource::PODS, "a", |pod| {
        pod["metadata"]["labels"]["app"] = "other".into();
    });
    let left = |endpoints: &Value| names(&endpoints["subsets"][0]["addresses"]) == ["b"];
    cluster.until(resource::ENDPOINTS, "web", left).await;

    cluster.delete(resource::SERVICES, "web");
    cluster.until_gone(resource::ENDPOINTS, "shop", "web").await;
    cluster
        .until_all(resource::ENDPOINT_SLICES, <[_]>::is_empty)
        .await;
}

#[tokio::test]
async fn an_ingress_says_where_it_is_served() {
    let cluster = Cluster::start();
    let ingress = json!({
        "metadata": { "name": "web" },
        "spec": { "defaultBackend": { "service": { "name": "web", "port": { "number": 80 } } } },
    });
    cluster.create(resource::INGRESSES, ingress);
    let served =
        |ingress: &Value| ingress["status"]["loadBalancer"]["ingress"][0]["ip"] == "127.0.0.1";
    cluster.until(resource::INGRESSES, "web", served).await;
}

#[tokio::test]
async fn a_pod_that_no_node_matches_says_so_until_one_does() {
    let cluster = Cluster::start();
    let mut picky = pod("picky", "ready");
    picky["spec"]["nodeSelector"] = json!({ "disk": "ssd" });
    cluster.create(resource::PODS, picky);
    let refused = |pod: &Value| condition(pod, "PodScheduled") == ("False", "Unschedulable");
    let refused = cluster.until(resource::PODS, "picky", refused).await;
    assert!(refused["spec"].get("nodeName").is_none());
    let told = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.";
    assert_eq!(refused["status"]["conditions"][0]["message"], told);
    cluster
        .objects
        .modify(resource::NODES, "", "local", |node| {
            node["metadata"]["labels"]["disk"] = "ssd".into();
        })
        .unwrap();
    let running = |pod: &Value| pod["status"]["phase"] == "Running";
    let pod = cluster.until(resource::PODS, "picky", running).await;
    assert_eq!(condition(&pod, "PodScheduled").0, "True");
    assert_eq!(cluster.events("FailedScheduling"), [told]);
    assert_eq!(
        cluster.events("Scheduled"),
        ["Successfully assigned shop/picky to local"]
    );
}

#[tokio::test]
async fn a_namespace_ends_with_everything_in_it() {
    let cluster = Cluster::start();
    cluster.create(resource::SERVICES, service());
    let deployment = json!({
        "metadata": { "name": "web" },
        "spec": {
            "replicas": 2, "selector": { "matchLabels": { "app": "web" } },
            "template": template("ready"),
        },
    });
    cluster.create(resource::DEPLOYMENTS, deployment);
    let ready = |web: &Value| web["status"]["readyReplicas"] == 2;
    cluster.until(resource::DEPLOYMENTS, "web", ready).await;
    let options = Default::default();
    cluster
        .objects
        .delete(resource::NAMESPACES, "", "shop", &options)
        .unwrap();
    cluster.until_gone(resource::NAMESPACES, "", "shop").await;
}
