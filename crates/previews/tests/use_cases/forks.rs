//! Code from outside the repository runs when a maintainer approved that very commit, and not
//! otherwise.

use crate::common::operator::StandIn;
use crate::common::{World, later, pull_request, sha};
use catalyst_model::state::{PreviewStatus, Role};
use catalyst_previews::ErrorKind;
use catalyst_testkit::github::{FakePullRequest, FakeRepository};

fn from_fork(number: u64, digit: char) -> FakePullRequest {
    let mut it = pull_request(number, digit);
    it.head_repository = Some(FakeRepository::new(2, "mallory/shop"));
    it
}

#[tokio::test]
async fn a_fork_waits_until_its_commit_is_approved() {
    let world = World::new().await;
    let _operator = StandIn::start(&world.cluster);
    world.event("opened", &from_fork(7, 'a')).await;
    let blocked = world
        .preview(7, "is blocked", |it| it.blocked.is_some())
        .await;
    assert_eq!(
        world.worked_off().await[0].decision.as_deref(),
        Some("block")
    );
    assert!(
        blocked
            .blocked
            .as_deref()
            .unwrap()
            .contains("the fork mallory/shop")
    );
    assert!(world.environment("preview-7").await.is_none());
    let list = world
        .previews
        .list(&world.operator, &Default::default())
        .await
        .unwrap();
    assert_eq!(list.counts.blocked, 1);

    let admin = world.member("ada", "acme", Role::Admin).await;
    assert!(world.detail(&blocked.id).await.allowed.approve);
    world
        .previews
        .approve(&admin, &blocked.id, &sha('a').parse().unwrap())
        .await
        .unwrap();
    let running = world
        .preview(7, "runs", |it| it.status == PreviewStatus::Running)
        .await;
    assert_eq!(running.blocked, None);
    assert_eq!(running.id, blocked.id);
    assert!(
        world
            .audited(&running.id)
            .await
            .contains(&("ada".into(), "preview.approve".into()))
    );
    let reason = world.worked_off().await.remove(0).reason.unwrap();
    assert!(
        reason.starts_with("ada approved commit aaaaaaa"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_push_takes_the_approval_back_and_what_was_approved_goes_on_serving() {
    let world = World::new().await;
    let _operator = StandIn::start(&world.cluster);
    let opened = from_fork(7, 'a');
    world.event("opened", &opened).await;
    let id = world
        .preview(7, "is blocked", |it| it.blocked.is_some())
        .await
        .id;
    world
        .previews
        .approve(&world.operator, &id, &sha('a').parse().unwrap())
        .await
        .unwrap();
    world
        .preview(7, "runs", |it| it.status == PreviewStatus::Running)
        .await;

    world
        .event(
            "synchronize",
            &later(&opened, 2, |it| it.head_sha = sha('b')),
        )
        .await;
    let at_b = |it: &catalyst_model::views::PreviewSummary| it.commit == sha('b');
    let blocked = world.preview(7, "is at b", at_b).await;
    assert!(blocked.blocked.is_some());
    assert_eq!(blocked.serving_commit, Some(sha('a')));
    world.worked_off().await;
    world.previews.sweep().await.unwrap();
    let environment = world.environment("preview-7").await.unwrap();
    assert_eq!(environment.spec.sources[0].commit_sha, sha('a'));

    // The approval that came too late is for another commit.
    let late = world
        .previews
        .approve(&world.operator, &id, &sha('a').parse().unwrap())
        .await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Conflict);
    world
        .previews
        .approve(&world.operator, &id, &sha('b').parse().unwrap())
        .await
        .unwrap();
    world.environment_at("preview-7", &sha('b')).await;
}

#[tokio::test]
async fn an_approval_and_a_push_at_the_same_time_never_run_what_nobody_approved() {
    let world = World::new().await;
    let _operator = StandIn::start(&world.cluster);
    for number in 1..=10 {
        let opened = from_fork(number, 'a');
        world.event("opened", &opened).await;
        let id = world
            .preview(number, "is blocked", |it| it.blocked.is_some())
            .await
            .id;
        let pushed = later(&opened, 2, |it| it.head_sha = sha('b'));
        let commit = sha('a').parse().unwrap();
        let (_, _) = tokio::join!(
            world.previews.approve(&world.operator, &id, &commit),
            world.event("synchronize", &pushed)
        );
        let at_b = |it: &catalyst_model::views::PreviewSummary| it.commit == sha('b');
        world.preview(number, "is at b", at_b).await;
    }
    world.worked_off().await;
    for number in 1..=10 {
        let it = world.preview(number, "is there", |_| true).await;
        assert_eq!(
            it.commit,
            sha('b'),
            "an older commit never takes a newer one's place"
        );
        assert!(it.blocked.is_some());
        if let Some(environment) = world.environment(&format!("preview-{number}")).await {
            assert_eq!(environment.spec.sources[0].commit_sha, sha('a'));
        }
    }
}

#[tokio::test]
async fn a_member_cannot_approve_and_what_does_not_wait_needs_none() {
    let world = World::new().await;
    world.event("opened", &from_fork(7, 'a')).await;
    let id = world
        .preview(7, "is blocked", |it| it.blocked.is_some())
        .await
        .id;
    let member = world.member("max", "acme", Role::Member).await;
    let commit = sha('a').parse().unwrap();
    let refused = world
        .previews
        .approve(&member, &id, &commit)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
    assert!(
        !world
            .previews
            .get(&member, &id)
            .await
            .unwrap()
            .allowed
            .approve
    );

    world.event("opened", &pull_request(8, 'a')).await;
    let own = world.preview(8, "is there", |_| true).await.id;
    let needless = world
        .previews
        .approve(&world.operator, &own, &commit)
        .await
        .unwrap_err();
    assert_eq!(needless.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn an_approval_that_was_lost_on_the_way_is_taken_up_by_the_sweep() {
    let world = World::new().await;
    world.event("opened", &from_fork(7, 'a')).await;
    let id = world
        .preview(7, "is blocked", |it| it.blocked.is_some())
        .await
        .id;
    // As if the process had ended right after writing the approval down.
    world
        .store
        .approve_commit(&id, &sha('a').parse().unwrap())
        .await
        .unwrap();
    world.previews.sweep().await.unwrap();
    world.environment_at("preview-7", &sha('a')).await;
}
