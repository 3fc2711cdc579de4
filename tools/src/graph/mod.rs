//! The intermediate model. Importers and specs make one, and everything else starts from it: the
//! quantizer, the writer of blobs, the evaluations.
//!
//! It mirrors the wiring of a blob (`docs/format.md`), with f32 weights: a flat list of nodes in the
//! order of the weights. Value 0 is the input, and node `i` computes value `i + 1`. Levels come one
//! after the other, each of them experts and then gates. Towers come last, one per task that is not a
//! product.
//!
//! This is a shared bottom of one expert and one tower:
//!
//! ```
//! use mmoe_tools::convert::{Conversion, Precision};
//! use mmoe_tools::engine::Runner;
//! use mmoe_tools::graph::{Activation, Dense, Graph, Input, Layer, Node, Op, Output, Task};
//!
//! let layer = |name: &str, weight: Vec<f32>, outputs, activation| {
//!     Layer::Dense(Dense {
//!         name: name.into(),
//!         inputs: weight.len() / outputs,
//!         outputs,
//!         weight,
//!         bias: vec![0.0; outputs],
//!         activation,
//!     })
//! };
//! let node = |op, src, inputs, outputs, layer| Node {
//!     op, src, start: 0, inputs, outputs, layers: vec![layer],
//! };
//! let graph = Graph {
//!     name: "sum".into(),
//!     version: 1,
//!     inputs: vec![Input::new("x", 2)],
//!     front: None,
//!     feature_names: Vec::new(),
//!     nodes: vec![
//!         node(Op::Expert, 0, 2, 1, layer("expert", vec![1.0, 1.0], 1, Activation::Relu)),
//!         node(Op::Tower, 1, 1, 1, layer("tower", vec![2.0], 1, Activation::Linear)),
//!     ],
//!     tasks: vec![Task { name: "y".into(), output: Output::Linear { value: 2 } }],
//! };
//! graph.check()?;
//! let blob = Conversion::new(Precision::F32).run(&graph)?.bytes();
//! let (y, _) = Runner::load(&blob)?.predict(&[1.0, 0.5]).map(|(y, run)| (y.to_vec(), run))?;
//! assert_eq!(y, [3.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) mod assemble;
pub mod elements;
mod fold;
mod front;
mod residual;
pub mod rules;
pub(crate) mod tensors;

use std::fmt;

use mmoe::blob::ActivationKind;

use crate::front::Front;

/// A model: wiring and f32 weights, whatever file they came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// The name of the model, which becomes part of the blob's identity.
    pub name: String,
    /// The model's version; 0 where nobody gave one.
    pub version: u32,
    /// The inputs, in order; their counts add up to the width of value 0.
    pub inputs: Vec<Input>,
    /// Where the model takes records of raw fields: what makes value 0 of one. There is then one input
    /// per feature of it.
    pub front: Option<Front>,
    /// One name per input feature, or per field of the record, or empty.
    pub feature_names: Vec<String>,
    /// The nodes, in order.
    pub nodes: Vec<Node>,
    /// The outputs, in order.
    pub tasks: Vec<Task>,
}

/// A run of input features that share what is known about them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Input {
    /// For people and for the feature names.
    pub name: String,
    /// How many features it has.
    pub count: usize,
    /// The smallest value, where it is declared. The quantizer uses it.
    pub min: Option<f64>,
    /// The largest value, where it is declared.
    pub max: Option<f64>,
    /// The mean of the raw feature. The weights of the model expect `(x − mean) / std`, and the blob
    /// takes `x`.
    pub mean: Option<f64>,
    /// The standard deviation of the raw feature.
    pub std: Option<f64>,
    /// Whether `(x − mean) / std` has become part of the layers that read the input. The mean and the
    /// deviation then only describe which values occur.
    pub folded: bool,
    /// Of one-hot columns: how many of them may be 1 at a time. The blob then takes as many codes in
    /// their place ([`elements`]). `None`: numbers.
    pub codes: Option<usize>,
}

impl Input {
    /// Creates an input of `count` features of which nothing else is known.
    #[must_use]
    pub fn new(name: &str, count: usize) -> Self {
        Self {
            name: name.into(),
            count,
            ..Self::default()
        }
    }

    /// Returns the mean and the standard deviation that an evaluation has yet to apply to the raw
    /// feature: 0 and 1 where there are none, or where they are folded into the layers.
    #[must_use]
    pub fn scaling(&self) -> (f64, f64) {
        if self.folded {
            (0.0, 1.0)
        } else {
            (self.mean.unwrap_or(0.0), self.std.unwrap_or(1.0))
        }
    }

