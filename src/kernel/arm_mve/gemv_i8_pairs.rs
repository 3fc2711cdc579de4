//! Dense layers of int8 weights packed as `Pairs`, eight columns of four rows at a time.
//!
//! A word of the packing holds h = 256·q + p of two rows for two columns, and the words of rows 0 and
//! 1 alternate with those of rows 2 and 3, so that a load that takes words apart (`VLD20`, `VLD21`)
//! gives eight h of either. `VMLALDAVA` adds h·x of eight columns to a 64-bit sum, `VMOVLB` leaves
//! the eight p, another `VMLALDAVA` adds p·x: ten instructions for 32 products. Then Σ q·x = (Σ h·x −
//! Σ p·x) / 256, exactly, for any input. Since both sums have 64 bits, rows may have any length. The
//! columns behind the last eight are done in pairs, as on cores with the DSP extension alone.
#![allow(unsafe_code)]

use core::arch::naked_asm;

use crate::kernel::Row;
use crate::kernel::fours::{self, Fours, Work, add_pairs};

/// Whole panels in one walk: r0 the weights, r1 a [`Work`].
///
/// Rows 0 and 1 have Σ h·x in r4:r5 and Σ p·x in r8:r9, rows 2 and 3 in r6:r7 and r10:r11. On the
/// stack stands first what a panel starts with, for one load: [sp] x, [sp, #4] blocks of eight
/// columns, eight zeros for the sums. Then [sp, #40] the columns behind the blocks, and words 2 to 6
/// of the work from [sp, #44] on.
///
/// # Safety
///
/// As [`Work`] says of itself.
#[unsafe(naked)]
unsafe extern "C" fn panels(w: *const i8, work: *const Work<'_>) {
    naked_asm!(
        // Assembly in a naked function does not see the target's features.
        ".cpu cortex-m55",
        "push {{r4-r11, lr}}",
        "ldmia r1, {{r2-r8}}",
        // How a panel ends, as the lowest result: 0 for a relu, −32768 for none, −65536 for sums.
        "lsl r5, r5, #15",
        "rsb r5, r5, #0",
        "push {{r4-r8}}",
        "and r4, r3, #7",
        "push {{r4}}",
        "lsrs r3, r3, #3",
        "movs r4, #0",
        "mov r5, r4",
        "mov r6, r4",
        "mov r7, r4",
        "mov r8, r4",
        "mov r9, r4",
        "mov r10, r4",
        "mov r11, r4",
        "push {{r2-r11}}",
        "11: ldmia sp, {{r1, r2, r4-r11}}",
        "wls lr, r2, 21f",
        "20: vld20.32 {{q0, q1}}, [r0]",
        "vld21.32 {{q0, q1}}, [r0]!",
        "vldrh.u16 q2, [r1], #16",
        "vmlaldava.s16 r4, r5, q0, q2",
        "vmovlb.s8 q0, q0",
        "vmlaldava.s16 r6, r7, q1, q2",
        "vmovlb.s8 q1, q1",
        "vmlaldava.s16 r8, r9, q0, q2",
        "vmlaldava.s16 r10, r11, q1, q2",
        "le lr, 20b",
        "21: ldr r2, [sp, #40]",
        "cbz r2, 27f",
        "lsrs r2, r2, #1",
        "beq 26f",
        // Pairs of columns.
        "25: ldr r12, [r1], #4",
        "ldr r3, [r0], #4",
        "smlald r4, r5, r3, r12",
        "sxtb16 r3, r3",
        "smlald r8, r9, r3, r12",
        "ldr r3, [r0], #4",
        "smlald r6, r7, r3, r12",
        "sxtb16 r3, r3",
        "smlald r10, r11, r3, r12",
        "subs r2, r2, #1",
        "bne 25b",
        // An odd one.
        "26: ldr r2, [sp, #40]",
        "lsls r2, r2, #31",
        "beq 27f",
        "ldr r3, [r0], #4",
        "ldrsh r12, [r1]",
        "smlalbb r4, r5, r3, r12",
        "smlaltb r6, r7, r3, r12",
        "sxtb16 r3, r3",
        "smlalbb r8, r9, r3, r12",
        "smlaltb r10, r11, r3, r12",
        // Σ q·x, in r4 and r6.
        "27: subs r4, r4, r8",
        "sbc r5, r5, r9",
        "lsr r4, r4, #8",
        "orr r4, r4, r5, lsl #24",
        "subs r6, r6, r10",
        "sbc r7, r7, r11",
        "lsr r6, r6, #8",
        "orr r6, r6, r7, lsl #24",
        "vmov q0[2], q0[0], r8, r10",
        "vmov q0[3], q0[1], r4, r6",
        "ldrd r2, r3, [sp, #44]",
        "ldrd r1, r9, [sp, #52]",
        "cmn r3, #65536",
        "beq 40f",
        // Biases in q2, multipliers and shifts in q3.
        "vld20.32 {{q2, q3}}, [r2]",
        "vld21.32 {{q2, q3}}, [r2]!",
        "str r2, [sp, #44]",
        "vadd.i32 q0, q0, q2",
        // The multiplier in the upper half: the upper word of the product is (acc·mult) >> 16.
        "vshl.i32 q1, q3, #16",
        "vmulh.s32 q0, q0, q1",
        // To the right by shift + 1, rounded half up.
        "vshr.u32 q3, q3, #16",
        "vbic.i32 q3, #0xe0",
        "vmvn q3, q3",
        "vrshl.s32 q0, q0, q3",
        "vdup.32 q1, r3",
        "vmax.s32 q0, q0, q1",
        "vqmovnb.s32 q0, q0",
        "vstrh.32 q0, [r1], #8",
        "subs r9, r9, #1",
        "strd r1, r9, [sp, #52]",
        "bne 11b",
        "add sp, sp, #64",
        "pop {{r4-r11, pc}}",
        // Sums: added to what is there; the weights move on to the next panel's columns.
        "40: ldr r3, [sp, #60]",
        "vldrw.u32 q1, [r1]",
        "vadd.i32 q0, q0, q1",
        "vstrw.32 q0, [r1], #16",
        "add r0, r0, r3",
        "subs r9, r9, #1",
        "strd r1, r9, [sp, #52]",
        "bne 11b",
        "add sp, sp, #64",
        "pop {{r4-r11, pc}}",
    )
}

/// The packing on these cores.
enum Pairs {}

impl Fours for Pairs {
    #[inline(always)]
    fn run(work: &Work<'_>) {
        // SAFETY: `Work` promises what the function asks for. It keeps r4 to r11, q4 to q7 and the stack pointer, as the calling
        // convention wants, calls nothing, and writes to `out` and below the stack pointer alone.
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
