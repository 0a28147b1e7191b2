use std::time::Instant;

use catalyst_github::{Cause, Retry};
use catalyst_testkit::github::Fault;
use chrono::Utc;
use futures::future::join_all;

use super::*;

#[tokio::test]
async fn no_call_is_made_before_the_time_that_the_secondary_limit_names() {
    let world = World::with_pull_request().await;
    let github = world.as_app();
    github.pull_request(&shop(), seven()).await.unwrap();
    world.fake.limit_secondary(Duration::from_millis(900));
    let started = Instant::now();
    github.pull_request(&shop(), seven()).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(900));
    assert_eq!(world.fake.refused_for_rate(), 1);
}

#[tokio::test]
async fn no_call_is_made_before_the_reset_that_the_primary_limit_names() {
    let world = World::with_pull_request().await;
    let github = world.as_user();
    world.fake.limit_primary(2, Duration::from_millis(500));
    for _ in 0..4 {
        github.pull_request(&shop(), seven()).await.unwrap();
    }
    // The second call was told that none was left, so that none had to be refused.
    assert_eq!(world.fake.refused_for_rate(), 0);
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_an_error_at_once_that_says_until_when() {
    let world = World::with_pull_request().await;
    let github = world.as_user();
    world.fake.limit_secondary(Duration::from_secs(600));
    for _ in 0..5 {
        let started = Instant::now();
        let error = github.pull_request(&shop(), seven()).await.unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(3));
        let Retry::At(until) = error.retry() else {
            panic!("{}", chain(&error));
        };
        let wait = (until - Utc::now()).num_seconds();
        assert!((590..=602).contains(&wait), "{wait}");
    }
    assert_eq!(
        world.fake.refused_for_rate(),
        1,
        "GitHub is asked once, not five times"
    );
}

#[tokio::test]
async fn one_installations_limit_does_not_stop_another() {
    let world = World::with_pull_request().await;
    let mine = FakeRepository::new(50, "monalisa/site");
    world.fake.install_app(&mine, INSTALLATION + 1);
    let github = world.as_app();
    let other: RepositoryName = "monalisa/site".parse().unwrap();
    github.repository(&shop()).await.unwrap();
    github.repository(&other).await.unwrap();
    world.fake.limit_secondary(Duration::from_secs(600));
    github.repository(&shop()).await.unwrap_err();
    world.fake.heal();
    github.repository(&other).await.unwrap();
    github.repository(&shop()).await.unwrap_err();
}

#[tokio::test]
async fn trouble_that_passes_is_waited_out_with_three_tries_at_most() {
    let world = World::with_pull_request().await;
    let github = world.as_user();
    world.fake.fail("pulls/get", 2, Fault::Status(503));
    github.pull_request(&shop(), seven()).await.unwrap();
    assert_eq!(world.fake.count("pulls/get"), 3);

    world.fake.fail("pulls/get", usize::MAX, Fault::Status(503));
    let error = github.pull_request(&shop(), seven()).await.unwrap_err();
    assert_eq!(world.fake.count("pulls/get"), 6);
    assert_eq!(error.retry(), Retry::Later);
    let calls = world.fake.calls();
    let gaps: Vec<_> = calls[3..]
        .windows(2)
        .map(|pair| pair[1].at - pair[0].at)
        .collect();
    assert!(gaps[0] >= Duration::from_millis(10), "{gaps:?}");
    assert!(gaps[1] >= Duration::from_millis(20), "{gaps:?}");
}

#[tokio::test]
async fn a_github_that_hangs_costs_its_timeout_and_no_more() {
    let world = World::with_pull_request().await;
    let settings = Settings {
        timeout: Duration::from_millis(150),
        ..world.settings()
    };
    let github = world.as_app_with(settings);
    world.fake.fail("*", usize::MAX, Fault::Hang);
    let started = Instant::now();
    let error = github.pull_request(&shop(), seven()).await.unwrap_err();
    assert!(
        matches!(error.cause(), Cause::Timeout(_)),
        "{}",
        chain(&error)
    );
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_github_that_is_not_there_is_a_failed_connection() {
    let world = World::with_pull_request().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let settings = Settings {
        api_url: format!("http://{address}/api/v3").parse().unwrap(),
        ..world.settings()
    };
    let error = world
        .as_app_with(settings)
        .repository(&shop())
        .await
        .unwrap_err();
    assert!(
        matches!(error.cause(), Cause::Network(_)),
        "{}",
        chain(&error)
    );
    assert_eq!(error.retry(), Retry::Later);
}

#[tokio::test]
async fn at_most_eighty_writes_a_minute_leave_this_process() {
    let world = World::with_pull_request().await;
    let github = world.as_user();
    let status = catalyst_github::client::CommitStatus {
        state: catalyst_github::client::CommitState::Pending,
        description: "",
        target_url: None,
    };
    let (repository, commit) = (shop(), SHA.parse().unwrap());
    let writes = (0..100).map(|_| github.set_commit_status(&repository, &commit, &status));
    let outcomes = join_all(writes).await;
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
        80
    );
    assert_eq!(world.fake.count("repos/create-commit-status"), 80);
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert!(matches!(error.retry(), Retry::At(_)), "{}", chain(&error));
    }
    // Reading is not writing.
    github.pull_request(&shop(), seven()).await.unwrap();
}
