//! Choosing self-test rows: inputs whose outputs depend on as many weights as possible, to be stored
//! with the exact outputs that a device must compute.
//!
//! A row finds a fault only in what its outputs depend on. So rows are drawn at random, and the ones
//! are kept that touch the most weights which no earlier row touched.

use crate::blob::Blob;
use crate::convert::ConvertError;
use crate::eval::interval::{Interval, Span};
use crate::eval::{Domain, Exact, Observer, Pass};
use crate::graph::{Activation, Graph, Input, Layer, Op, Output};
use crate::random::Random;
use mmoe::blob::SectionTag;
use mmoe::{Dynamic, SelfTestError};

/// How many candidates a row is chosen from, for a model whose weights are few enough.
const CANDIDATES: usize = 64;
/// Weights looked at in all; larger models get fewer candidates.
const WORK: usize = 50_000_000;

/// Rows go this many standard deviations out, where no range is declared: farther out, hidden
/// layers saturate and hide their weights.
const DEVIATIONS: f64 = 2.0;

/// Draws a row within the expected ranges, or within −1 to 1 where none is known.
fn row(inputs: &[Input], random: &mut Random) -> Vec<f32> {
    let mut x = Vec::new();
    for i in inputs {
        let (low, high) = i.range(DEVIATIONS).unwrap_or((-1.0, 1.0));
        x.extend((0..i.count).map(|_| random.within(low, high) as f32));
    }
    x
}

/// What every layer of a row reads and makes, node by node: before its activation, after it.
type Layers = Vec<Vec<(Vec<f64>, Vec<f64>)>>;

struct Record(Layers);

impl Observer<f64> for Record {
    fn layer(&mut self, node: usize, _: usize, before: &[f64], after: &[f64]) {
        self.0[node].push((before.to_vec(), after.to_vec()));
    }
}

/// Whether an activation passes a small change of its input on.
fn passes(activation: Activation, x: f64) -> bool {
    let step = 1e-6 * x.abs().max(1.0);
    let around = Interval::activate(activation, Span::between(x - step, x + step));
    around.low != around.high
}

/// Which of a layer's inputs reach an output, given which of what it makes do.
fn reaching(layer: &Layer, before: &[f64], live: &[bool], inputs: usize) -> Vec<bool> {
    let units = || live.iter().zip(before);
    match layer {
        Layer::Dense(d) => {
            let mut reads = vec![false; inputs];
            for ((live, z), row) in units().zip(d.weight.chunks(d.inputs)) {
                if *live && passes(d.activation, *z) {
                    let weights = reads.iter_mut().zip(row);
                    weights.for_each(|(read, w)| *read |= *w != 0.0);
                }
            }
            reads
        }
        Layer::Affine { gain, .. } => {
            let units = live.iter().zip(gain);
            units.map(|(live, gain)| *live && *gain != 0.0).collect()
        }
        Layer::PRelu { slope } => units()
            .zip(slope)
            .map(|((live, x), slope)| *live && passes(Activation::LeakyRelu { slope: *slope }, *x))
            .collect(),
        // Every unit moves the mean and the deviation of all.
        Layer::Pointwise { activation, .. } => units()
            .map(|(live, x)| *live && passes(*activation, *x))
            .collect(),
        Layer::Dice { .. } => live.to_vec(),
        Layer::RowDice { .. } => vec![live.contains(&true); inputs],
        Layer::Norm { gain, .. } => {
            let moves = live
                .iter()
                .zip(gain)
                .any(|(live, gain)| *live && *gain != 0.0);
            vec![moves; inputs]
        }
        Layer::Constant { .. } => vec![false; inputs],
    }
}

/// Marks the weights that this row's outputs depend on: those that meet an input other than 0 in a
/// unit from which a change goes on, through every activation behind it, to an output.
fn touch(graph: &Graph, x: &[f32], touched: &mut [bool]) {
    let x: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
    let mut layers = Record(vec![Vec::new(); graph.nodes.len()]);
    let pass = Pass::<Exact>::new(graph, graph.standardized(&x), &mut layers);
    let mut live: Vec<Vec<bool>> = (0..=graph.nodes.len())
        .map(|v| vec![false; graph.width(v)])
        .collect();
    for task in &graph.tasks {
        match task.output {
            Output::Linear { value } | Output::Sigmoid { value } | Output::Softmax { value } => {
                live[value].fill(true);
            }
            // Its factors are outputs themselves.
            Output::Product { .. } => {}
        }
    }
    // Backwards: the weights of the last node come last.
    let mut end = touched.len();
    for (n, node) in graph.nodes.iter().enumerate().rev() {
        let mut units = live[n + 1].clone();
        if let Op::Gate { sees, .. } = &node.op {
            for (value, weight) in sees.iter().zip(pass.weights(n)) {
                let experts = live[*value].iter_mut().zip(&units);
                experts.for_each(|(expert, unit)| *expert |= *unit && *weight != 0.0);
            }
            let logits = layers.0[n].last().map_or(node.inputs, |(_, z)| z.len());
            units = vec![units.contains(&true); logits];
        }
        let first = &pass.value(node.src)[node.start..node.start + node.inputs];
        for (l, layer) in node.layers.iter().enumerate().rev() {
            let reads = l.checked_sub(1).map_or(first, |l| &layers.0[n][l].1);
            let before = &layers.0[n][l].0;
            if let Layer::Dense(d) = layer {
                end -= d.weight.len();
                let rows = touched[end..end + d.weight.len()].chunks_mut(d.inputs);
                for ((row, unit), z) in rows.zip(&units).zip(before) {
                    if *unit && passes(d.activation, *z) {
                        let weights = row.iter_mut().zip(reads);
                        weights.for_each(|(touched, x)| *touched |= *x != 0.0);
                    }
                }
            }
            units = reaching(layer, before, &units, reads.len());
        }
        let source = live[node.src][node.start..].iter_mut().zip(units);
        source.for_each(|(read, unit)| *read |= unit);
    }
}

