//! Cleaning up: to the end, or until it is given up and said.

use std::time::Duration;

use crate::common::operator::{Look, finalizers, set};
use crate::common::{PROJECT_NAMESPACE, World, eventually, later, pull_request, settings, sha};
use catalyst_crd::labels::{NAMESPACE_TYPE, TEAM};
use catalyst_model::state::PreviewStatus;
use catalyst_previews::{ErrorKind, PreviewSettings};

const FOREIGN: &str = "example.com/keep";

#[tokio::test]
async fn a_removal_that_never_ends_is_given_up_shown_and_taken_up_again() {
    let settings = PreviewSettings {
        removal_patience: Duration::from_millis(500),
        tries: 3,
        ..settings()
    };
    let world = World::with_settings(settings).await;
    let opened = pull_request(7, 'a');
    world.event("opened", &opened).await;
    let environment = world.environment_at("preview-7", &sha('a')).await;
    let api = world.cluster.environments(PROJECT_NAMESPACE);
    finalizers(&api, &environment, &[FOREIGN]).await.unwrap();
    let stuck = "the namespace waits for example.com/keep";
    set(&api, "preview-7", Look::Building, stuck).await;
    world
        .event("closed", &later(&opened, 2, |it| it.open = false))
        .await;
    // Others are not held up.
    world.event("opened", &pull_request(8, 'a')).await;
    world.environment_at("preview-8", &sha('a')).await;

    let failed = eventually("the removal is given up", || async {
        let mut it = world.previews.operations(&world.operator).await.unwrap();
        it.failed_cleanups.pop()
    })
    .await;
    assert_eq!(
        (failed.attempts, failed.pull_request.as_str()),
        (3, "acme/shop#7")
    );
    assert!(failed.error.contains(stuck), "{failed:?}");
    let detail = world.detail(&failed.id).await;
    assert_eq!(detail.summary.status, PreviewStatus::Deleting);
    assert_eq!(detail.summary.message.as_deref(), Some(stuck));
    // The sweep leaves it to the operators.
    world.previews.sweep().await.unwrap();
    let operations = world.previews.operations(&world.operator).await.unwrap();
    assert_eq!(operations.failed_cleanups.len(), 1);

    world
        .previews
        .retry_cleanup(&world.operator, &failed.id)
        .await
        .unwrap();
    let operations = world.previews.operations(&world.operator).await.unwrap();
    assert_eq!(operations.failed_cleanups, []);
    let twice = world
        .previews
        .retry_cleanup(&world.operator, &failed.id)
        .await
        .unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Conflict);
    finalizers(&api, &environment, &[]).await.unwrap();
    eventually("it has left the list", || async {
        world
            .list()
            .await
            .iter()
            .all(|it| it.number == Some(8))
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_removal_that_was_given_up_ends_by_itself_when_the_cause_goes() {
    let settings = PreviewSettings {
        removal_patience: Duration::from_millis(300),
        tries: 1,
        ..settings()
    };
    let world = World::with_settings(settings).await;
    let opened = pull_request(7, 'a');
    world.event("opened", &opened).await;
    let environment = world.environment_at("preview-7", &sha('a')).await;
    let api = world.cluster.environments(PROJECT_NAMESPACE);
    finalizers(&api, &environment, &[FOREIGN]).await.unwrap();
    world
        .event("closed", &later(&opened, 2, |it| it.open = false))
        .await;
    eventually("the removal is given up", || async {
        let it = world.previews.operations(&world.operator).await.unwrap();
        (!it.failed_cleanups.is_empty()).then_some(())
    })
    .await;
    finalizers(&api, &environment, &[]).await.unwrap();
    eventually("it has left the list", || async {
        world.list().await.is_empty().then_some(())
    })
    .await;
    let operations = world.previews.operations(&world.operator).await.unwrap();
    assert_eq!(operations.failed_cleanups, []);
}

#[tokio::test]
async fn what_the_cluster_refuses_is_tried_again_then_failed_and_said() {
    let mut world = World::new().await;
    // The project's namespace is somebody else's.
    world
        .cluster
        .ensure_namespace(
            PROJECT_NAMESPACE,
            &[(NAMESPACE_TYPE, "project"), (TEAM, "rivals")],
        )
        .await
        .unwrap();
    world.event("opened", &pull_request(7, 'a')).await;
    let failed = world
        .preview(7, "failed", |it| it.status == PreviewStatus::Failed)
        .await;
    assert!(
        failed
            .message
            .as_deref()
            .unwrap()
            .contains("exists and is not Catalyst's"),
        "{failed:?}"
    );
    assert!(world.environment("preview-7").await.is_none());
    let detail = world.detail(&failed.id).await;
    assert_eq!(
        detail.steps[0].state,
        catalyst_model::views::StepState::Failed
    );
    assert!(detail.allowed.retry);

    let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> =
        kube::Api::all(world.cluster.client());
    namespaces
        .delete(PROJECT_NAMESPACE, &Default::default())
        .await
        .unwrap();
    eventually("the namespace is gone", || async {
        namespaces
            .get_opt(PROJECT_NAMESPACE)
            .await
            .unwrap()
            .is_none()
            .then_some(())
    })
    .await;
    world
        .previews
        .retry(&world.operator, &failed.id)
        .await
        .unwrap();
    world.environment_at("preview-7", &sha('a')).await;
    world.shut_down().await;
}

#[tokio::test]
async fn fifty_pull_requests_open_and_close_together() {
    let world = World::new().await;
    let _operator = crate::common::operator::StandIn::start(&world.cluster);
    let opening = (1..=50).map(|n| {
        let world = &world;
        async move { world.event("opened", &pull_request(n, 'a')).await }
    });
    futures::future::join_all(opening).await;
    eventually("all run", || async {
        let list = world.list().await;
        let running = list.iter().filter(|it| it.status == PreviewStatus::Running);
        (running.count() == 50).then_some(())
    })
    .await;
    let closing = (1..=50).map(|n| {
        let world = &world;
        async move {
            world
                .event(
                    "closed",
                    &later(&pull_request(n, 'a'), 2, |it| it.open = false),
                )
                .await
        }
    });
    futures::future::join_all(closing).await;
    eventually("all are gone", || async {
        world.list().await.is_empty().then_some(())
    })
    .await;
    let all = world
        .cluster
        .all_environments()
        .list(&Default::default())
        .await
        .unwrap();
    assert!(all.items.is_empty());
}
