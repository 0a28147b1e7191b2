//! Working one delivery off: decide, and change what is wished for. The cluster follows.

use catalyst_cluster::chain;
use catalyst_github::Event;
use catalyst_github::event::{PullRequestAction, PullRequestEvent};
use catalyst_model::ids::PullRequestNumber;
use catalyst_model::names::{environment_namespace, preview_environment_name};
use catalyst_model::state::PreviewStatus;
use catalyst_store::{
    Delivery, NewPullRequest, Preview, PreviewRequest, PullRequest, PullRequestState, Repository,
    Requested,
};
use chrono::{DateTime, Utc};

use super::facts::told;
use super::look::{LOOK, Look};
use crate::Previews;
use crate::decide::{Decision, Facts, Known, KnownPreview, Rules, Source, decide, note, overtaken};
use crate::error::Error;

/// What there is to know about a pull request before it is decided what to do about it.
struct Case<'a> {
    repository: &'a Repository,
    number: PullRequestNumber,
    action: &'a PullRequestAction,
    requested_at: DateTime<Utc>,
}

impl Previews {
    /// Works a delivery off. It may be done twice, or broken off anywhere and done again.
    pub(crate) async fn handle(&self, delivery: &Delivery) -> Result<Decision, Error> {
        if delivery.event == LOOK {
            return self
                .look(&Look::read(&delivery.body)?, delivery.received_at)
                .await;
        }
        let event = Event::parse(&delivery.event, &delivery.body).map_err(|e| Error::Invalid {
            field: "body",
            problem: chain(&e),
        })?;
        match (note(&event), event) {
            (None, Event::PullRequest(event)) => {
                self.handle_pull_request(&event, delivery.received_at).await
            }
            (Some(decision), _) => Ok(decision),
            (None, _) => Ok(Decision::Noted("nothing to do".to_owned())),
        }
    }

    async fn handle_pull_request(
        &self,
        event: &PullRequestEvent,
        received_at: DateTime<Utc>,
    ) -> Result<Decision, Error> {
        let store = &self.inner.store;
        let github_id = event.repository.id.unsigned_abs();
        let name = &event.repository.full_name;
        let repositories = store.find_repositories(github_id, name).await?;
        let mut decisions = Vec::new();
        for repository in &repositories {
            if repository.github_id.is_none() {
                store.learn_repository_id(&repository.id, github_id).await?;
            }
            let case = Case {
                repository,
                number: event.number,
                action: &event.action,
                requested_at: received_at,
            };
            let told = told(&repository.id, &event.pull_request);
            let decision = self.take(&case, told).await?;
            decisions.push((repository.team.as_str(), decision));
        }
        Ok(combined(decisions)
            .unwrap_or_else(|| Decision::Skip(format!("no project has the repository {name}"))))
    }

    /// Takes in what an event tells of a pull request. Before anything is done about it, GitHub is
    /// asked, so that an event which was overtaken does nothing.
    async fn take(&self, case: &Case<'_>, event: NewPullRequest) -> Result<Decision, Error> {
        let rules = Rules::from(&self.inner.settings);
        let known = self.known(case).await?;
        let decide = |it: &NewPullRequest, source| {
            decide(
                case.action,
                &Facts::from(it),
                source,
                known.as_ref(),
                &rules,
            )
        };
        let facts = Facts::from(&event);
        if let Some(why) = known
            .as_ref()
            .and_then(|known| overtaken(case.action, &facts, known))
        {
            return Ok(Decision::Skip(why));
        }
        let decision = decide(&event, Source::Event);
        let acts = !matches!(decision, Decision::Skip(_) | Decision::Noted(_));
        let current = match acts {
            true => self.current(case).await,
            false => None,
        };
        // GitHub's replicas may lag behind its own webhooks.
        match current.filter(|it| it.updated_at >= event.updated_at) {
            Some(truth) if !self.is_older(&truth, known.as_ref()) => {
                let decision = decide(&truth, Source::Truth);
                self.act(case, Some(&truth), decision).await
            }
            _ => self.act(case, Some(&event), decision).await,
        }
    }

