use std::time::Duration;

use catalyst_testkit::store::TemporaryStore;

use crate::given;

on_both_databases!(
    a_lease_has_one_holder_who_may_renew_it,
    a_lease_that_ran_out_goes_to_whoever_asks,
    only_the_holder_can_give_a_lease_back,
    of_many_who_want_a_lease_one_gets_it,
);

const LONG: Duration = Duration::from_secs(60);

async fn a_lease_has_one_holder_who_may_renew_it(store: TemporaryStore) {
    assert!(store.try_lease("sweep", "one", LONG).await.unwrap());
    assert!(store.try_lease("sweep", "one", LONG).await.unwrap());
    assert!(!store.try_lease("sweep", "two", LONG).await.unwrap());
    assert!(store.try_lease("comment", "two", LONG).await.unwrap());
}

async fn a_lease_that_ran_out_goes_to_whoever_asks(store: TemporaryStore) {
    assert!(
        store
            .try_lease("sweep", "one", Duration::ZERO)
            .await
            .unwrap()
    );
    assert!(store.try_lease("sweep", "two", LONG).await.unwrap());
    assert!(!store.try_lease("sweep", "one", LONG).await.unwrap());
}

async fn only_the_holder_can_give_a_lease_back(store: TemporaryStore) {
    assert!(store.try_lease("sweep", "one", LONG).await.unwrap());
    store.release_lease("sweep", "two").await.unwrap();
    assert!(!store.try_lease("sweep", "two", LONG).await.unwrap());
    store.release_lease("sweep", "one").await.unwrap();
    assert!(store.try_lease("sweep", "two", LONG).await.unwrap());
}

async fn of_many_who_want_a_lease_one_gets_it(store: TemporaryStore) {
    let answers = given::at_once(20, &store, |store, n| async move {
        store
            .try_lease("sweep", &n.to_string(), LONG)
            .await
            .unwrap()
    });
    assert_eq!(answers.await.into_iter().filter(|taken| *taken).count(), 1);
}
