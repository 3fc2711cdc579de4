//! An independent, slow evaluation of a [`Quantized`] model in 64- and 128-bit integers, written
//! from `docs/numerics.md`.
//!
//! It shares no code with the engine: it goes from the graph's wiring and the quantizer's numbers,
//! never through a blob, and its own arithmetic does not wrap, so it also sees where the engine's
//! would ([`Shadow`]).

mod record;

pub use record::quantize_record;

use crate::graph::rules::selector_bits;
use crate::graph::{Activation, GateKind, Graph, Normalization, Op, Output};
use crate::quantize::{QLayer, Quantized};
use mmoe::kernel::CurveTable;

/// The outputs of one row, and the gate weights that led to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Integers {
    /// Raw outputs, task after task, a word each: Q16.16 logits, Q31 probabilities, or the int16
    /// of an empty tower.
    pub raw: Vec<u32>,
    /// The same as f32, as a person sees them.
    pub shown: Vec<f32>,
    /// The Q15 weights of every gate node, in the order of what it sees.
    pub gates: Vec<Vec<u16>>,
}

/// How often a number went beyond the integers that the engine has for it. Loading does not need it;
/// the readback of a conversion does, to see that the proofs hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shadow {
    /// Per dense layer, in the order of the quantizer's report.
    pub layers: Vec<LayerShadow>,
    /// Sums of mixtures beyond 32 bits.
    pub mixtures: u64,
    /// Sums of affine layers beyond 32 bits.
    pub affine: u64,
}

/// How far the numbers of one dense layer went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayerShadow {
    /// Accumulators beyond 32 bits (int8 weights) or 2⁴⁶ (int16 weights).
    pub accumulators: u64,
    /// Logits of int8 weights beyond 32 bits.
    pub logits: u64,
    /// Results beyond 16 bits, which saturate; not those that a relu makes 0, nor those of a
    /// sigmoid or tanh, which are flat out there.
    pub saturated: u64,
    /// Results in all.
    pub results: u64,
    /// The largest |accumulator|.
    pub largest: u128,
}

impl Shadow {
    /// Returns `true` if any sum went beyond its integer, so that the engine's would have wrapped.
    #[must_use]
    pub fn wrapped(&self) -> bool {
        self.mixtures > 0
            || self.affine > 0
            || self
                .layers
                .iter()
                .any(|l| l.accumulators > 0 || l.logits > 0)
    }
    /// Returns how many results saturated at 16 bits, over all layers.
    #[must_use]
    pub fn saturated(&self) -> u64 {
        self.layers.iter().map(|l| l.saturated).sum()
    }
}

/// Converts features to int16, by the rules of the input stage.
#[must_use]
pub fn quantize_input(quantized: &Quantized, x: &[f32]) -> Vec<i16> {
    let features = x.iter().zip(&quantized.input);
    features.map(|(x, scale)| one_feature(*x, scale)).collect()
}

fn one_feature(x: f32, s: &mmoe::kernel::InputScale) -> i16 {
    let v = (x - s.offset) * s.scale;
    if v.is_nan() {
        0
    } else {
        f64::from(v).clamp(-32767.0, 32767.0).round_ties_even() as i16
    }
}

/// Whether a feature lies beyond what the input stage can hold, where it saturates.
#[must_use]
pub fn clips(scale: mmoe::kernel::InputScale, x: f32) -> bool {
    ((x - scale.offset) * scale.scale).abs() > 32767.5
}

