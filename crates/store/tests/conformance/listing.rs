use catalyst_model::state::PreviewStatus;
use catalyst_model::views::{PreviewCounts, PreviewFilter, PreviewOrder, PreviewSource};
use catalyst_store::{Listing, NewPullRequest, PreviewRequest, Scope, Store};
use catalyst_testkit::store::TemporaryStore;

use crate::given;

on_both_databases!(
    the_list_has_one_row_a_pull_request_newest_change_first,
    a_team_sees_its_own_previews_and_nobody_elses,
    the_counts_are_over_all_whatever_the_filter,
    the_list_is_filtered_by_status_repository_and_blocked,
    removed_previews_are_listed_apart,
    the_search_takes_every_character_for_itself,
    pages_are_cut_from_all_that_match,
    the_list_is_ordered_as_asked,
    what_only_the_cluster_knows_orders_ids_and_the_page_follows_them,
    idle_previews_are_those_without_a_push_the_longest_idle_first,
    what_was_made_by_hand_is_listed_with_the_others,
);

fn numbers(list: &Listing) -> Vec<u64> {
    list.previews
        .iter()
        .map(|preview| preview.number.unwrap())
        .collect()
}

async fn all(store: &Store, filter: PreviewFilter) -> Listing {
    store.list_previews(Scope::All, &filter).await.unwrap()
}

/// Pull requests 1 to 6: pending, deploying, running, failed, blocked, removed.
async fn one_of_each(store: &Store) {
    let repository = given::project(store, "acme", "shop", &["acme/shop"]).await;
    for number in 1..=6 {
        let pull_request = given::pull_request(store, &repository, number).await;
        let wish = PreviewRequest {
            blocked: (number == 5).then(|| "a fork".to_owned()),
            ..given::wish(&pull_request, 'a')
        };
        let preview = store.request_preview(&wish).await.unwrap().preview;
        match number {
            2 => drop(given::reported(store, &preview, PreviewStatus::Deploying).await),
            3 => drop(given::reported(store, &preview, PreviewStatus::Running).await),
            4 => drop(given::reported(store, &preview, PreviewStatus::Failed).await),
            6 => drop(given::removed(store, &preview).await),
            _ => {}
        }
    }
}

async fn the_list_has_one_row_a_pull_request_newest_change_first(store: TemporaryStore) {
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    for number in 1..=3 {
        let pull_request = given::pull_request(&store, &repository, number).await;
        given::requested(&store, &pull_request, 'a').await;
    }
    let pushed = given::pull_request(&store, &repository, 1).await;
    let pushed = given::requested(&store, &pushed, 'b').await;
    let list = all(&store, PreviewFilter::default()).await;
    assert_eq!(numbers(&list), [1, 3, 2]);
    assert_eq!(list.previews[0], pushed);
    assert_eq!(list.matching, 3);
}

async fn a_team_sees_its_own_previews_and_nobody_elses(store: TemporaryStore) {
    for (team, number) in [("acme", 1), ("beta", 2), ("gamma", 3)] {
        let repository = given::project(&store, team, "shop", &["acme/shop"]).await;
        let pull_request = given::pull_request(&store, &repository, number).await;
        given::requested(&store, &pull_request, 'a').await;
    }
    let seen = async |teams: &[&str]| {
        let teams: Vec<String> = teams.iter().map(ToString::to_string).collect();
        let list = store
            .list_previews(Scope::Teams(&teams), &PreviewFilter::default())
            .await
            .unwrap();
        let counts = store.count_previews(Scope::Teams(&teams)).await.unwrap();
        assert_eq!(counts.all as usize, list.previews.len());
        assert_eq!(list.matching as usize, list.previews.len());
        numbers(&list)
    };
    assert_eq!(seen(&["beta"]).await, [2]);
    assert_eq!(seen(&["acme", "gamma", "unknown"]).await, [3, 1]);
    assert_eq!(seen(&[]).await, [0; 0]);
    assert_eq!(seen(&["beta') OR ('1'='1"]).await, [0; 0]);
}

async fn the_counts_are_over_all_whatever_the_filter(store: TemporaryStore) {
    assert_eq!(
        store.count_previews(Scope::All).await.unwrap(),
        PreviewCounts::default()
    );
    one_of_each(&store).await;
    let filter = PreviewFilter {
        statuses: vec![PreviewStatus::Running],
        ..PreviewFilter::default()
    };
    let list = all(&store, filter).await;
    assert_eq!(list.matching, 1);
    let expected = PreviewCounts {
        all: 5,
        running: 1,
        in_progress: 2,
        failed: 1,
        blocked: 1,
        over_quota: 0,
    };
    assert_eq!(store.count_previews(Scope::All).await.unwrap(), expected);
    let by_team = store.count_previews_by_team().await.unwrap();
    assert_eq!(by_team, [("acme".to_owned(), expected)]);
}

