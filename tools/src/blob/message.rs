//! The blob's postcard message as any postcard reader sees it. See `docs/format.md`.

use mmoe::blob::LayerRecord;
use serde::{Deserialize, Serialize};

/// One input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// 0: f32 features.
    pub kind: u8,
    /// 0.
    pub flags: u8,
    /// 0.
    #[serde(with = "postcard::fixint::le")]
    pub reserved: u16,
    /// How many features.
    #[serde(with = "postcard::fixint::le")]
    pub count: u32,
}

/// One node of the wiring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// What it does.
    pub op: u8,
    /// Top-k and DSelect-k: k.
    pub k: u8,
    /// How many layers it owns.
    pub layers: u8,
    /// The value it reads.
    pub src: u8,
    /// Gates: the value from which `sees` counts.
    pub first: u8,
    /// Gates: how `sees` is read, 0 as a mask, 1 as two runs.
    pub form: u8,
    /// First element read.
    #[serde(with = "postcard::fixint::le")]
    pub start: u16,
    /// Elements read.
    #[serde(with = "postcard::fixint::le")]
    pub inputs: u16,
    /// Width of the value it makes.
    #[serde(with = "postcard::fixint::le")]
    pub outputs: u16,
    /// Gates: the values mixed.
    #[serde(with = "postcard::fixint::le")]
    pub sees: u32,
}

/// One layer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Dense, logits, …
    pub kind: u8,
    /// Activation.
    pub activation: u8,
    /// Precision.
    pub precision: u8,
    /// Packing.
    pub packing: u8,
    /// Columns.
    #[serde(with = "postcard::fixint::le")]
    pub inputs: u16,
    /// Rows.
    #[serde(with = "postcard::fixint::le")]
    pub outputs: u16,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Linear, sigmoid, softmax, product.
    pub output: u8,
    /// The value read, or the first factor's task.
    pub a: u8,
    /// The second factor's task.
    pub b: u8,
    /// 0.
    pub reserved: u8,
    /// How many numbers.
    #[serde(with = "postcard::fixint::le")]
    pub width: u16,
    /// 0.
    #[serde(with = "postcard::fixint::le")]
    pub reserved2: u16,
}

/// Everything before the padding and the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Exactly one today.
    pub inputs: Vec<Input>,
    /// The wiring.
    pub nodes: Vec<Node>,
    /// All layers.
    pub layers: Vec<Layer>,
    /// The outputs.
    pub tasks: Vec<Task>,
    /// One per task.
    pub task_names: Vec<String>,
    /// One per feature, or none.
    pub feature_names: Vec<String>,
    /// Tag and contents.
    pub sections: Vec<(u8, Vec<u8>)>,
}

impl From<LayerRecord> for Layer {
    fn from(l: LayerRecord) -> Self {
        Self {
            kind: l.kind,
            activation: l.activation,
            precision: l.precision,
            packing: l.packing,
            inputs: l.inputs.get(),
            outputs: l.outputs.get(),
        }
    }
}
