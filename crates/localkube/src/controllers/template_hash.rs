//! A short name for a pod template.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Ten letters and digits that form no words, from the template alone. `collisions` makes
/// another name.
pub(super) fn template_hash(template: &Value, collisions: i64) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut digest = Sha256::new();
    digest.update(canonical(template).to_string());
    digest.update(collisions.to_be_bytes());
    digest
        .finalize()
        .iter()
        .take(10)
        .map(|byte| LETTERS[usize::from(*byte) % LETTERS.len()] as char)
        .collect()
}

/// The same value whatever order its fields were written in.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, Value> = map
                .iter()
                .map(|(key, value)| (key, canonical(value)))
                .collect();
            sorted
                .into_iter()
                .map(|(key, value)| (key.clone(), value))
                .collect()
        }
        Value::Array(list) => list.iter().map(canonical).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_template_alone() {
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let one = parse(r#"{"a": 1, "b": {"c": 2, "d": 3}}"#);
        let same = parse(r#"{"b": {"d": 3, "c": 2}, "a": 1}"#);
        assert_eq!(template_hash(&one, 0), template_hash(&same, 0));
        assert_ne!(template_hash(&one, 0), template_hash(&one, 1));
        assert_ne!(
            template_hash(&one, 0),
            template_hash(&parse(r#"{"a": 2}"#), 0)
        );
        assert_eq!(template_hash(&one, 0).len(), 10);
    }
}
