use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use catalyst_store::{NewDelivery, Scope, Store, StoreError};
use catalyst_testkit::store::TemporaryStore;

use crate::given;

on_both_databases!(
    one_delivery_a_hundred_times_at_once_is_kept_once,
    a_delivery_comes_back_as_it_arrived,
    a_lane_is_worked_off_in_order_one_at_a_time,
    lanes_do_not_wait_for_each_other,
    a_delivery_that_waits_for_its_next_try_holds_its_lane,
    a_delivery_that_was_given_up_frees_its_lane,
    a_claim_ends_with_its_lease,
    a_late_holder_can_no_longer_end_a_delivery,
    an_orderly_shutdown_puts_deliveries_back,
    eight_workers_keep_the_order_of_every_lane,
    a_team_sees_the_deliveries_of_its_repositories_alone,
    old_processed_deliveries_are_forgotten_and_waiting_ones_never,
);

const LONG: Duration = Duration::from_secs(60);

fn delivery(id: &str, lane: &str) -> NewDelivery {
    NewDelivery {
        id: id.to_owned(),
        event: "pull_request".to_owned(),
        action: Some("opened".to_owned()),
        repository: Some("Acme/Shop".to_owned()),
        repository_github_id: Some(42),
        number: Some(7),
        lane: Some(lane.to_owned()),
        body: b"{}".to_vec(),
        request_id: None,
    }
}

pub async fn received(store: &Store, id: &str, lane: &str) {
    assert!(store.receive_delivery(&delivery(id, lane)).await.unwrap());
}

async fn claimed(store: &Store, holder: &str) -> Option<String> {
    let delivery = store.claim_delivery(holder, LONG).await.unwrap();
    delivery.map(|delivery| delivery.id)
}

async fn one_delivery_a_hundred_times_at_once_is_kept_once(store: TemporaryStore) {
    let delivery = delivery("one", "lane");
    let kept = given::at_once(100, &store, |store, _| {
        let delivery = delivery.clone();
        async move { store.receive_delivery(&delivery).await.unwrap() }
    });
    assert_eq!(kept.await.into_iter().filter(|kept| *kept).count(), 1);
    assert_eq!(store.count_queued_deliveries().await.unwrap(), 1);

    assert_eq!(claimed(&store, "w").await.as_deref(), Some("one"));
    store
        .finish_delivery("one", "w", "deploy", "a new commit")
        .await
        .unwrap();
    let again = Store::connect(store.url()).await.unwrap();
    assert!(
        !again.receive_delivery(&delivery).await.unwrap(),
        "also after a restart"
    );
    assert_eq!(claimed(&again, "w").await, None);
}

async fn a_delivery_comes_back_as_it_arrived(store: TemporaryStore) {
    let body: Vec<u8> = (0..=255).cycle().take(1_000_000).collect();
    let arrived = NewDelivery {
        lane: None,
        body: body.clone(),
        request_id: Some("r-1".to_owned()),
        ..delivery("one", "")
    };
    store.receive_delivery(&arrived).await.unwrap();
    let claimed = store.claim_delivery("w", LONG).await.unwrap().unwrap();
    assert_eq!(claimed.body, body);
    assert_eq!(claimed.request_id.as_deref(), Some("r-1"));
    assert_eq!(
        (claimed.event.as_str(), claimed.attempts),
        ("pull_request", 1)
    );
    assert_eq!(claimed.action.as_deref(), Some("opened"));
    assert_eq!(claimed.lane, "one");
    store
        .finish_delivery("one", "w", "skip", "nothing\0to do")
        .await
        .unwrap();
    let told = store.list_deliveries(Scope::All, 10).await.unwrap();
    assert_eq!(told[0].decision.as_deref(), Some("skip"));
    assert_eq!(told[0].reason.as_deref(), Some("nothingto do"));
    assert_eq!(
        (told[0].repository.as_deref(), told[0].number),
        (Some("Acme/Shop"), Some(7))
    );
    assert!(told[0].processed_at.is_some());
}

