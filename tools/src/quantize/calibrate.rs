//! What values a model's inputs and tensors take: from calibration rows, from declared ranges, from
//! mean and standard deviation; and the input stage's scales.

use super::proof::Span;
use super::rows::InputColumns;
use super::{QuantizeError, front};
use crate::blob::features::IntScale;
use crate::eval::statistics::{self, Stats, Tensors};
use crate::graph::{Graph, Layer};
use crate::random::Random;
use mmoe::kernel::InputScale;
use std::borrow::Cow;

/// What is known of a model's values.
#[derive(Debug, Clone)]
pub struct Calibration {
    /// Every tensor's values.
    pub tensors: Tensors,
    /// The smallest raw value of every feature.
    pub low: Vec<f64>,
    /// The largest raw value of every feature.
    pub high: Vec<f64>,
    /// Where the tensors' ranges are bounds (for inputs in declared ranges) and not observations:
    /// what random rows gave.
    pub random: Option<Tensors>,
    /// How many times what rows reached the hidden values are given room for.
    pub headroom: f64,
    /// How many bits finer (or coarser, below 0) one-hot columns are than what balances their weights
    /// with those of the other features.
    pub finer: i32,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// How many standard deviations of a feature its range covers where a spec states the mean and the
/// deviation but no range. Values farther out saturate. Six is far enough that a normally distributed
/// feature practically never does, and costs one bit beside three.
const DEVIATIONS: f64 = 6.0;

/// The declared range of every feature, where there is one.
pub(super) fn declared(graph: &Graph) -> Vec<(String, Option<(f64, f64)>)> {
    let mut out = Vec::new();
    for i in &graph.inputs {
        let range = i.range(DEVIATIONS);
        out.extend(std::iter::repeat_n((i.name.clone(), range), i.count));
    }
    out
}

/// Finds out what a graph's values are: from rows where there are some (declared ranges then widen
/// the inputs'), else from declared ranges. Rows are believed as they are; [`fit`](super::fit) also
/// tries what leaving out absurd ones gains.
///
/// # Errors
///
/// Rows of another width, none, with NaN or infinities; no rows and no declared range.
pub fn calibrate(
    graph: &Graph,
    rows: Option<(&[f32], usize)>,
) -> Result<Calibration, QuantizeError> {
    match rows {
        Some(rows) => Ok(from_rows(graph, &checked(graph, rows)?)),
        None => from_ranges(graph),
    }
}

/// The rows, if they are as wide as the graph and hold numbers.
pub(super) fn checked(
    graph: &Graph,
    (data, found): (&[f32], usize),
) -> Result<Vec<Vec<f64>>, QuantizeError> {
    let width = graph.width(0);
    if found != width {
        return Err(QuantizeError::Width {
            expected: width,
            found,
        });
    }
    if data.is_empty() {
        return Err(QuantizeError::Empty);
    }
    if let Some(i) = data.iter().position(|v| !v.is_finite()) {
        return Err(QuantizeError::NotFinite {
            row: i / width,
            feature: i % width,
            value: data[i],
        });
    }
    Ok(data
        .chunks(width)
        .map(|r| r.iter().map(|v| f64::from(*v)).collect())
        .collect())
}

/// What rows show.
pub(super) fn from_rows(graph: &Graph, rows: &[Vec<f64>]) -> Calibration {
    let width = graph.width(0);
    let mut notes = Vec::new();
    if rows.len() < 32 {
        notes.push(format!(
            "only {} calibration rows: a few hundred tell more",
            rows.len()
        ));
    }
    let (mut low, mut high) = (vec![f64::INFINITY; width], vec![f64::NEG_INFINITY; width]);
    for r in rows {
        for (j, v) in r.iter().enumerate() {
            low[j] = low[j].min(*v);
            high[j] = high[j].max(*v);
        }
    }
    let codes = (graph.inputs.iter()).flat_map(|i| std::iter::repeat_n(i.codes.is_some(), i.count));
    let constant = low.iter().zip(&high).zip(codes);
    let constant = constant.filter(|((a, b), code)| a == b && !code).count();
    if constant > 0 && rows.len() > 1 {
        notes.push(format!(
            "{constant} of {width} features have one value in all calibration rows"
        ));
    }
    let mut outside = 0;
    // Features saturate at the ends of their declared ranges, so what lies behind the input stage
    // never sees more.
    let mut seen = Cow::Borrowed(rows);
    for (j, (_, range)) in declared(graph).iter().enumerate() {
        match range {
            Some((a, b)) => {
                let beyond = rows.iter().filter(|r| r[j] < *a || r[j] > *b).count();
                if beyond > 0 {
                    outside += beyond;
                    for r in seen.to_mut() {
                        r[j] = r[j].clamp(*a, *b);
                    }
                }
                low[j] = *a;
                high[j] = *b;
            }
            // A flag has two values and never others, so its range is known. Anything else may go
            // beyond what the rows show, and gets a quarter of the range on both sides.
            None if rows.iter().any(|r| r[j] != low[j] && r[j] != high[j]) => {
                let room = 0.25 * (high[j] - low[j]);
                low[j] -= room;
                high[j] += room;
            }
            // A feature that never moved may move once.
            None if low[j] == high[j] => {
                low[j] = low[j].min(-1.0);
                high[j] = high[j].max(1.0);
            }
            None => {}
        }
    }
    if outside > 0 {
        notes.push(format!(
            "{outside} calibration values lie outside their declared ranges: they saturate"
        ));
    }
    Calibration {
        tensors: statistics::measured(graph, &seen),
        low,
        high,
        random: None,
        headroom: super::HEADROOM,
        finer: 0,
        notes,
    }
}

/// What declared ranges allow.
fn from_ranges(graph: &Graph) -> Result<Calibration, QuantizeError> {
    let ranges = declared(graph);
    if let Some((name, _)) = ranges.iter().find(|(_, r)| r.is_none()) {
        return Err(QuantizeError::NoRange(name.clone()));
    }
    let (low, high): (Vec<f64>, Vec<f64>) = ranges.iter().filter_map(|(_, r)| *r).unzip();
    let mut random = Random::new(0x9E37_79B9_7F4A_7C15);
    let mut rows: Vec<Vec<f64>> = (0..256)
        .map(|_| {
            low.iter()
                .zip(&high)
                .map(|(a, b)| random.within(*a, *b))
                .collect()
        })
        .collect();
    if let Some(elements) = graph.elements() {
        for row in &mut rows {
            elements.make_one_hot(row, |n| random.within(0.0, n as f64) as usize);
        }
    }
    let random = statistics::measured(graph, &rows);
    Ok(Calibration {
        tensors: statistics::bounded(graph, &low, &high, random.clone()),
        low,
        high,
        random: Some(random),
        headroom: super::HEADROOM,
        finer: 0,
        notes: vec![
            "no calibration rows: scales come from the inputs' declared ranges, and activations \
             have fewer bits than rows would allow"
                .into(),
        ],
    })
}

/// How far features that are used as they are lie from 0, as the weights expect them.
pub(super) fn reach(graph: &Graph, c: &Calibration, unscaled_features: &[bool]) -> f64 {
    let (a, b) = (graph.standardized(&c.low), graph.standardized(&c.high));
    a.iter()
        .zip(&b)
        .zip(unscaled_features)
        .filter(|(_, used)| **used)
        .fold(0.0, |m, ((a, b), _)| m.max(a.abs()).max(b.abs()))
}

/// A column whose step is not the calibration's to choose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fixed {
    /// The real value of one integer step.
    pub step: f64,
    /// What its integers span.
    pub span: Span,
}

