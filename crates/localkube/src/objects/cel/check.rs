//! Whether an expression fits its schema: every name is known, every function is there, every type fits.

use std::collections::HashMap;

use cel::IdedExpr;
use cel::Program;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue};

use super::signature::{Signature, signatures};
use super::types::Type;

/// Deeper expressions are refused, so that none needs more stack than there is.
const DEEPEST: usize = 128;

/// The type of an expression over these variables; or what is wrong with it, each with the place.
pub(super) fn check(program: &Program, variables: Vec<(&str, Type)>) -> Result<Type, String> {
    let mut checker = Checker {
        program,
        scope: variables
            .into_iter()
            .map(|(name, type_)| (name.to_owned(), type_))
            .collect(),
        depth: 0,
        errors: Vec::new(),
    };
    let type_ = checker.infer(program.expression());
    if checker.errors.is_empty() {
        Ok(type_)
    } else {
        Err(checker.errors.join("\n"))
    }
}

struct Checker<'a> {
    program: &'a Program,
    scope: Vec<(String, Type)>,
    depth: usize,
    errors: Vec<String>,
}

impl Checker<'_> {
    fn wrong(&mut self, id: u64, message: impl AsRef<str>) -> Type {
        let info = self.program.source_info();
        let start = info.offset_for(id).map_or(0, |(start, _)| start as usize);
        let before = info.source.get(..start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        let text = info.source.lines().nth(line - 1).unwrap_or_default();
        let error = format!(
            "ERROR: <input>:{line}:{column}: {}\n | {text}\n | {}^",
            message.as_ref(),
            ".".repeat(column - 1)
        );
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
        Type::Dyn
    }

    fn lookup(&self, name: &str) -> Option<Type> {
        let found = self.scope.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, type_)| type_.clone())
    }

    fn infer(&mut self, expr: &IdedExpr) -> Type {
        self.depth += 1;
        let type_ = if self.depth > DEEPEST {
            self.wrong(expr.id, "the expression is nested too deeply")
        } else {
            self.infer_here(expr)
        };
        self.depth -= 1;
        type_
    }

    fn infer_here(&mut self, expr: &IdedExpr) -> Type {
        match &expr.expr {
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Type::Bool,
                LiteralValue::Bytes(_) => Type::Bytes,
                LiteralValue::Double(_) => Type::Double,
                LiteralValue::Int(_) => Type::Int,
                LiteralValue::Null => Type::Null,
                LiteralValue::String(_) => Type::String,
                LiteralValue::UInt(_) => Type::Uint,
            },
            Expr::Ident(name) => match self.lookup(name) {
                Some(type_) => type_,
                None if is_type_name(name) => Type::Named("type"),
                None => self.wrong(
                    expr.id,
                    format!("undeclared reference to '{name}' (in container '')"),
                ),
            },
            Expr::Select(select) => {
                let operand = self.infer(&select.operand);
                let field = self.field(expr.id, &operand, &select.field);
                if select.test { Type::Bool } else { field }
            }
            Expr::Call(call) => self.call(expr.id, call),
            Expr::List(list) => {
                let mut of = None;
                for element in &list.elements {
                    let type_ = self.infer(element);
                    of = Some(match of {
                        None => type_,
                        Some(known) if known == type_ => known,
                        Some(_) => Type::Dyn,
                    });
                }
                Type::list(of.unwrap_or(Type::Dyn))
            }
            Expr::Map(map) => {
                let mut of: Option<(Type, Type)> = None;
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else {
                        continue;
                    };
                    let (key, value) = (self.infer(&entry.key), self.infer(&entry.value));
                    of = Some(match of {
                        None => (key, value),
                        Some((k, v)) => (
                            if k == key { k } else { Type::Dyn },
                            if v == value { v } else { Type::Dyn },
                        ),
                    });
                }
                let (key, value) = of.unwrap_or((Type::Dyn, Type::Dyn));
                Type::Map(Box::new(key), Box::new(value))
            }
            Expr::Comprehension(comprehension) => self.comprehension(expr.id, comprehension),
            Expr::Struct(made) => {
                let message = format!(
                    "undeclared reference to '{}' (in container '')",
                    made.type_name
                );
                self.wrong(expr.id, message)
            }
            Expr::Unspecified => self.wrong(expr.id, "the expression is incomplete"),
        }
    }

    fn field(&mut self, id: u64, operand: &Type, name: &str) -> Type {
        match operand {
            Type::Dyn => Type::Dyn,
            Type::Map(_, value) => Type::clone(value),
            Type::Optional(of) => match self.field(id, of, name) {
                of @ Type::Optional(_) => of,
                of => Type::Optional(Box::new(of)),
            },
            Type::Object(fields) => match fields.get(name) {
                Some(type_) => type_.clone(),
                None => self.wrong(id, format!("undefined field '{name}'")),
            },
            other => self.wrong(
                id,
                format!("type '{other}' does not support field selection"),
            ),
        }
    }

    fn call(&mut self, id: u64, call: &CallExpr) -> Type {
        let name = call.func_name.as_str();
        if name == cel::common::ast::operators::OPT_SELECT {
            let [operand, field] = call.args.as_slice() else {
                return self.wrong(id, "an optional selection has two parts");
            };
            let operand = self.infer(operand);
            let Expr::Literal(LiteralValue::String(field)) = &field.expr else {
                return self.wrong(id, "an optional selection names a field");
            };
            return match self.field(id, &operand, field.inner()) {
                of @ Type::Optional(_) => of,
                of => Type::Optional(Box::new(of)),
            };
        }
        // `sets.contains(…)` is one name.
        if let Some(target) = &call.target
            && let Expr::Ident(space) = &target.expr
            && self.lookup(space).is_none()
            && let Some(known) = signatures(&format!("{space}.{name}"))
        {
            let name = format!("{space}.{name}");
            let arguments = self.arguments(&call.args);
            return self.choose(id, &name, known, false, arguments);
        }
        let mut arguments: Vec<Type> = call
            .target
            .iter()
            .map(|target| self.infer(target))
            .collect();
        arguments.extend(self.arguments(&call.args));
        if ["matches", "find", "findAll"].contains(&name)
            && let Some(IdedExpr {
                id,
                expr: Expr::Literal(LiteralValue::String(pattern)),
            }) = call.args.first()
            && let Err(error) = super::library::regex(pattern.inner())
        {
            return self.wrong(*id, format!("invalid {name} argument: {error}"));
        }
        match signatures(name) {
            Some(known) => self.choose(id, name, known, call.target.is_some(), arguments),
            None => self.wrong(
                id,
                format!("undeclared reference to '{name}' (in container '')"),
            ),
        }
    }

    fn arguments(&mut self, arguments: &[IdedExpr]) -> Vec<Type> {
        arguments
            .iter()
            .map(|argument| self.infer(argument))
            .collect()
    }

    /// The result of the first form that fits. Where an argument may be anything, several may.
    fn choose(
        &mut self,
        id: u64,
        name: &str,
        known: &[Signature],
        member: bool,
        arguments: Vec<Type>,
    ) -> Type {
        let mut results = known
            .iter()
            .filter(|signature| signature.member == member)
            .filter_map(|signature| result(signature, &arguments));
        let Some(first) = results.next() else {
            let mut shown: Vec<String> = arguments.iter().map(Type::to_string).collect();
            let target = if member {
                format!("{}.", shown.remove(0))
            } else {
                String::new()
            };
            let shown = shown.join(", ");
            return self.wrong(
                id,
                format!("found no matching overload for '{name}' applied to '{target}({shown})'"),
            );
        };
        if results.all(|other| other == first) {
            first
        } else {
            Type::Dyn
        }
    }

    fn comprehension(&mut self, id: u64, comprehension: &ComprehensionExpr) -> Type {
        let range = self.infer(&comprehension.iter_range);
        let (first, second) = match range {
            Type::List(of) => (Type::clone(&of), *of),
            Type::Map(key, value) => (*key, *value),
            Type::Dyn => (Type::Dyn, Type::Dyn),
            other => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.wrong(id, message);
                (Type::Dyn, Type::Dyn)
            }
        };
        if comprehension.iter_var2.is_some() {
            return self.wrong(
                id,
                "comprehensions of two variables are not evaluated by this cluster",
            );
        }
        let _ = second;
        let accumulated = self.infer(&comprehension.accu_init);
        let outside = self.scope.len();
        self.scope
            .push((comprehension.accu_var.clone(), accumulated));
        let accumulator = self.scope.len() - 1;
        self.scope.push((comprehension.iter_var.clone(), first));
        self.infer(&comprehension.loop_cond);
        let step = self.infer(&comprehension.loop_step);
        self.scope[accumulator].1 = step;
        self.scope.truncate(accumulator + 1);
        let result = self.infer(&comprehension.result);
        self.scope.truncate(outside);
        result
    }
}

