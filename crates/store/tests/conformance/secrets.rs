//! Secrets: kept encrypted, found by level, replaced in place.

use catalyst_model::secrets::SecretLevel;
use catalyst_store::{NewSecret, Sealed, Store, StoreError};
use catalyst_testkit::store::TemporaryStore;

use super::given::{at_once, project};

on_both_databases! {
    a_secret_is_kept_at_each_level_and_replaced_in_place,
    a_removed_secret_is_gone_and_its_namesakes_stay,
    a_team_and_a_project_see_their_own_secrets_alone,
    a_secret_of_nobody_is_refused,
    many_writers_of_one_secret_leave_one,
    a_value_is_encrypted_anew_only_where_nobody_replaced_it,
    an_environments_secrets_go_with_it,
}

fn sealed(text: &str) -> Sealed {
    Sealed {
        encrypted_value: format!("{text}-value"),
        iv: format!("{text}-iv"),
        auth_tag: "tag".to_owned(),
        key_id: "key".to_owned(),
    }
}

fn secret(level: SecretLevel, name: &str, text: &str) -> NewSecret {
    NewSecret {
        team: "acme".to_owned(),
        project: "shop".to_owned(),
        level,
        name: name.to_owned(),
        description: Some(format!("about {text}")),
        sealed: sealed(text),
        updated_by: "octocat".to_owned(),
    }
}

fn levels() -> [SecretLevel; 4] {
    [
        SecretLevel::Team,
        SecretLevel::Project,
        SecretLevel::Template("development".to_owned()),
        SecretLevel::Environment("preview-7".to_owned()),
    ]
}

async fn values(store: &Store, team: &str, project: &str) -> Vec<String> {
    let all = store.secrets(team, project).await.unwrap();
    all.into_iter()
        .map(|it| {
            format!(
                "{} {} {}",
                it.level.word(),
                it.name,
                it.sealed.encrypted_value
            )
        })
        .collect()
}

async fn a_secret_is_kept_at_each_level_and_replaced_in_place(store: TemporaryStore) {
    project(&store, "acme", "shop", &["acme/shop"]).await;
    for level in levels() {
        assert!(
            store
                .put_secret(&secret(level, "KEY", "one"))
                .await
                .unwrap()
        );
    }
    let before = store.secrets("acme", "shop").await.unwrap();
    for level in levels() {
        let again = secret(level, "KEY", "two");
        assert!(!store.put_secret(&again).await.unwrap(), "{again:?}");
    }
    let after = store.secrets("acme", "shop").await.unwrap();
    assert_eq!(
        values(&store, "acme", "shop").await,
        [
            "team KEY two-value",
            "project KEY two-value",
            "template KEY two-value",
            "environment KEY two-value"
        ]
    );
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.id, after.id);
        assert!(before.updated_at < after.updated_at);
        assert_eq!(after.description.as_deref(), Some("about two"));
        assert_eq!(after.sealed, sealed("two"));
        assert_eq!(after.updated_by, "octocat");
    }
    assert_eq!(
        after[3].level,
        SecretLevel::Environment("preview-7".to_owned())
    );
    assert_eq!(after[0].project, None);
}

async fn a_removed_secret_is_gone_and_its_namesakes_stay(store: TemporaryStore) {
    project(&store, "acme", "shop", &["acme/shop"]).await;
    for level in levels() {
        store.put_secret(&secret(level, "KEY", "x")).await.unwrap();
    }
    for (index, level) in levels().iter().enumerate() {
        let remove = || store.remove_secret("acme", "shop", level, "KEY");
        assert!(remove().await.unwrap(), "{level:?}");
        assert!(!remove().await.unwrap(), "{level:?}");
        let left = store.secrets("acme", "shop").await.unwrap();
        assert_eq!(left.len(), 3 - index, "{level:?}");
    }
}

async fn a_team_and_a_project_see_their_own_secrets_alone(store: TemporaryStore) {
    project(&store, "acme", "shop", &["acme/shop"]).await;
    project(&store, "acme", "api", &["acme/api"]).await;
    project(&store, "rivals", "shop", &["rivals/shop"]).await;
    for level in levels() {
        store.put_secret(&secret(level, "KEY", "x")).await.unwrap();
    }
    assert_eq!(values(&store, "acme", "api").await, ["team KEY x-value"]);
    assert!(values(&store, "rivals", "shop").await.is_empty());
    for level in levels() {
        let removed = store.remove_secret("rivals", "shop", &level, "KEY").await;
        assert!(!removed.unwrap());
    }
    assert_eq!(store.all_secrets().await.unwrap().len(), 4);
}

async fn a_secret_of_nobody_is_refused(store: TemporaryStore) {
    for level in levels() {
        let refused = store.put_secret(&secret(level, "KEY", "x")).await;
        assert!(
            matches!(refused, Err(StoreError::NotFound { .. })),
            "{refused:?}"
        );
    }
    project(&store, "acme", "api", &["acme/api"]).await;
    let refused = store
        .put_secret(&secret(SecretLevel::Project, "KEY", "x"))
        .await;
    assert!(
        matches!(refused, Err(StoreError::NotFound { .. })),
        "{refused:?}"
    );
}

async fn many_writers_of_one_secret_leave_one(store: TemporaryStore) {
    project(&store, "acme", "shop", &["acme/shop"]).await;
    let created = at_once(12, &store, |store, n| async move {
        let secret = secret(SecretLevel::Project, "KEY", &n.to_string());
        store.put_secret(&secret).await.unwrap()
    })
    .await;
    assert_eq!(created.iter().filter(|created| **created).count(), 1);
    assert_eq!(store.secrets("acme", "shop").await.unwrap().len(), 1);
}

async fn a_value_is_encrypted_anew_only_where_nobody_replaced_it(store: TemporaryStore) {
    project(&store, "acme", "shop", &["acme/shop"]).await;
    let put = secret(SecretLevel::Project, "KEY", "one");
    store.put_secret(&put).await.unwrap();
    let kept = store.secrets("acme", "shop").await.unwrap().remove(0);
    let reseal = |old: &'static str, new: &'static str| {
        let (store, id) = (&store, kept.id.clone());
        async move {
            store
                .reseal_secret(&id, &sealed(old), &sealed(new))
                .await
                .unwrap()
        }
    };
    assert!(!reseal("other", "two").await);
    assert!(reseal("one", "two").await);
    let now = store.secrets("acme", "shop").await.unwrap().remove(0);
    assert_eq!(now.sealed, sealed("two"));
    assert_eq!(now.updated_at, kept.updated_at, "a person did not touch it");
}

async fn an_environments_secrets_go_with_it(store: TemporaryStore) {
    project(&store, "acme", "shop", &["acme/shop"]).await;
    for level in levels() {
        store.put_secret(&secret(level, "KEY", "x")).await.unwrap();
    }
    let gone = |name: &'static str| store.remove_environment_secrets("acme", "shop", name);
    assert_eq!(gone("preview-8").await.unwrap(), 0);
    assert_eq!(gone("preview-7").await.unwrap(), 1);
    assert_eq!(
        values(&store, "acme", "shop").await,
        [
            "team KEY x-value",
            "project KEY x-value",
            "template KEY x-value"
        ]
    );
}
