//! Normalizations and Dice to integers: what stands for ε, and a record per unit.

use super::QLayer;
use crate::graph::Normalization;
use mmoe::kernel::{AffineRow, DiceRow};

/// The widest group of an integer normalization: up to here the sum of squares stays below 2⁶¹.
const WIDEST: usize = 16384;
/// Room beside that sum for what stands for ε: both together stay below 2⁶².
const MOST_ENERGY: f64 = 2_305_843_009_213_693_952.0;

/// `amount` as a sum of squares, if that leaves room.
fn energy(width: usize, amount: f64) -> Result<u64, &'static str> {
    if width > WIDEST {
        return Err("more than 16384 units in a group");
    }
    if amount >= MOST_ENERGY {
        return Err("an epsilon that outweighs all values");
    }
    Ok(amount.round() as u64)
}

/// What ε, added to a mean square of values in steps of `step`, adds to the sum of squared
/// deviations.
fn centred(width: usize, epsilon: f64, step: f64) -> Result<u64, &'static str> {
    let n = width as f64;
    // Deviations are n times as large, and where there are many, their squares are taken down.
    let down = (usize::BITS - width.saturating_sub(1).leading_zeros()).saturating_sub(7);
    energy(
        width,
        epsilon * n * n * n / (step * step) / 4f64.powi(down as i32),
    )
}

/// The energy of a Dice over its row, whose ε is added to a sum of squares.
pub(super) fn row_energy(width: usize, epsilon: f32, step: f64) -> Result<u64, &'static str> {
    centred(width, f64::from(epsilon) / width as f64, step)
}

/// A normalization of values in steps of `input` to values in steps of `step`.
pub(super) fn norm(
    by: Normalization,
    (gain, bias): (&[f32], &[f32]),
    epsilon: f32,
    input: f64,
    step: f64,
) -> Result<QLayer, &'static str> {
    let width = match by {
        Normalization::Layer { groups } => gain.len() / groups.max(1),
        Normalization::Rms | Normalization::Unit => gain.len(),
    };
    let n = width as f64;
    let epsilon = f64::from(epsilon);
    let (energy, root) = match by {
        Normalization::Layer { .. } => (centred(width, epsilon, input)?, n.sqrt()),
        Normalization::Rms => (energy(width, epsilon * n / (input * input))?, n.sqrt()),
        Normalization::Unit => (energy(width, epsilon / (input * input))?, 1.0),
    };
    let units = gain.iter().zip(bias).map(|(gain, bias)| {
        unit(f64::from(*gain) * root / step, f64::from(*bias) / step)
            .ok_or("a gain or bias that does not fit its record")
    });
    Ok(QLayer::Norm {
        by,
        energy,
        units: units.collect::<Result<_, _>>()?,
    })
}

/// `gain·u + bias` in output steps as a record, u being at most 1 as Q29.
fn unit(gain: f64, bias: f64) -> Option<AffineRow> {
    // u·gain/2^16 stays below 2^28, so a bias below 2^30 keeps the sum below 2^31.
    (0..=30u32).rev().find_map(|s| {
        let k = 2f64.powi(s as i32 + 1);
        let (g, b) = ((gain * k / 8192.0).round(), (bias * k).round());
        (g.abs() <= 32767.0 && b.abs() < 1_073_741_824.0).then_some(AffineRow {
            bias: b as i32,
            gain: g as i16,
            shift: s as u8,
            zero: 0,
        })
    })
}

/// Q12, below 8.
pub(super) fn q12(alpha: f32) -> i16 {
    (f64::from(alpha) * 4096.0).round().clamp(-32768.0, 32767.0) as i16
}

/// The records of a Dice on values in steps of `step`.
pub(super) fn dice(gain: &[f32], bias: &[f32], alpha: &[f32], step: f64) -> Option<Vec<DiceRow>> {
    let units = gain.iter().zip(bias).zip(alpha);
    units
        .map(|((gain, bias), alpha)| {
            // Q16.16 per step; a sigmoid beyond ±32 is 0 or 1, and so is one at ±8192.
            let gain = f64::from(*gain) * step * 65536.0;
            let bias = (f64::from(*bias) * 65536.0).clamp(-5.0e8, 5.0e8);
            (0..=30u32).rev().find_map(|s| {
                let k = 2f64.powi(s as i32);
                let (g, b) = ((gain * k).round(), (bias * k).round());
                (g.abs() <= 32767.0 && g.abs() * 32768.0 + b.abs() < 2_147_483_648.0).then_some(
                    DiceRow {
                        bias: b as i32,
                        gain: g as i16,
                        shift: s as u8,
                        zero: 0,
                        alpha: q12(*alpha),
                        zero2: 0,
                    },
                )
            })
        })
        .collect()
}
