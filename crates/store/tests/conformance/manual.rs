use catalyst_model::state::PreviewStatus;
use catalyst_model::views::{DeploymentResult, PreviewSource};
use catalyst_store::{ManualPreview, NewPullRequest, StoreError};
use catalyst_testkit::store::TemporaryStore;
use std::time::Duration;

use crate::given;

on_both_databases!(
    a_preview_by_hand_belongs_to_its_team_and_to_no_pull_request,
    a_preview_by_hand_is_worked_on_retried_and_removed_like_any_other,
    no_two_previews_are_in_one_namespace,
    of_equal_wishes_at_once_one_is_granted,
    a_preview_is_kept_until_it_is_told_and_no_longer_once_it_goes,
    a_forks_commit_waits_until_that_very_one_is_approved,
);

const LEASE: Duration = Duration::from_secs(60);

async fn a_preview_by_hand_belongs_to_its_team_and_to_no_pull_request(store: TemporaryStore) {
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    let user = store.local_user("local").await.unwrap();
    let wish = given::by_hand(&repository, &user, "dev-calm-otter-07");
    let made = store.create_manual_preview(&wish).await.unwrap();
    assert_eq!(
        (made.team.as_str(), made.project.as_str()),
        ("acme", "shop")
    );
    assert_eq!(
        (made.number, made.commit.clone(), made.image.clone()),
        (None, None, None)
    );
    assert_eq!(made.author.as_deref(), Some("local"));
    assert_eq!(made.expires_at, Some(given::at(0)));
    assert_eq!((made.status, made.attempt), (PreviewStatus::Pending, 1));
    let summary = made.summary();
    assert_eq!(summary.source, PreviewSource::Manual);
    assert_eq!(summary.title, "Branch topic");
    assert_eq!(summary.commit, "");
    assert_eq!(store.preview(&made.id).await.unwrap(), Some(made.clone()));
    let found = store.preview_in_namespace(&made.namespace).await.unwrap();
    assert_eq!(found, Some(made));

    let image = ManualPreview {
        image: Some("nginx:1.27".to_owned()),
        port: Some(8080),
        ..given::by_hand(&repository, &user, "manual-topic")
    };
    let image = store.create_manual_preview(&image).await.unwrap();
    assert_eq!(
        (image.image.as_deref(), image.port),
        (Some("nginx:1.27"), Some(8080))
    );
    assert_eq!(image.title(), "Image nginx:1.27");
    let commit = ManualPreview {
        commit: Some(given::commit('c')),
        ..given::by_hand(&repository, &user, "dev-brave-swan-01")
    };
    let commit = store.create_manual_preview(&commit).await.unwrap();
    assert_eq!(commit.title(), "Commit ccccccc of topic");

    let nowhere = ManualPreview {
        repository_id: "unknown".to_owned(),
        ..given::by_hand(&repository, &user, "dev-x")
    };
    let refused = store.create_manual_preview(&nowhere).await;
    assert!(
        matches!(refused, Err(StoreError::NotFound { .. })),
        "{refused:?}"
    );
}

