//! Plans: which tensor of a weights file goes where in a model.
//!
//! A spec expands to a plan, and recognition finds one in names and shapes. A plan names tensors and
//! their wiring, and holds no weights. With the weights it becomes a [`Graph`](crate::graph::Graph);
//! [`spec::write`] turns it into the text of a spec.

mod activation;
mod choose;
pub mod fields;
pub mod open;
pub mod recognise;
pub mod spec;

use std::borrow::Cow;

use crate::front::record::Record;
use crate::graph::Input;

pub use activation::{ActivationPlan, Dice, Pointwise, SPEC_NAMES};
pub use open::Open;

/// The plan of a whole model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// The model's name.
    pub name: String,
    /// The model's version; 0 where nobody gave one.
    pub version: u32,
    /// The inputs; empty: one, as wide as the first layers say.
    pub inputs: Vec<Input>,
    /// What makes the inputs of a record of raw fields, where the blob takes records.
    pub fields: Option<fields::FieldsPlan>,
    /// What makes the input of a record of raw fields, where files say all of it.
    pub record: Option<Record>,
    /// Layers between the model's raw input and what experts and gates read.
    pub front: Option<Front>,
    /// Where the file leaves open which layers stand before experts and gates and which in the
    /// towers: every reading, the one that the plan has now first.
    pub readings: Vec<Reading>,
    /// Experts and gates, level by level; none for independent towers.
    pub levels: Vec<Level>,
    /// One per task that is not a product, in the order of the tasks.
    pub towers: Vec<Unit>,
    /// The outputs, in order.
    pub tasks: Vec<TaskPlan>,
}

/// Layers before all that reads the input. Rows of data may hold what enters them or what leaves
/// them, and the file does not say which.
#[derive(Debug, Clone, PartialEq)]
pub struct Front {
    /// In order.
    pub layers: Vec<LayerPlan>,
    /// Whether the blob runs them: its input is then the raw one.
    pub runs: bool,
    /// Whether that is an open question.
    pub open: bool,
    /// What they are called in the file, for people.
    pub name: String,
}

/// One way to share out layers between what stands before experts and gates and the towers.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The layers before experts and gates, as the file calls them.
    pub before: Vec<String>,
    /// These layers.
    pub front: Option<Front>,
    /// Each tower's name and layers.
    pub towers: Vec<(String, Vec<LayerPlan>)>,
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
    /// Whether the file leaves its kind open.
    pub open: bool,
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
    /// The logits themselves are the weights.
    Linear,
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
    /// Whether what the layer reads is added to all of that.
    pub residual: bool,
    /// Over how many layers, this one being the last, where not over this one alone: what is added
    /// is what the first of them reads.
    pub spans: usize,
    /// What the file does not settle about it.
    pub open: Open,
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

/// What brings a layer's values to a common scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Norm {
    /// Per-unit factor; 1 where missing.
    pub gamma: Option<TensorRef>,
    /// Per-unit addend; 0 where missing.
    pub beta: Option<TensorRef>,
    /// How the scale is found.
    pub kind: NormKind,
    /// Added to the variance.
    pub epsilon: f64,
}

/// How a [`Norm`] finds its scale.
#[derive(Debug, Clone, PartialEq)]
pub enum NormKind {
    /// By the running mean and variance of each unit.
    Batch(TensorRef, TensorRef),
    /// By the mean and variance over the layer's units.
    Layer,
    /// By the mean square over the layer's units; no mean is taken off.
    Rms,
    /// As [`NormKind::Layer`], over so many groups of neighbouring units.
    Group(usize),
    /// By the square root of the sum of squares over the layer's units.
    L2,
    /// Not at all: the factor and the addend alone.
    Scale,
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
    /// Numbers that stand in no tensor: one for all, or one per unit.
    Numbers(Vec<f64>),
    /// A matrix (or with one column a vector) put together from blocks.
    Blocks(Blocks),
}

