//! What was missed is made up for, and what nobody wants is removed.

use crate::common::operator::StandIn;
use crate::common::{PROJECT_NAMESPACE, World, eventually, later, pull_request, sha};
use catalyst_crd::Environment;
use catalyst_crd::labels::ENVIRONMENT_ID;
use catalyst_model::state::PreviewStatus;
use catalyst_testkit::github::FakeRepository;
use kube::ResourceExt;

#[tokio::test]
async fn events_that_never_came_are_made_up_for_from_github() {
    let mut world = World::with_github().await;
    let _operator = StandIn::start(&world.cluster);
    let (closes, pushes) = (pull_request(1, 'a'), pull_request(2, 'a'));
    world.event("opened", &closes).await;
    world.event("opened", &pushes).await;
    for number in [1, 2] {
        world
            .preview(number, "runs", |it| it.status == PreviewStatus::Running)
            .await;
    }
    world.shut_down().await;

    // Meanwhile on GitHub: one closed, one pushed to, one opened, and a fork's.
    let github = world.github();
    github.put_pull_request(&later(&closes, 5, |it| it.open = false));
    github.put_pull_request(&later(&pushes, 5, |it| it.head_sha = sha('b')));
    github.put_pull_request(&later(&pull_request(3, 'c'), 5, |_| ()));
    github.put_pull_request(&later(&pull_request(4, 'd'), 5, |it| {
        it.head_repository = Some(FakeRepository::new(9, "mallory/shop"));
    }));
    world.restart();
    world
        .preview(2, "runs at b", |it| it.serving_commit == Some(sha('b')))
        .await;
    world
        .preview(3, "runs", |it| it.status == PreviewStatus::Running)
        .await;
    world
        .preview(4, "is blocked", |it| it.blocked.is_some())
        .await;
    world.gone("preview-1").await;
    eventually("it has left the list", || async {
        (world.list().await.len() == 3).then_some(())
    })
    .await;

    let before = world.worked_off().await.len();
    world.previews.sweep().await.unwrap();
    world.previews.sweep().await.unwrap();
    assert_eq!(
        world.worked_off().await.len(),
        before,
        "a second sweep finds nothing"
    );
}

#[tokio::test]
async fn an_orphan_of_ours_goes_and_what_others_made_stays() {
    let world = World::new().await;
    world.event("opened", &pull_request(7, 'a')).await;
    let wanted = world.environment_at("preview-7", &sha('a')).await;
    let api = world.cluster.environments(PROJECT_NAMESPACE);
    let copy = |name: &str, change: fn(&mut Environment)| {
        let mut it = Environment::new(name, wanted.spec.clone());
        it.metadata.namespace = Some(PROJECT_NAMESPACE.into());
        it.metadata.labels = wanted.metadata.labels.clone();
        it.metadata.annotations = wanted.metadata.annotations.clone();
        change(&mut it);
        it
    };
    let orphan = copy("preview-99", |it| {
        it.annotations_mut()
            .insert(ENVIRONMENT_ID.into(), "of an earlier database".into());
    });
    let twin = copy("preview-98", |_| ());
    let by_hand = copy("dev-quiet-river-12", |it| {
        it.annotations_mut().clear();
    });
    for it in [&orphan, &twin, &by_hand] {
        api.create(&Default::default(), it).await.unwrap();
    }
    eventually("the orphans are gone", || async {
        world.previews.sweep().await.unwrap();
        let all = api.list(&Default::default()).await.unwrap().items;
        (all.len() == 2).then_some(())
    })
    .await;
    assert!(world.environment("preview-7").await.is_some());
    assert!(world.environment("dev-quiet-river-12").await.is_some());
}

#[tokio::test]
async fn the_previews_of_a_project_go_with_it() {
    let world = World::new().await;
    let _operator = StandIn::start(&world.cluster);
    world.event("opened", &pull_request(7, 'a')).await;
    world
        .preview(7, "runs", |it| it.status == PreviewStatus::Running)
        .await;
    let api = world.cluster.projects("acme");
    world.cluster.delete(&api, "shop").await.unwrap();
    world.gone("preview-7").await;
    eventually("it has left the list", || async {
        world.list().await.is_empty().then_some(())
    })
    .await;
    assert_eq!(world.previews.projects(&world.operator).await.unwrap(), []);
}

#[tokio::test]
async fn a_preview_whose_repository_left_the_project_goes() {
    let world = World::new().await;
    let _operator = StandIn::start(&world.cluster);
    world.event("opened", &pull_request(7, 'a')).await;
    world
        .preview(7, "runs", |it| it.status == PreviewStatus::Running)
        .await;
    let api = world.cluster.projects("acme");
    let patch = serde_json::json!({ "spec": { "sources": [
        { "name": "primary", "repositoryUrl": "https://github.com/acme/other.git", "branch": "main" }
    ] } });
    api.patch("shop", &Default::default(), &kube::api::Patch::Merge(patch))
        .await
        .unwrap();
    eventually("the project has the other repository", || async {
        let it = world.previews.projects(&world.operator).await.unwrap();
        (it[0].repositories == ["acme/other"]).then_some(())
    })
    .await;
    world.previews.sweep().await.unwrap();
    world.gone("preview-7").await;
}
