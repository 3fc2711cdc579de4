//! `ple`, version 3: the type of its blob (checksum a2858453).
//!
//! Written by `mmoe codegen`: do not edit, write it again.
#![allow(dead_code, unreachable_pub, reason = "not every program uses every name")]

use mmoe::precision::Quad;
use mmoe::{Aligned, Binary, CgcLevel, Dense, ExtractionLevel, Gate, I16, I8, LoadError, Logits, Ple, Regression};

/// A tower.
pub type Tower0 = Binary<Logits<3, 1, I16>>;
/// A tower.
pub type Tower1 = Regression<Logits<3, 1, I16>>;
/// A task's expert of level 1.
pub type Expert1 = Dense<4, 3, I8<Quad>>;
/// A task's gate of level 1.
pub type TaskGate1 = Gate<4, 3, I8<Quad>>;
/// The shared stream's gate of level 1.
pub type StreamGate1 = Gate<4, 5, I8<Quad>>;
/// A task's expert of level 2.
pub type Expert2 = Dense<3, 3, I8<Quad>>;
/// A task's gate of level 2.
pub type TaskGate2 = Gate<3, 3, I8<Quad>>;

mmoe::tasks! {
    /// The towers. Outputs:
    ///
    /// - `a`: task `a`, a probability
    /// - `b`: task `b`, raw values
    pub struct Towers => Outputs { a, b }
}

/// The model: `Model::load` checks a blob against it and uses its weights where they lie.
pub type Model = Ple<ExtractionLevel<CgcLevel<[Expert1; 2], [Expert1; 1], TaskGate1, 2>, StreamGate1>, CgcLevel<[Expert2; 2], [Expert2; 1], TaskGate2, 2>, Towers<Tower0, Tower1>>;

/// The blob, in flash.
pub static BLOB: &Aligned<[u8]> = mmoe::include_blob!("ple_i8.mmoe");

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
pub const BLOB_BYTES: usize = 1536;
/// Bytes of weights among them.
pub const WEIGHT_BYTES: usize = 640;
/// Bytes of buffers that a prediction has on the stack.
pub const SCRATCH: usize = Model::SCRATCH;
