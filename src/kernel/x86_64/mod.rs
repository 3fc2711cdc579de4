//! Kernels for x86-64: AVX2, and AVX-512 with VNNI, chosen when the program runs (at compile time where
//! the target says so), else the portable ones.
//!
//! [`avx2`] and [`avx512`] name the kernels of one level each, for tests; a core that lacks it runs the
//! next lower one. `kernel` takes those of the highest.

mod gemv_f32;
mod gemv_i8;
mod vectors;

use super::portable;
use core::sync::atomic::{AtomicU8, Ordering};

cpufeatures::new!(has_avx2, "avx2");
cpufeatures::new!(has_avx512, "avx512f", "avx512bw", "avx512dq", "avx512vl");

/// The instructions that a kernel may use. A value other than `Portable` comes from [`Level::at_most`]
/// alone, so it is a proof that the core has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Portable,
    Avx2,
    Avx512,
}

impl Level {
    /// The highest level that the core has, but none above this one.
    #[inline]
    fn at_most(self) -> Self {
        if self == Self::Avx512 && has_avx512::get() && has_vnni() {
            Self::Avx512
        } else if self != Self::Portable && has_avx2::get() {
            Self::Avx2
        } else {
            Self::Portable
        }
    }
}

/// Whether the core multiplies and adds pairs of int16 in one instruction, in AVX-512 registers.
/// (The crate does not know the name of this feature.)
#[inline]
fn has_vnni() -> bool {
    // 0: not asked yet, 1: no, 2: yes. Asking takes the processor long.
    static KNOWN: AtomicU8 = AtomicU8::new(0);
    if cfg!(target_feature = "avx512vnni") {
        return true;
    }
    match KNOWN.load(Ordering::Relaxed) {
        0 => {
            #[allow(
                unused_unsafe,
                unsafe_code,
                reason = "a safe function from Rust 1.94 on"
            )]
            // SAFETY: every x86-64 processor has CPUID, and one with AVX-512 has leaf 7.
            let leaf = unsafe { core::arch::x86_64::__cpuid_count(7, 0) };
            let has = leaf.ecx >> 11 & 1 != 0;
            KNOWN.store(1 + u8::from(has), Ordering::Relaxed);
            has
        }
        known => known == 2,
    }
}

/// The int8 kernels of one level and packing (`true`: quad), under the portable names.
macro_rules! ints {
    ($quad:literal, $level:ident, $dense:ident, $logits:ident, $dense_rows:ident, $logits_rows:ident) => {
        #[doc = concat!("See `portable::", stringify!($dense), "`.")]
        #[inline(never)]
        pub fn $dense(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], floor: i16) {
            let level = Level::$level.at_most();
            let finish = Hidden(floor);
            if !ints::run::<_, $quad>(level, w, rows, &[x], &mut [&mut *y], finish) {
                super::portable::$dense(w, rows, x, y, floor);
            }
        }

        #[doc = concat!("See `portable::", stringify!($logits), "`.")]
        #[inline(never)]
        pub fn $logits(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]) {
            let level = Level::$level.at_most();
            if !ints::run::<_, $quad>(level, w, rows, &[x], &mut [&mut *z], Logit) {
                super::portable::$logits(w, rows, x, z);
            }
        }

        #[doc = concat!("See `portable::", stringify!($dense_rows), "`.")]
        #[inline(never)]
        pub fn $dense_rows(w: &[i8], rows: &[Row], x: &[&[i16]], y: &mut [&mut [i16]], floor: i16) {
            let level = Level::$level.at_most();
            if !ints::run::<_, $quad>(level, w, rows, x, y, Hidden(floor)) {
                super::portable::$dense_rows(w, rows, x, y, floor);
            }
        }

        #[doc = concat!("See `portable::", stringify!($logits_rows), "`.")]
        #[inline(never)]
        pub fn $logits_rows(w: &[i8], rows: &[Row], x: &[&[i16]], z: &mut [&mut [i32]]) {
            let level = Level::$level.at_most();
            if !ints::run::<_, $quad>(level, w, rows, x, z, Logit) {
                super::portable::$logits_rows(w, rows, x, z);
            }
        }
    };
}

/// The kernels of one level, under the portable names.
macro_rules! level {
    ($(#[$doc:meta])* $module:ident, $level:ident) => {
        $(#[$doc])*
        pub mod $module {
            use super::{Level, gemv_f32 as floats, gemv_i8 as ints};
            use crate::kernel::Row;
            use crate::kernel::tiles::int8::{Hidden, Logit};

            pub use super::portable::*;

            /// See `portable::gemv_f32`.
            #[inline(never)]
            pub fn gemv_f32(w: &[f32], bias: &[f32], x: &[f32], y: &mut [f32]) {
                if !floats::gemm_f32(Level::$level.at_most(), w, bias, &[x], &mut [&mut *y]) {
                    super::portable::gemv_f32(w, bias, x, y);
                }
            }

            /// See `portable::gemm_f32`.
            #[inline(never)]
            pub fn gemm_f32(w: &[f32], bias: &[f32], x: &[&[f32]], y: &mut [&mut [f32]]) {
                if !floats::gemm_f32(Level::$level.at_most(), w, bias, x, y) {
                    super::portable::gemm_f32(w, bias, x, y);
                }
            }

            /// See `portable::gemv_w8`.
            #[inline(never)]
            pub fn gemv_w8(w: &[i8], scale: &[f32], bias: &[f32], x: &[f32], y: &mut [f32]) {
                let level = Level::$level.at_most();
                if !floats::gemm_w8(level, w, scale, bias, &[x], &mut [&mut *y]) {
                    super::portable::gemv_w8(w, scale, bias, x, y);
                }
            }

            /// See `portable::gemm_w8`.
            #[inline(never)]
            pub fn gemm_w8(
                w: &[i8],
                scale: &[f32],
                bias: &[f32],
                x: &[&[f32]],
                y: &mut [&mut [f32]],
            ) {
                if !floats::gemm_w8(Level::$level.at_most(), w, scale, bias, x, y) {
                    super::portable::gemm_w8(w, scale, bias, x, y);
                }
            }

            ints!(false, $level, dense_i8, logits_i8, dense_rows_i8, logits_rows_i8);
            ints!(
                true,
                $level,
                dense_i8_quad,
                logits_i8_quad,
                dense_rows_i8_quad,
                logits_rows_i8_quad
            );
        }
    };
}

level!(
    /// AVX2.
    avx2, Avx2
);
level!(
    /// AVX-512 with VNNI, where the core has both, else AVX2.
    avx512, Avx512
);
