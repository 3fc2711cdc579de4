//! The one intermediate model between importers, quantizer, packer and oracle.
//!
//! It mirrors the blob's wiring (`docs/format.md`): a flat list of nodes in the order of the
//! weights. Value 0 is the input; node `i` makes value `i + 1`. Levels come one after the other,
//! each a run of experts and then a run of gates; towers come last, one per task that is not a
//! product.

pub(crate) mod assemble;
mod fold;
pub mod rules;
pub(crate) mod tensors;

use std::fmt;

/// A model: wiring and f32 weights, whatever file they came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// The model's name; becomes the blob's identity.
    pub name: String,
    /// The model's version; 0 where nobody gave one.
    pub version: u32,
    /// The inputs, in order; their counts add up to the width of value 0.
    pub inputs: Vec<Input>,
    /// One name per input feature, or empty.
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
    /// How many features.
    pub count: usize,
    /// Declared range, where known (used by the integer quantizer).
    pub min: Option<f64>,
    /// Declared range, where known.
    pub max: Option<f64>,
    /// Mean of the raw feature: the model's weights expect `(x − mean) / std`, the blob takes `x`.
    pub mean: Option<f64>,
    /// Standard deviation of the raw feature.
    pub std: Option<f64>,
    /// Whether `(x − mean) / std` has become part of the layers that read the input: mean and
    /// deviation then only say which values occur.
    pub folded: bool,
}

impl Input {
    /// `count` features of which nothing else is known.
    #[must_use]
    pub fn new(name: &str, count: usize) -> Self {
        Self {
            name: name.into(),
            count,
            ..Self::default()
        }
    }

    /// The mean and the standard deviation that an evaluation has yet to apply to the raw feature:
    /// 0 and 1 where there are none, or where they are folded into the layers.
    #[must_use]
    pub fn scaling(&self) -> (f64, f64) {
        if self.folded {
            (0.0, 1.0)
        } else {
            (self.mean.unwrap_or(0.0), self.std.unwrap_or(1.0))
        }
    }

    /// The smallest and the largest value to expect: as declared, or this many standard deviations
    /// on each side of the mean; `None` where neither is known.
    ///
    /// The number of deviations depends on what the range is for. The quantizer takes 6, since a
    /// value outside its range saturates. The check of a written blob takes 3: it wants rows far
    /// out that still occur. Self-test rows take 2: far enough to move every feature, near enough
    /// that hidden layers do not all saturate, which would hide a changed weight.
    #[must_use]
    pub fn range(&self, deviations: f64) -> Option<(f64, f64)> {
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
    /// Width of the value it makes. For a gate: the width of the mixture.
    pub outputs: usize,
    /// Its layers, in order; none is the identity.
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
    /// `(x − mean(x)) / √(var(x) + epsilon) ⊙ gain + bias` over the layer's units.
    LayerNorm {
        /// Per-unit factor.
        gain: Vec<f32>,
        /// Per-unit addend.
        bias: Vec<f32>,
        /// Added to the variance.
        epsilon: f32,
    },
    /// The weights of a constant gate, in the order of `sees`.
    Constant {
        /// One weight per value seen.
        weights: Vec<f32>,
    },
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
    /// Applied to each output. Always [`Activation::Linear`] in the last layer of a gate or of a
    /// tower.
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
    /// Raw features as the first layers expect them: `(x − mean) / std` where that is not folded
    /// into the layers.
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

    /// Width of value `v` (0: the input).
    #[must_use]
    pub fn width(&self, v: usize) -> usize {
        match v.checked_sub(1) {
            None => self.inputs.iter().map(|i| i.count).sum(),
            Some(n) => self.nodes.get(n).map_or(0, |n| n.outputs),
        }
    }

    /// The nodes of experts that no gate of their level sees though it has gates: they are never
    /// run.
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

    /// Index of the tower that makes value `v`, counted among towers; `None` if `v` is not a
    /// tower's.
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
