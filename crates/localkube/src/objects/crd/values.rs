//! What the schema of a custom kind allows, in the words of Kubernetes.

use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value, json};

use crate::objects::cel::Rules;
use crate::objects::error::Cause;
use crate::objects::schema::{Schema, join, repeated_items};
use crate::objects::validate::items;

/// Checks the values of objects of one version of a kind.
#[derive(Debug)]
pub struct Validator {
    check: jsonschema::Validator,
    schema: Schema,
    rules: Rules,
    /// Why rules of a stored definition cannot be evaluated; then no value is let through.
    refused: Vec<Cause>,
}

impl Validator {
    /// For a schema that was checked with its definition.
    pub(super) fn new(open_api: &Value, schema: Schema) -> Result<Self, String> {
        let mut refused = Vec::new();
        let rules = Rules::compile(open_api, "", &mut refused);
        Ok(Self {
            check: validator(open_api)?,
            schema,
            rules,
            refused,
        })
    }
}

/// The checker of an OpenAPI schema.
pub(super) fn validator(open_api: &Value) -> Result<jsonschema::Validator, String> {
    jsonschema::draft7::options()
        .should_validate_formats(true)
        // Linear in time, as Kubernetes' own regular expressions are.
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(&json_schema(open_api))
        .map_err(|error| error.to_string())
}

/// The JSON Schema of an OpenAPI v3.0 schema.
fn json_schema(open_api: &Value) -> Value {
    let Some(source) = open_api.as_object() else {
        return open_api.clone();
    };
    let mut schema = Map::new();
    for (key, value) in source {
        let value = match key.as_str() {
            "properties" => value
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, property)| (name.clone(), json_schema(property)))
                .collect(),
            "items" | "additionalProperties" | "not" => json_schema(value),
            "allOf" | "anyOf" | "oneOf" => items(value).map(json_schema).collect(),
            "type" | "enum" | "format" | "pattern" | "required" | "minimum" | "maximum"
            | "multipleOf" | "minLength" | "maxLength" | "minItems" | "maxItems"
            | "minProperties" | "maxProperties" => value.clone(),
            _ => continue,
        };
        schema.insert(key.clone(), value);
    }
    // OpenAPI's exclusive bounds are flags beside the bound.
    for (flag, bound) in [
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ] {
        if source.get(flag) == Some(&Value::Bool(true))
            && let Some(limit) = schema.remove(bound)
        {
            schema.insert(flag.to_owned(), limit);
        }
    }
    let flag = |name: &str| source.get(name) == Some(&Value::Bool(true));
    if flag("x-kubernetes-int-or-string") {
        schema.insert("type".to_owned(), json!(["integer", "string"]));
        schema.remove("anyOf");
    }
    if flag("x-kubernetes-embedded-resource") {
        let mut required: Vec<Value> = items(&source.get("required").cloned().unwrap_or_default())
            .cloned()
            .collect();
        for name in ["apiVersion", "kind"] {
            if !required.iter().any(|known| known == name) {
                required.push(name.into());
            }
        }
        schema.insert("required".to_owned(), required.into());
    }
    if flag("nullable") {
        if let Some(type_) = schema.get("type").and_then(Value::as_str) {
            let types = json!([type_, "null"]);
            schema.insert("type".to_owned(), types);
        }
        if let Some(Value::Array(values)) = schema.get_mut("enum") {
            values.push(Value::Null);
        }
    }
    Value::Object(schema)
}

/// Everything in an object that its schema and its rules do not allow. What was wrong before, and did not change,
/// is none of it.
pub(crate) fn violations(
    validator: &Validator,
    object: &Value,
    before: Option<&Value>,
) -> Vec<Cause> {
    let mut causes: Vec<Cause> = Vec::new();
    for error in validator.check.iter_errors(object) {
        let pointer = error.instance_path().to_string();
        if !before.is_some_and(|before| is_unchanged(object, before, &pointer)) {
            causes.push(refusal(&error));
        }
    }
    causes.extend(repeated_items(validator.schema.root(), object, ""));
    // Rules may take for granted what the schema says.
    if causes.is_empty() {
        causes.extend(validator.refused.iter().cloned());
        causes.extend(validator.rules.violations(object, before));
    }
    causes
}

/// Whether the value at a pointer, or one around it, is as it was. Items of lists are not told apart.
fn is_unchanged(object: &Value, before: &Value, pointer: &str) -> bool {
    let (mut now, mut then) = (object, before);
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let (Some(below), Some(below_then)) = (now.get(&part), then.get(&part)) else {
            return false;
        };
        (now, then) = (below, below_then);
        if now == then {
            return true;
        }
    }
    false
}

