//! One step for all experts of a level, also where only some end in sigmoid or tanh.

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

/// Appends to each such expert an affine layer that changes nothing but the step.
/// [`quantize`](super::quantize) asks for it.
pub fn even(graph: &mut Graph) {
    for n in uneven(graph) {
        let node = &mut graph.nodes[n];
        node.layers.push(Layer::Affine {
            gain: vec![1.0; node.outputs],
            bias: vec![0.0; node.outputs],
        });
    }
}
