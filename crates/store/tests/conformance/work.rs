use std::time::Duration;

use catalyst_model::state::PreviewStatus;
use catalyst_store::StoreError;
use catalyst_testkit::store::TemporaryStore;

use crate::given;

on_both_databases!(
    every_wish_makes_work_due,
    work_in_hand_is_nobody_elses,
    work_whose_holder_died_can_be_claimed_again,
    a_late_holder_can_no_longer_end_the_work,
    a_wish_that_comes_during_the_work_is_kept,
    failed_work_comes_back_when_it_is_due_and_counts_its_tries,
    a_removal_that_was_given_up_is_told_until_it_is_asked_for_again,
    a_wish_overtakes_giving_up,
    an_orderly_shutdown_puts_work_back,
    a_look_later_is_no_failure,
    the_work_that_waited_longest_comes_first,
    eight_workers_do_each_piece_once,
    work_in_clusters_with_no_hand_free_is_left_aside,
);

const LONG: Duration = Duration::from_secs(60);

async fn every_wish_makes_work_due(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    assert_eq!(store.claim_work("w", LONG).await.unwrap(), None);
    let take = async || {
        let work = store.claim_work("w", LONG).await.unwrap().expect("due");
        store
            .finish_work(&work.preview.id, "w", None)
            .await
            .unwrap();
        assert_eq!(store.claim_work("w", LONG).await.unwrap(), None);
        assert_eq!(work.tries, 1);
        work.preview
    };
    let preview = given::requested(&store, &pull_request, 'a').await;
    assert_eq!(take().await, preview);
    given::reported(&store, &preview, PreviewStatus::Failed).await;
    store.retry_preview(&preview.id, None).await.unwrap();
    assert_eq!(take().await.attempt, 2);
    store.start_removal(&preview.id).await.unwrap();
    assert_eq!(take().await.status, PreviewStatus::Deleting);
    store
        .schedule_work(&preview.id, given::now())
        .await
        .unwrap();
    assert_eq!(take().await.status, PreviewStatus::Deleting);
}

async fn work_in_hand_is_nobody_elses(store: TemporaryStore) {
    given::requested(&store, &given::some_pull_request(&store).await, 'a').await;
    let work = store.claim_work("one", LONG).await.unwrap().unwrap();
    assert_eq!(store.claim_work("two", LONG).await.unwrap(), None);
    assert!(
        store
            .renew_work(&work.preview.id, "one", LONG)
            .await
            .unwrap()
    );
    assert!(
        !store
            .renew_work(&work.preview.id, "two", LONG)
            .await
            .unwrap()
    );
}

async fn work_whose_holder_died_can_be_claimed_again(store: TemporaryStore) {
    given::requested(&store, &given::some_pull_request(&store).await, 'a').await;
    store
        .claim_work("one", Duration::ZERO)
        .await
        .unwrap()
        .unwrap();
    let work = store.claim_work("two", LONG).await.unwrap().unwrap();
    assert_eq!(work.tries, 2);
    assert_eq!(store.claim_work("three", LONG).await.unwrap(), None);
}

async fn a_late_holder_can_no_longer_end_the_work(store: TemporaryStore) {
    let preview = given::requested(&store, &given::some_pull_request(&store).await, 'a').await;
    store
        .claim_work("one", Duration::ZERO)
        .await
        .unwrap()
        .unwrap();
    store.claim_work("two", LONG).await.unwrap().unwrap();
    for error in [
        store
            .finish_work(&preview.id, "one", None)
            .await
            .unwrap_err(),
        store
            .fail_work(&preview.id, "one", "late", given::now())
            .await
            .unwrap_err(),
        store
            .give_up_work(&preview.id, "one", "late")
            .await
            .unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    }
    store.finish_work(&preview.id, "two", None).await.unwrap();
}

async fn a_wish_that_comes_during_the_work_is_kept(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    given::requested(&store, &pull_request, 'a').await;
    let first = store.claim_work("one", LONG).await.unwrap().unwrap();
    let pushed = given::requested(&store, &pull_request, 'b').await;
    assert_eq!(
        store.claim_work("two", LONG).await.unwrap(),
        None,
        "one at a time"
    );
    store
        .finish_work(&first.preview.id, "one", None)
        .await
        .unwrap();
    let second = store.claim_work("two", LONG).await.unwrap().unwrap();
    assert_eq!((second.preview, second.tries), (pushed, 1));
}

async fn failed_work_comes_back_when_it_is_due_and_counts_its_tries(store: TemporaryStore) {
    let preview = given::requested(&store, &given::some_pull_request(&store).await, 'a').await;
    for tries in 1..4 {
        let work = store.claim_work("w", LONG).await.unwrap().unwrap();
        assert_eq!(work.tries, tries);
        store
            .fail_work(&preview.id, "w", "refused", given::now())
            .await
            .unwrap();
    }
    store.claim_work("w", LONG).await.unwrap().unwrap();
    let later = given::now() + chrono::Duration::hours(1);
    store
        .fail_work(&preview.id, "w", "refused", later)
        .await
        .unwrap();
    assert_eq!(store.claim_work("w", LONG).await.unwrap(), None);
}

