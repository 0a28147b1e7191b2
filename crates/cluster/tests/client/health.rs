use catalyst_cluster::{ClusterError, ConnectionError, Health};
use catalyst_testkit::proxy::Weather;

use crate::scene::{Scene, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_known_to_be_silent_from_its_own_traffic_until_it_answers() {
    let scene = Scene::start().await;
    let (cluster, proxy) = scene.through_proxy().await;
    assert_eq!(cluster.health(), Health::Unknown);
    cluster.ping().await.unwrap();
    assert_eq!(cluster.health(), Health::Answers);
    proxy.set(Weather::Broken);
    let error = cluster.ping().await.unwrap_err();
    assert!(matches!(
        &error,
        ClusterError::Connection(ConnectionError::Unreachable { .. })
    ));
    let text = error.to_string();
    assert!(
        text.contains("the API server in cluster through a proxy"),
        "{text}"
    );
    assert!(cluster.health().is_silent());
    proxy.set(Weather::Fine);
    until("it answers", async || cluster.ping().await.is_ok()).await;
    assert_eq!(cluster.health(), Health::Answers);
    scene.stop().await;
}
