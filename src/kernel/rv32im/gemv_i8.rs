//! Dense layers of int8 weights in `Panels`.
//!
//! `lb` extends a weight while it loads it, so that nothing is unpacked: three instructions a
//! product, and a fourth of the load of x.
#![allow(unsafe_code)]

use core::arch::naked_asm;

use crate::kernel::Row;
use crate::kernel::fours::{self, Fours, Work};

/// A column at bytes `$a` to `$d` of the weights and `$x` of x. Sums in t0 to t3; a4: x; a5 to a7 and
/// t4: products.
macro_rules! column {
    ($a:literal $b:literal $c:literal $d:literal, $x:literal) => {
        concat!(
            "lh a4, ",
            $x,
            "(a1)\n",
            "lb a5, ",
            $a,
            "(a0)\n",
            "lb a6, ",
            $b,
            "(a0)\n",
            "lb a7, ",
            $c,
            "(a0)\n",
            "lb t4, ",
            $d,
            "(a0)\n",
            "mul a5, a5, a4\n",
            "mul a6, a6, a4\n",
            "mul a7, a7, a4\n",
            "mul t4, t4, a4\n",
            "add t0, t0, a5\n",
            "add t1, t1, a6\n",
            "add t2, t2, a7\n",
            "add t3, t3, t4\n",
        )
    };
}

/// One row: its sum in `$s`; the record's words and bytes at these offsets of s1, the result at `$at`
/// of s2; s4 the lowest result, s5 32767.
macro_rules! requantized {
    ($s:literal, $bias:literal $mult:literal $shift:literal, $at:literal) => {
        concat!(
            "lw a4, ",
            $bias,
            "(s1)\n",
            "lh a5, ",
            $mult,
            "(s1)\n",
            "lbu a6, ",
            $shift,
            "(s1)\n",
            "add a4, a4, ",
            $s,
            "\n",
            // The multiplier in the upper half: the upper word of the product is (acc·mult) >> 16.
            "slli a5, a5, 16\n",
            "mulh a4, a4, a5\n",
            "sra a4, a4, a6\n",
            "addi a4, a4, 1\n",
            "srai a4, a4, 1\n",
            // Not below s4, not above s5, without a branch: |a4| is at most 2³⁰.
            "sub a5, a4, s4\n",
            "srai a6, a5, 31\n",
            "and a5, a5, a6\n",
            "sub a4, a4, a5\n",
            "sub a5, s5, a4\n",
            "srai a6, a5, 31\n",
            "and a5, a5, a6\n",
            "add a4, a4, a5\n",
            "sh a4, ",
            $at,
            "(s2)\n",
        )
    };
}