async fn a_lane_is_worked_off_in_order_one_at_a_time(store: TemporaryStore) {
    for id in ["1", "2", "3"] {
        received(&store, id, "lane").await;
    }
    for id in ["1", "2", "3"] {
        assert_eq!(claimed(&store, "one").await.as_deref(), Some(id));
        assert_eq!(claimed(&store, "two").await, None);
        store.finish_delivery(id, "one", "skip", "").await.unwrap();
    }
    assert_eq!(claimed(&store, "one").await, None);
    assert_eq!(store.count_queued_deliveries().await.unwrap(), 0);
}

async fn lanes_do_not_wait_for_each_other(store: TemporaryStore) {
    for (id, lane) in [("1", "a"), ("2", "a"), ("3", "b"), ("4", "c")] {
        received(&store, id, lane).await;
    }
    let mut in_hand = Vec::new();
    while let Some(id) = claimed(&store, "w").await {
        in_hand.push(id);
    }
    assert_eq!(in_hand, ["1", "3", "4"]);
}

async fn a_delivery_that_waits_for_its_next_try_holds_its_lane(store: TemporaryStore) {
    received(&store, "1", "lane").await;
    received(&store, "2", "lane").await;
    assert_eq!(claimed(&store, "w").await.as_deref(), Some("1"));
    let later = given::now() + chrono::Duration::hours(1);
    store
        .fail_delivery("1", "w", "GitHub is down", later)
        .await
        .unwrap();
    assert_eq!(claimed(&store, "w").await, None);
    let told = store.list_deliveries(Scope::All, 10).await.unwrap();
    let first = told.iter().find(|told| told.id == "1").unwrap();
    assert_eq!(
        (first.error.as_deref(), first.attempts),
        (Some("GitHub is down"), 1)
    );
}

async fn a_delivery_that_was_given_up_frees_its_lane(store: TemporaryStore) {
    received(&store, "1", "lane").await;
    received(&store, "2", "lane").await;
    for _ in 0..2 {
        let delivery = store.claim_delivery("w", LONG).await.unwrap().unwrap();
        assert_eq!(delivery.id, "1");
        store
            .fail_delivery("1", "w", "nonsense", given::now())
            .await
            .unwrap();
    }
    assert_eq!(
        store
            .claim_delivery("w", LONG)
            .await
            .unwrap()
            .unwrap()
            .attempts,
        3
    );
    store.give_up_delivery("1", "w", "nonsense").await.unwrap();
    assert_eq!(claimed(&store, "w").await.as_deref(), Some("2"));
    let told = store.given_up_deliveries(10).await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].id.as_str(), told[0].error.as_deref()),
        ("1", Some("nonsense"))
    );
}

async fn a_claim_ends_with_its_lease(store: TemporaryStore) {
    received(&store, "1", "lane").await;
    store
        .claim_delivery("one", Duration::ZERO)
        .await
        .unwrap()
        .unwrap();
    let again = store.claim_delivery("two", LONG).await.unwrap().unwrap();
    assert_eq!((again.id.as_str(), again.attempts), ("1", 2));
    assert!(!store.renew_delivery("1", "one", LONG).await.unwrap());
    assert!(store.renew_delivery("1", "two", LONG).await.unwrap());
}

async fn a_late_holder_can_no_longer_end_a_delivery(store: TemporaryStore) {
    received(&store, "1", "lane").await;
    store
        .claim_delivery("one", Duration::ZERO)
        .await
        .unwrap()
        .unwrap();
    store.claim_delivery("two", LONG).await.unwrap().unwrap();
    for error in [
        store
            .finish_delivery("1", "one", "deploy", "late")
            .await
            .unwrap_err(),
        store
            .fail_delivery("1", "one", "late", given::now())
            .await
            .unwrap_err(),
        store
            .give_up_delivery("1", "one", "late")
            .await
            .unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    }
    store
        .finish_delivery("1", "two", "deploy", "in time")
        .await
        .unwrap();
}

