//! Experts of one level are mixed, so their outputs must share one scale. That of sigmoid and tanh
//! is fixed at 2⁻¹⁵, so a level where only some experts end in one of them needs a step that brings
//! those to the scale of the others. Norms and Dice need one unit for all that they read, and an
//! activation of its own a unit that suits it: layers before them see to that.

use std::borrow::Cow;

use crate::graph::{Dense, Graph, Layer, Node, Op};

/// Sigmoid and tanh end at steps of 1/32768 by rule; experts that go beyond 1 would saturate there.
fn squashes(node: &Node) -> bool {
    matches!(
        node.layers.last(),
        Some(Layer::Dense(Dense { activation, .. }) | Layer::Pointwise { activation, .. })
            if activation.squashes()
    )
}

/// Each expert that ends in sigmoid or tanh in a level where not all do.
pub(super) fn uneven(graph: &Graph) -> Vec<usize> {
    let mut found = Vec::new();
    let mut from = 0;
    for level in graph
        .nodes
        .chunk_by(|a, b| a.op == Op::Expert && b.op == Op::Expert)
    {
        if level[0].op == Op::Expert && !level.iter().all(squashes) {
            found.extend(
                (from..)
                    .zip(level)
                    .filter(|(_, n)| squashes(n))
                    .map(|(n, _)| n),
            );
        }
        from += level.len();
    }
    found
}

fn identity(width: usize) -> Layer {
    Layer::Affine {
        gain: vec![1.0; width],
        bias: vec![0.0; width],
    }
}

/// Where a node's layers read numbers in a unit that they cannot choose or that differs from one to
/// the next, and how wide each is; the last place first.
fn unsuited(node: &Node) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    let mut width = node.inputs;
    for (l, layer) in node.layers.iter().enumerate() {
        let before = l.checked_sub(1).map(|l| &node.layers[l]);
        let found = match layer {
            Layer::Pointwise { .. } => {
                !matches!(before, Some(Layer::Affine { .. } | Layer::Norm { .. }))
            }
            Layer::Norm { .. } | Layer::Dice { .. } | Layer::RowDice { .. } => {
                before.is_none() && node.src == 0
            }
            Layer::Dense(_)
            | Layer::Affine { .. }
            | Layer::PRelu { .. }
            | Layer::Constant { .. } => false,
        };
        if found {
            places.push((l, width));
        }
        width = layer.outputs(width);
    }
    places.reverse();
    places
}

/// Puts an identity affine layer, which has a scale of its own, behind every expert that ends in
/// sigmoid or tanh beside experts that do not, and before layers that need a unit of their own. The
/// graph is copied only where there is one. [`quantize`](super::quantize) refuses experts that would
/// saturate without it.
#[must_use]
pub fn unify_expert_scales(graph: &Graph) -> Cow<'_, Graph> {
    let mut unified = Cow::Borrowed(graph);
    for n in uneven(graph) {
        let node = &mut unified.to_mut().nodes[n];
        node.layers.push(identity(node.outputs));
    }
    for n in 0..graph.nodes.len() {
        for (l, width) in unsuited(&graph.nodes[n]) {
            unified.to_mut().nodes[n].layers.insert(l, identity(width));
        }
    }
    unified
}
