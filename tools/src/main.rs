//! The `mmoe` tool.
fn main() {}
