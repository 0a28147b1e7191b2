//! Previews that are made by hand, and the end of what is kept for a time.

use std::time::Duration;

use crate::common::operator::StandIn;
use crate::common::{PROJECT, TEAM, World, eventually, pull_request, settings, sha};
use catalyst_model::state::{PreviewStatus, Role};
use catalyst_model::views::{PreviewSource, PreviewSummary};
use catalyst_previews::{Actor, Error, ErrorKind, NewManualPreview, PreviewSettings};
use catalyst_testkit::github::{FakePullRequest, FakeRepository};

fn of_the_project() -> NewManualPreview {
    NewManualPreview {
        team: TEAM.into(),
        project: PROJECT.into(),
        ..NewManualPreview::default()
    }
}

async fn make(world: &World, new: NewManualPreview) -> PreviewSummary {
    world
        .previews
        .create_manual(&world.operator, new)
        .await
        .unwrap()
}

async fn refused(world: &World, actor: &Actor, new: NewManualPreview) -> Error {
    world.previews.create_manual(actor, new).await.unwrap_err()
}

async fn until(world: &World, id: &str, status: PreviewStatus) -> PreviewSummary {
    eventually(&format!("{id} is {status}"), || async {
        let list = world.list().await.into_iter();
        let mut of_id = list.filter(|it| it.id == id && it.status == status);
        of_id.next()
    })
    .await
}

#[tokio::test]
async fn a_branch_becomes_a_preview_that_lives_like_any_other() {
    let world = World::with_github().await;
    let operator = StandIn::start(&world.cluster);
    let member = world.member("max", TEAM, Role::Member).await;
    let new = NewManualPreview {
        branch: Some("topic/x".into()),
        ..of_the_project()
    };
    let made = world.previews.create_manual(&member, new).await.unwrap();
    assert_eq!(made.source, PreviewSource::Manual);
    assert_eq!((made.number, made.title.as_str()), (None, "Branch topic/x"));
    assert_eq!(made.author.as_deref(), Some("max"));
    assert!(made.namespace.starts_with("acme-shop-dev-"), "{made:?}");
    let left = made.expires_at.unwrap() - made.created_at;
    assert!((left.num_minutes() - 24 * 60).abs() <= 1, "{left}");

    until(&world, &made.id, PreviewStatus::Running).await;
    let name = made.namespace.strip_prefix("acme-shop-").unwrap();
    let environment = world.environment(name).await.unwrap();
    let source = &environment.spec.sources[0];
    assert_eq!(
        (
            source.commit_sha.as_str(),
            source.branch.as_str(),
            source.pr_number
        ),
        ("", "topic/x", None)
    );
    let detail = world.previews.get(&member, &made.id).await.unwrap();
    assert!(
        detail.allowed.extend && !detail.allowed.delete,
        "{:?}",
        detail.allowed
    );
    let created = ("max".to_owned(), "preview.create".to_owned());
    assert_eq!(world.audited(&made.id).await, [created]);

    // Nothing was written to GitHub, whose fake would have refused it for an unknown number.
    let trouble = world.previews.operations(&world.operator).await.unwrap();
    let told = |notice: &String| notice.contains("GitHub could not be told");
    assert!(!trouble.notices.iter().any(told), "{:?}", trouble.notices);

    world
        .previews
        .delete(&world.operator, &made.id)
        .await
        .unwrap();
    world.gone(name).await;
    eventually("it is history", || async {
        let removed = world.removed().await;
        removed.iter().any(|it| it.id == made.id).then_some(())
    })
    .await;
    drop(operator);
}

#[tokio::test]
async fn a_commit_and_an_image_are_run_as_they_are() {
    let world = World::new().await;
    let commit = NewManualPreview {
        commit: Some(sha('c')),
        name: Some("dev-look".into()),
        ..of_the_project()
    };
    let commit = make(&world, commit).await;
    assert_eq!(commit.namespace, "acme-shop-dev-look");
    let environment = world.environment_at("dev-look", &sha('c')).await;
    assert_eq!(environment.spec.config, None);

    let image = NewManualPreview {
        branch: Some("release".into()),
        image: Some("ghcr.io/acme/shop:1.4".into()),
        port: Some(8080),
        ..of_the_project()
    };
    let first = make(&world, image.clone()).await;
    assert_eq!(first.namespace, "acme-shop-manual-release");
    let second = make(&world, image).await;
    assert!(
        second.namespace.starts_with("acme-shop-manual-release-"),
        "a taken name is numbered: {}",
        second.namespace
    );
    let environment = world.environment_at("manual-release", "").await;
    let config = environment.spec.config.unwrap();
    assert_eq!(config.image.as_deref(), Some("ghcr.io/acme/shop:1.4"));
    assert_eq!(config.ports[0].container_port, 8080);
    assert_eq!(
        environment.spec.deployment_mode.as_deref(),
        Some("production")
    );
}

