//! Dense layers with float activations, [`tiles`](crate::kernel::tiles::float) of AVX2 and AVX-512 vectors.

#![allow(unsafe_code, reason = "vector instructions; every block has its proof")]

use super::Level;
use super::vectors::{Eight, Four, Sixteen};
use crate::kernel::tiles::float::{Plain, Scaled, Weights, Work};

/// `y = W·x + bias` for each row of a batch; `false` where the lengths do not fit each other.
pub(super) fn gemm_f32(
    level: Level,
    w: &[f32],
    bias: &[f32],
    x: &[&[f32]],
    y: &mut [&mut [f32]],
) -> bool {
    let with = Plain {
        bias: bias.as_ptr(),
    };
    run(level, Work::new(w, with, bias.len(), x, y))
}

/// `y = (W·x)·scale + bias` for each row of a batch; `false` where the lengths do not fit each other.
pub(super) fn gemm_w8(
    level: Level,
    w: &[i8],
    scale: &[f32],
    bias: &[f32],
    x: &[&[f32]],
    y: &mut [&mut [f32]],
) -> bool {
    let with = Scaled {
        scale: scale.as_ptr(),
        bias: bias.as_ptr(),
    };
    let fits = scale.len() == bias.len();
    run(level, Work::new(w, with, bias.len(), x, y).filter(|_| fits))
}

fn run<W: Weights>(level: Level, work: Option<Work<'_, '_, '_, W>>) -> bool {
    let Some(work) = work else { return false };
    match level {
        Level::Portable => return false,
        // SAFETY: a level is made only where the core has its instructions.
        Level::Avx2 => unsafe { avx2(work) },
        // SAFETY: the same.
        Level::Avx512 => unsafe { avx512(work) },
    }
    true
}

#[target_feature(enable = "avx2")]
fn avx2<W: Weights>(mut work: Work<'_, '_, '_, W>) {
    let (panels, mut p) = (work.eights(), 0);
    // SAFETY: `p` plus the panels of a step is at most the number of panels.
    unsafe {
        // A row by itself: many panels side by side, since each sum waits for its last addition.
        if work.batch() == 1 {
            while p + 8 <= panels {
                work.units::<Eight, 8, 1>(8 * p);
                p += 8;
            }
            while p + 4 <= panels {
                work.units::<Eight, 4, 1>(8 * p);
                p += 4;
            }
        }
        while p + 2 <= panels {
            work.units::<Eight, 2, 6>(8 * p);
            p += 2;
        }
        if p < panels {
            work.units::<Eight, 1, 6>(8 * p);
        }
        work.rest::<Four, 6>();
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2")]
fn avx512<W: Weights>(mut work: Work<'_, '_, '_, W>) {
    let (panels, mut p) = (work.eights(), 0);
    // SAFETY: `p` plus the panels of a step is at most the number of panels.
    unsafe {
        if work.batch() == 1 {
            while p + 8 <= panels {
                work.units::<Sixteen, 4, 1>(8 * p);
                p += 8;
            }
        }
        while p + 4 <= panels {
            work.units::<Sixteen, 2, 8>(8 * p);
            p += 4;
        }
        if p + 2 <= panels {
            work.units::<Sixteen, 1, 8>(8 * p);
            p += 2;
        }
        if p < panels {
            work.units::<Eight, 1, 8>(8 * p);
        }
        work.rest::<Four, 8>();
    }
}
