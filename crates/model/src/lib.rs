//! Names, ids, states and views that every other part speaks in.
//!
//! Free of I/O, and compiles to wasm: the browser uses the same types as the server.

pub mod access;
pub mod ids;
pub mod instant;
mod memorable;
pub mod names;
pub mod namespaces;
pub mod platform;
pub mod quantity;
pub mod secrets;
pub mod source;
pub mod state;
pub mod usage;
pub mod views;
