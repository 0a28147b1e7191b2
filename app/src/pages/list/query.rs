//! What the list's address says: tab, search, order.

use catalyst_model::{
    state::PreviewStatus,
    views::{PreviewCounts, PreviewFilter, PreviewOrder, PreviewSummary},
};
use leptos_router::params::ParamsMap;

use crate::{
    format,
    status::{Bucket, bucket},
};

/// How many rows a page has.
const PAGE: u32 = 50;

/// A tab of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tab {
    #[default]
    All,
    Ready,
    InProgress,
    Failed,
    Blocked,
    OverQuota,
    Removed,
}

impl Tab {
    pub(crate) const ALL: [Self; 7] = [
        Self::All,
        Self::Ready,
        Self::InProgress,
        Self::Failed,
        Self::Blocked,
        Self::OverQuota,
        Self::Removed,
    ];

    /// The word in the address.
    const fn word(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Ready => "ready",
            Self::InProgress => "in-progress",
            Self::Failed => "failed",
            Self::Blocked => "approval",
            Self::OverQuota => "over-quota",
            Self::Removed => "removed",
        }
    }

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Ready => "Ready",
            Self::InProgress => "In progress",
            Self::Failed => "Failed",
            Self::Blocked => "Needs approval",
            Self::OverQuota => "Over quota",
            Self::Removed => "Removed",
        }
    }

    /// How many previews it holds; the removed ones are not counted.
    pub(crate) const fn count(self, counts: &PreviewCounts) -> Option<u32> {
        match self {
            Self::All => Some(counts.all),
            Self::Ready => Some(counts.running),
            Self::InProgress => Some(counts.in_progress),
            Self::Failed => Some(counts.failed),
            Self::Blocked => Some(counts.blocked),
            Self::OverQuota => Some(counts.over_quota),
            Self::Removed => None,
        }
    }

    /// Whether a preview belongs into this tab.
    pub(crate) fn holds(self, preview: &PreviewSummary) -> bool {
        match self {
            Self::All => preview.deleted_at.is_none(),
            Self::Ready => bucket(preview) == Some(Bucket::Running),
            Self::InProgress => bucket(preview) == Some(Bucket::InProgress),
            Self::Failed => bucket(preview) == Some(Bucket::Failed),
            Self::Blocked => bucket(preview) == Some(Bucket::Blocked),
            Self::OverQuota => preview.deleted_at.is_none() && preview.is_exceeding_quota(),
            Self::Removed => preview.deleted_at.is_some(),
        }
    }
}

/// By what the rows are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Order {
    /// Newest change first, as the server lists them.
    #[default]
    Changed,
    Status,
    Title,
    Age,
    Cpu,
    Memory,
}

impl Order {
    const NAMED: [Self; 5] = [
        Self::Status,
        Self::Title,
        Self::Age,
        Self::Cpu,
        Self::Memory,
    ];

    /// The server's word for it.
    const fn asked(self) -> PreviewOrder {
        match self {
            Self::Changed => PreviewOrder::Changed,
            Self::Status => PreviewOrder::Status,
            Self::Title => PreviewOrder::Title,
            Self::Age => PreviewOrder::Age,
            Self::Cpu => PreviewOrder::Cpu,
            Self::Memory => PreviewOrder::Memory,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Changed => "",
            Self::Status => "status",
            Self::Title => "title",
            Self::Age => "age",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }
}

/// All that the address says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ListQuery {
    pub(crate) tab: Tab,
    pub(crate) search: String,
    pub(crate) order: Order,
    pub(crate) reverse: bool,
    /// From 0.
    pub(crate) page: u32,
}

impl ListQuery {
    /// Reads an address; what it says wrongly counts as unsaid.
    pub(crate) fn read(params: &ParamsMap) -> Self {
        let word = |name: &str| params.get_str(name).unwrap_or_default().to_owned();
        let (tab, order) = (word("status"), word("sort"));
        Self {
            tab: Tab::ALL
                .into_iter()
                .find(|t| t.word() == tab)
                .unwrap_or_default(),
            search: word("q").trim().to_owned(),
            order: Order::NAMED
                .into_iter()
                .find(|o| o.word() == order)
                .unwrap_or_default(),
            reverse: word("order") == "desc",
            page: word("page").parse::<u32>().unwrap_or(1).clamp(1, 10_000) - 1,
        }
    }

    /// The address of the list with this query.
    pub(crate) fn href(&self) -> String {
        let mut pairs = Vec::new();
        let mut pair = |name: &str, value: &str| {
            if !value.is_empty() {
                pairs.push(format!("{name}={}", format::encode(value)));
            }
        };
        pair("status", self.tab.word());
        pair("q", &self.search);
        pair("sort", self.order.word());
        pair("order", if self.reverse { "desc" } else { "" });
        if self.page > 0 {
            pair("page", &(self.page + 1).to_string());
        }
        match pairs.as_slice() {
            [] => "/preview-environments".to_owned(),
            pairs => format!("/preview-environments?{}", pairs.join("&")),
        }
    }