/// Chooses the scale of every feature that `fixed` leaves open. Returns the records of the input stage, and the columns that
/// the first layers read.
///
/// A dense layer has one weight scale for each row, so a row in which one weight is much larger than
/// the others leaves those few of its 255 levels. Here each feature has a scale of its own, and a
/// coarser feature means a larger integer weight. So the features are scaled such that the weights of
/// a row become about equally large, as far as the 15 bits of the feature with the largest range
/// times weight allow.
///
/// Features whose integers are used as they are (`unscaled_features`) cannot be traded so. They share
/// one step, at least `least`, and their integer 0 stands for 0. One-hot columns share one step, too,
/// a power of two, whose exponent is returned besides.
pub(super) fn input(
    graph: &Graph,
    c: &Calibration,
    wide: impl Fn((usize, usize)) -> bool,
    unscaled_features: &[bool],
    least: f64,
    fixed: &[Option<Fixed>],
) -> (Vec<InputScale>, u32, InputColumns) {
    let width = graph.width(0);
    let moments: Vec<(f64, f64)> = graph
        .inputs
        .iter()
        .flat_map(|i| std::iter::repeat_n(i.scaling(), i.count))
        .collect();
    // A column may be coarser where its weights are small beside the largest of their row: an error
    // of the feature then moves the sum less. `share` is the largest such ratio over all rows that
    // read the column. A layer that is not dense has no weights to trade with, so its share is 1.
    let mut share = vec![0.0f64; width];
    let first: Vec<_> = graph
        .nodes
        .iter()
        .enumerate()
        .filter(|(_, n)| n.src == 0)
        .collect();
    for (_, node) in &first {
        if let Some(Layer::Dense(d)) = node.layers.first() {
            for row in d.weight.chunks(d.inputs) {
                let largest = row.iter().fold(0.0f32, |m, w| m.max(w.abs()));
                for (j, w) in row.iter().enumerate().filter(|_| largest > 0.0) {
                    share[node.start + j] = share[node.start + j].max(f64::from(w.abs() / largest));
                }
            }
        } else {
            share[node.start..node.start + node.inputs].fill(1.0);
        }
    }
    // The raw value that the integer 0 stands for, and how far the range goes from there. Where 0 is
    // in range it keeps the integer 0, so that flags and counts, which are mostly 0, have no rounding
    // error there. A feature with a declared mean is centred on the mean, as in training.
    let spans: Vec<(f64, f64)> = (0..width)
        .map(|j| {
            let (a, b, (mean, std)) = (c.low[j], c.high[j], moments[j]);
            let centre = if unscaled_features[j] || std != 1.0 || mean != 0.0 {
                mean
            } else if a <= 0.0 && b >= 0.0 {
                0.0
            } else {
                (a + b) / 2.0
            };
            (
                centre,
                (a - centre).abs().max((b - centre).abs()).max(1e-30),
            )
        })
        .collect();
    // From here on in standardized units, which are those of the weights.
    let reach: Vec<f64> = spans
        .iter()
        .zip(&moments)
        .map(|((_, half), (_, std))| half / std)
        .collect();
    let importance = reach
        .iter()
        .zip(&share)
        .fold(0.0f64, |m, (r, s)| m.max(r * s))
        .max(1e-30);
    // The column of the largest range times weight gets all 15 bits. Every other column gets the step
    // at which one integer step moves its row's sum as much, unless its own range needs a coarser
    // one. A column that no weight uses is as fine as its range allows.
    let mut step: Vec<f64> = reach
        .iter()
        .zip(&share)
        .map(|(r, s)| {
            let finest = r / 32767.0;
            if *s > 0.0 {
                (importance / 32767.0 / s).max(finest)
            } else {
                finest
            }
        })
        .collect();
    // An affine layer multiplies each column by a gain of its own, so nothing is traded between
    // columns there: each is as fine as its range allows.
    for (_, node) in first
        .iter()
        .filter(|(_, n)| matches!(n.layers.first(), Some(Layer::Affine { .. })))
    {
        let own = node.start..node.start + node.inputs;
        for (s, r) in step[own.clone()].iter_mut().zip(&reach[own]) {
            *s = s.min(r / 32767.0);
        }
    }
    let shared = reach
        .iter()
        .zip(unscaled_features)
        .filter(|(_, a)| **a)
        .fold(least, |m, (r, _)| m.max(r / 32767.0));
    for (s, _) in step.iter_mut().zip(unscaled_features).filter(|(_, a)| **a) {
        *s = shared;
    }
    for (s, fixed) in step.iter_mut().zip(fixed) {
        *s = fixed.map_or(*s, |f| f.step);
    }
    // All one-hot columns together: as fine as the finest of them, to the nearest power of two. Their
    // activation is an int16, too.
    let hot: Vec<bool> = (graph.inputs.iter())
        .flat_map(|i| std::iter::repeat_n(i.codes.is_some(), i.count))
        .collect();
    let balanced = step.iter().zip(&hot).filter(|(_, hot)| **hot);
    let balanced = balanced.fold(1.0f64, |m, (s, _)| m.min(*s));
    let mut one = (-balanced.log2()).round() + f64::from(c.finer);
    let hot_step = |one: f64| 2f64.powf(-one.clamp(0.0, 14.0));
    let set_hot = |step: &mut [f64], one: f64| {
        for (s, _) in step.iter_mut().zip(&hot).filter(|(_, hot)| **hot) {
            *s = hot_step(one);
        }
    };
    set_hot(&mut step, one);
    // A narrow layer adds up in 32 bits. Where the sum of a row could pass them, all scaled features
    // become coarser by the same factor, so that the balance between the columns stays. `acc` is the
    // largest sum in integers: the weights times the ranges, and the bias with what the offsets of the
    // features add to it (beyond `sum` the bias sets the row's scale, and not the accumulator's).
    let mut shrink = 1.0f64;
    for (n, node) in &first {
        if wide((*n, 0)) {
            continue;
        }
        if let Some(Layer::Dense(d)) = node.layers.first() {
            for (row, bias) in d.weight.chunks(d.inputs).zip(&d.bias) {
                let at = |j: usize| node.start + j;
                let largest = row
                    .iter()
                    .enumerate()
                    .fold(0.0f64, |m, (j, w)| m.max(f64::from(w.abs()) * step[at(j)]));
                if largest > 0.0 {
                    let each: Vec<f64> = (row.iter().enumerate())
                        .map(|(j, w)| f64::from(w.abs()) * reach[at(j)])
                        .collect();
                    let mut sum: f64 = each.iter().sum();
                    // Of one-hot columns no more than one counts.
                    for (run, codes) in graph.hot_runs(node) {
                        let run = &each[run];
                        let largest = run.iter().fold(0.0f64, |m, v| m.max(*v));
                        sum += largest * codes as f64 - run.iter().sum::<f64>();
                    }
                    let zero: f64 = row
                        .iter()
                        .enumerate()
                        .map(|(j, w)| {
                            f64::from(*w) * (spans[at(j)].0 - moments[at(j)].0) / moments[at(j)].1
                        })
                        .sum();
                    let acc = 127.0 * (sum + (f64::from(*bias) + zero).abs().min(sum)) / largest;
                    shrink = shrink.max(acc / 2_147_483_646.0);
                }
            }
        }
    }
    let free = unscaled_features.iter().zip(fixed);
    for (s, _) in step
        .iter_mut()
        .zip(free)
        .filter(|(_, (a, f))| !**a && f.is_none())
    {
        *s *= shrink;
    }
    one = (one.clamp(0.0, 14.0) - shrink.log2().ceil()).max(0.0);
    set_hot(&mut step, one);
    let scales: Vec<InputScale> = (0..width)
        .map(|j| InputScale {
            offset: if fixed[j].is_some() {
                0.0
            } else {
                spans[j].0 as f32
            },
            scale: (1.0 / (step[j] * moments[j].1)) as f32,
        })
        .collect();
    let ints = ints(graph, &scales);
    // The device computes with the f32 numbers that are stored, so everything that is proven from here
    // on starts from those, rounded, and not from the f64 numbers above.
    let mut columns = InputColumns {
        step: vec![],
        zero: vec![],
        span: vec![],
        mean: vec![],
        square: vec![],
        features: true,
        runs: vec![],
    };
    let t = &c.tensors.input;
    for j in 0..width {
        let (mean, std) = moments[j];
        let (offset, scale) = match ints[j] {
            Some(int) => (
                f64::from(int.offset),
                f64::from(int.mult) / f64::from(1u32 << int.shift),
            ),
            None => (f64::from(scales[j].offset), f64::from(scales[j].scale)),
        };
        let (s, zero) = match fixed[j] {
            Some(fixed) => (fixed.step, 0.0),
            None => (1.0 / (scale * std), (offset - mean) / std),
        };
        let m = (t.mean[j] - zero) / s;
        columns.step.push(s);
        columns.zero.push(zero);
        let at = |raw: f64| {
            ((raw - f64::from(scales[j].offset)) * f64::from(scales[j].scale))
                .clamp(-32767.0, 32767.0)
        };
        // The bounds must hold on the device: half a step is lost by rounding to an integer, and f32
        // loses up to one part in a million of the value and of the offset on the way.
        let slack = |v: f64| {
            1.0 + v.abs() * 1e-6
                + (f64::from(scales[j].offset) * f64::from(scales[j].scale)).abs() * 1e-6
        };
        let (a, b) = (at(c.low[j]), at(c.high[j]));
        columns.span.push(match (fixed[j], ints[j]) {
            (Some(fixed), _) => fixed.span,
            (None, Some(int)) => front::int_span(int, c.low[j], c.high[j]),
            // Codes are not rounded.
            (None, None) if hot[j] => (0.0, b),
            (None, None) => (
                (a - slack(a)).floor().max(-32767.0),
                (b + slack(b)).ceil().min(32767.0),
            ),
        });
        columns.mean.push(m);
        columns
            .square
            .push((t.square[j] - t.mean[j] * t.mean[j]).max(0.0) / (s * s) + m * m);
    }
    (scales, one as u32, columns)
}

