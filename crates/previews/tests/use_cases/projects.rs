//! Projects, whoever made them.

use crate::common::{World, eventually, pull_request, settings, sha};
use catalyst_crd::labels::{NAMESPACE_TYPE, REPOSITORY_PREFIX, TEAM};
use catalyst_crd::project::ProjectSource;
use catalyst_crd::{Project, ProjectSpec};
use catalyst_model::views::ProjectView;
use catalyst_previews::{ErrorKind, NewProject, PreviewSettings};
use kube::ResourceExt;

async fn project(
    world: &World,
    name: &str,
    condition: impl Fn(&ProjectView) -> bool,
) -> ProjectView {
    eventually(&format!("project {name}"), || async {
        let all = world.previews.projects(&world.operator).await.unwrap();
        all.into_iter().find(|it| it.name == name && condition(it))
    })
    .await
}

fn new(team: &str, name: &str) -> NewProject {
    NewProject {
        team: team.into(),
        name: name.into(),
        repository: format!("acme/{name}"),
        clone_url: None,
        branch: "main".into(),
        installation_id: None,
        cluster: None,
        preset: None,
    }
}

#[tokio::test]
async fn a_project_made_with_kubectl_works_the_same() {
    let world = World::new().await;
    let mut made = Project::new(
        "api",
        ProjectSpec {
            sources: vec![
                ProjectSource {
                    name: "primary".into(),
                    repository_url: "https://github.com/acme/api.git".into(),
                    branch: "main".into(),
                },
                ProjectSource {
                    name: "source-2".into(),
                    repository_url: "https://github.com/mirror/of-web.git".into(),
                    branch: "trunk".into(),
                },
            ],
            ..ProjectSpec::default()
        },
    );
    let key = format!("{REPOSITORY_PREFIX}source-2");
    made.annotations_mut().insert(key, "acme/web".into());
    made.metadata.namespace = Some("blue".into());
    let labels = [(NAMESPACE_TYPE, "team"), (TEAM, "blue")];
    world
        .cluster
        .ensure_namespace("blue", &labels)
        .await
        .unwrap();
    let api = world.cluster.projects("blue");
    api.create(&Default::default(), &made).await.unwrap();
    let seen = project(&world, "api", |_| true).await;
    assert_eq!(seen.repositories, ["acme/api", "acme/web"]);
    assert_eq!(seen.problem, None);

    // The second repository's pull request has a name of its own.
    let mut it = pull_request(7, 'a');
    it.repository.id = 22;
    it.repository.full_name = "acme/web".into();
    it.head_repository = Some(it.repository.clone());
    world.deliver("opened", &it).await;
    let preview = world.preview(7, "is there", |_| true).await;
    assert_eq!(preview.namespace, "blue-api-preview-web-7");
    let environments = world.cluster.environments("blue-api");
    let environment = eventually("its Environment", || async {
        environments.get_opt("preview-web-7").await.unwrap()
    })
    .await;
    let sources = &environment.spec.sources;
    assert_eq!(
        (sources[0].name.as_str(), sources[0].commit_sha.as_str()),
        ("source-2", sha('a').as_str())
    );
    assert_eq!(
        (sources[1].name.as_str(), sources[1].branch.as_str()),
        ("primary", "main")
    );
}

