//! `independent`, version 3: the type of its blob (checksum c66e4cd5).
//!
//! Written by `mmoe codegen`: do not edit, write it again.
#![allow(dead_code, unreachable_pub, reason = "not every program uses every name")]

use mmoe::{Aligned, Binary, F32, Independent, LoadError, Logits, Multiclass};

/// A tower.
pub type Tower0 = Binary<Logits<4, 1, F32>>;
/// A tower.
pub type Tower1 = Multiclass<Logits<4, 3, F32>>;

mmoe::tasks! {
    /// The towers. Outputs:
    ///
    /// - `a`: task `a`, a probability
    /// - `b`: task `b`, class probabilities (3 of them)
    pub struct Towers => Outputs { a, b }
}

/// The model: `Model::load` checks a blob against it and uses its weights where they lie.
pub type Model = Independent<[f32; 4], Towers<Tower0, Tower1>, 2>;

/// The blob, in flash.
pub static BLOB: &Aligned<[u8]> = mmoe::include_blob!("independent.mmoe");

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
pub const BLOB_BYTES: usize = 208;
/// Bytes of weights among them.
pub const WEIGHT_BYTES: usize = 80;
/// Bytes of buffers that a prediction has on the stack.
pub const SCRATCH: usize = Model::SCRATCH;
