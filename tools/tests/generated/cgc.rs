//! `cgc`, version 3: the type of its blob (checksum feb4a306).
//!
//! Written by `mmoe codegen`: do not edit, write it again.
#![allow(dead_code, unreachable_pub, reason = "not every program uses every name")]

use mmoe::{Aligned, Binary, Cgc, Dense, F32, Gate, LoadError, Logits, Regression, W8};

/// A tower.
pub type Tower0 = Binary<Logits<3, 1, F32>>;
/// A tower.
pub type Tower1 = Regression<Logits<3, 1, F32>>;
/// A task's expert.
pub type Expert = Dense<4, 3, W8>;
/// A task's gate.
pub type TaskGate = Gate<4, 3, W8>;

mmoe::tasks! {
    /// The towers. Outputs:
    ///
    /// - `a`: task `a`, a probability
    /// - `b`: task `b`, raw values
    pub struct Towers => Outputs { a, b }
}

/// The model: `Model::load` checks a blob against it and uses its weights where they lie.
pub type Model = Cgc<[Expert; 2], [Expert; 1], TaskGate, Towers<Tower0, Tower1>, 2>;

/// The blob, in flash.
pub static BLOB: &Aligned<[u8]> = mmoe::include_blob!("cgc.mmoe");

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
pub const TASKS: usize = 2;
/// Bytes of flash that the blob takes.
pub const BLOB_BYTES: usize = 604;
/// Bytes of weights among them.
pub const WEIGHT_BYTES: usize = 284;
/// Bytes of buffers that a prediction has on the stack.
pub const SCRATCH: usize = Model::SCRATCH;
