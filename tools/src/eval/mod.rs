//! Evaluating a [`Graph`] slowly and independently of the engine: what every other path is measured
//! against.
//!
//! There is one walk over the graph, [`Pass`], and it is generic in the [`Domain`]: in what stands
//! for a number. The domains are the exact value ([`Exact`]), the value with a bound of its f32
//! rounding error ([`Rounded`](error::Rounded)), and an interval of values
//! ([`Interval`](interval::Interval)). Statistics are no domain of their own: they are an
//! [`Observer`] that looks on while exact values pass.
//!
//! ```text
//! input ─▶ Pass<D>: node by node, layer by layer ─▶ values, gate weights ─▶ outputs
//!              │ asks D for every operation
//!              └ tells an Observer what every layer made
//! ```
//!
//! A new activation is an arm of `activate` in each domain, a new layer an arm of the walk and a
//! method of [`Domain`]; the compiler names every place. Nothing here shares code with the engine,
//! and it follows the formulas, not an order of operations. The evaluation of integer models,
//! [`crate::fixed_point`], stands apart on purpose: it has the written rules of rounding to follow.

pub mod error;
pub mod interval;
pub mod statistics;
mod value;

pub use value::{Exact, gate_weights};

use crate::graph::{Activation, Dense, GateKind, Graph, Layer, Node, Normalization, Op, Output};

/// What stands for a number during an evaluation, and the operations of a graph on it.
pub trait Domain {
    /// Stands for one number.
    type Number: Copy;

    /// A number that is known exactly: a feature or a constant.
    fn exact(v: f64) -> Self::Number;

    /// `W x + b`, before the layer's activation.
    fn dense(layer: &Dense, x: &[Self::Number]) -> Vec<Self::Number>;

    /// An activation.
    fn activate(activation: Activation, x: Self::Number) -> Self::Number;

    /// `gain·x + bias`.
    fn affine(gain: f64, bias: f64, x: Self::Number) -> Self::Number;

    /// A normalization over all of `x`, one group, with its gain and bias.
    fn norm(
        by: Normalization,
        gain: &[f32],
        bias: &[f32],
        epsilon: f64,
        x: &[Self::Number],
    ) -> Vec<Self::Number>;

    /// `x·(alpha + (1 − alpha)·p)`.
    fn dice(alpha: f64, p: Self::Number, x: Self::Number) -> Self::Number;

    /// The weights that a gate gives its `experts` experts for these logits.
    fn gate(kind: GateKind, experts: usize, logits: &[Self::Number]) -> Vec<Self::Number>;

    /// One unit of the mixture: the sum of `weights` times what that unit is in every expert.
    fn mix(kind: GateKind, weights: &[Self::Number], seen: &[Self::Number]) -> Self::Number;

    /// The product of two probabilities.
    fn product(a: Self::Number, b: Self::Number) -> Self::Number;
}

/// Looks on while a [`Pass`] is made. Every method does nothing unless it is written.
pub trait Observer<N> {
    /// The input as the layers read it.
    fn input(&mut self, x: &[N]) {
        let _ = x;
    }

    /// What a layer made, before its activation (for a PReLU: what it read) and after it.
    fn layer(&mut self, node: usize, layer: usize, before: &[N], after: &[N]) {
        let _ = (node, layer, before, after);
    }

    /// The value that a node made; of a gate, the mixture.
    fn value(&mut self, node: usize, value: &[N]) {
        let _ = (node, value);
    }
}

/// Looks away.
impl<N> Observer<N> for () {}

/// Everything that one row of features makes of a graph.
#[derive(Debug, Clone)]
pub struct Pass<D: Domain> {
    /// The input, and then the value of each node.
    values: Vec<Vec<D::Number>>,
    /// Of each node the gate weights, empty if it is no gate.
    weights: Vec<Vec<D::Number>>,
}

impl<D: Domain> Pass<D> {
    /// Evaluates a graph, which must pass [`Graph::check`], on its input as the layers read it
    /// ([`Graph::standardized`]).
    ///
    /// # Panics
    ///
    /// If the input has another width, or the graph breaks a rule.
    pub fn new(graph: &Graph, input: Vec<D::Number>, watch: &mut impl Observer<D::Number>) -> Self {
        assert_eq!(
            input.len(),
            graph.width(0),
            "the row is not as wide as the input"
        );
        watch.input(&input);
        let mut pass = Self {
            values: vec![input],
            weights: Vec::with_capacity(graph.nodes.len()),
        };
        for node in 0..graph.nodes.len() {
            let (value, weights) = pass.node(graph, node, watch);
            watch.value(node, &value);
            pass.values.push(value);
            pass.weights.push(weights);
        }
        pass
    }

