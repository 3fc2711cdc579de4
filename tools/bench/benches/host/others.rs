//! What the engine is held against.

use crate::models::fixture;
use mmoe_tools::graph::{Activation, Graph, Layer, Op};
use mmoe_tools::oracle;
use tract_onnx::prelude::*;

/// Where peers stood on another machine, by the same plain loops.
pub(crate) const PEERS: &str = "
## Beside TFLite

Not in this run. On another x86-64 machine (AVX2, FMA; ai-edge-litert from PyPI, one thread, XNNPACK) the same plain loops in Rust took 18.4, 13.8 and 998 µs
for B, C and W at batch 1, 4,744, 3,571 and 259,638 µs at batch 256; as ratios to those:

| | B, 1 | C, 1 | W, 1 | B, 256 | C, 256 | W, 256 |
|---|---|---|---|---|---|---|
| TFLite f32 | 5.8 | 4.7 | 15.5 | 20.9 | 16.6 | 37.3 |
| TFLite full int8 | 9.8 | 6.0 | 39.1 | 57.9 | 25.5 | 117.5 |

TFLite uses fused multiply-adds and hand-written kernels, and sums in whatever order is fast; here every result has the same bits on every machine.
";

/// Plain loops over a graph, with all buffers made beforehand.
pub(crate) struct Plain<'g> {
    graph: &'g Graph,
    /// Every dense layer as `w[out][in]`, node by node.
    weights: Vec<Vec<Vec<Vec<f32>>>>,
    /// The output of every layer of every node.
    made: Vec<Vec<Vec<f32>>>,
    /// The input, and what every node makes.
    values: Vec<Vec<f32>>,
}

impl<'g> Plain<'g> {
    pub(crate) fn new(graph: &'g Graph) -> Self {
        let dense = |l: &'g Layer| if let Layer::Dense(d) = l { d } else { unreachable!("these models have dense layers only") };
        let weights = graph.nodes.iter().map(|n| n.layers.iter().map(dense).map(|d| d.weight.chunks(d.inputs).map(<[f32]>::to_vec).collect()).collect());
        let made = graph.nodes.iter().map(|n| n.layers.iter().map(dense).map(|d| vec![0.0; d.outputs]).collect());
        let values = (0..=graph.nodes.len()).map(|v| vec![0.0; graph.width(v)]);
        Self { graph, weights: weights.collect(), made: made.collect(), values: values.collect() }
    }

    pub(crate) fn run(&mut self, x: &[f32]) {
        self.values[0].copy_from_slice(x);
        for (n, node) in self.graph.nodes.iter().enumerate() {
            for (l, layer) in node.layers.iter().enumerate() {
                let Layer::Dense(d) = layer else { continue };
                let (before, here) = self.made[n].split_at_mut(l);
                let x = before.last().unwrap_or(&self.values[node.src]);
                let (y, w, b) = (&mut here[0], &self.weights[n][l], &d.bias);
                for o in 0..y.len() {
                    y[o] = b[o] + w[o].iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
                }
                if d.activation == Activation::Relu {
                    y.iter_mut().for_each(|y| *y = y.max(0.0));
                }
            }
            let (before, here) = self.values.split_at_mut(n + 1);
            let (made, y) = (self.made[n].last_mut().expect("a layer"), &mut here[0]);
            if let Op::Gate { sees, .. } = &node.op {
                made.iter_mut().for_each(|z| *z = z.exp());
                let sum: f32 = made.iter().sum();
                y.fill(0.0);
                for (e, v) in made.iter().zip(sees) {
                    y.iter_mut().zip(&before[*v]).for_each(|(y, h)| *y += e / sum * h);
                }
            } else {
                y.copy_from_slice(made);
            }
        }
        std::hint::black_box(&self.values);
    }
}

type Runnable = std::sync::Arc<TypedRunnableModel>;

/// An ONNX file in tract.
pub(crate) struct Tract {
    model: Runnable,
    batch: usize,
    inputs: usize,
}

impl Tract {
    pub(crate) fn new(file: &str, batch: usize, inputs: usize) -> Self {
        let model = tract_onnx::onnx()
            .model_for_path(fixture(file))
            .and_then(|m| m.with_input_fact(0, f32::fact([batch, inputs]).into()))
            .and_then(InferenceModelExt::into_optimized)
            .and_then(|m| m.into_runnable())
            .unwrap_or_else(|e| panic!("{file}: {e:?}"));
        Self { model, batch, inputs }
    }

    fn outputs(&self, x: &[f32]) -> TVec<TValue> {
        let x = Tensor::from_shape(&[self.batch, self.inputs], x).expect("rows");
        self.model.run(tvec!(x.into())).expect("runs")
    }

    pub(crate) fn run(&mut self, x: &[f32]) {
        std::hint::black_box(self.outputs(x));
    }
}

/// Holds tract's tasks against an f64 evaluation of the graph: the race is about the same work.
pub(crate) fn agree(graph: &Graph, tract: &mut Tract, x: &[f32], inputs: usize) {
    let outputs: Vec<Vec<f32>> = tract.outputs(x).iter().map(|t| t.to_plain_array_view::<f32>().expect("f32").iter().copied().collect()).collect();
    for (row, x) in x.chunks(inputs).enumerate() {
        let wanted = oracle::evaluate(graph, &x.iter().map(|v| f64::from(*v)).collect::<Vec<_>>()).tasks;
        for (task, y) in wanted.iter().zip(&outputs) {
            for (a, b) in task.iter().zip(&y[row * task.len()..]) {
                assert!((a - f64::from(*b)).abs() < 1e-4 * a.abs().max(1.0), "row {row}: tract gives {b}, the model {a}");
            }
        }
    }
}
