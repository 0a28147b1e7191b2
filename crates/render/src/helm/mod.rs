//! A Helm chart, as helm has rendered it.
//!
//! Charts are programs in helm's own template language, so helm itself runs them: in a pod where
//! the checkout is, or on the machine of whoever calls `catalyst render`. Nothing here starts it.
//! What is here is pure: whether a chart may be rendered ([`sources`]), with which values
//! ([`values`]), and what its output comes to as objects: which keys of Secrets it makes up each
//! time ([`generated`]), and what runs before and after the rest ([`hooks`]).

mod generated;
mod hooks;
mod sources;
pub mod values;

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Folder;
use crate::rendered::{RenderError, Rendered, Warning, dns_name};
use crate::yaml;

pub use hooks::HOOK;
pub use sources::{Sources, sources};

/// The name of a chart's file.
pub const FILE: &str = "Chart.yaml";
/// Where a report has what helm printed.
const RENDERED: &str = "rendered";
/// Where it has what helm printed when it was asked again, if that was something else.
const AGAIN: &str = "again";
/// Where it says why nothing was rendered.
const ERROR: &str = "error";
/// Documents of one chart.
const MAX_DOCUMENTS: usize = 1000;
/// Bytes of a chart once unpacked.
const MAX_UNPACKED: u64 = 16 * 1024 * 1024;

/// What a chart comes to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// Its objects, hooks among them, without what is made up anew each time.
    pub objects: Vec<Value>,
    /// What Secrets hold that is made up anew each time: passwords, certificates. It is to be
    /// written once and left alone from then on.
    pub generated: Vec<Generated>,
    /// What a person should know, as pairs of a subject and a message.
    pub warnings: Vec<(String, String)>,
}

/// Keys of a Secret whose values a chart makes up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generated {
    /// The Secret's name.
    pub secret: String,
    /// By key, the values in Base64; null once they are kept nowhere but in the Secret.
    pub values: Map<String, Value>,
}

/// A release's name, from that of whatever it is for: helm takes 53 characters.
#[must_use]
pub fn release(name: &str) -> String {
    dns_name(name, 53)
}

impl Chart {
    /// The chart that a report is about.
    ///
    /// # Errors
    /// If helm could not render it, or what it printed cannot be read.
    pub fn read(report: &Folder) -> Result<Self, RenderError> {
        if let Some(why) = report.get(ERROR) {
            return Err(RenderError::new("helm", words(why)));
        }
        let text = |place: &str| -> String {
            let mut names: Vec<_> = report.files(place).collect();
            names.sort_unstable();
            names
                .into_iter()
                .filter_map(|name| report.get(&format!("{place}/{name}")))
                .collect()
        };
        let again = text(AGAIN);
        Self::of(&text(RENDERED), (!again.is_empty()).then_some(&again))
    }

    /// The chart that helm has rendered to this text; to this other one when it was asked again.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn of(rendered: &str, again: Option<&str>) -> Result<Self, RenderError> {
        let mut chart = Self {
            objects: objects(rendered)?,
            ..Self::default()
        };
        if chart.objects.is_empty() {
            return Err(RenderError::new(
                "the chart",
                "it renders to no objects at all; look at its values and conditions",
            ));
        }
        if let Some(again) = again {
            generated::set_apart(&mut chart, &objects(again)?);
        }
        Ok(chart)
    }

    /// What is to be deployed. `upgrading`: whether the release has been up before; `commit`: what
    /// hooks are run for, once each.
    #[must_use]
    pub fn rendered(&self, upgrading: bool, commit: &str) -> Rendered {
        Rendered {
            objects: hooks::ordered(self.objects.clone(), upgrading, commit),
            warnings: self
                .warnings
                .iter()
                .map(|(subject, message)| Warning::new(subject, message))
                .collect(),
            ..Rendered::default()
        }
    }

    /// The same without the values that were made up, in a form that can be kept.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        let mut kept = self.clone();
        for one in &mut kept.generated {
            one.values.values_mut().for_each(|it| *it = Value::Null);
        }
        let text = serde_json::to_vec(&kept).unwrap_or_default();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // Writing to memory does not fail; what is cut short is no chart and rendered anew.
        let _ = encoder.write_all(&text);
        encoder.finish().unwrap_or_default()
    }

    /// What was packed; none: it is damaged.
    #[must_use]
    pub fn unpack(packed: &[u8]) -> Option<Self> {
        let mut text = Vec::new();
        GzDecoder::new(packed)
            .take(MAX_UNPACKED)
            .read_to_end(&mut text)
            .ok()?;
        serde_json::from_slice(&text).ok()
    }
}

/// The objects of a stream of documents, lists taken apart.
fn objects(text: &str) -> Result<Vec<Value>, RenderError> {
    let documents: Vec<&str> = split(text).collect();
    if documents.len() > MAX_DOCUMENTS {
        return Err(RenderError::new(
            "the chart",
            format!("it renders to more than {MAX_DOCUMENTS} objects"),
        ));
    }
    let read = yaml::streams(documents.iter().copied()).map_err(|(at, error)| {
        let source = documents.get(at).and_then(|text| source_of(text));
        RenderError::new(
            source.unwrap_or("what the chart renders to"),
            error.to_string(),
        )
    })?;
    let mut all = Vec::new();
    for object in read {
        match object {
            Value::Null => {}
            Value::Object(map)
                if map.get("items").is_some_and(Value::is_array) && is_list(&map) =>
            {
                all.extend(
                    map.get("items")
                        .and_then(Value::as_array)
                        .cloned()
                        .unwrap_or_default(),
                );
            }
            other => all.push(other),
        }
    }
    Ok(all)
}

fn is_list(map: &Map<String, Value>) -> bool {
    map.get("kind")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"))
}

/// The documents of a text: a line of three hyphens begins one wherever it stands.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            if at > 0 && (line.trim_end() == "---" || line.starts_with("--- ")) {
                rest = Some(&text[at..]);
                return Some(&text[..at]);
            }
            at += line.len();
        }
        rest = None;
        Some(text)
    })
    .filter(|document| !document.trim().is_empty())
}

/// The template that a document came from, as helm notes it.
fn source_of(document: &str) -> Option<&str> {
    document
        .lines()
        .find_map(|line| line.strip_prefix("# Source: "))
        .map(str::trim)
}

/// What helm said, as one text: from its error on, without what it says in front of it and what it
/// advises to those who run it.
fn words(said: &str) -> String {
    const ERROR: &str = "Error: ";
    const ENDED: &str = "fatal error: ";
    if let Some(line) = said.lines().find(|line| line.starts_with(ENDED)) {
        return format!("{line}; does a template go round in circles?");
    }
    let lines: Vec<_> = said.lines().map(str::trim).collect();
    let from = lines.iter().position(|line| line.starts_with(ERROR));
    let lines: Vec<_> = lines
        .into_iter()
        .skip(from.unwrap_or_default())
        .filter(|line| !line.is_empty() && !line.starts_with("Use --debug"))
        .map(|line| line.strip_prefix(ERROR).unwrap_or(line))
        .collect();
    let text = lines.join(" ");
    text.chars()
        .filter(|c| !c.is_control())
        .take(2000)
        .collect()
}

#[cfg(test)]
mod tests;
