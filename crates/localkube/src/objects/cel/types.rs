//! The types of expressions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// What is known of a value before it is there.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    /// Anything; what it is shows when it is evaluated.
    Dyn,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
    /// An object of a schema, whose fields are under the names that expressions use.
    Object(Arc<BTreeMap<String, Type>>),
    Optional(Box<Type>),
    /// One that only functions make and take, such as `url`.
    Named(&'static str),
    /// A type that a signature leaves open.
    Parameter(char),
}

impl Type {
    pub fn list(of: Self) -> Self {
        Self::List(Box::new(of))
    }

    /// The type of the values of a schema; none where expressions cannot see them.
    pub fn of_schema(schema: &Value) -> Option<Self> {
        if schema["x-kubernetes-int-or-string"] == true {
            return Some(Self::Dyn);
        }
        Some(match schema["type"].as_str()? {
            "object" => {
                let entries = &schema["additionalProperties"];
                if entries.is_object() {
                    let value = Self::of_schema(entries).unwrap_or(Self::Dyn);
                    return Some(Self::Map(Box::new(Self::String), Box::new(value)));
                }
                let mut fields: BTreeMap<String, Self> = schema["properties"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter_map(|(name, property)| {
                        Some((escape(name)?, Self::of_schema(property)?))
                    })
                    .collect();
                if schema["x-kubernetes-embedded-resource"] == true {
                    add_object_fields(&mut fields);
                }
                Self::Object(Arc::new(fields))
            }
            "array" => Self::list(Self::of_schema(&schema["items"]).unwrap_or(Self::Dyn)),
            "boolean" => Self::Bool,
            "integer" => Self::Int,
            "number" => Self::Double,
            "string" => match schema["format"].as_str() {
                Some("byte") => Self::Bytes,
                Some("duration") => Self::Duration,
                Some("date" | "date-time") => Self::Timestamp,
                _ => Self::String,
            },
            _ => return None,
        })
    }

    /// The same for the schema of a whole object.
    pub fn of_root(schema: &Value) -> Option<Self> {
        match Self::of_schema(schema)? {
            Self::Object(fields) => {
                let mut fields = Arc::unwrap_or_clone(fields);
                add_object_fields(&mut fields);
                Some(Self::Object(Arc::new(fields)))
            }
            other => Some(other),
        }
    }
}

/// What rules see of every object.
fn add_object_fields(fields: &mut BTreeMap<String, Type>) {
    let metadata = ["name", "generateName"].map(|name| (name.to_owned(), Type::String));
    fields.insert("apiVersion".to_owned(), Type::String);
    fields.insert("kind".to_owned(), Type::String);
    fields.insert(
        "metadata".to_owned(),
        Type::Object(Arc::new(metadata.into())),
    );
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn => f.write_str("dyn"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Duration => f.write_str("google.protobuf.Duration"),
            Self::Timestamp => f.write_str("google.protobuf.Timestamp"),
            Self::List(of) => write!(f, "list({of})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Object(_) => f.write_str("object"),
            Self::Optional(of) => write!(f, "optional_type({of})"),
            Self::Named(name) => f.write_str(name),
            Self::Parameter(name) => write!(f, "{name}"),
        }
    }
}

/// Words that are no names in CEL.
const RESERVED: [&str; 20] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "while",
];

/// The name by which expressions know a field; none where there is no such name.
pub(super) fn escape(name: &str) -> Option<String> {
    if RESERVED.contains(&name) {
        return Some(format!("__{name}__"));
    }
    let mut escaped = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(next) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("__") {
            escaped.push_str("__underscores__");
            rest = after;
            continue;
        }
        match next {
            '.' => escaped.push_str("__dot__"),
            '-' => escaped.push_str("__dash__"),
            '/' => escaped.push_str("__slash__"),
            letter if letter.is_ascii_alphabetic() || letter == '_' => escaped.push(letter),
            digit if digit.is_ascii_digit() && !escaped.is_empty() => escaped.push(digit),
            _ => return None,
        }
        rest = &rest[next.len_utf8()..];
    }
    (!escaped.is_empty()).then_some(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_names_in_expressions() {
        for (field, name) in [
            ("plain", Some("plain")),
            ("a.b", Some("a__dot__b")),
            ("a-b/c", Some("a__dash__b__slash__c")),
            ("a__b", Some("a__underscores__b")),
            ("namespace", Some("__namespace__")),
            ("x1", Some("x1")),
            ("1x", None),
            ("a b", None),
            ("", None),
        ] {
            assert_eq!(escape(field).as_deref(), name, "{field}");
        }
    }
}
