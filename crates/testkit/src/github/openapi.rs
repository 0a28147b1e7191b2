//! GitHub's own description of its API, as the judge of every request and answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use axum::http::Method;
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

use super::fixtures;

/// The description, read once.
pub(super) struct OpenApi {
    document: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// A request that the description knows.
pub(super) struct Operation<'a> {
    /// `pulls/get` and the like.
    pub id: &'a str,
    /// The parameters in the path, by name.
    pub path: HashMap<&'a str, String>,
    definition: &'a Value,
}

pub(super) fn openapi() -> &'static OpenApi {
    static OPENAPI: OnceLock<OpenApi> = OnceLock::new();
    OPENAPI.get_or_init(|| OpenApi {
        document: fixtures::openapi(),
        validators: Mutex::default(),
    })
}

impl OpenApi {
    /// The operation that a request asks for.
    pub fn operation(&self, method: &Method, path: &str) -> Option<Operation<'_>> {
        let method = method.as_str().to_ascii_lowercase();
        let asked: Vec<&str> = path.split('/').collect();
        let paths = self.document["paths"].as_object()?;
        paths
            .iter()
            .filter_map(|(template, methods)| {
                let parameters = matched(template, &asked)?;
                let definition = methods.get(&method)?;
                Some(Operation {
                    id: definition["operationId"].as_str()?,
                    path: parameters,
                    definition,
                })
            })
            // `/user/repos` is meant by `/user/repos`, not by `/{owner}/{repo}`.
            .min_by_key(|operation| operation.path.len())
    }

    /// What is wrong with a request, by GitHub's description.
    pub fn request_problems(
        &self,
        operation: &Operation<'_>,
        query: &[(String, String)],
        body: Option<&Value>,
    ) -> Vec<String> {
        let mut problems = Vec::new();
        let parameters: Vec<Value> = operation.definition["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|parameter| self.schema(parameter))
            .collect();
        let named = |place: &str, name: &str| {
            parameters
                .iter()
                .find(|parameter| parameter["in"] == place && parameter["name"] == name)
        };
        for (name, value) in &operation.path {
            match named("path", name) {
                Some(parameter) => problems.extend(self.parameter_problem(parameter, value)),
                None => problems.push(format!("undescribed path parameter {name}")),
            }
        }
        for (name, value) in query {
            match named("query", name) {
                Some(parameter) => problems.extend(self.parameter_problem(parameter, value)),
                None => problems.push(format!("unknown query parameter {name}")),
            }
        }
        for parameter in &parameters {
            let required = parameter["in"] == "query" && parameter["required"] == true;
            if required && !query.iter().any(|(name, _)| parameter["name"] == *name) {
                problems.push(format!("missing query parameter {}", parameter["name"]));
            }
        }
        problems.extend(self.body_problems(operation, body));
        problems
    }

    fn body_problems(&self, operation: &Operation<'_>, body: Option<&Value>) -> Vec<String> {
        let described = &operation.definition["requestBody"];
        let schema = &described["content"]["application/json"]["schema"];
        match body {
            None if described["required"] == true => vec!["the body is missing".into()],
            None => vec![],
            Some(_) if schema.is_null() => vec!["a body where GitHub takes none".into()],
            Some(body) => {
                let validator = self.validator(&format!("{} request", operation.id), schema);
                let mut problems: Vec<String> = validator
                    .iter_errors(body)
                    .map(|error| format!("body{}: {error}", error.instance_path()))
                    .collect();
                // GitHub ignores what it does not know; here it is most likely misspelt.
                let known = self.schema(schema)["properties"].clone();
                if let (Some(known), Some(body)) = (known.as_object(), body.as_object()) {
                    let unknown = body.keys().filter(|name| !known.contains_key(*name));
                    problems.extend(unknown.map(|name| format!("unknown property {name}")));
                }
                problems
            }
        }
    }

    /// What is wrong with an answer of ours.
    pub fn answer_problems(
        &self,
        operation: &Operation<'_>,
        status: u16,
        body: &Value,
    ) -> Vec<String> {
        let answer = self.resolved(&operation.definition["responses"][status.to_string()]);
        if answer.is_null() {
            return vec![format!("GitHub never answers {status}")];
        }
        let schema = &answer["content"]["application/json"]["schema"];
        if schema.is_null() {
            return vec![];
        }
        let validator = self.validator(&format!("{} {status}", operation.id), schema);
        validator
            .iter_errors(body)
            .map(|error| format!("answer{}: {error}", error.instance_path()))
            .collect()
    }

    /// GitHub's example of a successful answer to an operation.
    pub fn example(&self, operation: &str) -> Value {
        let methods = self.document["paths"]
            .as_object()
            .into_iter()
            .flat_map(|paths| paths.values())
            .filter_map(Value::as_object)
            .flat_map(|methods| methods.values());
        let answers = methods
            .filter(|definition| definition["operationId"] == operation)
            .filter_map(|definition| definition["responses"].as_object())
            .flatten()
            .filter(|(status, _)| status.starts_with('2'));
        let mut examples = answers.flat_map(|(_, answer)| {
            let content = &answer["content"]["application/json"]["examples"];
            content.as_object().into_iter().flat_map(|all| all.values())
        });
        let example = examples
            .next()
            .unwrap_or_else(|| panic!("GitHub gives no example of {operation}"));
        self.resolved(example)["value"].clone()
    }

    fn parameter_problem(&self, parameter: &Value, text: &str) -> Option<String> {
        let schema = &parameter["schema"];
        let value = match schema["type"].as_str() {
            Some("integer") => text
                .parse::<i64>()
                .map_or_else(|_| json!(text), Value::from),
            Some("boolean") => text
                .parse::<bool>()
                .map_or_else(|_| json!(text), Value::from),
            _ => json!(text),
        };
        let validator = jsonschema::options()
            .with_draft(Draft::Draft4)
            .build(schema);
        let error = validator.expect("GitHub's schema").validate(&value).err()?;
        Some(format!("parameter {}: {error}", parameter["name"]))
    }

    fn validator(&self, name: &str, schema: &Value) -> Arc<Validator> {
        let mut validators = self
            .validators
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        validators
            .entry(name.to_owned())
            .or_insert_with(|| {
                let schema = self.schema(schema);
                let options = jsonschema::options().with_draft(Draft::Draft4);
                Arc::new(options.build(&schema).expect("GitHub's schema"))
            })
            .clone()
    }

    /// Follows a `$ref`, if this is one.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self
                .document
                .pointer(reference.trim_start_matches('#'))
                .unwrap_or_else(|| panic!("{reference} leads nowhere")),
            None => value,
        }
    }

    /// A schema of OpenAPI 3.0 as JSON Schema, complete in itself: references are put in place
    /// (GitHub's have no cycles), and `nullable` is spelt out.
    fn schema(&self, value: &Value) -> Value {
        match self.resolved(value) {
            Value::Object(members) => {
                let mut schema: serde_json::Map<String, Value> = members
                    .iter()
                    .filter(|(name, _)| {
                        !matches!(name.as_str(), "example" | "examples" | "nullable")
                    })
                    .map(|(name, member)| (name.clone(), self.schema(member)))
                    .collect();
                // `nullable` may also name a property, which is then an object.
                match members.get("nullable") {
                    Some(Value::Bool(true)) => json!({"anyOf": [schema, {"type": "null"}]}),
                    Some(property @ Value::Object(_)) => {
                        schema.insert("nullable".into(), self.schema(property));
                        Value::Object(schema)
                    }
                    _ => Value::Object(schema),
                }
            }
            Value::Array(items) => items.iter().map(|item| self.schema(item)).collect(),
            scalar => scalar.clone(),
        }
    }
}

/// The parameters of a path template, where the path fits it.
fn matched<'a>(template: &'a str, asked: &[&str]) -> Option<HashMap<&'a str, String>> {
    let mut parameters = HashMap::new();
    let mut segments = template.split('/');
    for asked in asked {
        let segment = segments.next()?;
        match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            Some(name) if !asked.is_empty() => {
                parameters.insert(name, (*asked).to_owned());
            }
            _ if segment == *asked => {}
            _ => return None,
        }
    }
    segments.next().is_none().then_some(parameters)
}