    /// Returns the smallest and the largest value to expect: as declared, or this many standard
    /// deviations on each side of the mean, or `None` where neither is known.
    ///
    /// The number of deviations depends on what the range is for. The quantizer takes 6, since a
    /// value outside its range saturates. The check of a written blob takes 3: it wants rows far
    /// out that still occur. Self-test rows take 2: far enough to move every feature, near enough
    /// that hidden layers do not all saturate, which would hide a changed weight.
    #[must_use]
    pub fn range(&self, deviations: f64) -> Option<(f64, f64)> {
        if self.codes.is_some() {
            return Some((0.0, 1.0));
        }
        match (self.min, self.max, self.std) {
            (Some(low), Some(high), _) => Some((low, high)),
            (_, _, Some(std)) => {
                let (mean, reach) = (self.mean.unwrap_or(0.0), deviations * std);
                Some((mean - reach, mean + reach))
            }
            _ => None,
        }
    }
}

/// One node of the wiring: an expert, a gate or a tower.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The kind of the node.
    pub op: Op,
    /// The value it reads (0: the input).
    pub src: usize,
    /// It reads `src[start .. start + inputs]`.
    pub start: usize,
    /// How many elements it reads.
    pub inputs: usize,
    /// The width of the value that it computes; for a gate, the width of the mixture.
    pub outputs: usize,
    /// Its layers, in order. A node without layers passes on what it reads.
    pub layers: Vec<Layer>,
}

/// What a [`Node`] does.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Runs its layers; its value is read through gates, or by towers directly where its level has
    /// no gates.
    Expert,
    /// Runs its layers; its value is an output.
    Tower,
    /// Weighs the values in `sees` (its layers make the logits, in the order of `sees`) and adds
    /// them up.
    Gate {
        /// From logits to weights.
        kind: GateKind,
        /// The values mixed, ascending.
        sees: Vec<usize>,
        /// The temperature that was folded into the last layer (1: none); kept for read-out only.
        temperature: f32,
    },
}

/// How gate logits become gate weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateKind {
    /// `softmax(z)`.
    Softmax,
    /// Each weight `sigmoid(z_i)`, not normalised.
    Sigmoid,
    /// Each weight `z_i` itself.
    Linear,
    /// Weight 1 for the largest logit, 0 for the rest; ties to the lowest index.
    Hard,
    /// The `k` largest logits; ties to the lowest index.
    TopK {
        /// How many experts keep a weight.
        k: usize,
        /// Softmax over the chosen ones (`true`), or the full softmax's weights with the others
        /// set to 0.
        renormalise: bool,
    },
    /// Weights that do not depend on the input: the node's only layer is [`Layer::Constant`].
    Constant,
    /// DSelect-k, per example: logits are `k·⌈log2 E⌉` selector inputs (selector by selector, most
    /// significant bit first) and then `k` mixing logits; smooth-step with γ = 1.
    DSelectK {
        /// How many selectors.
        k: usize,
    },
}

/// One layer with its weights.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    /// `act(W x + b)`.
    Dense(Dense),
    /// `gain ⊙ x + bias`, per unit.
    Affine {
        /// Per-unit factor.
        gain: Vec<f32>,
        /// Per-unit addend.
        bias: Vec<f32>,
    },
    /// `x ≥ 0 ? x : slope ⊙ x`, per unit.
    PRelu {
        /// Per-unit slope.
        slope: Vec<f32>,
    },
    /// The layer's units brought to a common scale, `⊙ gain + bias`.
    Norm {
        /// How the scale is found.
        by: Normalization,
        /// Per-unit factor.
        gain: Vec<f32>,
        /// Per-unit addend.
        bias: Vec<f32>,
        /// Added to the variance or the mean square; of a unit norm the least sum of squares.
        epsilon: f32,
    },
    /// An activation that no dense layer takes in.
    Pointwise {
        /// Applied to each unit.
        activation: Activation,
        /// How many units.
        width: usize,
    },
    /// `x·(alpha + (1 − alpha)·sigmoid(gain·x + bias))`, per unit.
    Dice {
        /// Per-unit factor under the sigmoid.
        gain: Vec<f32>,
        /// Per-unit addend under the sigmoid.
        bias: Vec<f32>,
        /// Per-unit slope where the sigmoid is 0.
        alpha: Vec<f32>,
    },
    /// `x·(alpha + (1 − alpha)·sigmoid(d / √(Σ d² + epsilon)))`, with `d` the deviations from the
    /// mean over the layer's units.
    RowDice {
        /// How many units.
        width: usize,
        /// Slope where the sigmoid is 0.
        alpha: f32,
        /// Added to the sum of squares.
        epsilon: f32,
    },
    /// The weights of a constant gate, in the order of `sees`.
    Constant {
        /// One weight per value seen.
        weights: Vec<f32>,
    },
}

