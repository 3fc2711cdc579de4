//! What a prediction has to do: all of it, and node by node.

use mmoe::blob::{ActivationKind, Blob, LayerKind, LayerRecord, NodeOp, OutputKind, PrecisionKind};
use serde::{Deserialize, Serialize};

/// What an inference has to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Multiply-accumulates of all dense layers and of mixing.
    pub macs: u64,
    /// Those of 16-bit weights among them.
    pub wide: u64,
    /// Outputs of all dense layers.
    pub rows: u64,
    /// How many dense layers there are.
    pub layers: u64,
    /// Exponentials of gates, outputs and activations.
    pub exponentials: u64,
    /// Features.
    pub inputs: u64,
    /// Outputs.
    pub outputs: u64,
}

/// How many terms an estimate has.
pub(super) const TERMS: usize = 4;

impl Work {
    /// That of a blob, all experts run.
    #[must_use]
    pub fn of(blob: &Blob<'_>) -> Self {
        let mut work = Self {
            inputs: blob.input_count().into(),
            ..Self::default()
        };
        let mut fed = None;
        for record in blob.layers {
            let outputs = u64::from(record.outputs.get());
            // Behind codes only the columns of one input count, as in `Node::macs`.
            let macs = match fed.take() {
                Some(columns) => columns * outputs,
                None => record.macs(),
            };
            if record.kind() == Some(LayerKind::Hot) {
                fed = Some(u64::from(record.inputs.get()));
            }
            work.macs += macs;
            if record.precision() == Some(PrecisionKind::I16) {
                work.wide += macs;
            }
            if record.is_matrix() {
                work.rows += outputs;
                work.layers += 1;
            }
            work.exponentials += exponentials(record);
        }
        for record in blob.nodes {
            work.macs += record.mixing_macs();
            work.exponentials += match record.op() {
                Some(NodeOp::Softmax | NodeOp::Sigmoid | NodeOp::TopKRaw) => record.seen() as u64,
                Some(NodeOp::TopK | NodeOp::DSelectK) => record.k.into(),
                Some(
                    NodeOp::Linear
                    | NodeOp::Hard
                    | NodeOp::Constant
                    | NodeOp::Expert
                    | NodeOp::Tower,
                )
                | None => 0,
            };
        }
        for task in blob.tasks {
            let width = u64::from(task.width.get());
            work.outputs += width;
            work.exponentials += match task.output() {
                Some(OutputKind::Sigmoid | OutputKind::Softmax) => width,
                Some(OutputKind::Linear | OutputKind::Product) | None => 0,
            };
        }
        work
    }

    /// What an estimate is linear in.
    pub(super) fn features(self) -> [f64; TERMS] {
        [self.macs, self.rows, self.layers, self.exponentials].map(|n| n as f64)
    }
}

/// Exponentials of a layer: those of its activation, where that is no table, or of a Dice.
fn exponentials(layer: &LayerRecord) -> u64 {
    let each = u64::from(layer.outputs.get());
    if matches!(layer.kind(), Some(LayerKind::Dice | LayerKind::RowDice)) {
        return each;
    }
    match layer.activation() {
        Some(ActivationKind::Sigmoid | ActivationKind::Tanh) => each,
        Some(
            ActivationKind::Gelu
            | ActivationKind::GeluTanh
            | ActivationKind::Silu
            | ActivationKind::Elu
            | ActivationKind::Softplus
            | ActivationKind::Mish
            | ActivationKind::Exp,
        ) if !layer.is_integer() => each,
        _ => 0,
    }
}

/// The work of each node, for predictions that leave experts out.
#[derive(Debug, Clone)]
pub struct NodeWork {
    /// Multiply-accumulates of everything but experts and mixing.
    fixed: u64,
    /// Of each expert, by number.
    experts: Vec<u64>,
    /// Of adding one expert into each gate's mixture, by number.
    mixing: Vec<u64>,
}

impl NodeWork {
    /// That of a blob.
    #[must_use]
    pub fn of(blob: &Blob<'_>) -> Self {
        let mut work = Self {
            fixed: 0,
            experts: Vec::new(),
            mixing: Vec::new(),
        };
        for node in blob.nodes_with_layers() {
            let (own, node) = (node.macs(), node.record);
            if node.is_expert() {
                work.experts.push(own);
            } else {
                work.fixed += own;
                if node.is_gate() {
                    work.mixing.push(u64::from(node.outputs.get()));
                }
            }
        }
        work
    }

    /// Multiply-accumulates of one prediction. `gates` are all gates, each with the experts that it
    /// weighs, by number, and whether it mixes them: an expert runs if one of them does.
    #[must_use]
    pub fn macs<G: Iterator<Item = (usize, bool)>>(
        &self,
        gates: impl ExactSizeIterator<Item = G>,
    ) -> u64 {
        // Without gates the only expert always runs.
        let mut runs = vec![gates.len() == 0; self.experts.len()];
        let mut total = self.fixed;
        for (gate, mixing) in gates.zip(&self.mixing) {
            for (expert, _) in gate.filter(|(_, mixed)| *mixed) {
                runs[expert] = true;
                total += mixing;
            }
        }
        let experts = self.experts.iter().zip(runs);
        total
            + experts
                .filter(|(_, runs)| *runs)
                .map(|(m, _)| m)
                .sum::<u64>()
    }
}
