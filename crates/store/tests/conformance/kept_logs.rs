use catalyst_store::{KeptLogBounds, NewKeptLog};
use catalyst_testkit::store::TemporaryStore;
use chrono::{Duration, Utc};

on_both_databases!(
    a_log_is_kept_and_a_longer_one_takes_its_place,
    only_so_much_is_kept_and_the_oldest_goes_first,
);

fn log(preview: &str, pod: &str, size: usize) -> NewKeptLog {
    NewKeptLog {
        preview_id: preview.to_owned(),
        pod: pod.to_owned(),
        container: "app".to_owned(),
        init: false,
        job: None,
        commit: Some("abc".to_owned()),
        size: size as u64,
        cut: true,
        content: vec![1; size],
    }
}

fn bounds() -> KeptLogBounds {
    KeptLogBounds {
        per_preview: 3,
        bytes: 1000,
        since: Utc::now() - Duration::days(1),
    }
}

async fn a_log_is_kept_and_a_longer_one_takes_its_place(store: TemporaryStore) {
    store
        .keep_log(&log("p", "web-1", 10), bounds())
        .await
        .unwrap();
    store
        .keep_log(&log("p", "web-1", 20), bounds())
        .await
        .unwrap();
    // Another process that came too late saw less of it.
    store
        .keep_log(&log("p", "web-1", 5), bounds())
        .await
        .unwrap();
    let kept = store.kept_logs("p").await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (kept[0].pod.as_str(), kept[0].size, kept[0].cut),
        ("web-1", 20, true)
    );
    assert_eq!(
        store
            .kept_log("p", "web-1", "app")
            .await
            .unwrap()
            .unwrap()
            .len(),
        20
    );
    assert_eq!(store.kept_log("q", "web-1", "app").await.unwrap(), None);
    assert_eq!(store.kept_logs("q").await.unwrap(), []);
}

async fn only_so_much_is_kept_and_the_oldest_goes_first(store: TemporaryStore) {
    let pods = async |preview: &str| {
        let kept = store.kept_logs(preview).await.unwrap();
        kept.into_iter().map(|it| it.pod).collect::<Vec<_>>()
    };
    for n in 1..=4 {
        store
            .keep_log(&log("p", &format!("web-{n}"), 10), bounds())
            .await
            .unwrap();
    }
    assert_eq!(pods("p").await, ["web-4", "web-3", "web-2"]);
    store
        .keep_log(&log("q", "big", 975), bounds())
        .await
        .unwrap();
    assert_eq!(pods("q").await, ["big"]);
    assert_eq!(pods("p").await, ["web-4", "web-3"]);
    let later = KeptLogBounds {
        since: Utc::now() + Duration::hours(1),
        ..bounds()
    };
    store.keep_log(&log("q", "newer", 1), later).await.unwrap();
    assert_eq!((pods("p").await.len(), pods("q").await.len()), (0, 0));
}
