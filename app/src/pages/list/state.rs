//! The list's rows and counts, kept true by the news that come in.

use catalyst_model::{
    usage::UsageOf,
    views::{PreviewChange, PreviewCounts, PreviewList, PreviewSummary},
};
use leptos::prelude::*;

use super::query::Tab;
use crate::status::{badge, bucket, recount};

/// One row: it keeps its place while its data change.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) preview: ArcRwSignal<PreviewSummary>,
}

impl Row {
    fn new(preview: PreviewSummary) -> Self {
        Self {
            id: preview.id.clone(),
            preview: ArcRwSignal::new(preview),
        }
    }

    /// The row's data, without following their changes.
    pub(crate) fn untracked(&self) -> PreviewSummary {
        self.preview.get_untracked()
    }
}

/// The list as it is shown.
#[derive(Clone, Copy)]
pub(crate) struct LiveList {
    pub(crate) rows: RwSignal<Vec<Row>>,
    pub(crate) counts: RwSignal<PreviewCounts>,
    pub(crate) matching: RwSignal<u32>,
    /// Why figures of usage are missing.
    pub(crate) unmeasured: RwSignal<Option<String>>,
    /// The last change, in a sentence for those who do not see it.
    pub(crate) announced: RwSignal<String>,
}

impl LiveList {
    /// An empty list.
    pub(crate) fn new() -> Self {
        Self {
            rows: RwSignal::new(Vec::new()),
            counts: RwSignal::new(PreviewCounts::default()),
            matching: RwSignal::new(0),
            unmeasured: RwSignal::new(None),
            announced: RwSignal::new(String::new()),
        }
    }

    /// Shows what the server lists now. Rows that stay keep their signals, so that only what
    /// differs is drawn anew.
    pub(crate) fn load(self, list: PreviewList) {
        let before = self.rows.try_get_untracked().unwrap_or_default();
        let rows: Vec<Row> = list
            .previews
            .into_iter()
            .map(
                |preview| match before.iter().find(|row| row.id == preview.id) {
                    Some(row) => {
                        self.update(row, preview);
                        row.clone()
                    }
                    None => Row::new(preview),
                },
            )
            .collect();
        let same =
            before.len() == rows.len() && before.iter().zip(&rows).all(|(a, b)| a.id == b.id);
        if !same {
            self.rows.try_set(rows);
        }
        self.counts.try_set(list.counts);
        self.matching.try_set(list.matching);
        self.unmeasured.try_set(list.unmeasured);
    }

    /// Takes in a piece of news. Returns whether the list must be read anew to be true again:
    /// the news is about a preview that is not shown, or some were missed.
    #[must_use]
    pub(crate) fn apply(self, tab: Tab, change: PreviewChange) -> bool {
        let find = |id: &str| {
            let rows = self.rows.try_get_untracked().unwrap_or_default();
            rows.into_iter().find(|row| row.id == id)
        };
        match change {
            PreviewChange::Reload => true,
            PreviewChange::Changed(preview) => {
                let Some(row) = find(&preview.id) else {
                    return true;
                };
                let from = bucket(&row.untracked());
                let to = bucket(&preview);
                self.counts.try_update(|counts| recount(counts, from, to));
                if tab.holds(&preview) || tab == Tab::All {
                    self.update(&row, *preview);
                } else {
                    self.remove(&row.id);
                }
                false
            }
            PreviewChange::Removed { id } => {
                let Some(row) = find(&id) else {
                    return true;
                };
                let from = bucket(&row.untracked());
                self.counts.try_update(|counts| {
                    counts.all = counts.all.saturating_sub(1);
                    recount(counts, from, None);
                });
                self.remove(&id);
                // The tab of removed previews has gained one.
                tab == Tab::Removed
            }
            PreviewChange::Usage {
                measured,
                over_quota,
            } => {
                let before = self.counts.try_get_untracked().unwrap_or_default();
                if before.over_quota != over_quota {
                    self.counts
                        .try_update(|counts| counts.over_quota = over_quota);
                }
                self.measure(measured);
                // Which ones they are is the server's to say.
                tab == Tab::OverQuota && before.over_quota != over_quota
            }
        }
    }

    /// Shows what previews use. The others keep their last figures.
    fn measure(self, measured: Vec<UsageOf>) {
        let rows = self.rows.try_get_untracked().unwrap_or_default();
        for row in rows {
            let present = row.untracked();
            let news = measured.iter().find(|it| it.namespace == present.namespace);
            if let Some(news) = news.filter(|_| present.deleted_at.is_none()) {
                let usage = news.usage.clone().after(present.usage.as_ref());
                if present.usage.as_ref() != Some(&usage) {
                    row.preview.update(|preview| preview.usage = Some(usage));
                }
            }
        }
    }

