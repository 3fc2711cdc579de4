//! What values a model's tensors take: measured on rows, or bounded from declared input ranges.

use super::interval::{Interval, Span};
use super::{Exact, Observer, Pass};
use crate::graph::{Graph, Layer};

/// One tensor's values, unit by unit.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Smallest.
    pub min: Vec<f64>,
    /// Largest.
    pub max: Vec<f64>,
    /// Mean.
    pub mean: Vec<f64>,
    /// Mean square.
    pub square: Vec<f64>,
}

impl Stats {
    fn new(n: usize) -> Self {
        Self {
            min: vec![f64::INFINITY; n],
            max: vec![f64::NEG_INFINITY; n],
            mean: vec![0.0; n],
            square: vec![0.0; n],
        }
    }
    fn add(&mut self, v: &[f64], rows: usize) {
        for (i, v) in v.iter().enumerate() {
            self.min[i] = self.min[i].min(*v);
            self.max[i] = self.max[i].max(*v);
            self.mean[i] += v / rows as f64;
            self.square[i] += v * v / rows as f64;
        }
    }
    /// The largest magnitude of any unit.
    #[must_use]
    pub fn reach(&self) -> f64 {
        self.min
            .iter()
            .chain(&self.max)
            .fold(0.0, |m, v| m.max(v.abs()))
    }
    /// The part that a slice reads.
    #[must_use]
    pub fn slice(&self, start: usize, n: usize) -> Self {
        let cut = |v: &[f64]| v[start..start + n].to_vec();
        Self {
            min: cut(&self.min),
            max: cut(&self.max),
            mean: cut(&self.mean),
            square: cut(&self.square),
        }
    }
}

/// What is known of every tensor of a graph.
#[derive(Debug, Clone)]
pub struct Tensors {
    /// The standardized input, as the first layers' weights expect it.
    pub input: Stats,
    /// Per node and layer: the layer's output before its activation.
    pub before: Vec<Vec<Stats>>,
    /// Per node and layer: after it.
    pub after: Vec<Vec<Stats>>,
    /// Per node: the value that it makes.
    pub values: Vec<Stats>,
}

impl Tensors {
    fn new(graph: &Graph) -> Self {
        let per_layer = || {
            graph
                .nodes
                .iter()
                .map(|n| n.layers.iter().map(|l| Stats::new(width(l))).collect())
                .collect()
        };
        Self {
            input: Stats::new(graph.width(0)),
            before: per_layer(),
            after: per_layer(),
            values: graph.nodes.iter().map(|n| Stats::new(n.outputs)).collect(),
        }
    }
    /// The values of value `v`.
    #[must_use]
    pub fn value(&self, v: usize) -> &Stats {
        v.checked_sub(1).map_or(&self.input, |n| &self.values[n])
    }
}

fn width(l: &Layer) -> usize {
    match l {
        Layer::Dense(d) => d.outputs,
        Layer::Affine { gain, .. } | Layer::Norm { gain, .. } | Layer::Dice { gain, .. } => {
            gain.len()
        }
        Layer::Pointwise { width, .. } | Layer::RowDice { width, .. } => *width,
        Layer::PRelu { slope } => slope.len(),
        Layer::Constant { weights } => weights.len(),
    }
}

/// Adds up what exact values do, over this many rows.
struct Measure {
    tensors: Tensors,
    rows: usize,
}

impl Observer<f64> for Measure {
    fn input(&mut self, x: &[f64]) {
        self.tensors.input.add(x, self.rows);
    }

    fn layer(&mut self, node: usize, layer: usize, before: &[f64], after: &[f64]) {
        self.tensors.before[node][layer].add(before, self.rows);
        self.tensors.after[node][layer].add(after, self.rows);
    }

    fn value(&mut self, node: usize, value: &[f64]) {
        self.tensors.values[node].add(value, self.rows);
    }
}

/// Runs the graph on every row and notes what each tensor does.
#[must_use]
pub fn measured(graph: &Graph, rows: &[Vec<f64>]) -> Tensors {
    let mut measure = Measure {
        tensors: Tensors::new(graph),
        rows: rows.len(),
    };
    for x in rows {
        Pass::<Exact>::new(graph, graph.standardized(x), &mut measure);
    }
    measure.tensors
}

/// Sets the bounds of every tensor to the interval that it spans.
struct Bound(Tensors);

fn set(stats: &mut Stats, spans: &[Span]) {
    stats.min = spans.iter().map(|s| s.low).collect();
    stats.max = spans.iter().map(|s| s.high).collect();
}

impl Observer<Span> for Bound {
    fn input(&mut self, x: &[Span]) {
        set(&mut self.0.input, x);
    }

    fn layer(&mut self, node: usize, layer: usize, before: &[Span], after: &[Span]) {
        set(&mut self.0.before[node][layer], before);
        set(&mut self.0.after[node][layer], after);
    }

    fn value(&mut self, node: usize, value: &[Span]) {
        set(&mut self.0.values[node], value);
    }
}

/// Bounds of every tensor for inputs from `low` to `high` (raw features), in interval arithmetic.
/// Means and squares stay those of `tensors`.
#[must_use]
pub fn bounded(graph: &Graph, low: &[f64], high: &[f64], tensors: Tensors) -> Tensors {
    let ends = graph
        .standardized(low)
        .into_iter()
        .zip(graph.standardized(high));
    let input = ends.map(|(a, b)| Span::between(a, b)).collect();
    let mut bound = Bound(tensors);
    Pass::<Interval>::new(graph, input, &mut bound);
    bound.0
}
