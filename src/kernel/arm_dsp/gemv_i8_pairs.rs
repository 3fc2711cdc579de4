//! Dense layers of int8 weights packed as `Pairs`.
//!
//! A word holds h = 256·q + p of two rows for two columns. `SMLALD` adds h·x of both columns to a
//! 64-bit sum, `SXTB16` leaves the two p, `SMLAD` adds p·x of both to a 32-bit sum: three
//! instructions for four products. Then Σ q·x = (Σ h·x − Σ p·x) / 256, exactly, for any input.
#![allow(unsafe_code)]

use core::arch::naked_asm;

use super::SEGMENT;
use crate::kernel::Row;
use crate::kernel::fours::{self, Fours, Work, add_pairs};

/// A block of four columns: 16 products in 14 instructions, 54 bytes.
macro_rules! block {
    () => {
        concat!(
            "ldmia r0!, {{r4-r7}}\n",
            "ldrd r2, r3, [r1], #8\n",
            columns2!("r4", "r5", "r2"),
            columns2!("r6", "r7", "r3"),
        )
    };
}

/// One row: its sum in `$s`, which becomes twice its activation, its bias in `$b`, multiplier and
/// shift in `$m` (used up). Leaves the flags alone.
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
            "smulwb ",
            $s,
            ", ",
            $s,
            ", ",
            $m,
            "\n",
            "ubfx ",
            $m,
            ", ",
            $m,
            ", #16, #5\n",
            "asr ",
            $s,
            ", ",
            $s,
            ", ",
            $m,
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
/// While a panel is added up no register is free, so that what a panel needs stands on the stack.
/// What it starts with comes first, for one load: [sp] x, five zeros for the sums, [sp, #24] where to
/// enter the four blocks of a round (the rounds are counted from the end, so that the first may be a
/// part of one). Then [sp, #28] the end of x's blocks, [sp, #32] the columns behind them, and words 2
/// to 6 of the work from [sp, #36] on.
///
/// # Safety
///
/// As [`Work`] says of itself, with at most [`SEGMENT`] columns.
#[unsafe(naked)]
unsafe extern "C" fn panels(w: *const i8, work: *const Work<'_>) {
    naked_asm!(
        cpu!(),
        "push {{r4-r11, lr}}",
        "ldmia r1, {{r2-r8}}",
        "push {{r4-r8}}",
        "lsrs r4, r3, #2",
        // A double word must lie at a multiple of 4. Where x does not (a part of an input from an
        // odd element on), the loop for the columns behind the blocks does all of them.
        "lsls r5, r2, #30",
        "it ne",
        "movne r4, #0",
        "sub r6, r3, r4, lsl #2",
        "add r7, r2, r4, lsl #3",
        "push {{r6}}",
        "adr.w r8, 24f",
        "cbz r4, 10f",
        "rsbs r4, r4, #0",
        "and r4, r4, #3",
        "movs r5, #54",
        "adr.w r8, 20f",
        "mla r8, r4, r5, r8",
        "10: orr r6, r8, #1",
        "push {{r6, r7}}",
        "movs r3, #0",
        "mov r4, r3",
        "mov r5, r3",
        "mov r6, r3",
        "mov r7, r3",
        "push {{r2-r7}}",
        // A panel.
        "11: mov lr, #0",
        "ldmia sp, {{r1, r8-r12, pc}}",
        "20:",
        block!(),
        block!(),
        block!(),
        block!(),
        "ldr r2, [sp, #28]",
        "cmp r1, r2",
        "bne 20b",
        // The columns behind the blocks: pairs, then an odd one.
        "24: ldr r2, [sp, #32]",
        "cbz r2, 27f",
        "lsrs r2, r2, #1",
        "beq 26f",
        "25: ldmia r0!, {{r4, r5}}",
        "ldr r3, [r1], #4",
        columns2!("r4", "r5", "r3"),
        "subs r2, r2, #1",
        "bne 25b",
        "26: ldr r2, [sp, #32]",
        "lsls r2, r2, #31",
        "beq 27f",
        "ldr r4, [r0], #4",
        "ldrsh r3, [r1]",
        "smlalbb r9, r10, r4, r3",
        "smlaltb r12, lr, r4, r3",
        "sxtb16 r4, r4",
        "smlabb r8, r4, r3, r8",
        "smlatb r11, r4, r3, r11",
        "27:",
        sums_of_rows!(),
        "ldrd r2, r3, [sp, #36]",
        "cmp r3, #1",
        "bhi 40f",
        "ldmia r2!, {{r1, r3-r7, r10, lr}}",
        "str r2, [sp, #36]",
        requantized!("r8", "r1", "r3"),
        requantized!("r9", "r4", "r5"),
        requantized!("r11", "r6", "r7"),
        requantized!("r12", "r10", "lr"),
        "beq 31f",
        "usat r8, #15, r8, asr #1",
        "usat r9, #15, r9, asr #1",
        "usat r11, #15, r11, asr #1",
        "usat r12, #15, r12, asr #1",
        "30: ldrd r1, r2, [sp, #44]",
        "strh r8, [r1], #2",
        "strh r9, [r1], #2",
        "strh r11, [r1], #2",
        "strh r12, [r1], #2",
        "subs r2, r2, #1",
        "strd r1, r2, [sp, #44]",
        "bne 11b",
        "add sp, sp, #56",
        "pop {{r4-r11, pc}}",
        "31: ssat r8, #16, r8, asr #1",
        "ssat r9, #16, r9, asr #1",
        "ssat r11, #16, r11, asr #1",
        "ssat r12, #16, r12, asr #1",
        "b 30b",
        // Sums: added to what is there; the weights move on to the next panel's columns.
        "40: ldrd r1, r2, [sp, #44]",
        "ldr r3, [sp, #52]",
        "ldmia r1, {{r4-r7}}",
        "add r4, r4, r8",
        "add r5, r5, r9",
        "add r6, r6, r11",
        "add r7, r7, r12",
        "stmia r1!, {{r4-r7}}",
        "add r0, r0, r3",
        "subs r2, r2, #1",
        "strd r1, r2, [sp, #44]",
        "bne 11b",
        "add sp, sp, #56",
        "pop {{r4-r11, pc}}",
    )
}

/// The packing on these cores.
enum Pairs {}

impl Fours for Pairs {
    const SEGMENT: usize = SEGMENT;

    #[inline(always)]
    fn run(work: &Work<'_>) {
        // SAFETY: `Work` promises what the function asks for, and `fours` passes no more columns
        // than a segment has. It keeps r4 to r11 and the stack pointer, as the calling convention
        // wants, calls nothing, and writes to `out` and below the stack pointer alone.
        unsafe { panels(work.weights(), work) }
    }

    fn add(w: &[i8], total: usize, from: usize, x: &[i16], acc: &mut [i32]) {
        add_pairs::<Self>(w, total, from, x, acc);
    }
}

/// What the portable function of this name computes.
#[inline(never)]
pub fn dense_i8_pairs(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], floor: i16) {
    fours::dense::<Pairs>(w, rows, x, y, floor);
}

/// What the portable function of this name computes.
#[inline(never)]
pub fn logits_i8_pairs(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]) {
    fours::logits::<Pairs>(w, rows, x, z);
}

/// What the portable function of this name computes.
#[inline(never)]
pub fn accumulate_i8_pairs(w: &[i8], total: usize, from: usize, x: &[i16], acc: &mut [i32]) {
    fours::accumulate::<Pairs>(w, total, from, x, acc);
}
