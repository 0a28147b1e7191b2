//! From the text of a rule to what can be asked: read, checked against the schema, and metered.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr};
use serde_json::Value;

use super::check::check;
use super::functions::environment;
use super::rules::{RANGE, Rule, Rules};
use super::types::Type;
use crate::objects::error::Cause;

/// Longer rules are refused.
const LONGEST: usize = 16 * 1024;

/// `correlated`: whether a value here can be found again in the object that was there before.
pub(super) fn compile_at(
    schema: &Value,
    path: &str,
    root: bool,
    correlated: bool,
    causes: &mut Vec<Cause>,
) -> Rules {
    let mut rules = Rules::default();
    let listed = schema["x-kubernetes-validations"].as_array();
    if let Some(listed) = listed.filter(|listed| !listed.is_empty()) {
        rules.schema = schema.clone();
        let type_ = if root {
            Type::of_root(schema)
        } else {
            Type::of_schema(schema)
        };
        for (index, rule) in listed.iter().enumerate() {
            let path = format!("{path}.x-kubernetes-validations[{index}]");
            match compile(rule, type_.as_ref(), schema, correlated) {
                Ok(rule) => rules.here.push(rule),
                Err((part, error)) if part == "rule" && error.is_empty() => {
                    causes.push(Cause::required(
                        format!("{path}.rule"),
                        "rule is not specified",
                    ));
                }
                Err((part, error)) => causes.push(Cause::invalid(
                    format!("{path}.{part}"),
                    format!("{rule}: {error}"),
                )),
            }
        }
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let below = compile_at(
            property,
            &format!("{path}.properties[{name}]"),
            false,
            correlated,
            causes,
        );
        if !below.is_empty() {
            rules.fields.insert(name.clone(), below);
        }
    }
    for (name, correlated) in [
        ("additionalProperties", correlated),
        ("items", correlated && keys(schema).is_some()),
    ] {
        if schema[name].is_object() {
            let below = compile_at(
                &schema[name],
                &format!("{path}.{name}"),
                false,
                correlated,
                causes,
            );
            if !below.is_empty() {
                rules.each = Some(Box::new(below));
                rules.keys = keys(schema);
            }
        }
    }
    for alternatives in ["allOf", "anyOf", "oneOf"] {
        for (index, schema) in schema[alternatives]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            if schema.to_string().contains("x-kubernetes-validations") {
                causes.push(Cause {
                    reason: "FieldValueForbidden",
                    field: format!("{path}.{alternatives}[{index}].x-kubernetes-validations"),
                    message:
                        "Forbidden: rules inside of alternatives are not evaluated by this cluster"
                            .to_owned(),
                });
            }
        }
    }
    rules
}

/// The keys of a list that has them.
fn keys(schema: &Value) -> Option<Vec<String>> {
    let keys = schema["x-kubernetes-list-map-keys"].as_array();
    let keys = keys.filter(|_| schema["x-kubernetes-list-type"] == "map")?;
    Some(
        keys.iter()
            .filter_map(|key| key.as_str().map(str::to_owned))
            .collect(),
    )
}

