//! Untrusted text in GitHub's Markdown, so that it is only ever text.
//!
//! There are two places where such text may stand: a code span and a fenced block. Inside both,
//! GitHub makes nothing of HTML, links, `@mentions`, `#references` or commit ids. What is left to
//! prevent is getting out of them.

use url::Url;

/// Text without terminal escapes and other characters that do not print, with `\n` line ends.
pub(super) fn plain(text: &str) -> String {
    let text = anstream::adapter::strip_str(text).to_string();
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .chars()
        .filter(|c| matches!(c, '\n' | '\t') || !(c.is_control() || reorders(*c)))
        .collect()
}

/// Characters that make a line read in another order than it is written, or show nothing
/// (<https://trojansource.codes>).
fn reorders(c: char) -> bool {
    matches!(
        c,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

/// The last `longest` characters of a text, with a note of what is missing.
pub(super) fn end_of(text: &str, longest: usize) -> String {
    let text = text.trim_end();
    let length = text.chars().count();
    if length <= longest {
        return text.to_owned();
    }
    let left_out = length - longest;
    let end: String = text.chars().skip(left_out).collect();
    format!("… ({left_out} characters before this are left out)\n{end}")
}

/// A fenced block. The fence is longer than any run of backticks within.
pub(super) fn fence(text: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    format!("{fence}text\n{text}\n{fence}")
}

/// A code span on one line that also holds in a table's cell.
pub(super) fn code(text: &str) -> String {
    let line: String = plain(text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        // In a table a pipe ends the cell even within code, and so does an escaped one after a
        // backslash in some versions of GitHub's parser.
        .replace('|', "¦");
    if line.is_empty() {
        return "–".to_owned();
    }
    let ticks = "`".repeat(longest_run(&line) + 1);
    // Spaces part the ticks from text that begins or ends with one; GitHub takes one off each end.
    if line.starts_with('`') || line.ends_with('`') {
        format!("{ticks} {line} {ticks}")
    } else {
        format!("{ticks}{line}{ticks}")
    }
}

/// A link to a web address, under words of our own. Other schemes stay text.
pub(super) fn link(words: &str, url: &Url) -> String {
    if !matches!(url.scheme(), "http" | "https") {
        return code(url.as_str());
    }
    let target = url.as_str().chars().map(|c| match c {
        '(' | ')' | '<' | '>' | '|' | '\\' | '`' => format!("%{:02X}", u32::from(c)),
        c => c.to_string(),
    });
    format!("[{words}]({})", target.collect::<String>())
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}
