//! Secrets: written by those who may, never shown, handed to the operator alone.

use crate::common::{PROJECT, TEAM, World, eventually, pull_request, settings, sha};
use catalyst_crd::identity::SECRETS_AUDIENCE;
use catalyst_crd::labels::SECRETS;
use catalyst_model::secrets::SecretLevel;
use catalyst_model::state::Role;
use catalyst_previews::{
    ErrorKind, Keyring, PreviewSettings, Previews, Redactor, Refusal, SecretToWrite,
    ServiceAccountName, UnusableSecrets,
};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::ResourceExt;
use kube::api::{Api, PostParams};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

const KEY: &str = "8f3a1c5e7d9b2046f1e8c3a5b7d90214365870a9cbedf1023546879abcdef013";
const NEXT_KEY: &str = "13fedcba978645301f2edcb9a0785634120d9b7a5c3e8f16402b9d7e5c1a3f8b";

fn keyring(current: &str, previous: Option<&str>) -> Keyring {
    Keyring::new(&current.into(), previous.map(Into::into).as_ref()).unwrap()
}

fn with_key(redactor: &Redactor) -> PreviewSettings {
    PreviewSettings {
        keyring: Some(keyring(KEY, None)),
        operator_account: Some(ServiceAccountName {
            namespace: "default".into(),
            name: "the-operator".into(),
        }),
        redactor: redactor.clone(),
        ..settings()
    }
}

fn secret(level: SecretLevel, name: &str, value: &str) -> SecretToWrite {
    SecretToWrite {
        level,
        name: name.into(),
        value: value.into(),
        description: "what it is for".into(),
    }
}

async fn write(world: &World, secret: SecretToWrite) -> bool {
    let written = world
        .previews
        .write_secret(&world.operator, TEAM, PROJECT, secret);
    written.await.unwrap()
}

