//! The lines that are shown, and the news that are waiting to be.
//!
//! Lines are kept as they came; what they look like is worked out for those near the part of the
//! panel that is in view, a block at a time, so that a hundred thousand of them cost no more
//! drawing than a few hundred.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use super::ansi::{self, Span};
use crate::api::LogLine;

/// Lines of a block.
const BLOCK: usize = 200;

/// Lines that are kept; the first ones go when more come.
pub(super) const KEPT: usize = 100_000;

/// Blocks that are drawn before anybody has scrolled: those at the end.
const DRAWN: usize = 5;

/// The height of a line that is not broken, in pixels; as in the style sheet.
const LINE_HEIGHT: usize = 20;

/// A line, as it came.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Counted over the life of the page.
    pub(super) number: u64,
    pub(super) at: Option<DateTime<Utc>>,
    raw: Arc<str>,
}

/// How bad a line sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Plain,
    Warning,
    Error,
}

impl Line {
    fn new(number: u64, line: LogLine) -> Self {
        Self {
            number,
            at: line.at,
            raw: line.text.into(),
        }
    }

    /// The line's runs of text, each in its style.
    pub(super) fn spans(&self) -> Vec<Span> {
        ansi::parse(&self.raw)
    }

    /// Does something with the line's text as it is shown, without its styles.
    pub(super) fn with_text<T>(&self, look: impl FnOnce(&str) -> T) -> T {
        let plain = self.raw.len() < 1000 && !self.raw.chars().any(|c| c.is_control() && c != '\t');
        if plain {
            return look(&self.raw);
        }
        let text: String = self.spans().iter().map(|span| span.text.as_str()).collect();
        look(&text)
    }

    /// The time as shown before the line.
    pub(super) fn time(&self) -> String {
        self.at
            .map_or_else(String::new, |at| at.format("%H:%M:%S%.3f").to_string())
    }

    /// The id of its element.
    pub(super) fn element(&self) -> String {
        format!("line-{}", self.number)
    }
}

/// Lines say in their first words whether they report an error.
pub(super) fn level(spans: &[Span]) -> Level {
    let text: String = spans
        .iter()
        .flat_map(|span| span.text.chars())
        .take(60)
        .collect();
    let text = text.to_ascii_lowercase();
    let mut words = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let found = words.find_map(|word| match word {
        "error" | "err" | "fatal" | "panic" | "panicked" | "traceback" | "exception" => {
            Some(Level::Error)
        }
        "warn" | "warning" | "deprecated" => Some(Level::Warning),
        word if word.ends_with("error") || word.ends_with("exception") => Some(Level::Error),
        _ => None,
    });
    found.unwrap_or(Level::Plain)
}

/// A number of lines that are drawn together, or not at all.
#[derive(Clone)]
pub(super) struct Block {
    pub(super) number: u64,
    pub(super) lines: ArcRwSignal<Vec<Line>>,
    /// Whether it is near what is in view, and so drawn.
    pub(super) near: ArcRwSignal<bool>,
    /// How high it was when it was last drawn.
    height: ArcRwSignal<Option<i32>>,
}

impl Block {
    fn new(number: u64) -> Self {
        Self {
            number,
            lines: ArcRwSignal::new(Vec::new()),
            near: ArcRwSignal::new(true),
            height: ArcRwSignal::new(None),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lines.with_untracked(Vec::len)
    }

    /// Draws it or not; `height` is what it takes up now.
    pub(super) fn set_near(&self, near: bool, height: impl FnOnce() -> i32) {
        if self.near.get_untracked() == near {
            return;
        }
        if !near {
            self.height.set(Some(height()));
        }
        self.near.set(near);
    }

    /// The height to keep free for it while it is not drawn, in pixels.
    pub(super) fn kept_free(&self) -> Option<String> {
        if self.near.get() {
            return None;
        }
        let guess = || i32::try_from(self.len() * LINE_HEIGHT).unwrap_or(i32::MAX);
        Some(format!("{}px", self.height.get().unwrap_or_else(guess)))
    }

    fn holds(&self, number: u64) -> bool {
        self.lines.with_untracked(|lines| {
            let ends = lines.first().zip(lines.last());
            ends.is_some_and(|(first, last)| (first.number..=last.number).contains(&number))
        })
    }
}

/// What the panel shows.
#[derive(Clone, Copy)]
pub(super) struct Buffer {
    pub(super) blocks: RwSignal<Vec<Block>>,
    /// Counts the changes of the lines.
    pub(super) version: RwSignal<u64>,
    pending: StoredValue<Vec<LogLine>>,
    next: StoredValue<u64>,
    /// Whether the next lines take the place of those that are shown.
    replacing: StoredValue<bool>,
}

impl Buffer {
    /// A buffer with these lines.
    pub(super) fn new(lines: Vec<LogLine>) -> Self {
        let buffer = Self {
            blocks: RwSignal::new(Vec::new()),
            version: RwSignal::new(0),
            pending: StoredValue::new(lines),
            next: StoredValue::new(0),
            replacing: StoredValue::new(false),
        };
        buffer.flush();
        buffer
    }

