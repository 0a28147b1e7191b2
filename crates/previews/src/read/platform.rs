//! A project's platform, and its Environments one by one.

use std::sync::Arc;

use catalyst_crd::labels::ENVIRONMENT_ID;
use catalyst_crd::{Environment, Project};
use catalyst_model::names::{
    environment_namespace, is_dns_1123_label, project_namespace, team_namespace,
};
use catalyst_model::platform::{
    EnvironmentBrief, EnvironmentPage, ProjectPlatform, RunView, SourceView, TemplateView,
};
use catalyst_model::state::{Phase, Role};
use catalyst_model::views::ProjectView;
use kube::ResourceExt;

use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;
use crate::observe::condition_views;
use crate::places::Place;
use crate::projects;

impl Previews {
    /// A project's platform, by its slug.
    ///
    /// # Errors
    /// `NotFound` for unknown and foreign projects alike.
    pub async fn platform(&self, actor: &Actor, slug: &str) -> Result<ProjectPlatform, Error> {
        let view = self.project_by_slug(actor, slug).await?;
        let (team, name) = (view.team.as_str(), view.name.as_str());
        let place = self.inner.places.get(view.cluster.as_deref())?;
        let project = project_object(place, team, name).await?;
        let environments = environments_of(place, team, name).await?;
        let mut briefs: Vec<_> = environments
            .iter()
            .map(|it| brief(it, team, name))
            .collect();
        briefs.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
        let spec = project.as_deref().map(|it| &it.spec);
        let redact = |text: String| self.inner.settings.redactor.redact(&text).into_owned();
        let development = spec.and_then(|it| it.templates.get("development"));
        let found = projects::found(environments.iter().map(Arc::as_ref));
        let run = RunView {
            found: found.map(|(condition, _)| redact(condition.message.clone())),
            alternatives: found.map_or_else(Vec::new, |(_, status)| projects::alternatives(status)),
            said: projects::said(development),
            fixed: development.and_then(projects::fixed),
            may_change: actor.has(Role::Admin, team),
        };
        let templates = spec.iter().flat_map(|it| &it.templates);
        let templates = templates.map(|(name, template)| TemplateView {
            name: name.clone(),
            kind: template.kind.clone(),
            configuration: template
                .config
                .as_ref()
                .and_then(|config| serde_yaml::to_string(config).ok())
                .map(redact),
        });
        let sources = spec.iter().flat_map(|it| &it.sources);
        Ok(ProjectPlatform {
            slug: project_namespace(team, name),
            problem: view.problem.clone(),
            installation: spec.and_then(|it| it.github_installation_id.clone()),
            sources: sources
                .map(|source| SourceView {
                    name: source.name.clone(),
                    url: source.repository_url.clone(),
                    branch: source.branch.clone(),
                })
                .collect(),
            run,
            templates: templates.collect(),
            environments: briefs,
            secrets: self.secrets(actor, team, name).await?,
            may_write_secrets: actor.has(Role::Admin, team),
            keeps_secrets: self.inner.settings.keyring.is_some(),
            team: view.team,
            name: view.name,
        })
    }

    /// One Environment of a project, by its name.
    ///
    /// # Errors
    /// `NotFound` names the project or the Environment that is missing; foreign ones are missing.
    pub async fn environment_page(
        &self,
        actor: &Actor,
        slug: &str,
        name: &str,
    ) -> Result<EnvironmentPage, Error> {
        let view = self.project_by_slug(actor, slug).await?;
        let (team, project) = (view.team.as_str(), view.name.as_str());
        let place = self.inner.places.get(view.cluster.as_deref())?;
        let environments = environments_of(place, team, project).await?;
        let found = environments.iter().find(|it| it.name_any() == name);
        let found = found.ok_or_else(|| Error::not_found("Environment", name))?;
        let brief = brief(found, team, project);
        let secrets = self.inner.store.secrets(team, project).await?;
        Ok(EnvironmentPage {
            project: project_namespace(team, project),
            conditions: self.redacted_conditions(found),
            pods: place.cluster.pods(&brief.namespace).await?,
            secrets: crate::secrets::names(&secrets, &brief.kind, name),
            brief,
        })
    }

