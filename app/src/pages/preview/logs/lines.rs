//! The lines that are shown, and the news that are waiting to be.

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use super::ansi::{self, Span};
use crate::api::LogLine;

/// Lines of a block; browsers skip drawing blocks that are out of sight.
const BLOCK: usize = 200;

/// Lines that are kept; the first ones go when more come.
const KEPT: usize = 20_000;

/// A line, ready to be drawn.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Counted over the life of the page.
    pub(super) number: u64,
    pub(super) at: Option<DateTime<Utc>>,
    pub(super) spans: Vec<Span>,
    pub(super) level: Level,
}

/// How bad a line sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Plain,
    Warning,
    Error,
}

impl Line {
    fn new(number: u64, line: &LogLine) -> Self {
        let spans = ansi::parse(&line.text);
        let level = level(&spans);
        Self {
            number,
            at: line.at,
            spans,
            level,
        }
    }

    /// The line's text without its styles.
    pub(super) fn text(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect()
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
fn level(spans: &[Span]) -> Level {
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

/// A number of lines that are drawn together.
#[derive(Clone)]
pub(super) struct Block {
    pub(super) number: u64,
    pub(super) lines: ArcRwSignal<Vec<Line>>,
}

impl Block {
    fn len(&self) -> usize {
        self.lines.with_untracked(Vec::len)
    }

    /// Whether it stays as it is from now on.
    pub(super) fn full(&self) -> bool {
        self.lines.with(|lines| lines.len() >= BLOCK)
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
        let Some(lines) = self.pending.try_update_value(std::mem::take) else {
            return;
        };
        let replacing = self
            .replacing
            .try_update_value(std::mem::take)
            .unwrap_or(false);
        if lines.is_empty() && !replacing {
            return;
        }
        let mut blocks = match replacing {
            true => Vec::new(),
            false => self.blocks.get_untracked(),
        };
        let mut grown = replacing;
        let mut lines = lines.into_iter().peekable();
        while lines.peek().is_some() {
            let room = blocks.last().map_or(0, |block| BLOCK - block.len());
            if room == 0 {
                blocks.push(Block {
                    number: self.number(),
                    lines: ArcRwSignal::new(Vec::new()),
                });
                grown = true;
                continue;
            }
            let taken: Vec<Line> = lines
                .by_ref()
                .take(room)
                .map(|line| Line::new(self.number(), &line))
                .collect();
            if let Some(block) = blocks.last() {
                block.lines.update(|lines| lines.extend(taken));
            }
        }
        let surplus = blocks.len().saturating_sub(KEPT / BLOCK);
        grown |= surplus > 0;
        blocks.drain(..surplus);
        if grown {
            self.blocks.set(blocks);
        }
        self.version.update(|version| *version += 1);
    }

    /// Calls `visit` with each line.
    pub(super) fn each(self, mut visit: impl FnMut(&Line)) {
        self.blocks.with_untracked(|blocks| {
            for block in blocks {
                block
                    .lines
                    .with_untracked(|lines| lines.iter().for_each(&mut visit));
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
            text.push_str(&line.text());
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
                last = line.text();
            });
            assert!(count <= KEPT);
            assert_eq!(last, (KEPT + 999).to_string());
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
}
