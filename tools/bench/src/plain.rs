//! What the engine is held against: plain loops.

use std::hint::black_box;

use mmoe_tools::graph::{Activation, Graph, Layer as Any, Op};

/// Plain loops over a graph, with all buffers made beforehand.
pub struct Plain<'g> {
    graph: &'g Graph,
    /// Every dense layer as `w[out][in]`, node by node.
    weights: Vec<Vec<Vec<Vec<f32>>>>,
    /// The output of every layer of every node.
    made: Vec<Vec<Vec<f32>>>,
    /// The input, and what every node makes.
    values: Vec<Vec<f32>>,
}

impl<'g> Plain<'g> {
    pub fn new(graph: &'g Graph) -> Self {
        let dense = |l: &'g Any| {
            if let Any::Dense(d) = l {
                d
            } else {
                unreachable!("these models have dense layers only")
            }
        };
        let weights = graph.nodes.iter().map(|n| {
            n.layers
                .iter()
                .map(dense)
                .map(|d| d.weight.chunks(d.inputs).map(<[f32]>::to_vec).collect())
                .collect()
        });
        let made = graph.nodes.iter().map(|n| {
            n.layers
                .iter()
                .map(dense)
                .map(|d| vec![0.0; d.outputs])
                .collect()
        });
        let values = (0..=graph.nodes.len()).map(|v| vec![0.0; graph.width(v)]);
        Self {
            graph,
            weights: weights.collect(),
            made: made.collect(),
            values: values.collect(),
        }
    }

    pub fn run(&mut self, x: &[f32]) {
        self.values[0].copy_from_slice(x);
        for (n, node) in self.graph.nodes.iter().enumerate() {
            for (l, layer) in node.layers.iter().enumerate() {
                let Any::Dense(d) = layer else { continue };
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
                    y.iter_mut()
                        .zip(&before[*v])
                        .for_each(|(y, h)| *y += e / sum * h);
                }
            } else {
                y.copy_from_slice(made);
            }
        }
        black_box(&self.values);
    }
}
