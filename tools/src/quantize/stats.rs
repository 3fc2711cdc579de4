//! What values a model's tensors take: measured on rows, or bounded from declared input ranges.

use crate::graph::{Activation, Dense, GateKind, Graph, Layer, Op};
use crate::oracle;

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
        Layer::Affine { gain, .. } | Layer::LayerNorm { gain, .. } => gain.len(),
        Layer::PRelu { slope } => slope.len(),
        Layer::Constant { weights } => weights.len(),
    }
}

fn activate(a: Activation, v: f64) -> f64 {
    match a {
        Activation::Linear => v,
        Activation::Relu => v.max(0.0),
        Activation::LeakyRelu { slope } => {
            if v < 0.0 {
                v * f64::from(slope)
            } else {
                v
            }
        }
        Activation::Sigmoid => 1.0 / (1.0 + (-v).exp()),
        Activation::Tanh => v.tanh(),
    }
}

fn dense(d: &Dense, x: &[f64]) -> Vec<f64> {
    d.weight
        .chunks(d.inputs)
        .zip(&d.bias)
        .map(|(w, b)| f64::from(*b) + w.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>())
        .collect()
}

/// Runs the graph on every row and notes what each tensor does.
#[must_use]
pub fn measured(graph: &Graph, rows: &[Vec<f64>]) -> Tensors {
    let mut t = Tensors::new(graph);
    for x in rows {
        let mut values = vec![graph.standardize(x)];
        t.input.add(&values[0], rows.len());
        for (n, node) in graph.nodes.iter().enumerate() {
            let mut v = values[node.src][node.start..node.start + node.inputs].to_vec();
            for (l, layer) in node.layers.iter().enumerate() {
                let (before, after) = match layer {
                    Layer::Dense(d) => {
                        let z = dense(d, &v);
                        let y = z.iter().map(|z| activate(d.activation, *z)).collect();
                        (z, y)
                    }
                    Layer::Affine { gain, bias } => {
                        let y: Vec<f64> = v
                            .iter()
                            .zip(gain.iter().zip(bias))
                            .map(|(v, (g, b))| v * f64::from(*g) + f64::from(*b))
                            .collect();
                        (y.clone(), y)
                    }
                    Layer::PRelu { slope } => {
                        let y = v
                            .iter()
                            .zip(slope)
                            .map(|(v, s)| if *v < 0.0 { v * f64::from(*s) } else { *v })
                            .collect();
                        (v.clone(), y)
                    }
                    Layer::LayerNorm { .. } => (v.clone(), v.clone()),
                    Layer::Constant { weights } => {
                        let w: Vec<f64> = weights.iter().map(|w| f64::from(*w)).collect();
                        (w.clone(), w)
                    }
                };
                t.before[n][l].add(&before, rows.len());
                t.after[n][l].add(&after, rows.len());
                v = after;
            }
            if let Op::Gate { kind, sees, .. } = &node.op {
                let g = oracle::gate_weights(*kind, sees.len(), &v);
                v = (0..node.outputs)
                    .map(|h| sees.iter().zip(&g).map(|(s, g)| g * values[*s][h]).sum())
                    .collect();
            }
            t.values[n].add(&v, rows.len());
            values.push(v);
        }
    }
    t
}

/// Bounds of every tensor for inputs within `low ..= high` (raw features): interval arithmetic, and
/// the hull of the experts where a gate's weights add up to one. Means and squares stay those of
/// `t`.
#[must_use]
pub fn bounded(graph: &Graph, low: &[f64], high: &[f64], mut t: Tensors) -> Tensors {
    let (a, b) = (graph.standardize(low), graph.standardize(high));
    let mut values: Vec<Vec<(f64, f64)>> = vec![
        a.iter()
            .zip(&b)
            .map(|(a, b)| (a.min(*b), a.max(*b)))
            .collect(),
    ];
    let set = |s: &mut Stats, v: &[(f64, f64)]| {
        s.min = v.iter().map(|v| v.0).collect();
        s.max = v.iter().map(|v| v.1).collect();
    };
    set(&mut t.input, &values[0]);
    for (n, node) in graph.nodes.iter().enumerate() {
        let mut v = values[node.src][node.start..node.start + node.inputs].to_vec();
        for (l, layer) in node.layers.iter().enumerate() {
            let (before, after): (Vec<_>, Vec<_>) = match layer {
                Layer::Dense(d) => {
                    let z: Vec<_> = d
                        .weight
                        .chunks(d.inputs)
                        .zip(&d.bias)
                        .map(|(w, b)| {
                            w.iter().zip(&v).fold(
                                (f64::from(*b), f64::from(*b)),
                                |(lo, hi), (w, v)| {
                                    let (p, q) = (f64::from(*w) * v.0, f64::from(*w) * v.1);
                                    (lo + p.min(q), hi + p.max(q))
                                },
                            )
                        })
                        .collect();
                    let y = z
                        .iter()
                        .map(|(lo, hi)| through(|v| activate(d.activation, v), *lo, *hi))
                        .collect();
                    (z, y)
                }
                Layer::Affine { gain, bias } => {
                    let y: Vec<_> = v
                        .iter()
                        .zip(gain.iter().zip(bias))
                        .map(|(v, (g, b))| through(|v| v * f64::from(*g) + f64::from(*b), v.0, v.1))
                        .collect();
                    (y.clone(), y)
                }
                Layer::PRelu { slope } => {
                    let y = v
                        .iter()
                        .zip(slope)
                        .map(|(v, s)| {
                            through(|v| if v < 0.0 { v * f64::from(*s) } else { v }, v.0, v.1)
                        })
                        .collect();
                    (v.clone(), y)
                }
                Layer::LayerNorm { .. } => (v.clone(), v.clone()),
                Layer::Constant { weights } => {
                    let w: Vec<_> = weights
                        .iter()
                        .map(|w| (f64::from(*w), f64::from(*w)))
                        .collect();
                    (w.clone(), w)
                }
            };
            set(&mut t.before[n][l], &before);
            set(&mut t.after[n][l], &after);
            v = after;
        }
        if let Op::Gate { kind, sees, .. } = &node.op {
            v = (0..node.outputs)
                .map(|h| {
                    let seen = sees.iter().map(|s| values[*s][h]);
                    match kind {
                        // Each weight lies in 0 ..= 1 and they need not add up to one.
                        GateKind::Sigmoid
                        | GateKind::TopK {
                            renormalise: false, ..
                        }
                        | GateKind::DSelectK { .. } => seen.fold((0.0, 0.0), |(lo, hi), (a, b)| {
                            (lo + a.min(0.0), hi + b.max(0.0))
                        }),
                        GateKind::Constant => {
                            seen.zip(&v).fold((0.0, 0.0), |(lo, hi), ((a, b), w)| {
                                (lo + a * w.0, hi + b * w.0)
                            })
                        }
                        _ => seen.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), (a, b)| {
                            (lo.min(a), hi.max(b))
                        }),
                    }
                })
                .collect();
        }
        set(&mut t.values[n], &v);
        values.push(v);
    }
    t
}

/// The image of an interval under a function that is monotone on each side of 0.
fn through(f: impl Fn(f64) -> f64, lo: f64, hi: f64) -> (f64, f64) {
    let (a, b) = (f(lo), f(hi));
    let mid = if lo < 0.0 && hi > 0.0 { f(0.0) } else { a };
    (a.min(b).min(mid), a.max(b).max(mid))
}
