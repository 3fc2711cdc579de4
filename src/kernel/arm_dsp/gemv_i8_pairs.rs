//! Dense layers of int8 weights packed as `Pairs`.
//!
//! A word holds h = 256·q + p of two rows for two columns. `SMLALD` adds h·x of both columns to a
//! 64-bit sum, `SXTB16` leaves the two p, `SMLAD` adds p·x of both to a 32-bit sum: three
//! instructions for four products. Then Σ q·x = (Σ h·x − Σ p·x) / 256, exactly, for any input.
#![allow(unsafe_code)]

use core::arch::naked_asm;

use crate::kernel::fours::{self, Fours, Work, add_whole};
use crate::kernel::portable::active::accumulate_singles;
use crate::kernel::portable::gemv_i8_pairs::{add_column, add_last_column, split};
use crate::kernel::{Active, ActiveColumns, Row};

/// What stands at the start of the function: assembly in a naked function does not see the target's
/// features where link-time optimization builds the crate, unless the target always has them.
#[cfg(mmoe_arm_v8m)]
macro_rules! cpu {
    () => {
        ".cpu cortex-m33"
    };
}
#[cfg(not(mmoe_arm_v8m))]
macro_rules! cpu {
    () => {
        ""
    };
}

/// Two words of weights, in `$a` and `$b` (used up): two columns of four rows on the two inputs in
/// `$x`. Rows 0 and 1 have their sums in r8 and r9:r10, rows 2 and 3 in r11 and r12:lr.
macro_rules! columns2 {
    ($a:literal, $b:literal, $x:literal) => {
        concat!(
            "smlald r9, r10, ",
            $a,
            ", ",
            $x,
            "\n",
            "sxtb16 ",
            $a,
            ", ",
            $a,
            "\n",
            "smlald r12, lr, ",
            $b,
            ", ",
            $x,
            "\n",
            "sxtb16 ",
            $b,
            ", ",
            $b,
            "\n",
            "smlad r8, ",
            $a,
            ", ",
            $x,
            ", r8\n",
            "smlad r11, ",
            $b,
            ", ",
            $x,
            ", r11\n",
        )
    };
}

