//! The namespaces of one's teams, and what is in them.

use catalyst_model::names::{project_namespace, team_namespace};
use catalyst_model::namespaces::{NamespaceDetail, NamespaceKind, NamespaceView};
use catalyst_model::views::{PreviewFilter, PreviewSummary, ProjectView};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;

use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;

/// How many events are told.
const EVENTS: usize = 50;

/// How many previews are read at once.
const PAGE: u32 = 500;

impl Previews {
    /// The name of the cluster that previews are made in where nothing else is asked for.
    #[must_use]
    pub fn cluster_name(&self) -> &str {
        self.inner.places.default().cluster.name()
    }

    /// The namespaces of the actor's teams, projects and previews in a cluster, by name.
    ///
    /// A team has one in each cluster that it has projects in; while it has none, in the default
    /// cluster.
    ///
    /// # Errors
    /// `NotFound` where no cluster of this name is configured; `Unavailable` when the store does not
    /// answer.
    pub async fn namespaces(
        &self,
        actor: &Actor,
        cluster: &str,
    ) -> Result<Vec<NamespaceView>, Error> {
        let known = self.inner.places.get(Some(cluster));
        known.map_err(|_| Error::not_found("cluster", cluster))?;
        let default = self.cluster_name();
        let projects = self.projects(actor).await?;
        let home = |it: &ProjectView| it.cluster.as_deref().unwrap_or(default) == cluster;
        let mut all = Vec::new();
        for team in self.teams(actor).await? {
            let mut its = projects.iter().filter(|it| it.team == team.name).peekable();
            if its.peek().is_none() && cluster != default || its.peek().is_some() && !its.any(home)
            {
                continue;
            }
            all.push(NamespaceView {
                name: team_namespace(&team.name),
                kind: NamespaceKind::Team,
                team: team.name,
                project: None,
                preview: None,
            });
        }
        let here: Vec<_> = projects.into_iter().filter(|it| home(it)).collect();
        for project in &here {
            all.push(NamespaceView {
                name: project_namespace(&project.team, &project.name),
                kind: NamespaceKind::Project,
                team: project.team.clone(),
                project: Some(project.name.clone()),
                preview: None,
            });
        }
        let mut filter = PreviewFilter {
            limit: PAGE,
            ..PreviewFilter::default()
        };
        loop {
            let page = self.list(actor, &filter).await?;
            let read = page.previews.len();
            let of_these = |it: &PreviewSummary| {
                let mut here = here.iter();
                here.any(|project| project.team == it.team && project.name == it.project)
            };
            let previews = page.previews.into_iter().filter(of_these);
            all.extend(previews.map(|preview| NamespaceView {
                name: preview.namespace,
                kind: NamespaceKind::Environment,
                team: preview.team,
                project: Some(preview.project),
                preview: Some(preview.id),
            }));
            filter.offset += PAGE;
            if read < PAGE as usize {
                break;
            }
        }
        all.sort_by(|a, b| (&a.name, a.kind).cmp(&(&b.name, b.kind)));
        Ok(all)
    }

    /// One of these namespaces, with its pods and events.
    ///
    /// # Errors
    /// `NotFound` for all others, whether they are there or not; `Unavailable` when the cluster does
    /// not answer.
    pub async fn namespace(
        &self,
        actor: &Actor,
        cluster: &str,
        name: &str,
    ) -> Result<NamespaceDetail, Error> {
        let all = self.namespaces(actor, cluster).await?;
        let found = all.into_iter().find(|it| it.name == name);
        let namespace = found.ok_or_else(|| Error::not_found("namespace", name))?;
        let cluster = &self.inner.places.get(Some(cluster))?.cluster;
        let api: Api<Namespace> = Api::all(cluster.client());
        let action = || format!("cannot read the namespace {name}");
        let present = api.get_opt(name).await;
        let present = present.map_err(|e| Error::unavailable(action(), e))?;
        let (pods, events) = match &present {
            Some(_) => tokio::try_join!(cluster.pods(name), cluster.events(name, EVENTS))
                .map_err(|e| Error::unavailable(action(), e))?,
            None => (Vec::new(), Vec::new()),
        };
        let created_at = present.as_ref().and_then(|it| {
            let at = it.metadata.creation_timestamp.as_ref()?;
            chrono::DateTime::from_timestamp(at.0.as_second(), 0)
        });
        Ok(NamespaceDetail {
            namespace,
            cluster: cluster.name().to_owned(),
            phase: present.and_then(|it| it.status?.phase),
            created_at,
            pods,
            events,
        })
    }
}