/// A rule, or which part of it is wrong and why.
fn compile(
    rule: &Value,
    type_: Option<&Type>,
    schema: &Value,
    correlated: bool,
) -> Result<Rule, (&'static str, String)> {
    let given = |field: &str| {
        rule[field]
            .as_str()
            .map(str::trim)
            .filter(|text| !text.is_empty())
    };
    let text = given("rule").ok_or(("rule", String::new()))?;
    if rule["optionalOldSelf"] == true {
        return Err((
            "optionalOldSelf",
            "this cluster does not evaluate rules with an optional oldSelf".to_owned(),
        ));
    }
    let type_ = type_.ok_or(("rule", "rules are for values of a known type".to_owned()))?;
    let (expression, result) = expression(text, type_).map_err(|error| ("rule", error))?;
    if !matches!(result, Type::Bool | Type::Dyn) {
        return Err(("rule", "cel expression must evaluate to a bool".to_owned()));
    }
    let of_change = mentions(&expression, "oldSelf");
    if of_change && !correlated {
        return Err((
            "rule",
            "oldSelf cannot be used on the uncorrelatable portion of the schema: only lists with keys know an item again".to_owned(),
        ));
    }
    let message_expression = match given("messageExpression") {
        None => None,
        Some(text) => {
            let (expression, result) =
                self::expression(text, type_).map_err(|error| ("messageExpression", error))?;
            if !matches!(result, Type::String | Type::Dyn) {
                return Err(("messageExpression", "must evaluate to a string".to_owned()));
            }
            Some(expression)
        }
    };
    let message = given("message");
    if message.is_some_and(|message| message.contains('\n'))
        || (message.is_none() && text.contains('\n'))
    {
        return Err((
            "message",
            "message must be specified if rule contains line breaks, and may not contain any"
                .to_owned(),
        ));
    }
    let reason = match rule["reason"].as_str() {
        None | Some("FieldValueInvalid") => "FieldValueInvalid",
        Some("FieldValueForbidden") => "FieldValueForbidden",
        Some("FieldValueRequired") => "FieldValueRequired",
        Some("FieldValueDuplicate") => "FieldValueDuplicate",
        Some(other) => {
            return Err((
                "reason",
                format!("{other:?} is no reason that a rule may give"),
            ));
        }
    };
    Ok(Rule {
        text: text.to_owned(),
        message: message.map(str::to_owned),
        message_expression,
        reason,
        field: match given("fieldPath") {
            None => String::new(),
            Some(path) => field_path(path, schema).ok_or((
                "fieldPath",
                format!("{path:?} does not refer to a valid field"),
            ))?,
        },
        of_change,
        expression,
    })
}

/// A field path such as `.spec.name` that there is in the schema.
fn field_path(path: &str, schema: &Value) -> Option<String> {
    let mut at = schema;
    for name in path.strip_prefix('.')?.split('.') {
        at = at["properties"].get(name)?;
    }
    Some(path.to_owned())
}

/// An expression over `self` and `oldSelf`, and its type.
fn expression(text: &str, type_: &Type) -> Result<(IdedExpr, Type), String> {
    if text.len() > LONGEST {
        return Err(format!(
            "compilation failed: the expression is longer than {LONGEST} bytes"
        ));
    }
    let environment = environment()?;
    let program = environment.compile(text).map_err(|errors| {
        let syntax = errors.to_string();
        let named = if syntax.contains("Syntax error") {
            ""
        } else {
            "Syntax error: "
        };
        format!("compilation failed: {named}{syntax}")
    })?;
    let variables = vec![("self", type_.clone()), ("oldSelf", type_.clone())];
    let result =
        check(&program, variables).map_err(|errors| format!("compilation failed: {errors}"))?;
    let mut expression = program.expression().clone();
    meter(&mut expression);
    Ok((expression, result))
}

/// Have every list counted that an expression goes through.
fn meter(expr: &mut IdedExpr) {
    if let Expr::Comprehension(comprehension) = &mut expr.expr {
        let id = comprehension.iter_range.id;
        let range = std::mem::take(&mut comprehension.iter_range);
        comprehension.iter_range = IdedExpr {
            id,
            expr: Expr::Call(CallExpr {
                func_name: RANGE.to_owned(),
                target: None,
                args: vec![range],
            }),
        };
    }
    each_part(expr, &mut |part| meter(part));
}

fn mentions(expr: &IdedExpr, name: &str) -> bool {
    if matches!(&expr.expr, Expr::Ident(known) if known == name) {
        return true;
    }
    let mut found = false;
    each_part(&mut expr.clone(), &mut |part| found |= mentions(part, name));
    found
}

fn each_part(expr: &mut IdedExpr, visit: &mut dyn FnMut(&mut IdedExpr)) {
    match &mut expr.expr {
        Expr::Call(call) => call
            .target
            .iter_mut()
            .map(Box::as_mut)
            .chain(&mut call.args)
            .for_each(visit),
        Expr::Comprehension(c) => {
            let parts = [
                &mut c.iter_range,
                &mut c.accu_init,
                &mut c.loop_cond,
                &mut c.loop_step,
                &mut c.result,
            ];
            parts.into_iter().for_each(visit);
        }
        Expr::List(list) => list.elements.iter_mut().for_each(visit),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    visit(&mut entry.key);
                    visit(&mut entry.value);
                }
            }
        }
        Expr::Select(select) => visit(&mut select.operand),
        Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}
