use catalyst_model::state::{Phase, PreviewStatus};
use catalyst_model::views::DeploymentResult;
use catalyst_store::{PreviewReport, PreviewRequest, Reported, Requested, StoreError};
use catalyst_testkit::store::TemporaryStore;

use crate::given::{self, commit};

on_both_databases!(
    a_request_makes_a_pending_preview_and_begins_a_deployment,
    the_same_commit_twice_starts_one_thing,
    of_a_hundred_equal_requests_at_once_one_starts_something,
    a_push_supersedes_what_is_under_way,
    a_push_keeps_what_is_served_until_the_new_commit_runs,
    a_push_back_to_an_older_commit_revives_its_row,
    a_reopened_pull_request_revives_its_preview,
    a_blocked_preview_begins_no_deployment_until_it_is_let_run,
    a_new_reason_for_being_blocked_is_kept,
    what_runs_is_not_blocked_afterwards,
    a_report_is_shown_exactly_and_an_equal_one_changes_nothing,
    a_report_about_another_attempt_or_commit_is_refused,
    a_report_never_brings_back_what_is_being_removed,
    what_runs_is_never_pending_again_by_a_report,
    only_a_failed_preview_can_be_retried,
    a_preview_that_recovers_by_itself_is_ready,
    a_crash_after_it_ran_leaves_the_deployment_ready,
    a_removal_cancels_ends_and_is_kept_as_history,
    a_removal_that_was_overtaken_by_a_reopening_ends_nothing,
    a_preview_is_found_by_any_of_its_ids_and_by_its_namespace,
    equal_numbers_of_two_teams_never_meet,
);

async fn a_request_makes_a_pending_preview_and_begins_a_deployment(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    let request = store
        .request_preview(&given::wish(&pull_request, 'a'))
        .await
        .unwrap();
    assert_eq!(request.outcome, Requested::Created);
    let preview = request.preview;
    assert_eq!(preview.id, pull_request.id);
    assert_eq!(
        (preview.status, preview.attempt),
        (PreviewStatus::Pending, 1)
    );
    assert_eq!(
        (preview.team.as_str(), preview.project.as_str()),
        ("acme", "shop")
    );
    assert_eq!(preview.commit, Some(commit('a')));
    assert_eq!(preview.environment, "preview-7");
    assert_eq!(
        given::results(&store, &preview.id).await,
        [given::result("a", 1, DeploymentResult::Deploying)]
    );
    let summary = preview.summary();
    assert_eq!(
        (summary.repository.as_str(), summary.number),
        ("acme/shop", Some(7))
    );

    let unknown = PreviewRequest {
        pull_request_id: "unknown".to_owned(),
        ..given::wish(&pull_request, 'a')
    };
    let error = store.request_preview(&unknown).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
}

async fn the_same_commit_twice_starts_one_thing(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    let first = given::requested(&store, &pull_request, 'a').await;
    for status in [
        PreviewStatus::Deploying,
        PreviewStatus::Running,
        PreviewStatus::Failed,
    ] {
        let before = given::reported(&store, &first, status).await;
        let again = store
            .request_preview(&given::wish(&pull_request, 'a'))
            .await
            .unwrap();
        assert_eq!(again.outcome, Requested::Existing);
        assert_eq!(again.preview, before);
    }
    assert_eq!(given::results(&store, &first.id).await.len(), 1);
}

async fn of_a_hundred_equal_requests_at_once_one_starts_something(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    let wish = given::wish(&pull_request, 'a');
    let outcomes = given::at_once(100, &store, |store, _| {
        let wish = wish.clone();
        async move { store.request_preview(&wish).await.unwrap().outcome }
    });
    let created = outcomes
        .await
        .into_iter()
        .filter(|o| *o == Requested::Created);
    assert_eq!(created.count(), 1);
    assert_eq!(given::results(&store, &pull_request.id).await.len(), 1);
}

async fn a_push_supersedes_what_is_under_way(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    let first = given::requested(&store, &pull_request, 'a').await;
    given::reported(&store, &first, PreviewStatus::Deploying).await;
    let second = given::requested(&store, &pull_request, 'b').await;
    assert_eq!(
        (&second.id, second.status),
        (&first.id, PreviewStatus::Pending)
    );
    assert_eq!(
        given::results(&store, &first.id).await,
        [
            given::result("b", 1, DeploymentResult::Deploying),
            given::result("a", 1, DeploymentResult::Superseded)
        ]
    );
    let told = store.deployments(&first.id).await.unwrap();
    assert_eq!(
        told[1].message.as_deref(),
        Some("superseded by newer commit")
    );
    assert!(told[1].finished_at.is_some());
}

