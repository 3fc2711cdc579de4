//! Dense layers of int8 weights packed as `Quad`.
//!
//! Per column of a panel: three shifts, four products and four additions, which reach the high
//! registers. Two inputs come in one word. The first panel's walk adds up x besides, so that no pass
//! of its own is needed for the correction 128·Σ x.
#![allow(unsafe_code)]

use core::arch::naked_asm;

use crate::kernel::Row;
use crate::kernel::fours::{self, Fours, Work};

/// One column: the word in `$v` (used up), x in r7. `$sum` adds r7 to Σ x, or nothing.
macro_rules! column {
    ($sum:literal, $v:literal) => {
        concat!(
            $sum,
            "asrs r6, ",
            $v,
            ", #8\n",
            "muls r6, r7, r6\n",
            "add r9, r6\n",
            "asrs r6, ",
            $v,
            ", #16\n",
            "muls r6, r7, r6\n",
            "add r10, r6\n",
            "asrs r6, ",
            $v,
            ", #24\n",
            "muls r6, r7, r6\n",
            "add r11, r6\n",
            "muls ",
            $v,
            ", r7, ",
            $v,
            "\n",
            "add r8, ",
            $v,
            "\n",
        )
    };
}

/// Four columns.
macro_rules! columns4 {
    ($sum:literal) => {
        concat!(
            "ldmia r1!, {{r4, r5}}\n",
            "ldmia r0!, {{r2, r3}}\n",
            "sxth r7, r4\n",
            column!($sum, "r2"),
            "asrs r7, r4, #16\n",
            column!($sum, "r3"),
            "ldmia r0!, {{r2, r3}}\n",
            "sxth r7, r5\n",
            column!($sum, "r2"),
            "asrs r7, r5, #16\n",
            column!($sum, "r3"),
        )
    };
}

/// S of a panel in r8 to r11, Σ x in r12.
macro_rules! walk {
    ($sum:literal) => {
        concat!(
            "ldr r1, [sp, #4]\n",
            "ldr r4, [sp]\n",
            "mov lr, r4\n",
            "movs r4, #0\n",
            "mov r8, r4\n",
            "mov r9, r4\n",
            "mov r10, r4\n",
            "mov r11, r4\n",
            "mov r12, r4\n",
            "cmp r1, lr\n",
            "beq 21f\n",
            "20:\n",
            columns4!($sum),
            columns4!($sum),
            "cmp r1, lr\n",
            "bne 20b\n",
            "21: ldr r4, [sp, #8]\n",
            "cmp r4, #0\n",
            "beq 23f\n",
            "movs r5, #0\n",
            "22: ldmia r0!, {{r2}}\n",
            "ldrsh r7, [r1, r5]\n",
            column!($sum, "r2"),
            "adds r5, #2\n",
            "cmp r5, r4\n",
            "bne 22b\n",
            "23:\n",
        )
    };
}

/// One row: its sum in r1, its record at r6 (moves on), its result at r7 + `$at`, 32767 in r5.
/// `$lower` is the lower saturation.
macro_rules! requantized {
    ($lower:literal, $at:literal) => {
        concat!(
            "ldmia r6!, {{r2, r3}}\n",
            "adds r1, r1, r2\n",
            "sxth r2, r3\n",
            "lsls r3, r3, #11\n",
            "lsrs r3, r3, #27\n",
            "asrs r4, r1, #16\n",
            "muls r4, r2, r4\n",
            "uxth r1, r1\n",
            "muls r1, r2, r1\n",
            "asrs r1, r1, #16\n",
            "adds r1, r1, r4\n",
            "asrs r1, r3\n",
            "adds r1, #1\n",
            "asrs r1, r1, #1\n",
            $lower,
            "subs r4, r5, r1\n",
            "asrs r2, r4, #31\n",
            "ands r4, r2\n",
            "adds r1, r1, r4\n",
            "strh r1, [r7, #",
            $at,
            "]\n",
        )
    };
}

/// The four rows of a panel.
macro_rules! panel_requantized {
    ($lower:literal) => {
        concat!(
            requantized!($lower, "0"),
            "mov r1, r9\n",
            requantized!($lower, "2"),
            "mov r1, r10\n",
            requantized!($lower, "4"),
            "mov r1, r11\n",
            requantized!($lower, "6"),
        )
    };
}

/// Whole panels in one walk: r0 the weights, r1 a [`Work`].
///
/// On the stack: [sp] the end of x's blocks of eight, [sp, #4] x, [sp, #8] bytes of x behind the
/// blocks, then words 2 to 6 of the work from [sp, #12] on, and at [sp, #32] the correction.
///
/// # Safety
///
/// As [`Work`] says of itself.
#[unsafe(naked)]
unsafe extern "C" fn panels(w: *const i8, work: *const Work<'_>) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r3-r7}}",
        "adds r1, #8",
        "ldmia r1!, {{r3-r7}}",
        "push {{r3-r7}}",
        "subs r1, #28",
        "ldmia r1!, {{r2, r3}}",
        "lsrs r4, r3, #3",
        "lsls r4, r4, #4",
        // A word must lie at a multiple of 4. Where x does not (a part of an input from an odd
        // element on), the loop for the columns behind the blocks does all of them.
        "lsls r5, r2, #30",
        "beq 10f",
        "movs r4, #0",
        "10: lsls r3, r3, #1",
        "subs r3, r3, r4",
        "adds r1, r2, r4",
        "push {{r1-r3}}",
        walk!("add r12, r7\n"),
        "mov r4, r12",
        "lsls r4, r4, #7",
        "str r4, [sp, #32]",
        "b 12f",
        "11:",
        walk!(""),
        // From S to the sums of the rows.
        "12: ldr r7, [sp, #32]",
        "mov r4, r11",
        "mov r3, r10",
        "mov r2, r9",
        "mov r1, r8",
        "lsls r5, r2, #8",
        "subs r1, r1, r5",
        "subs r1, r1, r7",
        "lsls r5, r3, #8",
        "subs r2, r2, r5",
        "subs r2, r2, r7",
        "lsls r5, r4, #8",
        "subs r3, r3, r5",
        "subs r3, r3, r7",
        "ldr r7, [sp, #20]",
        "movs r5, #1",
        "lsls r5, r5, #15",
        "subs r5, #1",
        "ldr r6, [sp, #16]",
        "cmp r6, #1",
        "bls 13f",
        // Sums: added to what is there; the weights move on to the next panel's columns.
        "ldr r5, [r7]",
        "adds r1, r1, r5",
        "ldr r5, [r7, #4]",
        "adds r2, r2, r5",
        "ldr r5, [r7, #8]",
        "adds r3, r3, r5",
        "ldr r5, [r7, #12]",
        "adds r4, r4, r5",
        "stmia r7!, {{r1-r4}}",
        "ldr r5, [sp, #28]",
        "adds r0, r0, r5",
        "b 32f",
        "13: mov r9, r2",
        "mov r10, r3",
        "ldr r6, [sp, #12]",
        "beq 31f",
        panel_requantized!("asrs r4, r1, #31\nbics r1, r4\n"),
        "30: str r6, [sp, #12]",
        "adds r7, #8",
        "32: str r7, [sp, #20]",
        "ldr r1, [sp, #24]",
        "subs r1, #1",
        "str r1, [sp, #24]",
        "beq 60f",
        "b 11b",
        "60: add sp, #36",
        "pop {{r4-r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4-r7, pc}}",
        "31:",
        panel_requantized!(
            "adds r4, r1, r5\nadds r4, #1\nasrs r2, r4, #31\nands r4, r2\nsubs r1, r1, r4\n"
        ),
        "b 30b",
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