    /// The Environment that runs in a namespace, with its project's team and name.
    ///
    /// # Errors
    /// `Invalid` for what is no namespace's name, `NotFound` where there is no such Environment or
    /// it is another team's.
    pub async fn environment_in(
        &self,
        actor: &Actor,
        namespace: &str,
    ) -> Result<EnvironmentPage, Error> {
        if !is_dns_1123_label(namespace) {
            return Err(Error::Invalid {
                field: "namespace",
                problem: "expected a DNS-1123 label of at most 63 characters".to_owned(),
            });
        }
        for project in self.projects(actor).await? {
            let (team, name) = (project.team.as_str(), project.name.as_str());
            let slug = project_namespace(team, name);
            if !namespace.starts_with(slug.get(..slug.len().min(57)).unwrap_or_default()) {
                continue;
            }
            let place = self.inner.places.get(project.cluster.as_deref())?;
            for environment in environments_of(place, team, name).await? {
                let its = environment.name_any();
                if environment_namespace(team, name, &its) == namespace {
                    return self.environment_page(actor, &slug, &its).await;
                }
            }
        }
        Err(Error::not_found("Environment in namespace", namespace))
    }

    /// The project whose Environments live in the namespace `slug`, or the one of this name where
    /// the actor sees one alone.
    pub(crate) async fn project_by_slug(
        &self,
        actor: &Actor,
        slug: &str,
    ) -> Result<ProjectView, Error> {
        let all = self.projects(actor).await?;
        let exact = |it: &&ProjectView| project_namespace(&it.team, &it.name) == slug;
        if let Some(found) = all.iter().find(exact) {
            return Ok(found.clone());
        }
        let mut named = all.iter().filter(|it| it.name == slug);
        match (named.next(), named.next()) {
            (Some(found), None) => Ok(found.clone()),
            _ => Err(Error::not_found("project", slug)),
        }
    }

    fn redacted_conditions(
        &self,
        environment: &Environment,
    ) -> Vec<catalyst_model::views::ConditionView> {
        let redactor = &self.inner.settings.redactor;
        let mut all = condition_views(environment);
        for condition in &mut all {
            condition.message = redactor.redact(&condition.message).into_owned();
        }
        all
    }
}

async fn project_object(
    place: &Place,
    team: &str,
    name: &str,
) -> Result<Option<Arc<Project>>, Error> {
    let namespace = team_namespace(team);
    if let Some(seen) = place.mirror.project(&namespace, name) {
        return Ok(Some(seen));
    }
    let read = place
        .cluster
        .objects::<Project>()
        .get(&namespace, name)
        .await;
    let read = read.map_err(|e| {
        Error::unavailable(format!("cannot read the Project {namespace}/{name}"), e)
    })?;
    Ok(read.map(Arc::new))
}

async fn environments_of(
    place: &Place,
    team: &str,
    project: &str,
) -> Result<Vec<Arc<Environment>>, Error> {
    let namespace = project_namespace(team, project);
    if place.mirror.has_environments() {
        let all = place.mirror.environments().into_iter();
        return Ok(all
            .filter(|it| it.namespace().as_deref() == Some(&namespace))
            .collect());
    }
    // Nobody watches in this process, or not yet.
    let list = place
        .cluster
        .objects::<Environment>()
        .list(&namespace)
        .await;
    let list = list.map_err(|e| {
        Error::unavailable(format!("cannot list the Environments of {namespace}"), e)
    })?;
    Ok(list.into_iter().map(Arc::new).collect())
}

fn brief(environment: &Environment, team: &str, project: &str) -> EnvironmentBrief {
    let status = environment.status.as_ref();
    let phase = status.and_then(|it| it.phase.as_deref());
    let phase = Phase::from_word(phase.unwrap_or_default());
    let source = environment.spec.sources.first();
    let name = environment.name_any();
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    EnvironmentBrief {
        namespace: environment_namespace(team, project, &name),
        kind: environment.spec.kind.clone(),
        phase,
        url: status
            .and_then(|it| it.url.as_deref())
            .filter(|_| matches!(phase, Phase::Ready | Phase::Degraded))
            .and_then(crate::observe::web_url),
        branch: source.and_then(|it| text(&it.branch)),
        commit: source.and_then(|it| text(&it.commit_sha)),
        preview: environment.annotations().get(ENVIRONMENT_ID).cloned(),
        name,
    }
}
