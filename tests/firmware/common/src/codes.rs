//! One-hot columns as codes: the census model from 11 numbers and 29 codes.

use crate::{Counter, Failed, Painted, paint, println};
use core::hint::black_box;
use firmware_models::{Census, CensusCodes, Numbers, Rng, Subject, blobs};
use mmoe::precision::{Pairs, Quad};
use mmoe::{F32, I8, W8};

const NUMBERS: usize = 11;
const FIELDS: usize = 29;

/// The code of a field's value: fields of 17 columns, from the 25th on of 16.
fn code(field: usize, value: usize) -> usize {
    let first = 17 * field - field.saturating_sub(24);
    first + value % if field < 24 { 17 } else { 16 }
}

/// A row of numbers and codes, and the whole vector that it stands for.
fn row(rng: &mut Rng) -> ([f32; NUMBERS + FIELDS], [f32; 499]) {
    let (mut row, mut whole) = ([0.0; NUMBERS + FIELDS], [0.0; 499]);
    let (numbers, codes) = row.split_at_mut(NUMBERS);
    for (x, whole) in numbers.iter_mut().zip(&mut whole) {
        *x = rng.feature();
        *whole = *x;
    }
    for (field, x) in codes.iter_mut().enumerate() {
        let code = code(field, rng.next_u32() as usize % 17);
        *x = code as f32;
        whole[NUMBERS + code] = 1.0;
    }
    (row, whole)
}

/// The bits of all outputs.
fn bits(raw: &impl Numbers) -> [u32; 4] {
    let (mut all, mut at) = ([0; 4], 0);
    raw.each(&mut |bits, _| {
        if let Some(word) = all.get_mut(at) {
            *word = bits;
        }
        at += 1;
    });
    all
}

/// One precision, counted. Its self-test rows hold the host's bits.
macro_rules! codes {
    ($counter:ident, $P:ty, $name:literal, $blob:ident) => {
        let blob = &blobs::$blob.0;
        let model = <CensusCodes<$P> as Subject>::load(blob).map_err(|_| Failed)?;
        <CensusCodes<$P> as Subject>::self_test(blob).map_err(|_| Failed)?;
        let (x, _) = row(&mut Rng::new(7));
        let mut q = [Default::default(); NUMBERS + FIELDS];
        Subject::quantize(model, &x, &mut q);
        let mut predict = || _ = black_box(Subject::predict(black_box(model), black_box(&x)));
        let from_features = $counter.count(64, &mut predict);
        let mut predict_q = || _ = black_box(Subject::predict_q(black_box(model), black_box(&q)));
        let from_codes = $counter.count(64, &mut predict_q);
        let Painted::Bytes(stack) = paint(&mut predict_q) else {
            return Err(Failed);
        };
        println!(
            "codes census {} predict={from_features} predict_q={from_codes} stack_q={stack} scratch={} blob={}",
            $name,
            <CensusCodes<$P> as Subject>::SCRATCH,
            blob.len()
        );
    };
}

/// In floats the blobs on codes and on columns hold the same numbers: the same bits, too.
macro_rules! same {
    ($P:ty, $codes:ident, $columns:ident) => {
        let model = <CensusCodes<$P> as Subject>::load(&blobs::$codes.0).map_err(|_| Failed)?;
        let columns = <Census<$P> as Subject>::load(&blobs::$columns.0).map_err(|_| Failed)?;
        let mut rng = Rng::new(8);
        for _ in 0..20 {
            let (x, whole) = row(&mut rng);
            let y = bits(&Subject::predict(model, &x));
            if y != bits(&Subject::predict(columns, &whole)) {
                println!("codes census: other bits than on the whole row");
                return Err(Failed);
            }
        }
    };
}

/// Counts and compares.
///
/// # Errors
///
/// Where a number differs.
#[inline(never)]
pub fn run(counter: &Counter) -> Result<(), Failed> {
    codes!(counter, F32, "F32", CENSUS_CODES_F32);
    codes!(counter, W8, "W8", CENSUS_CODES_W8);
    codes!(counter, I8, "I8", CENSUS_CODES_I8);
    codes!(counter, I8<Quad>, "I8-quad", CENSUS_CODES_I8_QUAD);
    codes!(counter, I8<Pairs>, "I8-pairs", CENSUS_CODES_I8_PAIRS);
    same!(F32, CENSUS_CODES_F32, CENSUS_F32);
    same!(W8, CENSUS_CODES_W8, CENSUS_W8);
    Ok(())
}
