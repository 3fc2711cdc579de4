//! `products`, version 3: the type of its blob (checksum b0915a9f).
//!
//! Written by `mmoe codegen`: do not edit, write it again.
#![allow(dead_code, unreachable_pub, reason = "not every program uses every name")]

use mmoe::{Aligned, Binary, Dense, F32, Gate, LoadError, Logits, Mmoe, Multiclass, Product, Regression};

/// A tower.
pub type Tower0 = Binary<Logits<3, 1, F32>>;
/// A tower.
pub type Tower1 = Multiclass<Logits<3, 3, F32>>;
/// A tower.
pub type Tower3 = Regression<Logits<3, 1, F32>>;
/// An expert.
pub type Expert = Dense<4, 3, F32>;
/// A gate.
pub type TaskGate = Gate<4, 2, F32>;

mmoe::tasks! {
    /// The towers. Outputs:
    ///
    /// - `ctr`: task `ctr`, a probability
    /// - `kind`: task `kind`, class probabilities (3 of them)
    /// - `cvr`: task `cvr`, a probability
    /// - `dwell`: task `dwell`, raw values
    pub struct Towers => Outputs { ctr, kind, cvr, dwell }
}

/// The model: `Model::load` checks a blob against it and uses its weights where they lie.
///
/// Of a prediction `y`, `y.towers.towers` are the towers' outputs, and products of two of them:
///
/// - `y.towers.product`: task `ctcvr`
/// - `y.product`: task `squared`
pub type Model = Mmoe<[Expert; 2], [TaskGate; 4], Product<Product<Towers<Tower0, Tower1, Tower0, Tower3>, 0, 2>, 2, 2>>;

/// The blob, in flash.
pub static BLOB: &Aligned<[u8]> = mmoe::include_blob!("products.mmoe");

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
pub const TASKS: usize = 6;
/// Bytes of flash that the blob takes.
pub const BLOB_BYTES: usize = 760;
/// Bytes of weights among them.
pub const WEIGHT_BYTES: usize = 376;
/// Bytes of buffers that a prediction has on the stack.
pub const SCRATCH: usize = Model::SCRATCH;
