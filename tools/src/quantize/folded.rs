//! First layers of W8 models that int8 rows would spoil.
//!
//! Float layers take over the means and deviations of the numbers that they read, so a number that
//! reaches thousands has a column of small weights beside those of embeddings and flags. A row has one
//! int8 scale, which its largest weight sets: the small ones round to few steps, or to none, and are
//! then multiplied with thousands. Such layers stay in f32.

use std::collections::BTreeSet;

use super::{layer_name, role};
use crate::front::{Front, Makes, Pool};
use crate::graph::{Dense, Graph, Input, Layer};
use crate::pack::{Int8Rows, int8_rows};

/// The largest share of a first layer's output, as powers, that the rounding of its weights may make:
/// 30 dB, as for integers.
const NOISE: f64 = 1e-3;

/// Which nodes' first layers stay in f32, and what a person should know of it.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    /// The numbers of the nodes.
    pub(crate) nodes: BTreeSet<usize>,
    /// A line for each kind of node.
    pub(crate) notes: Vec<String>,
}

/// What is known of an element of the vector: its mean and its deviation.
type Typical = (f64, f64);

impl Whole {
    /// Decides for a graph whose dense layers are stored as `int8` says, or with `only` follows an
    /// earlier decision: the names of these layers. All experts are treated alike, and all gates, so that
    /// their types stay arrays.
    pub(crate) fn of(graph: &Graph, int8: Int8Rows, only: Option<&[String]>) -> Self {
        let mut whole = Self::default();
        let typical = typical(graph);
        for kind in ["expert", "gate", "tower"] {
            let every = graph.nodes.iter().enumerate();
            let every = every.filter(|(_, n)| role(&n.op) == kind);
            let count = every.clone().count();
            let read = every.filter_map(|(at, n)| match n.layers.first() {
                Some(Layer::Dense(d)) if n.src == 0 && int8.narrows(n, 0) => {
                    let read = typical.get(n.start..n.start + n.inputs)?;
                    Some((at, noise(d, read)))
                }
                _ => None,
            });
            let group: Vec<(usize, f64)> = read.collect();
            let worst = group.iter().fold(0.0f64, |worst, (_, n)| worst.max(*n));
            let names: Vec<String> = group
                .iter()
                .map(|(n, _)| layer_name(graph, *n, 0))
                .collect();
            let kept = |name: &String| only.map_or(worst > NOISE, |only| only.contains(name));
            let nodes = group.iter().zip(&names);
            let nodes: Vec<usize> = nodes
                .filter(|(_, n)| kept(n))
                .map(|((n, _), _)| *n)
                .collect();
            if worst > NOISE {
                let all = names.len() == count && count > 1;
                let names = if all {
                    format!("`{kind}*.0`")
                } else {
                    format!("`{}`", names.join("`, `"))
                };
                let room = -10.0 * worst.log10();
                whole.notes.push(if nodes.is_empty() {
                    format!(
                        "{names}: the int8 weights leave {room:.0} dB between the output and the \
                         rounding error; by themselves these layers would stay in f32"
                    )
                } else {
                    format!(
                        "{names} stay in f32: what they read differs so much in size that int8 \
                         weights would leave {room:.0} dB between the output and the rounding error"
                    )
                });
            }
            whole.nodes.extend(nodes);
        }
        whole
    }
}

/// The share of a layer's output, as powers, that the rounding of its rows makes; 0 where nothing is
/// known of what it reads, since its weights then say all there is to say.
fn noise(d: &Dense, read: &[Option<Typical>]) -> f64 {
    if read.iter().all(Option::is_none) {
        return 0.0;
    }
    // What is unknown is of the size that training likes.
    let read: Vec<Typical> = read.iter().map(|t| t.unwrap_or((0.0, 1.0))).collect();
    let (weight, scale) = int8_rows(d, false);
    let rows = d.weight.chunks(d.inputs).zip(weight.chunks(d.inputs));
    let (mut noise, mut signal) = (0.0, 0.0);
    for ((row, rounded), scale) in rows.zip(scale) {
        let mut shift = 0.0;
        for ((w, q), (mean, std)) in row.iter().zip(rounded).zip(&read) {
            let off = f64::from(*q) * f64::from(scale) - f64::from(*w);
            // Deviations add up as powers; means shift the output by a number.
            shift += off * mean;
            noise += (off * std).powi(2);
            signal += (f64::from(*w) * std).powi(2);
        }
        noise += shift * shift;
    }
    if signal > 0.0 { noise / signal } else { 0.0 }
}

/// What is known of each element of the vector.
fn typical(graph: &Graph) -> Vec<Option<Typical>> {
    let elements = graph.inputs.iter().enumerate().flat_map(|(at, input)| {
        let front = graph.front.as_ref();
        let of_rows = front.and_then(|front| rows(front, at));
        of_rows.unwrap_or_else(|| vec![number(input); input.count])
    });
    elements.collect()
}

/// A number, or a one-hot column.
fn number(input: &Input) -> Option<Typical> {
    if let Some(codes) = input.codes {
        let share = (codes as f64 / input.count.max(1) as f64).min(1.0);
        return Some((share, (share * (1.0 - share)).sqrt()));
    }
    match (input.std, input.min, input.max) {
        (Some(std), ..) => Some((input.mean.unwrap_or(0.0), std)),
        // Of numbers that are equally likely everywhere between the ends.
        (None, Some(low), Some(high)) => Some(((low + high) / 2.0, (high - low) / 12f64.sqrt())),
        _ => None,
    }
}

/// Of a feature that makes rows of a table: its elements, where every row is as likely as the others,
/// and lists are half as long as they may be.
fn rows(front: &Front, feature: usize) -> Option<Vec<Option<Typical>>> {
    let feature = front.features.get(feature)?;
    let Makes::Rows { table, pool } = feature.makes else {
        return None;
    };
    let table = front.tables.get(table)?;
    let most = front.fields.get(feature.field)?.list.map_or(1, |l| l.max);
    let items = if pool == Pool::Sum {
        (most as f64 / 2.0).max(1.0)
    } else {
        1.0
    };
    let count = table.len().max(1) as f64;
    let element = |column: usize| {
        let of = || table.rows.iter().skip(column).step_by(table.width.max(1));
        let mean = of().map(|v| f64::from(*v)).sum::<f64>() / count;
        let power = of().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
        Some((mean * items, (power * items).sqrt()))
    };
    let one: Vec<_> = (0..table.width).map(element).collect();
    Some(
        one.iter()
            .copied()
            .cycle()
            .take(feature.width(front))
            .collect(),
    )
}
