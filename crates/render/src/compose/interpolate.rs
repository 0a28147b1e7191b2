//! Variables in a compose file: `${NAME:-default}` and its relatives, and the files that set them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Bytes that one value may grow to.
const MAX_VALUE: usize = 64 * 1024;
/// Defaults inside defaults.
const MAX_DEPTH: usize = 16;

/// Variables by name.
pub(super) type Variables = BTreeMap<String, String>;

/// Puts the variables into every text of `value`. Names that are not set are collected in
/// `missing` and stand for nothing.
pub(super) fn interpolate(
    value: &mut Value,
    variables: &Variables,
    missing: &mut BTreeSet<String>,
) -> Result<(), String> {
    match value {
        Value::String(text) => {
            if text.contains('$') {
                *text = substitute(text, variables, missing, 0)?;
            }
            Ok(())
        }
        Value::Array(list) => list
            .iter_mut()
            .try_for_each(|value| interpolate(value, variables, missing)),
        Value::Object(map) => map
            .values_mut()
            .try_for_each(|value| interpolate(value, variables, missing)),
        _ => Ok(()),
    }
}

pub(super) fn substitute(
    text: &str,
    variables: &Variables,
    missing: &mut BTreeSet<String>,
    depth: usize,
) -> Result<String, String> {
    if depth > MAX_DEPTH {
        return Err(format!("{text:?} holds too many defaults inside defaults"));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let end = closing(after)
                .ok_or_else(|| format!("{text:?} has a \"${{\" without its \"}}\""))?;
            out.push_str(&expression(&after[..end], variables, missing, depth)?);
            rest = &after[end + 1..];
        } else {
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            if end == 0 || rest.starts_with(|c: char| c.is_ascii_digit()) {
                // Docker refuses a lone dollar; it can only have been meant as one.
                out.push('$');
                continue;
            }
            out.push_str(&plain(&rest[..end], variables, missing));
            rest = &rest[end..];
        }
        if out.len() > MAX_VALUE {
            return Err(format!("a value grows beyond {MAX_VALUE} bytes"));
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn plain(name: &str, variables: &Variables, missing: &mut BTreeSet<String>) -> String {
    variables.get(name).cloned().unwrap_or_else(|| {
        missing.insert(name.to_owned());
        String::new()
    })
}

/// The end of an expression, past those inside it.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut open) = (0, 1);
    while at < bytes.len() {
        match bytes[at] {
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                open += 1;
                at += 1;
            }
            b'}' => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn expression(
    text: &str,
    variables: &Variables,
    missing: &mut BTreeSet<String>,
    depth: usize,
) -> Result<String, String> {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("\"${{{text}}}\" names no variable"));
    }
    let value = variables.get(name);
    let filled = value.filter(|value| !value.is_empty());
    let mut then = |text: &str| substitute(text, variables, missing, depth + 1);
    if rest.is_empty() {
        return Ok(plain(name, variables, missing));
    }
    for (operator, value) in [(":-", filled), ("-", value)] {
        if let Some(default) = rest.strip_prefix(operator) {
            return value.map_or_else(|| then(default), |value| Ok(value.clone()));
        }
    }
    for (operator, value) in [(":?", filled), ("?", value)] {
        if let Some(message) = rest.strip_prefix(operator) {
            return match value {
                Some(value) => Ok(value.clone()),
                None => {
                    let message = then(message)?;
                    let message = if message.trim().is_empty() {
                        "it must be set".to_owned()
                    } else {
                        message
                    };
                    Err(format!(
                        "the variable {name} is required: {message} (set it in the template's config.env or in a .env file)"
                    ))
                }
            };
        }
    }
    for (operator, value) in [(":+", filled), ("+", value)] {
        if let Some(other) = rest.strip_prefix(operator) {
            return if value.is_some() {
                then(other)
            } else {
                Ok(String::new())
            };
        }
    }
    Err(format!(
        "\"${{{text}}}\" is not an expression that compose files know"
    ))
}

/// Reads a `.env` file: `NAME=value` a line, with quotes, comments and `export`. Values see the
/// variables before them, unless they stand in single quotes.
pub(super) fn dotenv(text: &str, outer: &Variables) -> Variables {
    let mut all = Variables::new();
    let mut lines = text.trim_start_matches('\u{feff}').lines().peekable();
    while let Some(line) = lines.next() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once(['=', ':']) {
            Some((name, value)) => (name.trim(), value.trim()),
            // A name alone is passed on.
            None => {
                if let Some(value) = outer.get(line) {
                    all.insert(line.to_owned(), value.clone());
                }
                continue;
            }
        };
        if name.is_empty()
            || !name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
        {
            continue;
        }
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let value = if let Some(quote) = quote {
            let mut body = value[1..].to_owned();
            // A quoted value may go on for lines.
            while find_quote(&body, quote).is_none() {
                let Some(next) = lines.next() else { break };
                body.push('\n');
                body.push_str(next);
            }
            let end = find_quote(&body, quote).unwrap_or(body.len());
            let body = body[..end].to_owned();
            if quote == '"' {
                unescape(&body)
            } else {
                all.insert(name.to_owned(), body);
                continue;
            }
        } else {
            value
                .split(" #")
                .next()
                .unwrap_or_default()
                .split("\t#")
                .next()
                .unwrap_or_default()
                .trim_end()
                .to_owned()
        };
        let mut known = outer.clone();
        known.extend(all.clone());
        let value = substitute(&value, &known, &mut BTreeSet::new(), 0).unwrap_or(value);
        all.insert(name.to_owned(), value);
    }
    all
}

