//! What a model takes on a microcontroller, before anything is flashed: estimated from what was
//! measured on emulated cores.
//!
//! `cargo xtask measure` writes the measurements ([`Measurements`], `cores.json`). For a core, an
//! optimization level and a precision the instructions of an inference are
//!
//! ```text
//! a·multiply-accumulates + b·rows + c·layers + d·exponentials
//! ```
//!
//! with a to d ≥ 0 that fit the measured models best; wide layers add their measured difference
//! per multiply-accumulate. The error that an estimate states is the largest that comes out when
//! each measured model is estimated from the others; which of the four terms there are is chosen
//! so that this error is the smallest (where floats are emulated in software, a few hundred
//! instructions of an exponential drown in how much a product varies with its operands).

use mmoe::blob::{Blob, LayerRecord, PackingKind, PrecisionKind};
use serde::{Deserialize, Serialize};

use crate::cost::work::TERMS;
use crate::cost::{Cost, Work};

/// Everything measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurements {
    /// One entry per core, level, model and precision.
    pub inferences: Vec<Inference>,
    /// Code sizes, one entry per core, level, model and precision.
    pub code: Vec<Code>,
}

/// One model on one core.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inference {
    /// `m0`, `m3`, `m4f`, `m33`, `riscv`.
    pub core: String,
    /// The opt-level: `3` or `s`.
    pub level: String,
    /// Which model.
    pub model: String,
    /// `F32`, `W8`, `I8` or `I8-quad`.
    pub precision: String,
    /// What there is to do.
    pub work: Work,
    /// Instructions from features to outputs.
    pub predict: u64,
    /// Instructions from activations to raw outputs.
    pub predict_q: u64,
    /// Bytes of stack that `predict` takes.
    pub stack: u64,
    /// Bytes among them that are the model's buffers.
    pub scratch: u64,
}

/// The code of one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Code {
    /// As in [`Inference`].
    pub core: String,
    /// As in [`Inference`].
    pub level: String,
    /// As in [`Inference`].
    pub precision: String,
    /// Bytes of the loader and of inference, without weights.
    pub bytes: u64,
}

/// The precision of a whole model, as [`Inference::precision`] names it.
#[must_use]
pub fn precision_of(blob: &Blob<'_>) -> &'static str {
    let any = |of: fn(&LayerRecord) -> bool| blob.layers.iter().any(of);
    if any(LayerRecord::is_integer) {
        let packing = packing_of(blob).unwrap_or_default();
        let named = PACKINGS.iter().find(|(p, _)| *p == packing);
        named.map_or("I8", |(_, name)| name)
    } else if any(|l| l.precision() == Some(PrecisionKind::W8)) {
        "W8"
    } else {
        "F32"
    }
}

/// The packing of a model's int8 weights; `None` where it has none.
#[must_use]
pub fn packing_of(blob: &Blob<'_>) -> Option<PackingKind> {
    let mut layers = blob.layers.iter();
    layers
        .find(|l| l.precision() == Some(PrecisionKind::I8))
        .and_then(LayerRecord::packing)
}

/// The packings of int8 weights, as [`Inference::precision`] names models in them.
pub const PACKINGS: [(PackingKind, &str); 3] = [
    (PackingKind::Panels, "I8"),
    (PackingKind::Quad, "I8-quad"),
    (PackingKind::Pairs, "I8-pairs"),
];

/// What a model will take on a core.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Instructions of `predict`, from features.
    pub predict: f64,
    /// Instructions of `predict_q`, from activations; the same in float models.
    pub predict_q: f64,
    /// By which share either may be off: the largest error on measured models that were left out
    /// of the fit.
    pub error: f64,
    /// Bytes of code: loader and inference.
    pub code: u64,
    /// Bytes of stack, with the calls' own.
    pub stack: u64,
}

/// Cores in the order of the table, with their names.
pub const CORES: [(&str, &str); 7] = [
    ("m0", "Cortex-M0"),
    ("m3", "Cortex-M3"),
    ("m4f", "Cortex-M4F"),
    ("m33", "Cortex-M33"),
    ("m33dsp", "Cortex-M33 with DSP"),
    ("m55", "Cortex-M55"),
    ("riscv", "RISC-V RV32IMAC"),
];

/// How an instruction count becomes a time: cycles an instruction, by the cores' published timing
/// tables, with no wait states.
pub const CYCLES: (f64, f64) = (1.0, 1.6);

impl Measurements {
    /// Those that this tool was built with.
    ///
    /// # Panics
    ///
    /// Not with the file that the repository holds; a test reads it.
    #[must_use]
    pub fn built_in() -> Self {
        serde_json::from_str(include_str!("cores.json"))
            .expect("cores.json is what `cargo xtask measure` wrote")
    }

    fn of(&self, core: &str, level: &str, precision: &str) -> Vec<&Inference> {
        self.inferences
            .iter()
            .filter(|i| i.core == core && i.level == level && i.precision == precision)
            .collect()
    }

