//! Graphs to integers: ranges, scales, widths, and what was proven of them. The arithmetic is fixed
//! in `docs/numerics.md`.

mod calibrate;
mod curves;
mod error;
mod fit;
pub(crate) mod folded;
mod front;
mod norms;
mod outliers;
pub mod proof;
pub mod rows;
mod scales;
mod unify;

pub use calibrate::{Calibration, calibrate};
pub use error::QuantizeError;
pub use fit::fit;
pub use unify::unify_expert_scales;

use crate::blob::features::{IntScale, QTable};
use crate::eval::statistics::Tensors;
use crate::graph::{Activation, Dense, GateKind, Graph, Layer, Normalization, Op, Output};
use mmoe::kernel::{AffineRow, CurveTable, DiceRow, InputScale, Row, WideRow};
use proof::Span;
use rows::{InputColumns, Target};
use scales::ScaleGroups;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a person may choose about the integers of a model.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Keep int8 weights in the towers' last layers too.
    pub narrow_heads: bool,
    /// Layers (by the name that `inspect --layers` shows) that get 16-bit weights.
    pub keep_wide: Vec<String>,
    /// Widen nothing by itself; refuse where a layer's rounding error passes this share of its
    /// output.
    pub max_loss: Option<f64>,
    /// The layers that get 16-bit weights, instead of all that the other options and the rounding
    /// error would choose: those of an earlier blob, whose type so stays. Names of other models'
    /// layers count for nothing. A layer that would have to be widened besides is refused.
    pub widths: Option<Vec<String>>,
}

/// One integer layer.
#[derive(Debug, Clone)]
pub enum QLayer {
    /// int8 weights.
    I8 {
        /// Row after row.
        weight: Vec<i8>,
        /// One per row.
        rows: Vec<Row>,
        /// Applied to each output.
        activation: Activation,
        /// Its table, if it is a curve.
        table: Option<Box<CurveTable>>,
    },
    /// int16 weights.
    I16 {
        /// Row after row.
        weight: Vec<i16>,
        /// One per row.
        rows: Vec<WideRow>,
        /// Applied to each output.
        activation: Activation,
        /// Its table, if it is a curve.
        table: Option<Box<CurveTable>>,
    },
    /// `gain·x + bias` per unit.
    Affine(Vec<AffineRow>),
    /// Slopes in Q14.
    PRelu(Vec<i16>),
    /// Constant gate weights in Q15.
    Constant(Vec<u16>),
    /// An activation of its own.
    Pointwise {
        /// Applied to each unit.
        activation: Activation,
        /// Its table, if it is a curve.
        table: Option<Box<CurveTable>>,
    },
    /// A normalization.
    Norm {
        /// Of which kind.
        by: Normalization,
        /// What stands for ε.
        energy: u64,
        /// Gain and bias per unit.
        units: Vec<AffineRow>,
    },
    /// Dice per unit.
    Dice(Vec<DiceRow>),
    /// Dice over the units of the row.
    RowDice {
        /// What stands for ε.
        energy: u64,
        /// Slope in Q12.
        alpha: i16,
    },
}

/// The integers of one node.
#[derive(Debug, Clone)]
pub struct QNode {
    /// Its layers.
    pub layers: Vec<QLayer>,
    /// The unit of a linear output.
    pub unit: Option<f32>,
}

/// What was found out about one dense layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerReport {
    /// Bits of a weight: 8 or 16.
    pub weight_bits: u8,
    /// Largest integer that its input takes in range.
    pub input_reach: f32,
    /// Real value of one step of its output (of a logit: of 1.0).
    pub step: f32,
    /// log2 of how much room the accumulator has left, inputs in range.
    pub margin: f32,
    /// The same for any int16 inputs; negative: only proven in range.
    pub margin_any: f32,
    /// Signal to rounding noise of the weights, in dB.
    pub snr: f32,
}