fn find_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote == '"' {
            escaped = true;
        } else if c == quote {
            return Some(at);
        }
    }
    None
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('$') => out.push_str("$$"),
            Some(c @ ('"' | '\\' | '\'')) => out.push(c),
            Some(c) => {
                out.push('\\');
                out.push(c);
            }
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn known() -> Variables {
        [("A", "one"), ("EMPTY", ""), ("B", "two")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn every_form_of_a_variable_is_known() {
        let mut missing = BTreeSet::new();
        for (text, expected) in [
            ("$A-${B}", "one-two"),
            ("$$A $$$A", "$A $one"),
            ("${NO:-x}${EMPTY:-y}${EMPTY-z}${NO-w}", "xyw"),
            ("${A:-x}", "one"),
            ("${NO:-${ALSO:-deep}}", "deep"),
            ("${NO:-{a}}", "{a}"),
            ("${A:+yes}${EMPTY:+no}${EMPTY+set}${NO+no}", "yesset"),
            ("${A:?needed}${A?}", "oneone"),
            ("5$ and $1 and $", "5$ and $1 and $"),
            ("${NO}", ""),
        ] {
            assert_eq!(
                substitute(text, &known(), &mut missing, 0).unwrap(),
                expected,
                "{text}"
            );
        }
        assert!(missing.contains("NO"));
    }

    #[test]
    fn what_is_required_or_malformed_is_an_error_with_words() {
        for (text, word) in [
            ("${NO:?the key}", "the key"),
            ("${EMPTY:?}", "must be set"),
            ("${A", "without"),
            ("${}", "names no"),
            ("${A!x}", "not an expression"),
        ] {
            let error = substitute(text, &known(), &mut BTreeSet::new(), 0).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
        let deep = format!("{}x{}", "${N:-".repeat(100), "}".repeat(100));
        assert!(substitute(&deep, &known(), &mut BTreeSet::new(), 0).is_err());
    }

    #[test]
    fn env_files_are_read_as_their_users_write_them() {
        let text = "# comment\nA=1\nexport B = two # why\nC=\"a\\nb $A \\$x\"\nD='$A'\nE=x#y\nF=\nG=${A}${B}\nH=\"multi\nline\"\nbroken line\nI: yaml\nJ=a=b\n";
        let all = dotenv(text, &Variables::new());
        let get = |name: &str| all.get(name).map(String::as_str);
        assert_eq!(get("A"), Some("1"));
        assert_eq!(get("B"), Some("two"));
        assert_eq!(get("C"), Some("a\nb 1 $x"));
        assert_eq!(get("D"), Some("$A"));
        assert_eq!(get("E"), Some("x#y"));
        assert_eq!(get("F"), Some(""));
        assert_eq!(get("G"), Some("1two"));
        assert_eq!(get("H"), Some("multi\nline"));
        assert_eq!(get("I"), Some("yaml"));
        assert_eq!(get("J"), Some("a=b"));
    }
}
