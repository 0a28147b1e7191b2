//! Following the cluster's Projects, and their previews with them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use catalyst_crd::Project;
use catalyst_model::names::team_namespace;
use catalyst_model::state::PreviewStatus;
use catalyst_store::Scope;
use futures::StreamExt;
use kube::ResourceExt;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher;

use crate::Previews;
use crate::error::Error;
use crate::mirror::object;

/// The generation of each Project that was taken over last, by `team/name`.
type Generations = Mutex<HashMap<String, Option<i64>>>;

impl Previews {
    pub(crate) async fn follow_projects(&self, mut mirror: Writer<Project>) {
        let mut events = std::pin::pin!(self.inner.cluster.watch_projects());
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => event,
                Err(e) => {
                    tracing::warn!(
                        error = self.redacted_chain(&e),
                        "the watch is taken up again"
                    );
                    continue;
                }
            };
            mirror.apply_watcher_event(&event);
            if let Some((project, _)) = object(&event) {
                let namespace = project.namespace().unwrap_or_default();
                let key = format!("{namespace}/{}", project.name_any());
                self.inner.projects.add(&key);
            }
            if matches!(event, watcher::Event::InitDone) {
                self.look_at_all_projects().await;
            }
        }
    }

    /// Projects that went away while nobody watched bring no event.
    pub(crate) async fn look_at_all_projects(&self) {
        match self.inner.store.list_projects(Scope::All).await {
            Ok(all) => {
                for it in all {
                    self.inner.projects.add(&format!("{}/{}", it.team, it.name));
                }
            }
            Err(e) => tracing::warn!(
                error = self.redacted_chain(&e),
                "the projects could not be listed"
            ),
        }
    }

    /// Keeps the store's projects in step; never returns.
    pub(crate) async fn take_projects_over(&self) {
        self.inner.mirror.ready().await;
        let generations = Generations::default();
        loop {
            let working = self.inner.projects.next().await;
            let key = working.key();
            let Some((team, name)) = key.split_once('/') else {
                continue;
            };
            if let Err(e) = self.take_project_over(team, name, &generations).await {
                let wait = self.inner.settings.first_wait;
                tracing::warn!(
                    project = key,
                    error = self.redacted_chain(&e),
                    "a project could not be taken over; it is tried again"
                );
                self.inner.projects.add_after(key, wait);
            }
        }
    }

    async fn take_project_over(
        &self,
        team: &str,
        name: &str,
        generations: &Generations,
    ) -> Result<(), Error> {
        let key = format!("{team}/{name}");
        let seen = || generations.lock().unwrap_or_else(PoisonError::into_inner);
        let namespace = team_namespace(team);
        let mut project = self.inner.mirror.project(&namespace, name);
        if project.is_none() {
            // What is removed takes its previews along: the mirror may lag, the cluster does not.
            let api = self.inner.cluster.projects(&namespace);
            let read = api.get_opt(name).await;
            let read = read.map_err(|e| Error::unavailable("a Project could not be read", e))?;
            project = read.map(Arc::new);
        }
        let Some(project) = project else {
            seen().remove(&key);
            if self.inner.store.remove_project(team, name).await? {
                tracing::info!(
                    component = crate::COMPONENT,
                    event = "project-removed",
                    team,
                    project = name
                );
                self.remove_previews_of(team, name).await?;
            }
            return Ok(());
        };
        self.sync_project(&project).await?;
        let generation = project.metadata.generation;
        let before = seen().insert(key, generation);
        if before.is_some_and(|before| before != generation) {
            // Its sources may have changed, and so what its Environments ask for.
            for preview in self.inner.store.present_previews().await? {
                if preview.team == team && preview.project == name {
                    self.schedule_work(&preview.id).await?;
                }
            }
        }
        Ok(())
    }

    async fn remove_previews_of(&self, team: &str, project: &str) -> Result<(), Error> {
        for preview in self.inner.store.present_previews().await? {
            let its = preview.team == team && preview.project == project;
            if its && preview.status != PreviewStatus::Deleting {
                self.remove(&preview.id, "its project is gone").await?;
            }
        }
        Ok(())
    }
}
