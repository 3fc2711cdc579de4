//! The kernels that take several rows at once, and those of a row on a host, against plain loops written
//! from `docs/numerics.md` and `docs/format.md`: every implementation that this machine has, every tail
//! of columns, panels and rows.

use mmoe::kernel::{Order, Row, panel_index};
use std::panic::Location;

/// A linear congruential generator (Knuth's MMIX constants).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }
    fn below(&mut self, n: u32) -> u32 {
        self.next() % n
    }
    /// Of any size, now and then an infinity, a NaN, a zero or a subnormal number.
    fn float(&mut self) -> f32 {
        match self.below(400) {
            0 => f32::INFINITY,
            1 => f32::NAN,
            2 => -0.0,
            3 => f32::from_bits(self.below(1 << 23)),
            _ => (self.next() as i32 as f32) * 2f32.powi(self.below(40) as i32 - 50),
        }
    }
    fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.float()).collect()
    }
    /// Bytes of any value, now and then all at their largest.
    fn bytes(&mut self, n: usize) -> Vec<i8> {
        let extreme = self.below(6) == 0;
        (0..n)
            .map(|_| if extreme { i8::MIN } else { self.next() as i8 })
            .collect()
    }
    fn int16s(&mut self, n: usize) -> Vec<i16> {
        let extreme = self.below(6) == 0;
        (0..n)
            .map(|_| {
                if extreme {
                    i16::MIN
                } else {
                    self.next() as i16
                }
            })
            .collect()
    }
    fn records(&mut self, n: usize) -> Vec<Row> {
        let mut record = || Row {
            bias: self.next() as i32 >> self.below(20),
            mult: self.next() as u16,
            shift: (self.next() >> 9) as u8,
            zero: 0,
        };
        (0..n).map(|_| record()).collect()
    }
}

/// Weights row by row, in the stored order.
fn pack<T: Copy + Default>(order: Order, rows: usize, columns: usize, w: &[T]) -> Vec<T> {
    let mut packed = vec![T::default(); w.len()];
    for r in 0..rows {
        for c in 0..columns {
            packed[panel_index(order, rows, columns, r, c)] = w[r * columns + c];
        }
    }
    packed
}

/// The same bits, or NaN both.
#[track_caller]
fn same(ours: &[f32], theirs: &[f32], what: &str) {
    for (r, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!(
            a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
            "{what}, row {r} at {}: {a} and not {b}",
            Location::caller()
        );
    }
}

/// Columns, rows of the matrix and rows of the batch: all small ones, and those about the sizes of the
/// tiles, where several kinds of tile meet.
fn shapes() -> Vec<(usize, usize, usize)> {
    let mut shapes = vec![];
    for columns in (0..=9).chain([15, 16, 17, 31, 33, 67]) {
        for rows in (0..=21).chain([28, 35, 44, 60, 77, 111]) {
            for batch in [1, 2, 3, 5, 7, 8, 13] {
                shapes.push((columns, rows, batch));
            }
        }
    }
    shapes.extend([(499, 4, 32), (512, 37, 32), (64, 64, 31), (3, 200, 1)]);
    shapes
}

macro_rules! float_rows {
    ($test:ident, $($module:ident)::+) => {
        #[test]
        fn $test() {
            use $($module)::+ as of;
            let mut random = Random(41);
            for (columns, rows, batch) in shapes() {
                let what = format!("{columns}→{rows}, {batch} rows");
                let (wide, narrow) = (random.floats(rows * columns), random.bytes(rows * columns));
                let (bias, scale) = (random.floats(rows), random.floats(rows));
                let x: Vec<Vec<f32>> = (0..batch).map(|_| random.floats(columns)).collect();
                let inputs: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
                let mut y = vec![vec![7.5; rows]; batch];
                let mut outputs: Vec<&mut [f32]> = y.iter_mut().map(Vec::as_mut_slice).collect();
                let w = pack(Order::Eights, rows, columns, &wide);
                of::gemm_f32(&w, &bias, &inputs, &mut outputs);
                for (x, y) in x.iter().zip(&y) {
                    let strict = |r: usize| {
                        let w = &wide[r * columns..(r + 1) * columns];
                        w.iter().zip(x).fold(bias[r], |acc, (w, x)| acc + w * x)
                    };
                    let strict: Vec<f32> = (0..rows).map(strict).collect();
                    same(y, &strict, &what);
                    let mut alone = vec![7.5; rows];
                    of::gemv_f32(&w, &bias, x, &mut alone);
                    same(&alone, &strict, &what);
                }
                let mut outputs: Vec<&mut [f32]> = y.iter_mut().map(Vec::as_mut_slice).collect();
                let w = pack(Order::Eights, rows, columns, &narrow);
                of::gemm_w8(&w, &scale, &bias, &inputs, &mut outputs);
                for (x, y) in x.iter().zip(&y) {
                    let strict = |r: usize| {
                        let w = &narrow[r * columns..(r + 1) * columns];
                        let acc = w.iter().zip(x).fold(0.0, |acc, (w, x)| acc + f32::from(*w) * x);
                        let scaled = acc * scale[r];
                        scaled + bias[r]
                    };
                    let strict: Vec<f32> = (0..rows).map(strict).collect();
                    same(y, &strict, &what);
                    let mut alone = vec![7.5; rows];
                    of::gemv_w8(&w, &scale, &bias, x, &mut alone);
                    same(&alone, &strict, &what);
                }
            }
        }
    };
}

