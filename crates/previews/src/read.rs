//! What one may look at.

mod changes;
mod deliveries;
pub(crate) mod get;
mod list;
mod logs;
mod operations;

pub use logs::LogStream;
