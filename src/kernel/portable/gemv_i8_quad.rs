//! Dense layers of int8 weights packed as `Quad`: four rows from one word, without taking it apart.
//!
//! A word holds the weights of four rows that meet one input, the lower three with 128 added, so that as a number it is
//! v = Σ w'[k]·256^k with w'[k] in 0 ..= 255 for k < 3. Then with S[k] = Σ (v >> 8k)·x, in wrapping i32,
//! Σ w'[k]·x = S[k] − 256·S[k+1], and the true sum is less by 128·Σ x.

use zerocopy::{FromBytes, IntoBytes};

use super::fixed::at_least;
use super::gemv_i8::row;
use super::panels::{finish, panels};
use super::requantize::{hidden, logit};
use crate::kernel::Row;

/// S[0] to S[3].
#[inline(always)]
fn sums(words: impl Iterator<Item = i32>, x: &[i16]) -> [i32; 4] {
    let [mut a, mut b, mut c, mut d] = [0_i32; 4];
    for (v, &x) in words.zip(x) {
        let x = x as i32;
        a = a.wrapping_add(v.wrapping_mul(x));
        b = b.wrapping_add((v >> 8).wrapping_mul(x));
        c = c.wrapping_add((v >> 16).wrapping_mul(x));
        d = d.wrapping_add((v >> 24).wrapping_mul(x));
    }
    [a, b, c, d]
}

/// The sums of an aligned panel: a function of its own, so that its loop has all the registers.
#[inline(never)]
fn words4(w: &[i32], x: &[i16], s: &mut [i32; 4]) {
    *s = sums(w.iter().map(|w| i32::from_le(*w)), x);
}

/// The sums of a panel that does not lie on a word boundary: never in a loaded model.
#[cold]
#[inline(never)]
fn unaligned(w: &[i8], x: &[i16], s: &mut [i32; 4]) {
    let (words, _) = w.as_bytes().as_chunks::<4>();
    *s = sums(words.iter().map(|w| i32::from_le_bytes(*w)), x);
}

/// `acc + W·x` of one panel; `correction` is 128·Σ x.
#[inline(always)]
fn panel4(w: &[i8], x: &[i16], correction: i32, acc: [i32; 4]) -> [i32; 4] {
    let mut s = [0; 4];
    match <[i32]>::ref_from_bytes(w.as_bytes()) {
        Ok(words) => words4(words, x, &mut s),
        Err(_) => unaligned(w, x, &mut s),
    }
    let lower = |k: usize| s[k].wrapping_sub(s[k + 1] << 8).wrapping_sub(correction);
    [acc[0].wrapping_add(lower(0)), acc[1].wrapping_add(lower(1)), acc[2].wrapping_add(lower(2)), acc[3].wrapping_add(s[3])]
}

#[inline(always)]
fn gemv<T: Copy>(w: &[i8], rows: &[Row], x: &[i16], y: &mut [T], f: impl Fn(i32, &Row) -> T) {
    let (mut w, mut rows) = (w, rows);
    let sum = x.iter().fold(0_i32, |sum, &x| sum.wrapping_add(x as i32));
    let correction = sum.wrapping_mul(128);
    panels!(4, w, x, y, [rows], out => {
        finish(panel4(w, x, correction, rows.each_ref().map(|row| row.bias)), rows, out, &f);
    });
    panels!(1, w, x, y, [rows], out => {
        let [r] = rows;
        *out = [f(row(w, x, r.bias), r)];
    });
    let _ = y;
}

/// What [`dense_i8`](super::dense_i8) computes, from weights packed as `Quad`.
#[inline(never)]
pub fn dense_i8_quad(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], floor: i16) {
    gemv(w, rows, x, y, |acc, row| at_least(floor, hidden(acc, row)));
}

/// What [`logits_i8`](super::logits_i8) computes, from weights packed as `Quad`.
#[inline(never)]
pub fn logits_i8_quad(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]) {
    gemv(w, rows, x, z, logit);
}
