//! `edge`, version 0: the type of its blob (checksum 30e47b93).
//!
//! Written by `mmoe codegen`: do not edit, write it again.
#![allow(dead_code, unreachable_pub, reason = "not every program uses every name")]

use mmoe::parallel::List3;
use mmoe::{Aligned, Binary, Dense, Gate, I16, I8, LoadError, Logits, Mmoe, Regression, Seq};

/// A tower.
pub type Tower0 = Binary<Seq<Dense<32, 16, I8>, Logits<16, 1, I16>>>;
/// A tower.
pub type Tower2 = Regression<Seq<Dense<32, 16, I8>, Logits<16, 1, I16>>>;
/// An expert.
pub type Expert = Seq<Dense<64, 64, I8>, Dense<64, 32, I8>>;
/// A gate.
pub type TaskGate0 = Gate<64, 4, I8>;
/// A gate.
pub type TaskGate1 = Gate<64, 4, I16>;

mmoe::tasks! {
    /// The towers. Outputs:
    ///
    /// - `y0`: task `y0`, a probability
    /// - `y1`: task `y1`, a probability
    /// - `y2`: task `y2`, raw values
    pub struct Towers => Outputs { y0, y1, y2 }
}

/// The model: `Model::load` checks a blob against it and uses its weights where they lie.
pub type Model = Mmoe<[Expert; 4], List3<TaskGate0, TaskGate1, TaskGate1>, Towers<Tower0, Tower0, Tower2>>;

/// The blob, in flash.
pub static BLOB: &Aligned<[u8]> = mmoe::include_blob!("edge.mmoe");

/// The model in [`BLOB`], checked.
///
/// # Errors
///
/// A blob that is damaged or of another shape.
pub fn load() -> Result<&'static Model, LoadError> {
    Model::load(BLOB)
}

/// Features of one row.
pub const INPUTS: usize = 64;
/// Tasks.
pub const TASKS: usize = 3;
/// Bytes of flash that the blob takes.
pub const BLOB_BYTES: usize = 32968;
/// Bytes of weights among them.
pub const WEIGHT_BYTES: usize = 31624;
/// Bytes of buffers that a prediction has on the stack.
pub const SCRATCH: usize = Model::SCRATCH;
