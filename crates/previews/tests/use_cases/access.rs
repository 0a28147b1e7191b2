//! Who is not in a team neither sees nor touches what is the team's.

use crate::common::{World, pull_request, sha};
use catalyst_model::state::Role;
use catalyst_model::views::{LogQuery, PreviewChange, PreviewFilter};
use catalyst_previews::{Actor, Error, ErrorKind, LOCAL_LOGIN, NewProject};
use futures::StreamExt;

async fn world_with_preview() -> (World, String) {
    let world = World::new().await;
    world.event("opened", &pull_request(7, 'a')).await;
    let id = world.preview(7, "is there", |_| true).await.id;
    (world, id)
}

fn kinds(results: Vec<(&'static str, Result<(), Error>)>) -> Vec<(&'static str, ErrorKind)> {
    let kind = |result: Result<(), Error>| result.unwrap_err().kind();
    results
        .into_iter()
        .map(|(name, result)| (name, kind(result)))
        .collect()
}

/// Every use case that takes an id.
async fn all(world: &World, actor: &Actor, id: &str) -> Vec<(&'static str, Result<(), Error>)> {
    let previews = &world.previews;
    let commit = sha('a').parse().unwrap();
    let followed = previews.follow(actor, id);
    let followed = std::pin::pin!(followed).next().await.unwrap();
    vec![
        ("get", previews.get(actor, id).await.map(drop)),
        (
            "logs",
            previews
                .logs(actor, id, &LogQuery::default())
                .await
                .map(drop),
        ),
        ("follow", followed.map(drop)),
        ("retry", previews.retry(actor, id).await),
        ("delete", previews.delete(actor, id).await),
        ("approve", previews.approve(actor, id, &commit).await),
        ("extend", previews.extend(actor, id).await.map(drop)),
        ("retry_cleanup", previews.retry_cleanup(actor, id).await),
    ]
}

#[tokio::test]
async fn a_foreign_id_and_an_unknown_one_are_answered_alike() {
    let (world, id) = world_with_preview().await;
    let stranger = world.member("eve", "rivals", Role::Owner).await;
    let namespace = "acme-shop-preview-7";
    for id in [
        id.as_str(),
        namespace,
        "0000-unknown",
        "",
        "'; DROP TABLE users; --",
    ] {
        for (name, kind) in kinds(all(&world, &stranger, id).await) {
            assert_eq!(kind, ErrorKind::NotFound, "{name} of {id:?}");
        }
    }
    let filter = PreviewFilter::default();
    let list = world.previews.list(&stranger, &filter).await.unwrap();
    assert_eq!(
        (list.previews.len(), list.counts.all, list.matching),
        (0, 0, 0)
    );
    assert_eq!(world.previews.deliveries(&stranger, 10).await.unwrap(), []);
    assert_eq!(world.previews.projects(&stranger).await.unwrap(), []);
    let operations = world.previews.operations(&stranger).await.unwrap_err();
    assert_eq!(operations.kind(), ErrorKind::Forbidden);
    // Nothing has happened to it.
    assert!(world.detail(&id).await.summary.deleted_at.is_none());
    assert_eq!(world.audited(&id).await, []);
}

#[tokio::test]
async fn a_member_looks_and_an_admin_deletes() {
    let (world, id) = world_with_preview().await;
    let member = world.member("max", "acme", Role::Member).await;
    let detail = world
        .previews
        .get(&member, "acme-shop-preview-7")
        .await
        .unwrap();
    assert_eq!(detail.summary.id, id, "by its namespace too");
    assert!(!detail.allowed.delete);
    let refused = world.previews.delete(&member, &id).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
    assert!(
        refused.to_string().contains("admin or owner in team acme"),
        "{refused}"
    );
    let cleanup = world
        .previews
        .retry_cleanup(&member, &id)
        .await
        .unwrap_err();
    assert_eq!(cleanup.kind(), ErrorKind::Forbidden);
    assert_eq!(
        world.previews.deliveries(&member, 10).await.unwrap().len(),
        1
    );
    assert_eq!(
        world.previews.projects(&member).await.unwrap()[0].previews,
        1
    );

    let admin = world.member("ada", "acme", Role::Admin).await;
    assert!(
        world
            .previews
            .get(&admin, &id)
            .await
            .unwrap()
            .allowed
            .delete
    );
    world.previews.delete(&admin, &id).await.unwrap();
    world.gone("preview-7").await;
}

#[tokio::test]
async fn news_go_to_the_team_and_to_nobody_else() {
    let world = World::new().await;
    let member = world.member("max", "acme", Role::Member).await;
    let stranger = world.member("eve", "rivals", Role::Owner).await;
    let mut ours = std::pin::pin!(world.previews.changes(&member));
    let mut theirs = std::pin::pin!(world.previews.changes(&stranger));
    let opened = pull_request(7, 'a');
    world.event("opened", &opened).await;
    let change = ours.next().await.unwrap();
    let PreviewChange::Changed(summary) = change else {
        unreachable!("it is new: {change:?}");
    };
    assert_eq!(summary.number, Some(7));
    world
        .previews
        .delete(&world.operator, &summary.id)
        .await
        .unwrap();
    let removed = loop {
        match ours.next().await.unwrap() {
            PreviewChange::Removed { id } => break id,
            PreviewChange::Changed(_) | PreviewChange::Usage { .. } => {}
            PreviewChange::Reload => unreachable!("nobody is slow"),
        }
    };
    assert_eq!(removed, summary.id);
    let nothing = futures::poll!(theirs.next());
    assert!(nothing.is_pending(), "{nothing:?}");
}

#[tokio::test]
async fn following_shows_the_present_and_then_each_change_until_the_process_ends() {
    let (mut world, id) = world_with_preview().await;
    let mut details = std::pin::pin!(world.previews.follow(&world.operator, &id));
    let first = details.next().await.unwrap().unwrap();
    assert_eq!(first.summary.id, id);
    world.environment_at("preview-7", &sha('a')).await;
    let api = world.cluster.environments(crate::common::PROJECT_NAMESPACE);
    crate::common::operator::set(&api, "preview-7", crate::common::operator::Look::Ready, "").await;
    loop {
        let next = details.next().await.unwrap().unwrap();
        if next.summary.status == catalyst_model::state::PreviewStatus::Running {
            break;
        }
    }
    world.shut_down().await;
    assert!(details.next().await.is_none());
}

#[tokio::test]
async fn only_operators_make_projects() {
    let world = World::new().await;
    let new = |name: &str| NewProject {
        team: "acme".into(),
        name: name.into(),
        repository: format!("acme/{name}"),
        clone_url: None,
        branch: "main".into(),
        installation_id: None,
        cluster: None,
        preset: None,
    };
    // A repository is cloned with Catalyst's own access, which is wider than any team's.
    let owner = world.member("ada", "acme", Role::Owner).await;
    let stranger = world.member("eve", "rivals", Role::Owner).await;
    for actor in [&owner, &stranger] {
        let refused = world
            .previews
            .create_project(actor, new("api"))
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Forbidden);
    }
    let made = world
        .previews
        .create_project(&world.operator, new("api"))
        .await
        .unwrap();
    assert_eq!(made.repositories, ["acme/api"]);
    assert_eq!(
        world.audited("acme/api").await,
        [(LOCAL_LOGIN.to_owned(), "project.create".to_owned())]
    );
}
