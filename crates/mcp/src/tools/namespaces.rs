//! `getNamespaces` and `getNamespace`.

use catalyst_previews::{Actor, Error, Previews};

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
    check_cluster(previews, asked.cluster_name.as_deref())?;
    let namespaces = previews.namespaces(actor).await?;
    let namespaces: Vec<Namespace> = namespaces.into_iter().map(Namespace::of).collect();
    Ok(Namespaces {
        success: true,
        cluster: previews.cluster_name().to_owned(),
        count: namespaces.len(),
        namespaces,
    })
}

pub async fn get(
    previews: &Previews,
    actor: &Actor,
    asked: WhichNamespace,
) -> Result<OneNamespace, Refusal> {
    check_cluster(previews, asked.cluster_name.as_deref())?;
    let detail = previews.namespace(actor, &asked.namespace).await?;
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

fn check_cluster(previews: &Previews, name: Option<&str>) -> Result<(), Refusal> {
    match name {
        Some(name) if name != previews.cluster_name() => Err(Error::NotFound {
            what: "cluster",
            id: name.chars().take(100).collect(),
        }
        .into()),
        _ => Ok(()),
    }
}
