use catalyst_github::sign_in::{SignIn, SignInError};
use catalyst_testkit::github::{CLIENT_ID, CLIENT_SECRET};
use url::Url;

use super::World;

const OCTOCAT: u64 = 583_231;

async fn world() -> World {
    let world = World::new().await;
    world.fake.put_account(OCTOCAT, "octocat");
    world
}

fn sign_in(world: &World, secret: &str) -> SignIn {
    let url: Url = world.fake.url().parse().unwrap();
    let callback = "https://catalyst.example/api/github/callback";
    SignIn::new(
        &url,
        &url,
        CLIENT_ID,
        &secret.into(),
        callback.parse().unwrap(),
    )
    .unwrap()
}

#[tokio::test]
async fn github_tells_who_agreed() {
    let world = world().await;
    let sign_in = sign_in(&world, CLIENT_SECRET);
    let begun = sign_in.begin();
    let (code, state) = world.fake.authorize(begun.url.as_str(), OCTOCAT);
    assert_eq!(state, begun.state);
    let account = sign_in.finish(&code, begun.verifier).await.unwrap();
    assert_eq!((account.id, account.login.as_str()), (OCTOCAT, "octocat"));
    assert!(account.is_person);
}

#[tokio::test]
async fn every_sign_in_has_a_state_and_a_verifier_of_its_own() {
    let world = world().await;
    let sign_in = sign_in(&world, CLIENT_SECRET);
    let (one, other) = (sign_in.begin(), sign_in.begin());
    assert_ne!(one.state, other.state);
    assert_ne!(one.verifier, other.verifier);
    assert!(!one.url.as_str().contains(&one.verifier));
}

#[tokio::test]
async fn a_code_works_once_and_with_its_own_verifier_only() {
    let world = world().await;
    let sign_in = sign_in(&world, CLIENT_SECRET);
    let (mine, theirs) = (sign_in.begin(), sign_in.begin());
    // A stolen code is worth nothing without the verifier, and is spent by the attempt.
    let (code, _) = world.fake.authorize(mine.url.as_str(), OCTOCAT);
    for verifier in [theirs.verifier, mine.verifier] {
        let refused = sign_in.finish(&code, verifier).await.unwrap_err();
        assert!(
            matches!(&refused, SignInError::Code(word) if word == "bad_verification_code"),
            "{refused:?}"
        );
    }
    let begun = sign_in.begin();
    let (code, _) = world.fake.authorize(begun.url.as_str(), OCTOCAT);
    sign_in.finish(&code, begun.verifier.clone()).await.unwrap();
    assert!(sign_in.finish(&code, begun.verifier).await.is_err());
}

#[tokio::test]
async fn a_wrong_secret_says_which_settings_to_check() {
    let world = world().await;
    let sign_in = sign_in(&world, "wrong");
    let begun = sign_in.begin();
    let (code, _) = world.fake.authorize(begun.url.as_str(), OCTOCAT);
    let refused = sign_in.finish(&code, begun.verifier).await.unwrap_err();
    assert!(matches!(refused, SignInError::Client(_)), "{refused:?}");
    let said = refused.to_string();
    assert!(
        said.contains("GITHUB_APP_CLIENT_SECRET") && !said.contains("wrong"),
        "{said}"
    );
}

#[tokio::test]
async fn a_github_that_does_not_answer_is_no_refusal() {
    let world = world().await;
    let url: Url = "http://127.0.0.1:9".parse().unwrap();
    let callback = "https://catalyst.example/api/github/callback";
    let down = SignIn::new(
        &url,
        &url,
        CLIENT_ID,
        &CLIENT_SECRET.into(),
        callback.parse().unwrap(),
    );
    let error = down.unwrap().finish("0", "0".into()).await.unwrap_err();
    assert!(matches!(error, SignInError::Unavailable(..)), "{error:?}");
    drop(world);
}