    /// Evaluates these nodes again, and whatever depends on them, after their layers or gate kinds
    /// have changed. The wiring and all widths must be those of before. Trying many activations on
    /// many rows costs only the part of the graph behind the change.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub fn again(&mut self, graph: &Graph, changed: &[usize]) {
        let mut stale = vec![false; self.values.len()];
        for (at, node) in graph.nodes.iter().enumerate() {
            let reads_stale = stale[node.src]
                || matches!(&node.op, Op::Gate { sees, .. } if sees.iter().any(|v| stale[*v]));
            if reads_stale || changed.contains(&at) {
                (self.values[at + 1], self.weights[at]) = self.node(graph, at, &mut ());
                stale[at + 1] = true;
            }
        }
    }

    /// The value of a node, and the weights if it is a gate.
    fn node(
        &self,
        graph: &Graph,
        at: usize,
        watch: &mut impl Observer<D::Number>,
    ) -> (Vec<D::Number>, Vec<D::Number>) {
        node::<D>(&graph.nodes[at], at, &|v| &self.values[v], watch)
    }

    /// Value `v` of the graph (0: the input).
    ///
    /// # Panics
    ///
    /// If the graph has no such value.
    #[must_use]
    pub fn value(&self, v: usize) -> &[D::Number] {
        &self.values[v]
    }

    /// The gate weights of a node, in the order of what it sees; empty if it is no gate.
    ///
    /// # Panics
    ///
    /// If the graph has no such node.
    #[must_use]
    pub fn weights(&self, node: usize) -> &[D::Number] {
        &self.weights[node]
    }

    /// The outputs, task by task.
    ///
    /// # Panics
    ///
    /// If a task reads a value that the graph does not have.
    #[must_use]
    pub fn tasks(&self, graph: &Graph) -> Vec<Vec<D::Number>> {
        let mut tasks: Vec<Vec<D::Number>> = Vec::new();
        for task in &graph.tasks {
            let made = output::<D>(task.output, &|v| &self.values[v], &|t| &tasks[t]);
            tasks.push(made);
        }
        tasks
    }
}

/// What node number `at` makes of the values before it (0: the input), and its weights if it is a
/// gate. It needs no more of a graph than this node, so that a search can try one at a time.
///
/// # Panics
///
/// As [`Pass::new`].
pub fn node<'v, D: Domain>(
    node: &Node,
    at: usize,
    value: &dyn Fn(usize) -> &'v [D::Number],
    watch: &mut impl Observer<D::Number>,
) -> (Vec<D::Number>, Vec<D::Number>)
where
    D::Number: 'v,
{
    let mut x = value(node.src)[node.start..node.start + node.inputs].to_vec();
    for (l, layer) in node.layers.iter().enumerate() {
        let (before, after) = forward::<D>(layer, x);
        watch.layer(at, l, before.as_ref().unwrap_or(&after), &after);
        x = after;
    }
    let Op::Gate { kind, sees, .. } = &node.op else {
        return (x, Vec::new());
    };
    let weights = D::gate(*kind, sees.len(), &x);
    let mut seen = Vec::with_capacity(sees.len());
    let mixture = (0..node.outputs).map(|unit| {
        seen.clear();
        seen.extend(sees.iter().map(|v| value(*v)[unit]));
        D::mix(*kind, &weights, &seen)
    });
    (mixture.collect(), weights)
}

/// An output, made of the graph's values and of the tasks before it.
///
/// # Panics
///
/// If a product's factor has no value.
pub fn output<'v, D: Domain>(
    output: Output,
    value: &dyn Fn(usize) -> &'v [D::Number],
    task: &dyn Fn(usize) -> &'v [D::Number],
) -> Vec<D::Number>
where
    D::Number: 'v,
{
    match output {
        Output::Linear { value: v } => value(v).to_vec(),
        Output::Sigmoid { value: v } => value(v)
            .iter()
            .map(|z| D::activate(Activation::Sigmoid, *z))
            .collect(),
        Output::Softmax { value: v } => {
            let z = value(v);
            D::gate(GateKind::Softmax, z.len(), z)
        }
        Output::Product { a, b } => vec![D::product(task(a)[0], task(b)[0])],
    }
}

