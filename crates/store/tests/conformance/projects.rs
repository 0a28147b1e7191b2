use catalyst_store::{ProjectSync, Scope, StoreError};
use catalyst_testkit::store::TemporaryStore;

use crate::given;

on_both_databases!(
    a_project_follows_its_object,
    of_two_sources_of_one_repository_the_first_counts,
    a_repository_has_one_project_in_a_team,
    a_repository_moves_once_its_old_project_lets_go,
    several_teams_may_have_one_repository,
    a_repository_is_found_by_name_until_its_id_is_known,
    who_takes_over_a_name_does_not_take_over_the_previews,
    a_project_that_follows_a_rename_takes_the_id_along,
    two_repositories_of_a_team_cannot_be_the_same_one_on_github,
    a_removed_project_keeps_its_previews_and_can_come_back,
    projects_are_listed_by_team_with_their_previews,
    a_preview_stays_in_the_cluster_that_its_project_had_until_it_is_removed_or_all_moves,
);

fn sync(team: &str, project: &str, repositories: &[&str]) -> ProjectSync {
    ProjectSync {
        team: team.to_owned(),
        project: project.to_owned(),
        cluster: "local".to_owned(),
        problem: None,
        repositories: repositories
            .iter()
            .map(|name| given::source(name))
            .collect(),
    }
}

async fn a_project_follows_its_object(store: TemporaryStore) {
    given::project(&store, "acme", "shop", &["acme/web", "acme/api"]).await;
    given::project(&store, "acme", "shop", &["acme/api", "acme/docs"]).await;
    let repositories = store.project_repositories("acme", "shop").await.unwrap();
    let told: Vec<_> = repositories
        .iter()
        .map(|r| (r.full_name.as_str(), r.position))
        .collect();
    assert_eq!(told, [("acme/api", 0), ("acme/docs", 1)]);
}

async fn of_two_sources_of_one_repository_the_first_counts(store: TemporaryStore) {
    given::project(
        &store,
        "acme",
        "shop",
        &["acme/web", "Acme/Web", "acme/api"],
    )
    .await;
    let repositories = store.project_repositories("acme", "shop").await.unwrap();
    let told: Vec<_> = repositories
        .iter()
        .map(|r| (r.full_name.as_str(), r.position))
        .collect();
    assert_eq!(told, [("acme/web", 0), ("acme/api", 1)]);
}

async fn a_repository_has_one_project_in_a_team(store: TemporaryStore) {
    given::project(&store, "acme", "shop", &["acme/web"]).await;
    let error = store
        .sync_project(&sync("acme", "blog", &["acme/blog", "acme/web"]))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    assert!(error.to_string().contains("acme/web"), "{error}");
    assert!(
        store
            .project_repositories("acme", "blog")
            .await
            .unwrap()
            .is_empty()
    );
}

async fn a_repository_moves_once_its_old_project_lets_go(store: TemporaryStore) {
    let before = given::project(&store, "acme", "shop", &["acme/web", "acme/api"]).await;
    given::project(&store, "acme", "shop", &["acme/api"]).await;
    let after = given::project(&store, "acme", "site", &["acme/web"]).await;
    assert_eq!((after.id, after.project.as_str()), (before.id, "site"));
}

async fn several_teams_may_have_one_repository(store: TemporaryStore) {
    for team in ["beta", "acme"] {
        let repository = given::project(&store, team, "shop", &["acme/web"]).await;
        store.learn_repository_id(&repository.id, 42).await.unwrap();
    }
    let found = store
        .find_repositories(42, &"acme/web".parse().unwrap())
        .await
        .unwrap();
    let teams: Vec<_> = found.iter().map(|r| r.team.as_str()).collect();
    assert_eq!(teams, ["acme", "beta"]);
}

async fn a_repository_is_found_by_name_until_its_id_is_known(store: TemporaryStore) {
    let repository = given::project(&store, "acme", "shop", &["acme/Web"]).await;
    let found = |id, name: &'static str| {
        let store = &store;
        async move {
            store
                .find_repositories(id, &name.parse().unwrap())
                .await
                .unwrap()
                .len()
        }
    };
    assert_eq!(found(42, "ACME/web").await, 1);
    store.learn_repository_id(&repository.id, 42).await.unwrap();
    store.learn_repository_id(&repository.id, 43).await.unwrap();
    assert_eq!(found(42, "acme/renamed").await, 1);
    let told = store.repository(&repository.id).await.unwrap().unwrap();
    assert_eq!(told.github_id, Some(42));
}

