//! `small`, version 0: the type of its blob (checksum 9ad80821).
//!
//! Written by `mmoe codegen`: do not edit, write it again.
#![allow(dead_code, unreachable_pub, reason = "not every program uses every name")]

use mmoe::{Aligned, Dense, Gate, I16, I8, LoadError, Logits, Mmoe, Regression, Seq};

/// A tower.
pub type Tower = Regression<Seq<Dense<8, 4, I8>, Logits<4, 1, I16>>>;
/// An expert.
pub type Expert = Dense<16, 8, I8>;
/// A gate.
pub type TaskGate = Gate<16, 3, I8>;

mmoe::tasks! {
    /// The towers. Outputs:
    ///
    /// - `a`: task `a`, raw values
    /// - `b`: task `b`, raw values
    pub struct Towers => Outputs { a, b }
}

/// The model: `Model::load` checks a blob against it and uses its weights where they lie.
pub type Model = Mmoe<[Expert; 3], [TaskGate; 2], Towers<Tower, Tower>>;

/// The blob, in flash.
pub static BLOB: &Aligned<[u8]> = mmoe::include_blob!("small.mmoe");

/// The model in [`BLOB`], checked.
///
/// # Errors
///
/// A blob that is damaged or of another shape.
pub fn load() -> Result<&'static Model, LoadError> {
    Model::load(BLOB)
}

/// Features of one row.
pub const INPUTS: usize = 16;
/// Tasks.
pub const TASKS: usize = 2;
/// Bytes of flash that the blob takes.
pub const BLOB_BYTES: usize = 1536;
/// Bytes of weights among them.
pub const WEIGHT_BYTES: usize = 1024;
/// Bytes of buffers that a prediction has on the stack.
pub const SCRATCH: usize = Model::SCRATCH;
