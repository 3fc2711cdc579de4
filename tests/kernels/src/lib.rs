//! Every kernel that an architecture may replace, against plain loops written from
//! `docs/numerics.md` and `docs/format.md`.
//!
//! [`kernels!`] makes a table of the kernels in a module, so that the same battery holds the
//! portable ones (`mmoe::kernel::portable`) and those that stand in for them on the target
//! (`mmoe::kernel`). It needs no operating system: the test firmware runs it on the core itself.
#![no_std]

mod float;
mod hot;
mod int8;
mod random;

use core::fmt::Arguments;
use mmoe::kernel::{ActiveColumns, HotInput, Row};

/// A hidden layer: weights, rows, x, y, the lowest result.
pub type Dense = fn(&[i8], &[Row], &[i16], &mut [i16], i16);
/// A layer of logits: weights, rows, x, z.
pub type Logits = fn(&[i8], &[Row], &[i16], &mut [i32]);
/// Sums over some columns: weights, all columns, the first one, x, sums.
pub type Accumulate = fn(&[i8], usize, usize, &[i16], &mut [i32]);
/// Sums over the active columns: weights, all columns, x, sums.
pub type AccumulateActive = fn(&[i8], usize, ActiveColumns<'_, i16>, &mut [i32]);
/// A hidden layer from numbers and codes: weights, rows, x, y, the lowest result.
pub type HotDense = fn(&[i8], &[Row], HotInput<'_, i16>, &mut [i16], i16);
/// A layer of logits from numbers and codes: weights, rows, x, z.
pub type HotLogits = fn(&[i8], &[Row], HotInput<'_, i16>, &mut [i32]);
/// A layer in f32 from numbers and codes: weights, bias, x, y.
pub type HotF32 = fn(&[f32], &[f32], HotInput<'_, f32>, &mut [f32]);
/// A layer in f32: weights, bias, x, y.
pub type GemvF32 = fn(&[f32], &[f32], &[f32], &mut [f32]);
/// Sums in f32 over some columns: weights, all columns, the first one, x, sums.
pub type AccumulateF32 = fn(&[f32], usize, usize, &[f32], &mut [f32]);
/// The order of int8 weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Panels of four.
    Panels,
    /// Biased words of four.
    Quad,
    /// Two rows in an int16.
    Pairs,
}

/// The kernels of one implementation.
#[derive(Debug)]
pub struct Kernels {
    /// The int8 layers, one entry a packing.
    pub int8: [(Packing, Dense, Logits, Accumulate); 3],
    /// The same on active columns alone.
    pub active: [(Packing, AccumulateActive); 3],
    /// Layers from numbers and codes.
    pub hot: [(Packing, HotDense, HotLogits); 3],
    /// A layer in f32 from numbers and codes: weights, bias, x, y.
    pub hot_f32: HotF32,
    /// A layer in f32: weights, bias, x, y.
    pub gemv_f32: GemvF32,
    /// Sums in f32 over some columns: weights, all columns, the first one, x, sums.
    pub accumulate_f32: AccumulateF32,
}

/// The [`Kernels`] of a module: `kernels!(mmoe::kernel::portable)`.
#[macro_export]
macro_rules! kernels {
    ($($module:ident)::+) => {{
        use $($module)::+ as of;
        $crate::Kernels {
            int8: [
                ($crate::Packing::Panels, of::dense_i8, of::logits_i8, of::accumulate_i8),
                ($crate::Packing::Quad, of::dense_i8_quad, of::logits_i8_quad, of::accumulate_i8_quad),
                ($crate::Packing::Pairs, of::dense_i8_pairs, of::logits_i8_pairs, of::accumulate_i8_pairs),
            ],
            active: [
                ($crate::Packing::Panels, of::accumulate_active_i8),
                ($crate::Packing::Quad, of::accumulate_active_i8_quad),
                ($crate::Packing::Pairs, of::accumulate_active_i8_pairs),
            ],
            hot: [
                ($crate::Packing::Panels, of::hot_dense_i8, of::hot_logits_i8),
                ($crate::Packing::Quad, of::hot_dense_i8_quad, of::hot_logits_i8_quad),
                ($crate::Packing::Pairs, of::hot_dense_i8_pairs, of::hot_logits_i8_pairs),
            ],
            hot_f32: of::hot_f32,
            gemv_f32: of::gemv_f32,
            accumulate_f32: of::accumulate_f32,
        }
    }};
}

/// How many cases there were, and how many were wrong.
pub struct Report<'a> {
    /// All.
    pub cases: u32,
    /// Those with a wrong number, or with one where nothing should have been written.
    pub wrong: u32,
    say: &'a mut dyn FnMut(Arguments<'_>),
}

impl core::fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} cases, {} wrong", self.cases, self.wrong)
    }
}

impl<'a> Report<'a> {
    /// None yet. `say` is told of the first wrong ones.
    pub fn new(say: &'a mut dyn FnMut(Arguments<'_>)) -> Self {
        Self {
            cases: 0,
            wrong: 0,
            say,
        }
    }

    fn case(&mut self, right: bool, what: Arguments<'_>) {
        self.cases += 1;
        if !right {
            self.wrong += 1;
            if self.wrong <= 20 {
                (self.say)(what);
            }
        }
    }
}

/// Runs every case; `true` where all are right and there were as many as there should be.
pub fn run(kernels: &Kernels, say: &mut dyn FnMut(Arguments<'_>)) -> bool {
    let mut report = Report::new(say);
    int8::layers(kernels, &mut report);
    int8::parts(kernels, &mut report);
    int8::active(kernels, &mut report);
    int8::short_slices(kernels, &mut report);
    hot::layers(kernels, &mut report);
    hot::floats(kernels, &mut report);
    float::layers(kernels, &mut report);
    float::parts(kernels, &mut report);
    let Report { cases, wrong, say } = report;
    say(format_args!("kernels: {cases} cases, {wrong} wrong"));
    wrong == 0 && cases > 42_000
}
