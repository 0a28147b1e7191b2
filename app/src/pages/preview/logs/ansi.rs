//! Terminal output as styled text: colours are kept, everything else that a terminal would obey
//! is dropped.

use anstyle_parse::{Params, Parser, Perform};

/// Characters of a line that are shown; whoever needs more downloads the log.
const LONGEST: usize = 4000;

/// A run of text in one style.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Span {
    pub(super) text: String,
    pub(super) style: Style,
}

/// How a run of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Style {
    /// One of the 16 colours.
    colour: Option<u8>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
}

impl Style {
    /// The style's classes in the style sheet; empty for plain text.
    pub(super) fn classes(self) -> String {
        let mut classes = Vec::new();
        if let Some(colour) = self.colour {
            classes.push(format!("ansi-{colour}"));
        }
        for (on, name) in [
            (self.bold, "bold"),
            (self.dim, "dim"),
            (self.italic, "italic"),
            (self.underline, "underline"),
        ] {
            if on {
                classes.push(name.to_owned());
            }
        }
        classes.join(" ")
    }
}

/// Splits a line into runs of text.
pub(super) fn parse(line: &str) -> Vec<Span> {
    // What a progress bar has overwritten is not shown, as in a terminal.
    let line = line.trim_end_matches(['\r', '\n']);
    let line = line.rsplit('\r').next().unwrap_or(line);
    let mut screen = Screen::default();
    let mut parser = Parser::<anstyle_parse::DefaultCharAccumulator>::new();
    for byte in line.bytes() {
        parser.advance(&mut screen, byte);
        if screen.written > LONGEST {
            screen.spans.push(Span {
                text: " … (cut; download the log for the whole line)".into(),
                style: Style::default(),
            });
            break;
        }
    }
    screen.spans
}

#[derive(Default)]
struct Screen {
    spans: Vec<Span>,
    style: Style,
    written: usize,
}

impl Screen {
    fn write(&mut self, c: char) {
        self.written += 1;
        match self.spans.last_mut() {
            Some(span) if span.style == self.style => span.text.push(c),
            _ => self.spans.push(Span {
                text: c.into(),
                style: self.style,
            }),
        }
    }
}

impl Perform for Screen {
    fn print(&mut self, c: char) {
        self.write(c);
    }

    fn execute(&mut self, byte: u8) {
        if byte == b'\t' {
            self.write('\t');
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: u8) {
        if action != b'm' || ignore || !intermediates.is_empty() {
            return;
        }
        let mut codes = params
            .iter()
            .filter_map(|sub| sub.first().copied().map(|c| (c, sub)));
        while let Some((code, sub)) = codes.next() {
            match code {
                0 => self.style = Style::default(),
                1 => self.style.bold = true,
                2 => self.style.dim = true,
                3 => self.style.italic = true,
                4 => self.style.underline = true,
                22 => (self.style.bold, self.style.dim) = (false, false),
                23 => self.style.italic = false,
                24 => self.style.underline = false,
                30..=37 => self.style.colour = u8::try_from(code - 30).ok(),
                90..=97 => self.style.colour = u8::try_from(code - 82).ok(),
                39 => self.style.colour = None,
                // 256 colours and true colour: of the former the first 16 are shown.
                38 | 48 if sub.len() == 1 => {
                    let colour = match codes.next() {
                        Some((5, _)) => codes.next().map(|(n, _)| n),
                        Some((2, _)) => codes.nth(2).and(None),
                        _ => None,
                    };
                    if code == 38 {
                        self.style.colour = colour
                            .and_then(|n| u8::try_from(n).ok())
                            .filter(|n| *n < 16);
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> Vec<(String, String)> {
        parse(line)
            .into_iter()
            .map(|s| (s.text, s.style.classes()))
            .collect()
    }

    fn plain(line: &str) -> String {
        parse(line).into_iter().map(|s| s.text).collect()
    }

    #[test]
    fn colours_become_classes() {
        assert_eq!(
            shown("a \u{1b}[1;31mred\u{1b}[0m \u{1b}[92mbright\u{1b}[39m"),
            [
                ("a ".into(), String::new()),
                ("red".into(), "ansi-1 bold".into()),
                (" ".into(), String::new()),
                ("bright".into(), "ansi-10".into()),
            ]
        );
    }

    #[test]
    fn what_a_terminal_would_obey_is_dropped() {
        for (line, expected) in [
            ("\u{1b}]0;title\u{7}text", "text"),
            (
                "\u{1b}]8;;javascript:alert(1)\u{7}link\u{1b}]8;;\u{7}",
                "link",
            ),
            ("\u{1b}[2J\u{1b}[Hhome", "home"),
            ("\u{1b}[?1049hscreen", "screen"),
            ("a\u{7}b\u{8}c", "abc"),
            ("\u{1b}P1;2|payload\u{1b}\\after", "after"),
            ("10%\r50%\r100%", "100%"),
            ("tab\there\r", "tab\there"),
        ] {
            assert_eq!(plain(line), expected, "{line:?}");
        }
    }

    #[test]
    fn colours_that_are_not_shown_do_not_shift_those_that_follow() {
        assert_eq!(
            shown("\u{1b}[38;2;1;2;3;1mx"),
            [("x".into(), "bold".into())]
        );
        assert_eq!(shown("\u{1b}[38;5;9mx"), [("x".into(), "ansi-9".into())]);
        assert_eq!(shown("\u{1b}[38;5;200mx"), [("x".into(), String::new())]);
        assert_eq!(
            shown("\u{1b}[48;5;3;4mx"),
            [("x".into(), "underline".into())]
        );
    }

    #[test]
    fn a_line_of_megabytes_is_cut() {
        let text = plain(&"x".repeat(10_000_000));
        assert!(text.chars().count() < LONGEST + 100 && text.contains("cut"));
    }
}
