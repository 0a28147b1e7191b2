//! What those who run Catalyst look at.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use catalyst_cluster::chain;
use catalyst_model::state::PreviewStatus;
use catalyst_model::usage::Capacity;
use catalyst_model::views::{
    ClusterOverview, OperationsView, PreviewCounts, PreviewFilter, PreviewOrder, TeamOverview,
};
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
        let stale_after = self.inner.settings.stale_after;
        let failing = PreviewFilter {
            statuses: vec![PreviewStatus::Failed],
            ..PreviewFilter::default()
        };
        let failing = self.list(actor, &failing).await?;
        let over_quota = PreviewFilter {
            over_quota: true,
            order: PreviewOrder::Cpu,
            ..PreviewFilter::default()
        };
        let over_quota = self.list(actor, &over_quota).await?;
        let stale = store.idle_previews(Utc::now() - stale_after).await?;
        Ok(OperationsView {
            counts: failing.counts,
            teams: self.team_overviews().await?,
            failing: failing.previews,
            over_quota: over_quota.previews,
            stale: stale.previews.iter().map(|it| self.summary(it)).collect(),
            stale_count: stale.matching,
            stale_days: u32::try_from(stale_after.as_secs() / 86_400).unwrap_or(u32::MAX),
            clusters: self.cluster_overviews().await,
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

    async fn team_overviews(&self) -> Result<Vec<TeamOverview>, Error> {
        let usage = &self.inner.usage;
        let mut used = usage.by_team();
        let teams = self.inner.store.count_previews_by_team().await?;
        let overview = |(team, counts): (String, PreviewCounts)| {
            let over_quota = usage.exceeding(|it| it == team).len();
            TeamOverview {
                used: used.remove(&team),
                counts: PreviewCounts {
                    over_quota: u32::try_from(over_quota).unwrap_or(u32::MAX),
                    ..counts
                },
                team,
            }
        };
        Ok(teams.into_iter().map(overview).collect())
    }

    async fn cluster_overviews(&self) -> Vec<ClusterOverview> {
        let places = self.inner.places.iter();
        let mut all = join_all(places.map(|it| self.cluster_overview(it))).await;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    async fn cluster_overview(&self, place: &Place) -> ClusterOverview {
        let name = place.cluster.name().to_owned();
        let (capacity, trouble) = match self.capacity(place).await {
            Ok(capacity) => (Some(capacity), None),
            Err(why) => (None, Some(why)),
        };
        let usage = &self.inner.usage;
        ClusterOverview {
            trouble: trouble.or_else(|| usage.unmeasured_in(&name)),
            previews: usage.of_cluster(&name),
            capacity,
            name,
        }
    }

    /// What a cluster has; it is asked at most once in the interval in which usage is measured,
    /// however many look.
    async fn capacity(&self, place: &Place) -> Result<Capacity, String> {
        let mut known = place.capacity.lock().await;
        if let Some((at, answer)) = &*known
            && at.elapsed() < self.inner.settings.usage_every
        {
            return answer.clone();
        }
        let answer = match place.silence() {
            Some(silence) => Err(silence),
            None => match tokio::time::timeout(PATIENCE, place.cluster.capacity()).await {
                Ok(Ok(capacity)) => Ok(capacity),
                Ok(Err(e)) => Err(self.redacted_chain(&e)),
                Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
            },
        };
        *known = Some((Instant::now(), answer.clone()));
        answer
    }
}