    fn update(self, row: &Row, preview: PreviewSummary) {
        let before = row.untracked();
        if before == preview {
            return;
        }
        let word = badge(&preview).word;
        if badge(&before).word != word {
            self.announced
                .try_set(format!("{} is now: {word}", preview.title));
        }
        row.preview.set(preview);
    }

    fn remove(self, id: &str) {
        self.rows.try_update(|rows| rows.retain(|row| row.id != id));
        self.matching
            .try_update(|matching| *matching = matching.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use catalyst_model::{state::PreviewStatus, usage::PreviewUsage};
    use leptos::prelude::Owner;

    use super::*;
    use crate::fixtures;

    fn list() -> LiveList {
        let list = LiveList::new();
        list.load(fixtures::list());
        list
    }

    fn with_owner(test: impl FnOnce()) {
        Owner::new().with(test);
    }

    #[test]
    fn a_change_updates_its_row_in_place_and_the_counts() {
        with_owner(|| {
            let list = list();
            let before: Vec<String> = list
                .rows
                .get_untracked()
                .into_iter()
                .map(|r| r.id)
                .collect();
            let mut changed = fixtures::building();
            changed.status = PreviewStatus::Running;
            let counts = list.counts.get_untracked();

            assert!(!list.apply(Tab::All, PreviewChange::Changed(Box::new(changed.clone()))));

            let rows = list.rows.get_untracked();
            assert_eq!(
                rows.iter().map(|r| r.id.clone()).collect::<Vec<_>>(),
                before
            );
            let row = rows.iter().find(|row| row.id == changed.id);
            assert_eq!(row.map(Row::untracked), Some(changed));
            let now = list.counts.get_untracked();
            assert_eq!(now.running, counts.running + 1);
            assert_eq!(now.in_progress, counts.in_progress - 1);
            assert_eq!(now.all, counts.all);
            assert!(list.announced.get_untracked().ends_with("is now: Ready"));
        });
    }

    #[test]
    fn a_preview_that_no_longer_fits_leaves_its_tab() {
        with_owner(|| {
            let list = LiveList::new();
            list.load(PreviewList {
                previews: vec![fixtures::building()],
                ..fixtures::list()
            });
            let mut changed = fixtures::building();
            changed.status = PreviewStatus::Failed;
            assert!(!list.apply(Tab::InProgress, PreviewChange::Changed(Box::new(changed))));
            assert!(list.rows.get_untracked().is_empty());
        });
    }

    #[test]
    fn news_about_an_unknown_preview_ask_for_the_list_anew() {
        with_owner(|| {
            let list = list();
            let mut unknown = fixtures::ready();
            unknown.id = "another".into();
            assert!(list.apply(Tab::All, PreviewChange::Changed(Box::new(unknown))));
            assert!(list.apply(
                Tab::All,
                PreviewChange::Removed {
                    id: "another".into()
                }
            ));
            assert!(list.apply(Tab::All, PreviewChange::Reload));
        });
    }

    #[test]
    fn figures_go_to_their_rows_with_the_course_that_was_known() {
        with_owner(|| {
            let list = list();
            let id = fixtures::ready().id;
            let row = |list: LiveList| {
                let rows = list.rows.get_untracked();
                rows.into_iter()
                    .find(|row| row.id == id)
                    .map(|row| row.untracked())
            };
            let known = row(list).and_then(|it| it.usage);
            let mut usage = fixtures::usage(700, 200);
            usage.history.until += 1;
            let measured = vec![UsageOf {
                namespace: fixtures::ready().namespace,
                usage: usage.clone(),
            }];
            let change = PreviewChange::Usage {
                measured,
                over_quota: 1,
            };
            assert!(!list.apply(Tab::All, change.clone()));
            let now = row(list).and_then(|it| it.usage);
            assert_eq!(now.as_ref().map(|it| it.used), Some(usage.used));
            let points =
                |usage: &Option<PreviewUsage>| usage.as_ref().map_or(0, |it| it.history.cpu.len());
            assert!(points(&now) > points(&known) || points(&known) == 0);
            assert_eq!(list.counts.get_untracked().over_quota, 1);
            list.counts.update(|counts| counts.over_quota = 5);
            assert!(
                list.apply(Tab::OverQuota, change),
                "another one may have joined"
            );
        });
    }

    #[test]
    fn a_removed_preview_leaves_the_list_and_the_counts() {
        with_owner(|| {
            let list = list();
            let counts = list.counts.get_untracked();
            let id = fixtures::ready().id;
            assert!(!list.apply(Tab::All, PreviewChange::Removed { id: id.clone() }));
            assert!(list.rows.get_untracked().iter().all(|row| row.id != id));
            assert_eq!(list.counts.get_untracked().all, counts.all - 1);
        });
    }
}