/// Chooses `rows` rows, each the candidate that touches the most weights not yet touched, and adds
/// their section to the blob. Returns the share of all weights that the rows touch.
///
/// # Errors
///
/// A blob that the engine does not accept: a fault of ours. [`ConvertError::NoRow`] where every
/// candidate gives outputs that are NaN or infinite.
pub(crate) fn add(graph: &Graph, blob: &mut Blob, rows: u8) -> Result<f64, ConvertError> {
    let size: usize = graph
        .nodes
        .iter()
        .flat_map(|n| &n.layers)
        .map(|l| {
            if let Layer::Dense(d) = l {
                d.weight.len()
            } else {
                0
            }
        })
        .sum();
    let candidates = (WORK / size.max(1) / usize::from(rows.max(1))).clamp(1, CANDIDATES);
    let bytes = blob.bytes();
    let model = Dynamic::load(&bytes).map_err(ConvertError::SelfTest)?;
    let mut scratch = vec![0; model.scratch_words()];
    let elements = graph.elements();
    let mut random = Random::new(0x5E1F_7E57);
    let mut touched = vec![false; size];
    let mut section = vec![rows];
    let count = |t: &[bool]| t.iter().filter(|t| **t).count();
    for _ in 0..rows {
        let mut best: Option<(usize, Vec<bool>, Vec<u8>)> = None;
        for _ in 0..candidates {
            let mut x = row(&graph.inputs, &mut random);
            if let Some(elements) = &elements {
                elements.make_one_hot(&mut x, |n| random.within(0.0, n as f64) as usize);
            }
            let mut with = touched.clone();
            touch(graph, &x, &mut with);
            let score = count(&with);
            if best.as_ref().is_none_or(|b| score > b.0) {
                // One-hot, as they were made.
                let taken = elements.as_ref().and_then(|e| e.row(&x).ok());
                let mut bytes = stored(&model, taken.as_deref().unwrap_or(&x));
                let y = answer(&model, &bytes, &mut scratch);
                if not_finite(&model, y.iter().copied()).is_none() {
                    bytes.extend(y.iter().flat_map(|v| v.to_le_bytes()));
                    best = Some((score, with, bytes));
                }
            }
        }
        let (_, with, bytes) = best.ok_or(ConvertError::NoRow)?;
        touched = with;
        section.extend(bytes);
    }
    blob.push_section(SectionTag::SelfTest, section);
    Ok(count(&touched) as f64 / size.max(1) as f64)
}

/// A row as the section holds it.
fn stored(model: &Dynamic<'_>, x: &[f32]) -> Vec<u8> {
    if model.is_integer() {
        let mut q = vec![0i16; x.len()];
        let _ = model.quantize(x, &mut q);
        q.iter().flat_map(|v| v.to_le_bytes()).collect()
    } else {
        x.iter().flat_map(|v| v.to_le_bytes()).collect()
    }
}

/// The first raw output that is NaN or infinite, and its value. Those of integer models never are.
fn not_finite(model: &Dynamic<'_>, outputs: impl Iterator<Item = u32>) -> Option<(u32, f32)> {
    let mut values = (0..).zip(outputs.map(f32::from_bits));
    values.find(|(_, v)| !model.is_integer() && !v.is_finite())
}

/// The bits of all outputs for a row as the section holds it.
fn answer(model: &Dynamic<'_>, x: &[u8], scratch: &mut [u32]) -> Vec<u32> {
    let mut raw = vec![0; model.outputs()];
    if model.is_integer() {
        let q: Vec<i16> = x
            .as_chunks()
            .0
            .iter()
            .map(|b| i16::from_le_bytes(*b))
            .collect();
        let _ = model.predict_q(&q, scratch, &mut raw);
    } else {
        let x: Vec<f32> = x
            .as_chunks()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect();
        let mut y = vec![0.0; raw.len()];
        let _ = model.predict(&x, scratch, &mut y);
        raw = y.iter().map(|v| v.to_bits()).collect();
    }
    raw
}

/// Why the rows that a blob carries show that something is wrong, or show nothing.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum CheckError {
    /// What the engine says on a device too.
    #[error(transparent)]
    Engine(#[from] SelfTestError),
    /// An output that is stored is no number: the model is broken, and computes the same on every
    /// device.
    #[error(
        "self-test row {row}, output {output}: {value} is stored, and no model that is in order \
         computes that: convert it again"
    )]
    NotFinite {
        /// The number of the row, from 0.
        row: u32,
        /// The number of the output in the row, from 0.
        output: u32,
        /// The stored output.
        value: f32,
    },
}

/// Runs the rows that a blob carries, as [`Dynamic::self_test`] does on a device. Returns their
/// number.
///
/// # Errors
///
/// No rows, rows of another model, or an output that is not the stored one; and, beyond what a device
/// looks at, a stored output that is NaN or infinite.
pub fn check(model: &Dynamic<'_>) -> Result<u32, CheckError> {
    for row in model.blob().self_test()? {
        let outputs = row.outputs.as_chunks().0.iter();
        let outputs = outputs.map(|word| u32::from_le_bytes(*word));
        if let Some((output, value)) = not_finite(model, outputs) {
            return Err(CheckError::NotFinite {
                row: row.row,
                output,
                value,
            });
        }
    }
    Ok(model.self_test(&mut vec![0; model.self_test_words()])?)
}