async fn the_list_is_filtered_by_status_repository_and_blocked(store: TemporaryStore) {
    one_of_each(&store).await;
    let with = async |filter| numbers(&all(&store, filter).await);
    let any = PreviewFilter::default();
    let statuses = vec![PreviewStatus::Running, PreviewStatus::Failed];
    assert_eq!(
        with(PreviewFilter {
            statuses,
            ..any.clone()
        })
        .await,
        [4, 3]
    );
    assert_eq!(
        with(PreviewFilter {
            blocked: true,
            ..any.clone()
        })
        .await,
        [5]
    );
    let repository = Some("ACME/shop".to_owned());
    assert_eq!(
        with(PreviewFilter {
            repository,
            ..any.clone()
        })
        .await
        .len(),
        5
    );
    let repository = Some("acme/other".to_owned());
    assert_eq!(with(PreviewFilter { repository, ..any }).await, [0; 0]);
}

async fn removed_previews_are_listed_apart(store: TemporaryStore) {
    one_of_each(&store).await;
    let removed = PreviewFilter {
        removed: true,
        ..PreviewFilter::default()
    };
    let list = all(&store, removed).await;
    assert_eq!(numbers(&list), [6]);
    assert!(list.previews[0].deleted_at.is_some());
    assert_eq!(store.count_previews(Scope::All).await.unwrap().all, 5);
}

async fn the_search_takes_every_character_for_itself(store: TemporaryStore) {
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    let titles = [
        "100% faster",
        "100 faster",
        "snake_case",
        "snakeXcase",
        "it's! 'quoted'",
        "Ünïcode",
    ];
    for (number, title) in (11..).zip(titles) {
        let news = NewPullRequest {
            title: title.to_owned(),
            ..given::news(&repository, number)
        };
        let pull_request = store.upsert_pull_request(&news).await.unwrap().pull_request;
        given::requested(&store, &pull_request, 'a').await;
    }
    let found = async |text: &str| {
        let search = Some(text.to_owned());
        let mut found = numbers(
            &all(
                &store,
                PreviewFilter {
                    search,
                    ..PreviewFilter::default()
                },
            )
            .await,
        );
        found.sort_unstable();
        found
    };
    assert_eq!(found("100%").await, [11]);
    assert_eq!(found("E_C").await, [13]);
    assert_eq!(found("'s! '").await, [15]);
    assert_eq!(found("Ünï").await, [16]);
    assert_eq!(found("FASTER").await, [11, 12]);
    assert_eq!(found("topic-14").await, [14]);
    assert_eq!(found("ACME/Shop").await.len(), 6);
    assert_eq!(found(" preview-12 ").await, [12]);
    assert_eq!(found("13").await, [13]);
    assert_eq!(found("\\").await, [0; 0]);
    assert_eq!(found("   ").await.len(), 6);
}

async fn pages_are_cut_from_all_that_match(store: TemporaryStore) {
    one_of_each(&store).await;
    let page = async |offset, limit| {
        let list = all(
            &store,
            PreviewFilter {
                offset,
                limit,
                ..PreviewFilter::default()
            },
        )
        .await;
        assert_eq!(list.matching, 5);
        numbers(&list)
    };
    assert_eq!(page(0, 2).await, [5, 4]);
    assert_eq!(page(2, 2).await, [3, 2]);
    assert_eq!(page(4, 2).await, [1]);
    assert_eq!(page(6, 2).await, [0; 0]);
    assert_eq!(page(0, u32::MAX).await.len(), 5);
}

