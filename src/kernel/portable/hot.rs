//! Dense layers whose last columns are one-hot: codes name the columns that are hot, and no others
//! are looked at.
//!
//! In integers the sums are those of the expanded input. In floats they are, too, but for the sign
//! of a zero: per row the bias, the columns of the numbers in order, and the named columns in the
//! order of the codes, one addition each.

use super::gemv_i8::row;
use super::gemv_i8_pairs::{add_column, panel as pairs_panel, split};
use super::panels::panels;
use super::requantize::{hidden, logits, wide_hidden, wide_logits};
use super::{gemv_f32 as f32_panels, gemv_i8, gemv_i8_quad, gemv_i16, gemv_w8 as w8_panels};
use crate::kernel::{HotInput, Row, WideRow};
use crate::number::Element;
use zerocopy::{FromBytes, IntoBytes};

/// The columns of a panel that the numbers meet.
#[inline(always)]
fn numbers<'w, const N: usize, W>(panel: &'w [W], x: &HotInput<'_, f32>) -> &'w [W] {
    panel
        .get(..x.numbers.len().wrapping_mul(N))
        .unwrap_or_default()
}

/// Adds the named columns of a panel of `N` rows.
#[inline(always)]
fn named<const N: usize, W: Copy>(
    panel: &[W],
    x: &HotInput<'_, f32>,
    mut acc: [f32; N],
    as_f32: impl Fn(W) -> f32,
) -> [f32; N] {
    let columns = panel.as_chunks::<N>().0.get(x.numbers.len()..);
    for code in x.codes {
        if let Some(column) = columns.unwrap_or_default().get(code.column()) {
            for (acc, w) in acc.iter_mut().zip(column) {
                *acc += as_f32(*w);
            }
        }
    }
    acc
}

/// What `gemv_f32` computes of the expanded input, a zero's sign aside.
#[inline(never)]
pub fn hot_f32(w: &[f32], bias: &[f32], x: HotInput<'_, f32>, y: &mut [f32]) {
    let (mut w, mut bias) = (w, bias);
    panels!(8, w, x, y, [bias], out => *out = named(w, &x, f32_panels::panel8(numbers::<8, _>(w, &x), x.numbers, *bias), |w| w));
    panels!(4, w, x, y, [bias], out => *out = named(w, &x, f32_panels::panel4(numbers::<4, _>(w, &x), x.numbers, *bias), |w| w));
    panels!(1, w, x, y, [bias], out => *out = named(w, &x, f32_panels::panel1(numbers::<1, _>(w, &x), x.numbers, *bias), |w| w));
    let _ = y;
}

/// What `gemv_w8` computes of the expanded input, a zero's sign aside.
#[inline(never)]
pub fn hot_w8(w: &[i8], scale: &[f32], bias: &[f32], x: HotInput<'_, f32>, y: &mut [f32]) {
    let (mut w, mut scale, mut bias) = (w, scale, bias);
    panels!(8, w, x, y, [scale bias], out => {
        let sums = named(w, &x, w8_panels::panel8(numbers::<8, _>(w, &x), x.numbers, [0.0; 8]), f32::from);
        *out = w8_panels::scaled(sums, scale, bias);
    });
    panels!(4, w, x, y, [scale bias], out => {
        let sums = named(w, &x, w8_panels::panel4(numbers::<4, _>(w, &x), x.numbers, [0.0; 4]), f32::from);
        *out = w8_panels::scaled(sums, scale, bias);
    });
    panels!(1, w, x, y, [scale bias], out => {
        let sums = named(w, &x, w8_panels::panel1(numbers::<1, _>(w, &x), x.numbers, [0.0; 1]), f32::from);
        *out = w8_panels::scaled(sums, scale, bias);
    });
    let _ = y;
}

