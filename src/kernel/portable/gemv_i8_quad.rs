//! Dense layers of int8 weights packed as `Quad`: four rows from one word, without taking it apart.
//!
//! A word holds the weights of four rows that meet one input, the lower three with 128 added, so
//! that as a number it is v = Σ w'[k]·256^k with w'[k] in 0 ..= 255 for k < 3. Then with S[k] = Σ
//! (v >> 8k)·x, in wrapping i32, Σ w'[k]·x = S[k] − 256·S[k+1], and the true sum is less by 128·Σ
//! x.

use zerocopy::{FromBytes, IntoBytes};

use super::gemv_i8::{columns, gemv};
use super::requantize::{hidden, logits};
use crate::kernel::Row;

/// Adds one column to S.
#[inline(always)]
fn column([a, b, c, d]: [i32; 4], v: i32, x: i16) -> [i32; 4] {
    let x = x as i32;
    [
        a.wrapping_add(v.wrapping_mul(x)),
        b.wrapping_add((v >> 8).wrapping_mul(x)),
        c.wrapping_add((v >> 16).wrapping_mul(x)),
        d.wrapping_add((v >> 24).wrapping_mul(x)),
    ]
}

/// From S to the sums of the rows; `correction` is 128·Σ x.
#[inline(always)]
fn apart([a, b, c, d]: [i32; 4], correction: i32) -> [i32; 4] {
    let lower = |s: i32, next: i32| s.wrapping_sub(next << 8).wrapping_sub(correction);
    [lower(a, b), lower(b, c), lower(c, d), d]
}

/// The sums of a panel. A function of its own, so that its loop has all the registers.
#[inline(never)]
fn words4(w: &[i32], x: &[i16], correction: i32, sums: &mut [i32; 4]) {
    *sums = apart(columns(w, x, column), correction);
}

/// The sums of a panel that does not lie on a word boundary: never in a loaded model.
#[cold]
#[inline(never)]
fn unaligned(w: &[i8], x: &[i16], correction: i32, sums: &mut [i32; 4]) {
    let (words, _) = w.as_bytes().as_chunks::<4>();
    let s = words
        .iter()
        .zip(x)
        .fold([0; 4], |s, (w, &x)| column(s, i32::from_le_bytes(*w), x));
    *sums = apart(s, correction);
}

/// What turns a vector of inputs into the panels' function.
#[inline(always)]
pub(super) fn panel(x: &[i16]) -> impl Fn(&[i8], &[i16], &mut [i32; 4]) + use<> {
    let sum = x.iter().fold(0_i32, |sum, &x| sum.wrapping_add(x as i32));
    let correction = sum.wrapping_mul(128);
    move |w, x, sums| match <[i32]>::ref_from_bytes(w.as_bytes()) {
        Ok(words) => words4(words, x, correction, sums),
        Err(_) => unaligned(w, x, correction, sums),
    }
}

/// What [`dense_i8`](super::dense_i8) computes, from weights packed as `Quad`.
#[inline(never)]
pub fn dense_i8_quad(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], floor: i16) {
    gemv(w, rows, x, y, panel(x), |sums, rows, y| {
        hidden(sums, rows, y, floor)
    });
}

/// What [`logits_i8`](super::logits_i8) computes, from weights packed as `Quad`.
#[inline(never)]
pub fn logits_i8_quad(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]) {
    gemv(w, rows, x, z, panel(x), logits);
}

/// [`dense_i8_quad`] of several inputs.
#[inline(never)]
pub fn dense_rows_i8_quad(w: &[i8], rows: &[Row], x: &[&[i16]], y: &mut [&mut [i16]], floor: i16) {
    for (x, y) in x.iter().zip(y) {
        dense_i8_quad(w, rows, x, y, floor);
    }
}

/// [`logits_i8_quad`] of several inputs.
#[inline(never)]
pub fn logits_rows_i8_quad(w: &[i8], rows: &[Row], x: &[&[i16]], z: &mut [&mut [i32]]) {
    for (x, z) in x.iter().zip(z) {
        logits_i8_quad(w, rows, x, z);
    }
}