#[tokio::test]
async fn only_the_projects_team_makes_previews_of_it() {
    let world = World::with_settings(PreviewSettings {
        manual_per_team: 1,
        ..settings()
    })
    .await;
    let stranger = world.member("eve", "rivals", Role::Owner).await;
    let member = world.member("max", TEAM, Role::Member).await;
    let unknown = NewManualPreview {
        project: "nothing".into(),
        ..of_the_project()
    };
    for (actor, new) in [(&stranger, of_the_project()), (&member, unknown)] {
        let error = refused(&world, actor, new).await;
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
    let elsewhere = NewManualPreview {
        repository: Some("acme/other".into()),
        ..of_the_project()
    };
    let error = refused(&world, &member, elsewhere).await;
    assert_eq!(
        error.to_string(),
        "repository: the project has no repository \"acme/other\": expected acme/shop"
    );
    let taken = NewManualPreview {
        name: Some("dev-look".into()),
        ..of_the_project()
    };
    make(&world, taken.clone()).await;
    let error = refused(&world, &member, taken).await;
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(
        error
            .to_string()
            .contains("has 1 previews made by hand already"),
        "{error}"
    );
}

#[tokio::test]
async fn a_forks_commit_takes_who_may_approve_it() {
    let world = World::new().await;
    let mut fork: FakePullRequest = pull_request(7, 'f');
    fork.head_repository = Some(FakeRepository::new(2, "guest/shop"));
    world.event("opened", &fork).await;
    world
        .preview(7, "is blocked", |it| it.blocked.is_some())
        .await;
    let new = NewManualPreview {
        commit: Some(sha('f')),
        ..of_the_project()
    };
    let member = world.member("max", TEAM, Role::Member).await;
    let error = refused(&world, &member, new.clone()).await;
    assert_eq!(error.kind(), ErrorKind::Forbidden, "{error}");
    let admin = world.member("ada", TEAM, Role::Admin).await;
    world.previews.create_manual(&admin, new).await.unwrap();
}

#[tokio::test]
async fn its_time_ends_it_by_itself_and_begins_anew_when_it_is_kept() {
    let mut world = World::with_settings(PreviewSettings {
        manual_ttl: Duration::from_secs(3),
        ..settings()
    })
    .await;
    let operator = StandIn::start(&world.cluster);
    let kept = make(&world, of_the_project()).await;
    let until_then = kept.expires_at.unwrap();
    until(&world, &kept.id, PreviewStatus::Running).await;
    let later = world
        .previews
        .extend(&world.operator, &kept.id)
        .await
        .unwrap();
    assert!(later > until_then);
    let shown = world.detail(&kept.id).await.summary.expires_at.unwrap();
    assert_eq!(shown, later);
    // The end comes whether or not the process lives that made it.
    world.kill().await;
    world.restart();
    eventually("its time ended it", || async {
        world.list().await.is_empty().then_some(())
    })
    .await;
    let gone = world.detail(&kept.id).await.summary;
    assert!(gone.deleted_at.unwrap() >= later, "not before its time");
    let error = world
        .previews
        .extend(&world.operator, &kept.id)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    drop(operator);
}

#[tokio::test]
async fn an_idle_pull_requests_preview_goes_and_a_push_brings_it_back() {
    let world = World::with_settings(PreviewSettings {
        idle_ttl: Some(Duration::from_secs(2)),
        sweep_every: Duration::from_secs(1),
        ..settings()
    })
    .await;
    let operator = StandIn::start(&world.cluster);
    world.event("opened", &pull_request(7, 'a')).await;
    let preview = world
        .preview(7, "runs", |it| it.status == PreviewStatus::Running)
        .await;
    assert!(preview.expires_at.is_some());
    eventually("it was removed", || async {
        world.list().await.is_empty().then_some(())
    })
    .await;
    world.previews.sweep().await.unwrap();
    assert!(world.list().await.is_empty(), "and stays away");
    let pushed = crate::common::later(&pull_request(7, 'b'), 60, |_| ());
    world.event("synchronize", &pushed).await;
    world
        .preview(7, "is back", |it| it.commit == sha('b'))
        .await;
    drop(operator);
}