#[tokio::test]
async fn a_repository_of_two_teams_has_a_preview_in_each() {
    let world = World::new().await;
    let twin = NewProject {
        repository: "acme/shop".into(),
        ..new("blue", "store")
    };
    world
        .previews
        .create_project(&world.operator, twin)
        .await
        .unwrap();
    world.event("opened", &pull_request(7, 'a')).await;
    eventually("there are two", || async {
        let mut namespaces: Vec<_> = world
            .list()
            .await
            .into_iter()
            .map(|it| it.namespace)
            .collect();
        namespaces.sort();
        (namespaces == ["acme-shop-preview-7", "blue-store-preview-7"]).then_some(())
    })
    .await;
    let reason = world.worked_off().await.remove(0).reason.unwrap();
    assert!(
        reason.contains("team acme:") && reason.contains("team blue:"),
        "{reason}"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_project_is_said_where_its_team_looks() {
    let world = World::new().await;
    let api = world.cluster.projects("acme");
    let patch = serde_json::json!({ "spec": { "sources": [
        { "name": "primary", "repositoryUrl": "file:///etc", "branch": "main" }
    ] } });
    api.patch("shop", &Default::default(), &kube::api::Patch::Merge(patch))
        .await
        .unwrap();
    let seen = project(&world, "shop", |it| it.problem.is_some()).await;
    assert!(
        seen.problem
            .unwrap()
            .contains("CATALYST_ALLOW_LOCAL_REPOSITORIES")
    );
    assert!(seen.repositories.is_empty());
    // The same repository in two projects of one team.
    let twin = NewProject {
        repository: "acme/api".into(),
        ..new("acme", "one")
    };
    world
        .previews
        .create_project(&world.operator, twin.clone())
        .await
        .unwrap();
    let twin = NewProject {
        name: "two".into(),
        ..twin
    };
    let made = world
        .previews
        .create_project(&world.operator, twin)
        .await
        .unwrap();
    assert!(
        made.problem
            .unwrap()
            .contains("another project of the team")
    );
}

#[tokio::test]
async fn names_that_join_to_one_namespace_are_refused() {
    let world = World::new().await;
    let previews = &world.previews;
    previews
        .create_project(&world.operator, new("a-b", "c"))
        .await
        .unwrap();
    let refused = previews
        .create_project(&world.operator, new("a", "b-c"))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let refused = previews
        .create_project(&world.operator, new("acme-shop", "x"))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn making_the_same_project_again_changes_nothing_and_another_of_its_name_is_refused() {
    let world = World::new().await;
    let again = world
        .previews
        .create_project(&world.operator, new("acme", "shop"))
        .await
        .unwrap();
    assert_eq!(again.repositories, ["acme/shop"]);
    let other = NewProject {
        repository: "acme/other".into(),
        ..new("acme", "shop")
    };
    let refused = world
        .previews
        .create_project(&world.operator, other)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_directory_of_this_machine_is_a_repository_where_the_settings_allow_it() {
    let world = World::with_settings(PreviewSettings {
        allow_local_repositories: true,
        ..settings()
    })
    .await;
    let local = NewProject {
        clone_url: Some("file:///srv/git/demo".into()),
        repository: "acme/demo".into(),
        ..new("acme", "demo")
    };
    let made = world
        .previews
        .create_project(&world.operator, local)
        .await
        .unwrap();
    assert_eq!(made.repositories, ["acme/demo"]);
    assert_eq!(made.problem, None);
    let api = world.cluster.projects("acme");
    let object = api.get("demo").await.unwrap();
    assert_eq!(
        object.annotations()["repository.catalyst.dev/primary"],
        "acme/demo"
    );
}

#[tokio::test]
async fn a_preset_becomes_the_template_of_a_new_project_and_stays_as_it_was_changed() {
    let world = World::new().await;
    let next = NewProject {
        preset: Some("nextjs".into()),
        ..new("acme", "site")
    };
    let create = |it: NewProject| world.previews.create_project(&world.operator, it);
    create(next.clone()).await.unwrap();
    let api = world.cluster.projects("acme");
    let made = api.get("site").await.unwrap();
    let template = made.spec.templates["development"].clone();
    assert_eq!(
        Some(template.clone()),
        catalyst_crd::Preset::Nextjs.template()
    );
    assert!(
        !serde_json::to_string(&made.spec)
            .unwrap()
            .contains("nextjs")
    );

    // The same again changes nothing, and neither does none.
    create(next.clone()).await.unwrap();
    create(new("acme", "site")).await.unwrap();
    let same = api.get("site").await.unwrap();
    assert_eq!(same.spec.templates["development"], template);

    // What a person wrote since is not replaced.
    let other = NewProject {
        preset: Some("go".into()),
        ..next
    };
    let refused = create(other).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let unknown = NewProject {
        preset: Some("rails".into()),
        ..new("acme", "other")
    };
    let refused = create(unknown).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(
        refused.to_string().contains("nextjs, generic-node"),
        "{refused}"
    );
}
