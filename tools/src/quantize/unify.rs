//! Experts of one level are mixed, so their outputs must share one scale. That of sigmoid and tanh
//! is fixed at 2⁻¹⁵, so a level where only some experts end in one of them needs a step that brings
//! those to the scale of the others.

use std::borrow::Cow;

use crate::graph::{Activation, Graph, Layer, Node, Op};

/// Sigmoid and tanh end at steps of 1/32768 by rule; experts that go beyond 1 would saturate there.
fn squashes(node: &Node) -> bool {
    matches!(node.layers.last(), Some(Layer::Dense(d)) if matches!(d.activation, Activation::Sigmoid | Activation::Tanh))
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

/// Appends an identity affine layer, which has a scale of its own, to every expert that ends in
/// sigmoid or tanh beside experts that do not. The graph is copied only where there is one.
/// [`quantize`](super::quantize) refuses what would saturate without it.
#[must_use]
pub fn unify_expert_scales(graph: &Graph) -> Cow<'_, Graph> {
    let mut unified = Cow::Borrowed(graph);
    for n in uneven(graph) {
        let node = &mut unified.to_mut().nodes[n];
        node.layers.push(Layer::Affine {
            gain: vec![1.0; node.outputs],
            bias: vec![0.0; node.outputs],
        });
    }
    unified
}
