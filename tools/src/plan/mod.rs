//! What a model is made of, tensor by tensor: the form that a spec expands to and that recognition
//! finds.
//!
//! A plan names tensors and says how they are wired; it holds no weights. The library turns it into
//! a [`crate::graph::Graph`], [`crate::plan::spec::write`] into the text of a spec.

pub mod recognise;
pub mod spec;

use crate::graph::Input;

/// A whole model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// The model's name.
    pub name: String,
    /// The model's version; 0 where nobody gave one.
    pub version: u32,
    /// The inputs; empty: one, as wide as the first layers say.
    pub inputs: Vec<Input>,
    /// Experts and gates, level by level; none for independent towers.
    pub levels: Vec<Level>,
    /// One per task that is not a product, in the order of the tasks.
    pub towers: Vec<Unit>,
    /// The outputs, in order.
    pub tasks: Vec<TaskPlan>,
}

/// Experts that run side by side, and the gates that mix them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Level {
    /// In order.
    pub experts: Vec<Unit>,
    /// In order; none: the experts' values are read directly.
    pub gates: Vec<GatePlan>,
}

/// An expert, a tower, or the part of a gate that makes logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// For messages, placements and visibility lists: `expert 0`, `shared`, `tower of \`y0\``.
    pub name: String,
    /// What it reads.
    pub reads: Reads,
    /// Which part of it; all where `None`.
    pub slice: Option<Slice>,
    /// In order.
    pub layers: Vec<LayerPlan>,
}

/// What a [`Unit`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// The model's input.
    Input,
    /// A value of the level just before: its gate of this index, or its expert where it has no
    /// gates.
    Stream(usize),
}

/// A run of elements of the value that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The first element.
    pub start: usize,
    /// How many.
    pub count: usize,
}

/// A gate: logits, and what becomes of them.
#[derive(Debug, Clone, PartialEq)]
pub struct GatePlan {
    /// What makes the logits.
    pub unit: Unit,
    /// From logits to weights.
    pub kind: GateKindPlan,
    /// The experts of its level that it mixes, in the order of its logits.
    pub sees: Vec<usize>,
    /// The logits are divided by it.
    pub temperature: f64,
    /// Added to the logits (after the temperature), one per expert seen; −∞ hides the expert.
    /// Empty: none.
    pub priors: Vec<f64>,
}

/// From logits to weights, as [`crate::graph::GateKind`], with the numbers that a constant gate
/// needs.
#[derive(Debug, Clone, PartialEq)]
pub enum GateKindPlan {
    /// `softmax(z)`.
    Softmax,
    /// `sigmoid(z_i)` each.
    Sigmoid,
    /// The largest alone.
    Hard,
    /// The `k` largest.
    TopK {
        /// How many.
        k: usize,
        /// Softmax over the chosen ones.
        renormalise: bool,
    },
    /// These weights, one per expert seen, whatever the input.
    Constant(Vec<f64>),
    /// DSelect-k.
    DSelectK {
        /// How many selectors.
        k: usize,
    },
}

/// One layer: dense, then a norm, then an activation, then a norm; each but one may be missing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LayerPlan {
    /// The matrix.
    pub weight: Option<TensorRef>,
    /// Which way round it lies.
    pub layout: Layout,
    /// The bias.
    pub bias: Option<TensorRef>,
    /// Between the matrix and the activation.
    pub before: Option<Norm>,
    /// Element by element.
    pub activation: ActivationPlan,
    /// Behind the activation.
    pub after: Option<Norm>,
}

/// Which way round a matrix lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// `[outputs, inputs]`, as PyTorch stores it.
    #[default]
    OutIn,
    /// `[inputs, outputs]`, as Keras stores it.
    InOut,
}

/// An activation, with the tensor that a PReLU needs.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum ActivationPlan {
    /// `x`.
    #[default]
    Linear,
    /// `max(x, 0)`.
    Relu,
    /// `x ≥ 0 ? x : slope·x`.
    LeakyRelu(f64),
    /// The same with trained slopes: one, or one per unit.
    PRelu(TensorRef),
    /// `1 / (1 + e^−x)`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
}

/// A batch norm or a layer norm.
#[derive(Debug, Clone, PartialEq)]
pub struct Norm {
    /// Per-unit factor; 1 where missing.
    pub gamma: Option<TensorRef>,
    /// Per-unit addend; 0 where missing.
    pub beta: Option<TensorRef>,
    /// Mean and variance of a batch norm; `None`: a layer norm.
    pub moments: Option<(TensorRef, TensorRef)>,
    /// Added to the variance.
    pub epsilon: f64,
}

/// Where numbers come from.
#[derive(Debug, Clone, PartialEq)]
pub enum TensorRef {
    /// One tensor or a piece of one.
    One(Part),
    /// Several, one below the other (outputs follow outputs).
    Rows(Vec<Part>),
    /// Vectors that are added up.
    Sum(Vec<Part>),
}

