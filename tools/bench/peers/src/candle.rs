//! candle: the same wiring with its layers, as its users write a model.

use candle_core::{D, Device, Result, Tensor};
use candle_nn::{Linear, Module, ops};
use mmoe_tools::graph::{Activation, Graph, Layer, Op, Output};

use crate::{Outputs, by_rows};

struct Node {
    src: usize,
    /// The experts' values, for a gate.
    sees: Vec<usize>,
    layers: Vec<(Linear, bool)>,
}

pub(crate) struct Peer {
    nodes: Vec<Node>,
    tasks: Vec<Output>,
    rows: Tensor,
}

impl Peer {
    pub(crate) fn new(graph: &Graph, rows: &[f32]) -> Result<Self> {
        let inputs = graph.width(0);
        let node = |node: &mmoe_tools::graph::Node| -> Result<Node> {
            let layer = |layer: &Layer| {
                let Layer::Dense(d) = layer else {
                    unreachable!("these models have dense layers only")
                };
                let weight = Tensor::from_slice(&d.weight, (d.outputs, d.inputs), &Device::Cpu)?;
                let bias = Tensor::from_slice(&d.bias, d.outputs, &Device::Cpu)?;
                let relu = d.activation == Activation::Relu;
                Ok((Linear::new(weight, Some(bias)), relu))
            };
            let sees = match &node.op {
                Op::Gate { sees, .. } => sees.clone(),
                Op::Expert | Op::Tower => Vec::new(),
            };
            Ok(Node {
                src: node.src,
                sees,
                layers: node.layers.iter().map(layer).collect::<Result<_>>()?,
            })
        };
        Ok(Self {
            nodes: graph.nodes.iter().map(node).collect::<Result<_>>()?,
            tasks: graph.tasks.iter().map(|t| t.output).collect(),
            rows: Tensor::from_slice(rows, (rows.len() / inputs, inputs), &Device::Cpu)?,
        })
    }

    pub(crate) fn run(&self) -> Result<Outputs> {
        let mut values = vec![self.rows.clone()];
        for node in &self.nodes {
            let mut x = values[node.src].clone();
            for (linear, relu) in &node.layers {
                x = linear.forward(&x)?;
                if *relu {
                    x = x.relu()?;
                }
            }
            if !node.sees.is_empty() {
                let weights = ops::softmax_last_dim(&x)?.unsqueeze(1)?;
                let experts: Vec<&Tensor> = node.sees.iter().map(|v| &values[*v]).collect();
                x = weights.matmul(&Tensor::stack(&experts, 1)?)?.squeeze(1)?;
            }
            values.push(x);
        }
        let task = |output: &Output| -> Result<Vec<f32>> {
            let y = match *output {
                Output::Linear { value } => values[value].clone(),
                Output::Sigmoid { value } => ops::sigmoid(&values[value])?,
                Output::Softmax { value } => ops::softmax(&values[value], D::Minus1)?,
                Output::Product { .. } => unreachable!("no product of tasks in these models"),
            };
            y.flatten_all()?.to_vec1()
        };
        let tasks: Vec<Vec<f32>> = self.tasks.iter().map(task).collect::<Result<_>>()?;
        Ok(by_rows(&tasks, self.rows.dim(0)?))
    }
}
