//! The records of the header: bytes and little-endian integers only, so that the wire form is the
//! memory form.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// One input of the model, 8 bytes. There is exactly one today, of kind [`input::RAW`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct InputRecord {
    /// One of [`input`]'s constants.
    pub kind: u8,
    /// Zero.
    pub flags: u8,
    /// Zero.
    pub reserved: U16,
    /// How many features.
    pub count: U32,
}

/// One step of the wiring, 16 bytes. Step i makes value i + 1; value 0 is the input.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct NodeRecord {
    /// One of [`op`]'s constants.
    pub op: u8,
    /// Top-k and DSelect-k: k. Otherwise 0.
    pub k: u8,
    /// How many layer records it owns; 0 is the identity.
    pub layers: u8,
    /// The value it reads.
    pub src: u8,
    /// Gates: the value that bit 0 of `sees` stands for. Otherwise 0.
    pub first: u8,
    /// Zero.
    pub reserved: u8,
    /// It reads `src[start .. start + inputs]`.
    pub start: U16,
    /// How many elements it reads.
    pub inputs: U16,
    /// Width of the value it makes (a gate's: of the mixture).
    pub outputs: U16,
    /// Gates: mask of the values mixed, bit 0 is value `first`. Otherwise 0.
    pub sees: U32,
}

/// One layer, 8 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct LayerRecord {
    /// One of [`kind`]'s constants.
    pub kind: u8,
    /// One of [`activation`]'s constants.
    pub activation: u8,
    /// One of [`precision`]'s constants.
    pub precision: u8,
    /// One of [`packing`]'s constants.
    pub packing: u8,
    /// Columns.
    pub inputs: U16,
    /// Rows.
    pub outputs: U16,
}

/// One task, 8 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct TaskRecord {
    /// One of [`output`]'s constants.
    pub output: u8,
    /// The value read; for a product the index of the first factor's task.
    pub a: u8,
    /// For a product the index of the second factor's task. Otherwise 0.
    pub b: u8,
    /// Zero.
    pub reserved: u8,
    /// How many numbers the task gives.
    pub width: U16,
    /// Zero.
    pub reserved2: U16,
}

/// Kinds of input.
pub mod input {
    /// f32 features (in an integer model with a scale and an offset each, before the weights).
    pub const RAW: u8 = 0;
}

/// What a node does.
pub mod op {
    /// Its value is mixed by gates, or read directly where its level has no gates.
    pub const EXPERT: u8 = 0;
    /// Its value is an output.
    pub const TOWER: u8 = 1;
    /// The first gate code; everything from here on is a gate.
    pub const GATES: u8 = 16;
    /// `softmax(z)`.
    pub const SOFTMAX: u8 = 16;
    /// `sigmoid(z)` each, not normalised.
    pub const SIGMOID: u8 = 17;
    /// 1 for the largest logit.
    pub const HARD: u8 = 18;
    /// Softmax over the k largest logits.
    pub const TOP_K: u8 = 19;
    /// The softmax weights of the k largest logits, not normalised again.
    pub const TOP_K_RAW: u8 = 20;
    /// Stored weights.
    pub const CONSTANT: u8 = 21;
    /// DSelect-k per example.
    pub const D_SELECT_K: u8 = 22;
}

/// Kinds of layer.
pub mod kind {
    /// `act(W x + b)` to activations.
    pub const DENSE: u8 = 0;
    /// `W x + b` to logits: the last layer of gates and towers.
    pub const LOGITS: u8 = 1;
    /// Per-unit `gain·x + bias`.
    pub const AFFINE: u8 = 2;
    /// Per-unit slope below zero.
    pub const PRELU: u8 = 3;
    /// Layer normalisation.
    pub const LAYER_NORM: u8 = 4;
    /// A constant gate's weights.
    pub const CONSTANT: u8 = 5;
    /// The first code that is free for a user's own layers.
    pub const USER: u8 = 128;
}

/// Activations of dense layers.
pub mod activation {
    /// `x`.
    pub const LINEAR: u8 = 0;
    /// `max(x, 0)`.
    pub const RELU: u8 = 1;
    /// A stored slope below zero.
    pub const LEAKY_RELU: u8 = 2;
    /// Logistic function.
    pub const SIGMOID: u8 = 3;
    /// Hyperbolic tangent.
    pub const TANH: u8 = 4;
}

/// Precisions of layers.
pub mod precision {
    /// f32 weights.
    pub const F32: u8 = 0;
    /// int8 weights, one f32 scale per row.
    pub const W8: u8 = 1;
    /// int8 weights, int16 activations.
    pub const I8: u8 = 2;
    /// int16 weights, int16 activations.
    pub const I16: u8 = 3;
}

/// Orders of a dense layer's weights.
pub mod packing {
    /// Panels (see `docs/format.md`).
    pub const PANELS: u8 = 0;
    /// Panels of four rows, as words whose lower three bytes are stored + 128.
    pub const QUAD: u8 = 1;
    /// Panels of four rows, two rows in each int16.
    pub const PAIRS: u8 = 2;
}

/// Kinds of output.
pub mod output {
    /// The tower's values as they are.
    pub const LINEAR: u8 = 0;
    /// A probability.
    pub const SIGMOID: u8 = 1;
    /// Class probabilities.
    pub const SOFTMAX: u8 = 2;
    /// The product of two tasks.
    pub const PRODUCT: u8 = 3;
}

/// Tags of the header's sections. A reader skips even tags that it does not know and refuses odd
/// ones.
pub mod section {
    /// Model name (str) and version (u32).
    pub const IDENTITY: u8 = 2;
    /// The program that wrote the blob (str).
    pub const PRODUCER: u8 = 4;
    /// How the model was quantized (bytes of the tool's own).
    pub const QUANTIZATION: u8 = 6;
    /// Self-test rows.
    pub const SELF_TEST: u8 = 8;
    /// Gate temperatures that were folded into the weights.
    pub const TEMPERATURE: u8 = 10;
}