/// Evaluates one row of int16 features and adds what happened to `shadow`.
///
/// # Panics
///
/// If `x` is not as wide as the input, `quantized` is not of `graph`, or the graph breaks the rules
/// of [`Graph::check`].
pub fn evaluate(graph: &Graph, quantized: &Quantized, x: &[i16], shadow: &mut Shadow) -> Integers {
    assert_eq!(
        x.len(),
        graph.width(0),
        "the row is not as wide as the input"
    );
    shadow
        .layers
        .resize(quantized.report.len(), LayerShadow::default());
    let mut values: Vec<Vec<i64>> = vec![x.iter().map(|x| i64::from(*x)).collect()];
    let mut gates = Vec::new();
    let mut dense = 0;
    for (node, q) in graph.nodes.iter().zip(&quantized.nodes) {
        let mut v = values[node.src][node.start..node.start + node.inputs].to_vec();
        for (l, layer) in q.layers.iter().enumerate() {
            let logits = l + 1 == q.layers.len() && node.ends_in_logits();
            v = run(layer, logits, &v, &mut dense, shadow);
        }
        if let Op::Gate { kind, sees, .. } = &node.op {
            let g = weights(*kind, sees.len(), &v);
            v = (0..node.outputs)
                .map(|h| {
                    let sum: i64 = sees.iter().zip(&g).map(|(s, g)| g * values[*s][h]).sum();
                    shadow.mixtures += u64::from(i32::try_from(sum).is_err());
                    sat16(i128::from((wrap32(sum) + (1 << 14)) >> 15))
                })
                .collect();
            gates.push(g.iter().map(|g| *g as u16).collect());
        }
        values.push(v);
    }
    let mut tasks: Vec<(Vec<u32>, Vec<f32>)> = Vec::new();
    for task in &graph.tasks {
        let word = |v: &i64| *v as u32;
        let q31 = |p: Vec<u32>| {
            let shown = p
                .iter()
                .map(|p| (f64::from(*p) / 2f64.powi(31)) as f32)
                .collect();
            (p, shown)
        };
        tasks.push(match task.output {
            Output::Linear { value } => {
                let unit = quantized.nodes[value - 1].unit.unwrap_or(f32::NAN);
                let one = if graph.nodes[value - 1].ends_in_logits() {
                    65536.0
                } else {
                    1.0
                };
                (
                    values[value].iter().map(word).collect(),
                    values[value]
                        .iter()
                        .map(|v| (*v as f64 / one) as f32 * unit)
                        .collect(),
                )
            }
            Output::Sigmoid { value } => {
                q31(values[value].iter().map(|z| sigmoid(*z) as u32).collect())
            }
            Output::Softmax { value } => q31(softmax(&values[value]).iter().map(word).collect()),
            Output::Product { a, b } => q31(vec![
                ((u64::from(tasks[a].0[0]) * u64::from(tasks[b].0[0])) >> 31) as u32,
            ]),
        });
    }
    let (raw, shown): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
    Integers {
        raw: raw.concat(),
        shown: shown.concat(),
        gates,
    }
}

fn sat16(v: i128) -> i64 {
    v.clamp(-32768, 32767) as i64
}

fn wrap32(v: i64) -> i64 {
    i64::from(v as i32)
}

/// `⌊(acc·mult + 2^(s−1)) / 2^s⌋`.
fn rounded(acc: i128, mult: u16, s: u32) -> i128 {
    (acc * i128::from(mult) + (1 << (s - 1))) >> s
}

