//! The project's chores: `cargo xtask firmware`, `cargo xtask measure`.
fn main() {}
