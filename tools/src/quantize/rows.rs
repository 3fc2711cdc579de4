//! One dense layer to integer rows. The multiplier comes first, the weight scale follows from it,
//! so that `weight_scale · x_step / y_step = mult / 2^shift` holds exactly (`docs/numerics.md`).

use super::proof::{self, Bounds, Span};
use crate::graph::Dense;
use mmoe::kernel::{Row, WideRow};
use std::ops::Range;

/// What a layer reads: the real value of one integer step of each column, and what its integers do.
#[derive(Debug, Clone)]
pub struct InputColumns {
    /// Real value of one step.
    pub step: Vec<f64>,
    /// Real value of the integer 0.
    pub zero: Vec<f64>,
    /// Smallest and largest integer for inputs in range.
    pub span: Vec<Span>,
    /// Mean of the integer.
    pub mean: Vec<f64>,
    /// Mean square of the integer.
    pub square: Vec<f64>,
    /// Whether these are the model's features, which may have either sign.
    pub features: bool,
    /// One-hot columns among them: runs, and how many columns of each may be 1 at a time.
    pub runs: Vec<(Range<usize>, usize)>,
}

impl InputColumns {
    /// What the integers span.
    #[must_use]
    pub fn bounds(&self) -> Bounds<'_> {
        Bounds {
            each: &self.span,
            runs: &self.runs,
        }
    }
}

/// What a layer makes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// int16 activations with this real value of one step.
    Hidden(f64),
    /// Q16.16 logits, of which 1.0 is this real value.
    Logits(f64),
}

impl Target {
    fn step(self) -> f64 {
        match self {
            Self::Hidden(step) => step,
            Self::Logits(unit) => unit / 65536.0,
        }
    }
}

/// An integer layer with what was proven of it.
#[derive(Debug, Clone)]
pub struct Made<W, R> {
    /// Row after row.
    pub weight: Vec<W>,
    /// One per row.
    pub rows: Vec<R>,
    /// Largest possible |accumulator| of any row, for inputs in range.
    pub accumulator: f64,
    /// The same for any int16 inputs at all.
    pub accumulator_any: f64,
    /// Power of the rounding error over the power of the output, as a ratio of squares, rows
    /// together.
    pub noise: f64,
    /// Power of the rounding error of a row, on average over the rows, in real units.
    pub power: f64,
}

/// Why a layer cannot be narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wide {
    /// A row's factor does not fit the narrow rule.
    Factor,
    /// An accumulator could pass 32 bits.
    Accumulator,
    /// A logit could pass Q16.16.
    Logits,
}

impl Wide {
    /// For people.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Factor => "a row's scale does not fit the narrow rule",
            Self::Accumulator => "an accumulator could pass 32 bits",
            Self::Logits => {
                "a logit could pass 32768, where only 16-bit weights' results are clamped"
            }
        }
    }
}

/// Weights in steps of the input, and the bias with what the integer 0 stands for.
fn real(d: &Dense, x: &InputColumns, row: usize) -> (Vec<f64>, f64) {
    let w = &d.weight[row * d.inputs..(row + 1) * d.inputs];
    let scaled = w
        .iter()
        .zip(&x.step)
        .map(|(w, s)| f64::from(*w) * s)
        .collect();
    let bias = f64::from(d.bias[row])
        + w.iter()
            .zip(&x.zero)
            .map(|(w, z)| f64::from(*w) * z)
            .sum::<f64>();
    (scaled, bias)
}

