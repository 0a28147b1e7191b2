//! Comparing what is wished for, what is, and what GitHub says; and having the differences seen
//! to. It changes next to nothing itself: it asks for work and looks, and those decide anew.

mod plan;

use catalyst_crd::Environment;
use catalyst_model::ids::PullRequestNumber;
use catalyst_model::names::project_namespace;
use catalyst_store::{Preview, Repository, Scope};
use chrono::{TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::Previews;
use crate::decide::{Decision, Facts, Rules, Source, decide};
use crate::error::Error;
use crate::inbox::{known, told};
use crate::places::Place;
use catalyst_github::GitHub;
use catalyst_github::event::PullRequestAction;
use plan::{Orphan, Wish, orphans, unmet};

/// The lease under which one process sweeps at a time.
const LEASE: &str = "sweep";

/// GitHub lets deliveries be sent again for three days; those are recognized for longer.
const DELIVERIES_KEPT: TimeDelta = TimeDelta::days(14);

impl Previews {
    /// Sweeps at the start and then at the settings' interval, until `stop`.
    pub(crate) async fn sweep_regularly(&self, stop: CancellationToken) {
        let sweeping = async {
            self.inner.places.ready().await;
            loop {
                if let Err(e) = self.learn_secrets().await {
                    tracing::warn!(
                        error = self.redacted_chain(&e),
                        "other processes' secrets could not be learned"
                    );
                }
                let done = self.sweep_alone().await;
                // Another process sweeps right now, or this sweep failed: look again sooner.
                let wait = match done {
                    true => self.inner.settings.sweep_every,
                    false => self.inner.settings.lease,
                };
                let next = tokio::time::sleep(wait.min(self.inner.settings.sweep_every));
                tokio::select! {
                    () = next => {}
                    () = self.remove_in_time() => {}
                }
            }
        };
        tokio::select! {
            () = sweeping => {}
            () = stop.cancelled() => {}
        }
    }

    /// Removes previews at the very time at which theirs is over; never returns. Should this process
    /// not know of a change that another one made, its next sweep finds it.
    async fn remove_in_time(&self) {
        loop {
            let next = match self.remove_expired().await {
                Ok(next) => next,
                Err(e) => {
                    let error = self.redacted_chain(&e);
                    tracing::warn!(component = crate::COMPONENT, event = "expiry-failed", error);
                    Some(self.inner.settings.lease)
                }
            };
            tokio::select! {
                () = self.inner.expiries.notified() => {}
                () = tokio::time::sleep(next.unwrap_or(self.inner.settings.sweep_every)) => {}
            }
        }
    }

    /// Sweeps unless another process does; whether it was done.
    async fn sweep_alone(&self) -> bool {
        let swept = self.holding(LEASE, self.sweep()).await;
        if let Some(Err(e)) = &swept {
            let error = self.redacted_chain(e);
            tracing::warn!(component = crate::COMPONENT, event = "sweep-failed", error);
        }
        matches!(swept, Some(Ok(())))
    }

    /// Compares store, clusters and GitHub once. A cluster that is known to be silent is left out. Doing it again right away changes nothing.
    ///
    /// # Errors
    /// `Unavailable` when the store or a cluster does not answer. What was noticed before is
    /// seen to all the same.
    pub async fn sweep(&self) -> Result<(), Error> {
        let started = std::time::Instant::now();
        self.sweep_projects().await?;
        let mut seen_to = 0;
        let mut failed = None;
        for place in self.inner.places.iter() {
            // What is not known of a cluster that has not told yet is compared once it has.
            if !place.mirror.is_ready() || place.silence().is_some() {
                continue;
            }
            match self.sweep_orphans(place).await {
                Ok(removed) => seen_to += removed,
                // The others are compared all the same.
                Err(e) => failed = Some(e),
            }
        }
        seen_to += self.sweep_previews().await?;
        let missed = match &self.inner.github {
            Some(github) => self.sweep_github(github).await?,
            None => 0,
        };
        let forgotten = Utc::now() - DELIVERIES_KEPT;
        self.inner.store.forget_deliveries(forgotten).await?;
        tracing::info!(
            component = crate::COMPONENT,
            event = "sweep-completed",
            seen_to,
            missed,
            took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        );
        failed.map_or(Ok(()), Err)
    }

    /// One cluster against the store: what nobody wants.
    async fn sweep_orphans(&self, place: &Place) -> Result<usize, Error> {
        let places = &self.inner.places;
        let environments = place.mirror.environments();
        let mut previews = self.inner.store.present_previews().await?;
        previews.retain(|it| places.name_of(it) == place.cluster.name());
        let age = self.inner.settings.orphan_age;
        let mut removed = 0;
        for Orphan { namespace, name } in orphans(&environments, &previews, Utc::now(), age) {
            // The mirror and the list are moments old: what is deleted is looked up once more.
            if self.is_wished_for(place, &namespace, &name).await? {
                continue;
            }
            tracing::warn!(
                component = crate::COMPONENT,
                event = "orphan-deleted",
                cluster = place.cluster.name(),
                namespace,
                environment = name
            );
            let environments = place.cluster.objects::<Environment>();
            environments.delete(&namespace, &name).await?;
            removed += 1;
        }
        Ok(removed)
    }

    /// The store against the clusters: what each preview lacks.
    async fn sweep_previews(&self) -> Result<usize, Error> {
        let store = &self.inner.store;
        let previews = store.present_previews().await?;
        let given_up = store.failed_cleanups().await?;
        let mut seen_to = 0;
        for preview in &previews {
            if given_up.iter().any(|it| it.id == preview.id) {
                continue;
            }
            seen_to += usize::from(self.see_to(preview).await?);
            seen_to += usize::from(self.take_up_approval(preview).await?);
        }
        self.announce_all(&previews).await?;
        Ok(seen_to)
    }

    /// Asks for what a preview lacks, as far as its cluster has told; whether it lacks anything.
    pub(crate) async fn see_to(&self, preview: &Preview) -> Result<bool, Error> {
        // What the watch told and could not be written down is told again.
        self.inner.news.add(&preview.id);
        let Ok(Place { mirror, .. }) = self.inner.places.of(preview) else {
            return Ok(false);
        };
        if !mirror.has_environments() {
            return Ok(false);
        }
        let namespace = project_namespace(&preview.team, &preview.project);
        let environment = mirror.environment(&namespace, &preview.environment);
        match unmet(preview, environment.as_deref()) {
            None => return Ok(false),
            Some(Wish::Work) => self.schedule_work(&preview.id).await?,
            Some(Wish::Removal) => {
                let why = "no project has its repository any more";
                self.remove(&preview.id, why).await?;
            }
        }
        Ok(true)
    }

    /// Whether the store wants this Environment after all.
    async fn is_wished_for(
        &self,
        place: &Place,
        namespace: &str,
        name: &str,
    ) -> Result<bool, Error> {
        let environments = place.cluster.objects::<Environment>();
        let read = environments.get(namespace, name).await?;
        let id = read.as_ref().and_then(crate::observe::preview_id);
        let Some(id) = id else {
            return Ok(true);
        };
        let preview = self.inner.store.preview(id).await?;
        Ok(preview.is_some_and(|it| {
            let here = self.inner.places.name_of(&it) == place.cluster.name();
            here && it.deleted_at.is_none() && it.environment == name
        }))
    }

    /// An approval whose look was lost on the way is looked at again.
    async fn take_up_approval(&self, preview: &Preview) -> Result<bool, Error> {
        if preview.blocked.is_none() {
            return Ok(false);
        }
        let pull_request = self.inner.store.pull_request(&preview.id).await?;
        let approved = pull_request.and_then(|it| it.approved_sha);
        let lost = approved.is_some() && approved == preview.commit;
        if lost {
            self.look_again_at(preview, "its approval was not taken up".to_owned())
                .await?;
        }
        Ok(lost)
    }

    /// Store against GitHub: pull requests whose events never came.
    async fn sweep_github(&self, github: &GitHub) -> Result<usize, Error> {
        let mut missed = 0;
        let teams = self.inner.store.list_projects(Scope::All).await?;
        let previews = self.inner.store.present_previews().await?;
        for project in teams {
            let store = &self.inner.store;
            let repositories = store
                .project_repositories(&project.team, &project.name)
                .await?;
            for repository in repositories {
                match self.sweep_repository(github, &repository, &previews).await {
                    Ok(found) => missed += found,
                    // One repository that GitHub does not show is no reason to skip the others.
                    Err(e) => tracing::warn!(
                        component = crate::COMPONENT,
                        event = "sweep-skipped",
                        repository = repository.full_name.as_str(),
                        error = self.redacted_chain(&e),
                    ),
                }
            }
        }
        Ok(missed)
    }

    async fn sweep_repository(
        &self,
        github: &GitHub,
        repository: &Repository,
        previews: &[Preview],
    ) -> Result<usize, Error> {
        let name = &repository.full_name;
        let unavailable = |e| Error::unavailable(format!("cannot compare with {name}"), e);
        let mut repository = repository.clone();
        if repository.github_id.is_none() {
            let id = github
                .repository(name)
                .await
                .map_err(unavailable)?
                .id
                .unsigned_abs();
            self.inner
                .store
                .learn_repository_id(&repository.id, id)
                .await?;
            repository.github_id = Some(id);
        }
        let open = github.open_pull_requests(name).await.map_err(unavailable)?;
        let mut missed = 0;
        for it in &open {
            if self.is_news(&repository, it).await? {
                let because = "the sweep found what no event told".to_owned();
                self.look_again(&repository, it.number, because).await?;
                missed += 1;
            }
        }
        for preview in previews {
            let number: Option<PullRequestNumber> =
                preview.number.and_then(|number| number.try_into().ok());
            let Some(number) = number else { continue };
            let its = preview.repository_id == repository.id;
            if !its || preview.status == catalyst_model::state::PreviewStatus::Deleting {
                continue;
            }
            if !open.iter().any(|it| it.number == number) {
                let because = "the sweep does not find it among the open ones".to_owned();
                self.look_again(&repository, number, because).await?;
                missed += 1;
            }
        }
        Ok(missed)
    }

    /// Whether looking at an open pull request would change anything.
    async fn is_news(
        &self,
        repository: &Repository,
        it: &catalyst_github::PullRequest,
    ) -> Result<bool, Error> {
        let store = &self.inner.store;
        let remembered = store.find_pull_request(&repository.id, it.number).await?;
        let known = match &remembered {
            Some(remembered) => {
                let preview = store.preview(&remembered.id).await?;
                Some(known(remembered, preview.as_ref()))
            }
            None => None,
        };
        let facts = Facts::from(&told(&repository.id, it));
        let rules = Rules::from(&self.inner.settings);
        let action = PullRequestAction::Synchronize;
        let decision = decide(&action, &facts, Source::Truth, known.as_ref(), &rules);
        let blocked_already = known
            .and_then(|it| it.preview)
            .is_some_and(|preview| preview.blocked && preview.commit == facts.head_sha);
        Ok(match decision {
            Decision::Deploy(_) | Decision::TearDown(_) => true,
            Decision::Block(_) => !blocked_already,
            Decision::Skip(_) | Decision::Noted(_) => false,
        })
    }
}
