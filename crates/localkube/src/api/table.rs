//! Tables: what `kubectl get` prints.

use serde_json::{Value, json};

use super::request::Query;
use super::target::Asked;
use super::{columns, json_path, respond};
use crate::objects::kinds::Column;

/// A heading of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heading {
    pub name: &'static str,
    pub type_: &'static str,
    /// Shown by `-o wide` only.
    pub wide: bool,
}

/// A `meta.k8s.io/v1` Table of objects.
pub(super) fn render<'a>(
    asked: &Asked,
    objects: impl IntoIterator<Item = &'a Value>,
    revision: &Value,
    query: &Query,
) -> Value {
    let custom = asked
        .kind
        .custom
        .then(|| asked.kind.served(&asked.version))
        .flatten()
        .map(|version| version.columns.as_slice());
    let definitions = match custom {
        Some(columns) => custom_headings(columns),
        None => columns::headings(&asked.kind)
            .iter()
            .map(|heading| definition(heading.name, heading.type_, "", "", i64::from(heading.wide)))
            .collect(),
    };
    let now = jiff::Timestamp::now();
    let rows: Vec<Value> = objects
        .into_iter()
        .map(|object| {
            let cells = match custom {
                Some(columns) => custom_cells(columns, object, now),
                None => columns::cells(&asked.kind, object, now),
            };
            let mut row = json!({ "cells": cells });
            match query.get("includeObject") {
                Some("None") => {}
                Some("Object") => row["object"] = object.clone(),
                _ => row["object"] = respond::metadata_only(object),
            }
            row
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1",
        "metadata": { "resourceVersion": revision },
        "columnDefinitions": definitions,
        "rows": rows,
    })
}

fn definition(name: &str, type_: &str, format: &str, description: &str, priority: i64) -> Value {
    let format = if name == "Name" { "name" } else { format };
    json!({
        "name": name, "type": type_, "format": format,
        "description": description, "priority": priority,
    })
}

fn custom_headings(columns: &[Column]) -> Vec<Value> {
    let mut headings = vec![definition("Name", "string", "name", "", 0)];
    if columns.is_empty() {
        headings.push(definition("Age", "date", "", "", 0));
    }
    headings.extend(columns.iter().map(|column| {
        definition(
            &column.name,
            &column.type_,
            &column.format,
            &column.description,
            column.priority,
        )
    }));
    headings
}

fn custom_cells(columns: &[Column], object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let mut cells = vec![object["metadata"]["name"].clone()];
    if columns.is_empty() {
        cells.push(age(&object["metadata"]["creationTimestamp"], now).into());
    }
    cells.extend(columns.iter().map(|column| {
        let found = json_path::find(object, &column.json_path);
        let Some(first) = found.first().filter(|value| !value.is_null()) else {
            return Value::Null;
        };
        match column.type_.as_str() {
            "date" => age(first, now).into(),
            "string" => {
                let texts: Vec<String> = found
                    .iter()
                    .map(|value| {
                        value
                            .as_str()
                            .map_or_else(|| value.to_string(), str::to_owned)
                    })
                    .collect();
                texts.join(" ").into()
            }
            _ => (*first).clone(),
        }
    }));
    cells
}

/// How long ago a time was, as kubectl says it.
pub(super) fn age(time: &Value, now: jiff::Timestamp) -> String {
    match time
        .as_str()
        .and_then(|time| time.parse::<jiff::Timestamp>().ok())
    {
        Some(time) => duration(now.duration_since(time).as_secs()),
        None => "<unknown>".to_owned(),
    }
}

/// Seconds as kubectl writes them: two units at most, fewer the longer it is.
pub(super) fn duration(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let days = hours / 24;
    let pair = |large: i64, unit: char, small: i64, small_unit: char| match small {
        0 => format!("{large}{unit}"),
        _ => format!("{large}{unit}{small}{small_unit}"),
    };
    match () {
        () if seconds < -1 => "<invalid>".to_owned(),
        () if seconds < 0 => "0s".to_owned(),
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => pair(minutes, 'm', seconds % 60, 's'),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => pair(hours, 'h', minutes % 60, 'm'),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => pair(days, 'd', hours % 24, 'h'),
        () if days < 730 => format!("{days}d"),
        () if days < 2920 => pair(days / 365, 'y', days % 365, 'd'),
        () => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_kubectl_does() {
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (11_000, "3h3m"),
            (28_800, "8h"),
            (172_800, "2d"),
            (176_400, "2d1h"),
            (691_200, "8d"),
            (63_072_000, "2y"),
            (-5, "<invalid>"),
        ] {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
    }
}
