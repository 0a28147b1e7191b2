//! What those who run Catalyst look at.

use std::collections::BTreeSet;
use std::time::Duration;

use catalyst_cluster::chain;
use catalyst_model::views::OperationsView;
use catalyst_store::Scope;
use chrono::{TimeDelta, Utc};
use futures::future::join_all;

use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;
use crate::places::Place;
use crate::read::isolation::not_enforced;

/// How many given-up deliveries are shown.
const FAILED: u32 = 100;

/// How long the page waits for a cluster.
const PATIENCE: Duration = Duration::from_secs(3);

impl Previews {
    /// Counts over all teams, and everything that was given up or does not work as it should.
    ///
    /// # Errors
    /// `Forbidden` for everyone but operators.
    pub async fn operations(&self, actor: &Actor) -> Result<OperationsView, Error> {
        actor.needs_operator("looking at the operators' page")?;
        let store = &self.inner.store;
        let mut notices = self.inner.settings.notices.clone();
        if self.inner.github.is_none() {
            notices.push(
                "GitHub is not configured: previews get no comments and no commit statuses, and missed events are not noticed. Set GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY, or GITHUB_PAT.".to_owned(),
            );
        }
        if let Some(trouble) = self.inner.announced.trouble() {
            notices.push(format!("GitHub could not be told of a preview: {trouble}"));
        }
        for place in self.inner.places.iter() {
            notices.extend(not_enforced(&place.mirror.environments()));
        }
        notices.extend(self.silent_clusters().await);
        notices.extend(self.unknown_clusters().await?);
        Ok(OperationsView {
            counts: store.count_previews(Scope::All).await?,
            failed_cleanups: store.failed_cleanups().await?,
            failed_deliveries: store.given_up_deliveries(FAILED).await?,
            queued_deliveries: store.count_queued_deliveries().await?,
            notices,
            median_seconds_to_ready: store
                .median_seconds_to_ready(Utc::now() - TimeDelta::hours(24))
                .await?,
        })
    }

    /// What is wrong with the clusters, each asked now.
    async fn silent_clusters(&self) -> Vec<String> {
        let ask = |place: &'_ Place| {
            let (cluster, silence) = (place.cluster.clone(), place.silence());
            async move {
                if silence.is_some() {
                    return silence;
                }
                match tokio::time::timeout(PATIENCE, cluster.ping()).await {
                    Ok(Ok(())) => None,
                    Ok(Err(e)) => Some(chain(&e)),
                    Err(_) => Some(format!(
                        "cluster {} has not answered within {} s",
                        cluster.name(),
                        PATIENCE.as_secs()
                    )),
                }
            }
        };
        let said = join_all(self.inner.places.iter().map(ask)).await;
        let redactor = &self.inner.settings.redactor;
        let said = said.into_iter().flatten();
        said.map(|text| redactor.redact(&text).into_owned())
            .collect()
    }

    /// The clusters that projects or previews live in and that are not configured.
    async fn unknown_clusters(&self) -> Result<Vec<String>, Error> {
        let store = &self.inner.store;
        let projects = store.list_projects(Scope::All).await?;
        let previews = store.present_previews().await?;
        let named = projects.into_iter().filter_map(|it| it.cluster);
        let named: BTreeSet<String> = named
            .chain(previews.into_iter().filter_map(|it| it.cluster))
            .collect();
        let unknown = named
            .iter()
            .filter_map(|name| self.inner.places.get(Some(name)).err());
        Ok(unknown
            .map(|e| format!("The previews of a cluster cannot be followed: {e}"))
            .collect())
    }
}
