//! Self-test rows: inputs that touch many weights, with the exact outputs that the device must
//! give.

use crate::blob::Blob;
use crate::graph::{Activation, Graph, Input, Layer};
use crate::quantize::stats;
use crate::random::Random;
use mmoe::blob::section;
use mmoe::{Dynamic, LoadError, SelfTestError};

/// How many candidates a row is chosen from, for a model whose weights are few enough.
const CANDIDATES: usize = 64;
/// Weights looked at in all; larger models get fewer candidates.
const WORK: usize = 50_000_000;

/// Rows go this many standard deviations out, where no range is declared: farther out, hidden
/// layers saturate and hide their weights.
const DEVIATIONS: f64 = 2.0;

/// A row within the expected ranges; where none is known within −1 … 1.
fn row(inputs: &[Input], random: &mut Random) -> Vec<f32> {
    let mut x = Vec::new();
    for i in inputs {
        let (low, high) = i.range(DEVIATIONS).unwrap_or((-1.0, 1.0));
        x.extend((0..i.count).map(|_| random.within(low, high) as f32));
    }
    x
}

/// Marks the weights that this row's outputs depend on: those that meet an input other than 0 in a
/// row that its activation lets through.
fn touch(graph: &Graph, x: &[f32], touched: &mut [bool]) {
    let x: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
    let t = stats::measured(graph, &[x]);
    let mut at = 0;
    for (n, node) in graph.nodes.iter().enumerate() {
        let first = t.value(node.src).slice(node.start, node.inputs);
        for (l, layer) in node.layers.iter().enumerate() {
            let Layer::Dense(d) = layer else { continue };
            let reads = if l == 0 {
                &first.min
            } else {
                &t.after[n][l - 1].min
            };
            for r in 0..d.outputs {
                let open = d.activation != Activation::Relu || t.after[n][l].min[r] > 0.0;
                for (touched, x) in touched[at..at + d.inputs].iter_mut().zip(reads) {
                    *touched |= open && *x != 0.0;
                }
                at += d.inputs;
            }
        }
    }
}

/// Chooses `rows` rows, each the candidate that touches the most weights not yet touched, and adds
/// their section to the blob. Returns the share of all weights that the rows touch.
///
/// # Errors
///
/// A blob that the engine does not accept: a fault of ours.
pub(crate) fn add(graph: &Graph, blob: &mut Blob, rows: u8) -> Result<f64, LoadError> {
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
    let model = Dynamic::load(&bytes)?;
    let mut scratch = vec![0; model.scratch_words()];
    let mut random = Random::new(0x5E1F_7E57);
    let mut touched = vec![false; size];
    let mut section = vec![rows];
    let count = |t: &[bool]| t.iter().filter(|t| **t).count();
    for _ in 0..rows {
        let mut best: Option<(usize, Vec<bool>, Vec<f32>)> = None;
        for _ in 0..candidates {
            let x = row(&graph.inputs, &mut random);
            let mut with = touched.clone();
            touch(graph, &x, &mut with);
            let score = count(&with);
            if best.as_ref().is_none_or(|b| score > b.0) {
                best = Some((score, with, x));
            }
        }
        let Some((_, with, x)) = best else { break };
        touched = with;
        let x: Vec<u8> = if model.is_integer() {
            let mut q = vec![0i16; x.len()];
            let _ = model.quantize(&x, &mut q);
            q.iter().flat_map(|v| v.to_le_bytes()).collect()
        } else {
            x.iter().flat_map(|v| v.to_le_bytes()).collect()
        };
        section.extend(&x);
        section.extend(
            answer(&model, &x, &mut scratch)
                .iter()
                .flat_map(|v| v.to_le_bytes()),
        );
    }
    blob.push_section(section::SELF_TEST, section);
    Ok(count(&touched) as f64 / size.max(1) as f64)
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

/// Runs the rows that a blob carries, as [`mmoe::Model::self_test`] does on a device. Gives their
/// number.
///
/// # Errors
///
/// No rows, rows of another model, or an output that is not the stored one.
pub fn check(model: &Dynamic<'_>) -> Result<u32, SelfTestError> {
    let section = model
        .blob()
        .section(section::SELF_TEST)
        .ok_or(SelfTestError::Missing)?;
    let (&rows, mut rest) = section.split_first().ok_or(SelfTestError::Section)?;
    let mut scratch = vec![0; model.scratch_words()];
    let mut take = |n: usize| -> Result<&[u8], SelfTestError> {
        let (part, after) = rest.split_at_checked(n).ok_or(SelfTestError::Section)?;
        rest = after;
        Ok(part)
    };
    for row in 0..u32::from(rows) {
        let x = take(model.inputs() * if model.is_integer() { 2 } else { 4 })?;
        let stored = take(4 * model.outputs())?;
        for (output, (found, expected)) in (0..).zip(
            answer(model, x, &mut scratch)
                .into_iter()
                .zip(stored.as_chunks().0),
        ) {
            let expected = u32::from_le_bytes(*expected);
            if found != expected {
                return Err(SelfTestError::Row {
                    row,
                    output,
                    expected,
                    found,
                });
            }
        }
    }
    Ok(u32::from(rows))
}
