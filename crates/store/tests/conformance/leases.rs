use std::time::Duration;

use catalyst_testkit::store::TemporaryStore;

use crate::deliveries::received;
use crate::given;

on_both_databases!(
    a_lease_has_one_holder_who_may_renew_it,
    a_lease_that_ran_out_goes_to_whoever_asks,
    only_the_holder_can_give_a_lease_back,
    of_many_who_want_a_lease_one_gets_it,
    a_process_that_is_alone_ends_what_others_have_left,
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

async fn a_process_that_is_alone_ends_what_others_have_left(store: TemporaryStore) {
    assert!(store.try_lease("sweep", "killed", LONG).await.unwrap());
    received(&store, "d-1", "acme/shop#7").await;
    let claimed = store.claim_delivery("killed", LONG).await.unwrap();
    assert_eq!(claimed.unwrap().id, "d-1");
    assert!(store.claim_delivery("next", LONG).await.unwrap().is_none());
    store.end_all_claims().await.unwrap();
    assert!(store.try_lease("sweep", "next", LONG).await.unwrap());
    let again = store.claim_delivery("next", LONG).await.unwrap();
    assert_eq!(again.unwrap().id, "d-1");
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