async fn a_push_keeps_what_is_served_until_the_new_commit_runs(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    let first = given::requested(&store, &pull_request, 'a').await;
    given::reported(&store, &first, PreviewStatus::Running).await;
    let second = given::requested(&store, &pull_request, 'b').await;
    assert_eq!(second.serving_commit, Some(commit('a')));
    let second = given::reported(&store, &second, PreviewStatus::Running).await;
    assert_eq!(second.serving_commit, Some(commit('b')));
    assert!(second.last_deployed_at.is_some());
    assert_eq!(
        given::results(&store, &first.id).await,
        [
            given::result("b", 1, DeploymentResult::Ready),
            given::result("a", 1, DeploymentResult::Ready)
        ]
    );
}

async fn a_push_back_to_an_older_commit_revives_its_row(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    let first = given::requested(&store, &pull_request, 'a').await;
    let second = given::requested(&store, &pull_request, 'b').await;
    given::reported(&store, &second, PreviewStatus::Running).await;
    let back = store
        .request_preview(&given::wish(&pull_request, 'a'))
        .await
        .unwrap();
    assert_eq!(back.outcome, Requested::Revived);
    assert_eq!(back.preview.row_id, first.row_id);
    assert_eq!(
        (back.preview.status, back.preview.attempt),
        (PreviewStatus::Pending, 2)
    );
    assert_eq!(back.preview.serving_commit, Some(commit('b')));
    assert_eq!(back.preview.message, None);
    assert_eq!(store.present_previews().await.unwrap().len(), 1);
}

async fn a_reopened_pull_request_revives_its_preview(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    let first = given::requested(&store, &pull_request, 'a').await;
    given::reported(&store, &first, PreviewStatus::Running).await;
    let gone = given::removed(&store, &first).await;
    assert!(gone.deleted_at.is_some());
    let back = store
        .request_preview(&given::wish(&pull_request, 'a'))
        .await
        .unwrap();
    assert_eq!(back.outcome, Requested::Revived);
    assert_eq!(back.preview.deleted_at, None);
    assert_eq!(back.preview.serving_commit, None);
    assert_eq!(
        (back.preview.status, back.preview.attempt),
        (PreviewStatus::Pending, 2)
    );
    assert!(back.preview.created_at > first.created_at);
}

fn blocked(request: PreviewRequest, reason: &str) -> PreviewRequest {
    PreviewRequest {
        blocked: Some(reason.to_owned()),
        ..request
    }
}

async fn a_blocked_preview_begins_no_deployment_until_it_is_let_run(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    let wish = given::wish(&pull_request, 'a');
    let request = store
        .request_preview(&blocked(wish.clone(), "a fork"))
        .await
        .unwrap();
    assert_eq!(request.preview.blocked.as_deref(), Some("a fork"));
    assert_eq!(request.preview.attempt, 0);
    assert_eq!(given::results(&store, &pull_request.id).await, []);
    let let_run = store.request_preview(&wish).await.unwrap();
    assert_eq!(let_run.outcome, Requested::Revived);
    assert_eq!(
        (let_run.preview.blocked, let_run.preview.attempt),
        (None, 1)
    );
    assert_eq!(
        given::results(&store, &pull_request.id).await,
        [given::result("a", 1, DeploymentResult::Deploying)]
    );
}

async fn a_new_reason_for_being_blocked_is_kept(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    let wish = given::wish(&pull_request, 'a');
    store
        .request_preview(&blocked(wish.clone(), "a fork"))
        .await
        .unwrap();
    let request = store
        .request_preview(&blocked(wish, "a draft"))
        .await
        .unwrap();
    assert_eq!(request.outcome, Requested::Existing);
    assert_eq!(request.preview.blocked.as_deref(), Some("a draft"));
}

async fn what_runs_is_not_blocked_afterwards(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    let preview = given::requested(&store, &pull_request, 'a').await;
    let preview = given::reported(&store, &preview, PreviewStatus::Running).await;
    let request = blocked(given::wish(&pull_request, 'a'), "a draft");
    let request = store.request_preview(&request).await.unwrap();
    assert_eq!(request.preview, preview);
}

