use catalyst_store::{NewPullRequest, PullRequestState, ReviewStatus, StoreError};
use catalyst_testkit::store::TemporaryStore;

use crate::given::{self, at, commit};

on_both_databases!(
    older_news_never_overwrite_newer_ones,
    the_last_state_stands_in_whatever_order_the_news_come,
    what_people_decided_outlives_the_news,
    an_approval_is_for_the_newest_commit_alone,
    texts_come_back_as_they_were_told,
    an_unknown_repository_or_pull_request_is_not_found,
);

async fn older_news_never_overwrite_newer_ones(store: TemporaryStore) {
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    let opened = given::news(&repository, 7);
    let closed = NewPullRequest {
        state: PullRequestState::Closed,
        updated_at: at(60),
        ..opened.clone()
    };
    assert!(store.upsert_pull_request(&closed).await.unwrap().applied);
    let told = store.upsert_pull_request(&opened).await.unwrap();
    assert!(!told.applied);
    assert_eq!(told.pull_request.state, PullRequestState::Closed);
    assert_eq!(told.pull_request.provider_updated_at, at(60));
}

async fn the_last_state_stands_in_whatever_order_the_news_come(store: TemporaryStore) {
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    let story = ['a', 'b', 'c', 'd'];
    for (number, order) in (1..).zip(permutations(&[0, 1, 2, 3])) {
        for second in order {
            let news = NewPullRequest {
                head_sha: commit(story[second]),
                updated_at: at(i64::try_from(second).unwrap()),
                ..given::news(&repository, number)
            };
            store.upsert_pull_request(&news).await.unwrap();
        }
        let number = given::news(&repository, number).number;
        let told = store
            .find_pull_request(&repository.id, number)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(told.head_sha, commit('d'));
    }
}

fn permutations(items: &[usize]) -> Vec<Vec<usize>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let rest: Vec<_> = [&items[..index], &items[index + 1..]].concat();
        for mut tail in permutations(&rest) {
            tail.insert(0, *item);
            all.push(tail);
        }
    }
    all
}

async fn what_people_decided_outlives_the_news(store: TemporaryStore) {
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    let before = given::pull_request(&store, &repository, 7).await;
    store.set_comment(&before.id, Some(99)).await.unwrap();
    store
        .set_removed_commit(&before.id, Some(&commit('a')))
        .await
        .unwrap();
    store
        .approve_commit(&before.id, &commit('a'))
        .await
        .unwrap();
    let after = given::pull_request(&store, &repository, 7).await;
    assert_eq!(after.id, before.id);
    assert_eq!(after.comment_id, Some(99));
    assert_eq!(after.removed_sha, Some(commit('a')));
    assert_eq!(after.approved_sha, Some(commit('a')));
    store.set_comment(&before.id, None).await.unwrap();
    store.set_removed_commit(&before.id, None).await.unwrap();
    let after = store.pull_request(&before.id).await.unwrap().unwrap();
    assert_eq!((after.comment_id, after.removed_sha), (None, None));
}

async fn an_approval_is_for_the_newest_commit_alone(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    let error = store
        .approve_commit(&pull_request.id, &commit('b'))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    let told = store.pull_request(&pull_request.id).await.unwrap().unwrap();
    assert_eq!(told.approved_sha, None);
    store
        .approve_commit(&pull_request.id, &commit('a'))
        .await
        .unwrap();
    let told = store.pull_request(&pull_request.id).await.unwrap().unwrap();
    assert_eq!(told.approved_sha, Some(commit('a')));
}

async fn texts_come_back_as_they_were_told(store: TemporaryStore) {
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    let news = NewPullRequest {
        title: "Ünïcode \u{202e} '; DROP TABLE users; -- \" \\ 🚀\n$1 ?1".to_owned(),
        head_ref: "topic/%_!'\"".to_owned(),
        labels: vec!["a,b".to_owned(), "\"]".to_owned(), "🏷".to_owned()],
        head_repository: None,
        status: ReviewStatus::ChangesRequested,
        state: PullRequestState::Merged,
        is_fork: true,
        ..given::news(&repository, 7)
    };
    store.upsert_pull_request(&news).await.unwrap();
    let told = store
        .find_pull_request(&repository.id, news.number)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(told.title, news.title);
    assert_eq!(told.head_ref, news.head_ref);
    assert_eq!(told.labels, news.labels);
    assert_eq!((told.status, told.state), (news.status, news.state));
    assert!(told.is_fork && told.head_repository.is_none());

    // PostgreSQL has no NUL in texts; a title that has one loses it and nothing else.
    let with_nul = NewPullRequest {
        title: "a\0b".to_owned(),
        ..given::news(&repository, 8)
    };
    let told = store.upsert_pull_request(&with_nul).await.unwrap();
    assert_eq!(told.pull_request.title, "ab");
}

async fn an_unknown_repository_or_pull_request_is_not_found(store: TemporaryStore) {
    let mut repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    repository.id = "unknown".to_owned();
    for error in [
        store
            .upsert_pull_request(&given::news(&repository, 7))
            .await
            .unwrap_err(),
        store.set_comment("unknown", Some(1)).await.unwrap_err(),
        store.set_removed_commit("unknown", None).await.unwrap_err(),
        store
            .approve_commit("unknown", &commit('a'))
            .await
            .unwrap_err(),
        store.retry_preview("unknown", None).await.unwrap_err(),
        store.schedule_work("unknown", at(0)).await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
    }
    assert_eq!(store.pull_request("unknown").await.unwrap(), None);
}