/// An integer model.
#[derive(Debug, Clone)]
pub struct Quantized {
    /// One per feature; of a record, one per element of the vector, of which those of f32 numbers count.
    pub input: Vec<InputScale>,
    /// The tables of a record's fields.
    pub tables: Vec<QTable>,
    /// One per feature of a record that is a whole number.
    pub ints: Vec<Option<IntScale>>,
    /// Of a model with one-hot columns: they are 0 or `1 << one`.
    pub one: u32,
    /// The integers of each node of the graph.
    pub nodes: Vec<QNode>,
    /// Name and findings of every dense layer, in order.
    pub report: Vec<(String, LayerReport)>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Weights whose rounding costs more than this share of a layer's output power get 16 bits.
const NOISE: f64 = 1e-3;
/// The same for gates' layers with at most a fiftieth of all weights: their errors move every unit
/// of a mixture at once, and 16 bits cost next to nothing there. Selectors (DSelect-k) are held to it
/// whatever their size, as an error of their logits.
const GATE_NOISE: f64 = 1e-4;
/// The least room for values beyond those seen on calibration rows.
const HEADROOM: f64 = 1.25;

/// Names every dense layer, as reports and `--keep-wide` use it: `expert0.1`, `gate2.0`,
/// `tower1.0`.
#[must_use]
pub fn layer_name(graph: &Graph, node: usize, layer: usize) -> String {
    let of = role(&graph.nodes[node].op);
    let index = graph.nodes[..node]
        .iter()
        .filter(|n| role(&n.op) == of)
        .count();
    format!("{of}{index}.{layer}")
}

/// What the names of a node's layers begin with.
fn role(op: &Op) -> &'static str {
    match op {
        Op::Expert => "expert",
        Op::Tower => "tower",
        Op::Gate { .. } => "gate",
    }
}

fn dense_layers(graph: &Graph) -> impl Iterator<Item = (usize, usize, &Dense)> {
    graph.nodes.iter().enumerate().flat_map(|(n, node)| {
        node.layers
            .iter()
            .enumerate()
            .filter_map(move |(l, layer)| {
                if let Layer::Dense(d) = layer {
                    Some((n, l, d))
                } else {
                    None
                }
            })
    })
}

