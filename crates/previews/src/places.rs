//! The clusters that previews live in, each with what its watches last told of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use catalyst_cluster::{Cluster, ClusterError, Clusters, Health};
use catalyst_model::usage::Capacity;
use catalyst_store::Preview;
use chrono::{SecondsFormat, TimeDelta, Utc};
use futures::future::{join_all, select_all};
use tokio::sync::{Mutex, Semaphore};

use crate::mirror::Mirror;

/// How long the others are waited for once one cluster has told all that there is.
const STRAGGLERS: Duration = Duration::from_secs(10);

/// A silence that is shorter may be one lost connection: then asking once more helps.
const HICCUP: TimeDelta = TimeDelta::seconds(5);

/// One cluster.
#[derive(Debug)]
pub(crate) struct Place {
    pub cluster: Cluster,
    pub mirror: Mirror,
    /// The hands that work on its previews: each cluster has its own, so that one which does not
    /// answer holds up none of the others'.
    pub hands: Arc<Semaphore>,
    /// What it has, and when it was asked.
    pub capacity: Mutex<Option<(Instant, Result<Capacity, String>)>>,
}

impl Place {
    /// Why there is no use in asking it now: it has not answered for a while.
    pub fn silence(&self) -> Option<String> {
        match self.cluster.health() {
            Health::Silent { since, why } if Utc::now() - since > HICCUP => {
                let name = self.cluster.name();
                let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
                Some(format!(
                    "cluster {name} has not answered since {since}: {why}"
                ))
            }
            _ => None,
        }
    }
}

/// All of them; never empty.
#[derive(Debug)]
pub(crate) struct Places {
    clusters: Clusters,
    all: Vec<Place>,
}

impl Places {
    /// With so many hands each.
    pub fn new(clusters: Clusters, hands: usize) -> Self {
        let place = |cluster: &Cluster| Place {
            cluster: cluster.clone(),
            mirror: Mirror::new(),
            hands: Arc::new(Semaphore::new(hands)),
            capacity: Mutex::default(),
        };
        // The default one first: of several that could be meant, it is.
        let default = clusters.default_cluster();
        let others = clusters.iter().filter(|it| it.name() != default.name());
        let all = std::iter::once(default).chain(others).map(place).collect();
        Self { clusters, all }
    }

    /// The default one first.
    pub fn iter(&self) -> impl Iterator<Item = &Place> {
        self.all.iter()
    }

    /// The default one.
    pub fn default(&self) -> &Place {
        &self.all[0]
    }

    /// The place of this name, or the default one.
    pub fn get(&self, name: Option<&str>) -> Result<&Place, ClusterError> {
        let name = self.clusters.get(name)?.name();
        let place = self.all.iter().find(|it| it.cluster.name() == name);
        // Never missing: there is one for each cluster.
        Ok(place.unwrap_or(&self.all[0]))
    }

    /// Where a preview lives.
    pub fn of(&self, preview: &Preview) -> Result<&Place, ClusterError> {
        self.get(preview.cluster.as_deref())
    }

    /// Where a preview lives, by name, whether that is configured or not.
    pub fn name_of<'a>(&'a self, preview: &'a Preview) -> &'a str {
        let default = self.clusters.default_cluster().name();
        preview.cluster.as_deref().unwrap_or(default)
    }

    /// The clusters with no hand free, as [`catalyst_store::Store::claim_work_except`] calls them.
    pub fn busy(&self) -> Vec<&str> {
        let default = self.clusters.default_cluster().name();
        let mut busy = Vec::new();
        for place in self
            .all
            .iter()
            .filter(|it| it.hands.available_permits() == 0)
        {
            busy.push(place.cluster.name());
            if place.cluster.name() == default {
                busy.push("");
            }
        }
        busy
    }

    /// Whether no cluster has a hand free.
    pub fn all_busy(&self) -> bool {
        self.all.iter().all(|it| it.hands.available_permits() == 0)
    }

    /// Waits until the clusters have told what there is: all of them, or those that do so soon
    /// after the first one.
    pub async fn ready(&self) {
        let first = select_all(self.all.iter().map(|it| Box::pin(it.mirror.ready())));
        first.await;
        let all = join_all(self.all.iter().map(|it| it.mirror.ready()));
        let _ = tokio::time::timeout(STRAGGLERS, all).await;
    }
}
