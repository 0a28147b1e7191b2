//! CEL: the rules of `x-kubernetes-validations`.
//!
//! The crate `cel` reads and evaluates expressions. Kubernetes also checks their types against the schema before it
//! takes a CustomResourceDefinition, which `check` does here: a rule whose fields, functions or types do not fit
//! is refused with its definition. What this cluster cannot evaluate is refused the same way, and never passes.

mod check;
mod compile;
mod functions;
mod library;
mod rules;
mod signature;
mod types;
mod values;

pub(crate) use rules::Rules;

#[cfg(test)]
mod tests;
