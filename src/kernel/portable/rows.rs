//! Rows of embedding tables, alone and pooled. A code that has no row makes zeros, and adds nothing.

/// Returns the row of a code, `width` cells of a table.
#[inline(always)]
fn row<T>(cells: &[T], code: u32, width: usize) -> Option<&[T]> {
    let at = (code as usize).checked_mul(width)?;
    cells.get(at..)?.get(..width)
}

/// Copies what `of` makes of the row's cells, or zeros.
#[inline(always)]
fn copy<T: Copy, A: Default + Copy>(cells: &[T], code: u32, y: &mut [A], of: impl Fn(T) -> A) {
    match row(cells, code, y.len()) {
        Some(row) => {
            for (y, cell) in y.iter_mut().zip(row) {
                *y = of(*cell);
            }
        }
        None => y.fill(A::default()),
    }
}

/// Changes each element by the row's cell, and returns whether there is such a row.
#[inline(always)]
fn change<T: Copy, A>(cells: &[T], code: u32, y: &mut [A], by: impl Fn(&mut A, T)) -> bool {
    let row = row(cells, code, y.len());
    for (y, cell) in y.iter_mut().zip(row.unwrap_or(&[])) {
        by(y, *cell);
    }
    row.is_some()
}

/// `y = row`.
#[inline(never)]
pub fn row_f32(cells: &[f32], code: u32, y: &mut [f32]) {
    copy(cells, code, y, |v| v);
}

/// `y = f32(row)·scale`.
#[inline(never)]
pub fn row_w8(cells: &[i8], code: u32, scale: f32, y: &mut [f32]) {
    copy(cells, code, y, |q| f32::from(q) * scale);
}

/// `y = row << shift`. The shift is masked with `& 7`.
#[inline(never)]
pub fn row_i8(cells: &[i8], code: u32, shift: u32, y: &mut [i16]) {
    copy(cells, code, y, |q| i16::from(q) << (shift & 7));
}

/// `y = row`.
#[inline(never)]
pub fn row_i16(cells: &[i16], code: u32, y: &mut [i16]) {
    copy(cells, code, y, |v| v);
}

/// `y = y + row`.
#[inline(never)]
pub fn add_row_f32(cells: &[f32], code: u32, y: &mut [f32]) -> bool {
    change(cells, code, y, |y, v| *y += v)
}

/// `y = y + f32(row)`, which is exact: a list has at most 255 items.
#[inline(never)]
pub fn add_row_w8(cells: &[i8], code: u32, y: &mut [f32]) -> bool {
    change(cells, code, y, |y, q| *y += f32::from(q))
}

/// `y = y + row`, which fits 16 bits: a list has at most 255 items.
#[inline(never)]
pub fn add_row_i8(cells: &[i8], code: u32, y: &mut [i16]) -> bool {
    change(cells, code, y, |y, q| *y = y.wrapping_add(i16::from(q)))
}

/// `y = y + row`, saturating.
#[inline(never)]
pub fn add_row_i16(cells: &[i16], code: u32, y: &mut [i16]) -> bool {
    change(cells, code, y, |y, v| *y = y.saturating_add(v))
}

/// `y = max(y, row)`.
#[inline(never)]
pub fn max_row_f32(cells: &[f32], code: u32, y: &mut [f32]) -> bool {
    change(cells, code, y, |y, v| {
        if v > *y {
            *y = v;
        }
    })
}

/// `y = max(y, f32(row))`.
#[inline(never)]
pub fn max_row_w8(cells: &[i8], code: u32, y: &mut [f32]) -> bool {
    change(cells, code, y, |y, q| {
        let v = f32::from(q);
        if v > *y {
            *y = v;
        }
    })
}

/// `y = max(y, row)`.
#[inline(never)]
pub fn max_row_i8(cells: &[i8], code: u32, y: &mut [i16]) -> bool {
    change(cells, code, y, |y, q| *y = (*y).max(i16::from(q)))
}

/// `y = max(y, row)`.
#[inline(never)]
pub fn max_row_i16(cells: &[i16], code: u32, y: &mut [i16]) -> bool {
    change(cells, code, y, |y, v| *y = (*y).max(v))
}

/// `y = y / n`.
#[inline(never)]
pub fn mean_f32(n: u32, y: &mut [f32]) {
    let n = n as f32;
    for y in y {
        *y /= n;
    }
}

/// `y = y·scale`.
#[inline(never)]
pub fn scale_f32(scale: f32, y: &mut [f32]) {
    for y in y {
        *y *= scale;
    }
}

/// Sums of int8 rows to activations: `sat16(y << shift)`. The shift is masked with `& 7`.
#[inline(never)]
pub fn shift_i16(shift: u32, y: &mut [i16]) {
    for y in y {
        let v = i32::from(*y) << (shift & 7);
        *y = v.clamp(-32768, 32767) as i16;
    }
}

/// Returns `a / n`, for n from 1 to 255 and a up to 2²⁴.
#[inline(always)]
fn quotient(a: u32, n: u32) -> u32 {
    // A core that does not divide would link 400 bytes for it.
    if cfg!(mmoe_arm_v6m) {
        quotient_by_bits(a, n)
    } else {
        a.checked_div(n).unwrap_or(0)
    }
}

fn quotient_by_bits(a: u32, n: u32) -> u32 {
    let (mut left, mut q) = (a, 0);
    for bit in (0..24).rev() {
        let part = n << bit;
        if left >= part {
            left -= part;
            q |= 1 << bit;
        }
    }
    q
}

/// Sums of `n` rows to the activations of their mean: `(y·m + 2¹⁵) >> 16` with
/// `m = ⌊(2^(16 + shift) + ⌊n / 2⌋) / n⌋`, so that only one number is divided. Of sums of int8 rows it
/// is at most 0.76 of a step off. The shift is masked with `& 7`; sums of other than int8 rows have the
/// shift 0 and n from 2 on, so that nothing wraps.
#[inline(never)]
pub fn mean_i16(n: u32, shift: u32, y: &mut [i16]) {
    let one = 1u32 << (16 + (shift & 7));
    let m = quotient(one.wrapping_add(n / 2), n) as i32;
    for y in y {
        *y = (i32::from(*y).wrapping_mul(m).wrapping_add(1 << 15) >> 16) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::{mean_i16, quotient_by_bits};

    #[test]
    fn bit_by_bit_a_quotient_is_a_quotient() {
        for n in 1..=255u32 {
            for shift in 0..8 {
                for a in [1 << (16 + shift), (1 << (16 + shift)) + n / 2] {
                    assert_eq!(quotient_by_bits(a, n), a / n);
                }
            }
        }
    }

    #[test]
    fn a_mean_is_at_most_0_76_of_a_step_off() {
        let mut worst = 0.0f64;
        for n in 1..=255i32 {
            for shift in 0..8 {
                for sum in -127 * n..=127 * n {
                    let mut y = [sum as i16];
                    mean_i16(n as u32, shift, &mut y);
                    let exact = f64::from(sum) * f64::from(1 << shift) / f64::from(n);
                    worst = worst.max((f64::from(y[0]) - exact).abs());
                }
            }
        }
        assert!((0.7..=0.76).contains(&worst), "{worst}");
    }
}