/// A matrix of zeros to which blocks are added.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Blocks {
    /// Rows.
    pub outputs: usize,
    /// Columns; 1 for a vector.
    pub inputs: usize,
    /// The tensors that blocks are made of, in the order of these blocks.
    pub parts: Vec<Part>,
    /// What is added.
    pub blocks: Vec<Block>,
}

/// What is added to a matrix of [`Blocks`], `at` being its first row and column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Block {
    /// The next of the parts, times a factor.
    Tensor {
        /// First row and column.
        at: (usize, usize),
        /// What it is multiplied by.
        factor: f64,
    },
    /// The next of the parts, one number, in so many rows.
    Repeated {
        /// The first row.
        row: usize,
        /// How many rows.
        count: usize,
    },
    /// An identity.
    Identity {
        /// First row and column.
        at: (usize, usize),
        /// How many rows.
        count: usize,
    },
    /// One value in a run of columns of one row.
    Row {
        /// The row and the first column.
        at: (usize, usize),
        /// The value.
        value: f64,
        /// How many columns.
        count: usize,
    },
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
            Self::Blocks(blocks) => &blocks.parts,
            Self::Numbers(_) => &[],
        }
    }
}

/// One output.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskPlan {
    /// Its name.
    pub name: String,
    /// How it is made; `None`: the file does not say.
    pub output: Option<OutputPlan>,
    /// What the file says, where a spec says something else.
    pub differs: Option<OutputPlan>,
}

/// How an output is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OutputPlan {
    /// The tower's raw values.
    Linear,
    /// `sigmoid` of the tower's one value.
    Sigmoid,
    /// `softmax` over the tower's values.
    Softmax,
    /// The product of two earlier tasks, by index.
    Product(usize, usize),
    /// `max(x, 0)` of the tower's values.
    Relu,
    /// `ln(1 + e^x)` of the tower's values.
    Softplus,
    /// `e^x` of the tower's values.
    Exp,
    /// Hyperbolic tangent of the tower's values.
    Tanh,
    /// The tower's values, cut off below and above.
    Clip {
        /// The least value.
        min: f64,
        /// The greatest value.
        max: f64,
    },
}

impl OutputPlan {
    /// Its name in a spec.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Sigmoid => "sigmoid",
            Self::Softmax => "softmax",
            Self::Product(..) => "product",
            Self::Relu => "relu",
            Self::Softplus => "softplus",
            Self::Exp => "exp",
            Self::Tanh => "tanh",
            Self::Clip { .. } => "clip",
        }
    }
}

impl GateKindPlan {
    /// Its name in a spec.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Softmax => "softmax",
            Self::Sigmoid => "sigmoid",
            Self::Hard => "hard",
            Self::TopK { .. } => "top_k",
            Self::Constant(_) => "constant",
            Self::DSelectK { .. } => "dselect_k",
            Self::Linear => "linear",
        }
    }
}

impl Layout {
    /// Its name in a spec.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OutIn => "out_in",
            Self::InOut => "in_out",
        }
    }
}

impl TaskPlan {
    /// A task that nothing contradicts.
    #[must_use]
    pub fn new(name: impl Into<String>, output: Option<OutputPlan>) -> Self {
        Self {
            name: name.into(),
            output,
            differs: None,
        }
    }

    /// Whether it is made from other tasks and so has no tower.
    #[must_use]
    pub fn is_product(&self) -> bool {
        matches!(self.output, Some(OutputPlan::Product(..)))
    }
}

impl Plan {
    /// Says whether the blob runs its front. Where it does, the front's layers become layers like
    /// others, with questions of their own.
    pub fn run_front(&mut self, runs: bool) {
        let Some(front) = &mut self.front else { return };
        front.runs = runs;
        front.open = false;
        if runs {
            *self = self.settled().into_owned();
        }
    }