/// Adds the named columns of a panel of four, `one` times. `flip` makes every byte of a word its
/// weight + 128.
///
/// Two weights are added at once: as bytes of 0 to 255 in halves of a word, which have room for 257
/// of them. A function of its own, so that its loop has all the registers.
#[inline(never)]
fn words4(w: &[i32], codes: &[i16], flip: u32, one: i16, sums: &mut [i32; 4]) {
    const HALVES: u32 = 0x00ff_00ff;
    for codes in codes.chunks(256) {
        let [mut even, mut odd, mut added] = [0u32; 3];
        for code in codes {
            if let Some(word) = w.get(code.column()) {
                let word = i32::from_le(*word) as u32 ^ flip;
                even = even.wrapping_add(word & HALVES);
                odd = odd.wrapping_add(word >> 8 & HALVES);
                added = added.wrapping_add(128);
            }
        }
        let halves = [even & 0xffff, odd & 0xffff, even >> 16, odd >> 16];
        for (sum, half) in sums.iter_mut().zip(halves) {
            let named = half.wrapping_sub(added) as i32;
            *sum = sum.wrapping_add(named.wrapping_mul(i32::from(one)));
        }
    }
}

/// [`words4`] of a panel that does not lie on a word boundary: never in a loaded model.
#[cold]
#[inline(never)]
fn unaligned(w: &[i8], codes: &[i16], flip: u32, one: i16, sums: &mut [i32; 4]) {
    let (words, _) = w.as_bytes().as_chunks::<4>();
    for code in codes {
        if let Some(word) = words.get(code.column()) {
            let word = u32::from_le_bytes(*word) ^ flip ^ 0x8080_8080;
            *sums = gemv_i8::column(*sums, word as i32, one);
        }
    }
}

/// The sums of a panel whose columns are a word each.
#[inline(always)]
fn panel_of_words(
    w: &[i8],
    x: &HotInput<'_, i16>,
    flip: u32,
    numbers: impl Fn(&[i8], &[i16], &mut [i32; 4]),
    sums: &mut [i32; 4],
) {
    let Some((dense, hot)) = w.split_at_checked(x.numbers.len().wrapping_mul(4)) else {
        return;
    };
    if !x.numbers.is_empty() {
        numbers(dense, x.numbers, sums);
    }
    match <[i32]>::ref_from_bytes(hot.as_bytes()) {
        Ok(words) => words4(words, x.codes, flip, x.one, sums),
        Err(_) => unaligned(hot, x.codes, flip, x.one, sums),
    }
}

/// The sums of a panel in which two columns stand side by side.
#[inline(never)]
fn panel_of_pairs(w: &[i8], x: HotInput<'_, i16>, sums: &mut [i32; 4]) {
    let total = x.len();
    let (_, (_, pairs), last) = split(total, 0, x.numbers);
    pairs_panel(w, pairs, sums);
    if let Some((c, last)) = last {
        add_column(w, total, c, last, sums);
    }
    for code in x.codes {
        let column = x.numbers.len().saturating_add(code.column());
        if column < total {
            add_column(w, total, column, x.one, sums);
        }
    }
}

/// The walk over the rows: `panel` gives the sums of four rows, `finish` turns sums into outputs.
#[inline(always)]
fn gemv<T>(
    w: &[i8],
    rows: &[Row],
    x: HotInput<'_, i16>,
    y: &mut [T],
    panel: impl Fn(&[i8], &mut [i32; 4]),
    finish: impl Fn(&[i32], &[Row], &mut [T]),
) {
    let (mut w, mut rows) = (w, rows);
    panels!(4, w, x, y, [rows], out => {
        let mut sums = [0; 4];
        panel(w, &mut sums);
        finish(&sums, rows, out);
    });
    panels!(1, w, x, y, [rows], out => finish(&[single(w, x)], rows, out));
    let _ = y;
}

