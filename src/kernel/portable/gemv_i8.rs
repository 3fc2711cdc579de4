//! Dense layers of int8 weights in panels of 4 rows, int16 activations and i32 accumulators.

use zerocopy::{FromBytes, IntoBytes};

use super::fixed::at_least;
use super::panels::{finish, panel, panels};
use super::requantize::{hidden, logit};
use crate::kernel::Row;

#[inline(always)]
fn step(acc: i32, w: i8, x: i16) -> i32 {
    // The product fits; only the sum can wrap, and the converter has proven that it does not.
    acc.wrapping_add(w as i32 * x as i32)
}
panel!(panel1, i8, i16, i32, step, 1, 0);
panel!(bytes4, i8, i16, i32, step, 4, 0 1 2 3);

/// Adds one row's products to `acc`; the single rows of every form of an int8 layer.
#[inline(never)]
pub(super) fn row(w: &[i8], x: &[i16], acc: i32) -> i32 {
    let [acc] = panel1(w, x, [acc]);
    acc
}

/// Adds a panel's products to `acc`, with one load per column and then one weight after the other from the word.
///
/// A function of its own, so that its loop has all the registers.
#[inline(never)]
fn words4(w: &[i32], x: &[i16], acc: &mut [i32; 4]) {
    let [mut a, mut b, mut c, mut d] = *acc;
    for (&word, &x) in w.iter().zip(x) {
        let word = i32::from_le(word);
        a = step(a, word as i8, x);
        b = step(b, (word >> 8) as i8, x);
        c = step(c, (word >> 16) as i8, x);
        d = step(d, (word >> 24) as i8, x);
    }
    *acc = [a, b, c, d];
}

/// A panel that does not lie on a word boundary: never in a loaded model.
#[cold]
#[inline(never)]
fn unaligned(w: &[i8], x: &[i16], acc: &mut [i32; 4]) {
    *acc = bytes4(w, x, *acc);
}

#[inline(always)]
fn panel4(w: &[i8], x: &[i16], mut acc: [i32; 4]) -> [i32; 4] {
    match <[i32]>::ref_from_bytes(w.as_bytes()) {
        Ok(words) => words4(words, x, &mut acc),
        Err(_) => unaligned(w, x, &mut acc),
    }
    acc
}

#[inline(always)]
fn gemv<T: Copy>(w: &[i8], rows: &[Row], x: &[i16], y: &mut [T], f: impl Fn(i32, &Row) -> T) {
    let (mut w, mut rows) = (w, rows);
    panels!(4, w, x, y, [rows], out => finish(panel4(w, x, rows.each_ref().map(|row| row.bias)), rows, out, &f));
    panels!(1, w, x, y, [rows], out => {
        let [r] = rows;
        *out = [f(row(w, x, r.bias), r)];
    });
    let _ = y;
}

/// A hidden layer: requantized, saturated to int16, and no less than `floor` (0 for a relu, `i16::MIN` for none).
///
/// `w` is in [`Order::Fours`](crate::kernel::Order::Fours); it is read word by word where it is aligned to 4.
#[inline(never)]
pub fn dense_i8(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], floor: i16) {
    gemv(w, rows, x, y, |acc, row| at_least(floor, hidden(acc, row)));
}

/// A layer of logits: Q16.16. `w` as in [`dense_i8`].
#[inline(never)]
pub fn logits_i8(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]) {
    gemv(w, rows, x, z, logit);
}