async fn a_report_is_shown_exactly_and_an_equal_one_changes_nothing(store: TemporaryStore) {
    let preview = given::requested(&store, &given::some_pull_request(&store).await, 'a').await;
    let report = PreviewReport {
        attempt: 1,
        status: PreviewStatus::Deploying,
        phase: Some(Phase::Building),
        message: Some("cloning \u{1b}[31m<script>".to_owned()),
        url: Some("http://x.localhost:8080/".to_owned()),
        serving_commit: None,
    };
    let Reported::Changed(shown) = store
        .report_preview(&preview.row_id, &report)
        .await
        .unwrap()
    else {
        panic!("not written");
    };
    assert_eq!(shown.phase, Some(Phase::Building));
    assert_eq!(shown.message, report.message);
    assert_eq!(shown.url, report.url);
    assert!(shown.updated_at > preview.updated_at);
    let again = store
        .report_preview(&preview.row_id, &report)
        .await
        .unwrap();
    assert_eq!(again, Reported::Unchanged);
    assert_eq!(store.preview(&preview.id).await.unwrap().unwrap(), *shown);
}

async fn a_report_about_another_attempt_or_commit_is_refused(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    let first = given::requested(&store, &pull_request, 'a').await;
    let failed = given::reported(&store, &first, PreviewStatus::Failed).await;
    let retried = store.retry_preview(&failed.id, None).await.unwrap();
    let late = given::report(&failed, PreviewStatus::Failed);
    assert_eq!(
        store.report_preview(&first.row_id, &late).await.unwrap(),
        Reported::Refused
    );

    given::requested(&store, &pull_request, 'b').await;
    let late = given::report(&retried, PreviewStatus::Running);
    assert_eq!(
        store.report_preview(&first.row_id, &late).await.unwrap(),
        Reported::Refused
    );
    assert_eq!(
        store.report_preview("unknown", &late).await.unwrap(),
        Reported::Refused
    );
    let now = store.preview(&first.id).await.unwrap().unwrap();
    assert_eq!(
        (now.commit, now.status),
        (Some(commit('b')), PreviewStatus::Pending)
    );
}

async fn a_report_never_brings_back_what_is_being_removed(store: TemporaryStore) {
    let preview = given::requested(&store, &given::some_pull_request(&store).await, 'a').await;
    store.start_removal(&preview.id).await.unwrap().unwrap();
    for status in PreviewStatus::ALL {
        let report = PreviewReport {
            message: Some("news".to_owned()),
            ..given::report(&preview, status)
        };
        assert_eq!(
            store
                .report_preview(&preview.row_id, &report)
                .await
                .unwrap(),
            Reported::Refused
        );
    }
}

async fn what_runs_is_never_pending_again_by_a_report(store: TemporaryStore) {
    let preview = given::requested(&store, &given::some_pull_request(&store).await, 'a').await;
    for status in [
        PreviewStatus::Deploying,
        PreviewStatus::Running,
        PreviewStatus::Failed,
    ] {
        let preview = given::reported(&store, &preview, status).await;
        for forbidden in [PreviewStatus::Pending, PreviewStatus::Deleting] {
            let report = given::report(&preview, forbidden);
            assert_eq!(
                store
                    .report_preview(&preview.row_id, &report)
                    .await
                    .unwrap(),
                Reported::Refused
            );
        }
    }
}

async fn only_a_failed_preview_can_be_retried(store: TemporaryStore) {
    let preview = given::requested(&store, &given::some_pull_request(&store).await, 'a').await;
    let error = store.retry_preview(&preview.id, None).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    assert!(error.to_string().contains("pending"), "{error}");

    let report = PreviewReport {
        message: Some("npm run dev ended with 1".to_owned()),
        ..given::report(&preview, PreviewStatus::Failed)
    };
    store
        .report_preview(&preview.row_id, &report)
        .await
        .unwrap();
    let told = store.deployments(&preview.id).await.unwrap();
    assert_eq!(told[0].message.as_deref(), Some("npm run dev ended with 1"));

    let retried = store.retry_preview(&preview.id, None).await.unwrap();
    assert_eq!(
        (retried.status, retried.attempt),
        (PreviewStatus::Pending, 2)
    );
    assert_eq!((retried.message, retried.phase), (None, None));
    assert_eq!(
        given::results(&store, &preview.id).await,
        [
            given::result("a", 2, DeploymentResult::Deploying),
            given::result("a", 1, DeploymentResult::Failed)
        ]
    );
}

