//! One-hot features: the census model from its 40 active columns beside the whole row of 499.

use crate::{Counter, Failed, println};
use core::hint::black_box;
use firmware_models::{Census, Numbers, Rng, Subject, blobs};
use mmoe::layer::Active;
use mmoe::precision::{Pairs, Quad};
use mmoe::{F32, I8, LoadError, W8};

const COLUMNS: usize = 499;
const ACTIVE: usize = 40;

/// One precision: both ways, counted and compared bit for bit over rows of which each has other
/// active columns.
macro_rules! sparse {
    ($counter:ident, $P:ty, $A:ty, $name:literal, $blob:ident, $one:expr) => {
        let model: &Census<$P> =
            <Census<$P> as Subject>::load(&blobs::$blob.0).map_err(|_: LoadError| Failed)?;
        let sparse = model.sparse().ok_or(Failed)?;
        let mut rng = Rng::new(40);
        let mut active = [Active::default(); ACTIVE];
        for row in 0..20 {
            let mut whole = [<$A>::default(); COLUMNS];
            for (i, active) in active.iter_mut().enumerate() {
                // One column of each twelve or thirteen; the last row has the last column.
                let (from, to) = (i * COLUMNS / ACTIVE, (i + 1) * COLUMNS / ACTIVE);
                let column = if row == 19 {
                    to - 1
                } else {
                    from + rng.next_u32() as usize % 12
                };
                whole[column] = $one;
                *active = Active {
                    column: column as u16,
                    value: $one,
                };
            }
            let mut right = [0; 2 * 4];
            let mut at = 0;
            model.predict_q(&whole).each(&mut |bits, _| {
                right[at] = bits;
                at += 1;
            });
            let mut same = at > 0;
            at = 0;
            sparse
                .predict_q(&active)
                .ok_or(Failed)?
                .each(&mut |bits, _| {
                    same &= right[at] == bits;
                    at += 1;
                });
            if !same {
                println!(
                    "sparse census {}: row {row} differs from the whole row",
                    $name
                );
                return Err(Failed);
            }
        }
        let instructions = $counter.count(64, &mut || {
            _ = black_box(black_box(&sparse).predict_q(black_box(&active)))
        });
        println!(
            "sparse census {} active={ACTIVE} predict_q={instructions}",
            $name
        );
    };
}

/// Counts and compares.
///
/// # Errors
///
/// Where a number differs.
#[inline(never)]
pub(crate) fn run(counter: &Counter) -> Result<(), Failed> {
    sparse!(counter, F32, f32, "F32", CENSUS_F32, 1.0);
    sparse!(counter, W8, f32, "W8", CENSUS_W8, 1.0);
    sparse!(counter, I8, i16, "I8", CENSUS_I8, 32767);
    sparse!(counter, I8<Quad>, i16, "I8-quad", CENSUS_I8_QUAD, 32767);
    sparse!(counter, I8<Pairs>, i16, "I8-pairs", CENSUS_I8_PAIRS, 32767);
    Ok(())
}
