//! Strangers' YAML, read within bounds.
//!
//! A few lines of YAML can stand for millions of values by way of aliases. Values are counted while
//! they are made, so that such a file is refused before it takes any memory worth the name.

use std::cell::Cell;
use std::fmt;

use serde::Deserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde_json::{Map, Value};

/// Bytes that one file may have.
pub const MAX_BYTES: usize = 512 * 1024;
/// Values that one file may stand for, all its aliases followed.
const MAX_VALUES: usize = 100_000;
/// Bytes of text that these values may hold together.
const MAX_TEXT: usize = 4 * 1024 * 1024;
/// Open brackets times bytes: a reader of YAML looks at all open brackets for every word.
const MAX_WORK: usize = 300_000_000;
/// Stands before the tag of a value with one: `!reset []` is `{"!reset": []}`.
pub const TAG: char = '!';

/// Why a text is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// The file is too large.
    #[error("it has {0} bytes; at most {MAX_BYTES} are read")]
    TooLarge(usize),
    /// It expands without measure.
    #[error("its aliases stand for more than {MAX_VALUES} values; such a file is not read")]
    Expands,
    /// Its brackets are nested without measure.
    #[error("its brackets are nested too deeply; such a file is not read")]
    Nested,
    /// It is no YAML, with the place.
    #[error("it is not valid YAML: {0}")]
    Invalid(String),
}

/// All documents of a text; empty ones are null. Merge keys (`<<`) are applied.
///
/// # Errors
/// If the text is too large, expands beyond measure, says a key twice, or is no YAML.
pub fn documents(text: &str) -> Result<Vec<Value>, YamlError> {
    within(&Budget::new(), text)
}

/// The documents of several texts, which together may hold no more than one.
///
/// # Errors
/// As [`documents`], with the number of the text.
pub fn streams<'a>(
    texts: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<Value>, (usize, YamlError)> {
    let budget = Budget::new();
    let mut all = Vec::new();
    for (at, text) in texts.into_iter().enumerate() {
        all.extend(within(&budget, text).map_err(|error| (at, error))?);
    }
    Ok(all)
}

fn within(budget: &Budget, text: &str) -> Result<Vec<Value>, YamlError> {
    if text.len() > MAX_BYTES {
        return Err(YamlError::TooLarge(text.len()));
    }
    if nesting(text).saturating_mul(text.len()) > MAX_WORK {
        return Err(YamlError::Nested);
    }
    serde_yaml::Deserializer::from_str(text.trim_start_matches('\u{feff}'))
        .map(|document| Node(budget).deserialize(document))
        .collect::<Result<_, _>>()
        .map_err(|error| {
            if budget.is_spent() {
                YamlError::Expands
            } else {
                YamlError::Invalid(error.to_string())
            }
        })
}