    /// The packing of int8 weights that suits a core: the one in which the measured models take the
    /// fewest instructions, all of them together. `None` for a core that was not measured.
    #[must_use]
    pub fn packing(&self, core: &str) -> Option<PackingKind> {
        let total = |precision: &str| -> u64 {
            let packed = |i: &&Inference| {
                self.of(core, "3", "I8-quad")
                    .iter()
                    .any(|q| q.model == i.model)
            };
            self.of(core, "3", precision)
                .into_iter()
                .filter(packed)
                .map(|i| i.predict_q)
                .sum()
        };
        PACKINGS
            .iter()
            .map(|(packing, precision)| (*packing, total(precision)))
            .filter(|(_, total)| *total > 0)
            .min_by_key(|(_, total)| *total)
            .map(|(packing, _)| packing)
    }

    /// Instructions that a multiply-accumulate of 16-bit weights takes more than one of 8-bit
    /// weights in this packing.
    fn wider(&self, core: &str, level: &str, precision: &str) -> f64 {
        let find = |precision: &str, model: &str| {
            let all = self.of(core, level, precision);
            all.into_iter().find(|i| i.model == model)
        };
        match (find(precision, "recsys"), find("I8", "recsys-wide")) {
            (Some(a), Some(b)) if b.work.wide > a.work.wide => {
                (b.predict_q as f64 - a.predict_q as f64) / (b.work.wide - a.work.wide) as f64
            }
            _ => 0.0,
        }
    }

    /// What a model of this work will take, estimated with these terms and without the model called
    /// `without`: from features, and from activations.
    fn instructions(
        &self,
        core: &str,
        level: &str,
        precision: &str,
        work: Work,
        terms: u32,
        without: Option<&str>,
    ) -> Option<(f64, f64)> {
        let wider = if precision.starts_with("I8") {
            self.wider(core, level, precision)
        } else {
            0.0
        };
        let known: Vec<&Inference> = self
            .of(core, level, precision)
            .into_iter()
            .filter(|i| Some(i.model.as_str()) != without)
            .collect();
        if known.is_empty() {
            return None;
        }
        let inner: Vec<([f64; TERMS], f64)> = known
            .iter()
            .map(|i| {
                (
                    i.work.features(),
                    i.predict_q as f64 - wider * i.work.wide as f64,
                )
            })
            .collect();
        let outer: Vec<([f64; 2], f64)> = known
            .iter()
            .map(|i| {
                (
                    [i.work.inputs as f64, i.work.outputs as f64],
                    i.predict as f64 - i.predict_q as f64,
                )
            })
            .filter(|(_, y)| *y > 0.0)
            .collect();
        let predict_q = dot(fit(&inner, terms), work.features()) + wider * work.wide as f64;
        let predict = predict_q + dot(fit(&outer, 0b11), [work.inputs as f64, work.outputs as f64]);
        Some((predict, predict_q))
    }

