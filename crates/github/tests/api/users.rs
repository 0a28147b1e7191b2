use catalyst_github::Cause;

use super::{World, shop};

async fn world() -> World {
    let world = World::new().await;
    world.fake.put_account(583_231, "Octocat");
    world.fake.put_account(9_919, "github-org");
    world
}

#[tokio::test]
async fn a_login_leads_to_its_account_whatever_its_case() {
    let world = world().await;
    for github in [world.as_user(), world.as_app()] {
        let account = github.user("octoCAT", &[shop()]).await.unwrap().unwrap();
        assert_eq!((account.id, account.login.as_str()), (583_231, "Octocat"));
        assert!(account.is_person);
        assert_eq!(github.user("nobody", &[shop()]).await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_organization_is_not_a_person() {
    let world = world().await;
    let account = world.as_user().user("github-org", &[]).await.unwrap();
    assert!(!account.unwrap().is_person);
}

#[tokio::test]
async fn an_app_that_is_installed_nowhere_near_says_so() {
    let world = world().await;
    let github = world.as_app();
    let error = github.user("octocat", &[]).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::InstalledNowhere), "{error}");
    let other = "acme/other".parse().unwrap();
    let error = github.user("octocat", &[other]).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::NotInstalled(_)), "{error}");
    // The first repository that the App is on will do.
    let other = "acme/other".parse().unwrap();
    let found = github.user("octocat", &[other, shop()]).await.unwrap();
    assert!(found.is_some());
}
