//! Finding text in the lines.

mod pattern;

use leptos::prelude::*;

use super::lines::Buffer;
pub(super) use pattern::Pattern;

/// What is searched for, and which hit is looked at.
#[derive(Clone, Copy)]
pub(super) struct Search {
    pub(super) text: RwSignal<String>,
    pub(super) match_case: RwSignal<bool>,
    /// The text is a regular expression.
    pub(super) regex: RwSignal<bool>,
    /// What to find and to mark; none where nothing is searched for, an error where the regular
    /// expression is none.
    pub(super) pattern: Memo<Result<Option<Pattern>, ()>>,
    /// The numbers of the lines that hold the text.
    found: Memo<Found>,
    /// Which of the hits is looked at, from 0.
    pub(super) at: RwSignal<usize>,
}

/// What was found so far.
#[derive(Clone, PartialEq, Default)]
struct Found {
    pattern: Option<Pattern>,
    /// The number of the last line that was looked at.
    upto: u64,
    hits: Vec<u64>,
}

impl Search {
    pub(super) fn new(buffer: Buffer) -> Self {
        let text = RwSignal::new(String::new());
        let (match_case, regex) = (RwSignal::new(false), RwSignal::new(false));
        let pattern = Memo::new(move |_| Pattern::new(&text.get(), match_case.get(), regex.get()));
        let found = Memo::new(move |before: Option<&Found>| {
            buffer.version.track();
            let Ok(Some(pattern)) = pattern.get() else {
                return Found::default();
            };
            let first = buffer.first().unwrap_or(u64::MAX);
            // Lines that were looked at for the same text need no second look.
            let mut found = before
                .filter(|before| before.pattern.as_ref() == Some(&pattern))
                .cloned()
                .unwrap_or_default();
            found.hits.retain(|number| *number >= first);
            let mut hits = std::mem::take(&mut found.hits);
            let mut upto = found.upto;
            buffer.each_after(found.upto, |line| {
                upto = line.number;
                if line.with_text(|text| pattern.is_in(text)) {
                    hits.push(line.number);
                }
            });
            Found {
                pattern: Some(pattern),
                upto,
                hits,
            }
        });
        Self {
            text,
            match_case,
            regex,
            pattern,
            found,
            at: RwSignal::new(0),
        }
    }

    /// How many lines hold the text.
    pub(super) fn count(self) -> usize {
        self.found.with(|found| found.hits.len())
    }

    /// Goes to the next hit, or with `back` to the one before, round and round.
    pub(super) fn step(self, back: bool) {
        let count = untrack(|| self.count());
        if count > 0 {
            let by = if back { count - 1 } else { 1 };
            self.at
                .update(|at| *at = (at.min(&mut (count - 1)).wrapping_add(by)) % count);
        }
    }

    /// The number of the line that is looked at.
    pub(super) fn current(self) -> Option<u64> {
        let at = self.at.get();
        self.found.with(|found| {
            let last = found.hits.len().checked_sub(1)?;
            found.hits.get(at.min(last)).copied()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::LogLine;

    fn line(text: &str) -> LogLine {
        LogLine {
            at: None,
            text: text.into(),
        }
    }

    #[test]
    fn steps_go_round() {
        Owner::new().with(|| {
            let buffer = Buffer::new(vec![line("a x"), line("b"), line("c x")]);
            let search = Search::new(buffer);
            search.text.set("x".into());
            let first = search.current();
            search.step(false);
            assert_ne!(search.current(), first);
            search.step(false);
            assert_eq!(search.current(), first);
            search.step(true);
            assert_ne!(search.current(), first);
        });
    }

    #[test]
    fn new_lines_are_found_too_and_those_that_went_are_not() {
        Owner::new().with(|| {
            let buffer = Buffer::new(vec![line("one x"), line("two")]);
            let search = Search::new(buffer);
            search.text.set("X".into());
            assert_eq!(search.count(), 1);
            buffer.push(line("\u{1b}[31mx\u{1b}[0m three"));
            buffer.flush();
            assert_eq!(search.count(), 2);
            search.match_case.set(true);
            assert_eq!(search.count(), 0);
            search.match_case.set(false);
            buffer.clear();
            assert_eq!(search.count(), 0);
        });
    }
}
