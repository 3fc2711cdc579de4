//! `product`, version 3: the type of its blob (checksum cc84419d).
//!
//! Written by `mmoe codegen`: do not edit, write it again.
#![allow(dead_code, unreachable_pub, reason = "not every program uses every name")]

use mmoe::{Aligned, Binary, Dense, F32, Gate, LoadError, Logits, Mmoe, Product};

/// A tower.
pub type Tower = Binary<Logits<3, 1, F32>>;
/// An expert.
pub type Expert = Dense<4, 3, F32>;
/// A gate.
pub type TaskGate = Gate<4, 2, F32>;

/// Where each tower's probability stands in the first part of a prediction; the second part is the product.
pub mod output {
    /// Task `ctr`, a probability.
    pub const CTR: usize = 0;
    /// Task `cvr`, a probability.
    pub const CVR: usize = 1;
}

/// The model: `Model::load` checks a blob against it and uses its weights where they lie.
pub type Model = Mmoe<[Expert; 2], [TaskGate; 2], Product<[Tower; 2], 0, 1>>;

/// The blob, in flash.
pub static BLOB: &Aligned<[u8]> = mmoe::include_blob!("product.mmoe");

/// The model in [`BLOB`], checked.
///
/// # Errors
///
/// A blob that is damaged or of another shape.
pub fn load() -> Result<&'static Model, LoadError> {
    Model::load(BLOB)
}

/// Features of one row.
pub const INPUTS: usize = 4;
/// Tasks.
pub const TASKS: usize = 3;
/// Bytes of flash that the blob takes.
pub const BLOB_BYTES: usize = 488;
/// Bytes of weights among them.
pub const WEIGHT_BYTES: usize = 232;
/// Bytes of buffers that a prediction has on the stack.
pub const SCRATCH: usize = Model::SCRATCH;
