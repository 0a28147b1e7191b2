//! Following the clusters' Projects, and their previews with them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use catalyst_crd::Project;
use catalyst_model::names::team_namespace;
use catalyst_model::state::PreviewStatus;
use catalyst_store::Scope;
use futures::StreamExt;
use kube::ResourceExt;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher;

use super::home::{Home, Told, home};
use crate::Previews;
use crate::error::Error;
use crate::mirror::object;
use crate::places::Place;

/// The generation of each Project that was taken over last, by `team/name`.
pub(crate) type Generations = Mutex<HashMap<String, Option<i64>>>;

impl Previews {
    pub(crate) async fn follow_projects(&self, place: &Place, mut mirror: Writer<Project>) {
        let mut events = std::pin::pin!(place.cluster.watch_projects());
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
                place.mirror.note_projects();
                self.look_at_all_projects().await;
            }
        }
    }

    /// Projects that went away while nobody watched bring no event.
    async fn look_at_all_projects(&self) {
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

    /// Keeps the store's projects in step; never returns. Several may do so at a time.
    pub(crate) async fn take_projects_over(&self) {
        loop {
            let working = self.inner.projects.next().await;
            let key = working.key();
            let Some((team, name)) = key.split_once('/') else {
                continue;
            };
            if let Err(e) = self.take_project_over(team, name).await {
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

    /// Takes over every Project that is known of.
    pub(crate) async fn sweep_projects(&self) -> Result<(), Error> {
        let stored = self.inner.store.list_projects(Scope::All).await?;
        let mut keys: BTreeSet<(String, String)> =
            stored.into_iter().map(|it| (it.team, it.name)).collect();
        for place in self.inner.places.iter() {
            let standing = place.mirror.projects();
            keys.extend(
                standing
                    .iter()
                    .map(|it| (it.namespace().unwrap_or_default(), it.name_any())),
            );
        }
        for (team, name) in keys {
            if let Err(e) = self.take_project_over(&team, &name).await {
                // The others are taken over all the same.
                tracing::warn!(
                    project = format!("{team}/{name}"),
                    error = self.redacted_chain(&e),
                    "a project could not be taken over"
                );
            }
        }
        Ok(())
    }

    async fn take_project_over(&self, team: &str, name: &str) -> Result<(), Error> {
        let (store, places) = (&self.inner.store, &self.inner.places);
        let namespace = team_namespace(team);
        let standing: Vec<(&Place, Option<Arc<Project>>)> = places
            .iter()
            .map(|place| (place, place.mirror.project(&namespace, name)))
            .collect();
        let told: Vec<(&str, Told)> = standing
            .iter()
            .map(|(place, project)| {
                let told = match project {
                    Some(_) => Told::Present,
                    None if place.mirror.has_projects() => Told::Absent,
                    None => Told::Nothing,
                };
                (place.cluster.name(), told)
            })
            .collect();
        let before = match store.project_cluster(team, name).await? {
            // Made before clusters had names.
            Some(None) => Some(places.get(None)?.cluster.name().to_owned()),
            Some(cluster) => cluster,
            None => None,
        };
        let cluster = match home(before.as_deref(), &told) {
            Home::In(cluster) => cluster,
            Home::MovedTo(cluster) => {
                tracing::info!(
                    component = crate::COMPONENT,
                    event = "project-moved",
                    team,
                    project = name,
                    cluster
                );
                store.move_project(team, name, cluster).await?;
                cluster
            }
            Home::Left(cluster) => return self.let_project_go(team, name, cluster).await,
            Home::Unknown => return Ok(()),
        };
        let here = |(place, _): &&(&Place, Option<Arc<Project>>)| place.cluster.name() == cluster;
        let others: Vec<&str> = told
            .iter()
            .filter(|(other, told)| *other != cluster && *told == Told::Present)
            .map(|(other, _)| *other)
            .collect();
        match standing.iter().find(here) {
            Some((_, Some(project))) => self.keep_project(project, cluster, &others).await,
            _ => Ok(()),
        }
    }

    /// Takes a Project over from the cluster that it lives in.
    async fn keep_project(
        &self,
        project: &Project,
        cluster: &str,
        others: &[&str],
    ) -> Result<(), Error> {
        self.sync_project(project, cluster, others).await?;
        let (team, name) = (project.namespace().unwrap_or_default(), project.name_any());
        let generation = project.metadata.generation;
        let before = self
            .generations()
            .insert(format!("{team}/{name}"), generation);
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

    /// Removes a project and its previews, if its cluster says itself that it is gone: the mirror
    /// may lag, the cluster does not.
    async fn let_project_go(&self, team: &str, name: &str, cluster: &str) -> Result<(), Error> {
        let place = self.inner.places.get(Some(cluster))?;
        if let Some(silence) = place.silence() {
            return Err(Error::Conflict(silence));
        }
        let projects = place.cluster.objects::<Project>();
        if let Some(project) = projects.get(&team_namespace(team), name).await? {
            return self.keep_project(&project, cluster, &[]).await;
        }
        let key = format!("{team}/{name}");
        self.generations().remove(&key);
        if self.inner.store.remove_project(team, name).await? {
            tracing::info!(
                component = crate::COMPONENT,
                event = "project-removed",
                team,
                project = name,
                cluster
            );
            self.remove_previews_of(team, name).await?;
            // It may stand in another cluster by now.
            self.inner.projects.add(&key);
        }
        Ok(())
    }

    fn generations(&self) -> std::sync::MutexGuard<'_, HashMap<String, Option<i64>>> {
        let generations = &self.inner.generations;
        generations.lock().unwrap_or_else(PoisonError::into_inner)
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