async fn who_takes_over_a_name_does_not_take_over_the_previews(store: TemporaryStore) {
    let repository = given::project(&store, "acme", "shop", &["acme/web"]).await;
    store.learn_repository_id(&repository.id, 42).await.unwrap();
    let found = store
        .find_repositories(666, &"acme/web".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(found, []);
}

async fn a_project_that_follows_a_rename_takes_the_id_along(store: TemporaryStore) {
    let old = given::project(&store, "acme", "shop", &["acme/web"]).await;
    store.learn_repository_id(&old.id, 42).await.unwrap();
    let new = given::project(&store, "acme", "shop", &["acme/site"]).await;
    let found = store
        .find_repositories(42, &"acme/site".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(found, std::slice::from_ref(&new));
    store.learn_repository_id(&new.id, 42).await.unwrap();
    let told = store.repository(&new.id).await.unwrap().unwrap();
    assert_eq!(told.github_id, Some(42));
}

async fn two_repositories_of_a_team_cannot_be_the_same_one_on_github(store: TemporaryStore) {
    let old = given::project(&store, "acme", "shop", &["acme/web"]).await;
    let new = given::project(&store, "acme", "site", &["acme/renamed"]).await;
    store.learn_repository_id(&old.id, 42).await.unwrap();
    let error = store.learn_repository_id(&new.id, 42).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
}

async fn a_removed_project_keeps_its_previews_and_can_come_back(store: TemporaryStore) {
    let pull_request = given::some_pull_request(&store).await;
    let preview = given::requested(&store, &pull_request, 'a').await;
    assert!(store.remove_project("acme", "shop").await.unwrap());
    assert!(!store.remove_project("acme", "shop").await.unwrap());
    assert_eq!(store.list_projects(Scope::All).await.unwrap(), []);
    assert_eq!(
        store
            .find_repositories(1, &"acme/shop".parse().unwrap())
            .await
            .unwrap(),
        []
    );
    let left = store.present_previews().await.unwrap();
    assert_eq!((left.len(), left[0].repository_removed), (1, true));

    given::project(&store, "acme", "shop", &["acme/shop"]).await;
    assert_eq!(store.preview(&preview.id).await.unwrap().unwrap(), preview);
}

async fn projects_are_listed_by_team_with_their_previews(store: TemporaryStore) {
    let shop = given::project(&store, "acme", "shop", &["acme/web", "acme/api"]).await;
    for number in [1, 2, 3] {
        let pull_request = given::pull_request(&store, &shop, number).await;
        let preview = given::requested(&store, &pull_request, 'a').await;
        if number == 3 {
            given::removed(&store, &preview).await;
        }
    }
    let empty = ProjectSync {
        problem: Some("names no repository".to_owned()),
        ..sync("acme", "blog", &[])
    };
    store.sync_project(&empty).await.unwrap();
    given::project(&store, "beta", "shop", &["beta/shop"]).await;

    let own = store
        .list_projects(Scope::Teams(&["acme".to_owned()]))
        .await
        .unwrap();
    let told: Vec<_> = own
        .iter()
        .map(|p| (p.name.as_str(), p.repositories.len(), p.previews))
        .collect();
    assert_eq!(told, [("blog", 0, 0), ("shop", 2, 2)]);
    assert_eq!(own[0].problem.as_deref(), Some("names no repository"));
    assert_eq!(store.list_projects(Scope::All).await.unwrap().len(), 3);
    assert_eq!(store.list_projects(Scope::Teams(&[])).await.unwrap(), []);
}

async fn a_preview_stays_in_the_cluster_that_its_project_had_until_it_is_removed_or_all_moves(
    store: TemporaryStore,
) {
    assert_eq!(store.project_cluster("acme", "shop").await.unwrap(), None);
    let repository = given::project(&store, "acme", "shop", &["acme/shop"]).await;
    let cluster = store.project_cluster("acme", "shop").await.unwrap();
    assert_eq!(cluster, Some(Some("local".to_owned())));
    let pull_request = given::pull_request(&store, &repository, 7).await;
    let preview = given::requested(&store, &pull_request, 'a').await;
    assert_eq!(preview.cluster.as_deref(), Some("local"));

    let moved = ProjectSync {
        cluster: "eu".to_owned(),
        ..sync("acme", "shop", &["acme/shop"])
    };
    store.sync_project(&moved).await.unwrap();
    let own = store.list_projects(Scope::All).await.unwrap();
    assert_eq!(own[0].cluster.as_deref(), Some("eu"));
    let pushed = given::requested(&store, &pull_request, 'b').await;
    assert_eq!(
        pushed.cluster.as_deref(),
        Some("local"),
        "a push moves nothing"
    );
    given::removed(&store, &pushed).await;
    let again = given::requested(&store, &pull_request, 'b').await;
    assert_eq!(again.cluster.as_deref(), Some("eu"), "it begins anew");

    store.move_project("acme", "shop", "eu-2").await.unwrap();
    let preview = store.preview(&again.id).await.unwrap().unwrap();
    assert_eq!(preview.cluster.as_deref(), Some("eu-2"));
    let cluster = store.project_cluster("acme", "shop").await.unwrap();
    assert_eq!(cluster, Some(Some("eu-2".to_owned())));
    store.remove_project("acme", "shop").await.unwrap();
    assert_eq!(store.project_cluster("acme", "shop").await.unwrap(), None);
}