impl Layer {
    /// How many numbers it makes of `inputs` numbers.
    #[must_use]
    pub fn outputs(&self, inputs: usize) -> usize {
        match self {
            Self::Dense(d) => d.outputs,
            Self::Constant { weights } => weights.len(),
            Self::Affine { .. }
            | Self::PRelu { .. }
            | Self::Norm { .. }
            | Self::Pointwise { .. }
            | Self::Dice { .. }
            | Self::RowDice { .. } => inputs,
        }
    }
}

/// How a [`Layer::Norm`] finds its scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalization {
    /// `(x − mean) / √(variance + epsilon)`, in each group of neighbouring units.
    Layer {
        /// How many groups; 1 is a layer norm.
        groups: usize,
    },
    /// `x / √(mean(x²) + epsilon)`.
    Rms,
    /// `x / √(max(Σ x², epsilon))`.
    Unit,
}

/// A dense layer. `Debug` shows its shape, not its numbers.
#[derive(Clone, PartialEq)]
pub struct Dense {
    /// The tensor it came from, for messages.
    pub name: String,
    /// Columns.
    pub inputs: usize,
    /// Rows.
    pub outputs: usize,
    /// Row-major `[outputs][inputs]`.
    pub weight: Vec<f32>,
    /// One per row; zeros where the source had none.
    pub bias: Vec<f32>,
    /// The activation function of each output. It is always [`Activation::Linear`] in the last layer
    /// of a gate or of a tower.
    pub activation: Activation,
}

impl fmt::Debug for Dense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Dense(`{}` {}→{} {:?})",
            self.name, self.inputs, self.outputs, self.activation
        )
    }
}

/// An element-wise activation of a hidden layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `x`.
    Linear,
    /// `max(x, 0)`.
    Relu,
    /// `x ≥ 0 ? x : slope·x`; a scalar PReLU is this.
    LeakyRelu {
        /// Factor below zero.
        slope: f32,
    },
    /// `1 / (1 + e^−x)`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `x·Φ(x)`.
    Gelu,
    /// `x·sigmoid(√(8/π)·(x + 0.044715·x³))`.
    GeluTanh,
    /// `x·sigmoid(rate·x)`.
    Silu {
        /// Above 0.
        rate: f32,
    },
    /// `x < 0 ? depth·(e^(rate·x) − 1) : slope·x`.
    Elu {
        /// 0 or more.
        depth: f32,
        /// Above 0.
        rate: f32,
        /// 0 or more.
        slope: f32,
    },
    /// `ln(1 + e^(rate·x)) / rate`.
    Softplus {
        /// Above 0.
        rate: f32,
    },
    /// `x·tanh(ln(1 + e^x))`.
    Mish,
    /// `x / (1 + |x|)`.
    Softsign,
    /// `x·clip(x + 3, 0, 6) / 6`.
    HardSwish,
    /// `x` between two bounds.
    Clip {
        /// The least value.
        low: f32,
        /// The greatest value, not below the least.
        high: f32,
    },
    /// `e^x`.
    Exp,
    /// `x²`.
    Square,
}

impl Activation {
    /// Its code, and the three numbers that a float model stores for it where it is a curve.
    #[must_use]
    pub fn code(self) -> (ActivationKind, [f32; 3]) {
        let plain = |kind| (kind, [0.0; 3]);
        match self {
            Self::Linear => plain(ActivationKind::Linear),
            Self::Relu => plain(ActivationKind::Relu),
            Self::LeakyRelu { .. } => plain(ActivationKind::LeakyRelu),
            Self::Sigmoid => plain(ActivationKind::Sigmoid),
            Self::Tanh => plain(ActivationKind::Tanh),
            Self::Gelu => plain(ActivationKind::Gelu),
            Self::GeluTanh => plain(ActivationKind::GeluTanh),
            Self::Silu { rate } => (ActivationKind::Silu, [rate, 0.0, 0.0]),
            Self::Elu { depth, rate, slope } => (ActivationKind::Elu, [depth, rate, slope]),
            Self::Softplus { rate } => (ActivationKind::Softplus, [rate, 1.0 / rate, 0.0]),
            Self::Mish => plain(ActivationKind::Mish),
            Self::Softsign => plain(ActivationKind::Softsign),
            Self::HardSwish => plain(ActivationKind::HardSwish),
            Self::Clip { low, high } => (ActivationKind::Clip, [low, high, 0.0]),
            Self::Exp => plain(ActivationKind::Exp),
            Self::Square => plain(ActivationKind::Square),
        }
    }

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.code().0.name()
    }

    /// Whether integer models compute it by a table, from a scale of its input's own.
    #[must_use]
    pub fn is_curve(self) -> bool {
        self.code().0.curve().is_some()
    }

    /// Whether it ends at a scale that the rules fix: between −1 and 1 in steps of 1/32768.
    #[must_use]
    pub fn squashes(self) -> bool {
        matches!(self, Self::Sigmoid | Self::Tanh)
    }

    /// Whether its numbers are what the formula allows.
    #[must_use]
    pub fn is_sound(self) -> bool {
        let positive = |v: f32| v.is_finite() && v > 0.0;
        match self {
            Self::Silu { rate } | Self::Softplus { rate } => positive(rate),
            Self::Elu { depth, rate, slope } => {
                positive(rate) && [depth, slope].iter().all(|v| v.is_finite() && *v >= 0.0)
            }
            Self::Clip { low, high } => low.is_finite() && high.is_finite() && low <= high,
            Self::LeakyRelu { slope } => slope.is_finite(),
            Self::Linear
            | Self::Relu
            | Self::Sigmoid
            | Self::Tanh
            | Self::Gelu
            | Self::GeluTanh
            | Self::Mish
            | Self::Softsign
            | Self::HardSwish
            | Self::Exp
            | Self::Square => true,
        }
    }
}

