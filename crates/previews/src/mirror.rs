//! What a cluster says, as its watches last told it.

use std::sync::{Arc, Mutex, PoisonError};

use catalyst_crd::{Environment, Project};
use kube::runtime::reflector::store::{Store, Writer};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher;
use tokio::sync::watch;

/// Every Environment and Project of a cluster.
pub(crate) struct Mirror {
    environments: Store<Environment>,
    projects: Store<Project>,
    writers: Mutex<Option<Writers>>,
    told: watch::Sender<Told>,
}

/// Of which kind the watches have told all that there is.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    environments: bool,
    projects: bool,
}

/// The hands that keep the mirror: only one task has them.
pub(crate) struct Writers {
    pub environments: Writer<Environment>,
    pub projects: Writer<Project>,
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mirror")
    }
}

impl Mirror {
    pub fn new() -> Self {
        let (environments, environment_writer) = reflector::store();
        let (projects, project_writer) = reflector::store();
        Self {
            environments,
            projects,
            writers: Mutex::new(Some(Writers {
                environments: environment_writer,
                projects: project_writer,
            })),
            told: watch::Sender::default(),
        }
    }

    /// Every Environment that there was has been told.
    pub fn note_environments(&self) {
        self.told.send_modify(|told| told.environments = true);
    }

    /// Every Project that there was has been told.
    pub fn note_projects(&self) {
        self.told.send_modify(|told| told.projects = true);
    }

    /// Whether an Environment that is not here is not there either.
    pub fn has_environments(&self) -> bool {
        self.told.borrow().environments
    }

    /// Whether a Project that is not here is not there either.
    pub fn has_projects(&self) -> bool {
        self.told.borrow().projects
    }

    /// Whether both watches have told what there is.
    pub fn is_ready(&self) -> bool {
        self.has_environments() && self.has_projects()
    }

    /// The writers, for the first one who asks.
    pub fn take_writers(&self) -> Option<Writers> {
        self.writers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Waits until both watches have told what there is. Before, a missing object means nothing.
    pub async fn ready(&self) {
        let mut told = self.told.subscribe();
        // Never an error: the sender is here.
        let _ = told
            .wait_for(|told| told.environments && told.projects)
            .await;
    }

    pub fn environment(&self, namespace: &str, name: &str) -> Option<Arc<Environment>> {
        self.environments
            .get(&ObjectRef::new(name).within(namespace))
    }

    pub fn environments(&self) -> Vec<Arc<Environment>> {
        self.environments.state()
    }

    pub fn project(&self, team_namespace: &str, name: &str) -> Option<Arc<Project>> {
        self.projects
            .get(&ObjectRef::new(name).within(team_namespace))
    }

    pub fn projects(&self) -> Vec<Arc<Project>> {
        self.projects.state()
    }
}

/// The object that an event brings, where it brings one, and whether it is gone.
pub(crate) fn object<K>(event: &watcher::Event<K>) -> Option<(&K, bool)> {
    match event {
        watcher::Event::Apply(object) | watcher::Event::InitApply(object) => Some((object, false)),
        watcher::Event::Delete(object) => Some((object, true)),
        watcher::Event::Init | watcher::Event::InitDone => None,
    }
}
