//! What previews use, from the cluster to everyone who looks.

use std::time::Duration;

use crate::common::operator::StandIn;
use crate::common::{TEAM, World, pull_request, settings};
use catalyst_model::state::{PreviewStatus, Role};
use catalyst_model::views::{PreviewChange, PreviewFilter, PreviewOrder};
use catalyst_previews::PreviewSettings;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, PostParams};
use serde_json::json;

/// The work of an operator and its Deployment: a pod in the preview's namespace.
async fn pod(world: &World, namespace: &str, script: &str) {
    let params = PostParams::default();
    let namespaces: Api<Namespace> = Api::all(world.cluster.client());
    let new = json!({ "metadata": { "name": namespace } });
    let new = serde_json::from_value(new).unwrap();
    namespaces.create(&params, &new).await.unwrap();
    let new = json!({
        "metadata": { "name": "web-1" },
        "spec": { "terminationGracePeriodSeconds": 1, "containers": [{
            "name": "app", "image": "busybox:1.36", "command": ["sh", "-c", script] }] },
    });
    let pods: Api<Pod> = Api::namespaced(world.cluster.client(), namespace);
    let new = serde_json::from_value(new).unwrap();
    pods.create(&params, &new).await.unwrap();
}

#[tokio::test]
async fn what_previews_use_is_listed_ordered_marked_and_told_to_their_team_alone() {
    let world = World::with_settings(PreviewSettings {
        usage_every: Duration::from_secs(1),
        usage_warning: catalyst_model::usage::Resources {
            cpu_millicores: 100,
            memory_mib: 4096,
        },
        ..settings()
    })
    .await;
    let operator = StandIn::start(&world.cluster);
    for number in [1, 2, 3] {
        world.event("opened", &pull_request(number, 'a')).await;
        let runs = |it: &catalyst_model::views::PreviewSummary| it.status == PreviewStatus::Running;
        world.preview(number, "runs", runs).await;
    }
    let member = world.member("max", TEAM, Role::Member).await;
    let stranger = world.member("eve", "rivals", Role::Owner).await;
    let news = world.previews.changes(&member);
    let nothing = world.previews.changes(&stranger);
    pod(&world, "acme-shop-preview-1", "sleep 1000").await;
    pod(&world, "acme-shop-preview-2", "while :; do :; done").await;

    let measured = world
        .preview(2, "uses too much", |it| it.is_exceeding_quota())
        .await;
    let usage = measured.usage.clone().unwrap();
    assert!(usage.exceeding_cpu && !usage.exceeding_memory, "{usage:?}");
    assert_eq!((usage.cpu_limit, usage.memory_limit), (100, 4096));
    assert!(!usage.history.cpu.is_empty());
    let calm = world
        .preview(1, "is measured", |it| it.usage.is_some())
        .await;
    assert!(!calm.is_exceeding_quota(), "{calm:?}");
    let none = world.preview(3, "is there", |_| true).await;
    assert_eq!(none.usage, None, "what was not measured is not zero");

    let order = async |filter: PreviewFilter| {
        let list = world.previews.list(&member, &filter).await.unwrap();
        assert_eq!((list.counts.over_quota, list.unmeasured), (1, None));
        let numbers = list.previews.into_iter().filter_map(|it| it.number);
        (numbers.collect::<Vec<_>>(), list.matching)
    };
    let by_cpu = PreviewFilter {
        order: PreviewOrder::Cpu,
        ..PreviewFilter::default()
    };
    assert_eq!(order(by_cpu.clone()).await, (vec![2, 1, 3], 3));
    let second = PreviewFilter {
        offset: 1,
        limit: 1,
        ..by_cpu.clone()
    };
    assert_eq!(order(second).await, (vec![1], 3));
    let over = PreviewFilter {
        over_quota: true,
        ..PreviewFilter::default()
    };
    assert_eq!(order(over).await, (vec![2], 1));
    let theirs = world.previews.list(&stranger, &by_cpu).await.unwrap();
    assert_eq!((theirs.matching, theirs.counts.over_quota), (0, 0));

    let told = tokio::time::timeout(Duration::from_secs(30), async {
        let mut news = std::pin::pin!(news);
        loop {
            if let Some(PreviewChange::Usage { measured, .. }) = news.next().await
                && measured.len() == 2
            {
                return measured;
            }
        }
    });
    let told = told.await.expect("the team hears of it");
    assert!(
        told.iter().all(|it| it.usage.history.cpu.len() == 1),
        "{told:?}"
    );
    let heard = tokio::time::timeout(Duration::from_secs(2), async {
        let mut nothing = std::pin::pin!(nothing);
        while let Some(change) = nothing.next().await {
            assert_eq!(change, PreviewChange::Reload);
        }
    });
    assert!(heard.await.is_err(), "others hear nothing");

    let detail = world.previews.get(&member, &measured.id).await.unwrap();
    let web = detail.pods.iter().find(|pod| pod.name == "web-1").unwrap();
    assert!(
        web.used.is_some_and(|used| used.cpu_millicores > 100),
        "{web:?}"
    );

    let view = world.previews.operations(&world.operator).await.unwrap();
    assert_eq!(view.teams.len(), 1);
    assert_eq!(
        (view.teams[0].counts.all, view.teams[0].counts.over_quota),
        (3, 1)
    );
    assert!(
        view.teams[0]
            .used
            .is_some_and(|used| used.cpu_millicores > 100)
    );
    let over: Vec<_> = view.over_quota.iter().map(|it| it.number).collect();
    assert_eq!(over, [Some(2)]);
    assert_eq!((view.stale_count, view.stale_days), (0, 7));
    let cluster = &view.clusters[0];
    assert_eq!((cluster.name.as_str(), &cluster.trouble), ("local", &None));
    let capacity = cluster.capacity.as_ref().unwrap();
    assert!(
        capacity.nodes == 1 && capacity.allocatable.memory_mib > 0,
        "{capacity:?}"
    );
    assert!(
        cluster
            .previews
            .is_some_and(|used| used.cpu_millicores > 100)
    );
    drop(operator);
}

#[tokio::test]
async fn a_preview_without_pushes_is_stale() {
    let world = World::with_settings(PreviewSettings {
        stale_after: Duration::ZERO,
        ..settings()
    })
    .await;
    world.event("opened", &pull_request(7, 'a')).await;
    world.preview(7, "is there", |_| true).await;
    let view = world.previews.operations(&world.operator).await.unwrap();
    assert_eq!((view.stale_count, view.stale[0].number), (1, Some(7)));
}