async fn an_orderly_shutdown_puts_deliveries_back(store: TemporaryStore) {
    received(&store, "1", "lane").await;
    assert_eq!(claimed(&store, "one").await.as_deref(), Some("1"));
    store.release_deliveries("one").await.unwrap();
    assert_eq!(
        store
            .claim_delivery("two", LONG)
            .await
            .unwrap()
            .unwrap()
            .attempts,
        1
    );
}

async fn eight_workers_keep_the_order_of_every_lane(store: TemporaryStore) {
    const LANES: usize = 10;
    const EACH: usize = 20;
    for n in 0..LANES * EACH {
        received(&store, &format!("{n:03}"), &format!("lane-{}", n % LANES)).await;
    }
    let order: Arc<Mutex<BTreeMap<String, Vec<String>>>> = Arc::default();
    given::at_once(8, &store, |store, n| {
        let order = Arc::clone(&order);
        async move {
            let holder = format!("worker-{n}");
            while store.count_queued_deliveries().await.unwrap() > 0 {
                let claimed = store.claim_delivery(&holder, LONG).await.unwrap();
                let Some(delivery) = claimed else { continue };
                let (lane, id) = (delivery.lane, delivery.id);
                order
                    .lock()
                    .unwrap()
                    .entry(lane)
                    .or_default()
                    .push(id.clone());
                store
                    .finish_delivery(&id, &holder, "skip", "")
                    .await
                    .unwrap();
            }
        }
    })
    .await;
    let order = std::mem::take(&mut *order.lock().unwrap());
    assert_eq!(order.len(), LANES);
    for (lane, ids) in order {
        assert_eq!(ids.len(), EACH, "{lane}: each once");
        assert!(ids.is_sorted(), "{lane}: {ids:?}");
    }
}

async fn a_team_sees_the_deliveries_of_its_repositories_alone(store: TemporaryStore) {
    let by_name = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    let by_id = given::project(&store, "beta", "shop", &["beta/renamed"]).await;
    given::project(&store, "other", "blog", &["other/blog"]).await;
    store.learn_repository_id(&by_id.id, 42).await.unwrap();
    received(&store, "1", "lane").await;
    let ping = NewDelivery {
        event: "ping".to_owned(),
        repository: None,
        repository_github_id: None,
        ..delivery("2", "lane")
    };
    store.receive_delivery(&ping).await.unwrap();

    let seen = async |team: &str| {
        let teams = [team.to_owned()];
        let told = store
            .list_deliveries(Scope::Teams(&teams), 10)
            .await
            .unwrap();
        told.into_iter().map(|told| told.id).collect::<Vec<_>>()
    };
    assert_eq!(seen("acme").await, ["1"]);
    assert_eq!(seen("beta").await, ["1"]);
    assert_eq!(seen("other").await, [""; 0]);
    // Once the name is bound to another repository, news under that name are not the team's.
    store.learn_repository_id(&by_name.id, 43).await.unwrap();
    assert_eq!(seen("acme").await, [""; 0]);
    let all = store.list_deliveries(Scope::All, 10).await.unwrap();
    assert_eq!(
        all.iter().map(|told| told.id.as_str()).collect::<Vec<_>>(),
        ["2", "1"]
    );
}

async fn old_processed_deliveries_are_forgotten_and_waiting_ones_never(store: TemporaryStore) {
    for id in ["1", "2", "3"] {
        received(&store, id, id).await;
    }
    assert_eq!(claimed(&store, "w").await.as_deref(), Some("1"));
    store.finish_delivery("1", "w", "skip", "").await.unwrap();
    assert_eq!(claimed(&store, "w").await.as_deref(), Some("2"));
    assert_eq!(store.forget_deliveries(given::at(0)).await.unwrap(), 0);
    assert_eq!(store.forget_deliveries(given::now()).await.unwrap(), 1);
    assert_eq!(store.count_queued_deliveries().await.unwrap(), 2);
}
