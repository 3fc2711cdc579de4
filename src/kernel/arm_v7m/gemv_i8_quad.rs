//! Dense layers of int8 weights packed as `Quad`.
//!
//! Per column of a panel: one word of weights, three shifts, four multiply-accumulates. The first
//! panel's walk adds up x besides, so that no pass of its own is needed for the correction 128·Σ x.
#![allow(unsafe_code)]

use core::arch::naked_asm;

use crate::kernel::Row;
use crate::kernel::fours::{self, Fours, Work};

/// One column: the word in `$v`, x read through r1. `$sum` adds r3 to Σ x, or nothing.
macro_rules! column {
    ($sum:literal, $v:literal) => {
        concat!(
            "ldrsh r3, [r1], #2\n",
            $sum,
            "mla r8, ",
            $v,
            ", r3, r8\n",
            "asrs r12, ",
            $v,
            ", #8\n",
            "mla r9, r12, r3, r9\n",
            "asrs r12, ",
            $v,
            ", #16\n",
            "mla r10, r12, r3, r10\n",
            "asrs r12, ",
            $v,
            ", #24\n",
            "mla r11, r12, r3, r11\n",
        )
    };
}

/// Four columns.
macro_rules! columns4 {
    ($sum:literal) => {
        concat!(
            "ldmia r0!, {{r4-r7}}\n",
            column!($sum, "r4"),
            column!($sum, "r5"),
            column!($sum, "r6"),
            column!($sum, "r7"),
        )
    };
}

/// S of a panel in r8 to r11, Σ x in lr.
macro_rules! walk {
    ($sum:literal) => {
        concat!(
            "mov r8, #0\n",
            "mov r9, r8\n",
            "mov r10, r8\n",
            "mov r11, r8\n",
            "mov lr, r8\n",
            "ldrd r2, r1, [sp]\n",
            "cmp r1, r2\n",
            "beq 21f\n",
            "20:\n",
            columns4!($sum),
            columns4!($sum),
            "cmp r1, r2\n",
            "bne 20b\n",
            "21: ldr r2, [sp, #8]\n",
            "cbz r2, 23f\n",
            "22: ldr r4, [r0], #4\n",
            column!($sum, "r4"),
            "subs r2, r2, #1\n",
            "bne 22b\n",
            "23:\n",
        )
    };
}

/// One row: its sum in `$s`, which becomes twice its activation, its bias in `$b`, multiplier and
/// shift in `$m` (both used up). Leaves the flags alone.
macro_rules! requantized {
    ($s:literal, $b:literal, $m:literal) => {
        concat!(
            "add ",
            $s,
            ", ",
            $s,
            ", ",
            $b,
            "\n",
            "ubfx ",
            $b,
            ", ",
            $m,
            ", #16, #5\n",
            // The multiplier in the upper half: the upper word of the product is (acc·mult) >> 16.
            "lsl ",
            $m,
            ", ",
            $m,
            ", #16\n",
            "smull ",
            $m,
            ", ",
            $s,
            ", ",
            $s,
            ", ",
            $m,
            "\n",
            "asr ",
            $s,
            ", ",
            $s,
            ", ",
            $b,
            "\n",
            "add ",
            $s,
            ", ",
            $s,
            ", #1\n",
        )
    };
}

/// Whole panels in one walk: r0 the weights, r1 a [`Work`].
///
/// On the stack: [sp] the end of x's blocks of eight, [sp, #4] x, [sp, #8] the columns behind the
/// blocks, then words 2 to 6 of the work from [sp, #12] on, and at [sp, #32] the correction.
///
/// # Safety
///
/// As [`Work`] says of itself.
#[unsafe(naked)]
unsafe extern "C" fn panels(w: *const i8, work: *const Work<'_>) {
    naked_asm!(
        "push {{r3-r11, lr}}",
        "ldmia r1, {{r2-r8}}",
        "push {{r4-r8}}",
        "bic r4, r3, #7",
        "sub r3, r3, r4",
        "add r4, r2, r4, lsl #1",
        "push {{r2, r3}}",
        "push {{r4}}",
        walk!("add lr, lr, r3\n"),
        "lsl lr, lr, #7",
        "str lr, [sp, #32]",
        "b 12f",
        "11:",
        walk!(""),
        "ldr lr, [sp, #32]",
        // From S to the sums of the rows.
        "12: sub r8, r8, r9, lsl #8",
        "sub r9, r9, r10, lsl #8",
        "sub r10, r10, r11, lsl #8",
        "sub r8, r8, lr",
        "sub r9, r9, lr",
        "sub r10, r10, lr",
        "ldrd r2, r3, [sp, #12]",
        "cmp r3, #1",
        "bhi 40f",
        "ldmia r2!, {{r1, r3-r7, r12, lr}}",
        "str r2, [sp, #12]",
        requantized!("r8", "r1", "r3"),
        requantized!("r9", "r4", "r5"),
        requantized!("r10", "r6", "r7"),
        requantized!("r11", "r12", "lr"),
        "beq 31f",
        "usat r8, #15, r8, asr #1",
        "usat r9, #15, r9, asr #1",
        "usat r10, #15, r10, asr #1",
        "usat r11, #15, r11, asr #1",
        "30: ldrd r1, r2, [sp, #20]",
        "strh r8, [r1], #2",
        "strh r9, [r1], #2",
        "strh r10, [r1], #2",
        "strh r11, [r1], #2",
        "subs r2, r2, #1",
        "strd r1, r2, [sp, #20]",
        "bne 11b",
        "add sp, sp, #32",
        "pop {{r3-r11, pc}}",
        "31: ssat r8, #16, r8, asr #1",
        "ssat r9, #16, r9, asr #1",
        "ssat r10, #16, r10, asr #1",
        "ssat r11, #16, r11, asr #1",
        "b 30b",
        // Sums: added to what is there; the weights move on to the next panel's columns.
        "40: ldrd r1, r2, [sp, #20]",
        "ldr r3, [sp, #28]",
        "ldmia r1, {{r4-r7}}",
        "add r4, r4, r8",
        "add r5, r5, r9",
        "add r6, r6, r10",
        "add r7, r7, r11",
        "stmia r1!, {{r4-r7}}",
        "add r0, r0, r3",
        "subs r2, r2, #1",
        "strd r1, r2, [sp, #20]",
        "bne 11b",
        "add sp, sp, #32",
        "pop {{r3-r11, pc}}",
    )
}

/// The packing on these cores.
enum Quad {}

impl Fours for Quad {
    #[inline(always)]
    fn run(work: &Work<'_>) {
        // SAFETY: `Work` promises what the function asks for. It keeps r4 to r11 and the stack
        // pointer, as the calling convention wants, calls nothing, and writes to `out` and below
        // the stack pointer alone.
        unsafe { panels(work.weights(), work) }
    }
}

/// What the portable function of this name computes.
#[inline(never)]
pub fn dense_i8_quad(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], floor: i16) {
    fours::dense::<Quad>(w, rows, x, y, floor);
}

/// What the portable function of this name computes.
#[inline(never)]
pub fn logits_i8_quad(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]) {
    fours::logits::<Quad>(w, rows, x, z);
}

/// What the portable function of this name computes.
#[inline(never)]
pub fn accumulate_i8_quad(w: &[i8], total: usize, from: usize, x: &[i16], acc: &mut [i32]) {
    fours::accumulate::<Quad>(w, total, from, x, acc);
}
