//! `omoe`, version 3: the type of its blob (checksum 74d79b12).
//!
//! Written by `mmoe codegen`: do not edit, write it again.
#![allow(dead_code, unreachable_pub, reason = "not every program uses every name")]

use mmoe::gate::SigmoidGate;
use mmoe::{Aligned, Binary, Dense, F32, LoadError, Logits, Omoe, Regression};

/// A tower.
pub type Tower0 = Binary<Logits<3, 1, F32>>;
/// A tower.
pub type Tower1 = Regression<Logits<3, 1, F32>>;
/// An expert.
pub type Expert = Dense<6, 3, F32>;
/// A gate.
pub type TaskGate = SigmoidGate<Logits<6, 2, F32>>;

mmoe::tasks! {
    /// The towers. Outputs:
    ///
    /// - `a`: task `a`, a probability
    /// - `b`: task `b`, raw values
    pub struct Towers => Outputs { a, b }
}

/// The model: `Model::load` checks a blob against it and uses its weights where they lie.
pub type Model = Omoe<[Expert; 2], TaskGate, Towers<Tower0, Tower1>, 2>;

/// The blob, in flash.
pub static BLOB: &Aligned<[u8]> = mmoe::include_blob!("omoe.mmoe");

/// The model in [`BLOB`], checked.
///
/// # Errors
///
/// A blob that is damaged or of another shape.
pub fn load() -> Result<&'static Model, LoadError> {
    Model::load(BLOB)
}

/// Features of one row.
pub const INPUTS: usize = 6;
/// Tasks.
pub const TASKS: usize = 2;
/// Bytes of flash that the blob takes.
pub const BLOB_BYTES: usize = 512;
/// Bytes of weights among them.
pub const WEIGHT_BYTES: usize = 256;
/// Bytes of buffers that a prediction has on the stack.
pub const SCRATCH: usize = Model::SCRATCH;
