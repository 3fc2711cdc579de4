//! Which values share a scale, and what it is.

use super::{QuantizeError, Quantizer, calibrate, layer_name};
use crate::graph::{Activation, Graph, Layer, Node, Op};

/// The real value of one integer step of every value.
pub(super) struct Steps {
    /// Per value (0: the input, where its integers are used as they are).
    pub step: Vec<f64>,
    /// Per feature: whether its integers are used as they are.
    pub unscaled_features: Vec<bool>,
}

/// Values that share a step: the experts of a level and its mixtures, and whatever is passed on
/// unchanged.
pub(super) struct ScaleGroups {
    group: Vec<usize>,
    /// How much larger a group's steps have to be than its values ask for.
    grown: Vec<f64>,
}

/// Index of the layer that sets the scale of the node's output: trailing PReLUs keep it. `None` for
/// an identity node, which passes on what it reads, scale and all.
pub(super) fn scale_layer(node: &Node) -> Option<usize> {
    node.layers
        .iter()
        .rposition(|l| !matches!(l, Layer::PRelu { .. }))
}

/// Sigmoid and tanh end at Q15 by rule.
fn squashes(node: &Node) -> bool {
    matches!(scale_layer(node).map(|l| &node.layers[l]), Some(Layer::Dense(d)) if matches!(d.activation, Activation::Sigmoid | Activation::Tanh))
}

impl ScaleGroups {
    pub(super) fn new(graph: &Graph) -> Self {
        let mut group: Vec<usize> = (0..=graph.nodes.len()).collect();
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
                (Op::Expert, Some(Op::Expert)) | (Op::Gate { .. }, _) => join(n, n + 1),
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

    /// Makes the steps of a mixture's group larger; `false` if they are fixed.
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

    /// The steps of all values.
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
                // Room for what measuring and rounding leave open.
                if reach > 1.001 * super::HEADROOM {
                    let n = members.iter().find(|v| **v > 0).map_or(0, |v| v - 1);
                    return Err(QuantizeError::Scale(layer_name(graph, n, 0), reach));
                }
                1.0 / 32768.0
            } else {
                reach / of.levels(reach, &readers) * self.grown[group]
            };
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
