//! `bottom`, version 3: the type of its blob (checksum 33a4f199).
//!
//! Written by `mmoe codegen`: do not edit, write it again.
#![allow(dead_code, unreachable_pub, reason = "not every program uses every name")]

use mmoe::{Aligned, Binary, Dense, F32, LoadError, Logits, Seq, Seq3, SharedBottom, Sigmoid};

/// A tower.
pub type Tower = Binary<Logits<4, 1, F32>>;
/// The shared bottom.
pub type SharedExpert = Seq<Seq3<Dense<4, 4, F32, Sigmoid>, Dense<4, 4, F32, Sigmoid>, Dense<4, 4, F32, Sigmoid>>, Seq<Dense<4, 4, F32, Sigmoid>, Dense<4, 4, F32, Sigmoid>>>;

mmoe::tasks! {
    /// The towers. Outputs:
    ///
    /// - `a`: task `a`, a probability
    /// - `b`: task `b`, a probability
    pub struct Towers => Outputs { a, b }
}

/// The model: `Model::load` checks a blob against it and uses its weights where they lie.
pub type Model = SharedBottom<SharedExpert, Towers<Tower, Tower>, 2>;

/// The blob, in flash.
pub static BLOB: &Aligned<[u8]> = mmoe::include_blob!("bottom.mmoe");

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
pub const BLOB_BYTES: usize = 632;
/// Bytes of weights among them.
pub const WEIGHT_BYTES: usize = 440;
/// Bytes of buffers that a prediction has on the stack.
pub const SCRATCH: usize = Model::SCRATCH;
