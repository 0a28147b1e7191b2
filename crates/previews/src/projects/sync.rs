//! Keeping the store's projects in step with the cluster's Project objects.

use catalyst_cluster::chain;
use catalyst_crd::Project;
use catalyst_crd::labels::{REPOSITORY_PREFIX, TEAM};
use catalyst_crd::project::ProjectSource;
use catalyst_model::ids::{Label, RepositoryName};
use catalyst_store::{ProjectRepository, ProjectSync, StoreError};
use kube::ResourceExt;

use super::check_clone_url;
use crate::Previews;
use crate::error::Error;
use crate::settings::PreviewSettings;

impl Previews {
    /// Takes a Project of this cluster over into the store, whoever made it. What is wrong with it
    /// is kept there for its team to see, as is that one of its name stands in `others` too.
    pub(crate) async fn sync_project(
        &self,
        project: &Project,
        cluster: &str,
        others: &[&str],
    ) -> Result<(), Error> {
        let store = &self.inner.store;
        let sync = read(project, cluster, others, &self.inner.settings);
        match store.sync_project(&sync).await {
            Err(conflict @ StoreError::Conflict { .. }) => {
                let without = ProjectSync {
                    problem: Some(chain(&conflict)),
                    repositories: Vec::new(),
                    ..sync
                };
                Ok(store.sync_project(&without).await?)
            }
            outcome => Ok(outcome?),
        }
    }
}

/// A Project as the store keeps it. The team is the namespace's: a label that says otherwise is
/// its author's claim, nothing more.
fn read(
    project: &Project,
    cluster: &str,
    others: &[&str],
    settings: &PreviewSettings,
) -> ProjectSync {
    let team = project.namespace().unwrap_or_default();
    let name = project.name_any();
    let mut repositories = Vec::new();
    let mut problems = Vec::new();
    if let Some(problem) = unusable(project, &team) {
        problems.push(problem);
    } else {
        for source in &project.spec.sources {
            match repository(project, source, settings) {
                Ok(repository) => repositories.push(repository),
                Err(problem) => problems.push(format!("source {}: {problem}", source.name)),
            }
        }
    }
    if problems.is_empty() {
        problems.extend(said_by_operator(project));
    }
    if !others.is_empty() {
        problems.push(format!(
            "a Project of this name stands in {} too, and is not followed there: its previews live in {cluster}; delete the other, or give it another name",
            others.join(", ")
        ));
    }
    ProjectSync {
        team,
        project: name,
        cluster: cluster.to_owned(),
        problem: (!problems.is_empty()).then(|| problems.join("; ")),
        repositories,
    }
}

/// Why none of it can be used.
fn unusable(project: &Project, team: &str) -> Option<String> {
    let name = project.name_any();
    if name.parse::<Label>().is_err() {
        return Some(format!("{name:?} is not usable as a project's name"));
    }
    if let Some(label) = project.labels().get(TEAM).filter(|label| *label != team) {
        return Some(format!(
            "its label {TEAM} says {label}, but it is in the namespace of team {team}"
        ));
    }
    project
        .spec
        .sources
        .is_empty()
        .then(|| "it has no sources".to_owned())
}

/// The repository behind a source of a Project, checked as those of the store are.
///
/// # Errors
/// That the Project has no such source, or that it may not be cloned from.
pub(crate) fn repository_of(
    project: &Project,
    source: &str,
    settings: &PreviewSettings,
) -> Result<RepositoryName, String> {
    let mut sources = project.spec.sources.iter();
    let found = sources.find(|it| it.name == source);
    let found = found.ok_or_else(|| format!("the Project has no source {source:?}"))?;
    Ok(repository(project, found, settings)?.full_name)
}

