//! `getNamespaces` and `getNamespace`.

use catalyst_previews::{Actor, Previews};

use crate::{
    answer::Refusal,
    input::{Resource, WhichCluster, WhichNamespace},
    views::{Contents, Event, Namespace, Namespaces, OneNamespace, Pod},
};

pub async fn list(
    previews: &Previews,
    actor: &Actor,
    asked: WhichCluster,
) -> Result<Namespaces, Refusal> {
    let cluster = asked.cluster_name.as_deref();
    let cluster = cluster.unwrap_or(previews.cluster_name());
    let namespaces = previews.namespaces(actor, cluster).await?;
    let namespaces: Vec<Namespace> = namespaces.into_iter().map(Namespace::of).collect();
    Ok(Namespaces {
        success: true,
        cluster: cluster.to_owned(),
        count: namespaces.len(),
        namespaces,
    })
}

pub async fn get(
    previews: &Previews,
    actor: &Actor,
    asked: WhichNamespace,
) -> Result<OneNamespace, Refusal> {
    let cluster = asked.cluster_name.as_deref();
    let cluster = cluster.unwrap_or(previews.cluster_name());
    let detail = previews.namespace(actor, cluster, &asked.namespace).await?;
    let wants = |resource| {
        let chosen = asked.resources.as_ref();
        chosen.is_none_or(|chosen| chosen.contains(&resource))
    };
    Ok(OneNamespace {
        success: true,
        namespace: Contents {
            place: Namespace::of(detail.namespace),
            cluster: detail.cluster,
            phase: detail.phase,
            created_at: detail.created_at,
            pods: wants(Resource::Pods).then(|| detail.pods.into_iter().map(Pod::of).collect()),
            events: wants(Resource::Events)
                .then(|| detail.events.into_iter().map(Event::of).collect()),
        },
    })
}
