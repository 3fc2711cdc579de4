//! What a blob costs: flash, RAM, multiply-accumulates.

pub mod cores;

use mmoe::blob::{ActivationKind, LayerKind};

use crate::blob::message::{Header, Layer};
use crate::blob::read::{self, ReadError};
use crate::rust_type;

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
    /// Trained numbers.
    pub parameters: u64,
}

impl Cost {
    /// The RAM of the way a model is run on a device: typed where that is possible.
    #[must_use]
    pub fn ram(&self) -> usize {
        self.typed_ram.unwrap_or(self.erased_ram)
    }
}

/// The cost of a blob that loaded as `model`.
///
/// # Errors
///
/// Bytes that do not follow the format.
pub fn cost(file: &[u8], model: &mmoe::Dynamic<'_>) -> Result<Cost, ReadError> {
    let (header, weights) = read::split(file)?;
    Ok(Cost {
        blob: file.len(),
        weights: weights.len(),
        typed_ram: rust_type::typed(&header).ok().map(|t| t.scratch),
        erased_ram: 4 * model.scratch_words(),
        macs: model.macs(),
        parameters: header.layers.iter().map(parameters).sum(),
    })
}

/// Trained numbers of a layer.
#[must_use]
pub fn parameters(l: &Layer) -> u64 {
    let (i, o) = (u64::from(l.inputs), u64::from(l.outputs));
    let leaky = l.record().activation() == Some(ActivationKind::LeakyRelu);
    match l.record().kind() {
        Some(LayerKind::Dense | LayerKind::Logits) => i * o + o + u64::from(leaky),
        Some(LayerKind::Affine | LayerKind::LayerNorm) => 2 * o,
        Some(LayerKind::PRelu | LayerKind::Constant) | None => o,
    }
}

/// The layers of each step, with the step's number.
#[must_use]
pub fn layers_of(header: &Header) -> Vec<&[Layer]> {
    let mut rest = header.layers.as_slice();
    header
        .nodes
        .iter()
        .map(|n| {
            let (own, after) = rest.split_at(usize::from(n.layers).min(rest.len()));
            rest = after;
            own
        })
        .collect()
}

/// What it takes to run parts of a model: how many multiply-accumulates each step has.
#[derive(Debug, Clone)]
pub struct Steps {
    /// Of everything but experts and mixing.
    fixed: u64,
    /// Of each expert, by number.
    experts: Vec<u64>,
    /// Of adding one expert into each gate's mixture, by number.
    mixing: Vec<u64>,
}

impl Steps {
    /// Those of a header.
    #[must_use]
    pub fn of(header: &Header) -> Self {
        let mut steps = Self {
            fixed: 0,
            experts: Vec::new(),
            mixing: Vec::new(),
        };
        for (node, layers) in header.nodes.iter().zip(layers_of(header)) {
            let own: u64 = layers.iter().map(|l| l.record().macs()).sum();
            let node = node.record();
            if node.is_expert() {
                steps.experts.push(own);
            } else {
                steps.fixed += own;
                if node.is_gate() {
                    steps.mixing.push(u64::from(node.outputs.get()));
                }
            }
        }
        steps
    }

    /// Multiply-accumulates of a prediction that ran the experts which some gate weighs at least
    /// `least` and more than 0. `weights`: each gate's, with the experts that it sees.
    #[must_use]
    pub fn macs(&self, gates: &[(&[usize], Vec<f32>)], least: f32) -> u64 {
        let mut run = vec![gates.is_empty(); self.experts.len()];
        let mut total = self.fixed;
        for ((seen, weights), mixing) in gates.iter().zip(&self.mixing) {
            for (expert, _) in seen
                .iter()
                .zip(weights)
                .filter(|(_, w)| **w >= least && **w > 0.0)
            {
                run[*expert] = true;
                total += mixing;
            }
        }
        total
            + self
                .experts
                .iter()
                .zip(run)
                .filter(|(_, r)| *r)
                .map(|(m, _)| m)
                .sum::<u64>()
    }
}
