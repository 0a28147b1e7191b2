//! The namespaces of one's teams, and what is in them.

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
    /// The name of the cluster that previews are made in.
    #[must_use]
    pub fn cluster_name(&self) -> &str {
        self.inner.cluster.name()
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
        let cluster = &self.inner.cluster;
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