/// How many brackets are open at once, as far as can be told without reading what they mean.
fn nesting(text: &str) -> usize {
    let (mut open, mut most) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// The first document of a text.
///
/// # Errors
/// As [`documents`].
pub fn document(text: &str) -> Result<Value, YamlError> {
    Ok(documents(text)?.into_iter().next().unwrap_or_default())
}

/// Objects as a stream of YAML documents.
#[must_use]
pub fn print(objects: &[Value]) -> String {
    let texts: Vec<_> = objects
        .iter()
        // Only a map with keys that are no text cannot be written, and JSON has none.
        .map(|object| serde_yaml::to_string(object).unwrap_or_default())
        .collect();
    texts.join("---\n")
}

struct Budget {
    values: Cell<usize>,
    text: Cell<usize>,
}

impl Budget {
    fn new() -> Self {
        Self {
            values: Cell::new(MAX_VALUES),
            text: Cell::new(MAX_TEXT),
        }
    }

    fn is_spent(&self) -> bool {
        self.values.get() == 0 || self.text.get() == 0
    }

    fn spend<E: serde::de::Error>(&self, text: usize) -> Result<(), E> {
        self.values.set(self.values.get().saturating_sub(1));
        self.text.set(self.text.get().saturating_sub(text));
        if self.is_spent() {
            return Err(E::custom("too many values"));
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Node<'b>(&'b Budget);

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        self.0.spend(1)?;
        Ok(value.into())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.0.spend(8)?;
        Ok(value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.0.spend(8)?;
        Ok(value.into())
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Value, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Value, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        self.0.spend(8)?;
        Ok(serde_json::Number::from_f64(value)
            .map_or_else(|| Value::String(value.to_string()), Value::Number))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.0.spend(value.len())?;
        Ok(value.into())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.0.spend(1)?;
        Ok(Value::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        self.0.spend(1)?;
        let mut all = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            all.push(value);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        self.0.spend(1)?;
        let mut all = Map::new();
        let mut merged = Vec::new();
        while let Some(key) = map.next_key_seed(self)? {
            let key = match key {
                Value::String(key) => key,
                Value::Null => "null".to_owned(),
                Value::Bool(key) => key.to_string(),
                Value::Number(key) => key.to_string(),
                Value::Array(_) | Value::Object(_) => {
                    return Err(A::Error::custom("a key is a list or a map"));
                }
            };
            let value = map.next_value_seed(self)?;
            if key == "<<" {
                merged.push(value);
            } else if all.contains_key(&key) {
                return Err(A::Error::custom(format!(
                    "the key {key:?} stands twice in one map"
                )));
            } else {
                all.insert(key, value);
            }
        }
        for value in merged {
            merge(&mut all, value).map_err(A::Error::custom)?;
        }
        Ok(Value::Object(all))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        let (tag, content) = data.variant::<String>()?;
        let value = content.newtype_variant_seed(self)?;
        let tag = format!("{TAG}{}", tag.trim_start_matches(TAG));
        Ok(Value::Object([(tag, value)].into_iter().collect()))
    }
}

/// What stands in the map itself counts; of several merged maps, the first.
fn merge(all: &mut Map<String, Value>, value: Value) -> Result<(), &'static str> {
    match value {
        Value::Object(other) => {
            for (key, value) in other {
                all.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::Array(list) => list.into_iter().try_for_each(|value| merge(all, value)),
        Value::Null => Ok(()),
        _ => Err("<< stands for something that is no map"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;

    #[test]
    fn anchors_merges_and_tags_are_read() {
        let text = "x: &a {one: 1, two: 2}\ny:\n  <<: *a\n  two: zwei\nz: !reset []\n1: on\n---\nfoo: 0.5\n";
        assert_eq!(
            documents(text).unwrap(),
            [
                json!({ "x": { "one": 1, "two": 2 }, "y": { "one": 1, "two": "zwei" },
                    "z": { "!reset": [] }, "1": "on" }),
                json!({ "foo": 0.5 })
            ]
        );
        assert_eq!(documents("").unwrap(), [Value::Null]);
        assert_eq!(document("").unwrap(), Value::Null);
    }

    #[test]
    fn mistakes_name_their_place() {
        let error = document("a: 1\nb: [\n").unwrap_err().to_string();
        assert!(error.contains("line"), "{error}");
        let error = document("a: 1\na: 2\n").unwrap_err().to_string();
        assert!(error.contains("\"a\" stands twice"), "{error}");
    }

    #[test]
    fn a_bomb_is_refused_at_once() {
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let list = vec![format!("*a{}", n - 1); 10].join(", ");
            laughs.push_str(&format!("a{n}: &a{n} [{list}]\n"));
        }
        let wide = format!(
            "a: &a [{}]\nb: [{}]\n",
            vec!["x"; 9000].join(", "),
            vec!["*a"; 9000].join(", ")
        );
        let text = format!(
            "a: &a {}\nb: [{}]\n",
            "x".repeat(100_000),
            vec!["*a"; 50_000].join(", ")
        );
        let merges = format!(
            "a: &a {{{}}}\nb: [{}]\n",
            (0..5000)
                .map(|n| format!("k{n}: 1"))
                .collect::<Vec<_>>()
                .join(", "),
            vec!["{<<: *a}"; 5000].join(", ")
        );
        let deep = "[".repeat(100_000);
        for (name, text) in [
            ("laughs", laughs),
            ("wide", wide),
            ("text", text),
            ("merges", merges),
            ("deep", deep),
            ("long", "x".repeat(MAX_BYTES + 1)),
        ] {
            let began = Instant::now();
            assert!(documents(&text).is_err(), "{name}");
            // Generous for builds that are not optimized.
            assert!(
                began.elapsed() < Duration::from_secs(1),
                "{name}: {:?}",
                began.elapsed()
            );
        }
    }
}
