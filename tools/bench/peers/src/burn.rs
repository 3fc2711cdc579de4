//! burn on its CPU back end `flex`: the same wiring with its tensors.

use burn_tensor::activation::{relu, sigmoid, softmax};
use burn_tensor::{Device, Tensor, TensorData};
use mmoe_tools::graph::{Activation, Graph, Layer, Op, Output};

use crate::{Outputs, by_rows};

struct Dense {
    /// `[in, out]`, as burn's own linear layer has it.
    weight: Tensor<2>,
    bias: Tensor<2>,
    relu: bool,
}

struct Node {
    src: usize,
    /// The experts' values, for a gate.
    sees: Vec<usize>,
    layers: Vec<Dense>,
}

pub(crate) struct Peer {
    nodes: Vec<Node>,
    tasks: Vec<Output>,
    rows: Tensor<2>,
    batch: usize,
}

fn tensor(data: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(data, shape), &Device::flex())
}

impl Peer {
    pub(crate) fn new(graph: &Graph, rows: &[f32]) -> Self {
        let layer = |layer: &Layer| {
            let Layer::Dense(d) = layer else {
                unreachable!("these models have dense layers only")
            };
            let column = |i: usize| d.weight[i..].iter().step_by(d.inputs).copied();
            let weight = (0..d.inputs).flat_map(column).collect();
            Dense {
                weight: tensor(weight, [d.inputs, d.outputs]),
                bias: tensor(d.bias.clone(), [1, d.outputs]),
                relu: d.activation == Activation::Relu,
            }
        };
        let node = |node: &mmoe_tools::graph::Node| Node {
            src: node.src,
            sees: match &node.op {
                Op::Gate { sees, .. } => sees.clone(),
                Op::Expert | Op::Tower => Vec::new(),
            },
            layers: node.layers.iter().map(layer).collect(),
        };
        let inputs = graph.width(0);
        let batch = rows.len() / inputs;
        Self {
            nodes: graph.nodes.iter().map(node).collect(),
            tasks: graph.tasks.iter().map(|t| t.output).collect(),
            rows: tensor(rows.to_vec(), [batch, inputs]),
            batch,
        }
    }

    pub(crate) fn run(&self) -> Outputs {
        let mut values = vec![self.rows.clone()];
        for node in &self.nodes {
            let mut x = values[node.src].clone();
            for layer in &node.layers {
                x = x.matmul(layer.weight.clone()) + layer.bias.clone();
                if layer.relu {
                    x = relu(x);
                }
            }
            if !node.sees.is_empty() {
                let weights = softmax(x, 1).unsqueeze_dim::<3>(1);
                let experts = node.sees.iter().map(|v| values[*v].clone()).collect();
                x = weights.matmul(Tensor::stack::<3>(experts, 1)).squeeze_dim::<2>(1);
            }
            values.push(x);
        }
        let task = |output: &Output| -> Vec<f32> {
            let y = match *output {
                Output::Linear { value } => values[value].clone(),
                Output::Sigmoid { value } => sigmoid(values[value].clone()),
                Output::Softmax { value } => softmax(values[value].clone(), 1),
                Output::Product { .. } => unreachable!("no product of tasks in these models"),
            };
            y.into_data().to_vec().expect("f32")
        };
        let tasks: Vec<Vec<f32>> = self.tasks.iter().map(task).collect();
        by_rows(&tasks, self.batch)
    }
}