/// Makes integers of a graph (which must pass [`Graph::check`]).
///
/// # Errors
///
/// [`QuantizeError`].
pub fn quantize(
    graph: &Graph,
    calibration: &Calibration,
    options: &Options,
) -> Result<Quantized, QuantizeError> {
    let mut wide: BTreeSet<(usize, usize)> = BTreeSet::new();
    let names: Vec<(String, (usize, usize))> = dense_layers(graph)
        .map(|(n, l, _)| (layer_name(graph, n, l), (n, l)))
        .collect();
    for wanted in options.widths.iter().flatten() {
        wide.extend(names.iter().filter(|(name, _)| name == wanted).map(|n| n.1));
    }
    for wanted in &options.keep_wide {
        let found = names
            .iter()
            .filter(|(name, _)| name == wanted || name.split('.').next() == Some(wanted));
        let before = wide.len();
        wide.extend(found.map(|(_, at)| *at));
        if wide.len() == before {
            return Err(QuantizeError::NoLayer(
                wanted.clone(),
                names
                    .iter()
                    .map(|(n, _)| n.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            ));
        }
    }
    if !options.narrow_heads && options.widths.is_none() {
        for (n, node) in graph
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, n)| n.op == Op::Tower)
        {
            wide.extend(node.layers.len().checked_sub(1).map(|l| (n, l)));
        }
    }
    let mut notes = calibration.notes.clone();
    let mut groups = ScaleGroups::new(graph);
    let shift = Quantizer {
        graph,
        calibration,
        wide: &wide,
        shift: front::MOST,
    }
    .best_shift(&groups);
    // The scale of a value depends on the layers that read it, since a narrow layer must not pass 32
    // bits, and whether a layer can be narrow depends on the scale of what it reads. So layers are
    // widened (or scales grown) one reason at a time, and everything is computed anew, until nothing
    // asks for more. This ends: a layer is never made narrow again, and a scale never smaller.
    loop {
        let quantizer = Quantizer {
            graph,
            calibration,
            wide: &wide,
            shift,
        };
        match quantizer.make(&groups) {
            Err(Stop::Error(e)) => return Err(e),
            // A mixture without room asks for larger steps of what it mixes.
            Err(Stop::Grow(gate, excess)) => {
                if let Op::Gate { sees, .. } = &graph.nodes[gate].op
                    && !groups.grow(graph, sees[0], excess)
                {
                    return Err(QuantizeError::Mixture(
                        layer_name(graph, gate, 0),
                        sees.len(),
                    ));
                }
            }
            Err(Stop::Widen(at, why)) => {
                let layer = layer_name(graph, at.0, at.1);
                if options.widths.is_some() {
                    return Err(QuantizeError::Kept { layer, why });
                }
                if options.max_loss.is_some() {
                    return Err(QuantizeError::MustWiden { layer, why });
                }
                notes.push(format!("`{layer}` gets 16-bit weights: {why}"));
                wide.insert(at);
            }
            Ok((made, noises)) => {
                let worst = noises
                    .iter()
                    .filter(|(at, _)| !wide.contains(at))
                    .max_by(|a, b| a.1.total_cmp(&b.1));
                if let (Some((at, noise)), Some(allowed)) = (worst, options.max_loss)
                    && noise.sqrt() > allowed
                {
                    return Err(QuantizeError::Loss {
                        layer: layer_name(graph, at.0, at.1),
                        loss: noise.sqrt(),
                        allowed,
                    });
                }
                let size = |at: (usize, usize)| {
                    if let Layer::Dense(d) = &graph.nodes[at.0].layers[at.1] {
                        d.weight.len()
                    } else {
                        0
                    }
                };
                let small = dense_layers(graph)
                    .map(|(.., d)| d.weight.len())
                    .sum::<usize>()
                    / 50;
                let most = |at: (usize, usize)| match graph.nodes[at.0].op {
                    Op::Gate {
                        kind: GateKind::DSelectK { .. },
                        ..
                    } => GATE_NOISE,
                    Op::Gate { .. } if size(at) <= small => GATE_NOISE,
                    _ => NOISE,
                };
                let noisy: Vec<_> = noises
                    .iter()
                    .filter(|(at, noise)| !wide.contains(at) && *noise > most(*at))
                    .collect();
                if options.max_loss.is_some() || noisy.is_empty() {
                    notes.extend(made.notes);
                    return Ok(Quantized { notes, ..made });
                }
                let named = |(at, noise): &((usize, usize), f64)| {
                    (layer_name(graph, at.0, at.1), -10.0 * noise.log10())
                };
                if options.widths.is_some() {
                    notes.extend(noisy.into_iter().map(named).map(|(layer, room)| {
                        format!(
                            "`{layer}` keeps its int8 weights, which leave {room:.0} dB between \
                             its output and the rounding error; by itself it would get 16-bit ones"
                        )
                    }));
                    notes.extend(made.notes);
                    return Ok(Quantized { notes, ..made });
                }
                for noisy in noisy {
                    let (layer, room) = named(noisy);
                    notes.push(format!(
                        "`{layer}` gets 16-bit weights: int8 would leave {room:.0} dB between its \
                         output and the rounding error"
                    ));
                    wide.insert(noisy.0);
                }
            }
        }
    }
}

enum Stop {
    Error(QuantizeError),
    Widen((usize, usize), &'static str),
    /// The gate whose mixture could pass 32 bits, and by what factor.
    Grow(usize, f64),
}

struct Quantizer<'a> {
    graph: &'a Graph,
    calibration: &'a Calibration,
    wide: &'a BTreeSet<(usize, usize)>,
    /// Of the tables of a record's fields.
    shift: u32,
}

/// Noise of each dense layer's weights.
type Noises = Vec<((usize, usize), f64)>;

/// What is found out on the way.
#[derive(Default)]
struct Findings {
    report: Vec<(String, LayerReport)>,
    noises: Noises,
    /// How far each table is off.
    curves: Vec<(String, Activation, f64, f64)>,
}

