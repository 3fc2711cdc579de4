//! Tables of pointwise functions: the scale of their input, their 257 values, and how far linear
//! interpolation between these is off.

use super::proof::Span;
use crate::eval::{Domain, Exact};
use crate::graph::Activation;
use mmoe::kernel::{CURVE_KNOTS, CurveTable};

/// Integer steps between two values of a table.
const INTERVAL: f64 = 256.0;
/// Values on each side of 0.
const SIDE: f64 = 128.0;

/// Where a function has corners.
fn corners(activation: Activation) -> Vec<f64> {
    match activation {
        Activation::HardSwish => vec![-3.0, 3.0],
        Activation::Clip { low, high } => vec![f64::from(low), f64::from(high)],
        // Theirs are at 0, which always has a value of its own.
        _ => Vec::new(),
    }
}

/// The real value of one step of a table's input, for inputs up to `reach`: as small as that
/// allows, or up to twice that where corners then lie on values of the table.
pub(super) fn input_step(activation: Activation, reach: f64) -> f64 {
    // Beyond its ends a clip is flat, as saturated inputs are.
    let reach = match activation {
        Activation::Clip { low, high } => {
            let ends = f64::from(low).abs().max(f64::from(high).abs());
            if ends > 0.0 {
                reach.min(ends * SIDE / (SIDE - 1.0))
            } else {
                reach
            }
        }
        _ => reach,
    };
    let finest = reach / 32767.0;
    let corners = corners(activation);
    // How far from values of the table the corners would lie.
    let missed = |step: f64| {
        let off = |corner: &f64| {
            let at = corner / (step * INTERVAL);
            if at.abs() >= SIDE {
                0.0
            } else {
                (at - at.round()).abs() * step * INTERVAL
            }
        };
        corners.iter().map(off).fold(0.0, f64::max)
    };
    let mut best = (missed(finest), finest);
    for corner in corners.iter().filter(|c| **c != 0.0) {
        let most = (corner.abs() / (finest * INTERVAL)).floor();
        let mut values = most.min(SIDE);
        while values >= 1.0 && 2.0 * values >= most {
            let step = corner.abs() / (values * INTERVAL);
            // Rounding noise does not make a coarser step better.
            if missed(step) < best.0 - 1e-9 * reach {
                best = (missed(step), step);
            }
            values -= 1.0;
        }
    }
    best.1
}

/// The table for these steps of input and output.
#[expect(clippy::cast_possible_truncation, reason = "clamped before")]
pub(super) fn table(activation: Activation, x_step: f64, y_step: f64) -> CurveTable {
    let mut values = [0i16; CURVE_KNOTS];
    for (i, value) in values.iter_mut().take(CURVE_KNOTS - 1).enumerate() {
        let x = (i as f64 - SIDE) * INTERVAL * x_step;
        let y = (Exact::activate(activation, x) / y_step).round();
        *value = y.clamp(-32768.0, 32767.0) as i16;
    }
    CurveTable { values }
}

/// The table's value at an integer, before rounding.
fn at(table: &CurveTable, x: f64) -> f64 {
    let u = (x + 32768.0) / INTERVAL;
    let i = (u.floor() as usize).min(CURVE_KNOTS - 3);
    let (a, b) = (f64::from(table.values[i]), f64::from(table.values[i + 1]));
    a + (b - a) * (u - i as f64)
}

/// What a table gives over a span of inputs, with the rounding of the last half step.
pub(super) fn outputs(table: &CurveTable, x: Span) -> Span {
    let (first, last) = ((x.0 / INTERVAL).ceil(), (x.1 / INTERVAL).floor());
    let inner = (first as i32..=last as i32).map(|i| f64::from(i) * INTERVAL);
    let ends = [x.0, x.1].into_iter();
    let (low, high) = ends
        .chain(inner)
        .map(|x| at(table, x))
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| {
            (low.min(y), high.max(y))
        });
    ((low - 1.0).max(-32768.0), (high + 1.0).min(32767.0))
}

/// The largest error over a span of inputs, as a real value: that of the interpolation, and half a
/// step of rounding. Where the function leaves the output's 16 bits, saturation is what is right.
pub(super) fn error(
    activation: Activation,
    table: &CurveTable,
    x: Span,
    x_step: f64,
    y_step: f64,
) -> f64 {
    let off = |x: i32| {
        let x = f64::from(x);
        let exact = Exact::activate(activation, x * x_step) / y_step;
        (at(table, x) - exact.clamp(-32768.0, 32767.0)).abs() * y_step
    };
    let worst = (x.0 as i32..=x.1 as i32).map(off).fold(0.0, f64::max);
    worst + 0.5 * y_step
}

#[cfg(test)]
mod tests {
    use super::{input_step, table};
    use crate::graph::Activation;

    #[test]
    fn corners_lie_on_values_of_the_table() {
        for reach in [0.7, 3.1, 5.0, 8.0, 13.7, 40.0, 300.0] {
            for (activation, corners) in [
                (Activation::HardSwish, [-3.0, 3.0]),
                (
                    Activation::Clip {
                        low: 0.0,
                        high: 6.0,
                    },
                    [0.0, 6.0],
                ),
                (
                    Activation::Clip {
                        low: -1.0,
                        high: 1.0,
                    },
                    [-1.0, 1.0],
                ),
                (
                    Activation::Clip {
                        low: -1.0,
                        high: 2.0,
                    },
                    [-1.0, 2.0],
                ),
            ] {
                let step = input_step(activation, reach);
                assert!(
                    step <= 2.0 * reach / 32767.0 * 1.001,
                    "{activation:?} {reach}"
                );
                for corner in corners {
                    let at = corner / step / 256.0;
                    assert!(
                        (at - at.round()).abs() < 1e-6 || at.abs() >= 128.0,
                        "{activation:?} {reach}: {corner} at {at}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_clip_ends_within_its_table() {
        let clip = Activation::Clip {
            low: 0.0,
            high: 6.0,
        };
        let step = input_step(clip, 1e6);
        let made = table(clip, step, 6.0 / 32767.0);
        assert_eq!((made.values[128], made.values[256]), (0, 32767));
    }
}
