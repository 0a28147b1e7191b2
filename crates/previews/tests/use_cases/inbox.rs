//! Deliveries: durable, each with one effect, in whatever order and however often they come.

use std::time::Duration;

use crate::common::operator::StandIn;
use crate::common::{World, counted, delivery, eventually, later, pull_request, sha};
use catalyst_model::state::PreviewStatus;
use catalyst_previews::IncomingDelivery;
use catalyst_testkit::github::{FakePullRequest, examples};

/// opened, two pushes, closed, reopened, closed; a second apart.
fn six() -> Vec<(&'static str, FakePullRequest)> {
    let opened = pull_request(7, 'a');
    vec![
        ("opened", opened.clone()),
        (
            "synchronize",
            later(&opened, 2, |it| it.head_sha = sha('b')),
        ),
        (
            "synchronize",
            later(&opened, 3, |it| it.head_sha = sha('c')),
        ),
        (
            "closed",
            later(&opened, 4, |it| {
                it.head_sha = sha('c');
                it.open = false;
            }),
        ),
        ("reopened", later(&opened, 5, |it| it.head_sha = sha('c'))),
        (
            "closed",
            later(&opened, 6, |it| {
                it.head_sha = sha('c');
                it.open = false;
            }),
        ),
    ]
}

#[tokio::test]
async fn one_delivery_a_hundred_times_has_one_effect_also_after_a_restart() {
    let mut world = World::new().await;
    let delivery = delivery("opened", &pull_request(7, 'a'));
    let receiving = (0..100).map(|_| world.previews.receive(delivery.clone()));
    let receipts = futures::future::join_all(receiving).await;
    let new = receipts.iter().filter(|it| !it.as_ref().unwrap().duplicate);
    assert_eq!(new.count(), 1);
    world.environment_at("preview-7", &sha('a')).await;

    world.kill().await;
    world.restart();
    assert!(world.previews.receive(delivery).await.unwrap().duplicate);
    assert_eq!(world.worked_off().await.len(), 1);
    let preview = world.preview(7, "is there", |_| true).await;
    assert_eq!(world.detail(&preview.id).await.deployments.len(), 1);
}

#[tokio::test]
async fn another_delivery_about_the_same_commit_is_a_duplicate() {
    let world = World::new().await;
    let opened = pull_request(7, 'a');
    world.event("opened", &opened).await;
    world.environment_at("preview-7", &sha('a')).await;
    world.event("synchronize", &later(&opened, 2, |_| ())).await;
    let newest = world.worked_off().await.remove(0);
    assert_eq!(newest.decision.as_deref(), Some("skip"));
    assert!(newest.reason.unwrap().contains("already deployed"));
    let preview = world.preview(7, "is there", |_| true).await;
    assert_eq!(world.detail(&preview.id).await.deployments.len(), 1);
}

