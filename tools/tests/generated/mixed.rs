//! `mixed`, version 3: the type of its blob (checksum 5747e726).
//!
//! Written by `mmoe codegen`: do not edit, write it again.
#![allow(dead_code, unreachable_pub, reason = "not every program uses every name")]

use mmoe::gate::{ConstantGate, DSelectKGate, HardGate, MaskedGate, SoftmaxGate, TopKGate};
use mmoe::layer::{Affine, LayerNorm, PRelu, Slice};
use mmoe::parallel::{List3, List5};
use mmoe::{Aligned, Binary, Dense, F32, Linear, LoadError, Logits, MixtureOutput, Mmoe, Regression, Seq, Seq3};

/// A tower.
pub type Tower0 = Regression<Logits<4, 1, F32>>;
/// A tower.
pub type Tower3 = MixtureOutput<4, F32>;
/// A tower.
pub type Tower4 = Binary<Logits<4, 1, F32>>;
/// An expert.
pub type Expert0 = Slice<6, 2, Seq<Dense<3, 4, F32, Linear>, PRelu<4, F32>>>;
/// An expert.
pub type Expert1 = Seq3<Dense<6, 4, F32, Linear>, Affine<4, F32>, LayerNorm<4>>;
/// An expert.
pub type Expert2 = Dense<6, 4, F32>;
/// A gate.
pub type TaskGate0 = HardGate<Logits<6, 3, F32>>;
/// A gate.
pub type TaskGate1 = TopKGate<Logits<6, 3, F32>, 2, true>;
/// A gate.
pub type TaskGate2 = DSelectKGate<Logits<6, 6, F32>, 3, 2>;
/// A gate.
pub type TaskGate3 = ConstantGate<6, 3, F32>;
/// A gate.
pub type TaskGate4 = MaskedGate<SoftmaxGate<Seq<Dense<6, 5, F32>, Logits<5, 2, F32>>>, 0b101, 3>;

mmoe::tasks! {
    /// The towers. Outputs:
    ///
    /// - `hard`: task `hard`, raw values
    /// - `top`: task `top`, raw values
    /// - `select`: task `select`, raw values
    /// - `constant`: task `constant`, raw values (4 of them)
    /// - `sees`: task `sees`, a probability
    pub struct Towers => Outputs { hard, top, select, constant, sees }
}

/// The model: `Model::load` checks a blob against it and uses its weights where they lie.
pub type Model = Mmoe<List3<Expert0, Expert1, Expert2>, List5<TaskGate0, TaskGate1, TaskGate2, TaskGate3, TaskGate4>, Towers<Tower0, Tower0, Tower0, Tower3, Tower4>>;

/// The blob, in flash.
pub static BLOB: &Aligned<[u8]> = mmoe::include_blob!("mixed.mmoe");

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
pub const TASKS: usize = 5;
/// Bytes of flash that the blob takes.
pub const BLOB_BYTES: usize = 1500;
/// Bytes of weights among them.
pub const WEIGHT_BYTES: usize = 988;
/// Bytes of buffers that a prediction has on the stack.
pub const SCRATCH: usize = Model::SCRATCH;