async fn a_removal_that_was_given_up_is_told_until_it_is_asked_for_again(store: TemporaryStore) {
    let preview = given::requested(&store, &given::some_pull_request(&store).await, 'a').await;
    store.start_removal(&preview.id).await.unwrap();
    store.claim_work("w", LONG).await.unwrap().unwrap();
    store
        .give_up_work(&preview.id, "w", "the namespace is stuck")
        .await
        .unwrap();
    assert_eq!(store.claim_work("w", LONG).await.unwrap(), None);
    let told = store.failed_cleanups().await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].pull_request, "acme/shop#7");
    assert_eq!(
        (told[0].error.as_str(), told[0].attempts),
        ("the namespace is stuck", 1)
    );
    store
        .schedule_work(&preview.id, given::now())
        .await
        .unwrap();
    assert_eq!(store.failed_cleanups().await.unwrap(), []);
    assert_eq!(store.claim_work("w", LONG).await.unwrap().unwrap().tries, 1);
}

async fn a_wish_overtakes_giving_up(store: TemporaryStore) {
    let preview = given::requested(&store, &given::some_pull_request(&store).await, 'a').await;
    store.claim_work("w", LONG).await.unwrap().unwrap();
    store.start_removal(&preview.id).await.unwrap();
    store
        .give_up_work(&preview.id, "w", "refused")
        .await
        .unwrap();
    assert_eq!(store.failed_cleanups().await.unwrap(), []);
    assert!(store.claim_work("w", LONG).await.unwrap().is_some());
}

async fn an_orderly_shutdown_puts_work_back(store: TemporaryStore) {
    given::requested(&store, &given::some_pull_request(&store).await, 'a').await;
    store.claim_work("one", LONG).await.unwrap().unwrap();
    store.release_work("one").await.unwrap();
    assert_eq!(
        store.claim_work("two", LONG).await.unwrap().unwrap().tries,
        1
    );
}

async fn a_look_later_is_no_failure(store: TemporaryStore) {
    let preview = given::requested(&store, &given::some_pull_request(&store).await, 'a').await;
    for _ in 0..3 {
        let work = store.claim_work("w", LONG).await.unwrap().unwrap();
        assert_eq!(work.tries, 1);
        store
            .finish_work(&preview.id, "w", Some(given::now()))
            .await
            .unwrap();
    }
}

async fn the_work_that_waited_longest_comes_first(store: TemporaryStore) {
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    for number in [3, 1, 2] {
        let pull_request = given::pull_request(&store, &repository, number).await;
        given::requested(&store, &pull_request, 'a').await;
    }
    let mut order = Vec::new();
    while let Some(work) = store.claim_work("w", LONG).await.unwrap() {
        order.extend(work.preview.number);
    }
    assert_eq!(order, [3, 1, 2]);
}

async fn eight_workers_do_each_piece_once(store: TemporaryStore) {
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    for number in 1..=40 {
        let pull_request = given::pull_request(&store, &repository, number).await;
        given::requested(&store, &pull_request, 'a').await;
    }
    let workers = given::at_once(8, &store, |store, n| async move {
        let holder = format!("worker-{n}");
        let mut done = Vec::new();
        while let Some(work) = store.claim_work(&holder, LONG).await.unwrap() {
            let id = &work.preview.id;
            store.finish_work(id, &holder, None).await.unwrap();
            done.extend(work.preview.number);
        }
        done
    });
    let mut done = workers.await.concat();
    done.sort_unstable();
    assert_eq!(done, (1..=40).collect::<Vec<_>>());
}

async fn work_in_clusters_with_no_hand_free_is_left_aside(store: TemporaryStore) {
    let shop = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    let first = given::pull_request(&store, &shop, 1).await;
    let first = given::requested(&store, &first, 'a').await;
    store.move_project("acme", "shop", "eu").await.unwrap();
    let blog = given::project(&store, "acme", "blog", &["acme/blog"]).await;
    let second = given::pull_request(&store, &blog, 2).await;
    let second = given::requested(&store, &second, 'a').await;

    let claim = async |except: &[&str]| {
        let claimed = store.claim_work_except("w", LONG, except).await.unwrap();
        claimed.map(|work| work.preview.id)
    };
    assert_eq!(claim(&["eu", "local", ""]).await, None);
    assert_eq!(claim(&["eu", ""]).await, Some(second.id));
    assert_eq!(claim(&["eu", "us"]).await, None);
    assert_eq!(claim(&["us"]).await, Some(first.id));
}