fn run(
    layer: &QLayer,
    logits: bool,
    x: &[i64],
    dense: &mut usize,
    shadow: &mut Shadow,
) -> Vec<i64> {
    match layer {
        QLayer::I8 {
            weight,
            rows,
            activation,
            table,
        } => {
            let seen = &mut shadow.layers[*dense];
            *dense += 1;
            let rows = rows.iter().zip(weight.chunks(x.len()));
            rows.map(|(r, w)| {
                let acc = i64::from(r.bias)
                    + w.iter().zip(x).map(|(w, x)| i64::from(*w) * x).sum::<i64>();
                seen.note(i128::from(acc), 1 << 31);
                let acc = i128::from(wrap32(acc));
                if logits {
                    let z = rounded(acc, r.mult, 16 - u32::from(r.shift & 15));
                    seen.logits += u64::from(i32::try_from(z).is_err());
                    i64::from(z as i32)
                } else {
                    let y = rounded(acc, r.mult, 17 + u32::from(r.shift & 31));
                    activate(*activation, table.as_deref(), seen.fit(y, *activation))
                }
            })
            .collect()
        }
        QLayer::I16 {
            weight,
            rows,
            activation,
            table,
        } => {
            let seen = &mut shadow.layers[*dense];
            *dense += 1;
            let rows = rows.iter().zip(weight.chunks(x.len()));
            rows.map(|(r, w)| {
                let acc = i128::from(r.bias())
                    + w.iter()
                        .zip(x)
                        .map(|(w, x)| i128::from(*w) * i128::from(*x))
                        .sum::<i128>();
                seen.note(acc, 1 << 46);
                let y = rounded(
                    i128::from(acc as i64),
                    r.mult,
                    u32::from(r.shift & 63).max(1),
                );
                if logits {
                    y.clamp(1 - (1 << 30), (1 << 30) - 1) as i64
                } else {
                    activate(*activation, table.as_deref(), seen.fit(y, *activation))
                }
            })
            .collect()
        }
        QLayer::Affine(units) => x
            .iter()
            .zip(units)
            .map(|(v, u)| {
                let s = u32::from(u.shift & 31).max(1);
                let sum = v * i64::from(u.gain) + i64::from(u.bias) + (1 << (s - 1));
                shadow.affine += u64::from(i32::try_from(sum).is_err());
                sat16(i128::from(wrap32(sum) >> s))
            })
            .collect(),
        QLayer::PRelu(slopes) => x
            .iter()
            .zip(slopes)
            .map(|(v, s)| leaky(*v, i64::from(*s)))
            .collect(),
        QLayer::Constant(weights) => weights.iter().map(|w| i64::from(*w)).collect(),
        QLayer::Pointwise { activation, table } => x
            .iter()
            .map(|v| activate(*activation, table.as_deref(), *v))
            .collect(),
        QLayer::Norm { by, energy, units } => {
            let groups = match by {
                Normalization::Layer { groups } => *groups,
                Normalization::Rms | Normalization::Unit => 1,
            };
            let width = x.len() / groups;
            let parts = x.chunks(width).zip(units.chunks(width));
            parts
                .flat_map(|(x, units)| {
                    let scaled = normalized(*by, *energy, x).into_iter().zip(units);
                    scaled
                        .map(|(u, row)| {
                            let v = ((u * i64::from(row.gain)) >> 16) + i64::from(row.bias);
                            shadow.affine += u64::from(i32::try_from(v).is_err());
                            sat16(i128::from(((wrap32(v) >> (row.shift & 31)) + 1) >> 1))
                        })
                        .collect::<Vec<_>>()
                })
                .collect()
        }
        QLayer::Dice(rows) => x
            .iter()
            .zip(rows)
            .map(|(v, row)| {
                let sum = v * i64::from(row.gain) + i64::from(row.bias);
                shadow.affine += u64::from(i32::try_from(sum).is_err());
                dice(*v, i64::from(row.alpha), wrap32(sum) >> (row.shift & 31))
            })
            .collect(),
        QLayer::RowDice { energy, alpha } => {
            let by = Normalization::Layer { groups: 1 };
            let scaled = normalized(by, *energy, x).into_iter().zip(x);
            scaled
                .map(|(u, v)| dice(*v, i64::from(*alpha), u >> 13))
                .collect()
        }
    }
}

/// Each value of a group over the root of its energy, as Q29.
fn normalized(by: Normalization, energy: u64, x: &[i64]) -> Vec<i64> {
    let n = x.len() as i64;
    let mut bits = 0;
    while 1 << bits < n {
        bits += 1;
    }
    let (c, k): (Vec<i64>, i32) = match by {
        Normalization::Layer { .. } => {
            let sum: i64 = x.iter().sum();
            (x.iter().map(|v| n * v - sum).collect(), (bits - 7).max(0))
        }
        Normalization::Rms | Normalization::Unit => (x.to_vec(), 0),
    };
    let half = (1i128 << (2 * k)) / 2;
    let squares = c.iter().map(|c| (i128::from(*c).pow(2) + half) >> (2 * k));
    let squares: i128 = squares.sum();
    let total = if by == Normalization::Unit {
        squares.max(i128::from(energy))
    } else {
        squares + i128::from(energy)
    };
    let mut z = 62;
    while z > 2 && total << z >= 1 << 64 {
        z -= 1;
    }
    z -= z % 2;
    let r = i128::from(rsqrt((total << z >> 32) as u64));
    let s = z / 2 - 1 - k;
    let scaled = |c: i64| if s < 0 { c >> -s } else { c << s };
    c.iter()
        .map(|c| ((i128::from(scaled(*c)) * r) >> 32) as i64)
        .collect()
}