async fn a_preview_that_recovers_by_itself_is_ready(store: TemporaryStore) {
    let preview = given::requested(&store, &given::some_pull_request(&store).await, 'a').await;
    given::reported(&store, &preview, PreviewStatus::Failed).await;
    given::reported(&store, &preview, PreviewStatus::Running).await;
    assert_eq!(
        given::results(&store, &preview.id).await,
        [given::result("a", 1, DeploymentResult::Ready)]
    );
}

async fn a_crash_after_it_ran_leaves_the_deployment_ready(store: TemporaryStore) {
    let preview = given::requested(&store, &given::some_pull_request(&store).await, 'a').await;
    given::reported(&store, &preview, PreviewStatus::Running).await;
    let failed = given::reported(&store, &preview, PreviewStatus::Failed).await;
    assert_eq!(failed.status, PreviewStatus::Failed);
    assert_eq!(
        given::results(&store, &preview.id).await,
        [given::result("a", 1, DeploymentResult::Ready)]
    );
}

async fn a_removal_cancels_ends_and_is_kept_as_history(store: TemporaryStore) {
    let preview = given::requested(&store, &given::some_pull_request(&store).await, 'a').await;
    let going = store.start_removal(&preview.id).await.unwrap().unwrap();
    assert_eq!(
        (going.status, going.deleted_at),
        (PreviewStatus::Deleting, None)
    );
    assert_eq!(
        given::results(&store, &preview.id).await,
        [given::result("a", 1, DeploymentResult::Cancelled)]
    );
    assert!(
        store.start_removal(&preview.id).await.unwrap().is_some(),
        "it can be begun anew"
    );
    let gone = store.finish_removal(&preview.id).await.unwrap().unwrap();
    assert_eq!(gone.status, PreviewStatus::Deleting);
    assert!(gone.deleted_at.is_some());
    assert_eq!(store.finish_removal(&preview.id).await.unwrap(), None);
    assert_eq!(store.start_removal(&preview.id).await.unwrap(), None);
    assert_eq!(store.start_removal("unknown").await.unwrap(), None);
    assert_eq!(store.present_previews().await.unwrap(), []);
    assert_eq!(store.preview(&preview.id).await.unwrap(), Some(gone));
}

async fn a_removal_that_was_overtaken_by_a_reopening_ends_nothing(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    let preview = given::requested(&store, &pull_request, 'a').await;
    store.start_removal(&preview.id).await.unwrap().unwrap();
    let back = given::requested(&store, &pull_request, 'a').await;
    assert_eq!(store.finish_removal(&preview.id).await.unwrap(), None);
    assert_eq!(store.preview(&preview.id).await.unwrap(), Some(back));
}

async fn a_preview_is_found_by_any_of_its_ids_and_by_its_namespace(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    let first = given::requested(&store, &pull_request, 'a').await;
    let second = given::requested(&store, &pull_request, 'b').await;
    for id in [&pull_request.id, &first.row_id, &second.row_id] {
        assert_eq!(store.preview(id).await.unwrap().as_ref(), Some(&second));
    }
    let by_namespace = store
        .preview_in_namespace("acme-shop-preview-7")
        .await
        .unwrap();
    assert_eq!(by_namespace, Some(second));
    assert_eq!(store.preview("' OR ''='").await.unwrap(), None);
    assert_eq!(store.preview_in_namespace("").await.unwrap(), None);
}

async fn equal_numbers_of_two_teams_never_meet(store: TemporaryStore) {
    let mut rows = Vec::new();
    for team in ["acme", "beta"] {
        let repository = given::project(&store, team, "shop", &["acme/shop"]).await;
        let pull_request = given::pull_request(&store, &repository, 7).await;
        rows.push(given::requested(&store, &pull_request, 'a').await);
    }
    assert_ne!(rows[0].id, rows[1].id);
    assert_eq!(
        store.preview(&rows[0].id).await.unwrap().unwrap().team,
        "acme"
    );
    assert_eq!(
        store.preview(&rows[1].id).await.unwrap().unwrap().team,
        "beta"
    );
}