/// A row in steps of `scale`, rounded to nearest, and then as few weights as it takes rounded the
/// other way, those nearest to the middle first, so that the errors add up to less than half a
/// step. Inputs that went through a relu have a mean above zero, and an error that all
/// columns share moves the output by it; this needs no calibration data to prevent that.
#[must_use]
pub fn balanced(row: &[f64], scale: f64, limit: f64) -> Vec<f64> {
    let mut q: Vec<f64> = row
        .iter()
        .map(|w| (w / scale).round().clamp(-limit, limit))
        .collect();
    let mut sum: f64 = row.iter().zip(&q).map(|(w, q)| w / scale - q).sum();
    let mut order: Vec<usize> = (0..row.len()).collect();
    let rest = |j: usize| row[j] / scale - (row[j] / scale).round();
    order.sort_by(|a, b| rest(*b).abs().total_cmp(&rest(*a).abs()));
    for j in order {
        if sum.abs() <= 0.5 {
            break;
        }
        let step = sum.signum();
        if rest(j) * step > 0.0 && (q[j] + step).abs() <= limit {
            q[j] += step;
            sum -= step;
        }
    }
    q
}

/// The multiplier and shift whose ratio is at least `least` and as little more as 15 bits allow.
fn multiplier(least: f64, shifts: std::ops::RangeInclusive<u32>) -> Option<(u16, u32)> {
    if least <= 0.0 {
        return Some((0, *shifts.start()));
    }
    let s = (32767.0 / least).log2().floor();
    if s < f64::from(*shifts.start()) {
        return None;
    }
    let s = (s as u32).min(*shifts.end());
    let m = (least * 2f64.powi(s as i32)).ceil().clamp(1.0, 32767.0);
    Some((m as u16, s))
}

/// Rounds a row; `limit` is the largest weight.
fn round_row(
    w: &[f64],
    x: &InputColumns,
    scale: f64,
    limit: f64,
    balance: bool,
) -> (Vec<f64>, f64, f64) {
    if scale <= 0.0 {
        let (mean, power) = w
            .iter()
            .zip(x.mean.iter().zip(&x.square))
            .fold((0.0, 0.0), |(m, p), (w, (a, b))| (m + w * a, p + w * w * b));
        return (vec![0.0; w.len()], mean, power);
    }
    let q = if balance {
        balanced(w, scale, limit)
    } else {
        w.iter()
            .map(|w| (w / scale).round().clamp(-limit, limit))
            .collect()
    };
    // What rounding changes on average, and its spread (columns taken as independent).
    let (mut mean, mut power) = (0.0, 0.0);
    for (((w, q), m), sq) in w.iter().zip(&q).zip(&x.mean).zip(&x.square) {
        let e = w - q * scale;
        mean += e * m;
        power += e * e * (sq - m * m).max(0.0);
    }
    (q, mean, power)
}

/// Largest |accumulator| of a row, in range and for any int16.
fn bounds(q: &[f64], bias: f64, x: &InputColumns) -> (f64, f64) {
    let mut any = q.iter().map(|q| q.abs() * 32768.0).sum::<f64>();
    // Codes add no more than their number times the largest of all hot columns, whatever they are.
    let (mut codes, mut largest) = (0, 0.0f64);
    for (run, count) in &x.runs {
        codes += count;
        for (q, span) in q[run.clone()].iter().zip(&x.span[run.clone()]) {
            any -= q.abs() * 32768.0;
            largest = largest.max(q.abs() * span.1);
        }
    }
    any += codes as f64 * largest;
    (
        proof::reach(proof::accumulator(q, bias, x.bounds())),
        bias.abs() + any,
    )
}

/// Variance of a row's output.
fn power(w: &[f64], x: &InputColumns) -> f64 {
    w.iter()
        .zip(x.mean.iter().zip(&x.square))
        .map(|(w, (m, sq))| w * w * (sq - m * m).max(0.0))
        .sum()
}