/// 2³⁰ / √(m / 2³²).
fn rsqrt(m: u64) -> u64 {
    let mut r = 0x8C28_F5C2 - mulhi(m, 0x5000_0000);
    for _ in 0..4 {
        let w = 0xC000_0000 - 4 * mulhi(m, mulhi(r, r));
        r = 2 * mulhi(r, w);
    }
    r.min((1 << 31) - 1)
}

/// `v·(alpha + (1 − alpha)·P(z))`, alpha as Q12.
fn dice(v: i64, alpha: i64, z: i64) -> i64 {
    let p = (sigmoid(z) + (1 << 15)) >> 16;
    let weight = (alpha * ((1 << 15) - p) + (p << 12) + (1 << 11)) >> 12;
    sat16(i128::from((v * weight + (1 << 14)) >> 15))
}

impl LayerShadow {
    fn note(&mut self, acc: i128, bound: i128) {
        self.results += 1;
        self.largest = self.largest.max(acc.unsigned_abs());
        self.accumulators += u64::from(acc >= bound || acc < -bound);
    }
    fn fit(&mut self, y: i128, activation: Activation) -> i64 {
        let harmless = match activation {
            Activation::Relu => y < 0,
            // Flat out there on both sides.
            Activation::Sigmoid | Activation::Tanh | Activation::Clip { .. } => true,
            _ => false,
        };
        self.saturated += u64::from(!harmless && i16::try_from(y).is_err());
        sat16(y)
    }
}

fn leaky(v: i64, slope: i64) -> i64 {
    sat16(i128::from(if v < 0 {
        (v * slope + (1 << 13)) >> 14
    } else {
        v
    }))
}

fn activate(activation: Activation, table: Option<&CurveTable>, v: i64) -> i64 {
    if let Some(table) = table {
        let u = (v + 32768) as usize;
        let (i, f) = (u / 256, (u % 256) as i64);
        let (a, b) = (i64::from(table.values[i]), i64::from(table.values[i + 1]));
        return a + (((b - a) * f + 128) >> 8);
    }
    match activation {
        Activation::Linear => v,
        Activation::Relu => v.max(0),
        // Q14, rounded to nearest.
        Activation::LeakyRelu { slope } => leaky(
            v,
            (f64::from(slope) * 16384.0)
                .round()
                .clamp(-32768.0, 32767.0) as i64,
        ),
        Activation::Sigmoid => ((sigmoid(v * 32) + (1 << 15)) >> 16).min(32767),
        Activation::Tanh => sat16(i128::from(
            (2 * sigmoid(v * 64) - (1 << 31) + (1 << 15)) >> 16,
        )),
        // A curve without its table.
        _ => v,
    }
}

fn mulhi(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 32) as u64
}

/// e^−d for d in unsigned Q16.16, as Q31.
fn exp(d: u64) -> u64 {
    if d >= 1 << 21 {
        return 0;
    }
    let t = mulhi(d << 11, 0xB8AA_3B29);
    let f = (t << 6) & 0xFFFF_FFFF;
    let coefficients = [
        0x2a_5309,
        0x13a_79c4,
        0x71a_9948,
        0x1ebf_ba83,
        0x58b9_0bf0,
        0x7fff_ffff,
    ];
    let p = coefficients.iter().fold(0x3c405, |p, c| c - mulhi(p, f));
    if t >> 26 > 31 { 0 } else { p >> (t >> 26) }
}

