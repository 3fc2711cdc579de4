//! Reading trained weights: every reader gives back the same [`Weights`].
//!
//! Files are told apart by their first bytes, never by their extension. Nothing in a file is ever executed, and
//! no reader allocates more than a small multiple of the file's size, whatever the file claims.

use indexmap::IndexMap;

/// The tensors of one weights file, in the order in which the file gives them, and what else it said.
#[derive(Debug, Clone, Default)]
pub struct Weights {
    /// The kind of file, for people: `safetensors`, `NumPy .npz`, `PyTorch state dict`, `Keras 3 .keras`, …
    pub format: String,
    /// Name → tensor. Names are as the file spells them, less a wrapper that [`Weights::notes`] mentions.
    pub tensors: IndexMap<String, Tensor>,
    /// The model's configuration, where the file carries one (`.keras`, full `.h5`).
    pub config: Option<serde_json::Value>,
    /// What the reader did that a person should know: converted types, unwrapped prefixes.
    pub notes: Vec<String>,
}

/// One tensor, row-major, as f32 (other float types are converted, and a note says so).
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Sizes, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements, row-major.
    pub data: Vec<f32>,
}