/// `⌊(acc·mult + 2^(s−1)) / 2^s⌋`, the multiplier read as signed.
fn rounded(acc: i32, row: &Row, s: u32) -> i64 {
    (i64::from(acc) * i64::from(row.mult as i16) + (1 << (s - 1))) >> s
}

fn hidden(sum: i32, row: &Row, floor: i16) -> i16 {
    let s = 17 + u32::from(row.shift & 31);
    let v = rounded(row.bias.wrapping_add(sum), row, s);
    (v.clamp(-32768, 32767) as i16).max(floor)
}

fn logit(sum: i32, row: &Row) -> i32 {
    let s = 16 - u32::from(row.shift & 15);
    rounded(row.bias.wrapping_add(sum), row, s) as i32
}

macro_rules! integer_rows {
    ($test:ident, $($module:ident)::+, $dense:ident, $logits:ident, $quad:literal) => {
        #[test]
        fn $test() {
            use $($module)::+ as of;
            let mut random = Random(43);
            for (columns, rows, batch) in shapes() {
                let what = format!("{columns}→{rows}, {batch} rows");
                let w = random.bytes(rows * columns);
                let records = random.records(rows);
                // As stored: in `Quad` the lower three rows of a panel have 128 added.
                let mut packed = pack(Order::Fours, rows, columns, &w);
                for (r, c) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
                    if $quad && mmoe::kernel::quad_biased(rows, r) {
                        let at = panel_index(Order::Fours, rows, columns, r, c);
                        packed[at] = packed[at].wrapping_add(-128);
                    }
                }
                let x: Vec<Vec<i16>> = (0..batch).map(|_| random.int16s(columns)).collect();
                let inputs: Vec<&[i16]> = x.iter().map(Vec::as_slice).collect();
                let floor = [0, i16::MIN, 5][random.below(3) as usize];
                let (mut y, mut z) = (vec![vec![0x5aa5_i16; rows]; batch], vec![vec![1_i32; rows]; batch]);
                let mut outputs: Vec<&mut [i16]> = y.iter_mut().map(Vec::as_mut_slice).collect();
                of::$dense(&packed, &records, &inputs, &mut outputs, floor);
                let mut outputs: Vec<&mut [i32]> = z.iter_mut().map(Vec::as_mut_slice).collect();
                of::$logits(&packed, &records, &inputs, &mut outputs);
                for ((x, y), z) in x.iter().zip(&y).zip(&z) {
                    for r in 0..rows {
                        let w = &w[r * columns..(r + 1) * columns];
                        let sum = w.iter().zip(x).fold(0_i32, |acc, (w, x)| {
                            acc.wrapping_add(i32::from(*w) * i32::from(*x))
                        });
                        assert_eq!(y[r], hidden(sum, &records[r], floor), "{what}, row {r}");
                        assert_eq!(z[r], logit(sum, &records[r]), "{what}, row {r}");
                    }
                }
            }
        }
    };
}

/// The tests of one implementation.
macro_rules! rows {
    ($($name:ident: $($module:ident)::+;)*) => {$(
        mod $name {
            use super::*;
            float_rows!(floats, $($module)::+);
            integer_rows!(panels, $($module)::+, dense_rows_i8, logits_rows_i8, false);
            integer_rows!(quad, $($module)::+, dense_rows_i8_quad, logits_rows_i8_quad, true);
        }
    )*};
}

rows! {
    portable: mmoe::kernel::portable;
    this_target: mmoe::kernel;
}
#[cfg(target_arch = "aarch64")]
rows! {
    neon: mmoe::kernel::aarch64::neon;
}
#[cfg(target_arch = "x86_64")]
rows! {
    avx2: mmoe::kernel::x86_64::avx2;
    avx512: mmoe::kernel::x86_64::avx512;
}

/// Slices that do not belong together: nothing panics, nothing is written beyond a slice.
#[test]
fn slices_that_do_not_fit_do_less() {
    let (w, bias) = ([1.0; 60], [0.5; 12]);
    for (columns, outputs) in [(5, 11), (5, 13), (4, 12), (6, 12)] {
        let x = vec![1.0; columns];
        let mut y = vec![vec![7.0; outputs]; 5];
        let mut outputs: Vec<&mut [f32]> = y.iter_mut().map(Vec::as_mut_slice).collect();
        mmoe::kernel::gemm_f32(&w, &bias, &[&x, &x, &x[1..], &x, &x], &mut outputs);
    }
}
