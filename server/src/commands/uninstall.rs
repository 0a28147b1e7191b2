//! `catalyst uninstall`: removes what Catalyst made in a Kubernetes, before Catalyst itself goes.

#![allow(clippy::print_stdout, reason = "a command's output")]

use std::{fmt::Debug, time::Duration};

use anyhow::Context;
use catalyst_crd::{Environment, Project, labels::NAMESPACE_TYPE};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Namespace};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, PartialObjectMeta, Patch, PatchParams},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::wiring;

const PAUSE: Duration = Duration::from_secs(1);

/// Removes previews, which the operator does, then Projects, then the namespaces of teams and
/// projects; ends when nothing is left. `web` is the Deployment of the web side, `NAMESPACE/NAME`,
/// which is stopped first: it would ask for the previews anew.
pub async fn run(web: Option<&str>) -> anyhow::Result<()> {
    let client = wiring::default_cluster().await?.client();
    if let Some(web) = web {
        stop(&client, web).await?;
    }
    let mut told = String::new();
    loop {
        let left = pass(&client).await?;
        if left.is_empty() {
            println!("Nothing that Catalyst made is left.");
            return Ok(());
        }
        let waiting = left.join(", ");
        if waiting != told {
            println!("Being removed: {waiting}");
            told = waiting;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn stop(client: &Client, deployment: &str) -> anyhow::Result<()> {
    let (namespace, name) = deployment
        .split_once('/')
        .with_context(|| format!("{deployment:?} is not NAMESPACE/NAME"))?;
    let none = Patch::Merge(json!({ "spec": { "replicas": 0 } }));
    Api::<Deployment>::namespaced(client.clone(), namespace)
        .patch_scale(name, &PatchParams::default(), &none)
        .await
        .map(drop)
        .with_context(|| format!("cannot stop the Deployment {deployment}"))
}

/// Asks for the removal of all that is there now, and says what it was. What holds others goes
/// after them.
async fn pass(client: &Client) -> anyhow::Result<Vec<String>> {
    let all = ListParams::default();
    let home = |object: &PartialObjectMeta<_>| {
        Api::<Environment>::namespaced(client.clone(), &object.namespace().unwrap_or_default())
    };
    let environments = remove(Api::all(client.clone()), &all, home).await?;
    if !environments.is_empty() {
        return Ok(environments);
    }
    let home = |object: &PartialObjectMeta<_>| {
        Api::<Project>::namespaced(client.clone(), &object.namespace().unwrap_or_default())
    };
    let projects = remove(Api::all(client.clone()), &all, home).await?;
    if !projects.is_empty() {
        return Ok(projects);
    }
    let ours = all.labels(&format!("{NAMESPACE_TYPE} in (team, project)"));
    remove(Api::<Namespace>::all(client.clone()), &ours, |_| {
        Api::all(client.clone())
    })
    .await
}

async fn remove<K>(
    everywhere: Api<K>,
    which: &ListParams,
    home: impl Fn(&PartialObjectMeta<K>) -> Api<K>,
) -> anyhow::Result<Vec<String>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let kind = K::kind(&());
    let objects = everywhere
        .list_metadata(which)
        .await
        .with_context(|| format!("cannot list {}", K::plural(&())))?;
    let mut left = Vec::new();
    for object in objects {
        let name = object.name_any();
        let on = match object.namespace() {
            Some(namespace) => format!("{kind} {namespace}/{name}"),
            None => format!("{kind} {name}"),
        };
        if object.metadata.deletion_timestamp.is_none() {
            match home(&object).delete(&name, &DeleteParams::default()).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => continue,
                Err(error) => return Err(error).with_context(|| format!("cannot delete {on}")),
            }
        }
        left.push(on);
    }
    Ok(left)
}
