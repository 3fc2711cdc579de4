//! `feed ranker`, version 3: the type of its blob (checksum a4a0472b).
//!
//! Written by `mmoe codegen`: do not edit, write it again.
#![allow(dead_code, unreachable_pub, reason = "not every program uses every name")]

use mmoe::{Aligned, Binary, Dense, F32, Gate, LeakyRelu, LoadError, Logits, Mmoe, MultiRegression, Multiclass, Seq3, Tanh, W8};

/// A tower.
pub type Tower0 = Binary<Logits<4, 1, F32>>;
/// A tower.
pub type Tower1 = Multiclass<Logits<4, 3, F32>>;
/// A tower.
pub type Tower2 = MultiRegression<Logits<4, 2, F32>>;
/// An expert.
pub type Expert = Seq3<Dense<5, 6, W8, LeakyRelu>, Dense<6, 7, W8, Tanh>, Dense<7, 4, W8>>;
/// A gate.
pub type TaskGate = Gate<5, 3, W8>;

mmoe::tasks! {
    /// The towers. Outputs:
    ///
    /// - `click_through`: task `click-through`, a probability
    /// - `type_`: task `type`, class probabilities (3 of them)
    /// - `u8_`: task `u8`, raw values (2 of them)
    pub struct Towers => Outputs { click_through, type_, u8_ }
}

/// The model: `Model::load` checks a blob against it and uses its weights where they lie.
pub type Model = Mmoe<[Expert; 3], [TaskGate; 3], Towers<Tower0, Tower1, Tower2>>;

/// The blob, in flash.
pub static BLOB: &Aligned<[u8]> = mmoe::include_blob!("mmoe.mmoe");

/// The model in [`BLOB`], checked.
///
/// # Errors
///
/// A blob that is damaged or of another shape.
pub fn load() -> Result<&'static Model, LoadError> {
    Model::load(BLOB)
}

/// Features of one row.
pub const INPUTS: usize = 5;
/// Tasks.
pub const TASKS: usize = 3;
/// Bytes of flash that the blob takes.
pub const BLOB_BYTES: usize = 1420;
/// Bytes of weights among them.
pub const WEIGHT_BYTES: usize = 972;
/// Bytes of buffers that a prediction has on the stack.
pub const SCRATCH: usize = Model::SCRATCH;

/// Where each feature stands in the input.
pub mod feature {
    /// `age`.
    pub const AGE: usize = 0;
    /// `Income (k$)`.
    pub const INCOME__K__: usize = 1;
    /// `2nd visit`.
    pub const N_2ND_VISIT: usize = 2;
    /// `type`.
    pub const TYPE_: usize = 3;
    /// `age.`.
    pub const AGE_: usize = 4;
}