/// Σ q·x = (Σ h·x − Σ p·x) / 256: the sums of the four rows in r8, r9, r11 and r12.
macro_rules! sums_of_rows {
    () => {
        "subs r9, r9, r8
        sbc r10, r10, r8, asr #31
        lsr r9, r9, #8
        orr r9, r9, r10, lsl #24
        subs r12, r12, r11
        sbc lr, lr, r11, asr #31
        lsr r12, r12, #8
        orr r12, r12, lr, lsl #24"
    };
}

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
/// As [`Work`] says of itself, with at most [`Pairs::SEGMENT`] columns.
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
    /// Σ p·x has to fit an i32: 511·128·32768 < 2³¹, for any weights and inputs. A multiple of 4,
    /// so that every segment but the last is whole blocks.
    const SEGMENT: usize = 508;

    #[inline(always)]
    fn run(work: &Work<'_>) {
        // SAFETY: `Work` promises what the function asks for, and `fours` passes no more columns
        // than a segment has. It keeps r4 to r11 and the stack pointer, as the calling convention
        // wants, calls nothing, and writes to `out` and below the stack pointer alone.
        unsafe { panels(work.weights(), work) }
    }

    fn add(w: &[i8], total: usize, from: usize, x: &[i16], acc: &mut [i32]) {
        let (first, (middle, pairs), last) = split(total, from, x);
        for (c, x) in [first, last].into_iter().flatten() {
            let mut w = w;
            for acc in acc.as_chunks_mut::<4>().0 {
                let Some((panel, rest)) = w.split_at_checked(total.saturating_mul(4)) else {
                    break;
                };
                add_column(panel, total, c, x, acc);
                w = rest;
            }
        }
        add_whole::<Self>(w, total, middle, pairs, acc);
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

/// Adds to the sums of one panel the columns in the list: r0 the panel's weights, r1 the list, r2 its
/// end, r3 the sums.
///
/// Column c has its halves at byte 2·(c + (c without its lowest bit)) of the panel and 4 bytes on,
/// which holds for all but the odd column at the end of a row. Two columns are put into one word at a
/// time, so that the products are those of [`panels`].
///
/// # Safety
///
/// `w` is readable for the weights of every column listed, as said; the list lies at a multiple of 4
/// and has at most [`Pairs::SEGMENT`] entries; `acc` is readable and writable for four i32.
#[unsafe(naked)]
unsafe extern "C" fn active_columns(
    w: *const i8,
    list: *const Active<i16>,
    end: *const Active<i16>,
    acc: *mut [i32; 4],
) {
    naked_asm!(
        cpu!(),
        "push {{r2-r11, lr}}",
        "add r2, r0, #4",
        "mov r8, #0",
        "mov r9, r8",
        "mov r10, r8",
        "mov r11, r8",
        "mov r12, r8",
        "mov lr, r8",
        // An odd one first: its word has a zero beside it.
        "ldr r3, [sp]",
        "subs r4, r3, r1",
        "lsls r4, r4, #29",
        "beq 21f",
        "ldr r4, [r1], #4",
        "uxth r6, r4",
        "bic r7, r4, #1",
        "uxtah r6, r6, r7",
        "asrs r4, r4, #16",
        "ldrh r7, [r0, r6, lsl #1]",
        "ldrh r6, [r2, r6, lsl #1]",
        columns2!("r7", "r6", "r4"),
        "21: cmp r1, r3",
        "beq 23f",
        "22: ldrd r4, r5, [r1], #8",
        "uxth r6, r4",
        "bic r7, r4, #1",
        "uxtah r6, r6, r7",
        "pkhtb r4, r5, r4, asr #16",
        "uxth r3, r5",
        "bic r5, r5, #1",
        "uxtah r5, r3, r5",
        "ldrh r7, [r0, r6, lsl #1]",
        "ldrh r6, [r2, r6, lsl #1]",
        "ldrh r3, [r0, r5, lsl #1]",
        "ldrh r5, [r2, r5, lsl #1]",
        "pkhbt r7, r7, r3, lsl #16",
        "pkhbt r6, r6, r5, lsl #16",
        columns2!("r7", "r6", "r4"),
        "ldr r3, [sp]",
        "cmp r1, r3",
        "bne 22b",
        "23:",
        sums_of_rows!(),
        "ldr r3, [sp, #4]",
        "ldmia r3, {{r4-r7}}",
        "add r4, r4, r8",
        "add r5, r5, r9",
        "add r6, r6, r11",
        "add r7, r7, r12",
        "stmia r3!, {{r4-r7}}",
        "pop {{r2-r11, pc}}",
    )
}

/// What the portable function of this name computes.
#[inline(never)]
pub fn accumulate_active_i8_pairs(
    w: &[i8],
    total: usize,
    x: ActiveColumns<'_, i16>,
    acc: &mut [i32],
) {
    let Some(list) = x.within(total) else {
        return;
    };
    // The odd column at the end of a row has an order of its own.
    let (list, alone) = match list {
        [rest @ .., last] if total % 2 == 1 && usize::from(last.column) + 1 == total => {
            (rest, Some(last))
        }
        _ => (list, None),
    };
    let mut w = w;
    let (fours, singles) = acc.as_chunks_mut::<4>();
    for acc in fours {
        let Some((panel, rest)) = w.split_at_checked(total.wrapping_mul(4)) else {
            return;
        };
        w = rest;
        let mut rest = list;
        loop {
            let (part, more) = rest.split_at_checked(Pairs::SEGMENT).unwrap_or((rest, &[]));
            let list = part.as_ptr_range();
            // SAFETY: every column of the list is below `total` and not the odd one at the end, so
            // that its pair is whole and lies in the panel, which has 4·total bytes. `Active` is a
            // word, the column below the value, at a multiple of 4. The function keeps r4 to r11
            // and the stack pointer, as the calling convention wants, calls nothing, and writes to
            // `acc` and below the stack pointer alone.
            unsafe { active_columns(panel.as_ptr(), list.start, list.end, acc) }
            if more.is_empty() {
                break;
            }
            rest = more;
        }
        if let Some(x) = alone {
            add_last_column(panel, x.value, acc);
        }
    }
    if !singles.is_empty() {
        accumulate_singles(w, total, x, singles);
    }
}