    /// The hidden fields that keep the rest of the query when a search is sent.
    pub(crate) fn fields_beside_search(&self) -> Vec<(&'static str, &'static str)> {
        let reverse = if self.reverse { "desc" } else { "" };
        [
            ("status", self.tab.word()),
            ("sort", self.order.word()),
            ("order", reverse),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect()
    }

    pub(crate) fn with_tab(&self, tab: Tab) -> Self {
        Self {
            tab,
            page: 0,
            ..self.clone()
        }
    }

    pub(crate) fn with_page(&self, page: u32) -> Self {
        Self {
            page,
            ..self.clone()
        }
    }

    pub(crate) fn with_search(&self, search: &str) -> Self {
        Self {
            search: search.trim().to_owned(),
            page: 0,
            ..self.clone()
        }
    }

    /// Ordered by a column; by the same one again, the other way round, and then as the server
    /// orders.
    pub(crate) fn with_order(&self, order: Order) -> Self {
        let (order, reverse) = match (self.order == order, self.reverse) {
            (false, _) => (order, false),
            (true, false) => (order, true),
            (true, true) => (Order::Changed, false),
        };
        Self {
            order,
            reverse,
            page: 0,
            ..self.clone()
        }
    }

    /// What the server is asked for.
    pub(crate) fn filter(&self) -> PreviewFilter {
        let statuses = match self.tab {
            Tab::All | Tab::Blocked | Tab::OverQuota | Tab::Removed => Vec::new(),
            Tab::Ready => vec![PreviewStatus::Running],
            Tab::InProgress => vec![PreviewStatus::Pending, PreviewStatus::Deploying],
            Tab::Failed => vec![PreviewStatus::Failed],
        };
        PreviewFilter {
            statuses,
            blocked: self.tab == Tab::Blocked,
            over_quota: self.tab == Tab::OverQuota,
            order: self.order.asked(),
            reverse: self.reverse,
            search: (!self.search.is_empty()).then(|| self.search.clone()),
            removed: self.tab == Tab::Removed,
            offset: self.page * PAGE,
            limit: PAGE,
            ..PreviewFilter::default()
        }
    }

    /// How many pages it takes to show `matching` previews.
    pub(crate) fn pages(matching: u32) -> u32 {
        matching.div_ceil(PAGE).max(1)
    }

    /// Puts the rows of a page into the order asked for, in which the server lists them, once their
    /// data have changed; equal ones stay as they are.
    pub(crate) fn sort<T>(&self, rows: &mut [T], preview: impl Fn(&T) -> PreviewSummary) {
        if !matches!(self.order, Order::Status | Order::Title | Order::Age) {
            // Figures change all the time; rows that jump cannot be read.
            return;
        }
        // One type for all keys: sorting is compiled once for each.
        rows.sort_by_cached_key(|row| {
            let preview = preview(row);
            match self.order {
                Order::Status => (i64::from(urgency(&preview)), String::new()),
                Order::Title => (0, format::lowercase(&preview.title)),
                _ => (-preview.created_at.timestamp_micros(), String::new()),
            }
        });
        if self.reverse {
            rows.reverse();
        }
    }
}

/// What wants a person's eye comes first.
fn urgency(preview: &PreviewSummary) -> u8 {
    match bucket(preview) {
        Some(Bucket::Failed) => 0,
        Some(Bucket::Blocked) => 1,
        Some(Bucket::InProgress) => 2,
        Some(Bucket::Running) => 3,
        None => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn read(query: &str) -> ListQuery {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        ListQuery::read(&pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    #[test]
    fn an_address_is_read_back_from_the_link_that_leads_to_it() {
        let query = ListQuery {
            tab: Tab::Blocked,
            search: "carts".into(),
            order: Order::Title,
            reverse: true,
            page: 2,
        };
        let href = query.href();
        assert_eq!(
            href,
            "/preview-environments?status=approval&q=carts&sort=title&order=desc&page=3"
        );
        assert_eq!(read(href.split_once('?').unwrap_or_default().1), query);
    }

    #[test]
    fn nonsense_in_an_address_counts_as_unsaid() {
        assert_eq!(
            read("status=x&sort=y&order=z&page=-1"),
            ListQuery::default()
        );
        assert_eq!(ListQuery::default().href(), "/preview-environments");
    }

    #[test]
    fn a_column_goes_up_down_and_back() {
        let up = ListQuery::default().with_order(Order::Age);
        let down = up.with_order(Order::Age);
        assert!(!up.reverse && down.reverse);
        assert_eq!(down.with_order(Order::Age).order, Order::Changed);
    }

    #[test]
    fn by_status_what_failed_comes_first() {
        let mut rows = vec![fixtures::ready(), fixtures::building(), fixtures::failed()];
        let query = ListQuery {
            order: Order::Status,
            ..ListQuery::default()
        };
        query.sort(&mut rows, Clone::clone);
        assert_eq!(rows[0].status, PreviewStatus::Failed);
        assert_eq!(rows[2].status, PreviewStatus::Running);
    }
}
