//! Label and field selectors, as in `?labelSelector=` and `?fieldSelector=`.

use serde_json::Value;

use super::error::ApiError;

/// Which objects of a kind are meant. The default selects all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    labels: Vec<LabelRequirement>,
    fields: Vec<FieldRequirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum LabelRequirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    DoesNotExist(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldRequirement {
    path: String,
    value: String,
    equal: bool,
}

impl Selector {
    /// Selects all objects.
    pub fn everything() -> Self {
        Self::default()
    }

    /// A label selector such as `app=web,tier in (a, b),!canary`.
    pub fn labels(selector: &str) -> Result<Self, ApiError> {
        Ok(Self {
            labels: parse_labels(selector)?,
            fields: Vec::new(),
        })
    }

    /// A field selector such as `spec.nodeName=local,status.phase!=Failed`.
    pub fn fields(selector: &str) -> Result<Self, ApiError> {
        Ok(Self {
            labels: Vec::new(),
            fields: parse_fields(selector)?,
        })
    }

    /// Both at once, as a request gives them.
    pub fn parse(labels: &str, fields: &str) -> Result<Self, ApiError> {
        Ok(Self {
            labels: parse_labels(labels)?,
            fields: parse_fields(fields)?,
        })
    }

    /// A `LabelSelector` object with `matchLabels` and `matchExpressions`. An empty object
    /// selects all, as in a Deployment's `spec.selector`.
    pub fn from_label_selector(selector: &Value) -> Result<Self, ApiError> {
        let mut labels = Vec::new();
        if let Some(pairs) = selector["matchLabels"].as_object() {
            for (key, value) in pairs {
                let value = value.as_str().unwrap_or_default().to_owned();
                labels.push(LabelRequirement::In(key.clone(), vec![value]));
            }
        }
        for expression in selector["matchExpressions"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let key = expression["key"].as_str().unwrap_or_default().to_owned();
            let values = || {
                expression["values"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|value| value.as_str().map(str::to_owned))
                    .collect()
            };
            labels.push(match expression["operator"].as_str() {
                Some("In") => LabelRequirement::In(key, values()),
                Some("NotIn") => LabelRequirement::NotIn(key, values()),
                Some("Exists") => LabelRequirement::Exists(key),
                Some("DoesNotExist") => LabelRequirement::DoesNotExist(key),
                other => {
                    return Err(ApiError::BadRequest(format!(
                        "{:?} is not a valid label selector operator",
                        other.unwrap_or_default()
                    )));
                }
            });
        }
        Ok(Self {
            labels,
            fields: Vec::new(),
        })
    }

    /// A plain map of labels, as in a Service's `spec.selector`.
    pub fn from_map(labels: &Value) -> Self {
        let labels = labels
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| {
                LabelRequirement::In(
                    key.clone(),
                    vec![value.as_str().unwrap_or_default().to_owned()],
                )
            })
            .collect();
        Self {
            labels,
            fields: Vec::new(),
        }
    }

    /// Whether it selects everything.
    pub fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The paths of the field selector.
    pub fn field_paths(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.path.as_str())
    }

    /// The name it asks for, where it asks for a single one (`metadata.name=x`).
    pub fn name(&self) -> Option<&str> {
        self.fields
            .iter()
            .find(|field| field.equal && field.path == "metadata.name")
            .map(|field| field.value.as_str())
    }

    /// Whether the object is selected.
    pub fn matches(&self, object: &Value) -> bool {
        self.matches_labels(&object["metadata"]["labels"])
            && self
                .fields
                .iter()
                .all(|field| (field_value(object, &field.path) == field.value) == field.equal)
    }

    /// Whether a map of labels is selected; fields are not looked at.
    pub fn matches_labels(&self, labels: &Value) -> bool {
        let label = |key: &str| labels.get(key).and_then(Value::as_str);
        self.labels.iter().all(|requirement| match requirement {
            LabelRequirement::In(key, values) => {
                label(key).is_some_and(|value| values.iter().any(|wanted| wanted == value))
            }
            LabelRequirement::NotIn(key, values) => {
                !label(key).is_some_and(|value| values.iter().any(|wanted| wanted == value))
            }
            LabelRequirement::Exists(key) => label(key).is_some(),
            LabelRequirement::DoesNotExist(key) => label(key).is_none(),
        })
    }
}

/// The value of a field as a field selector compares it: absent is the empty string.
fn field_value(object: &Value, path: &str) -> String {
    let mut value = object;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        value = &value[part];
    }
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