impl Quantizer<'_> {
    /// How many integer steps may span `reach` so that every narrow layer that reads the tensor
    /// keeps its accumulator in bounds. `readers` are dense layers with, per column of theirs,
    /// the share of `reach` that the column spans.
    fn levels(&self, reach: f64, readers: &[((usize, usize), &Dense)]) -> f64 {
        let mut levels = 32767.0f64;
        for (_, d) in readers.iter().filter(|(at, _)| !self.wide.contains(at)) {
            for (w, b) in d.weight.chunks(d.inputs).zip(&d.bias) {
                let largest = w.iter().fold(0.0f64, |m, w| m.max(f64::from(w.abs())));
                if largest > 0.0 {
                    let sum = w.iter().map(|w| f64::from(w.abs())).sum::<f64>();
                    // Per step: the weights' part, and the bias in the same unit (a bias far beyond
                    // the weights sets the row's scale instead).
                    let per_step = 127.0 * (sum + (f64::from(b.abs()) / reach).min(sum)) / largest;
                    levels = levels.min((2_147_483_647.0 - 1.0) / per_step);
                }
            }
        }
        levels.floor().max(1.0)
    }

    /// All dense layers that read value `v` first.
    fn readers(&self, v: usize) -> Vec<((usize, usize), &Dense)> {
        let reads = self
            .graph
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, n)| n.src == v);
        reads
            .filter_map(|(n, node)| {
                if let Some(Layer::Dense(d)) = node.layers.first() {
                    Some(((n, 0), d))
                } else {
                    None
                }
            })
            .collect()
    }

    /// The shift of the tables at which rounding costs the first layers least; the finest where
    /// there is no table.
    fn best_shift(&self, groups: &ScaleGroups) -> u32 {
        let front = self.graph.front.as_ref();
        if front.is_none_or(|front| front.tables.is_empty()) {
            return self.shift;
        }
        let noise = |shift: u32| {
            let made = Quantizer { shift, ..*self }.make(groups);
            made.map_or(f64::INFINITY, |(_, noises)| {
                let first = noises
                    .iter()
                    .filter(|((n, l), _)| *l == 0 && self.graph.nodes[*n].src == 0);
                first.map(|(_, noise)| noise).sum()
            })
        };
        let tried = (0..=front::MOST).rev().map(|shift| (shift, noise(shift)));
        tried
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map_or(self.shift, |(shift, _)| shift)
    }

    fn make(&self, groups: &ScaleGroups) -> Result<(Quantized, Noises), Stop> {
        let graph = self.graph;
        let steps = groups.steps(self).map_err(Stop::Error)?;
        let tables = front::tables(graph, &self.calibration.tensors.input, self.shift);
        let fixed = front::fixed(graph, &tables);
        let unscaled = fixed.iter().zip(&steps.unscaled_features);
        if unscaled
            .into_iter()
            .any(|(fixed, unscaled)| fixed.is_some() && *unscaled)
        {
            return Err(Stop::Error(QuantizeError::Passed));
        }
        let (input, one, columns) = calibrate::input(
            graph,
            self.calibration,
            |at| self.wide.contains(&at),
            &steps.unscaled_features,
            steps.step[0],
            &fixed,
        );
        let mut spans = vec![columns.span.clone()];
        let mut nodes = Vec::new();
        let mut found = Findings::default();
        for (at, node) in graph.nodes.iter().enumerate() {
            let (made, mut span) = self.node(at, &columns, &spans, &steps.step, &mut found)?;
            if let Op::Gate { kind, sees, .. } = &node.op {
                let mixed = (0..node.outputs).map(|h| {
                    let seen: Vec<Span> = sees.iter().map(|s| spans[*s][h]).collect();
                    proof::mixture(*kind, &span, &seen)
                });
                let (sums, mixed): (Vec<f64>, Vec<Span>) = mixed.unzip();
                let worst = sums.into_iter().fold(0.0, f64::max);
                if worst >= 2_147_483_648.0 {
                    return Err(Stop::Grow(at, 1.01 * worst / 2_147_483_648.0));
                }
                span = mixed;
            }
            spans.push(span);
            nodes.push(made);
        }
        Ok((
            Quantized {
                ints: front::ints(graph.front.as_ref(), &input),
                tables,
                input,
                one,
                nodes,
                report: found.report,
                notes: curve_notes(found.curves),
            },
            found.noises,
        ))
    }

    /// Returns how large the values of a tensor may become before they saturate.
    fn room(&self, of: impl Fn(&Tensors) -> f64) -> f64 {
        let c = self.calibration;
        match &c.random {
            None => of(&c.tensors) * c.headroom,
            // Without calibration rows there are a bound, which real data come nowhere near, and what
            // random rows showed. Their features are drawn independently, and reach less far than
            // those of real data. The truth lies between, so this takes the geometric mean.
            Some(random) => (of(&c.tensors) * of(random)).sqrt(),
        }
    }

    /// What a node without layers of its own scale passes on.
    fn passed_on(&self, node: usize) -> f64 {
        let n = &self.graph.nodes[node];
        self.room(|t| {
            t.values[node]
                .reach()
                .max(t.value(n.src).slice(n.start, n.inputs).reach())
        })
    }

    /// What a mixture reaches: more than its experts where the weights do not add up to one.
    fn mixture_reach(&self, gate: usize) -> f64 {
        self.room(|t| t.values[gate].reach())
    }

    /// What the output of a layer reaches, before and after its activation where both are int16.
    fn reach(&self, node: usize, layer: usize) -> f64 {
        let layers = &self.graph.nodes[node].layers;
        // What a relu cuts off, and what a table reads in a unit of its own, does not count.
        let apart = match &layers[layer] {
            Layer::Dense(Dense { activation, .. }) | Layer::Pointwise { activation, .. } => {
                *activation == Activation::Relu || activation.is_curve()
            }
            _ => false,
        };
        // Layers that follow in the same unit.
        let end = layer
            + 1
            + layers[layer + 1..]
                .iter()
                .take_while(|l| scales::keeps_scale(l))
                .count();
        let reach = self.room(|t| {
            let before = if apart {
                0.0
            } else {
                t.before[node][layer].reach()
            };
            t.after[node][layer..end]
                .iter()
                .fold(before, |m, s| m.max(s.reach()))
        });
        reach.max(1e-30)
    }

    /// The integers of a node, and what its last layer's outputs span.
    fn node(
        &self,
        at: usize,
        input: &InputColumns,
        spans: &[Vec<Span>],
        steps: &[f64],
        found: &mut Findings,
    ) -> Result<(QNode, Vec<Span>), Stop> {
        let graph = self.graph;
        let node = &graph.nodes[at];
        let t = &self.calibration.tensors;
        let correct = self.calibration.random.is_none();
        let mut columns = if node.src == 0 {
            InputColumns {
                runs: graph.hot_runs(node),
                ..calibrate::slice(input, node.start, node.inputs)
            }
        } else {
            let span = spans[node.src][node.start..node.start + node.inputs].to_vec();
            calibrate::uniform(
                &t.value(node.src).slice(node.start, node.inputs),
                steps[node.src],
                span,
            )
        };
        let mut out = columns.span.clone();
        let last = node.layers.len().wrapping_sub(1);
        let logit_unit = self.logit_unit(at, steps);
        let mut layers: Vec<QLayer> = Vec::new();
        for (l, layer) in node.layers.iter().enumerate() {
            let name = || layer_name(graph, at, l);
            let is_logits = l == last && node.ends_in_logits();
            match layer {
                Layer::Dense(d) => {
                    let step = self.output_step(at, l, d.activation, steps);
                    let sum_step = if d.activation.is_curve() || d.activation.squashes() {
                        read_step(d.activation, self.room(|t| t.before[at][l].reach()))
                    } else {
                        step
                    };
                    let target = if is_logits {
                        Target::Logits(logit_unit)
                    } else {
                        Target::Hidden(sum_step)
                    };
                    let table = (!is_logits && d.activation.is_curve())
                        .then(|| Box::new(curves::table(d.activation, sum_step, step)));
                    if let Activation::LeakyRelu { slope } = d.activation
                        && !(-2.0..2.0).contains(&slope)
                    {
                        return Err(Stop::Error(QuantizeError::Slope(name(), slope)));
                    }
                    let (layer, bits, bounds, (noise, power)) = if self.wide.contains(&(at, l)) {
                        let m = rows::wide(d, &columns, target, correct);
                        (
                            QLayer::I16 {
                                weight: m.weight,
                                rows: m.rows,
                                activation: d.activation,
                                table,
                            },
                            16,
                            (m.accumulator, m.accumulator_any),
                            (m.noise, m.power),
                        )
                    } else {
                        let m = rows::narrow(d, &columns, target, correct)
                            .map_err(|w| Stop::Widen((at, l), w.why()))?;
                        (
                            QLayer::I8 {
                                weight: m.weight,
                                rows: m.rows,
                                activation: d.activation,
                                table,
                            },
                            8,
                            (m.accumulator, m.accumulator_any),
                            (m.noise, m.power),
                        )
                    };
                    layers.push(layer);
                    // A selector goes from 0 to 1 while its logit moves by 1: however large logits
                    // are, what counts is their error beside that.
                    let selects = matches!(
                        node.op,
                        Op::Gate { kind: GateKind::DSelectK { .. }, .. } if is_logits
                    );
                    found
                        .noises
                        .push(((at, l), if selects { noise.max(power) } else { noise }));
                    let room = if bits == 8 { 31.0 } else { 46.0 };
                    found.report.push((
                        name(),
                        LayerReport {
                            weight_bits: bits,
                            input_reach: columns
                                .span
                                .iter()
                                .fold(0.0f64, |m, s| m.max(proof::reach(*s)))
                                as f32,
                            step: (if is_logits { logit_unit } else { step }) as f32,
                            margin: (room - bounds.0.max(1.0).log2()) as f32,
                            margin_any: (room - bounds.1.max(1.0).log2()) as f32,
                            snr: (-10.0 * noise.max(1e-12).log10()) as f32,
                        },
                    ));
                    if !is_logits {
                        if d.activation.is_curve() {
                            let sums = proof::sums(&layers[l], columns.bounds());
                            found.curves.extend(curve_error(
                                name(),
                                d.activation,
                                &layers[l],
                                &sums,
                                (sum_step, step),
                            ));
                        }
                        out = proof::outputs(&layers[l], columns.bounds());
                        columns = calibrate::uniform(&t.after[at][l], step, out.clone());
                    }
                }
                Layer::Affine { gain, bias } => {
                    let step = self.output_step(at, l, Activation::Linear, steps);
                    let units = gain
                        .iter()
                        .zip(bias)
                        .zip(columns.step.iter().zip(&columns.zero))
                        .map(|((g, b), (x, zero))| {
                            let (g, b) = (f64::from(*g), f64::from(*b));
                            affine(g * x / step, (b + g * zero) / step)
                        });
                    layers.push(QLayer::Affine(
                        units
                            .collect::<Option<_>>()
                            .ok_or_else(|| Stop::Error(QuantizeError::Affine(name())))?,
                    ));
                    out = proof::outputs(&layers[l], columns.bounds());
                    columns = calibrate::uniform(&t.after[at][l], step, out.clone());
                }
                Layer::PRelu { slope } => {
                    if let Some(s) = slope.iter().find(|s| !(-2.0..2.0).contains(*s)) {
                        return Err(Stop::Error(QuantizeError::Slope(name(), *s)));
                    }
                    layers.push(QLayer::PRelu(slope.iter().map(|s| q14(*s)).collect()));
                    let step = columns.step.first().copied().unwrap_or(1.0);
                    out = proof::outputs(&layers[l], columns.bounds());
                    columns = calibrate::uniform(&t.after[at][l], step, out.clone());
                }
                Layer::Constant { weights } => {
                    if let Some(w) = weights.iter().find(|w| !(0.0..=1.0).contains(*w)) {
                        return Err(Stop::Error(QuantizeError::Weight(name(), *w)));
                    }
                    layers.push(QLayer::Constant(q15(weights)));
                    out = proof::outputs(&layers[l], columns.bounds());
                }
                Layer::Norm {
                    by,
                    gain,
                    bias,
                    epsilon,
                } => {
                    let step = self.output_step(at, l, Activation::Linear, steps);
                    let input = columns.step.first().copied().unwrap_or(1.0);
                    let norm = norms::norm(*by, (gain, bias), *epsilon, input, step);
                    let norm = norm.map_err(|what| QuantizeError::Norm(name(), what));
                    layers.push(norm.map_err(Stop::Error)?);
                    out = proof::outputs(&layers[l], columns.bounds());
                    columns = calibrate::uniform(&t.after[at][l], step, out.clone());
                }
                Layer::Pointwise { activation, .. } => {
                    let step = self.output_step(at, l, *activation, steps);
                    let input = columns.step.first().copied().unwrap_or(1.0);
                    let table = activation
                        .is_curve()
                        .then(|| Box::new(curves::table(*activation, input, step)));
                    layers.push(QLayer::Pointwise {
                        activation: *activation,
                        table,
                    });
                    found.curves.extend(curve_error(
                        name(),
                        *activation,
                        &layers[l],
                        &columns.span,
                        (input, step),
                    ));
                    out = proof::outputs(&layers[l], columns.bounds());
                    columns = calibrate::uniform(&t.after[at][l], step, out.clone());
                }
                Layer::Dice { gain, bias, alpha } => {
                    if let Some(a) = alpha.iter().find(|a| !(-8.0..8.0).contains(*a)) {
                        return Err(Stop::Error(QuantizeError::Alpha(name(), *a)));
                    }
                    let step = columns.step.first().copied().unwrap_or(1.0);
                    let rows = norms::dice(gain, bias, alpha, step)
                        .ok_or_else(|| Stop::Error(QuantizeError::Affine(name())))?;
                    layers.push(QLayer::Dice(rows));
                    out = proof::outputs(&layers[l], columns.bounds());
                    columns = calibrate::uniform(&t.after[at][l], step, out.clone());
                }
                Layer::RowDice {
                    width,
                    alpha,
                    epsilon,
                } => {
                    if !(-8.0..8.0).contains(alpha) {
                        return Err(Stop::Error(QuantizeError::Alpha(name(), *alpha)));
                    }
                    let step = columns.step.first().copied().unwrap_or(1.0);
                    let energy = norms::row_energy(*width, *epsilon, step)
                        .map_err(|what| Stop::Error(QuantizeError::Norm(name(), what)))?;
                    layers.push(QLayer::RowDice {
                        energy,
                        alpha: norms::q12(*alpha),
                    });
                    out = proof::outputs(&layers[l], columns.bounds());
                    columns = calibrate::uniform(&t.after[at][l], step, out.clone());
                }
            }
        }
        let linear = graph
            .tasks
            .iter()
            .any(|t| t.output == Output::Linear { value: at + 1 });
        let unit = if node.ends_in_logits() {
            logit_unit
        } else if node.layers.is_empty() {
            steps[node.src]
        } else {
            columns.step.first().copied().unwrap_or(1.0)
        };
        let unit = (node.op == Op::Tower && linear).then_some(unit as f32);
        Ok((QNode { layers, unit }, out))
    }

    /// The step of a layer's output, which an activation may fix.
    fn output_step(&self, at: usize, l: usize, activation: Activation, steps: &[f64]) -> f64 {
        let node = &self.graph.nodes[at];
        if activation.squashes() {
            1.0 / 32768.0
        } else if Some(l) == scales::scale_layer(node) && node.op == Op::Expert {
            steps[at + 1]
        } else {
            self.hidden_step(at, l)
        }
    }

    /// The step of a hidden layer's output inside a node.
    fn hidden_step(&self, at: usize, l: usize) -> f64 {
        let node = &self.graph.nodes[at];
        let reach = self.reach(at, l);
        if let Some(Layer::Pointwise { activation, .. }) = node.layers.get(l + 1) {
            return read_step(*activation, reach);
        }
        // Who reads it: the next dense layer, through layers that keep the unit.
        let next = node
            .layers
            .iter()
            .enumerate()
            .skip(l + 1)
            .find(|(_, x)| !scales::keeps_scale(x));
        let readers: Vec<_> = match next {
            Some((i, Layer::Dense(d))) => vec![((at, i), d)],
            _ => vec![],
        };
        reach / self.levels(reach, &readers)
    }

    /// The least step of a linear gate's mixture, the experts having their steps in `step`: the
    /// gate's integer weights are its weights times the experts' step over the mixture's, and go up
    /// to 1. `None` for any other node.
    fn gate_unit(&self, at: usize, step: &[f64]) -> Option<f64> {
        let node = &self.graph.nodes[at];
        let Op::Gate {
            kind: GateKind::Linear,
            sees,
            ..
        } = &node.op
        else {
            return None;
        };
        let last = node.layers.len().checked_sub(1)?;
        Some(step[sees[0]] * self.room(|t| t.before[at][last].reach()))
    }

    /// The real value of the logit 1.0: one, unless a regression's values are so large that they
    /// would saturate, or so small that 1/65536 would be coarse. A linear gate's brings the mixture
    /// of the experts to its own scale.
    fn logit_unit(&self, at: usize, steps: &[f64]) -> f64 {
        let node = &self.graph.nodes[at];
        if let Op::Gate {
            kind: GateKind::Linear,
            sees,
            ..
        } = &node.op
        {
            return steps[at + 1] / steps[sees[0]];
        }
        let linear = self
            .graph
            .tasks
            .iter()
            .any(|t| t.output == Output::Linear { value: at + 1 });
        if node.op != Op::Tower || !linear || !node.ends_in_logits() {
            return 1.0;
        }
        let reach = self.calibration.tensors.before[at][node.layers.len() - 1].reach();
        if reach == 0.0 || (0.25..=4096.0).contains(&reach) {
            1.0
        } else {
            2f64.powi(reach.log2().ceil() as i32 - 6)
        }
    }
}