    /// Lines that are pushed from now on take the place of those that are shown, once they come.
    pub(super) fn begin_anew(self) {
        self.pending.try_update_value(Vec::clear);
        self.replacing
            .try_update_value(|replacing| *replacing = true);
    }

    /// Shows no lines.
    pub(super) fn clear(self) {
        self.begin_anew();
        self.flush();
    }

    /// Adds a line to those that wait for [`Buffer::flush`]. Returns whether it is the first.
    pub(super) fn push(self, line: LogLine) -> bool {
        let first = self.pending.try_update_value(|pending| {
            pending.push(line);
            pending.len() == 1
        });
        first.unwrap_or(false)
    }

    /// Shows the lines that wait.
    pub(super) fn flush(self) {
        let Some(mut lines) = self.pending.try_update_value(std::mem::take) else {
            return;
        };
        let replacing = self
            .replacing
            .try_update_value(std::mem::take)
            .unwrap_or(false);
        if lines.is_empty() && !replacing {
            return;
        }
        lines.drain(..lines.len().saturating_sub(KEPT));
        let mut blocks = match replacing {
            true => Vec::new(),
            false => self.blocks.get_untracked(),
        };
        let before = blocks.len();
        let mut grown = replacing;
        let mut lines = lines.into_iter().peekable();
        while lines.peek().is_some() {
            let room = blocks.last().map_or(0, |block| BLOCK - block.len());
            if room == 0 {
                blocks.push(Block::new(self.number()));
                grown = true;
                continue;
            }
            let taken: Vec<Line> = lines
                .by_ref()
                .take(room)
                .map(|line| Line::new(self.number(), line))
                .collect();
            if let Some(block) = blocks.last() {
                block.lines.update(|lines| lines.extend(taken));
            }
        }
        // Of many that come at once, only the last are in view.
        let drawn_from = blocks.len().saturating_sub(DRAWN);
        for block in blocks.iter().take(drawn_from).skip(before) {
            block.near.set(false);
        }
        let surplus = blocks.len().saturating_sub(KEPT / BLOCK);
        grown |= surplus > 0;
        blocks.drain(..surplus);
        if grown {
            self.blocks.set(blocks);
        }
        self.version.update(|version| *version += 1);
    }

    /// Calls `visit` with each line after the one with this number.
    pub(super) fn each_after(self, number: u64, mut visit: impl FnMut(&Line)) {
        self.blocks.with_untracked(|blocks| {
            for block in blocks {
                block.lines.with_untracked(|lines| {
                    if lines.last().is_some_and(|last| last.number > number) {
                        let later = lines.iter().filter(|line| line.number > number);
                        later.for_each(&mut visit);
                    }
                });
            }
        });
    }

    /// Calls `visit` with each line.
    pub(super) fn each(self, visit: impl FnMut(&Line)) {
        self.each_after(0, visit);
    }

    /// The number of the first line.
    pub(super) fn first(self) -> Option<u64> {
        self.blocks.with_untracked(|blocks| {
            let lines = &blocks.first()?.lines;
            lines.with_untracked(|lines| lines.first().map(|line| line.number))
        })
    }

    /// Draws the block that holds a line.
    pub(super) fn draw(self, number: u64) {
        self.blocks.with_untracked(|blocks| {
            if let Some(block) = blocks.iter().find(|block| block.holds(number)) {
                block.set_near(true, || 0);
            }
        });
    }

