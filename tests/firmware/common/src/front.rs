//! A front end alone: its instructions, and that they are the same for every id and number.

use crate::{Board, Counter, Failed, println};
use core::hint::black_box;
use core::marker::PhantomData;
use firmware_models::{Click, ClickStage, Rng};
use mmoe::I8;
use mmoe::features::{Direct, Log1p, Lookup, Number, RowsI8, Sorted, Texts};
use mmoe::input::InputStage;
use mmoe::kernel::InputScale;

/// So many calls, that one instruction more in one call is more than what two totals may differ by.
const CALLS: u32 = 128;
const RECORDS: u32 = 40;

const fn keys<const N: usize>() -> [u32; N] {
    let mut keys = [0; N];
    let mut i = 0;
    while i < N {
        keys[i] = 37 * i as u32 + 5;
        i += 1;
    }
    keys
}

const fn rows<const R: usize>() -> RowsI8<R, 8> {
    RowsI8 {
        shift: 7,
        rows: [[3; 8]; R],
    }
}

macro_rules! table {
    ($coder:expr) => {
        Lookup {
            coder: $coder,
            rows: rows(),
            how: PhantomData,
        }
    };
}

const fn number() -> Number<I8> {
    Number {
        missing: 0.5,
        scale: [InputScale {
            offset: 0.25,
            scale: 4000.0,
        }],
    }
}

/// The front end of the click model, with contents of its own: what they are changes no count.
static STAGE: ClickStage<I8> = ClickStage {
    hour: table!(Direct { other: 0 }),
    device: table!(Direct { other: 0 }),
    region: table!(Texts {
        other: 0,
        seed: 0x811c_9dc5,
        hashes: keys(),
    }),
    category: table!(Direct { other: 0 }),
    seller: table!(Sorted {
        other: 0,
        keys: keys(),
    }),
    item: table!(Sorted {
        other: 0,
        keys: keys(),
    }),
    history: table!(Direct { other: 0 }),
    d0: Log1p(number()),
    d1: number(),
    d2: number(),
    d3: number(),
};

/// Counts the front end of the click model on records of random known ids, a text of two bytes, a list of
/// 20 items and four numbers that stay as they are: what a float library does depends on them.
///
/// # Errors
///
/// Where ids alone change the count.
pub fn run(board: &Board, counter: &Counter) -> Result<(), Failed> {
    let mut rng = Rng::new(7);
    let (mut least, mut most) = (u64::MAX, 0);
    for _ in 0..RECORDS {
        let mut history = [0; 20];
        for item in &mut history {
            *item = rng.next_u32() % 500;
        }
        let click = Click {
            hour: rng.next_u32() % 24,
            device: rng.next_u32() % 10,
            region: "r7",
            category: rng.next_u32() % 200,
            seller: 37 * (rng.next_u32() % 1000) + 5,
            item: 37 * (rng.next_u32() % 5000) + 5,
            history: &history,
            d0: 3.5,
            d1: 0.25,
            d2: f32::NAN,
            d3: -1.5,
        };
        let total = counter.total(CALLS, &mut || {
            black_box(&STAGE).with(black_box(click), |vector, _| _ = black_box(vector));
        });
        (least, most) = (least.min(total), most.max(total));
    }
    let same = most - least <= counter.tolerance();
    let verdict = if same { "equal" } else { "NOT equal" };
    println!(
        "{}: front end of clicks, I8: {} instructions; {CALLS} calls take {least} to {most} over {RECORDS} \
         records: {verdict}",
        board.name,
        most / u64::from(CALLS)
    );
    if same { Ok(()) } else { Err(Failed) }
}