#[tokio::test]
async fn six_events_in_any_order_end_in_the_newest_state_without_github() {
    let world = World::new().await;
    let _operator = StandIn::start(&world.cluster);
    let mut events = six();
    // A few orders that cross in every way; all 720 are tried on the decision alone.
    for round in 0..6 {
        events.rotate_left(1);
        if round % 2 == 1 {
            events.swap(1, 4);
        }
        let number = 100 + round;
        for (action, it) in &events {
            let it = FakePullRequest {
                number,
                ..it.clone()
            };
            world.deliver(action, &it).await;
        }
    }
    world.worked_off().await;
    eventually("nothing is left", || async {
        let all = world.cluster.all_environments();
        let left = all
            .list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .items;
        (left.is_empty() && world.list().await.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn with_github_nothing_that_github_has_closed_ever_runs() {
    let world = World::with_github().await;
    let events = six();
    world.github().put_pull_request(&events[5].1);
    for (action, it) in &events[..5] {
        world.deliver(action, it).await;
    }
    let all = world.worked_off().await;
    let words = counted(all.iter().map(|it| it.decision.as_deref().unwrap()));
    assert_eq!(words.get("deploy"), None, "{all:#?}");
    assert!(world.list().await.is_empty());
    assert!(world.environment("preview-7").await.is_none());
}

#[tokio::test]
async fn deliveries_of_one_pull_request_wait_for_each_other_and_others_do_not() {
    let world = World::new().await;
    let _operator = StandIn::start(&world.cluster);
    for digit in ['a', 'b', 'c', 'd'] {
        for number in 1..=10 {
            let at = u32::from(digit) - 90;
            let it = later(&pull_request(number, digit), at, |_| ());
            let action = if digit == 'a' {
                "opened"
            } else {
                "synchronize"
            };
            world.deliver(action, &it).await;
        }
    }
    for number in 1..=10 {
        let at_d = |it: &catalyst_model::views::PreviewSummary| {
            it.status == PreviewStatus::Running && it.serving_commit == Some(sha('d'))
        };
        world.preview(number, "runs at d", at_d).await;
    }
    let all = world.worked_off().await;
    assert!(
        all.iter()
            .all(|it| it.decision.as_deref() == Some("deploy")),
        "{all:#?}"
    );
}

#[tokio::test]
async fn two_processes_share_the_work_and_do_nothing_twice() {
    two_processes(World::new().await).await;
}

#[tokio::test]
async fn two_processes_share_the_work_on_postgresql_too() {
    two_processes(World::on_postgresql().await).await;
}

async fn two_processes(mut world: World) {
    let _operator = StandIn::start(&world.cluster);
    let other = world.second();
    for number in 1..=20 {
        let delivery = delivery("opened", &pull_request(number, 'a'));
        let (one, two) = tokio::join!(
            world.previews.receive(delivery.clone()),
            other.receive(delivery.clone())
        );
        assert!(one.unwrap().duplicate != two.unwrap().duplicate);
    }
    for number in 1..=20 {
        let running =
            |it: &catalyst_model::views::PreviewSummary| it.status == PreviewStatus::Running;
        let it = world.preview(number, "runs", running).await;
        assert_eq!(world.detail(&it.id).await.deployments.len(), 1);
    }
    assert_eq!(world.worked_off().await.len(), 20);
}

#[tokio::test]
async fn what_a_killed_process_left_is_taken_up_by_the_next() {
    let mut world = World::new().await;
    let _operator = StandIn::start(&world.cluster);
    // Killed again and again, wherever it happens to be.
    for number in 1..8 {
        world.event("opened", &pull_request(number, 'a')).await;
        tokio::time::sleep(Duration::from_millis(number * 7)).await;
        world.kill().await;
        world.restart();
    }
    for number in 1..8 {
        let running =
            |it: &catalyst_model::views::PreviewSummary| it.status == PreviewStatus::Running;
        let it = world.preview(number, "runs", running).await;
        assert_eq!(world.detail(&it.id).await.deployments.len(), 1);
    }
    for number in 1..8 {
        world
            .event(
                "closed",
                &later(&pull_request(number, 'a'), 2, |it| it.open = false),
            )
            .await;
        world.kill().await;
        world.restart();
    }
    eventually("nothing is left", || async {
        let all = world.cluster.all_environments();
        let left = all
            .list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .items;
        (left.is_empty() && world.list().await.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_orderly_shutdown_leaves_nothing_locked() {
    let mut world = World::new().await;
    for number in 1..=10 {
        world.event("opened", &pull_request(number, 'a')).await;
    }
    world.shut_down().await;
    let start = std::time::Instant::now();
    world.restart();
    for number in 1..=10 {
        world
            .environment_at(&format!("preview-{number}"), &sha('a'))
            .await;
    }
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "no lease had to run out"
    );
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_kept_given_up_and_shown() {
    let world = World::new().await;
    let broken = IncomingDelivery {
        id: "broken".into(),
        event: "pull_request".into(),
        body: "{\"action\": 7".into(),
    };
    let receipt = world.previews.receive(broken).await.unwrap();
    assert!(receipt.success);
    world.worked_off().await;
    let operations = world.previews.operations(&world.operator).await.unwrap();
    let failed = &operations.failed_deliveries[0];
    assert_eq!((failed.id.as_str(), failed.attempts), ("broken", 1));
    assert!(
        failed
            .error
            .as_deref()
            .unwrap()
            .contains("pull_request event"),
        "{failed:?}"
    );
}

#[tokio::test]
async fn every_example_of_githubs_own_is_worked_off() {
    let world = World::new().await;
    let mut sent = 0;
    for example in examples() {
        let delivery = IncomingDelivery {
            id: uuid::Uuid::new_v4().to_string(),
            event: example.event.clone(),
            body: example.payload.to_string().into(),
        };
        world.previews.receive(delivery).await.unwrap();
        sent += 1;
    }
    let operations = eventually("all are worked off", || async {
        let it = world.previews.operations(&world.operator).await.unwrap();
        (it.queued_deliveries == 0).then_some(it)
    })
    .await;
    assert!(sent > 100, "{sent}");
    assert_eq!(operations.failed_deliveries, []);
    assert!(
        world.list().await.is_empty(),
        "none is about our repository"
    );
}

#[tokio::test]
async fn the_receipt_tells_what_the_contract_promises() {
    let world = World::new().await;
    let receive = async |event: &str, body: serde_json::Value| {
        let delivery = IncomingDelivery {
            id: uuid::Uuid::new_v4().to_string(),
            event: event.into(),
            body: body.to_string().into(),
        };
        let receipt = world.previews.receive(delivery).await.unwrap();
        serde_json::to_value(receipt).unwrap()
    };
    let opened = pull_request(7, 'a');
    let receipt = receive("pull_request", opened.webhook("opened", None)).await;
    assert_eq!(receipt["success"], true);
    assert_eq!(receipt["pr_number"], 7);
    assert_eq!(receipt["commit_sha"], sha('a'));
    assert_eq!(receipt["preview_deployment"], "initiated");
    let receipt = receive("pull_request", opened.webhook("closed", None)).await;
    assert_eq!(receipt["preview_deployment"], "cleanup_initiated");
    let receipt = receive("pull_request", opened.webhook("edited", None)).await;
    assert!(receipt.get("preview_deployment").is_none());
    let receipt = receive("ping", serde_json::json!({"zen": "x"})).await;
    assert!(receipt["message"].as_str().unwrap().contains("ping"));
    assert!(receipt["delivery_id"].is_string());
    let push = serde_json::json!({"ref": "refs/heads/main", "after": sha('a'), "commits": [{}, {}],
        "repository": {"id": 1, "full_name": "acme/shop", "private": false}});
    assert_eq!(receive("push", push).await["commits_processed"], 2);
    let installation = serde_json::json!({"action": "deleted", "installation": {"id": 5}});
    assert_eq!(
        receive("installation", installation).await["installation_id"],
        5
    );
}

#[tokio::test]
async fn a_repository_of_no_project_is_none_of_our_business() {
    let world = World::new().await;
    let mut it = pull_request(7, 'a');
    it.repository.id = 99;
    it.repository.full_name = "other/place".into();
    it.head_repository = Some(it.repository.clone());
    world.deliver("opened", &it).await;
    let newest = world.worked_off().await.remove(0);
    assert_eq!(newest.decision.as_deref(), Some("skip"));
    assert_eq!(
        newest.reason.as_deref(),
        Some("no project has the repository other/place")
    );
    assert!(world.list().await.is_empty());
}
