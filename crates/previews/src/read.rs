//! What one may look at.

mod changes;
mod deliveries;
pub(crate) mod get;
mod isolation;
mod list;
mod logs;
mod namespaces;
mod operations;
mod platform;

pub use logs::LogStream;
