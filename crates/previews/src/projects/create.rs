//! Making a project.

use catalyst_cluster::Cluster;
use catalyst_crd::labels::{NAMESPACE_TYPE, PROJECT, REPOSITORY_PREFIX, TEAM, WEB_MANAGER};
use catalyst_crd::project::ProjectSource;
use catalyst_crd::{Project, ProjectSpec};
use catalyst_model::ids::RepositoryName;
use catalyst_model::names::{project_namespace, team_namespace};
use catalyst_model::views::ProjectView;
use catalyst_store::Scope;
use kube::ResourceExt;
use serde_json::json;

use super::check::{Checked, check};
use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;

/// The name of a project's first source.
const PRIMARY: &str = "primary";
/// The type of environment that pull requests get, which presets are templates for.
pub(super) const DEVELOPMENT: &str = "development";

/// A project to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProject {
    /// The team's name, a DNS-1123 label.
    pub team: String,
    /// The project's name, a DNS-1123 label.
    pub name: String,
    /// The first repository, `OWNER/NAME` as GitHub spells it.
    pub repository: String,
    /// What `git clone` is given; absent: the repository on the GitHub that is used, over https.
    pub clone_url: Option<String>,
    /// The branch that is run where no commit is named.
    pub branch: String,
    /// The GitHub App's installation that reaches it, or `pat`; absent: found out where we act as
    /// an App.
    pub installation_id: Option<String>,
    /// The cluster that its previews are to live in; absent: the default one.
    pub cluster: Option<String>,
    /// The preset that its previews are run by, by name; absent: found out from the repository.
    pub preset: Option<String>,
}

impl Previews {
    /// Makes a project; takes an operator, since its repository is cloned with Catalyst's own access to
    /// GitHub, which is wider than a team's. Making the same one again changes nothing.
    ///
    /// # Errors
    /// `Invalid` names the field that is wrong; `Conflict` where the name stands for something
    /// else already.
    pub async fn create_project(
        &self,
        actor: &Actor,
        new: NewProject,
    ) -> Result<ProjectView, Error> {
        let action = format!("making a project in team {}", new.team);
        actor.needs_to_write(|| action.clone())?;
        actor.needs_operator(&action)?;
        let wanted = new.cluster.clone();
        let mut checked = check(new, &self.inner.settings)?;
        self.refuse_shared_namespace(&checked).await?;

        let (team, name) = (checked.team.as_str(), checked.name.as_str());
        let namespace = team_namespace(team);
        let cluster = self.cluster_for(&checked, wanted.as_deref()).await?;
        let labels = [(NAMESPACE_TYPE, "team"), (TEAM, team)];
        cluster.ensure_namespace(&namespace, &labels).await?;
        let projects = cluster.objects::<Project>();
        if checked.installation_id.is_none() {
            checked.installation_id = self.find_installation(&checked).await;
        }
        let mut project = project(&checked, &namespace);
        let present = projects.get(&namespace, name).await?;
        if let Some(present) = present {
            if present.spec.sources.first() != project.spec.sources.first() {
                return Err(Error::Conflict(format!(
                    "team {team} has a project {name} with another repository: choose another name, or change the Project with kubectl"
                )));
            }
            keep_template(&mut project, &present)?;
        }
        let project = projects.apply(WEB_MANAGER, &project).await?;
        self.sync_project(&project, cluster.name(), &[]).await?;
        let details = json!({
            "repository": checked.repository.as_str(),
            "cluster": cluster.name(),
        });
        self.audit(actor, "project.create", &format!("{team}/{name}"), details)
            .await?;
        self.find_project(actor, team, name).await
    }

    /// What a clone gets its credentials by, should the repository be private; `None` where it
    /// has to be public.
    async fn find_installation(&self, new: &Checked) -> Option<String> {
        let github = self.inner.github.as_ref()?;
        if self.inner.settings.git_token_pat_mode && github.personal_token().is_some() {
            return Some("pat".to_owned());
        }
        match github.installation(&new.repository).await {
            Ok(found) => found.map(|id| id.to_string()),
            Err(e) => {
                tracing::warn!(
                    repository = new.repository.as_str(),
                    error = self.redacted_chain(&e),
                    "the GitHub App was not found on the repository, so it can be cloned only while it is public"
                );
                None
            }
        }
    }