    /// Looks at a pull request anew, without an event: after an approval, or because the sweep
    /// noticed something.
    async fn look(&self, look: &Look, received_at: DateTime<Utc>) -> Result<Decision, Error> {
        let Some(repository) = self.inner.store.repository(&look.repository_id).await? else {
            return Ok(Decision::Skip("the repository is gone".to_owned()));
        };
        let case = Case {
            repository: &repository,
            number: look.number,
            action: &PullRequestAction::Synchronize,
            requested_at: received_at,
        };
        let rules = Rules::from(&self.inner.settings);
        let known = self.known(&case).await?;
        let current = self.current(&case).await;
        let decided = |facts: &Facts| {
            let decision = decide(case.action, facts, Source::Truth, known.as_ref(), &rules);
            decision.because(&look.because)
        };
        if let Some(truth) = current.filter(|it| !self.is_older(it, known.as_ref())) {
            let decision = decided(&Facts::from(&truth));
            return self.act(&case, Some(&truth), decision).await;
        }
        match self.remembered(&case).await? {
            Some(it) => {
                let decision = decided(&Facts::from(&it));
                self.act(&case, None, decision).await
            }
            None => Ok(Decision::Skip(
                "nothing is known about this pull request".to_owned(),
            )),
        }
    }

    /// Writes down what is known now, and what is wished for.
    async fn act(
        &self,
        case: &Case<'_>,
        told: Option<&NewPullRequest>,
        decision: Decision,
    ) -> Result<Decision, Error> {
        let store = &self.inner.store;
        let pull_request = match told {
            None => self.remembered(case).await?,
            Some(told) => {
                let upserted = store.upsert_pull_request(told).await?;
                if !upserted.applied {
                    return Ok(Decision::Skip("it is overtaken by newer news".to_owned()));
                }
                Some(upserted.pull_request)
            }
        };
        let Some(pull_request) = pull_request else {
            return Ok(decision);
        };
        match &decision {
            Decision::Deploy(_) => self.request(case, &pull_request, None).await?,
            Decision::Block(why) => self.request(case, &pull_request, Some(why)).await?,
            Decision::TearDown(why) => self.remove(&pull_request.id, why).await?,
            Decision::Skip(_) | Decision::Noted(_) => self.refresh(&pull_request.id).await?,
        }
        Ok(decision)
    }

    async fn request(
        &self,
        case: &Case<'_>,
        pull_request: &PullRequest,
        blocked: Option<&str>,
    ) -> Result<(), Error> {
        let repository = case.repository;
        let first = repository.position == 0;
        let environment = preview_environment_name(&repository.full_name, first, case.number);
        let present = self.inner.store.preview(&pull_request.id).await?;
        if pull_request.removed_sha.is_some() {
            let store = &self.inner.store;
            store.set_removed_commit(&pull_request.id, None).await?;
        }
        let request = PreviewRequest {
            pull_request_id: pull_request.id.clone(),
            commit: pull_request.head_sha.clone(),
            branch: pull_request.head_ref.clone(),
            namespace: environment_namespace(&repository.team, &repository.project, &environment),
            environment,
            blocked: blocked.map(str::to_owned),
            url: present
                .as_ref()
                .filter(|it| it.deleted_at.is_none())
                .and_then(|it| it.url.clone()),
            requested_at: case.requested_at,
            request_id: crate::request::current(),
        };
        let requested = self.inner.store.request_preview(&request).await?;
        let preview = &requested.preview;
        match requested.outcome {
            Requested::Existing => step!(preview, "deployment-duplicate-detected", "created"),
            Requested::Created | Requested::Revived => {
                let under_way = |it: &&Preview| {
                    matches!(it.status, PreviewStatus::Pending | PreviewStatus::Deploying)
                        && it.commit != preview.commit
                };
                if let Some(older) = present.as_ref().filter(under_way) {
                    crate::metrics::deployment("superseded");
                    step!(older, "deployment-superseded", "superseded");
                }
                step!(preview, "pod-record-created", "created");
                if blocked.is_none() {
                    step!(preview, "deployment-initiated", "created");
                }
            }
        }
        self.inner.work_due.notify_one();
        self.changed(preview);
        Ok(())
    }

