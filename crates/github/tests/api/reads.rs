use catalyst_github::pull_request::PullRequestState;

use super::*;

#[tokio::test]
async fn a_repository_is_read_by_its_name() {
    let world = World::new().await;
    let repository = world.as_app().repository(&shop()).await.unwrap();
    assert_eq!(repository.id, 42);
    assert_eq!(repository.default_branch, "main");
    assert_eq!(repository.clone_url, "https://github.com/acme/shop.git");
    assert!(!repository.private);
}

#[tokio::test]
async fn a_pull_request_is_read_as_it_is_now() {
    let world = World::with_pull_request().await;
    let github = world.as_app();
    let mut pull_request = FakePullRequest::new(&world.shop, 7, SHA);
    pull_request.draft = true;
    pull_request.labels = vec!["preview".into(), "bug".into()];
    world.fake.put_pull_request(&pull_request);
    let read = github.pull_request(&shop(), seven()).await.unwrap();
    assert_eq!(read.state, PullRequestState::Open);
    assert_eq!(read.head.sha.as_str(), SHA);
    assert_eq!(read.labels, ["preview", "bug"]);
    assert!(read.draft && !read.merged());

    (pull_request.open, pull_request.merged) = (false, true);
    world.fake.put_pull_request(&pull_request);
    let read = github.pull_request(&shop(), seven()).await.unwrap();
    assert_eq!(read.state, PullRequestState::Closed);
    assert!(read.merged());
}

#[tokio::test]
async fn open_pull_requests_are_listed_from_all_pages() {
    let world = World::new().await;
    for number in 1..=230 {
        let mut pull_request = FakePullRequest::new(&world.shop, number, SHA);
        pull_request.open = number % 23 != 0;
        world.fake.put_pull_request(&pull_request);
    }
    let all = world.as_app().open_pull_requests(&shop()).await.unwrap();
    let numbers: Vec<u64> = all.iter().map(|it| it.number.get()).collect();
    let expected: Vec<u64> = (1..=230).filter(|number| number % 23 != 0).collect();
    assert_eq!(numbers, expected);
    assert_eq!(world.fake.count("pulls/list"), 3);
}

#[tokio::test]
async fn what_is_not_there_is_an_error_that_says_what_was_attempted() {
    let world = World::new().await;
    let error = world
        .as_user()
        .pull_request(&shop(), seven())
        .await
        .unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(
        chain(&error),
        "could not read the pull request acme/shop#7: GitHub does not have it, or not for these \
         credentials"
    );
    assert_eq!(world.fake.count("pulls/get"), 1, "no second try");
}
