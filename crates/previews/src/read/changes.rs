//! News as they come: for the live list, and for one preview's page.

use std::sync::Arc;
use std::time::Duration;

use catalyst_model::usage::UsageOf;
use catalyst_model::views::{PreviewChange, PreviewDetail, PreviewSummary};
use futures::{Stream, StreamExt};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::Previews;
use crate::actor::Actor;
use crate::error::Error;
use crate::live::News;
use crate::usage::Usage;

/// News of one preview that come within this time make one update of its page.
const TOGETHER: Duration = Duration::from_millis(100);

impl Previews {
    /// News about the previews of the actor's teams, from now on, for as long as the process
    /// runs. A reader that is too slow is told to reload.
    pub fn changes(
        &self,
        actor: &Actor,
    ) -> impl Stream<Item = PreviewChange> + Send + 'static + use<> {
        let changes = changes(
            self.inner.live.subscribe(),
            self.inner.usage.clone(),
            actor.clone(),
        );
        changes.take_until(self.inner.stopping.clone().cancelled_owned())
    }

    /// A preview as it is now, and again whenever something on its page has changed, for as long
    /// as the process runs. Ends after an error.
    pub fn follow(
        &self,
        actor: &Actor,
        id: &str,
    ) -> impl Stream<Item = Result<PreviewDetail, Error>> + Send + 'static + use<> {
        let follower = Follower {
            // Subscribed before the first look, so that nothing falls in between.
            news: self.inner.live.subscribe(),
            previews: self.clone(),
            actor: actor.clone(),
            id: id.to_owned(),
            last: None,
        };
        let details = futures::stream::unfold(Some(follower), |follower| async move {
            let mut follower = follower?;
            let next = follower.next().await;
            let on = next.is_ok().then_some(follower);
            Some((next, on))
        });
        details.take_until(self.inner.stopping.clone().cancelled_owned())
    }
}

fn changes(
    news: Receiver<News>,
    usage: Arc<Usage>,
    actor: Actor,
) -> impl Stream<Item = PreviewChange> + Send {
    futures::stream::unfold(
        (news, usage, actor),
        |(mut news, usage, actor)| async move {
            loop {
                let change = match news.recv().await {
                    Ok(piece) => change(piece, &actor, &usage),
                    Err(RecvError::Lagged(_)) => Some(PreviewChange::Reload),
                    Err(RecvError::Closed) => return None,
                };
                if let Some(change) = change {
                    return Some((change, (news, usage, actor)));
                }
            }
        },
    )
}

/// What a piece of news is to this actor.
fn change(piece: News, actor: &Actor, usage: &Usage) -> Option<PreviewChange> {
    match piece {
        News::Changed(summary) => actor.role_in(&summary.team).map(|_| {
            PreviewChange::Changed(Box::new(PreviewSummary {
                usage: usage.of(&summary.namespace),
                ..(*summary).clone()
            }))
        }),
        News::Removed { id, team } => actor.role_in(&team).map(|_| PreviewChange::Removed { id }),
        News::Touched { .. } => None,
        News::Measured(news) => {
            let seen = news
                .iter()
                .filter(|(team, _)| actor.role_in(team).is_some());
            let measured: Vec<_> = seen.map(|(_, it)| it.clone()).collect();
            (!measured.is_empty()).then(|| PreviewChange::Usage {
                measured,
                over_quota: usage.over_quota(actor),
            })
        }
        News::Reload => Some(PreviewChange::Reload),
    }
}

struct Follower {
    news: Receiver<News>,
    previews: Previews,
    actor: Actor,
    id: String,
    last: Option<PreviewDetail>,
}

/// What a follower heard.
enum Heard {
    /// Something on the page has changed.
    Changed,
    /// What the preview uses was measured.
    Measured,
}

impl Follower {
    async fn next(&mut self) -> Result<PreviewDetail, Error> {
        loop {
            let now = match self.last.take() {
                None => self.read().await?,
                Some(last) => {
                    let now = match self.something_new(&last).await {
                        Heard::Changed => self.read().await?,
                        // Nothing is asked of the cluster for this: it may be every few seconds.
                        Heard::Measured => self.previews.measured(last.clone()),
                    };
                    if now == last {
                        self.last = Some(last);
                        continue;
                    }
                    now
                }
            };
            self.last = Some(now.clone());
            return Ok(now);
        }
    }

    async fn read(&self) -> Result<PreviewDetail, Error> {
        self.previews.get(&self.actor, &self.id).await
    }

    /// Waits for news of this preview, and for those that come right behind them.
    async fn something_new(&mut self, last: &PreviewDetail) -> Heard {
        let summary = &last.summary;
        loop {
            match self.news.recv().await {
                Ok(piece) if piece.is_about(&summary.id) => break,
                Ok(News::Measured(news)) => {
                    let its = |it: &(String, UsageOf)| it.1.namespace == summary.namespace;
                    if summary.usage.is_some() || news.iter().any(its) {
                        return Heard::Measured;
                    }
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => break,
                // The process ends, and the stream with it.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
        tokio::time::sleep(TOGETHER).await;
        while !matches!(
            self.news.try_recv(),
            Err(TryRecvError::Empty | TryRecvError::Closed)
        ) {}
        Heard::Changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::Live;
    use crate::work::tests::preview;
    use catalyst_model::state::{PreviewStatus, Role};

    fn member_of(team: &str) -> Actor {
        Actor {
            user_id: uuid::Uuid::nil(),
            login: "max".into(),
            memberships: vec![(team.into(), Role::Member)],
            operator: false,
            token: None,
        }
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_is_told_to_reload_and_then_goes_on() {
        let live = Live::new();
        let mut news = std::pin::pin!(changes(live.subscribe(), Arc::default(), member_of("acme")));
        for _ in 0..5_000 {
            live.touch("some-id");
        }
        let mut changed = preview(PreviewStatus::Running);
        assert!(live.publish(changed.summary()));
        assert_eq!(news.next().await, Some(PreviewChange::Reload));
        let next = news.next().await;
        assert!(matches!(next, Some(PreviewChange::Changed(_))), "{next:?}");

        assert!(
            !live.publish(changed.summary()),
            "the same again is no news"
        );
        changed.deleted_at = Some(chrono::Utc::now());
        live.publish(changed.summary());
        let id = changed.id.clone();
        assert_eq!(news.next().await, Some(PreviewChange::Removed { id }));
    }

    #[tokio::test]
    async fn a_stranger_hears_nothing() {
        let live = Live::new();
        let mut news = std::pin::pin!(changes(
            live.subscribe(),
            Arc::default(),
            member_of("rivals")
        ));
        live.publish(preview(PreviewStatus::Running).summary());
        live.touch("id-1");
        assert!(futures::poll!(news.next()).is_pending());
    }
}