    /// Begins to remove a preview, if there is one.
    pub(crate) async fn remove(&self, id: &str, why: &str) -> Result<(), Error> {
        if let Some(preview) = self.inner.store.start_removal(id).await? {
            step!(&preview, "deletion-started", "deleting", reason = why);
            self.inner.work_due.notify_one();
            self.changed(&preview);
        }
        Ok(())
    }

    /// Tells the news of a preview whose pull request changed (its title, say).
    async fn refresh(&self, id: &str) -> Result<(), Error> {
        if let Some(preview) = self.inner.store.preview(id).await? {
            self.changed(&preview);
        }
        Ok(())
    }

    async fn remembered(&self, case: &Case<'_>) -> Result<Option<PullRequest>, Error> {
        let store = &self.inner.store;
        Ok(store
            .find_pull_request(&case.repository.id, case.number)
            .await?)
    }

    async fn known(&self, case: &Case<'_>) -> Result<Option<Known>, Error> {
        let Some(it) = self.remembered(case).await? else {
            return Ok(None);
        };
        let preview = self.inner.store.preview(&it.id).await?;
        Ok(Some(known(&it, preview.as_ref())))
    }

    fn is_older(&self, it: &NewPullRequest, known: Option<&Known>) -> bool {
        known.is_some_and(|known| it.updated_at < known.updated_at)
    }

    /// The pull request as GitHub has it now. None where GitHub is not configured or does not
    /// say: then the event has to do.
    async fn current(&self, case: &Case<'_>) -> Option<NewPullRequest> {
        let github = self.inner.github.as_ref()?;
        let name = &case.repository.full_name;
        let asked = github.pull_request(name, case.number);
        let failed = match tokio::time::timeout(super::PATIENCE, asked).await {
            Ok(Ok(it)) => return Some(told(&case.repository.id, &it)),
            Ok(Err(e)) => self.redacted_chain(&e),
            Err(_) => format!("no answer within {} s", super::PATIENCE.as_secs()),
        };
        tracing::warn!(
            component = crate::COMPONENT,
            event = "github-not-asked",
            repository = name.as_str(),
            number = case.number.get(),
            error = failed,
            "the event is taken as it is"
        );
        None
    }
}

/// What the store knows, in the words of the decision.
pub(crate) fn known(it: &PullRequest, preview: Option<&Preview>) -> Known {
    Known {
        closed: it.state != PullRequestState::Open,
        updated_at: it.provider_updated_at,
        approved: it.approved_sha.clone(),
        removed: it.removed_sha.clone(),
        preview: preview.filter(|it| it.deleted_at.is_none()).and_then(|it| {
            Some(KnownPreview {
                commit: it.commit.clone()?,
                status: it.status,
                blocked: it.blocked.is_some(),
            })
        }),
    }
}

/// One decision for a delivery that several teams' projects follow: the one that does most, with
/// each team's reason.
fn combined(mut decisions: Vec<(&str, Decision)>) -> Option<Decision> {
    if decisions.len() < 2 {
        return decisions.pop().map(|(_, decision)| decision);
    }
    let weight = |decision: &Decision| match decision {
        Decision::Deploy(_) => 0,
        Decision::TearDown(_) => 1,
        Decision::Block(_) => 2,
        Decision::Skip(_) => 3,
        Decision::Noted(_) => 4,
    };
    decisions.sort_by_key(|(_, decision)| weight(decision));
    let reasons: Vec<String> = decisions
        .iter()
        .map(|(team, decision)| format!("team {team}: {}", decision.reason()))
        .collect();
    let (_, first) = decisions.into_iter().next()?;
    Some(first.with_reason(reasons.join("; ")))
}