/// Whole panels in one walk: a0 the weights, a1 a [`Work`].
///
/// s0: x; s1: rows; s2: out; s3: panels left; s4, s5: the saturation; s6: skip; t5: the end of x's
/// blocks of sixteen columns; t6: the end of x.
///
/// # Safety
///
/// As [`Work`] says of itself.
#[unsafe(naked)]
unsafe extern "C" fn panels(w: *const i8, work: *const Work<'_>) {
    naked_asm!(
        // Assembly in a naked function does not see the target's features.
        ".option push",
        ".option arch, +m",
        "addi sp, sp, -32",
        "sw s0, 0(sp)",
        "sw s1, 4(sp)",
        "sw s2, 8(sp)",
        "sw s3, 12(sp)",
        "sw s4, 16(sp)",
        "sw s5, 20(sp)",
        "sw s6, 24(sp)",
        "lw s0, 0(a1)",
        "lw a3, 4(a1)",
        "lw s1, 8(a1)",
        "lw s4, 12(a1)",
        "lw s2, 16(a1)",
        "lw s3, 20(a1)",
        "lw s6, 24(a1)",
        // 0 for a relu, −32768 for none.
        "slli s4, s4, 15",
        "neg s4, s4",
        "li s5, 32767",
        "andi t5, a3, -16",
        "slli t5, t5, 1",
        "add t5, t5, s0",
        "slli t6, a3, 1",
        "add t6, t6, s0",
        "11: mv a1, s0",
        "li t0, 0",
        "li t1, 0",
        "li t2, 0",
        "li t3, 0",
        "beq t5, a1, 21f",
        "20:",
        column!("0" "1" "2" "3", "0"),
        column!("4" "5" "6" "7", "2"),
        column!("8" "9" "10" "11", "4"),
        column!("12" "13" "14" "15", "6"),
        column!("16" "17" "18" "19", "8"),
        column!("20" "21" "22" "23", "10"),
        column!("24" "25" "26" "27", "12"),
        column!("28" "29" "30" "31", "14"),
        column!("32" "33" "34" "35", "16"),
        column!("36" "37" "38" "39", "18"),
        column!("40" "41" "42" "43", "20"),
        column!("44" "45" "46" "47", "22"),
        column!("48" "49" "50" "51", "24"),
        column!("52" "53" "54" "55", "26"),
        column!("56" "57" "58" "59", "28"),
        column!("60" "61" "62" "63", "30"),
        "addi a0, a0, 64",
        "addi a1, a1, 32",
        "bne a1, t5, 20b",
        "21: beq a1, t6, 23f",
        "22:",
        column!("0" "1" "2" "3", "0"),
        "addi a0, a0, 4",
        "addi a1, a1, 2",
        "bne a1, t6, 22b",
        "23: addi s3, s3, -1",
        "beqz s1, 40f",
        requantized!("t0", "0" "4" "6", "0"),
        requantized!("t1", "8" "12" "14", "2"),
        requantized!("t2", "16" "20" "22", "4"),
        requantized!("t3", "24" "28" "30", "6"),
        "addi s1, s1, 32",
        "addi s2, s2, 8",
        "bnez s3, 11b",
        "30: lw s0, 0(sp)",
        "lw s1, 4(sp)",
        "lw s2, 8(sp)",
        "lw s3, 12(sp)",
        "lw s4, 16(sp)",
        "lw s5, 20(sp)",
        "lw s6, 24(sp)",
        "addi sp, sp, 32",
        "ret",
        // Sums: added to what is there; the weights move on to the next panel's columns.
        "40: lw a4, 0(s2)",
        "lw a5, 4(s2)",
        "lw a6, 8(s2)",
        "lw a7, 12(s2)",
        "add a4, a4, t0",
        "add a5, a5, t1",
        "add a6, a6, t2",
        "add a7, a7, t3",
        "sw a4, 0(s2)",
        "sw a5, 4(s2)",
        "sw a6, 8(s2)",
        "sw a7, 12(s2)",
        "addi s2, s2, 16",
        "add a0, a0, s6",
        "bnez s3, 11b",
        "j 30b",
        ".option pop",
    )
}

/// The packing on these cores.
enum Panels {}

impl Fours for Panels {
    #[inline(always)]
    fn run(work: &Work<'_>) {
        // SAFETY: `Work` promises what the function asks for. It keeps s0 to s6 and the stack
        // pointer, as the calling convention wants, calls nothing, and writes to `out` and below
        // the stack pointer alone.
        unsafe { panels(work.weights(), work) }
    }
}

/// What the portable function of this name computes.
#[inline(never)]
pub fn dense_i8(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], floor: i16) {
    fours::dense::<Panels>(w, rows, x, y, floor);
}

/// What the portable function of this name computes.
#[inline(never)]
pub fn logits_i8(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]) {
    fours::logits::<Panels>(w, rows, x, z);
}

/// What the portable function of this name computes.
#[inline(never)]
pub fn accumulate_i8(w: &[i8], total: usize, from: usize, x: &[i16], acc: &mut [i32]) {
    fours::accumulate::<Panels>(w, total, from, x, acc);
}
