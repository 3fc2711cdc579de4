//! Dense layers of int8 weights packed as `Quad`: four rows from one word, without taking it apart.
//!
//! A word holds the weights of four rows that meet one input, the lower three with 128 added, so that as a number it is
//! v = Σ w'[k]·256^k with w'[k] in 0 ..= 255 for k < 3. Then with S[k] = Σ (v >> 8k)·x, in wrapping i32,
//! Σ w'[k]·x = S[k] − 256·S[k+1], and the true sum is less by 128·Σ x.

use zerocopy::{FromBytes, IntoBytes};

use super::fixed::at_least;
use super::gemv_i8::finish;
use super::panels::{panel, panels};
use super::requantize::{hidden, logit};
use crate::kernel::Row;

#[inline(always)]
fn step(acc: i32, w: i8, x: i16) -> i32 {
    acc.wrapping_add(w as i32 * x as i32)
}
panel!(panel1, i8, i16, i32, step, 1, 0);

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

/// A panel that does not lie on a word boundary: never in a loaded model.
#[cold]
#[inline(never)]
fn unaligned(w: &[i8], x: &[i16]) -> [i32; 4] {
    let (words, _) = w.as_bytes().as_chunks::<4>();
    sums(words.iter().map(|w| i32::from_le_bytes(*w)), x)
}

/// `acc + W·x` of one panel; `correction` is 128·Σ x.
#[inline(always)]
fn panel4(w: &[i8], x: &[i16], correction: i32, acc: [i32; 4]) -> [i32; 4] {
    let [a, b, c, d] = match <[i32]>::ref_from_bytes(w.as_bytes()) {
        Ok(words) => sums(words.iter().map(|w| i32::from_le(*w)), x),
        Err(_) => unaligned(w, x),
    };
    let lower = |s: i32, next: i32| s.wrapping_sub(next << 8).wrapping_sub(correction);
    [acc[0].wrapping_add(lower(a, b)), acc[1].wrapping_add(lower(b, c)), acc[2].wrapping_add(lower(c, d)), acc[3].wrapping_add(d)]
}

#[inline(always)]
fn gemv<T>(w: &[i8], rows: &[Row], x: &[i16], y: &mut [T], f: impl Fn(i32, &Row) -> T) {
    let (mut w, mut rows) = (w, rows);
    let sum = x.iter().fold(0_i32, |sum, &x| sum.wrapping_add(x as i32));
    let correction = sum.wrapping_mul(128);
    panels!(4, w, x, y, [rows], finish(panel4(w, x, correction, rows.map(|row| row.bias)), rows, &f));
    panels!(1, w, x, y, [rows], finish(panel1(w, x, rows.map(|row| row.bias)), rows, &f));
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