fn is_type_name(name: &str) -> bool {
    [
        "bool",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "list",
        "map",
        "null_type",
        "type",
    ]
    .contains(&name)
}

/// What a form gives for these arguments; none where it does not take them.
fn result(signature: &Signature, arguments: &[Type]) -> Option<Type> {
    if signature.arguments.len() != arguments.len() {
        return None;
    }
    let mut bound = HashMap::new();
    let fits = signature
        .arguments
        .iter()
        .zip(arguments)
        .all(|(wanted, given)| fits(wanted, given, &mut bound));
    fits.then(|| substitute(&signature.result, &bound))
}

fn fits(wanted: &Type, given: &Type, bound: &mut HashMap<char, Type>) -> bool {
    match (wanted, given) {
        (Type::Parameter(name), given) => {
            let known = bound.get(name).cloned();
            match known {
                None => {
                    bound.insert(*name, given.clone());
                    true
                }
                Some(known) => match common(&known, given) {
                    Some(type_) => {
                        bound.insert(*name, type_);
                        true
                    }
                    None => false,
                },
            }
        }
        (Type::Dyn, _) | (_, Type::Dyn) => true,
        (Type::List(wanted), Type::List(given))
        | (Type::Optional(wanted), Type::Optional(given)) => fits(wanted, given, bound),
        (Type::Map(key, value), Type::Map(given_key, given_value)) => {
            fits(key, given_key, bound) && fits(value, given_value, bound)
        }
        _ => wanted == given,
    }
}