/// 2⁶³ / d for d in 2³¹ .. 2³².
fn reciprocal(d: u64) -> u64 {
    let mut x = 0x1_6969_6969 - mulhi(d, 0xF0F0_F0F0);
    for _ in 0..3 {
        let u = ((1 << 32) - mulhi(d, x)) & 0xFFFF_FFFF;
        x = ((u128::from(x) * u128::from(u)) >> 31) as u64;
    }
    x
}

/// The probability of a Q16.16 logit, as Q31.
fn sigmoid(z: i64) -> i64 {
    let e = exp(z.unsigned_abs());
    let q = mulhi(e, reciprocal((1 << 31) + e)) as i64;
    if z < 0 { q } else { (1 << 31) - q }
}

/// The probabilities of Q16.16 logits, as Q31.
fn softmax(z: &[i64]) -> Vec<i64> {
    let k = selector_bits(z.len()) as u32;
    let max = z.iter().copied().max().unwrap_or(0);
    let e: Vec<u64> = z
        .iter()
        .map(|z| exp((max - z).unsigned_abs()) >> k)
        .collect();
    let sum: u64 = e.iter().sum();
    let h = (31 - k..=31).filter(|j| sum < 1 << j).count();
    let x = reciprocal(sum << h);
    e.iter().map(|e| mulhi(e << h, x) as i64).collect()
}

/// Softmax as gate weights in Q15 that sum to 32768.
fn softmax_gate(z: &[i64]) -> Vec<i64> {
    let mut g: Vec<i64> = softmax(z).iter().map(|q| (q + (1 << 15)) >> 16).collect();
    let rest = 32768 - g.iter().sum::<i64>();
    if let Some(first) = z.iter().position(|a| z.iter().all(|b| a >= b)) {
        g[first] += rest;
    }
    g
}

fn weights(kind: GateKind, experts: usize, z: &[i64]) -> Vec<i64> {
    // How many logits go before this one: larger ones, and equal ones with a lower index.
    let rank = |i: usize| {
        (0..z.len())
            .filter(|j| z[*j] > z[i] || (z[*j] == z[i] && *j < i))
            .count()
    };
    match kind {
        GateKind::Softmax => softmax_gate(z),
        GateKind::Linear => z
            .iter()
            .map(|z| ((z + 1) >> 1).clamp(-32767, 32768))
            .collect(),
        GateKind::Sigmoid => z.iter().map(|z| (sigmoid(*z) + (1 << 15)) >> 16).collect(),
        GateKind::Hard => (0..z.len())
            .map(|i| if rank(i) == 0 { 32768 } else { 0 })
            .collect(),
        GateKind::TopK {
            k,
            renormalise: false,
        } => softmax_gate(z)
            .iter()
            .enumerate()
            .map(|(i, g)| if rank(i) < k { *g } else { 0 })
            .collect(),
        GateKind::TopK {
            k,
            renormalise: true,
        } => {
            let chosen: Vec<usize> = (0..z.len()).filter(|i| rank(*i) < k).collect();
            let g = softmax_gate(&chosen.iter().map(|i| z[*i]).collect::<Vec<_>>());
            let mut all = vec![0; z.len()];
            for (i, g) in chosen.iter().zip(g) {
                all[*i] = g;
            }
            all
        }
        GateKind::Constant => z.to_vec(),
        GateKind::DSelectK { k } => {
            let bits = selector_bits(experts);
            let step = |x: i64| {
                let u = x.clamp(-(1 << 15), 1 << 15) + (1 << 15);
                (u * u * (3 * (1 << 16) - 2 * u)) >> 18
            };
            let a = softmax(&z[k * bits..]);
            let weight = |e: usize| {
                let sum: i64 = (0..k)
                    .map(|j| {
                        let w = (0..bits).fold(1i64 << 30, |w, b| {
                            let s = step(z[j * bits + b]);
                            (w * if e >> (bits - 1 - b) & 1 == 1 {
                                s
                            } else {
                                (1 << 30) - s
                            }) >> 30
                        });
                        (a[j] * w) >> 30
                    })
                    .sum();
                (sum + (1 << 15)) >> 16
            };
            (0..experts).map(weight).collect()
        }
    }
}
