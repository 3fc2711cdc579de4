//! The domain of exact values: f64 numbers, by the formulas.

use super::Domain;
use crate::graph::{Activation, Dense, GateKind, Normalization};

/// Values as f64 has them, which is exact for comparisons with f32 and with integers.
#[derive(Debug, Clone, Copy)]
pub struct Exact;

impl Domain for Exact {
    type Number = f64;

    fn exact(v: f64) -> f64 {
        v
    }

    fn dense(layer: &Dense, x: &[f64]) -> Vec<f64> {
        /// Rows summed side by side: one sum waits for its last addition, four hide that.
        const ROWS: usize = 4;
        let mut y: Vec<f64> = Vec::with_capacity(layer.outputs);
        let rows = layer.weight.chunks(layer.inputs.max(1) * ROWS);
        for (rows, bias) in rows.zip(layer.bias.chunks(ROWS)) {
            if let [a, b, c, d] = bias {
                let (first, rest) = rows.split_at(layer.inputs);
                let (second, rest) = rest.split_at(layer.inputs);
                let (third, fourth) = rest.split_at(layer.inputs);
                let mut sums = [0.0; ROWS];
                let weights = first.iter().zip(second).zip(third.iter().zip(fourth));
                for (((p, q), (r, s)), x) in weights.zip(x) {
                    sums[0] += f64::from(*p) * x;
                    sums[1] += f64::from(*q) * x;
                    sums[2] += f64::from(*r) * x;
                    sums[3] += f64::from(*s) * x;
                }
                y.extend(
                    sums.iter()
                        .zip([a, b, c, d])
                        .map(|(sum, b)| sum + f64::from(*b)),
                );
            } else {
                let row = |w: &[f32]| w.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>();
                let sums = rows.chunks(layer.inputs.max(1)).map(row);
                y.extend(sums.zip(bias).map(|(sum, b)| sum + f64::from(*b)));
            }
        }
        y
    }

    fn activate(activation: Activation, x: f64) -> f64 {
        match activation {
            Activation::Linear => x,
            Activation::Relu => x.max(0.0),
            Activation::LeakyRelu { slope } => {
                if x >= 0.0 {
                    x
                } else {
                    f64::from(slope) * x
                }
            }
            Activation::Sigmoid => sigmoid(x),
            Activation::Tanh => x.tanh(),
            Activation::Gelu => 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Activation::GeluTanh => {
                let z = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
                0.5 * x * (1.0 + z.tanh())
            }
            Activation::Silu { rate } => x * sigmoid(f64::from(rate) * x),
            Activation::Elu { depth, rate, slope } => {
                if x < 0.0 {
                    f64::from(depth) * (f64::from(rate) * x).exp_m1()
                } else {
                    f64::from(slope) * x
                }
            }
            Activation::Softplus { rate } => {
                let rate = f64::from(rate);
                softplus(rate * x) / rate
            }
            Activation::Mish => x * softplus(x).tanh(),
            Activation::Softsign => x / (1.0 + x.abs()),
            Activation::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
            // Not `clamp`, which panics where a hostile graph's bounds are out of order.
            Activation::Clip { low, high } => x.min(f64::from(high)).max(f64::from(low)),
            Activation::Exp => x.exp(),
            Activation::Square => x * x,
        }
    }

    fn affine(gain: f64, bias: f64, x: f64) -> f64 {
        gain * x + bias
    }

    fn norm(by: Normalization, gain: &[f32], bias: &[f32], epsilon: f64, x: &[f64]) -> Vec<f64> {
        let (mean, deviation) = scale(by, epsilon, x);
        x.iter()
            .zip(gain.iter().zip(bias))
            .map(|(x, (g, b))| (x - mean) / deviation * f64::from(*g) + f64::from(*b))
            .collect()
    }

    fn dice(alpha: f64, p: f64, x: f64) -> f64 {
        p * x + (1.0 - p) * alpha * x
    }

    fn gate(kind: GateKind, experts: usize, logits: &[f64]) -> Vec<f64> {
        gate_weights(kind, experts, logits)
    }

    fn mix(_: GateKind, weights: &[f64], seen: &[f64]) -> f64 {
        weights.iter().zip(seen).map(|(g, v)| g * v).sum()
    }

    fn product(a: f64, b: f64) -> f64 {
        a * b
    }
}

