use std::time::Duration;

use catalyst_model::state::Role;
use catalyst_store::{NewAuditEntry, StoreError};
use catalyst_testkit::store::TemporaryStore;
use serde_json::json;
use uuid::Uuid;

use crate::given;

on_both_databases!(
    the_local_user_is_one_and_an_operator,
    a_github_user_keeps_the_id_when_the_login_changes,
    a_github_user_is_never_taken_for_the_local_one,
    a_membership_is_made_changed_and_ended,
    a_membership_of_nobody_is_refused,
    a_sign_in_link_works_once,
    a_sign_in_link_expires,
    of_many_who_use_one_link_at_once_one_gets_in,
    the_audit_log_tells_the_newest_first,
);

async fn the_local_user_is_one_and_an_operator(store: TemporaryStore) {
    let first = store.local_user("local").await.unwrap();
    let second = store.local_user("local").await.unwrap();
    assert_eq!(first, second);
    assert!(first.operator);
    assert_eq!(store.user(first.id).await.unwrap(), Some(first));
    assert_eq!(store.user(Uuid::new_v4()).await.unwrap(), None);
}

async fn a_github_user_keeps_the_id_when_the_login_changes(store: TemporaryStore) {
    let before = store.github_user(583_231, "octocat").await.unwrap();
    let after = store.github_user(583_231, "monalisa").await.unwrap();
    assert_eq!(before.id, after.id);
    assert_eq!(after.login, "monalisa");
    assert!(!after.operator);
}

async fn a_github_user_is_never_taken_for_the_local_one(store: TemporaryStore) {
    let local = store.local_user("local").await.unwrap();
    let other = store.github_user(1, "local").await.unwrap();
    assert_ne!(local.id, other.id);
    assert!(!other.operator);
}

async fn a_membership_is_made_changed_and_ended(store: TemporaryStore) {
    let user = store.github_user(1, "octocat").await.unwrap().id;
    for (team, role) in [
        ("zeta", Role::Member),
        ("acme", Role::Member),
        ("acme", Role::Owner),
    ] {
        store.set_membership(user, team, role).await.unwrap();
    }
    let memberships = store.memberships(user).await.unwrap();
    let told: Vec<_> = memberships
        .iter()
        .map(|m| (m.team.as_str(), m.role))
        .collect();
    assert_eq!(told, [("acme", Role::Owner), ("zeta", Role::Member)]);

    store.remove_membership(user, "zeta").await.unwrap();
    assert_eq!(store.memberships(user).await.unwrap().len(), 1);
    let error = store.remove_membership(user, "zeta").await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
}

async fn a_membership_of_nobody_is_refused(store: TemporaryStore) {
    let error = store
        .set_membership(Uuid::new_v4(), "acme", Role::Owner)
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
}

async fn a_sign_in_link_works_once(store: TemporaryStore) {
    let user = store.local_user("local").await.unwrap();
    let token = store
        .issue_sign_in_token(user.id, Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(token.len(), 64);
    assert_eq!(store.redeem_sign_in_token("0").await.unwrap(), None);
    assert_eq!(
        store.redeem_sign_in_token(&token).await.unwrap(),
        Some(user)
    );
    assert_eq!(store.redeem_sign_in_token(&token).await.unwrap(), None);
}

async fn a_sign_in_link_expires(store: TemporaryStore) {
    let user = store.local_user("local").await.unwrap();
    let token = store
        .issue_sign_in_token(user.id, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(store.redeem_sign_in_token(&token).await.unwrap(), None);
}

async fn of_many_who_use_one_link_at_once_one_gets_in(store: TemporaryStore) {
    let user = store.local_user("local").await.unwrap();
    let token = store
        .issue_sign_in_token(user.id, Duration::from_secs(60))
        .await
        .unwrap();
    let answers = given::at_once(20, &store, |store, _| {
        let token = token.clone();
        async move { store.redeem_sign_in_token(&token).await.unwrap() }
    });
    assert_eq!(answers.await.into_iter().flatten().count(), 1);
}

async fn the_audit_log_tells_the_newest_first(store: TemporaryStore) {
    for (action, object) in [
        ("preview.delete", "one"),
        ("preview.retry", "two"),
        ("shell.open", "one"),
    ] {
        let entry = NewAuditEntry {
            user_id: Some(Uuid::new_v4()),
            actor: "octocat".to_owned(),
            action: action.to_owned(),
            object: object.to_owned(),
            details: json!({ "commit": "abc", "forced": true }),
        };
        store.append_audit(&entry).await.unwrap();
    }
    let all = store.audit(None, 2).await.unwrap();
    let actions: Vec<_> = all.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["shell.open", "preview.retry"]);
    assert_eq!(all[0].details, json!({ "commit": "abc", "forced": true }));
    let about_one = store.audit(Some("one"), 10).await.unwrap();
    assert_eq!(about_one.len(), 2);
}
