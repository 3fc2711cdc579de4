//! Experts of one level are mixed, so their outputs must share one scale. That of sigmoid and tanh
//! is fixed at 2⁻¹⁵, so a level where only some experts end in one of them needs a step that brings
//! those to the scale of the others. Norms and Dice need one unit for all that they read, and an
//! activation of its own a unit that suits it: layers before them see to that.

use std::borrow::Cow;

use crate::graph::{Activation, Dense, Graph, Layer, Node, Op};

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

/// The largest slope below zero that integer models store, and with the other sign the smallest.
const STEEPEST: f32 = 1.999;

fn steep(slope: f32) -> bool {
    slope.abs() > STEEPEST
}

/// Where a slope below zero is too steep to be stored: the layers that do the same. With slope s,
/// `leaky(x) = −s·leaky'(−x)`, where `leaky'` has the slope 1/s.
fn gentle(layer: &Layer) -> Option<Vec<Layer>> {
    match layer {
        Layer::Dense(d) => {
            let Activation::LeakyRelu { slope } = d.activation else {
                return None;
            };
            let negated = |v: &[f32]| v.iter().map(|v| -v).collect();
            steep(slope).then(|| {
                let dense = Dense {
                    weight: negated(&d.weight),
                    bias: negated(&d.bias),
                    activation: Activation::LeakyRelu { slope: 1.0 / slope },
                    ..d.clone()
                };
                vec![Layer::Dense(dense), scaled(vec![-slope; d.outputs])]
            })
        }
        Layer::PRelu { slope } => slope.iter().any(|s| steep(*s)).then(|| {
            let each = |other: &dyn Fn(f32) -> f32, usual: &dyn Fn(f32) -> f32| {
                let of = |s: &f32| if steep(*s) { other(*s) } else { usual(*s) };
                slope.iter().map(of).collect::<Vec<f32>>()
            };
            vec![
                scaled(each(&|_| -1.0, &|_| 1.0)),
                Layer::PRelu {
                    slope: each(&|s| 1.0 / s, &|s| s),
                },
                scaled(each(&|s| -s, &|_| 1.0)),
            ]
        }),
        _ => None,
    }
}

fn scaled(gain: Vec<f32>) -> Layer {
    Layer::Affine {
        bias: vec![0.0; gain.len()],
        gain,
    }
}

/// Puts an identity affine layer, which has a scale of its own, behind every expert that ends in
/// sigmoid or tanh beside experts that do not, and before layers that need a unit of their own. Slopes
/// that are too steep become gentle ones between factors. The
/// graph is copied only where there is one. [`quantize`](super::quantize) refuses experts that would
/// saturate without it.
#[must_use]
pub fn unify_expert_scales(graph: &Graph) -> Cow<'_, Graph> {
    let mut unified = Cow::Borrowed(graph);
    for n in 0..graph.nodes.len() {
        for l in (0..graph.nodes[n].layers.len()).rev() {
            if let Some(layers) = gentle(&graph.nodes[n].layers[l]) {
                unified.to_mut().nodes[n].layers.splice(l..=l, layers);
            }
        }
    }
    // The steps that follow look at what this made.
    let graph = unified.clone();
    for n in uneven(&graph) {
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
