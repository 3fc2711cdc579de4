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

mmoe::tasks! {
    /// The towers. Outputs:
    ///
    /// - `ctr`: task `ctr`, a probability
    /// - `cvr`: task `cvr`, a probability
    pub struct Towers => Outputs { ctr, cvr }
}

/// The model: `Model::load` checks a blob against it and uses its weights where they lie.
///
/// Of a prediction `y`, `y.towers` are the towers' outputs, and products of two of them:
///
/// - `y.product`: task `ctcvr`
pub type Model = Mmoe<[Expert; 2], [TaskGate; 2], Product<Towers<Tower, Tower>, 0, 1>>;

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
