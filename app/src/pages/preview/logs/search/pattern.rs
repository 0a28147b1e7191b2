//! A text or regular expression to find.

use send_wrapper::SendWrapper;
use wasm_bindgen::{JsCast, prelude::wasm_bindgen};

#[wasm_bindgen]
extern "C" {
    /// The browser's own regular expressions: they cost the page nothing to load.
    #[derive(Debug, Clone)]
    type RegExp;
    #[wasm_bindgen(constructor, catch)]
    fn new(pattern: &str, flags: &str) -> Result<RegExp, wasm_bindgen::JsValue>;
    #[wasm_bindgen(method)]
    fn test(this: &RegExp, text: &str) -> bool;
    #[wasm_bindgen(method)]
    fn exec(this: &RegExp, text: &str) -> Option<js_sys::Array>;
    #[wasm_bindgen(method, setter, js_name = lastIndex)]
    fn set_last_index(this: &RegExp, at: u32);
    #[wasm_bindgen(method, getter, js_name = lastIndex)]
    fn last_index(this: &RegExp) -> u32;
}

/// What to find.
#[derive(Debug, Clone)]
pub(in super::super) struct Pattern {
    text: String,
    match_case: bool,
    regex: Option<SendWrapper<RegExp>>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        let key = |it: &Self| (it.match_case, it.regex.is_some());
        key(self) == key(other) && self.text == other.text
    }
}

impl Pattern {
    /// None for an empty text; an error for a regular expression that is none.
    pub(super) fn new(text: &str, match_case: bool, regex: bool) -> Result<Option<Self>, ()> {
        if text.is_empty() {
            return Ok(None);
        }
        let regex = match regex {
            true => {
                let flags = if match_case { "gu" } else { "giu" };
                Some(SendWrapper::new(RegExp::new(text, flags).map_err(drop)?))
            }
            false => None,
        };
        let text = match (match_case, &regex) {
            (false, None) => text.to_lowercase(),
            _ => text.to_owned(),
        };
        Ok(Some(Self {
            text,
            match_case,
            regex,
        }))
    }

    /// Whether a line's text holds it.
    pub(super) fn is_in(&self, text: &str) -> bool {
        if let Some(regex) = &self.regex {
            regex.set_last_index(0);
            return regex.test(text);
        }
        if self.match_case {
            return text.contains(&self.text);
        }
        if self.text.is_ascii() && text.is_ascii() {
            return holds_ignoring_case(text.as_bytes(), self.text.as_bytes());
        }
        text.to_lowercase().contains(&self.text)
    }

    /// Cuts a text into pieces, each with whether it is a hit.
    pub(in super::super) fn split<'a>(&self, text: &'a str) -> Vec<(&'a str, bool)> {
        if let Some(regex) = &self.regex {
            return pieces(text, regex_hits(regex, text).into_iter());
        }
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
        let hits = hay.match_indices(&self.text);
        pieces(text, hits.map(|(at, hit)| (at, at + hit.len())))
    }
}

/// Cuts a text at its hits, given by where they begin and end.
fn pieces(text: &str, hits: impl Iterator<Item = (usize, usize)>) -> Vec<(&str, bool)> {
    let mut pieces = Vec::new();
    let mut from = 0;
    for (start, end) in hits {
        let (Some(before), Some(found)) = (text.get(from..start), text.get(start..end)) else {
            return vec![(text, false)];
        };
        if !before.is_empty() {
            pieces.push((before, false));
        }
        pieces.push((found, true));
        from = end;
    }
    if let Some(rest) = text.get(from..).filter(|rest| !rest.is_empty()) {
        pieces.push((rest, false));
    }
    pieces
}

/// Where a regular expression's hits begin and end, in bytes.
fn regex_hits(regex: &RegExp, text: &str) -> Vec<(usize, usize)> {
    let mut hits = Vec::new();
    regex.set_last_index(0);
    while let Some(found) = regex.exec(text) {
        let length = found.get(0).unchecked_ref::<js_sys::JsString>().length();
        let end = regex.last_index();
        if length == 0 {
            // A hit of nothing: go on behind it.
            regex.set_last_index(end + 1);
            if end as usize > text.len() {
                break;
            }
            continue;
        }
        hits.push((byte_of(text, end - length), byte_of(text, end)));
    }
    hits
}

/// Where the browser's position, counted in UTF-16, is in bytes.
fn byte_of(text: &str, position: u32) -> usize {
    let mut units = 0;
    for (at, c) in text.char_indices() {
        if units >= position {
            return at;
        }
        units += u32::try_from(c.len_utf16()).unwrap_or(1);
    }
    text.len()
}

fn holds_ignoring_case(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len())
        .any(|window| window.eq_ignore_ascii_case(needle))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str, match_case: bool) -> Option<Pattern> {
        Pattern::new(text, match_case, false).unwrap_or_default()
    }

    #[test]
    fn hits_are_cut_out_of_the_text() {
        let found = pattern("Hue", false).map(|it| it.split("a hue, HUE!"));
        assert_eq!(
            found.unwrap_or_default(),
            [
                ("a ", false),
                ("hue", true),
                (", ", false),
                ("HUE", true),
                ("!", false)
            ]
        );
        let exact = pattern("HUE", true).map(|it| it.split("hue HUE"));
        assert_eq!(exact.unwrap_or_default(), [("hue ", false), ("HUE", true)]);
        assert_eq!(pattern("", false), None);
    }

    #[test]
    fn a_text_is_found_whatever_its_case_unless_that_is_asked_for() {
        let is_in = |needle: &str, match_case, text: &str| {
            pattern(needle, match_case).is_some_and(|it| it.is_in(text))
        };
        assert!(is_in("ERROR", false, "an error"));
        assert!(!is_in("ERROR", true, "an error"));
        assert!(is_in("größe", false, "GRÖSSE GRÖßE"));
        assert!(!is_in("longer than it", false, "short"));
    }

    #[test]
    fn text_whose_length_changes_with_its_case_is_left_alone() {
        let found = pattern("i", false).map(|it| it.split("İi"));
        assert_eq!(found.unwrap_or_default(), [("İi", false)]);
    }

    #[test]
    fn positions_of_the_browser_are_found_in_text_of_any_script() {
        assert_eq!(byte_of("aé😀b", 1), 1);
        assert_eq!(byte_of("aé😀b", 2), 3);
        assert_eq!(byte_of("aé😀b", 4), 7);
        assert_eq!(byte_of("aé😀b", 9), 8);
    }
}