    /// The terms to estimate with, and the largest relative error of measured models that are each
    /// estimated from the others.
    fn terms(&self, core: &str, level: &str, precision: &str) -> Option<(u32, f64)> {
        let known = self.of(core, level, precision);
        let error = |terms| {
            let errors = known.iter().filter_map(|i| {
                let (predict, predict_q) =
                    self.instructions(core, level, precision, i.work, terms, Some(&i.model))?;
                Some(
                    (predict / i.predict as f64 - 1.0)
                        .abs()
                        .max((predict_q / i.predict_q as f64 - 1.0).abs()),
                )
            });
            errors.reduce(f64::max)
        };
        (1..1 << TERMS)
            .filter_map(|terms| Some((terms, error(terms)?)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// The error that estimates for this core, level and precision state.
    #[must_use]
    pub fn error(&self, core: &str, level: &str, precision: &str) -> Option<f64> {
        self.terms(core, level, precision).map(|(_, error)| error)
    }

    /// What a blob will take; `None` for a core, level or precision that was not measured.
    #[must_use]
    pub fn estimate(
        &self,
        core: &str,
        level: &str,
        blob: &Blob<'_>,
        cost: &Cost,
    ) -> Option<Estimate> {
        let precision = precision_of(blob);
        let work = Work::of(blob);
        let (terms, error) = self.terms(core, level, precision)?;
        let (predict, predict_q) = self.instructions(core, level, precision, work, terms, None)?;
        let shown = |w: &Work| {
            if precision.starts_with("I8") {
                4 * w.outputs
            } else {
                0
            }
        };
        let calls = self
            .of(core, level, precision)
            .iter()
            .map(|i| i.stack.saturating_sub(i.scratch + shown(&i.work)))
            .max()?;
        let code = |c: &&Code| c.core == core && c.level == level && c.precision == precision;
        Some(Estimate {
            predict,
            predict_q,
            error,
            code: self.code.iter().filter(code).map(|c| c.bytes).max()?,
            stack: cost.ram() as u64 + shown(&work) + calls,
        })
    }
}

fn dot<const N: usize>(a: [f64; N], b: [f64; N]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Returns the coefficients of `terms` (one bit each), none below 0, whose relative errors have the
/// smallest sum of squares.
///
/// A negative price of an operation would make no sense and would spoil estimates of larger models,
/// so the coefficients are bounded. There are at most four, so every set of coefficients that may
/// differ from 0 is solved without the bound, and the best solution that happens to keep it wins. The
/// optimum under the bound is always among them.
fn fit<const N: usize>(points: &[([f64; N], f64)], terms: u32) -> [f64; N] {
    let error = |c: [f64; N]| {
        points
            .iter()
            .map(|(x, y)| (dot(c, *x) / y - 1.0).powi(2))
            .sum::<f64>()
    };
    let chosen = (1..1u32 << N).filter(|chosen| chosen & !terms == 0);
    let solutions = chosen
        .filter_map(|chosen| solve(points, chosen))
        .filter(|c| c.iter().all(|c| *c >= 0.0));
    solutions
        .min_by(|a, b| error(*a).total_cmp(&error(*b)))
        .unwrap_or([0.0; N])
}

/// Returns the least-squares solution for the relative errors with the coefficients of `chosen` alone,
/// or `None` where the points do not determine it.
///
/// Errors are relative because the models differ in size by a factor of a hundred: with absolute
/// errors the largest model alone would decide. Dividing each point by its `y` turns `c·x ≈ y` into
/// `c·(x / y) ≈ 1`, an ordinary problem, whose normal equations are `m·c = v`.
fn solve<const N: usize>(points: &[([f64; N], f64)], chosen: u32) -> Option<[f64; N]> {
    let used = |i: usize| chosen >> i & 1 != 0;
    let mut m = [[0.0; N]; N];
    let mut v = [0.0; N];
    for (x, y) in points {
        for i in 0..N {
            v[i] += x[i] / y;
            for j in 0..N {
                m[i][j] += x[i] * x[j] / (y * y);
            }
        }
    }
    // A coefficient that is not chosen gets the equation `c = 0`, so that the matrix keeps its size.
    for i in (0..N).filter(|i| !used(*i)) {
        m[i] = [0.0; N];
        m.iter_mut().for_each(|row| row[i] = 0.0);
        (m[i][i], v[i]) = (1.0, 0.0);
    }
    // Gaussian elimination without a choice of pivots: the matrix is symmetric and positive
    // semidefinite, so a pivot of nearly zero means that the points do not tell two terms apart.
    for i in 0..N {
        let pivot = m[i][i];
        if pivot.abs() < 1e-12 * points.len() as f64 {
            return None;
        }
        for j in i + 1..N {
            let factor = m[j][i] / pivot;
            let row = m[i];
            m[j].iter_mut().zip(row).for_each(|(a, b)| *a -= factor * b);
            v[j] -= factor * v[i];
        }
    }
    // The matrix is triangular now: back substitution from the last coefficient.
    let mut c = [0.0; N];
    for i in (0..N).rev() {
        c[i] = (v[i] - (i + 1..N).map(|j| m[i][j] * c[j]).sum::<f64>()) / m[i][i];
    }
    Some(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_finds_what_made_the_numbers_and_nothing_below_zero() {
        let points: Vec<([f64; 3], f64)> = [
            [1000.0, 10.0, 2.0],
            [3000.0, 70.0, 9.0],
            [500.0, 40.0, 4.0],
            [9000.0, 20.0, 0.0],
        ]
        .map(|x| (x, dot([2.5, 30.0, 400.0], x)))
        .to_vec();
        let found = fit(&points, 0b111);
        assert!(
            found
                .iter()
                .zip([2.5, 30.0, 400.0])
                .all(|(a, b)| (a / b - 1.0).abs() < 1e-6),
            "{found:?}"
        );
        let falling: Vec<([f64; 2], f64)> = [[1.0, 1.0], [2.0, 6.0], [3.0, 12.0]]
            .map(|x| (x, 10.0 * x[0] - 0.5 * x[1]))
            .to_vec();
        assert!(fit(&falling, 0b11).iter().all(|c| *c >= 0.0));
    }

    /// Each core has the packing that its kernels were written for.
    #[test]
    fn a_core_gets_its_own_packing() {
        let all = Measurements::built_in();
        for (core, packing) in [
            ("m0", PackingKind::Quad),
            ("m3", PackingKind::Quad),
            ("m4f", PackingKind::Pairs),
            ("m33", PackingKind::Quad),
            ("m33dsp", PackingKind::Pairs),
            ("m55", PackingKind::Pairs),
            ("riscv", PackingKind::Panels),
        ] {
            assert_eq!(all.packing(core), Some(packing), "{core}");
        }
        assert_eq!(all.packing("z80"), None);
    }

    /// Every measured model, estimated from the others, comes out within a quarter.
    #[test]
    fn estimates_of_models_left_out_are_within_a_quarter() {
        let all = Measurements::built_in();
        let mut held = 0;
        for (core, _) in CORES {
            for level in ["3", "s"] {
                for precision in ["F32", "W8", "I8", "I8-quad", "I8-pairs"] {
                    assert!(all.of(core, level, precision).len() >= 6);
                    let error = all.error(core, level, precision).expect("measured");
                    assert!(
                        error <= 0.25,
                        "{core}, opt-level {level}, {precision}: {error:.3}"
                    );
                    held += 1;
                }
            }
        }
        assert_eq!(held, 70);
    }
}