/// The step in which an activation reads its input, which goes up to `reach`.
fn read_step(activation: Activation, reach: f64) -> f64 {
    if activation.squashes() {
        1.0 / 2048.0
    } else {
        curves::input_step(activation, reach.max(1e-30))
    }
}

/// How far the table of a layer is off, over what its units span: the layer's name, the function,
/// the worst error and the largest value.
fn curve_error(
    name: String,
    activation: Activation,
    layer: &QLayer,
    inputs: &[Span],
    (x_step, y_step): (f64, f64),
) -> Option<(String, Activation, f64, f64)> {
    let (QLayer::I8 { table, .. } | QLayer::I16 { table, .. } | QLayer::Pointwise { table, .. }) =
        layer
    else {
        return None;
    };
    let table = table.as_ref()?;
    let hull = inputs.iter().fold((0.0f64, 0.0f64), |(low, high), s| {
        (low.min(s.0), high.max(s.1))
    });
    let error = curves::error(activation, table, hull, x_step, y_step);
    let reach = proof::reach(curves::outputs(table, hull)) * y_step;
    Some((name, activation, error, reach))
}

/// The layer of each function whose table is farthest off, in words.
fn curve_notes(mut errors: Vec<(String, Activation, f64, f64)>) -> Vec<String> {
    errors.sort_by(|a, b| (b.2 / b.3).total_cmp(&(a.2 / a.3)));
    let mut named: Vec<&str> = Vec::new();
    let mut notes = Vec::new();
    for (layer, activation, error, reach) in errors {
        if !named.contains(&activation.name()) {
            named.push(activation.name());
            notes.push(format!(
                "{} is a table with interpolation, at most {error:.1e} off for values up to \
                 {reach:.3} (`{layer}`, the worst)",
                activation.name()
            ));
        }
    }
    notes
}