/// The integers of each column that is a whole number.
fn ints(graph: &Graph, scales: &[InputScale]) -> Vec<Option<IntScale>> {
    let Some(front) = &graph.front else {
        return vec![None; scales.len()];
    };
    let made = front::ints(Some(front), scales);
    let widths = front.features.iter().map(|f| f.width(front));
    let columns = made.into_iter().zip(widths);
    columns
        .flat_map(|(int, n)| std::iter::repeat_n(int, n))
        .collect()
}

/// Returns `n` of the columns from `start` on, which is what a node reads of the input.
pub(super) fn slice(c: &InputColumns, start: usize, n: usize) -> InputColumns {
    let cut = |v: &[f64]| v[start..start + n].to_vec();
    InputColumns {
        step: cut(&c.step),
        zero: cut(&c.zero),
        span: c.span[start..start + n].to_vec(),
        mean: cut(&c.mean),
        square: cut(&c.square),
        features: c.features,
        runs: vec![],
    }
}

/// Returns columns that all have the same step, as every tensor behind the input has.
pub(super) fn uniform(s: &Stats, step: f64, span: Vec<Span>) -> InputColumns {
    let n = s.mean.len();
    InputColumns {
        step: vec![step; n],
        zero: vec![0.0; n],
        span,
        mean: s.mean.iter().map(|m| m / step).collect(),
        square: s.square.iter().map(|q| q / (step * step)).collect(),
        features: false,
        runs: vec![],
    }
}