async fn a_preview_by_hand_is_worked_on_retried_and_removed_like_any_other(store: TemporaryStore) {
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    let user = store.local_user("local").await.unwrap();
    let wish = given::by_hand(&repository, &user, "dev-calm-otter-07");
    let made = store.create_manual_preview(&wish).await.unwrap();
    let work = store.claim_work("a", LEASE).await.unwrap().unwrap();
    assert_eq!(work.preview, made);
    store.finish_work(&made.id, "a", None).await.unwrap();

    let failed = given::reported(&store, &made, PreviewStatus::Failed).await;
    let retried = store.retry_preview(&failed.id, None).await.unwrap();
    assert_eq!(
        (retried.status, retried.attempt),
        (PreviewStatus::Pending, 2)
    );
    let mut report = given::report(&retried, PreviewStatus::Running);
    report.serving_commit = Some(given::commit('d'));
    store
        .report_preview(&retried.row_id, &report)
        .await
        .unwrap();
    let runs = store.preview(&made.id).await.unwrap().unwrap();
    assert_eq!(
        runs.revision(),
        Some(&given::commit('d')),
        "what runs tells the commit"
    );
    let expected = [
        given::result("d", 2, DeploymentResult::Ready),
        given::result("d", 1, DeploymentResult::Failed),
    ];
    assert_eq!(given::results(&store, &made.id).await, expected);

    store.start_removal(&made.id).await.unwrap().unwrap();
    let work = store.claim_work("b", LEASE).await.unwrap().unwrap();
    assert_eq!(work.preview.status, PreviewStatus::Deleting);
    store.give_up_work(&made.id, "b", "stuck").await.unwrap();
    let given_up = store.failed_cleanups().await.unwrap();
    assert_eq!(given_up[0].pull_request, "acme/shop");
    let gone = store.finish_removal(&made.id).await.unwrap().unwrap();
    assert!(gone.deleted_at.is_some());
    assert!(store.present_previews().await.unwrap().is_empty());
}

async fn no_two_previews_are_in_one_namespace(store: TemporaryStore) {
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    let user = store.local_user("local").await.unwrap();
    let wish = given::by_hand(&repository, &user, "dev-calm-otter-07");
    let made = store.create_manual_preview(&wish).await.unwrap();
    let again = store.create_manual_preview(&wish).await;
    assert!(
        matches!(again, Err(StoreError::Conflict { .. })),
        "{again:?}"
    );
    given::removed(&store, &made).await;
    store.create_manual_preview(&wish).await.unwrap();

    let pull_request = given::pull_request(&store, &repository, 7).await;
    let preview = given::requested(&store, &pull_request, 'a').await;
    let taken = ManualPreview {
        namespace: preview.namespace,
        ..given::by_hand(&repository, &user, "x")
    };
    let refused = store.create_manual_preview(&taken).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict { .. })),
        "{refused:?}"
    );
}

async fn of_equal_wishes_at_once_one_is_granted(store: TemporaryStore) {
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    let user = store.local_user("local").await.unwrap();
    let wish = given::by_hand(&repository, &user, "dev-calm-otter-07");
    let answers = given::at_once(8, &store, |store, _| {
        let wish = wish.clone();
        async move { store.create_manual_preview(&wish).await }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(store.present_previews().await.unwrap().len(), 1);
}

async fn a_preview_is_kept_until_it_is_told_and_no_longer_once_it_goes(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    let preview = given::requested(&store, &pull_request, 'a').await;
    assert_eq!(preview.expires_at, None);
    let kept = store.keep_preview_until(&preview.id, given::at(9)).await;
    assert_eq!(kept.unwrap().unwrap().expires_at, Some(given::at(9)));
    let pushed = given::requested(&store, &pull_request, 'b').await;
    assert_eq!(pushed.expires_at, None, "a push begins its time anew");
    store.start_removal(&preview.id).await.unwrap();
    let kept = store.keep_preview_until(&preview.id, given::at(10)).await;
    assert_eq!(kept.unwrap(), None);
    let unknown = store.keep_preview_until("unknown", given::at(10)).await;
    assert_eq!(unknown.unwrap(), None);
}

async fn a_forks_commit_waits_until_that_very_one_is_approved(store: TemporaryStore) {
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    let news = NewPullRequest {
        is_fork: true,
        ..given::news(&repository, 7)
    };
    let pull_request = store.upsert_pull_request(&news).await.unwrap().pull_request;
    let waits = async |digit| {
        let commit = given::commit(digit);
        store
            .waits_for_approval(&repository.id, &commit)
            .await
            .unwrap()
    };
    assert!(waits('a').await);
    assert!(!waits('b').await, "nobody's");
    store
        .approve_commit(&pull_request.id, &given::commit('a'))
        .await
        .unwrap();
    assert!(!waits('a').await);
}
