use catalyst_github::{Cause, Retry};
use futures::future::join_all;
use secrecy::ExposeSecret;

use super::*;

#[tokio::test]
async fn an_app_acts_as_its_bot_and_a_token_as_its_owner() {
    let world = World::new().await;
    let app = world.as_app();
    assert_eq!(app.login().await.unwrap(), "catalyst-test[bot]");
    assert_eq!(app.login().await.unwrap(), "catalyst-test[bot]");
    assert_eq!(world.fake.count("apps/get-authenticated"), 1);
    assert_eq!(world.as_user().login().await.unwrap(), github::TOKEN_LOGIN);
}

#[tokio::test]
async fn many_calls_at_once_share_one_installation_token() {
    let world = World::with_pull_request().await;
    let github = world.as_app();
    let repository = shop();
    let calls = (0..20).map(|_| github.pull_request(&repository, seven()));
    for read in join_all(calls).await {
        read.unwrap();
    }
    assert_eq!(world.fake.count("apps/get-repo-installation"), 1);
    assert_eq!(world.fake.count("apps/create-installation-access-token"), 1);
}

#[tokio::test]
async fn a_revoked_token_is_replaced_within_the_call() {
    let world = World::with_pull_request().await;
    let github = world.as_app();
    github.pull_request(&shop(), seven()).await.unwrap();
    world.fake.revoke_tokens();
    github.pull_request(&shop(), seven()).await.unwrap();
    assert_eq!(world.fake.count("apps/create-installation-access-token"), 2);
}

#[tokio::test]
async fn an_app_that_was_installed_anew_is_found_again() {
    let world = World::with_pull_request().await;
    let github = world.as_app();
    github.pull_request(&shop(), seven()).await.unwrap();
    world.fake.install_app(&world.shop, INSTALLATION + 1);
    world.fake.revoke_tokens();
    github.pull_request(&shop(), seven()).await.unwrap();
    assert_eq!(world.fake.count("apps/get-repo-installation"), 2);
}

#[tokio::test]
async fn a_repository_without_the_app_says_what_to_do() {
    let world = World::new().await;
    world
        .fake
        .put_repository(&FakeRepository::new(1, "acme/other"));
    let other: RepositoryName = "acme/other".parse().unwrap();
    let github = world.as_app();
    let error = github.repository(&other).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::NotInstalled(_)));
    assert_eq!(error.retry(), Retry::Never);
    // Once it is installed, nothing stands in the way.
    world
        .fake
        .install_app(&FakeRepository::new(1, "acme/other"), INSTALLATION);
    github.repository(&other).await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_not_the_apps_is_refused_by_github_and_told() {
    let world = World::new().await;
    let key = github::private_key().into();
    let stranger = Credentials::app(1, &key).unwrap();
    let error = GitHub::new(stranger, world.settings())
        .unwrap()
        .repository(&shop())
        .await
        .unwrap_err();
    assert!(chain(&error).contains("GITHUB_APP_ID"), "{}", chain(&error));
    assert_eq!(error.retry(), Retry::Never);
}

#[tokio::test]
async fn a_key_may_be_written_on_one_line() {
    let one_line = github::private_key().replace('\n', "\\n");
    assert!(Credentials::app(1, &one_line.into()).is_ok());
}

#[tokio::test]
async fn a_token_for_a_clone_reads_one_repository_and_nothing_else() {
    let world = World::new().await;
    let github = world.as_app();
    let token = github.clone_token(&shop(), INSTALLATION).await.unwrap();
    let minted = world.fake.minted();
    assert_eq!(minted.len(), 1);
    assert_eq!(minted[0].target, token.expose_secret());
    assert_eq!(
        minted[0].body,
        serde_json::json!({ "repositories": ["shop"], "permissions": { "contents": "read" } })
    );
}

#[tokio::test]
async fn no_token_is_made_for_an_installation_that_does_not_reach_the_repository() {
    let world = World::new().await;
    // Another owner's repository of the same name.
    world
        .fake
        .install_app(&FakeRepository::new(2, "rivals/shop"), INSTALLATION + 1);
    let github = world.as_app();
    let error = github
        .clone_token(&shop(), INSTALLATION + 1)
        .await
        .unwrap_err();
    assert!(matches!(error.cause(), Cause::NotInstalled(_)), "{error:?}");
    assert!(world.fake.minted().is_empty());
    // Acting with a token, there is none to make.
    let error = world.as_user().clone_token(&shop(), INSTALLATION).await;
    assert!(matches!(
        error.unwrap_err().cause(),
        Cause::Forbidden { .. }
    ));
}