impl Node {
    /// Whether it is a tower or a gate whose last layer makes logits. A tower that ends in
    /// anything else gives activations.
    #[must_use]
    pub fn ends_in_logits(&self) -> bool {
        self.op != Op::Expert
            && matches!(self.layers.last(), Some(Layer::Dense(d)) if d.activation == Activation::Linear)
    }
}

/// One output of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its name; unique.
    pub name: String,
    /// What it is made from and how.
    pub output: Output,
}

/// How an output is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// The tower's raw values.
    Linear {
        /// The tower's value.
        value: usize,
    },
    /// `sigmoid` of the tower's one value.
    Sigmoid {
        /// The tower's value.
        value: usize,
    },
    /// `softmax` over the tower's values.
    Softmax {
        /// The tower's value.
        value: usize,
    },
    /// The product of two earlier tasks of one probability each (ESMM's `ctcvr`).
    Product {
        /// Index of the first factor's task.
        a: usize,
        /// Index of the second factor's task.
        b: usize,
    },
}

impl Output {
    /// `linear`, `sigmoid`, `softmax` or `product`.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Linear { .. } => "linear",
            Self::Sigmoid { .. } => "sigmoid",
            Self::Softmax { .. } => "softmax",
            Self::Product { .. } => "product",
        }
    }
}

impl Graph {
    /// Converts raw features to what the first layers expect: `(x − mean) / std` where that is not
    /// folded into the layers.
    #[must_use]
    pub fn standardized(&self, x: &[f64]) -> Vec<f64> {
        let scaling = self
            .inputs
            .iter()
            .flat_map(|i| std::iter::repeat_n(i.scaling(), i.count));
        x.iter()
            .zip(scaling)
            .map(|(x, (mean, std))| (x - mean) / std)
            .collect()
    }

    /// Returns the width of value `v`, where value 0 is the input.
    #[must_use]
    pub fn width(&self, v: usize) -> usize {
        match v.checked_sub(1) {
            None => self.inputs.iter().map(|i| i.count).sum(),
            Some(n) => self.nodes.get(n).map_or(0, |n| n.outputs),
        }
    }

    /// Returns the nodes of experts that no gate of their level sees, although it has gates. Such
    /// experts never run.
    #[must_use]
    pub fn unseen(&self) -> Vec<usize> {
        let runs = self
            .nodes
            .chunk_by(|a, b| !(matches!(a.op, Op::Gate { .. }) && matches!(b.op, Op::Expert)));
        let (mut first, mut unseen) = (0, Vec::new());
        for level in runs {
            let seen: Vec<usize> = level
                .iter()
                .filter_map(|n| {
                    if let Op::Gate { sees, .. } = &n.op {
                        Some(sees)
                    } else {
                        None
                    }
                })
                .flatten()
                .copied()
                .collect();
            let experts =
                (first..first + level.len()).filter(|n| matches!(self.nodes[*n].op, Op::Expert));
            unseen.extend(experts.filter(|n| !seen.is_empty() && !seen.contains(&(n + 1))));
            first += level.len();
        }
        unseen
    }

    /// Returns the number, among towers, of the tower that computes value `v`, or `None` if no tower
    /// does.
    #[must_use]
    pub fn tower_index(&self, v: usize) -> Option<usize> {
        let node = v.checked_sub(1)?;
        matches!(self.nodes.get(node)?.op, Op::Tower).then(|| {
            self.nodes
                .iter()
                .take(node)
                .filter(|n| matches!(n.op, Op::Tower))
                .count()
        })
    }
}
