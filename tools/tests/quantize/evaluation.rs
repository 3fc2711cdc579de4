//! The evaluator itself, on the random graphs: its domains agree, and evaluating a part again is
//! evaluating the whole.

use crate::random;
use mmoe_tools::eval::interval::{Interval, Span};
use mmoe_tools::eval::{Evaluation, Exact, Pass, error, evaluate};
use mmoe_tools::graph::{Activation, Graph, Layer};
use testkit::Rng;

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|v| f64::from(*v)).collect()
}

/// Whatever a row within the ranges makes, the intervals of those ranges hold it.
#[test]
fn intervals_hold_every_value() {
    let mut r = Rng::new(80);
    let (mut held, mut narrow) = (0, 0);
    for _ in 0..200 {
        let graph = random::graph(&mut r);
        let ends = |end: fn(&mmoe_tools::graph::Input) -> Option<f64>| -> Vec<f64> {
            graph.standardized(&graph.inputs.iter().filter_map(end).collect::<Vec<_>>())
        };
        let spans = ends(|i| i.min).into_iter().zip(ends(|i| i.max));
        let spans = spans.map(|(a, b)| Span::between(a, b)).collect();
        let bounds = Pass::<Interval>::new(&graph, spans, &mut ());
        for row in random::corners(&mut r, &graph, 4) {
            // f32 may round a row's end to just outside the range.
            let inside = row.iter().zip(&graph.inputs);
            let inside = inside.map(|(v, i)| f64::from(*v).clamp(i.min.unwrap(), i.max.unwrap()));
            let x = graph.standardized(&inside.collect::<Vec<_>>());
            let exact = Pass::<Exact>::new(&graph, x, &mut ());
            for value in 0..=graph.nodes.len() {
                for (v, span) in exact.value(value).iter().zip(bounds.value(value)) {
                    let slack = 1e-9 * (1.0 + span.low.abs().max(span.high.abs()));
                    assert!(
                        span.low - slack <= *v && *v <= span.high + slack,
                        "{v} outside {span:?}"
                    );
                    held += 1;
                    narrow += usize::from(v.abs() > 0.5 * span.low.abs().max(span.high.abs()));
                }
            }
        }
    }
    assert!(
        narrow > held / 10,
        "{narrow} of {held}: the intervals say nothing"
    );
}

/// The f32 of a graph's inputs and weights differ from f64 by rounding alone; where f64 is given
/// the same numbers, the bound holds any f32 evaluation, and so the f64 one.
#[test]
fn the_bound_of_rounding_is_small_beside_the_outputs() {
    let mut r = Rng::new(81);
    let (mut finite, mut all) = (0, 0);
    for _ in 0..200 {
        let graph = random::graph(&mut r);
        for row in random::rows(&mut r, &graph, 2, 0.9).chunks(graph.width(0)) {
            let exact = evaluate(&graph, &wide(row)).tasks.concat();
            let bounds = error::bounds(&graph, &wide(row)).concat();
            assert_eq!(exact.len(), bounds.len());
            for (y, e) in exact.iter().zip(&bounds) {
                assert!(*e >= 0.0);
                finite += usize::from(*e < 1e-2 * y.abs().max(1.0));
                all += 1;
            }
        }
    }
    assert!(finite > all / 2, "{finite} of {all}");
}

/// Gives every dense layer of one node that has one another activation.
fn change(graph: &mut Graph, node: usize) -> bool {
    let mut changed = false;
    let layers = &mut graph.nodes[node].layers;
    // The last layer of gates and towers stays linear.
    let hidden = layers.len().saturating_sub(1);
    for layer in &mut layers[..hidden] {
        if let Layer::Dense(d) = layer {
            d.activation = match d.activation {
                Activation::Tanh => Activation::Relu,
                _ => Activation::Tanh,
            };
            changed = true;
        }
    }
    changed
}

#[test]
fn evaluating_a_part_again_is_evaluating_the_whole() {
    let mut r = Rng::new(82);
    let (mut tried, mut moved) = (0, 0);
    for _ in 0..100 {
        let mut graph = random::graph(&mut r);
        let rows = random::rows(&mut r, &graph, 3, 0.9);
        for x in rows.chunks(graph.width(0)).map(wide) {
            let mut pass = Pass::<Exact>::new(&graph, graph.standardized(&x), &mut ());
            for node in 0..graph.nodes.len() {
                let before = Evaluation::of(&graph, &pass);
                if change(&mut graph, node) {
                    pass.again(&graph, &[node]);
                    let again = Evaluation::of(&graph, &pass);
                    assert_eq!(again, evaluate(&graph, &x));
                    tried += 1;
                    moved += usize::from(again != before);
                }
            }
        }
    }
    assert!(tried > 200 && moved > tried / 4, "{moved} of {tried}");
}