/// The sum of a single row.
#[inline(never)]
fn single(w: &[i8], x: HotInput<'_, i16>) -> i32 {
    let hot = w.get(x.numbers.len()..).unwrap_or_default();
    let named = x.codes.iter().filter_map(|code| hot.get(code.column()));
    let named = named.fold(0i32, |sum, w| sum.wrapping_add(i32::from(*w)));
    row(w, x.numbers).wrapping_add(named.wrapping_mul(i32::from(x.one)))
}

/// Defines the two functions of a packing.
macro_rules! packing {
    ($dense:ident, $logits:ident, $order:literal, |$w:ident, $x:ident, $sums:ident| $panel:expr) => {
        #[doc = concat!("A hidden layer of int8 weights ", $order, ": its sums are those of the expanded input.")]
        #[inline(never)]
        pub fn $dense(w: &[i8], rows: &[Row], $x: HotInput<'_, i16>, y: &mut [i16], floor: i16) {
            gemv(w, rows, $x, y, |$w, $sums| $panel, |sums, rows, y| hidden(sums, rows, y, floor));
        }

        #[doc = concat!("A layer of logits of int8 weights ", $order, ".")]
        #[inline(never)]
        pub fn $logits(w: &[i8], rows: &[Row], $x: HotInput<'_, i16>, z: &mut [i32]) {
            gemv(w, rows, $x, z, |$w, $sums| $panel, logits);
        }
    };
}

packing!(hot_dense_i8, hot_logits_i8, "in `Panels`", |w, x, sums| {
    panel_of_words(w, &x, 0x8080_8080, gemv_i8::panel, sums);
});
packing!(
    hot_dense_i8_quad,
    hot_logits_i8_quad,
    "in `Quad`",
    |w, x, sums| {
        // The lower three bytes are + 128 as they are.
        panel_of_words(w, &x, 0x8000_0000, gemv_i8_quad::panel(x.numbers), sums);
    }
);
packing!(
    hot_dense_i8_pairs,
    hot_logits_i8_pairs,
    "in `Pairs`",
    |w, x, sums| {
        panel_of_pairs(w, x, sums);
    }
);

/// Adds the named columns of an int16 panel of `N` rows.
#[inline(always)]
fn named_wide<const N: usize>(w: &[i16], x: HotInput<'_, i16>, sums: &mut [i64; N]) {
    let columns = w.as_chunks::<N>().0.get(x.numbers.len()..);
    for code in x.codes {
        if let Some(column) = columns.unwrap_or_default().get(code.column()) {
            for (sum, w) in sums.iter_mut().zip(column) {
                *sum = gemv_i16::step(*sum, *w, x.one);
            }
        }
    }
}

#[inline(always)]
fn gemv_wide<T>(
    w: &[i16],
    rows: &[WideRow],
    x: HotInput<'_, i16>,
    y: &mut [T],
    finish: impl Fn(&[i64], &[WideRow], &mut [T]),
) {
    let (mut w, mut rows) = (w, rows);
    panels!(2, w, x, y, [rows], out => {
        let mut sums = [0; 2];
        gemv_i16::pair(w, x.numbers, &mut sums);
        named_wide(w, x, &mut sums);
        finish(&sums, rows, out);
    });
    panels!(1, w, x, y, [rows], out => {
        let mut sums = [gemv_i16::single(w, x.numbers)];
        named_wide(w, x, &mut sums);
        finish(&sums, rows, out);
    });
    let _ = y;
}

/// A hidden layer of int16 weights.
#[inline(never)]
pub fn hot_dense_i16(w: &[i16], rows: &[WideRow], x: HotInput<'_, i16>, y: &mut [i16], floor: i16) {
    gemv_wide(w, rows, x, y, |sums, rows, y| {
        wide_hidden(sums, rows, y, floor)
    });
}

/// A layer of logits of int16 weights.
#[inline(never)]
pub fn hot_logits_i16(w: &[i16], rows: &[WideRow], x: HotInput<'_, i16>, z: &mut [i32]) {
    gemv_wide(w, rows, x, z, wide_logits);
}
