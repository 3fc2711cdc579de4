//! The integer quantizer: the bits of its blobs, what it proves, how good its models are, what it
//! refuses.

mod bits;
#[path = "../common/mod.rs"]
mod common;
mod evaluation;
mod quality;
mod random;
mod refused;
#[path = "../../../tests/seeded/mod.rs"]
mod seeded;
