//! Which values of the wiring share a scale, and what the scale is.
//!
//! A mixture adds up the outputs of experts as integers, which is only right if one integer step means
//! the same for all of them. So the experts of a level and the mixtures over them form a group, and a
//! group has one scale. A linear gate's mixture stands apart: its weights bring it to another scale. Identity nodes join the group of what they pass on.

use super::{QuantizeError, Quantizer, calibrate, layer_name};
use crate::graph::{Dense, GateKind, Graph, Layer, Node, Op};

/// The scale of every value: the real value of one integer step.
pub(super) struct Steps {
    /// The scale of each value. That of value 0, the input, counts only for features whose integers
    /// are used as they are; others have a scale each.
    pub step: Vec<f64>,
    /// For each feature, whether its integers are used as they are.
    pub unscaled_features: Vec<bool>,
}

/// The groups of values that share a scale. Each value holds the smallest value of its group.
pub(super) struct ScaleGroups {
    group: Vec<usize>,
    /// By which factor a group's scale is larger than its values alone ask for. It grows where a
    /// mixture would pass 32 bits.
    grown: Vec<f64>,
}

/// Whether a layer's output is in the unit of its input.
pub(super) fn keeps_scale(layer: &Layer) -> bool {
    match layer {
        Layer::PRelu { .. } | Layer::Dice { .. } | Layer::RowDice { .. } => true,
        Layer::Dense(_)
        | Layer::Affine { .. }
        | Layer::Norm { .. }
        | Layer::Pointwise { .. }
        | Layer::Constant { .. } => false,
    }
}

/// Index of the layer that sets the scale of the node's output: layers behind it keep it. `None` for
/// an identity node, which passes on what it reads, scale and all.
pub(super) fn scale_layer(node: &Node) -> Option<usize> {
    node.layers.iter().rposition(|l| !keeps_scale(l))
}

/// Returns `true` if the node ends in sigmoid or tanh, whose scale is 2⁻¹⁵ by the rules of
/// `docs/numerics.md` and cannot be chosen.
fn squashes(node: &Node) -> bool {
    matches!(
        scale_layer(node).map(|l| &node.layers[l]),
        Some(Layer::Dense(Dense { activation, .. }) | Layer::Pointwise { activation, .. })
            if activation.squashes()
    )
}

impl ScaleGroups {
    pub(super) fn new(graph: &Graph) -> Self {
        let mut group: Vec<usize> = (0..=graph.nodes.len()).collect();
        // Renaming one of two groups costs a pass over all values. There are at most 255 values.
        let mut join = |a: usize, b: usize| {
            let (from, to) = (group[a].max(group[b]), group[a].min(group[b]));
            group
                .iter_mut()
                .filter(|c| **c == from)
                .for_each(|c| *c = to);
        };
        for (n, node) in graph.nodes.iter().enumerate() {
            let previous = n.checked_sub(1).map(|p| &graph.nodes[p].op);
            match (&node.op, previous) {
                // A linear gate brings the mixture to a scale of its own (`gate_unit`).
                (
                    Op::Gate {
                        kind: GateKind::Linear,
                        ..
                    },
                    _,
                ) => {}
                // Node `n` makes value `n + 1`, so this joins a node's value with that of the node
                // before it. Experts of a level follow each other.
                (Op::Expert, Some(Op::Expert)) => join(n, n + 1),
                (Op::Gate { sees, .. }, _) => join(sees[0], n + 1),
                _ => {}
            }
            if node.op == Op::Expert && scale_layer(node).is_none() {
                join(node.src, n + 1);
            }
        }
        Self {
            grown: vec![1.0; group.len()],
            group,
        }
    }

    /// Makes the scale of a mixture's group larger by a factor. Returns `false` if it is fixed.
    pub(super) fn grow(&mut self, graph: &Graph, value: usize, by: f64) -> bool {
        self.grown[self.group[value]] *= by;
        !(self.members(value))
            .any(|v| v > 0 && graph.nodes[v - 1].op == Op::Expert && squashes(&graph.nodes[v - 1]))
    }

    fn members(&self, value: usize) -> impl Iterator<Item = usize> {
        self.group
            .iter()
            .enumerate()
            .filter(move |(_, c)| **c == self.group[value])
            .map(|(v, _)| v)
    }

    /// Chooses the scales of all values.
    pub(super) fn steps(&self, of: &Quantizer<'_>) -> Result<Steps, QuantizeError> {
        let graph = of.graph;
        let mut unscaled_features = vec![false; graph.width(0)];
        for node in graph
            .nodes
            .iter()
            .filter(|n| n.src == 0 && matches!(n.layers.first(), None | Some(Layer::PRelu { .. })))
        {
            unscaled_features[node.start..node.start + node.inputs].fill(true);
        }
        let mut step = vec![0.0; graph.nodes.len() + 1];
        for group in 0..step.len() {
            if self.group[group] != group {
                continue;
            }
            let members: Vec<usize> = self.members(group).collect();
            let (mut reach, mut fixed) = (0.0f64, false);
            for v in &members {
                reach = reach.max(match v.checked_sub(1) {
                    None => calibrate::reach(graph, of.calibration, &unscaled_features),
                    Some(n) if squashes(&graph.nodes[n]) && graph.nodes[n].op == Op::Expert => {
                        fixed = true;
                        0.0
                    }
                    Some(n) => match (&graph.nodes[n].op, scale_layer(&graph.nodes[n])) {
                        (Op::Expert, Some(l)) => of.reach(n, l),
                        (Op::Expert, None) => of.passed_on(n),
                        (Op::Gate { .. }, _) => of.mixture_reach(n),
                        (Op::Tower, _) => 0.0,
                    },
                });
            }
            let readers: Vec<_> = members
                .iter()
                .filter(|v| **v > 0)
                .flat_map(|v| of.readers(*v))
                .collect();
            let reach = reach.max(1e-30);
            let made = if fixed {
                // The scale of sigmoid and tanh ends at 1 and cannot grow for other members of the
                // group. The factor leaves room for what measuring and rounding leave open.
                if reach > 1.001 * of.calibration.headroom {
                    let n = members.iter().find(|v| **v > 0).map_or(0, |v| v - 1);
                    return Err(QuantizeError::Scale(layer_name(graph, n, 0), reach));
                }
                1.0 / 32768.0
            } else {
                reach / of.levels(reach, &readers) * self.grown[group]
            };
            // The experts' groups are done: their values are smaller.
            let made = members
                .iter()
                .filter_map(|v| of.gate_unit(v.checked_sub(1)?, &step))
                .fold(made, f64::max);
            for v in members {
                step[v] = made;
            }
        }
        Ok(Steps {
            step,
            unscaled_features,
        })
    }
}