/// What a layer makes of `x`: before its activation, if that differs, and after it.
fn forward<D: Domain>(
    layer: &Layer,
    x: Vec<D::Number>,
) -> (Option<Vec<D::Number>>, Vec<D::Number>) {
    match layer {
        Layer::Dense(d) => {
            let sums = D::dense(d, &x);
            if d.activation == Activation::Linear {
                return (None, sums);
            }
            let after = sums.iter().map(|z| D::activate(d.activation, *z)).collect();
            (Some(sums), after)
        }
        Layer::Affine { gain, bias } => {
            let units = x.iter().zip(gain.iter().zip(bias));
            let y = units.map(|(x, (g, b))| D::affine(f64::from(*g), f64::from(*b), *x));
            (None, y.collect())
        }
        Layer::PRelu { slope } => {
            let units = x.iter().zip(slope);
            let y = units.map(|(x, s)| D::activate(Activation::LeakyRelu { slope: *s }, *x));
            let y = y.collect();
            (Some(x), y)
        }
        Layer::Norm {
            by,
            gain,
            bias,
            epsilon,
        } => {
            let groups = if let Normalization::Layer { groups } = by {
                *groups
            } else {
                1
            };
            let width = (x.len() / groups).max(1);
            let groups = x
                .chunks(width)
                .zip(gain.chunks(width).zip(bias.chunks(width)));
            let y = groups.flat_map(|(x, (g, b))| D::norm(*by, g, b, f64::from(*epsilon), x));
            (None, y.collect())
        }
        Layer::Pointwise { activation, .. } => {
            let y = x.iter().map(|x| D::activate(*activation, *x)).collect();
            (Some(x), y)
        }
        Layer::Dice { gain, bias, alpha } => {
            let units = x.iter().zip(gain.iter().zip(bias).zip(alpha));
            let y = units.map(|(x, ((gain, bias), alpha))| {
                let z = D::affine(f64::from(*gain), f64::from(*bias), *x);
                D::dice(f64::from(*alpha), D::activate(Activation::Sigmoid, z), *x)
            });
            let y = y.collect();
            (Some(x), y)
        }
        Layer::RowDice {
            alpha,
            epsilon,
            width,
        } => {
            // d / √(Σ d² + ε) is the layer norm of ε/n over √n.
            let n = *width as f64;
            let (gain, bias) = (vec![(1.0 / n.sqrt()) as f32; *width], vec![0.0; *width]);
            let by = Normalization::Layer { groups: 1 };
            let z = D::norm(by, &gain, &bias, f64::from(*epsilon) / n, &x);
            let y = z
                .into_iter()
                .zip(&x)
                .map(|(z, x)| D::dice(f64::from(*alpha), D::activate(Activation::Sigmoid, z), *x));
            let y = y.collect();
            (Some(x), y)
        }
        Layer::Constant { weights } => {
            let weights = weights.iter().map(|w| D::exact(f64::from(*w)));
            (None, weights.collect())
        }
    }
}

/// What one input row gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// One per task, in order.
    pub tasks: Vec<Vec<f64>>,
    /// The weights of each gate node, in the order of what it sees.
    pub gates: Vec<Vec<f64>>,
    /// The value of each expert node.
    pub experts: Vec<Vec<f64>>,
}

impl Evaluation {
    /// The outputs, gate weights and experts of a pass.
    #[must_use]
    pub fn of(graph: &Graph, pass: &Pass<Exact>) -> Self {
        let nodes = || graph.nodes.iter().enumerate();
        Self {
            tasks: pass.tasks(graph),
            gates: nodes()
                .filter(|(_, n)| matches!(n.op, Op::Gate { .. }))
                .map(|(n, _)| pass.weights(n).to_vec())
                .collect(),
            experts: nodes()
                .filter(|(_, n)| n.op == Op::Expert)
                .map(|(n, _)| pass.value(n + 1).to_vec())
                .collect(),
        }
    }
}

/// Evaluates a graph in f64 on one row of raw features; inputs with mean and std are standardized
/// first.
///
/// # Panics
///
/// If `x` is not as wide as the input, or the graph breaks the rules of [`Graph::check`].
///
/// ```
/// use mmoe_tools::eval::evaluate;
/// use mmoe_tools::graph::{Graph, Input, Node, Op, Output, Task};
///
/// // A tower without layers: the output is the input.
/// let graph = Graph {
///     name: "identity".into(),
///     version: 0,
///     inputs: vec![Input { mean: Some(1.0), std: Some(2.0), ..Input::new("x", 1) }],
///     front: None,
///     feature_names: vec![],
///     nodes: vec![Node { op: Op::Tower, src: 0, start: 0, inputs: 1, outputs: 1, layers: vec![] }],
///     tasks: vec![Task { name: "y".into(), output: Output::Linear { value: 1 } }],
/// };
/// assert_eq!(evaluate(&graph, &[4.0]).tasks, [[1.5]]);
/// ```
#[must_use]
pub fn evaluate(graph: &Graph, x: &[f64]) -> Evaluation {
    Evaluation::of(graph, &Pass::new(graph, graph.standardized(x), &mut ()))
}

/// What every layer makes of one row, node by node and layer by layer.
///
/// # Panics
///
/// As [`evaluate`].
#[must_use]
pub fn layers(graph: &Graph, x: &[f64]) -> Vec<Vec<f64>> {
    struct Made(Vec<Vec<f64>>);
    impl Observer<f64> for Made {
        fn layer(&mut self, _: usize, _: usize, _: &[f64], after: &[f64]) {
            self.0.push(after.to_vec());
        }
    }
    let mut made = Made(Vec::new());
    Pass::<Exact>::new(graph, graph.standardized(x), &mut made);
    made.0
}