/// What a violation is in Kubernetes' words.
pub(super) fn refusal(error: &jsonschema::ValidationError<'_>) -> Cause {
    let field = field_path(&error.instance_path().to_string());
    let value = error.instance();
    let invalid =
        |rest: String| Cause::invalid(field.clone(), format!("{value}: {field} in body {rest}"));
    let typed = |type_: &str, shown: &str| Cause {
        reason: "FieldValueTypeInvalid",
        message: format!(
            "Invalid value: {shown:?}: {field} in body must be of type {type_}: {shown:?}"
        ),
        field: field.clone(),
    };
    let counted = |count: usize, limit: u64| Cause {
        reason: "FieldValueTooMany",
        field: field.clone(),
        message: format!("Too many: {count}: must have at most {limit} items"),
    };
    // Kubernetes names no field for these.
    let shape = |rest: &str| Cause::invalid("<nil>", format!("\"\": {field:?} {rest}"));
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            Cause::required(join(&field, property.as_str().unwrap_or_default()), "")
        }
        ValidationErrorKind::Enum { options } => Cause {
            reason: "FieldValueNotSupported",
            message: format!(
                "Unsupported value: {value}: supported values: {}",
                items(options)
                    .filter(|option| !option.is_null())
                    .map(Value::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            field,
        },
        ValidationErrorKind::Type { kind } => {
            let wanted: Vec<String> = match kind {
                jsonschema::error::TypeKind::Single(type_) => vec![type_.to_string()],
                jsonschema::error::TypeKind::Multiple(types) => {
                    types.iter().map(|type_| type_.to_string()).collect()
                }
            };
            let wanted: Vec<String> = wanted.into_iter().filter(|type_| type_ != "null").collect();
            typed(&wanted.join(","), type_name(value.as_ref()))
        }
        ValidationErrorKind::MaxLength { limit } => Cause {
            reason: "FieldValueTooLong",
            field,
            message: format!("Too long: may not be more than {limit} bytes"),
        },
        ValidationErrorKind::MaxItems { limit } => counted(items(value.as_ref()).count(), *limit),
        ValidationErrorKind::MaxProperties { limit } => {
            counted(value.as_object().map_or(0, Map::len), *limit)
        }
        ValidationErrorKind::MinLength { limit } => {
            invalid(format!("should be at least {limit} chars long"))
        }
        ValidationErrorKind::MinItems { limit } => Cause::invalid(
            field.clone(),
            format!(
                "{}: {field} in body should have at least {limit} items",
                items(value.as_ref()).count()
            ),
        ),
        ValidationErrorKind::MinProperties { limit } => Cause::invalid(
            field.clone(),
            format!(
                "{}: {field} in body should have at least {limit} properties",
                value.as_object().map_or(0, Map::len)
            ),
        ),
        ValidationErrorKind::Pattern { pattern } => invalid(format!("should match '{pattern}'")),
        ValidationErrorKind::Minimum { limit } => invalid(format!(
            "should be greater than or equal to {}",
            plain(limit)
        )),
        ValidationErrorKind::Maximum { limit } => {
            invalid(format!("should be less than or equal to {}", plain(limit)))
        }
        ValidationErrorKind::ExclusiveMinimum { limit } => {
            invalid(format!("should be greater than {}", plain(limit)))
        }
        ValidationErrorKind::ExclusiveMaximum { limit } => {
            invalid(format!("should be less than {}", plain(limit)))
        }
        ValidationErrorKind::MultipleOf { multiple_of } => {
            invalid(format!("should be a multiple of {multiple_of}"))
        }
        ValidationErrorKind::Format { format } => Cause {
            reason: "FieldValueTypeInvalid",
            message: format!(
                "Invalid value: {value}: {field} in body must be of type {format}: {value}"
            ),
            field,
        },
        ValidationErrorKind::OneOfNotValid { .. } => {
            shape("must validate one and only one schema (oneOf). Found none valid")
        }
        ValidationErrorKind::OneOfMultipleValid { .. } => {
            shape("must validate one and only one schema (oneOf). Found 2 valid alternatives")
        }
        ValidationErrorKind::AnyOf { .. } => shape("must validate at least one schema (anyOf)"),
        ValidationErrorKind::Not { .. } => shape("must not validate the schema (not)"),
        _ => invalid(error.to_string()),
    }
}

/// A bound as Go writes it.
fn plain(limit: &Value) -> String {
    match limit.as_f64() {
        Some(number) => number.to_string(),
        None => limit.to_string(),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// `/spec/list/0/name` as `spec.list[0].name`.
fn field_path(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').filter(|part| !part.is_empty()) {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{part}]"));
        } else {
            path = join(&path, &part.replace("~1", "/").replace("~0", "~"));
        }
    }
    path
}
