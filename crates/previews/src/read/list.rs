//! The list of previews.

use std::cmp::Reverse;

use catalyst_model::usage::PreviewUsage;
use catalyst_model::views::{PreviewCounts, PreviewFilter, PreviewList, PreviewOrder};
use catalyst_store::Listing;

use crate::Previews;
use crate::actor::{Actor, scope};
use crate::error::Error;

/// The most rows of a page.
const MOST: u32 = 500;

impl Previews {
    /// The previews of the actor's teams, failed ones included.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    pub async fn list(&self, actor: &Actor, filter: &PreviewFilter) -> Result<PreviewList, Error> {
        let teams = actor.teams();
        let store = &self.inner.store;
        let by_usage = matches!(filter.order, PreviewOrder::Cpu | PreviewOrder::Memory);
        let page = match by_usage || filter.over_quota {
            true => self.page_by_usage(actor, filter).await?,
            false => store.list_previews(scope(&teams), filter).await?,
        };
        let counts = store.count_previews(scope(&teams)).await?;
        Ok(PreviewList {
            previews: page.previews.iter().map(|it| self.summary(it)).collect(),
            counts: PreviewCounts {
                over_quota: self.inner.usage.over_quota(actor),
                ..counts
            },
            matching: page.matching,
            unmeasured: self.inner.usage.unmeasured(),
        })
    }

    /// A page that is filtered or ordered by what previews use, which the store does not know.
    async fn page_by_usage(&self, actor: &Actor, filter: &PreviewFilter) -> Result<Listing, Error> {
        let teams = actor.teams();
        let store = &self.inner.store;
        let matching = store.matching_namespaces(scope(&teams), filter).await?;
        let measured = matching.into_iter().map(|(id, namespace)| {
            let usage = self.inner.usage.of(&namespace);
            (id, usage)
        });
        let ids = ordered(measured.collect(), filter);
        let page = ids.iter().skip(filter.offset as usize);
        let page: Vec<String> = page
            .take(filter.limit.min(MOST) as usize)
            .cloned()
            .collect();
        Ok(Listing {
            previews: store.previews_with(&page).await?,
            matching: u32::try_from(ids.len()).unwrap_or(u32::MAX),
        })
    }
}

/// The ids in the filter's order, which they are given in unless it goes by usage. What was not
/// measured comes last, whichever way round.
fn ordered(
    mut previews: Vec<(String, Option<PreviewUsage>)>,
    filter: &PreviewFilter,
) -> Vec<String> {
    if filter.over_quota {
        previews.retain(|(_, usage)| usage.as_ref().is_some_and(PreviewUsage::is_exceeding));
    }
    let amount = |usage: &PreviewUsage| match filter.order {
        PreviewOrder::Memory => usage.used.memory_mib,
        _ => usage.used.cpu_millicores,
    };
    if matches!(filter.order, PreviewOrder::Cpu | PreviewOrder::Memory) {
        match filter.reverse {
            false => previews.sort_by_key(|(_, usage)| Reverse(usage.as_ref().map(amount))),
            true => previews.sort_by_key(|(_, usage)| usage.as_ref().map_or(u64::MAX, amount)),
        }
    }
    previews.into_iter().map(|(id, _)| id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalyst_model::usage::{Resources, UsageHistory};

    fn measured(id: &str, cpu_millicores: u64, memory_mib: u64) -> (String, Option<PreviewUsage>) {
        let usage = PreviewUsage {
            used: Resources {
                cpu_millicores,
                memory_mib,
            },
            cpu_limit: 500,
            memory_limit: 512,
            exceeding_cpu: cpu_millicores > 500,
            exceeding_memory: memory_mib > 512,
            history: UsageHistory::default(),
        };
        (id.to_owned(), Some(usage))
    }

    #[test]
    fn what_is_not_measured_comes_last_whichever_way_round() {
        let all = vec![
            ("x".to_owned(), None),
            measured("a", 10, 900),
            measured("b", 600, 20),
        ];
        let ids = |order, reverse, over_quota| {
            let filter = PreviewFilter {
                order,
                reverse,
                over_quota,
                ..PreviewFilter::default()
            };
            ordered(all.clone(), &filter).concat()
        };
        assert_eq!(ids(PreviewOrder::Cpu, false, false), "bax");
        assert_eq!(ids(PreviewOrder::Cpu, true, false), "abx");
        assert_eq!(ids(PreviewOrder::Memory, false, false), "abx");
        assert_eq!(ids(PreviewOrder::Memory, true, false), "bax");
        assert_eq!(ids(PreviewOrder::Changed, false, true), "ab");
    }
}
