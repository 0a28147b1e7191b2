//! The part of JSONPath that printer columns of CRDs use: fields, indexes, wildcards and filters
//! that compare for equality, such as `.status.conditions[?(@.type=="Ready")].status`.

use serde_json::Value;

/// The values at a path; none where it leads nowhere or is not understood.
pub(super) fn find<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    let path = path.trim().trim_start_matches('{').trim_end_matches('}');
    follow(vec![value], path.strip_prefix('$').unwrap_or(path))
}

fn follow<'a>(values: Vec<&'a Value>, path: &str) -> Vec<&'a Value> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.is_empty() || values.is_empty() {
        return values;
    }
    if let Some(rest) = path.strip_prefix('[') {
        let Some(end) = closing(rest) else {
            return Vec::new();
        };
        let (inside, rest) = (rest[..end].trim(), &rest[end + 1..]);
        let next = values
            .into_iter()
            .flat_map(|value| bracket(value, inside))
            .collect();
        return follow(next, rest);
    }
    let (name, rest) = field(path);
    let next = if name == "*" {
        values.into_iter().flat_map(children).collect()
    } else {
        values
            .into_iter()
            .filter_map(|value| value.get(&name))
            .collect()
    };
    follow(next, rest)
}

/// The field's name, in which a backslash takes the next character as it is, and the rest.
fn field(path: &str) -> (String, &str) {
    let mut name = String::new();
    let mut characters = path.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '.' | '[' => return (name, &path[index..]),
            '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
            other => name.push(other),
        }
    }
    (name, "")
}

/// Where the bracket that was opened is closed, quotes left aside.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0, None);
    for (index, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(index),
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    None
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

fn bracket<'a>(value: &'a Value, inside: &str) -> Vec<&'a Value> {
    if inside == "*" {
        return children(value);
    }
    if let Some(name) = unquote(inside) {
        return value.get(name).into_iter().collect();
    }
    if let Ok(index) = inside.parse::<i64>() {
        let length = value.as_array().map_or(0, Vec::len) as i64;
        let index = if index < 0 { length + index } else { index };
        return usize::try_from(index)
            .ok()
            .and_then(|index| value.get(index))
            .into_iter()
            .collect();
    }
    let filter = inside
        .strip_prefix("?(")
        .and_then(|filter| filter.strip_suffix(')'));
    let Some((path, wanted)) = filter.and_then(|filter| filter.split_once("==")) else {
        return Vec::new();
    };
    let (path, wanted) = (path.trim().trim_start_matches('@'), wanted.trim());
    children(value)
        .into_iter()
        .filter(|item| {
            follow(vec![item], path)
                .first()
                .is_some_and(|found| match unquote(wanted) {
                    Some(text) => found.as_str() == Some(text),
                    None => {
                        serde_json::from_str(wanted).is_ok_and(|wanted: Value| **found == wanted)
                    }
                })
        })
        .collect()
}

fn unquote(text: &str) -> Option<&str> {
    let inner = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\''))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_of_printer_columns_are_followed() {
        let object = json!({
            "metadata": { "labels": { "a.b/c": "label" } },
            "spec": { "list": [{ "name": "x", "n": 1 }, { "name": "y", "n": 2 }] },
            "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
        });
        let found = |path: &str| find(&object, path).into_iter().cloned().collect::<Vec<_>>();
        for (path, expected) in [
            (".spec.list[0].name", json!(["x"])),
            (".spec.list[-1].name", json!(["y"])),
            (".spec.list[*].name", json!(["x", "y"])),
            ("{.spec.list[?(@.n==2)].name}", json!(["y"])),
            (
                ".status.conditions[?(@.type==\"Ready\")].status",
                json!(["True"]),
            ),
            (".status.conditions[?(@.type=='Other')].status", json!([])),
            (".metadata.labels['a.b/c']", json!(["label"])),
            (".metadata.labels.a\\.b/c", json!(["label"])),
            (".missing.field", json!([])),
            (".spec.list[", json!([])),
        ] {
            assert_eq!(json!(found(path)), expected, "{path}");
        }
    }
}
