use std::time::Duration;

use catalyst_model::access::TokenScope;
use catalyst_model::state::Role;
use catalyst_store::{NewToken, Scope, StoreError};
use catalyst_testkit::store::TemporaryStore;
use uuid::Uuid;

use crate::given;

on_both_databases!(
    a_login_leads_to_whoever_has_it_now,
    a_team_lists_its_owners_first_and_is_counted,
    a_team_is_made_once,
    a_team_keeps_its_last_owner,
    of_two_owners_who_leave_at_once_one_stays,
    a_token_is_good_until_it_expires_or_is_revoked,
    a_token_is_revoked_by_its_owner_alone,
    a_token_for_a_team_that_is_not_there_is_refused,
);

async fn a_login_leads_to_whoever_has_it_now(store: TemporaryStore) {
    let first = store.github_user(1, "Octocat").await.unwrap();
    assert_eq!(first.github_id, Some(1));
    let found = store.user_by_login("octoCAT").await.unwrap();
    assert_eq!(found, Some(first.clone()));

    // The first one renamed themselves, and somebody else took the login.
    let second = store.github_user(2, "octocat").await.unwrap();
    let found = store.user_by_login("octocat").await.unwrap().unwrap();
    assert_eq!(found.id, second.id);
    let before = store.user(first.id).await.unwrap().unwrap();
    assert_eq!(before.login, "Octocat (formerly)");

    let again = store.github_user(1, "monalisa").await.unwrap();
    assert_eq!((again.id, again.login.as_str()), (first.id, "monalisa"));
    store.local_user("local").await.unwrap();
    assert_eq!(store.user_by_login("local").await.unwrap(), None);
}

async fn a_team_lists_its_owners_first_and_is_counted(store: TemporaryStore) {
    for (github_id, login, role) in [
        (1, "zoe", Role::Owner),
        (2, "Bob", Role::Member),
        (3, "ann", Role::Member),
        (4, "mia", Role::Admin),
    ] {
        let user = store.github_user(github_id, login).await.unwrap();
        store.set_membership(user.id, "acme", role).await.unwrap();
    }
    given::project(&store, "acme", "shop", &["acme/shop"]).await;
    given::project(&store, "other", "api", &["other/api"]).await;
    let members = store.members("acme").await.unwrap();
    let logins: Vec<_> = members.iter().map(|it| it.login.as_str()).collect();
    assert_eq!(logins, ["zoe", "mia", "ann", "Bob"]);
    assert_eq!(store.members("nobody").await.unwrap(), []);

    let teams = store.list_teams(Scope::All).await.unwrap();
    let told: Vec<_> = teams
        .iter()
        .map(|it| (it.name.as_str(), it.members, it.owners, it.projects))
        .collect();
    assert_eq!(told, [("acme", 4, 1, 1), ("other", 0, 0, 1)]);
    let one = ["other".to_owned()];
    let teams = store.list_teams(Scope::Teams(&one)).await.unwrap();
    assert_eq!(teams.len(), 1);
    let teams = store.list_teams(Scope::Teams(&[])).await.unwrap();
    assert_eq!(teams, []);
}

async fn a_team_is_made_once(store: TemporaryStore) {
    assert!(store.create_team("acme").await.unwrap());
    assert!(!store.create_team("acme").await.unwrap());
    assert_eq!(store.list_teams(Scope::All).await.unwrap().len(), 1);
}

async fn a_team_keeps_its_last_owner(store: TemporaryStore) {
    let owner = store.github_user(1, "zoe").await.unwrap().id;
    let other = store.github_user(2, "bob").await.unwrap().id;
    store
        .set_membership(owner, "acme", Role::Owner)
        .await
        .unwrap();
    store
        .set_membership(other, "acme", Role::Admin)
        .await
        .unwrap();
    let demoted = store.set_membership(owner, "acme", Role::Member).await;
    let removed = store.remove_membership(owner, "acme").await;
    for refused in [demoted, removed] {
        let error = refused.unwrap_err();
        assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    }
    assert_eq!(store.members("acme").await.unwrap()[0].role, Role::Owner);

    store
        .set_membership(other, "acme", Role::Owner)
        .await
        .unwrap();
    store.remove_membership(owner, "acme").await.unwrap();
    assert_eq!(store.members("acme").await.unwrap().len(), 1);
}

async fn of_two_owners_who_leave_at_once_one_stays(store: TemporaryStore) {
    let mut owners = Vec::new();
    for (github_id, login) in [(1, "zoe"), (2, "bob")] {
        let user = store.github_user(github_id, login).await.unwrap().id;
        store
            .set_membership(user, "acme", Role::Owner)
            .await
            .unwrap();
        owners.push(user);
    }
    let answers = given::at_once(2, &store, |store, n| {
        let user = owners[n];
        async move { store.remove_membership(user, "acme").await.is_ok() }
    });
    assert_eq!(answers.await.into_iter().filter(|left| *left).count(), 1);
    assert_eq!(store.members("acme").await.unwrap().len(), 1);
}

fn token(user: Uuid, valid_for: Duration) -> NewToken<'static> {
    NewToken {
        user,
        name: "my agent",
        scope: TokenScope::Read,
        team: Some("acme"),
        valid_for,
    }
}

const HOUR: Duration = Duration::from_secs(3600);

async fn a_token_is_good_until_it_expires_or_is_revoked(store: TemporaryStore) {
    let user = store.github_user(1, "zoe").await.unwrap().id;
    store.create_team("acme").await.unwrap();
    let (made, secret) = store.create_token(&token(user, HOUR)).await.unwrap();
    assert!(
        secret.starts_with("catalyst_") && secret.len() == 73,
        "{secret}"
    );
    assert_eq!(made.last_used_at, None);
    assert_eq!(
        store.tokens(user).await.unwrap(),
        std::slice::from_ref(&made)
    );

    assert_eq!(store.use_token("catalyst_0").await.unwrap(), None);
    assert_eq!(store.use_token(&made.id).await.unwrap(), None);
    let used = store.use_token(&secret).await.unwrap().unwrap();
    assert_eq!((used.id.as_str(), used.user_id), (made.id.as_str(), user));
    assert_eq!(used.team.as_deref(), Some("acme"));
    assert!(store.tokens(user).await.unwrap()[0].last_used_at.is_some());

    let expired = token(user, Duration::ZERO);
    let (_, spent) = store.create_token(&expired).await.unwrap();
    assert_eq!(store.use_token(&spent).await.unwrap(), None);
    assert_eq!(
        store.tokens(user).await.unwrap().len(),
        2,
        "and still listed"
    );

    let name = store.revoke_token(user, &made.id).await.unwrap();
    assert_eq!(name, "my agent");
    assert_eq!(store.use_token(&secret).await.unwrap(), None);
}

async fn a_token_is_revoked_by_its_owner_alone(store: TemporaryStore) {
    let owner = store.github_user(1, "zoe").await.unwrap().id;
    let other = store.github_user(2, "bob").await.unwrap().id;
    store.create_team("acme").await.unwrap();
    let (made, secret) = store.create_token(&token(owner, HOUR)).await.unwrap();
    let error = store.revoke_token(other, &made.id).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
    assert!(store.use_token(&secret).await.unwrap().is_some());
    assert_eq!(store.tokens(other).await.unwrap(), []);
}

async fn a_token_for_a_team_that_is_not_there_is_refused(store: TemporaryStore) {
    let user = store.github_user(1, "zoe").await.unwrap().id;
    let error = store.create_token(&token(user, HOUR)).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
    assert_eq!(store.tokens(user).await.unwrap(), []);
}
