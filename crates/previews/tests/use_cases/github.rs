//! What GitHub is told, and that nothing depends on its listening.

use std::time::{Duration, Instant};

use crate::common::operator::{Look, StandIn, set};
use crate::common::{
    PROJECT_NAMESPACE, REPOSITORY, World, eventually, later, numbered_sha, pull_request, settings,
    sha,
};
use catalyst_model::state::PreviewStatus;
use catalyst_model::views::PreviewSummary;
use catalyst_testkit::github::{FakeGitHub, Fault};

fn running(it: &PreviewSummary) -> bool {
    it.status == PreviewStatus::Running
}

async fn comment_says(world: &World, number: u64, text: &str) -> String {
    eventually(&format!("the comment says {text:?}"), || async {
        let comments = world.github().comments(REPOSITORY, number);
        assert!(comments.len() <= 1, "one comment: {comments:#?}");
        comments
            .into_iter()
            .map(|it| it.body)
            .find(|it| it.contains(text))
    })
    .await
}

async fn last_status(world: &World, state: &str) {
    eventually(&format!("the commit's status is {state}"), || async {
        let statuses = world.github().statuses(REPOSITORY);
        let last = statuses.last()?.body["state"].as_str()?.to_owned();
        (last == state).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_comment_follows_the_preview_to_its_end() {
    let world = World::with_github().await;
    let opened = pull_request(7, 'a');
    world.event("opened", &opened).await;
    comment_says(&world, 7, "Pending").await;
    world.environment_at("preview-7", &sha('a')).await;
    let api = world.cluster.environments(PROJECT_NAMESPACE);
    set(&api, "preview-7", Look::Failed, "exit 1: canary-s3cret").await;
    let failed = comment_says(&world, 7, "exit 1").await;
    assert!(failed.contains("exit 1: [redacted]") && !failed.contains("canary"));
    let id = world
        .preview(7, "failed", |it| it.status == PreviewStatus::Failed)
        .await
        .id;
    assert!(failed.contains(&format!(
        "https://catalyst.example/preview-environments/{id}"
    )));
    last_status(&world, "failure").await;

    world
        .event(
            "synchronize",
            &later(&opened, 2, |it| it.head_sha = sha('b')),
        )
        .await;
    world.environment_at("preview-7", &sha('b')).await;
    set(&api, "preview-7", Look::Ready, "").await;
    let live = comment_says(&world, 7, "Live").await;
    assert!(live.contains("http://acme-shop-preview-7.localhost:8080/"));
    last_status(&world, "success").await;

    world
        .event(
            "closed",
            &later(&opened, 3, |it| {
                it.head_sha = sha('b');
                it.open = false;
            }),
        )
        .await;
    comment_says(&world, 7, "is gone").await;
}

#[tokio::test]
async fn a_burst_of_pushes_makes_few_edits_and_ends_with_the_newest() {
    let github = FakeGitHub::start().await;
    github.put_repository(&crate::common::repository());
    let settings = catalyst_previews::PreviewSettings {
        comment_pause: Duration::from_secs(2),
        ..settings()
    };
    let world = World::build(settings, Some(github)).await;
    let _operator = StandIn::start(&world.cluster);
    let mut it = pull_request(7, 'a');
    let start = Instant::now();
    for n in 0..100 {
        it.head_sha = numbered_sha(n);
        it.updated_at = crate::common::second(u32::try_from(n).unwrap() + 2);
        world
            .event(if n == 0 { "opened" } else { "synchronize" }, &it)
            .await;
    }
    let newest = numbered_sha(99);
    world
        .preview(7, "runs at the newest", |it| {
            it.serving_commit.as_ref() == Some(&newest)
        })
        .await;
    eventually("the comment tells of the newest", || async {
        let statuses = world.github().statuses(REPOSITORY);
        let last = statuses.last()?;
        (last.target == newest && last.body["state"] == "success").then_some(())
    })
    .await;
    let edits = world.github().comments(REPOSITORY, 7)[0].edits;
    // One each two seconds and ever fewer, whatever happens in between.
    let most = 1 + start.elapsed().as_secs() / 2;
    assert!(
        u64::try_from(edits).unwrap() <= most,
        "{edits} edits in {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_github_that_hangs_holds_nothing_up_and_is_told_later() {
    let world = World::with_github().await;
    let _operator = StandIn::start(&world.cluster);
    world.github().fail("*", 1_000, Fault::Hang);
    let start = Instant::now();
    world.event("opened", &pull_request(7, 'a')).await;
    // The client would have waited 2 s for GitHub.
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    world.preview(7, "runs", running).await;
    world.github().heal();
    comment_says(&world, 7, "Live").await;
}

#[tokio::test]
async fn a_github_that_refuses_is_shown_to_the_operators() {
    let world = World::with_github().await;
    let _operator = StandIn::start(&world.cluster);
    world
        .github()
        .fail("issues/create-comment", 1_000, Fault::Status(403));
    world.event("opened", &pull_request(7, 'a')).await;
    world.preview(7, "runs", running).await;
    let notice = eventually("the operators are told", || async {
        let it = world.previews.operations(&world.operator).await.unwrap();
        it.notices
            .into_iter()
            .find(|it| it.contains("GitHub could not be told"))
    })
    .await;
    assert!(notice.contains("forbids"), "{notice}");
    world.github().heal();
    // The next change tries again.
    world
        .event(
            "edited",
            &later(&pull_request(7, 'a'), 2, |it| it.title = "Other".into()),
        )
        .await;
    comment_says(&world, 7, "Live").await;
}

#[tokio::test]
async fn after_a_restart_nothing_is_said_twice_and_what_was_owed_is_made_up_for() {
    let mut world = World::with_github().await;
    let operator = StandIn::start(&world.cluster);
    let opened = pull_request(7, 'a');
    world.event("opened", &opened).await;
    comment_says(&world, 7, "Live").await;
    last_status(&world, "success").await;
    world.kill().await;
    let edits = world.github().comments(REPOSITORY, 7)[0].edits;
    let statuses = world.github().statuses(REPOSITORY).len();
    let lists = world.github().count("issues/list-comments");
    world.restart();
    eventually("it was compared", || async {
        (world.github().count("issues/list-comments") > lists).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.github().comments(REPOSITORY, 7)[0].edits, edits);
    assert_eq!(world.github().statuses(REPOSITORY).len(), statuses);

    // The process ends between the removal and its comment.
    world
        .github()
        .fail("issues/update-comment", 1_000, Fault::Hang);
    world
        .event("closed", &later(&opened, 2, |it| it.open = false))
        .await;
    eventually("it is gone", || async {
        world.list().await.is_empty().then_some(())
    })
    .await;
    world.kill().await;
    world.github().heal();
    drop(operator);
    world.restart();
    comment_says(&world, 7, "is gone").await;
}