async fn the_list_is_ordered_as_asked(store: TemporaryStore) {
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    for (number, title) in [(1, "b"), (2, "A"), (3, "c")] {
        let news = NewPullRequest {
            title: title.to_owned(),
            ..given::news(&repository, number)
        };
        let pull_request = store.upsert_pull_request(&news).await.unwrap().pull_request;
        let preview = given::requested(&store, &pull_request, 'a').await;
        match number {
            1 => drop(given::reported(&store, &preview, PreviewStatus::Running).await),
            2 => drop(given::reported(&store, &preview, PreviewStatus::Failed).await),
            _ => {}
        }
    }
    let ordered = async |order, reverse| {
        let filter = PreviewFilter {
            order,
            reverse,
            ..PreviewFilter::default()
        };
        numbers(&all(&store, filter).await)
    };
    assert_eq!(ordered(PreviewOrder::Changed, false).await, [3, 2, 1]);
    assert_eq!(ordered(PreviewOrder::Changed, true).await, [1, 2, 3]);
    assert_eq!(ordered(PreviewOrder::Title, false).await, [2, 1, 3]);
    assert_eq!(ordered(PreviewOrder::Title, true).await, [3, 1, 2]);
    assert_eq!(ordered(PreviewOrder::Status, false).await, [2, 3, 1]);
    assert_eq!(ordered(PreviewOrder::Status, true).await, [1, 3, 2]);
    assert_eq!(ordered(PreviewOrder::Age, false).await, [3, 2, 1]);
    assert_eq!(ordered(PreviewOrder::Age, true).await, [1, 2, 3]);
}

async fn what_only_the_cluster_knows_orders_ids_and_the_page_follows_them(store: TemporaryStore) {
    one_of_each(&store).await;
    let filter = PreviewFilter {
        limit: 1,
        ..PreviewFilter::default()
    };
    let matching = store
        .matching_namespaces(Scope::All, &filter)
        .await
        .unwrap();
    assert_eq!(matching.len(), 5, "whatever the page");
    let namespaces: Vec<&str> = matching.iter().map(|(_, it)| it.as_str()).collect();
    assert_eq!(namespaces[0], "acme-shop-preview-5");
    let mut ids: Vec<String> = matching.into_iter().map(|(id, _)| id).collect();
    ids.rotate_left(2);
    ids.insert(1, "unknown".to_owned());
    let page = store.previews_with(&ids).await.unwrap();
    let found: Vec<&String> = page.iter().map(|it| &it.id).collect();
    let known: Vec<&String> = ids.iter().filter(|id| *id != "unknown").collect();
    assert_eq!(found, known);
    assert!(store.previews_with(&[]).await.unwrap().is_empty());
    let nobodys = store
        .matching_namespaces(Scope::Teams(&["beta".to_owned()]), &filter)
        .await
        .unwrap();
    assert!(nobodys.is_empty());
}

async fn idle_previews_are_those_without_a_push_the_longest_idle_first(store: TemporaryStore) {
    one_of_each(&store).await;
    let since = given::now();
    let idle = store.idle_previews(since).await.unwrap();
    assert_eq!(numbers(&idle), [1, 2, 3, 4, 5]);
    assert_eq!(idle.matching, 5);
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    let pushed = given::pull_request(&store, &repository, 1).await;
    given::requested(&store, &pushed, 'b').await;
    let idle = store.idle_previews(since).await.unwrap();
    assert_eq!(numbers(&idle), [2, 3, 4, 5]);
    let none = store.idle_previews(given::at(0)).await.unwrap();
    assert_eq!((none.previews.len(), none.matching), (0, 0));
}

async fn what_was_made_by_hand_is_listed_with_the_others(store: TemporaryStore) {
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    let pull_request = given::pull_request(&store, &repository, 7).await;
    given::requested(&store, &pull_request, 'a').await;
    let user = store.local_user("local").await.unwrap();
    let wish = given::by_hand(&repository, &user, "dev-calm-otter-07");
    let made = store.create_manual_preview(&wish).await.unwrap();
    let of = async |source, search: &str| {
        let filter = PreviewFilter {
            source,
            search: Some(search.to_owned()),
            ..PreviewFilter::default()
        };
        let list = all(&store, filter).await;
        assert_eq!(list.matching as usize, list.previews.len());
        list.previews
            .into_iter()
            .map(|it| it.id)
            .collect::<Vec<_>>()
    };
    let both = [made.id.clone(), pull_request.id.clone()];
    assert_eq!(of(None, "").await, both);
    assert_eq!(of(None, "acme/shop").await, both);
    assert_eq!(of(Some(PreviewSource::Manual), "").await, both[..1]);
    assert_eq!(of(Some(PreviewSource::PullRequest), "").await, both[1..]);
    assert_eq!(of(None, "calm-otter").await, both[..1]);
    assert_eq!(store.count_previews(Scope::All).await.unwrap().all, 2);
    let projects = store.list_projects(Scope::All).await.unwrap();
    assert_eq!(projects[0].previews, 2);
}
