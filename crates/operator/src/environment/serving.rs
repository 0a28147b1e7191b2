//! What answers at the URL, as the Ingress and its Service say.

use std::collections::BTreeMap;
use std::sync::Arc;

use catalyst_crd::labels;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::pods;
use crate::cache::Caches;
use crate::context::Context;
use crate::desired::workload::NAME;
use crate::desired::{Target, routing};
use crate::error::Error;

/// The newest of the ready pods behind the URL.
pub(super) fn answering(caches: &Caches, namespace: &str) -> Option<Arc<Pod>> {
    let ingress = caches
        .ingresses
        .get(&ObjectRef::<Ingress>::new(NAME).within(namespace))?;
    let service = ObjectRef::<Service>::new(leads_to(&ingress)?).within(namespace);
    let service = caches.services.get(&service)?;
    let selector = service.spec.as_ref()?.selector.as_ref()?;
    newest_ready(&caches.pods_in(namespace), selector)
}

/// Keeps the way to what answers while nothing is known yet of the commit that is to follow: a look at it
/// and a build take their time. Of what a repository's files say, the next rendering puts it back.
pub(super) async fn keep(context: &Context, target: &Target) -> Result<(), Error> {
    let cluster = &context.cluster;
    let place = ObjectRef::<Deployment>::new(NAME).within(&target.namespace);
    let workload = cluster.caches.deployments.get(&place);
    let Some(port) = workload.and_then(|it| it.annotations().get(labels::PORT)?.parse().ok())
    else {
        return Ok(());
    };
    cluster.ensure(&routing::service(target, port)).await?;
    let ingress = routing::ingress(target, None, &context.settings);
    cluster.ensure(&ingress).await?;
    Ok(())
}

/// The Service at the top of the URL's paths.
fn leads_to(ingress: &Ingress) -> Option<&str> {
    let rules = ingress.spec.as_ref()?.rules.as_ref()?;
    let paths = &rules.first()?.http.as_ref()?.paths;
    let top = paths
        .iter()
        .min_by_key(|path| path.path.as_ref().map_or(0, String::len))?;
    Some(&top.backend.service.as_ref()?.name)
}

/// The newest version where it is ready, else an older one that still is.
fn newest_ready(all: &[Arc<Pod>], selector: &BTreeMap<String, String>) -> Option<Arc<Pod>> {
    let is_meant = |pod: &&Arc<Pod>| {
        let labels = pod.labels();
        selector
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
            && pods::is_ready(pod)
    };
    all.iter()
        .filter(is_meant)
        .max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0))
        .cloned()
}

/// What a condition says: the commit of the pod, where it runs one; that of the whole, where all
/// of it is up; else what was `said` before, as the pod is the same at either commit.
pub(super) fn words(pod: &Pod, up: Option<&str>, said: Option<&str>) -> String {
    match (pods::commit(pod).or(up), said) {
        (Some(commit), _) => format!("serving {commit}"),
        (None, Some(said)) if said.starts_with("serving") => said.to_owned(),
        (None, _) => "serving".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    const OLD: &str = "1111111111111111111111111111111111111111";
    const NEW: &str = "2222222222222222222222222222222222222222";

    fn pod(commit: Option<&str>, age: i64, ready: bool) -> Arc<Pod> {
        let created = Timestamp::from_second(1000 - age).unwrap().to_string();
        let mut pod = json!({
            "metadata": { "name": "web", "creationTimestamp": created, "labels": { "app": "web" } },
            "status": { "conditions": [{ "type": "Ready", "status": if ready { "True" } else { "False" } }] }
        });
        if let Some(commit) = commit {
            pod["metadata"]["labels"][labels::COMMIT] = json!(commit);
        }
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    fn serving(all: &[Arc<Pod>]) -> Option<String> {
        let selector = [("app".to_owned(), "web".to_owned())].into();
        newest_ready(all, &selector).map(|pod| words(&pod, None, None))
    }

    #[test]
    fn the_old_commit_serves_until_the_new_one_is_ready() {
        let old = pod(Some(OLD), 50, true);
        assert_eq!(serving(&[]), None);
        assert_eq!(
            serving(&[old.clone(), pod(Some(NEW), 5, false)]).unwrap(),
            format!("serving {OLD}")
        );
        assert_eq!(
            serving(&[old.clone(), pod(Some(NEW), 5, true)]).unwrap(),
            format!("serving {NEW}")
        );
        let mut leaving = (*old).clone();
        leaving.metadata.deletion_timestamp = Some(
            k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH),
        );
        assert_eq!(serving(&[Arc::new(leaving)]), None);
        let mut other = (*old).clone();
        other.labels_mut().insert("app".to_owned(), "db".to_owned());
        assert_eq!(serving(&[Arc::new(other)]), None);
    }

    #[test]
    fn a_pod_that_is_the_same_at_each_commit_serves_the_one_that_is_up() {
        let pod = pod(None, 5, true);
        assert_eq!(words(&pod, Some(NEW), None), format!("serving {NEW}"));
        let said = format!("serving {OLD}");
        assert_eq!(words(&pod, None, Some(&said)), said);
        assert_eq!(words(&pod, None, Some("nothing answers")), "serving");
    }

    #[test]
    fn the_url_leads_to_the_service_of_its_shortest_path() {
        let path = |path: &str, service: &str| json!({ "path": path, "pathType": "Prefix", "backend": { "service": { "name": service, "port": { "number": 80 } } } });
        let ingress = json!({ "metadata": {}, "spec": { "rules": [
            { "http": { "paths": [path("/api", "api"), path("/", "site")] } }
        ] } });
        let ingress = serde_json::from_value(ingress).unwrap();
        assert_eq!(leads_to(&ingress), Some("site"));
    }
}