    /// Takes the reading with so many layers before experts and gates; `false` where there is none.
    pub fn read_with(&mut self, before: usize) -> bool {
        let Some(at) = self.readings.iter().position(|r| r.before.len() == before) else {
            return false;
        };
        let reading = self.readings.swap_remove(at);
        self.readings.clear();
        self.front = reading.front;
        for (name, layers) in reading.towers {
            // By name: a spec may have put the towers into another order.
            if let Some(tower) = self.towers.iter_mut().find(|t| t.name == name) {
                tower.layers = layers;
            }
        }
        true
    }

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

    /// Every reference to tensors, those of the front among them whether or not it runs.
    pub fn references(&self) -> impl Iterator<Item = &TensorRef> {
        let front = self.front.iter().flat_map(|f| &f.layers);
        let tables = self.fields.iter().flat_map(fields::FieldsPlan::references);
        front
            .chain(self.units().flat_map(|u| &u.layers))
            .flat_map(LayerPlan::references)
            .chain(tables)
    }

    /// The plan with its front, where that runs, made a part of it: norms are repeated in all that
    /// reads the input, since they fold into it; matrices become a level of their own.
    #[must_use]
    pub fn settled(&self) -> Cow<'_, Self> {
        if self.front.is_none() {
            return Cow::Borrowed(self);
        }
        let mut plan = self.clone();
        let Some(front) = plan.front.take().filter(|f| f.runs) else {
            return Cow::Owned(plan);
        };
        if front.layers.iter().any(|l| l.weight.is_some()) {
            plan.put_below(front.layers);
        } else {
            for unit in plan.units_mut().filter(|u| u.reads == Reads::Input) {
                unit.layers.splice(0..0, front.layers.iter().cloned());
            }
        }
        Cow::Owned(plan)
    }

    /// Makes layers that all experts and gates read a level of their own below them.
    pub fn put_below(&mut self, layers: Vec<LayerPlan>) {
        for unit in self.units_mut().filter(|u| u.reads == Reads::Input) {
            unit.reads = Reads::Stream(0);
        }
        let stem = Unit {
            name: "stem".into(),
            reads: Reads::Input,
            slice: None,
            layers,
        };
        let stem = Level {
            experts: vec![stem],
            gates: Vec::new(),
        };
        self.levels.insert(0, stem);
    }

    fn units_mut(&mut self) -> impl Iterator<Item = &mut Unit> {
        let levels = self.levels.iter_mut().flat_map(|l| {
            let gates = l.gates.iter_mut().map(|g| &mut g.unit);
            l.experts.iter_mut().chain(gates)
        });
        levels.chain(&mut self.towers)
    }
}

impl LayerPlan {
    fn references(&self) -> impl Iterator<Item = &TensorRef> {
        let norms = [&self.before, &self.after].into_iter().flatten();
        let trained: Vec<&TensorRef> = match &self.activation {
            ActivationPlan::PRelu(slope) => vec![slope],
            ActivationPlan::Dice(dice) => std::iter::once(&dice.alpha)
                .chain(dice.norm.iter().flat_map(Norm::references))
                .collect(),
            _ => Vec::new(),
        };
        [self.weight.as_ref(), self.bias.as_ref()]
            .into_iter()
            .flatten()
            .chain(trained)
            .chain(norms.flat_map(Norm::references))
    }
}

impl Norm {
    /// Every reference of it.
    pub(crate) fn references(&self) -> impl Iterator<Item = &TensorRef> {
        let moments = match &self.kind {
            NormKind::Batch(mean, variance) => [Some(mean), Some(variance)],
            _ => [None, None],
        };
        [self.gamma.as_ref(), self.beta.as_ref()]
            .into_iter()
            .chain(moments)
            .flatten()
    }

    /// Whether it is a batch norm.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        matches!(self.kind, NormKind::Batch(..))
    }

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
            let kind = mean
                .zip(variance)
                .map_or(NormKind::Layer, |(m, v)| NormKind::Batch(m, v));
            (kind != NormKind::Layer || gamma.is_some()).then_some(Self {
                gamma,
                beta,
                kind,
                epsilon,
            })
        })
    }
}