/// What a normalization takes off and what it divides by.
pub(super) fn scale(by: Normalization, epsilon: f64, x: &[f64]) -> (f64, f64) {
    #[expect(clippy::cast_precision_loss, reason = "a width is far below 2^52")]
    let n = x.len() as f64;
    let squares = |mean: f64| x.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    match by {
        Normalization::Layer { .. } => {
            let mean = x.iter().sum::<f64>() / n;
            (mean, (squares(mean) / n + epsilon).sqrt())
        }
        Normalization::Rms => (0.0, (squares(0.0) / n + epsilon).sqrt()),
        Normalization::Unit => (0.0, squares(0.0).max(epsilon).sqrt()),
    }
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

fn softmax(z: &[f64]) -> Vec<f64> {
    let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let e: Vec<f64> = z.iter().map(|z| (z - max).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|e| e / sum).collect()
}

/// The weights that a gate of this kind gives `experts` experts for these logits.
#[must_use]
pub fn gate_weights(kind: GateKind, experts: usize, z: &[f64]) -> Vec<f64> {
    match kind {
        GateKind::Softmax => softmax(z),
        GateKind::Sigmoid => z.iter().map(|z| sigmoid(*z)).collect(),
        GateKind::Constant | GateKind::Linear => z.to_vec(),
        GateKind::Hard => top(z, 1)
            .into_iter()
            .map(|chosen| f64::from(u8::from(chosen)))
            .collect(),
        GateKind::TopK { k, renormalise } => {
            let chosen = top(z, k);
            let p = softmax(z);
            let sum: f64 = p
                .iter()
                .zip(&chosen)
                .filter(|(_, c)| **c)
                .map(|(p, _)| p)
                .sum();
            let divisor = if renormalise { sum } else { 1.0 };
            p.iter()
                .zip(&chosen)
                .map(|(p, c)| if *c { p / divisor } else { 0.0 })
                .collect()
        }
        GateKind::DSelectK { k } => {
            let bits = crate::graph::rules::selector_bits(experts);
            let mixing = softmax(&z[k * bits..]);
            (0..experts)
                .map(|e| {
                    (0..k)
                        .map(|s| mixing[s] * selector(&z[s * bits..(s + 1) * bits], e))
                        .sum()
                })
                .collect()
        }
    }
}

/// Which logits are among the `k` largest; of equal ones the first.
fn top(z: &[f64], k: usize) -> Vec<bool> {
    (0..z.len())
        .map(|i| {
            let ahead = (0..z.len())
                .filter(|j| z[*j] > z[i] || (z[*j] == z[i] && *j < i))
                .count();
            ahead < k
        })
        .collect()
}

/// How far one selector's bits, the most significant first, choose expert `e`.
fn selector(z: &[f64], e: usize) -> f64 {
    z.iter()
        .rev()
        .enumerate()
        .map(|(bit, z)| {
            let s = smooth_step(*z);
            if e >> bit & 1 == 1 { s } else { 1.0 - s }
        })
        .product()
}

/// The smooth-step of DSelect-k with γ = 1.
fn smooth_step(x: f64) -> f64 {
    if x <= -0.5 {
        0.0
    } else if x >= 0.5 {
        1.0
    } else {
        -2.0 * x.powi(3) + 1.5 * x + 0.5
    }
}

#[cfg(test)]
mod tests {
    use super::{gate_weights, smooth_step};
    use crate::graph::GateKind;

    fn close(a: &[f64], b: &[f64]) {
        assert_eq!(a.len(), b.len());
        assert!(
            a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12),
            "{a:?} {b:?}"
        );
    }

    #[test]
    fn gates_follow_their_formulas() {
        let z = [0.0, 2f64.ln(), 0.0];
        close(&gate_weights(GateKind::Softmax, 3, &z), &[0.25, 0.5, 0.25]);
        close(
            &gate_weights(GateKind::Sigmoid, 3, &z),
            &[0.5, 2.0 / 3.0, 0.5],
        );
        close(
            &gate_weights(GateKind::Hard, 3, &[1.0, 3.0, 3.0]),
            &[0.0, 1.0, 0.0],
        );
        close(
            &gate_weights(
                GateKind::TopK {
                    k: 2,
                    renormalise: false,
                },
                3,
                &z,
            ),
            &[0.25, 0.5, 0.0],
        );
        close(
            &gate_weights(
                GateKind::TopK {
                    k: 2,
                    renormalise: true,
                },
                3,
                &z,
            ),
            &[1.0 / 3.0, 2.0 / 3.0, 0.0],
        );
        close(
            &gate_weights(GateKind::Constant, 2, &[0.3, 0.9]),
            &[0.3, 0.9],
        );
    }

    #[test]
    fn dselect_reads_its_bits_most_significant_first_and_ignores_codes_beyond_the_experts() {
        // Selector 0 says binary 10 = expert 2, selector 1 says binary 11 = no expert of three.
        let z = [9.0, -9.0, 9.0, 9.0, 0.0, 3f64.ln()];
        close(
            &gate_weights(GateKind::DSelectK { k: 2 }, 3, &z),
            &[0.0, 0.0, 0.25],
        );
        close(
            &[
                smooth_step(-0.5),
                smooth_step(0.0),
                smooth_step(0.25),
                smooth_step(0.5),
            ],
            &[0.0, 0.5, 0.84375, 1.0],
        );
        // One expert needs no bits.
        close(
            &gate_weights(GateKind::DSelectK { k: 1 }, 1, &[0.7]),
            &[1.0],
        );
    }
}