    /// The cluster to make it in: a project that is there stays where it is.
    async fn cluster_for(&self, new: &Checked, wanted: Option<&str>) -> Result<&Cluster, Error> {
        let (team, name) = (new.team.as_str(), new.name.as_str());
        let places = &self.inner.places;
        let place = places.get(wanted).map_err(|e| Error::Invalid {
            field: "cluster",
            problem: e.to_string(),
        })?;
        let before = self.inner.store.project_cluster(team, name).await?;
        let Some(before) = before else {
            return Ok(&place.cluster);
        };
        let home = places.get(before.as_deref());
        let home = home.map_err(|e| Error::Conflict(e.to_string()))?;
        if wanted.is_some() && home.cluster.name() != place.cluster.name() {
            return Err(Error::Conflict(format!(
                "team {team} has a project {name} in cluster {} already: choose another name, or delete the Project there first",
                home.cluster.name()
            )));
        }
        Ok(&home.cluster)
    }

    /// Two projects whose names join to one namespace would share their Environments:
    /// (a-b, c) and (a, b-c).
    async fn refuse_shared_namespace(&self, new: &Checked) -> Result<(), Error> {
        let (team, name) = (new.team.as_str(), new.name.as_str());
        let namespace = project_namespace(team, name);
        let all = self.inner.store.list_projects(Scope::All).await?;
        let same = |it: &ProjectView| it.team == team && it.name == name;
        let taken = all.iter().any(|it| {
            let theirs = project_namespace(&it.team, &it.name);
            (theirs == namespace && !same(it)) || team_namespace(&it.team) == namespace
        });
        if taken
            || all
                .iter()
                .any(|it| project_namespace(&it.team, &it.name) == team)
        {
            return Err(Error::Conflict(format!(
                "the namespace {namespace} or {team} is another team's or project's: choose another name"
            )));
        }
        Ok(())
    }

    async fn find_project(
        &self,
        actor: &Actor,
        team: &str,
        name: &str,
    ) -> Result<ProjectView, Error> {
        let mut all = self.projects(actor).await?;
        let found = all.iter().position(|it| it.team == team && it.name == name);
        match found {
            Some(index) => Ok(all.swap_remove(index)),
            None => Err(Error::NotFound {
                what: "project",
                id: format!("{team}/{name}"),
            }),
        }
    }
}

/// A project that is there keeps how it is run: no preset takes that away, and one replaces nothing
/// that was written since.
fn keep_template(project: &mut Project, present: &Project) -> Result<(), Error> {
    let there = present.spec.templates.get(DEVELOPMENT);
    match (project.spec.templates.get(DEVELOPMENT), there) {
        (Some(wanted), Some(there)) if wanted != there => Err(Error::Conflict(format!(
            "the project {} has a template {DEVELOPMENT} already: change it with kubectl instead of choosing a preset",
            project.name_any()
        ))),
        // What is ours and is not named again would be removed; what is not ours stays by itself.
        (None, Some(there)) if is_made_here(present) => {
            let there = there.clone();
            project.spec.templates.insert(DEVELOPMENT.to_owned(), there);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether its template was made of a preset.
fn is_made_here(present: &Project) -> bool {
    let fields = present.metadata.managed_fields.iter().flatten();
    fields
        .filter(|entry| entry.manager.as_deref() == Some(WEB_MANAGER))
        .filter_map(|entry| entry.fields_v1.as_ref())
        .any(|fields| fields.0["f:spec"]["f:templates"].is_object())
}

fn project(new: &Checked, namespace: &str) -> Project {
    let mut project = Project::new(
        new.name.as_str(),
        ProjectSpec {
            github_installation_id: new.installation_id.clone(),
            sources: vec![ProjectSource {
                name: PRIMARY.to_owned(),
                repository_url: new.clone_url.clone(),
                branch: new.branch.clone(),
            }],
            templates: new
                .template
                .iter()
                .map(|template| (DEVELOPMENT.to_owned(), template.clone()))
                .collect(),
            ..ProjectSpec::default()
        },
    );
    project.metadata.namespace = Some(namespace.to_owned());
    let labels = project.labels_mut();
    labels.insert(TEAM.to_owned(), new.team.to_string());
    labels.insert(PROJECT.to_owned(), new.name.to_string());
    if RepositoryName::from_clone_url(&new.clone_url).as_ref() != Some(&new.repository) {
        let key = format!("{REPOSITORY_PREFIX}{PRIMARY}");
        let repository = new.repository.to_string();
        project.annotations_mut().insert(key, repository);
    }
    project
}