/// The narrower of two types that fit each other.
fn common(a: &Type, b: &Type) -> Option<Type> {
    match (a, b) {
        (Type::Dyn, other) | (other, Type::Dyn) => Some(other.clone()),
        (
            Type::Null,
            other @ (Type::Object(_) | Type::Duration | Type::Timestamp | Type::Optional(_)),
        )
        | (
            other @ (Type::Object(_) | Type::Duration | Type::Timestamp | Type::Optional(_)),
            Type::Null,
        ) => Some(other.clone()),
        (Type::List(a), Type::List(b)) => common(a, b).map(Type::list),
        (Type::Optional(a), Type::Optional(b)) => {
            common(a, b).map(|of| Type::Optional(Box::new(of)))
        }
        (Type::Map(ak, av), Type::Map(bk, bv)) => Some(Type::Map(
            Box::new(common(ak, bk)?),
            Box::new(common(av, bv)?),
        )),
        (a, b) => (a == b).then(|| a.clone()),
    }
}

fn substitute(type_: &Type, bound: &HashMap<char, Type>) -> Type {
    let of = |inner: &Type| Box::new(substitute(inner, bound));
    match type_ {
        Type::Parameter(name) => bound.get(name).cloned().unwrap_or(Type::Dyn),
        Type::List(inner) => Type::List(of(inner)),
        Type::Optional(inner) => Type::Optional(of(inner)),
        Type::Map(key, value) => Type::Map(of(key), of(value)),
        other => other.clone(),
    }
}
