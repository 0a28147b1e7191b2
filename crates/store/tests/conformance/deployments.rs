use catalyst_model::state::PreviewStatus;
use catalyst_model::views::DeploymentResult;
use catalyst_store::PreviewRequest;
use catalyst_testkit::store::TemporaryStore;
use chrono::Duration;

use crate::given;

on_both_databases!(
    the_history_tells_every_deployment_newest_first,
    the_median_is_over_what_became_ready_since_then,
);

async fn the_history_tells_every_deployment_newest_first(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    for digit in ['a', 'b', 'a', 'c'] {
        given::requested(&store, &pull_request, digit).await;
    }
    let told: Vec<_> = given::results(&store, &pull_request.id).await;
    assert_eq!(
        told,
        [
            given::result("c", 1, DeploymentResult::Deploying),
            given::result("a", 2, DeploymentResult::Superseded),
            given::result("b", 1, DeploymentResult::Superseded),
            given::result("a", 1, DeploymentResult::Superseded),
        ]
    );
}

async fn the_median_is_over_what_became_ready_since_then(store: TemporaryStore) {
    let since = given::now() - Duration::hours(24);
    assert_eq!(store.median_seconds_to_ready(since).await.unwrap(), None);
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    for (number, seconds) in [(1, 10), (2, 1000), (3, 30), (4, 20)] {
        let pull_request = given::pull_request(&store, &repository, number).await;
        let wish = PreviewRequest {
            requested_at: given::now() - Duration::seconds(seconds),
            ..given::wish(&pull_request, 'a')
        };
        let preview = store.request_preview(&wish).await.unwrap().preview;
        given::reported(&store, &preview, PreviewStatus::Running).await;
    }
    let median = store.median_seconds_to_ready(since).await.unwrap().unwrap();
    assert!((25.0..40.0).contains(&median), "{median}");
    let soon = given::now() + Duration::seconds(1);
    assert_eq!(store.median_seconds_to_ready(soon).await.unwrap(), None);
}
