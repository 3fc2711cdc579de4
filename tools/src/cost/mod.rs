//! What a blob costs on a device: flash, RAM and multiply-accumulates.

pub mod chips;
pub mod cores;
mod work;

use mmoe::blob::{ActivationKind, LayerKind, LayerRecord};

use crate::rust_type;

pub use work::{NodeWork, Work};

/// The cost of a whole model.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// Bytes of the blob.
    pub blob: usize,
    /// Bytes of weights among them.
    pub weights: usize,
    /// Bytes of RAM that a typed model's prediction takes for its buffers; `None` for a wiring
    /// that no type spells.
    pub typed_ram: Option<usize>,
    /// Bytes of scratch that the shape-erased view takes.
    pub erased_ram: usize,
    /// Multiply-accumulates of one prediction in which every expert runs.
    pub macs: u64,
    /// How many trained numbers it has.
    pub parameters: u64,
}

impl Cost {
    /// Returns the RAM that a prediction takes on a device: as a typed model where there is a type.
    #[must_use]
    pub fn ram(&self) -> usize {
        self.typed_ram.unwrap_or(self.erased_ram)
    }
}

/// Returns the cost of a loaded model.
///
/// ```
/// use mmoe_tools::{cost, engine::{BlobBytes, Runner}};
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/firmware/minimal/src/edge.mmoe");
/// # let path = std::path::Path::new(path);
/// let blob = BlobBytes::read(path)?;
/// let cost = cost::cost(&Runner::load(&blob)?.model);
/// assert_eq!(cost.blob, blob.len());
/// assert_eq!(cost.typed_ram, Some(776));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn cost(model: &mmoe::Dynamic<'_>) -> Cost {
    let blob = model.blob();
    Cost {
        blob: blob.total_len() as usize,
        weights: blob.weights.len(),
        typed_ram: rust_type::typed(blob).ok().map(|t| t.scratch),
        erased_ram: 4 * model.scratch_words(),
        macs: model.macs(),
        parameters: blob.layers.iter().map(parameters).sum(),
    }
}

/// Returns how many trained numbers a layer has.
#[must_use]
pub fn parameters(l: &LayerRecord) -> u64 {
    let (i, o) = (u64::from(l.inputs.get()), u64::from(l.outputs.get()));
    let activation = l.activation();
    let leaky = activation == Some(ActivationKind::LeakyRelu);
    match l.kind() {
        Some(LayerKind::Dense | LayerKind::Logits) => i * o + o + u64::from(leaky),
        Some(
            LayerKind::Affine
            | LayerKind::LayerNorm
            | LayerKind::RmsNorm
            | LayerKind::UnitNorm
            | LayerKind::GroupNorm,
        ) => 2 * o,
        Some(LayerKind::Dice) => 3 * o,
        Some(LayerKind::RowDice) => 1,
        Some(LayerKind::Pointwise | LayerKind::Hot) => 0,
        Some(LayerKind::PRelu | LayerKind::Constant) | None => o,
    }
}
