//! Dense layers in f32, in panels of eight rows, then four.
//!
//! `VLDM` brings sixteen weights at once; each product and each sum is rounded, in the one strict
//! order, by `VMUL` and `VADD`: a fused instruction would give other bits.
#![allow(unsafe_code)]

use core::arch::naked_asm;

use crate::kernel::portable::gemv_f32::panel1;
use crate::kernel::portable::panels::{panels, parts};

/// `s$w = s$w·$x` of each.
macro_rules! products {
    ($x:literal: $($w:literal)*) => {
        concat!($("vmul.f32 s", $w, ", s", $w, ", ", $x, "\n"),*)
    };
}

/// `s$acc = s$acc + s$w` of each.
macro_rules! added {
    ($($w:literal $acc:literal)*) => {
        concat!($("vadd.f32 s", $acc, ", s", $acc, ", s", $w, "\n"),*)
    };
}

/// Two columns of eight rows.
macro_rules! two_of_eight {
    ($x:literal, $y:literal) => {
        concat!(
            "vldmia r0!, {{s0-s15}}\n",
            products!($x: 0 1 2 3 4 5 6 7),
            products!($y: 8 9 10 11 12 13 14 15),
            added!(0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23),
            added!(8 16 9 17 10 18 11 19 12 20 13 21 14 22 15 23),
        )
    };
}

/// Defines `$name(w, x, columns, acc)`: one panel of `$rows` rows, `acc + W·x`. r0: weights, r1: x,
/// r2: columns, r3: accumulators, which are in `$accs` meanwhile.
///
/// # Safety
///
/// `w` is readable for `columns` times `$rows` floats, `x` for `columns`, `acc` readable and writable
/// for `$rows`; all lie at multiples of 4.
macro_rules! panel {
    ($name:ident, $accs:literal, $four:expr, $one:expr) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(w: *const f32, x: *const f32, columns: usize, acc: *mut f32) {
            naked_asm!(
                // Assembly in a naked function does not see the target's features.
                ".fpu fpv4-sp-d16",
                "vpush {{s16-s27}}",
                concat!("vldmia r3, {{", $accs, "}}"),
                "bic r12, r2, #3",
                "add r12, r1, r12, lsl #2",
                "cmp r1, r12",
                "beq 31f",
                "30: vldmia r1!, {{s24-s27}}",
                $four,
                "cmp r1, r12",
                "bne 30b",
                "31: ands r2, r2, #3",
                "beq 33f",
                "32: vldmia r1!, {{s24}}",
                $one,
                "subs r2, r2, #1",
                "bne 32b",
                concat!("33: vstmia r3, {{", $accs, "}}"),
                "vpop {{s16-s27}}",
                "bx lr",
            )
        }
    };
}
panel!(
    panel8,
    "s16-s23",
    concat!(two_of_eight!("s24", "s25"), two_of_eight!("s26", "s27")),
    concat!(
        "vldmia r0!, {{s0-s7}}\n",
        products!("s24": 0 1 2 3 4 5 6 7),
        added!(0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23),
    )
);
panel!(
    panel4,
    "s16-s19",
    concat!(
        "vldmia r0!, {{s0-s15}}\n",
        products!("s24": 0 1 2 3),
        products!("s25": 4 5 6 7),
        products!("s26": 8 9 10 11),
        products!("s27": 12 13 14 15),
        added!(0 16 1 17 2 18 3 19),
        added!(4 16 5 17 6 18 7 19),
        added!(8 16 9 17 10 18 11 19),
        added!(12 16 13 17 14 18 15 19),
    ),
    concat!(
        "vldmia r0!, {{s0-s3}}\n",
        products!("s24": 0 1 2 3),
        added!(0 16 1 17 2 18 3 19),
    )
);

/// A panel of eight rows; nothing where `w` has not eight weights for each element of `x`.
#[inline(always)]
fn eight(w: &[f32], x: &[f32], acc: &mut [f32; 8]) {
    if x.len().checked_mul(8) == Some(w.len()) {
        // SAFETY: the lengths are those that the function asks for, and references to f32 lie at
        // multiples of 4. It keeps s16 to s31, changes no other register that a caller keeps, calls
        // nothing, and writes to `acc` and below the stack pointer alone.
        unsafe { panel8(w.as_ptr(), x.as_ptr(), x.len(), acc.as_mut_ptr()) }
    }
}

/// A panel of four rows, as [`eight`].
#[inline(always)]
fn four(w: &[f32], x: &[f32], acc: &mut [f32; 4]) {
    if x.len().checked_mul(4) == Some(w.len()) {
        // SAFETY: as in `eight`.
        unsafe { panel4(w.as_ptr(), x.as_ptr(), x.len(), acc.as_mut_ptr()) }
    }
}

/// What the portable function of this name computes.
#[inline(never)]
pub fn gemv_f32(w: &[f32], bias: &[f32], x: &[f32], y: &mut [f32]) {
    let (mut w, mut bias) = (w, bias);
    panels!(8, w, x, y, [bias], out => {
        *out = *bias;
        eight(w, x, out);
    });
    panels!(4, w, x, y, [bias], out => {
        *out = *bias;
        four(w, x, out);
    });
    panels!(1, w, x, y, [bias], out => *out = panel1(w, x, *bias));
    let _ = y;
}

/// What the portable function of this name computes.
#[inline(never)]
pub fn accumulate_f32(w: &[f32], total: usize, from: usize, x: &[f32], acc: &mut [f32]) {
    let mut w = w;
    parts!(8, w, total, from, x, acc, p, a => eight(p, x, a));
    parts!(4, w, total, from, x, acc, p, a => four(p, x, a));
    parts!(1, w, total, from, x, acc, p, a => *a = panel1(p, x, *a));
    let _ = acc;
}