async fn token(world: &World, account: &str, audience: &str) -> SecretString {
    let api: Api<ServiceAccount> = Api::namespaced(world.cluster.client(), "default");
    if api.get_opt(account).await.unwrap().is_none() {
        let made = serde_json::from_value(json!({ "metadata": { "name": account } })).unwrap();
        api.create(&PostParams::default(), &made).await.unwrap();
    }
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![audience.into()],
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let parameters = PostParams::default();
    let made = api.create_token_request(account, &parameters, &request);
    made.await.unwrap().status.unwrap().token.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_written_by_admins_listed_without_values_and_audited() {
    let redactor = Redactor::default();
    let world = World::with_settings(with_key(&redactor)).await;
    assert!(
        write(
            &world,
            secret(SecretLevel::Project, "API_KEY", "canary-one")
        )
        .await
    );
    assert!(
        !write(
            &world,
            secret(SecretLevel::Project, "API_KEY", "canary-two")
        )
        .await
    );

    let member = world.member("mona", TEAM, Role::Member).await;
    let stranger = world.member("eve", "rivals", Role::Owner).await;
    let listed = world
        .previews
        .secrets(&member, TEAM, PROJECT)
        .await
        .unwrap();
    assert_eq!(listed.len(), 1);
    assert!(!json!(listed).to_string().contains("canary"));
    let platform = world.previews.platform(&member, "acme-shop").await.unwrap();
    assert!(!platform.may_write_secrets && platform.keeps_secrets);
    assert!(!json!(platform).to_string().contains("canary"));
    for (actor, kind) in [
        (&member, ErrorKind::Forbidden),
        (&stranger, ErrorKind::NotFound),
    ] {
        let new = secret(SecretLevel::Team, "X", "canary-three");
        let written = world.previews.write_secret(actor, TEAM, PROJECT, new).await;
        assert_eq!(written.unwrap_err().kind(), kind, "{}", actor.login);
        let level = SecretLevel::Project;
        let removed = world
            .previews
            .remove_secret(actor, TEAM, PROJECT, &level, "API_KEY");
        assert_eq!(removed.await.unwrap_err().kind(), kind, "{}", actor.login);
    }
    let foreign = world.previews.secrets(&stranger, TEAM, PROJECT).await;
    assert_eq!(foreign.unwrap_err().kind(), ErrorKind::NotFound);
    let foreign = world.previews.platform(&stranger, "acme-shop").await;
    assert_eq!(foreign.unwrap_err().kind(), ErrorKind::NotFound);

    for (name, value) in [
        ("lower", "x"),
        ("9A", "x"),
        ("A", ""),
        ("A", &*"x".repeat(10_001)),
    ] {
        let new = secret(SecretLevel::Project, name, value);
        let written = world
            .previews
            .write_secret(&world.operator, TEAM, PROJECT, new)
            .await;
        assert_eq!(written.unwrap_err().kind(), ErrorKind::Invalid, "{name}");
    }

    let remove = || {
        let level = &SecretLevel::Project;
        world
            .previews
            .remove_secret(&world.operator, TEAM, PROJECT, level, "API_KEY")
    };
    remove().await.unwrap();
    assert_eq!(remove().await.unwrap_err().kind(), ErrorKind::NotFound);
    let audited = world.store.audit(Some("acme/shop"), 100).await.unwrap();
    let mut actions: Vec<&str> = audited.iter().map(|it| it.action.as_str()).collect();
    actions.reverse();
    assert_eq!(
        actions,
        [
            "project.create",
            "secret-created",
            "secret-updated",
            "secret-deleted"
        ]
    );
    assert!(
        audited
            .iter()
            .all(|it| !it.details.to_string().contains("canary"))
    );
    // No text shows what was ever written.
    for value in ["canary-one", "canary-two"] {
        assert_eq!(redactor.redact(value), "[redacted]");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_alone_is_handed_what_the_environment_gets() {
    let redactor = Redactor::default();
    let world = World::with_settings(with_key(&redactor)).await;
    let at = |level: SecretLevel, name: &str| {
        let value = format!("canary-{}-{name}", level.word());
        secret(level, name, &value)
    };
    for level in [
        SecretLevel::Team,
        SecretLevel::Project,
        SecretLevel::Template("development".into()),
        SecretLevel::Environment("preview-1".into()),
    ] {
        write(&world, at(level, "EVERYWHERE")).await;
    }
    write(&world, at(SecretLevel::Team, "OF_TEAM")).await;
    write(
        &world,
        at(SecretLevel::Template("production".into()), "OF_PRODUCTION"),
    )
    .await;
    write(
        &world,
        at(SecretLevel::Environment("preview-2".into()), "OF_ANOTHER"),
    )
    .await;

    world.event("opened", &pull_request(1, 'a')).await;
    let environment = world.environment_at("preview-1", &sha('a')).await;
    let version = environment.annotations()[SECRETS].clone();
    assert_ne!(version, "none");
    assert!(!json!(environment).to_string().contains("canary"));
    let id = environment.annotations()["catalyst.dev/environment-id"].clone();

    let operator = token(&world, "the-operator", SECRETS_AUDIENCE).await;
    let ask = async |bearer: Option<&SecretString>, id: &str| {
        let handed = world.previews.environment_secrets(bearer, id).await?;
        let values = handed.into_iter();
        Ok::<_, Refusal>(
            values
                .map(|(name, value)| format!("{name}={}", value.expose_secret()))
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        ask(Some(&operator), &id).await.unwrap(),
        [
            "EVERYWHERE=canary-environment-EVERYWHERE",
            "OF_TEAM=canary-team-OF_TEAM"
        ]
    );
    let other = token(&world, "another", SECRETS_AUDIENCE).await;
    let for_the_api = token(&world, "the-operator", "https://kubernetes.default.svc").await;
    let for_git = token(&world, "the-operator", "catalyst-git").await;
    for bearer in [
        None,
        Some(&other),
        Some(&for_the_api),
        Some(&for_git),
        Some(&"x".into()),
    ] {
        let refused = ask(bearer, &id).await;
        assert!(
            matches!(refused, Err(Refusal::Unauthenticated)),
            "{refused:?}"
        );
    }
    for unknown in ["", "preview-1", "acme-shop-preview-1"] {
        let refused = ask(Some(&operator), unknown).await;
        assert!(matches!(refused, Err(Refusal::NotFound(_))), "{refused:?}");
    }

    // Another value is another version, and so is none.
    write(&world, at(SecretLevel::Team, "OF_TEAM")).await;
    let changed = eventually("another version", || async {
        let now = world.environment("preview-1").await?.annotations()[SECRETS].clone();
        (now != version).then_some(now)
    })
    .await;
    // One that it does not get is none of its business.
    write(
        &world,
        at(SecretLevel::Environment("preview-2".into()), "OF_ANOTHER"),
    )
    .await;
    let same = world.environment("preview-1").await.unwrap();
    assert_eq!(same.annotations()[SECRETS], changed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_without_secrets_says_so_and_removing_it_removes_its_own() {
    let world = World::with_settings(with_key(&Redactor::default())).await;
    let own = SecretLevel::Environment("preview-1".into());
    world.event("opened", &pull_request(1, 'a')).await;
    let environment = world.environment_at("preview-1", &sha('a')).await;
    assert_eq!(environment.annotations()[SECRETS], "none");
    write(&world, secret(own, "MINE", "canary")).await;
    let id = environment.annotations()["catalyst.dev/environment-id"].clone();
    world.previews.delete(&world.operator, &id).await.unwrap();
    eventually("its secrets are gone", || async {
        let left = world.store.all_secrets().await.unwrap();
        left.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_changed_without_a_secret_being_lost() {
    let world = World::with_settings(with_key(&Redactor::default())).await;
    write(&world, secret(SecretLevel::Project, "KEPT", "canary-kept")).await;
    let kept = || async { world.store.all_secrets().await.unwrap().remove(0) };
    let before = kept().await;
    assert!(!before.sealed.encrypted_value.contains("canary"));
    let started = |keyring: Option<Keyring>| {
        let redactor = Redactor::default();
        let settings = PreviewSettings {
            keyring,
            redactor: redactor.clone(),
            ..settings()
        };
        let previews = Previews::new(world.store.clone(), world.cluster.clone(), None, settings);
        async move { (previews.open_secrets().await, redactor) }
    };
    let (opened, redactor) = started(Some(keyring(KEY, None))).await;
    opened.unwrap();
    assert_eq!(redactor.redact("canary-kept"), "[redacted]");
    assert_eq!(kept().await, before, "nothing to do");

    let (refused, _) = started(None).await;
    assert!(
        matches!(refused, Err(UnusableSecrets::NoKey(1))),
        "{refused:?}"
    );
    let (refused, _) = started(Some(keyring(NEXT_KEY, None))).await;
    let said = refused.unwrap_err().to_string();
    assert!(
        said.contains("KEPT") && said.contains("TOKEN_ENCRYPTION_KEY"),
        "{said}"
    );

    started(Some(keyring(NEXT_KEY, Some(KEY)))).await.0.unwrap();
    assert_ne!(kept().await.sealed.key_id, before.sealed.key_id);
    let (opened, redactor) = started(Some(keyring(NEXT_KEY, None))).await;
    opened.unwrap();
    assert_eq!(redactor.redact("canary-kept"), "[redacted]");
}