fn parse_fields(selector: &str) -> Result<Vec<FieldRequirement>, ApiError> {
    split_outside_parentheses(selector)
        .into_iter()
        .map(|term| {
            let (path, value, equal) = if let Some((path, value)) = term.split_once("!=") {
                (path, value, false)
            } else if let Some((path, value)) = term.split_once("==") {
                (path, value, true)
            } else if let Some((path, value)) = term.split_once('=') {
                (path, value, true)
            } else {
                return Err(ApiError::BadRequest(format!(
                    "invalid selector: '{term}'; can't understand '{term}'"
                )));
            };
            Ok(FieldRequirement {
                path: path.trim().to_owned(),
                value: value.trim().to_owned(),
                equal,
            })
        })
        .collect()
}

fn parse_labels(selector: &str) -> Result<Vec<LabelRequirement>, ApiError> {
    split_outside_parentheses(selector)
        .into_iter()
        .map(parse_label)
        .collect()
}

fn parse_label(term: &str) -> Result<LabelRequirement, ApiError> {
    let refuse =
        |why: &str| ApiError::BadRequest(format!("unable to parse requirement: {why} in {term:?}"));
    let checked = |key: &str| {
        let key = key.trim();
        if key.is_empty() || key.contains(|c: char| c.is_whitespace() || "()=!,".contains(c)) {
            return Err(refuse("not a label key"));
        }
        if !super::metadata::is_qualified_name(key) {
            return Err(refuse(
                "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                 alphanumeric character",
            ));
        }
        Ok(key.to_owned())
    };
    let checked_value = |value: &str| {
        let value = value.trim();
        if value.contains(|c: char| c.is_whitespace() || "()=!,".contains(c)) {
            return Err(refuse("not a label value"));
        }
        Ok(value.to_owned())
    };
    if let Some((head, list)) = term.split_once('(') {
        let list = list
            .trim_end()
            .strip_suffix(')')
            .ok_or_else(|| refuse("a closing parenthesis is missing"))?;
        let values = list
            .split(',')
            .map(checked_value)
            .collect::<Result<_, _>>()?;
        let words: Vec<&str> = head.split_whitespace().collect();
        return match words.as_slice() {
            [key, "in"] => Ok(LabelRequirement::In(checked(key)?, values)),
            [key, "notin"] => Ok(LabelRequirement::NotIn(checked(key)?, values)),
            _ => Err(refuse("expected 'in' or 'notin'")),
        };
    }
    if let Some((key, value)) = term.split_once("!=") {
        return Ok(LabelRequirement::NotIn(
            checked(key)?,
            vec![checked_value(value)?],
        ));
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return Ok(LabelRequirement::In(
            checked(key)?,
            vec![checked_value(value)?],
        ));
    }
    match term.strip_prefix('!') {
        Some(key) => Ok(LabelRequirement::DoesNotExist(checked(key)?)),
        None => Ok(LabelRequirement::Exists(checked(term)?)),
    }
}

fn split_outside_parentheses(selector: &str) -> Vec<&str> {
    let mut depth = 0;
    selector
        .split(move |c| {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            c == ',' && depth == 0
        })
        .map(str::trim)
        .filter(|term| !term.is_empty())
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selects(selector: &str, labels: Value) -> bool {
        Selector::labels(selector)
            .unwrap()
            .matches(&json!({ "metadata": { "labels": labels } }))
    }

    #[test]
    fn label_terms_are_all_required() {
        let labels = json!({ "app": "web", "tier": "front" });
        for (selector, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier=front", true),
            ("app=web,tier=back", false),
            ("app!=web", false),
            ("missing!=web", true),
            ("tier in (front, back),app", true),
            ("tier notin (front,back)", false),
            ("missing notin (x)", true),
            ("!missing", true),
            ("!app", false),
        ] {
            assert_eq!(selects(selector, labels.clone()), expected, "{selector}");
        }
    }

    #[test]
    fn fields_are_compared_as_text_and_absent_ones_are_empty() {
        let pod =
            json!({ "metadata": { "name": "a" }, "spec": {}, "status": { "phase": "Running" } });
        for (selector, expected) in [
            ("metadata.name=a", true),
            ("metadata.name!=a", false),
            ("spec.nodeName=", true),
            ("status.phase==Running,metadata.name=a", true),
        ] {
            assert_eq!(
                Selector::fields(selector).unwrap().matches(&pod),
                expected,
                "{selector}"
            );
        }
    }

    #[test]
    fn malformed_selectors_are_refused() {
        for selector in ["a in (b", "a=b c", "a,b=(", "in (x)", "=x"] {
            assert!(Selector::labels(selector).is_err(), "{selector}");
        }
        assert!(Selector::fields("metadata.name").is_err());
    }
}
