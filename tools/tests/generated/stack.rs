//! `stack`, version 3: the type of its blob (checksum 80facf8b).
//!
//! Written by `mmoe codegen`: do not edit, write it again.
#![allow(dead_code, unreachable_pub, reason = "not every program uses every name")]

use mmoe::gate::TopKGate;
use mmoe::trunk::{SingleGate, Stacked};
use mmoe::{Aligned, Binary, Dense, F32, Gate, LoadError, Logits, MmoeLevel, Raw, Regression};

/// A tower.
pub type Tower0 = Binary<Logits<2, 1, F32>>;
/// A tower.
pub type Tower1 = Regression<Logits<2, 1, F32>>;
/// An expert of level 1.
pub type Expert1 = Dense<4, 3, F32>;
/// A gate of level 1.
pub type TaskGate1 = Gate<4, 2, F32>;
/// An expert of level 2.
pub type Expert2 = Dense<3, 5, F32>;
/// A gate of level 2.
pub type TaskGate2 = Gate<3, 2, F32>;
/// An expert of level 3.
pub type Expert3 = Dense<5, 2, F32>;
/// A gate of level 3.
pub type TaskGate3 = TopKGate<Logits<5, 2, F32>, 1, false>;

mmoe::tasks! {
    /// The towers. Outputs:
    ///
    /// - `a`: task `a`, a probability
    /// - `b`: task `b`, raw values
    pub struct Towers => Outputs { a, b }
}

/// The model: `Model::load` checks a blob against it and uses its weights where they lie.
pub type Model = mmoe::Model<Raw<[f32; 4]>, SingleGate<Stacked<Stacked<MmoeLevel<[Expert1; 2], [TaskGate1; 2]>, MmoeLevel<[Expert2; 2], [TaskGate2; 2]>>, MmoeLevel<[Expert3; 2], [TaskGate3; 1]>>, 2>, Towers<Tower0, Tower1>>;

/// The blob, in flash.
pub static BLOB: &Aligned<[u8]> = mmoe::include_blob!("stack.mmoe");

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
pub const BLOB_BYTES: usize = 1040;
/// Bytes of weights among them.
pub const WEIGHT_BYTES: usize = 592;
/// Bytes of buffers that a prediction has on the stack.
pub const SCRATCH: usize = Model::SCRATCH;
