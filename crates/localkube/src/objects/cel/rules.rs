//! The rules of a schema: compiled with its definition, asked with each write of an object.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cel::IdedExpr;
use cel::{Context, ExecutionError, Value as Cel};
use serde_json::Value;

use super::compile::compile_at;
use super::functions::environment;
use super::values;
use crate::objects::error::Cause;
use crate::objects::schema::join;

/// How many elements all rules together may go through for one object.
const BUDGET: i64 = 500_000;
/// Takes the size of a list from the budget whenever it is gone through.
pub(super) const RANGE: &str = "@range";
/// Enough for the deepest expression that is let through.
const STACK: usize = 64 << 20;

/// The rules at one place of a schema, and below it.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(super) here: Vec<Rule>,
    pub(super) schema: Value,
    pub(super) fields: BTreeMap<String, Rules>,
    /// Of the items of a list or the entries of a map.
    pub(super) each: Option<Box<Rules>>,
    /// By which an item of a list is known from one write to the next.
    pub(super) keys: Option<Vec<String>>,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) text: String,
    pub(super) expression: IdedExpr,
    pub(super) message: Option<String>,
    pub(super) message_expression: Option<IdedExpr>,
    pub(super) reason: &'static str,
    /// Appended to the place of the rule.
    pub(super) field: String,
    /// Whether it judges a change, and is asked only where there was a value before.
    pub(super) of_change: bool,
}

impl Rules {
    /// The rules of a version's schema. Whatever is wrong with them is added to the causes.
    pub fn compile(open_api: &Value, path: &str, causes: &mut Vec<Cause>) -> Self {
        // Expressions are trees; a thread of its own has the stack to go down them.
        let compiled = std::thread::scope(|scope| {
            std::thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, || {
                    let mut found = Vec::new();
                    let rules = compile_at(open_api, path, true, true, &mut found);
                    (rules, found)
                })
                .map(std::thread::ScopedJoinHandle::join)
        });
        match compiled {
            Ok(Ok((rules, found))) => {
                causes.extend(found);
                rules
            }
            Ok(Err(_)) | Err(_) => {
                causes.push(Cause::invalid(
                    path,
                    "the rules of this schema could not be compiled",
                ));
                Self::default()
            }
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.here.is_empty() && self.fields.is_empty() && self.each.is_none()
    }