/// int8 rows.
///
/// # Errors
///
/// What would need a wide layer.
pub fn narrow(
    d: &Dense,
    x: &InputColumns,
    target: Target,
    correct_bias: bool,
) -> Result<Made<i8, Row>, Wide> {
    let mut made = Made {
        weight: Vec::with_capacity(d.weight.len()),
        rows: Vec::new(),
        accumulator: 0.0,
        accumulator_any: 0.0,
        noise: 0.0,
        power: 0.0,
    };
    let (mut noise, mut signal) = (0.0, 0.0);
    for row in 0..d.outputs {
        let (w, bias) = real(d, x, row);
        let largest = w.iter().fold(0.0f64, |m, w| m.max(w.abs()));
        // A row of zeros still has its bias, in a scale in which it is exact enough; and one whose
        // weights are next to nothing beside its bias may not be scaled so finely that the bias
        // leaves the accumulator.
        let span = (largest / 127.0).max(bias.abs() / 536_870_912.0);
        let least = span / target.step();
        let shifts = if matches!(target, Target::Hidden(_)) {
            17..=47
        } else {
            1..=16
        };
        let (mult, s) = multiplier(least, shifts).ok_or(Wide::Factor)?;
        let scale = f64::from(mult) / 2f64.powi(s as i32) * target.step();
        let (q, shift_mean, spread) = round_row(&w, x, scale, 127.0, !correct_bias && !x.features);
        noise += spread;
        signal += power(&w, x);
        let bias = if correct_bias {
            bias + shift_mean
        } else {
            bias
        };
        let bias = if scale > 0.0 {
            (bias / scale).round()
        } else {
            0.0
        };
        let (within, any) = bounds(&q, bias, x);
        made.accumulator = made.accumulator.max(within);
        made.accumulator_any = made.accumulator_any.max(any);
        if within >= 2147483648.0 {
            return Err(Wide::Accumulator);
        }
        if matches!(target, Target::Logits(_))
            && within * f64::from(mult) / 2f64.powi(s as i32) >= 2147483647.0
        {
            return Err(Wide::Logits);
        }
        let shift = if matches!(target, Target::Hidden(_)) {
            s - 17
        } else {
            16 - s
        };
        made.weight.extend(q.iter().map(|q| *q as i8));
        made.rows.push(Row {
            bias: bias as i32,
            mult,
            shift: shift as u8,
            zero: 0,
        });
    }
    made.noise = ratio(noise, signal);
    made.power = noise / d.outputs.max(1) as f64;
    Ok(made)
}

/// int16 rows.
#[must_use]
pub fn wide(d: &Dense, x: &InputColumns, target: Target, correct_bias: bool) -> Made<i16, WideRow> {
    let mut made = Made {
        weight: Vec::with_capacity(d.weight.len()),
        rows: Vec::new(),
        accumulator: 0.0,
        accumulator_any: 0.0,
        noise: 0.0,
        power: 0.0,
    };
    let (mut noise, mut signal) = (0.0, 0.0);
    for row in 0..d.outputs {
        let (w, bias) = real(d, x, row);
        let largest = w.iter().fold(0.0f64, |m, w| m.max(w.abs()));
        let span = (largest / 32767.0).max(bias.abs() / 2f64.powi(44));
        let least = span / target.step();
        // A factor beyond 32767 / 2 would need logits far out of Q16.16: it saturates.
        let (mult, s) = multiplier(least, 1..=46).unwrap_or((32767, 1));
        let scale = f64::from(mult) / 2f64.powi(s as i32) * target.step();
        let (q, shift_mean, spread) = round_row(&w, x, scale, 32767.0, false);
        noise += spread;
        signal += power(&w, x);
        let bias = if correct_bias {
            bias + shift_mean
        } else {
            bias
        };
        let bias = if scale > 0.0 {
            (bias / scale).round().clamp(-3.0e13, 3.0e13)
        } else {
            0.0
        };
        let (within, any) = bounds(&q, bias, x);
        made.accumulator = made.accumulator.max(within);
        made.accumulator_any = made.accumulator_any.max(any);
        made.weight.extend(q.iter().map(|q| *q as i16));
        made.rows.push(WideRow::new(bias as i64, mult, s as u8));
    }
    made.noise = ratio(noise, signal);
    made.power = noise / d.outputs.max(1) as f64;
    made
}

fn ratio(noise: f64, signal: f64) -> f64 {
    if noise <= 0.0 {
        0.0
    } else if signal <= 0.0 {
        1.0
    } else {
        noise / signal
    }
}
