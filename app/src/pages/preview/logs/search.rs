//! Finding text in the lines.

use leptos::prelude::*;

use super::lines::{Buffer, Line};

/// What is searched for, and which hit is looked at.
#[derive(Clone, Copy)]
pub(super) struct Search {
    pub(super) text: RwSignal<String>,
    pub(super) match_case: RwSignal<bool>,
    /// The numbers of the lines that hold the text.
    pub(super) hits: Memo<Vec<u64>>,
    /// Which of the hits is looked at, from 0.
    pub(super) at: RwSignal<usize>,
}

impl Search {
    pub(super) fn new(buffer: Buffer) -> Self {
        let text = RwSignal::new(String::new());
        let match_case = RwSignal::new(false);
        let hits = Memo::new(move |_| {
            buffer.version.track();
            let needle = Needle::new(&text.get(), match_case.get());
            let mut hits = Vec::new();
            if let Some(needle) = needle {
                buffer.each(|line| {
                    if needle.is_in(line) {
                        hits.push(line.number);
                    }
                });
            }
            hits
        });
        Self {
            text,
            match_case,
            hits,
            at: RwSignal::new(0),
        }
    }

    /// Goes to the next hit, or with `back` to the one before, round and round.
    pub(super) fn step(self, back: bool) {
        let count = self.hits.with_untracked(Vec::len);
        if count > 0 {
            let by = if back { count - 1 } else { 1 };
            self.at
                .update(|at| *at = (at.min(&mut (count - 1)).wrapping_add(by)) % count);
        }
    }

    /// The number of the line that is looked at.
    pub(super) fn current(self) -> Option<u64> {
        self.hits.with(|hits| {
            hits.get(self.at.get().min(hits.len().checked_sub(1)?))
                .copied()
        })
    }

    /// What to mark in the lines.
    pub(super) fn needle(self) -> Option<Needle> {
        Needle::new(&self.text.get(), self.match_case.get())
    }
}

/// A text to find.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Needle {
    text: String,
    match_case: bool,
}

impl Needle {
    fn new(text: &str, match_case: bool) -> Option<Self> {
        let text = if match_case {
            text.to_owned()
        } else {
            text.to_lowercase()
        };
        (!text.is_empty()).then_some(Self { text, match_case })
    }

    fn is_in(&self, line: &Line) -> bool {
        let text = line.text();
        if self.match_case {
            text.contains(&self.text)
        } else {
            text.to_lowercase().contains(&self.text)
        }
    }

    /// Cuts a text into pieces, each with whether it is a hit.
    pub(super) fn split<'a>(&self, text: &'a str) -> Vec<(&'a str, bool)> {
        let folded;
        let hay = if self.match_case {
            text
        } else {
            folded = text.to_lowercase();
            // Folding may change lengths; then positions mean nothing, and no mark is set.
            if folded.len() != text.len() {
                return vec![(text, false)];
            }
            &folded
        };
        let mut pieces = Vec::new();
        let mut from = 0;
        for (at, hit) in hay.match_indices(&self.text) {
            let (Some(before), Some(found)) = (text.get(from..at), text.get(at..at + hit.len()))
            else {
                return vec![(text, false)];
            };
            if !before.is_empty() {
                pieces.push((before, false));
            }
            pieces.push((found, true));
            from = at + hit.len();
        }
        if let Some(rest) = text.get(from..).filter(|rest| !rest.is_empty()) {
            pieces.push((rest, false));
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::LogLine;

    #[test]
    fn hits_are_cut_out_of_the_text() {
        let needle = Needle::new("Hue", false).map(|n| n.split("a hue, HUE!"));
        assert_eq!(
            needle.unwrap_or_default(),
            [
                ("a ", false),
                ("hue", true),
                (", ", false),
                ("HUE", true),
                ("!", false)
            ]
        );
        let exact = Needle::new("HUE", true).map(|n| n.split("hue HUE"));
        assert_eq!(exact.unwrap_or_default(), [("hue ", false), ("HUE", true)]);
        assert_eq!(Needle::new("", false), None);
    }

    #[test]
    fn text_whose_length_changes_with_its_case_is_left_alone() {
        let pieces = Needle::new("i", false).map(|n| n.split("İi"));
        assert_eq!(pieces.unwrap_or_default(), [("İi", false)]);
    }

    #[test]
    fn steps_go_round() {
        Owner::new().with(|| {
            let line = |text: &str| LogLine {
                at: None,
                text: text.into(),
            };
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
}