    /// All lines as text, with their times where `timestamps`.
    pub(super) fn text(self, timestamps: bool) -> String {
        let mut text = String::new();
        self.each(|line| {
            if let (true, Some(at)) = (timestamps, line.at) {
                text.push_str(&at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true));
                text.push(' ');
            }
            line.with_text(|shown| text.push_str(shown));
            text.push('\n');
        });
        text
    }

    fn number(self) -> u64 {
        self.next
            .try_update_value(|next| {
                *next += 1;
                *next
            })
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine {
            at: None,
            text: text.to_owned(),
        }
    }

    fn with_owner(test: impl FnOnce()) {
        Owner::new().with(test);
    }

    #[test]
    fn lines_are_shown_in_the_order_in_which_they_came() {
        with_owner(|| {
            let buffer = Buffer::new(vec![line("one")]);
            assert!(buffer.push(line("two")));
            assert!(!buffer.push(line("three")));
            buffer.flush();
            assert_eq!(buffer.text(false), "one\ntwo\nthree\n");
        });
    }

    #[test]
    fn old_lines_stay_until_new_ones_take_their_place() {
        with_owner(|| {
            let buffer = Buffer::new(vec![line("old")]);
            buffer.begin_anew();
            assert_eq!(buffer.text(false), "old\n");
            buffer.push(line("new"));
            buffer.flush();
            assert_eq!(buffer.text(false), "new\n");
            buffer.clear();
            assert_eq!(buffer.text(false), "");
        });
    }

    #[test]
    fn the_first_lines_go_when_there_are_too_many() {
        with_owner(|| {
            let buffer = Buffer::new((0..KEPT + 1000).map(|n| line(&n.to_string())).collect());
            let mut count = 0;
            let mut last = String::new();
            buffer.each(|line| {
                count += 1;
                last = line.with_text(str::to_owned);
            });
            assert!(count <= KEPT);
            assert_eq!(last, (KEPT + 999).to_string());
        });
    }

    #[test]
    fn of_a_hundred_thousand_lines_only_the_last_are_drawn_until_one_is_looked_for() {
        with_owner(|| {
            let buffer = Buffer::new((0..KEPT).map(|n| line(&n.to_string())).collect());
            let drawn = || {
                let blocks = buffer.blocks.get_untracked();
                let near = blocks.iter().filter(|block| block.near.get_untracked());
                (blocks.len(), near.count())
            };
            assert_eq!(drawn(), (KEPT / BLOCK, DRAWN));
            let first = buffer.first();
            buffer.draw(first.unwrap_or_default());
            assert_eq!(drawn(), (KEPT / BLOCK, DRAWN + 1));
        });
    }

    #[test]
    fn a_block_that_is_not_drawn_keeps_its_place() {
        with_owner(|| {
            let buffer = Buffer::new(vec![line("a"), line("b")]);
            let blocks = buffer.blocks.get_untracked();
            let block = &blocks[0];
            assert_eq!(block.kept_free(), None);
            block.set_near(false, || 57);
            assert_eq!(block.kept_free().as_deref(), Some("57px"));
            block.set_near(true, || 0);
            assert_eq!(block.kept_free(), None);
        });
    }

    #[test]
    fn a_line_that_reports_an_error_is_told_from_one_that_mentions_errors() {
        let level_of = |text: &str| level(&ansi::parse(text));
        for text in [
            "error: no such file",
            "[12:01] ERROR x",
            "TypeError: x is not a function",
            "Traceback (most recent call last):",
        ] {
            assert_eq!(level_of(text), Level::Error, "{text}");
        }
        assert_eq!(level_of("npm warn deprecated foo@1"), Level::Warning);
        assert_eq!(level_of("compiled without errors"), Level::Plain);
        assert_eq!(level_of("listening on 3000"), Level::Plain);
    }

    #[test]
    fn the_text_of_a_line_is_what_is_shown_of_it() {
        let shown = |text: &str| Line::new(1, line(text)).with_text(str::to_owned);
        assert_eq!(shown("plain\ttext"), "plain\ttext");
        assert_eq!(shown("\u{1b}[31mred\u{1b}[0m"), "red");
        assert_eq!(shown("10%\r100%"), "100%");
    }
}