/// A tensor, or one index of one of its axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The tensor's name.
    pub name: String,
    /// `(axis, index)` of a packed tensor.
    pub pick: Option<(usize, usize)>,
    /// The line of the spec that names it.
    pub line: Option<usize>,
}

impl Part {
    /// All of a tensor.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            pick: None,
            line: None,
        }
    }
}

impl TensorRef {
    /// All of one tensor.
    pub fn name(name: impl Into<String>) -> Self {
        Self::One(Part::new(name))
    }

    /// One index of one axis of a packed tensor.
    pub fn pick(name: impl Into<String>, axis: usize, index: usize) -> Self {
        Self::One(Part {
            pick: Some((axis, index)),
            ..Part::new(name)
        })
    }

    /// The tensors it is made of.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        match self {
            Self::One(part) => std::slice::from_ref(part),
            Self::Rows(parts) | Self::Sum(parts) => parts,
        }
    }
}

/// One output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskPlan {
    /// Its name.
    pub name: String,
    /// How it is made; `None`: the file does not say.
    pub output: Option<OutputPlan>,
}

/// How an output is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputPlan {
    /// The tower's raw values.
    Linear,
    /// `sigmoid` of the tower's one value.
    Sigmoid,
    /// `softmax` over the tower's values.
    Softmax,
    /// The product of two earlier tasks, by index.
    Product(usize, usize),
}

impl TaskPlan {
    /// Whether it is made from other tasks and so has no tower.
    #[must_use]
    pub fn is_product(&self) -> bool {
        matches!(self.output, Some(OutputPlan::Product(..)))
    }
}

impl Plan {
    /// Every expert, gate and tower.
    pub fn units(&self) -> impl Iterator<Item = &Unit> {
        let levels = self
            .levels
            .iter()
            .flat_map(|l| l.experts.iter().chain(l.gates.iter().map(|g| &g.unit)));
        levels.chain(&self.towers)
    }

    /// Puts the last level's gates into the order of the towers that read them, where each tower
    /// has a gate of its own.
    pub fn align_gates(&mut self) {
        let Some(level) = self.levels.last_mut() else {
            return;
        };
        let streams: Vec<usize> = self
            .towers
            .iter()
            .filter_map(|t| {
                if let Reads::Stream(i) = t.reads {
                    Some(i)
                } else {
                    None
                }
            })
            .collect();
        let own = (0..level.gates.len()).all(|g| streams.iter().filter(|s| **s == g).count() == 1);
        if own && streams.len() == self.towers.len() && streams.len() == level.gates.len() {
            level.gates = streams.iter().map(|s| level.gates[*s].clone()).collect();
            for (t, tower) in self.towers.iter_mut().enumerate() {
                tower.reads = Reads::Stream(t);
            }
        }
    }

    /// Every reference to tensors.
    pub fn references(&self) -> impl Iterator<Item = &TensorRef> {
        self.units()
            .flat_map(|u| &u.layers)
            .flat_map(LayerPlan::references)
    }
}

impl LayerPlan {
    fn references(&self) -> impl Iterator<Item = &TensorRef> {
        let norms = [&self.before, &self.after].into_iter().flatten();
        let norms = norms.flat_map(|n| {
            [
                n.gamma.as_ref(),
                n.beta.as_ref(),
                n.moments.as_ref().map(|m| &m.0),
                n.moments.as_ref().map(|m| &m.1),
            ]
        });
        let slope = if let ActivationPlan::PRelu(slope) = &self.activation {
            Some(slope)
        } else {
            None
        };
        [self.weight.as_ref(), self.bias.as_ref(), slope]
            .into_iter()
            .chain(norms)
            .flatten()
    }
}

impl Norm {
    /// The norm whose tensors stand under `prefix`, spelled as PyTorch or Keras spell them; `None`
    /// if there is none. Without running statistics it is a layer norm.
    #[must_use]
    pub fn at(prefix: &str, epsilon: f64, exists: &dyn Fn(&str) -> bool) -> Option<Self> {
        const SPELLINGS: [[&str; 4]; 4] = [
            [".weight", ".bias", ".running_mean", ".running_var"],
            [
                "/gamma:0",
                "/beta:0",
                "/moving_mean:0",
                "/moving_variance:0",
            ],
            ["/gamma", "/beta", "/moving_mean", "/moving_variance"],
            ["/vars/0", "/vars/1", "/vars/2", "/vars/3"],
        ];
        SPELLINGS.iter().find_map(|names| {
            let [gamma, beta, mean, variance] = names.map(|n| {
                Some(format!("{prefix}{n}"))
                    .filter(|n| exists(n))
                    .map(TensorRef::name)
            });
            // Half of the statistics, or their counter alone, are the rest of a batch norm that was
            // cut.
            if mean.is_some() != variance.is_some()
                || (mean.is_none() && exists(&format!("{prefix}.num_batches_tracked")))
            {
                return None;
            }
            let moments = mean.zip(variance);
            (moments.is_some() || gamma.is_some()).then_some(Self {
                gamma,
                beta,
                moments,
                epsilon,
            })
        })
    }
}