    /// Everything that the rules do not allow in an object, which may have been another before.
    pub fn violations(&self, object: &Value, before: Option<&Value>) -> Vec<Cause> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut causes = Vec::new();
        let environment = match environment() {
            Ok(environment) => environment,
            Err(error) => return vec![Cause::invalid("", error)],
        };
        let mut context = Context::with_env(environment);
        let budget = Arc::new(AtomicI64::new(BUDGET));
        let left = budget.clone();
        let spent = context.add_function(RANGE, move |range: Cel| -> Result<Cel, ExecutionError> {
            let size = match &range {
                Cel::List(list) => list.len(),
                Cel::Map(map) => map.map.len(),
                _ => 0,
            };
            let size = i64::try_from(size).unwrap_or(i64::MAX).saturating_add(1);
            if left.fetch_sub(size, Ordering::Relaxed) < size {
                return Err(ExecutionError::function_error("budget", "too much work"));
            }
            Ok(range)
        });
        if let Err(error) = spent {
            return vec![Cause::invalid("", error.to_string())];
        }
        self.judge(&context, &budget, object, before, "", &mut causes);
        causes
    }

    fn judge(
        &self,
        context: &Context<'_, '_>,
        budget: &AtomicI64,
        value: &Value,
        before: Option<&Value>,
        path: &str,
        causes: &mut Vec<Cause>,
    ) {
        let before = before.filter(|before| !before.is_null());
        if value.is_null() {
            return;
        }
        self.judge_here(context, budget, value, before, path, causes);
        match value {
            Value::Object(map) => {
                for (name, value) in map {
                    let before = before.map(|before| &before[name]);
                    if let Some(rules) = self.fields.get(name) {
                        rules.judge(context, budget, value, before, &join(path, name), causes);
                    } else if let Some(rules) = &self.each {
                        rules.judge(
                            context,
                            budget,
                            value,
                            before,
                            &format!("{path}[{name}]"),
                            causes,
                        );
                    }
                }
            }
            Value::Array(list) => {
                let Some(rules) = &self.each else { return };
                for (index, item) in list.iter().enumerate() {
                    let before = before.and_then(|before| self.same_item(before, item));
                    rules.judge(
                        context,
                        budget,
                        item,
                        before,
                        &format!("{path}[{index}]"),
                        causes,
                    );
                }
            }
            _ => {}
        }
    }

    /// The item that this one was.
    fn same_item<'a>(&self, before: &'a Value, item: &Value) -> Option<&'a Value> {
        let keys = self.keys.as_ref()?;
        before
            .as_array()?
            .iter()
            .find(|known| keys.iter().all(|key| known[key] == item[key]))
    }

    fn judge_here(
        &self,
        context: &Context<'_, '_>,
        budget: &AtomicI64,
        value: &Value,
        before: Option<&Value>,
        path: &str,
        causes: &mut Vec<Cause>,
    ) {
        // What was wrong already, under rules that came later, does not stand in the way of other changes.
        let unchanged = before == Some(value);
        let mut asked = self
            .here
            .iter()
            .filter(|rule| {
                if rule.of_change {
                    before.is_some()
                } else {
                    !unchanged
                }
            })
            .peekable();
        if asked.peek().is_none() {
            return;
        }
        let mut scope = context.new_inner_scope();
        scope.add_variable_from_value("self", values::value(&self.schema, value));
        if let Some(before) = before {
            scope.add_variable_from_value("oldSelf", values::value(&self.schema, before));
        }
        let shown = format!("{:?}", self.schema["type"].as_str().unwrap_or_default());
        for rule in asked {
            if budget.load(Ordering::Relaxed) <= 0 {
                causes.push(Cause::invalid(
                    path,
                    format!("{shown}: validation failed due to running out of cost budget, no further validation rules will be run"),
                ));
                return;
            }
            match Cel::resolve(&rule.expression, &scope) {
                Ok(Cel::Bool(true)) => {}
                Ok(_) => causes.push(rule.refusal(&scope, path, &shown)),
                Err(error) => causes.push(Cause::invalid(
                    path,
                    format!(
                        "{shown}: {} evaluating rule: {}",
                        error_text(&error),
                        rule.name()
                    ),
                )),
            }
        }
    }
}

impl Rule {
    fn name(&self) -> &str {
        self.message.as_deref().unwrap_or(&self.text)
    }

    fn refusal(&self, scope: &Context<'_, '_>, path: &str, shown: &str) -> Cause {
        let computed = self.message_expression.as_ref().and_then(|expression| {
            match Cel::resolve(expression, scope) {
                Ok(Cel::String(text)) if !text.trim().is_empty() && !text.contains('\n') => {
                    Some(text.to_string())
                }
                _ => None,
            }
        });
        let message = computed
            .or(self.message.clone())
            .unwrap_or_else(|| format!("failed rule: {}", self.text));
        let message = match self.reason {
            "FieldValueRequired" => format!("Required value: {message}"),
            "FieldValueForbidden" => format!("Forbidden: {message}"),
            "FieldValueDuplicate" => format!("Duplicate value: {shown}"),
            _ => format!("Invalid value: {shown}: {message}"),
        };
        Cause {
            reason: self.reason,
            field: format!("{path}{}", self.field)
                .trim_start_matches('.')
                .to_owned(),
            message,
        }
    }
}

fn error_text(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(name) => format!("no such key: {name}"),
        other => other.to_string(),
    }
}