/// Q14, below 2.
#[must_use]
pub fn q14(slope: f32) -> i16 {
    (f64::from(slope) * 16384.0)
        .round()
        .clamp(-32768.0, 32767.0) as i16
}

/// Q15 weights; where the real ones add up to one, these do too, the difference going to the
/// largest.
fn q15(weights: &[f32]) -> Vec<u16> {
    let mut q: Vec<u16> = weights
        .iter()
        .map(|w| (f64::from(*w) * 32768.0).round() as u16)
        .collect();
    let sum: f64 = weights.iter().map(|w| f64::from(*w)).sum();
    if (sum - 1.0).abs() < 1e-4 {
        let total: i32 = q.iter().map(|w| i32::from(*w)).sum();
        if let Some(largest) = q.iter_mut().rev().max() {
            *largest = (i32::from(*largest) + 32768 - total) as u16;
        }
    }
    q
}

/// `gain·v + bias` in output steps as a record.
fn affine(gain: f64, bias: f64) -> Option<AffineRow> {
    // The largest shift for which the gain has 15 bits and gain·32768 + bias + half stays in 31.
    (1..=30u32).rev().find_map(|s| {
        let k = 2f64.powi(s as i32);
        let (g, b) = ((gain * k).round(), (bias * k).round());
        (g.abs() <= 32767.0 && g.abs() * 32768.0 + b.abs() + k / 2.0 < 2_147_483_648.0).then_some(
            AffineRow {
                bias: b as i32,
                gain: g as i16,
                shift: s as u8,
                zero: 0,
            },
        )
    })
}