fn repository(
    project: &Project,
    source: &ProjectSource,
    settings: &PreviewSettings,
) -> Result<ProjectRepository, String> {
    check_clone_url(&source.repository_url, settings)?;
    super::check::check_branch(&source.branch)?;
    let annotation = format!("{REPOSITORY_PREFIX}{}", source.name);
    let full_name = match project.annotations().get(&annotation) {
        Some(name) => name.parse().map_err(|e| format!("{annotation}: {e}"))?,
        None => RepositoryName::from_clone_url(&source.repository_url).ok_or_else(|| {
            format!("its URL does not tell the repository's name: set the annotation {annotation} to OWNER/NAME")
        })?,
    };
    Ok(ProjectRepository {
        source: source.name.clone(),
        full_name,
        clone_url: source.repository_url.clone(),
        branch: source.branch.clone(),
    })
}

/// What the operator's condition Ready complains about.
fn said_by_operator(project: &Project) -> Option<String> {
    let conditions = project.status.iter().flat_map(|status| &status.conditions);
    conditions
        .filter(|c| c.type_ == "Ready" && c.status == "False")
        .map(|c| c.message.clone())
        .next()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use catalyst_crd::ProjectSpec;

    fn project(sources: &[(&str, &str)]) -> Project {
        let sources = sources.iter().map(|(name, url)| ProjectSource {
            name: (*name).into(),
            repository_url: (*url).into(),
            branch: "main".into(),
        });
        let mut project = Project::new(
            "shop",
            ProjectSpec {
                sources: sources.collect(),
                ..ProjectSpec::default()
            },
        );
        project.metadata.namespace = Some("acme".into());
        project
    }

    fn names(sync: &ProjectSync) -> Vec<&str> {
        let names = sync.repositories.iter();
        names.map(|it| it.full_name.as_str()).collect()
    }

    #[test]
    fn a_project_made_with_kubectl_is_read_like_any_other() {
        let mut made = project(&[
            ("primary", "https://github.com/acme/shop.git"),
            ("source-2", "https://github.com/mirror/x"),
        ]);
        let key = format!("{REPOSITORY_PREFIX}source-2");
        made.annotations_mut().insert(key, "acme/api".into());
        let sync = read(&made, "eu-1", &[], &PreviewSettings::default());
        assert_eq!(
            (sync.team.as_str(), sync.project.as_str()),
            ("acme", "shop")
        );
        assert_eq!(names(&sync), ["acme/shop", "acme/api"]);
        assert_eq!(sync.problem, None);
    }

    #[test]
    fn one_bad_source_does_not_spoil_the_others_and_is_said() {
        let made = project(&[
            ("primary", "https://github.com/acme/shop.git"),
            ("source-2", "http://169.254.169.254/acme/meta"),
        ]);
        let sync = read(&made, "eu-1", &[], &PreviewSettings::default());
        assert_eq!(names(&sync), ["acme/shop"]);
        assert!(sync.problem.unwrap().starts_with("source source-2: "));
    }

    #[test]
    fn a_label_cannot_move_a_project_into_another_team() {
        let mut made = project(&[("primary", "https://github.com/acme/shop.git")]);
        made.labels_mut().insert(TEAM.into(), "rivals".into());
        let sync = read(&made, "eu-1", &[], &PreviewSettings::default());
        assert_eq!(sync.team, "acme");
        assert!(sync.repositories.is_empty());
        assert!(sync.problem.unwrap().contains("rivals"));
    }

    #[test]
    fn what_the_operator_complains_about_is_the_problem() {
        use catalyst_crd::{ConditionType, conditions::condition};
        let mut made = project(&[("primary", "https://github.com/acme/shop.git")]);
        let now = k8s_openapi::jiff::Timestamp::UNIX_EPOCH;
        let said = "template helm: no path";
        made.status = Some(catalyst_crd::ProjectStatus {
            conditions: vec![condition(
                ConditionType::Ready,
                Some(false),
                "Bad",
                said,
                Some(1),
                now,
            )],
        });
        let settings = PreviewSettings::default();
        let sync = read(&made, "eu-1", &[], &settings);
        assert_eq!(sync.problem.as_deref(), Some(said));
        assert_eq!(names(&sync), ["acme/shop"]);
        // And that it is not the only one of its name.
        let sync = read(&made, "eu-1", &["eu-2"], &settings);
        let problem = sync.problem.unwrap();
        assert!(
            problem.starts_with(said) && problem.contains("stands in eu-2 too"),
            "{problem}"
        );
    }
}
