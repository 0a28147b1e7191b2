//! The namespaces of one's teams, and what is in them.

use catalyst_cluster::Cluster;
use catalyst_model::names::{project_namespace, team_namespace};
use catalyst_model::namespaces::{NamespaceDetail, NamespaceKind, NamespaceView};
use catalyst_model::views::PreviewFilter;
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

    /// The namespaces of the actor's teams, projects and previews, by name.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    pub async fn namespaces(&self, actor: &Actor) -> Result<Vec<NamespaceView>, Error> {
        let mut all = Vec::new();
        for team in self.teams(actor).await? {
            all.push(NamespaceView {
                name: team_namespace(&team.name),
                kind: NamespaceKind::Team,
                team: team.name,
                project: None,
                preview: None,
            });
        }
        for project in self.projects(actor).await? {
            all.push(NamespaceView {
                name: project_namespace(&project.team, &project.name),
                kind: NamespaceKind::Project,
                team: project.team,
                project: Some(project.name),
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
            all.extend(page.previews.into_iter().map(|preview| NamespaceView {
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
    pub async fn namespace(&self, actor: &Actor, name: &str) -> Result<NamespaceDetail, Error> {
        let all = self.namespaces(actor).await?;
        let found = all.into_iter().find(|it| it.name == name);
        let namespace = found.ok_or_else(|| Error::NotFound {
            what: "namespace",
            id: name.chars().take(100).collect(),
        })?;
        let cluster = self.cluster_of(actor, &namespace).await?;
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
    /// The cluster in which to look for a namespace. A team has one in each cluster that it has
    /// projects in; of those the default cluster's is meant.
    async fn cluster_of(
        &self,
        actor: &Actor,
        namespace: &NamespaceView,
    ) -> Result<&Cluster, Error> {
        let projects = match namespace.project {
            Some(_) => self.projects(actor).await?,
            None => Vec::new(),
        };
        let its = projects.iter().find(|it| {
            it.team == namespace.team && Some(&it.name) == namespace.project.as_ref()
        });
        let name = its.and_then(|it| it.cluster.as_deref());
        Ok(&self.inner.places.get(name)?.cluster)
    }
}
