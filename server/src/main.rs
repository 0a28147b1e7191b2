//! The catalyst binary.
fn main() {}
