//! Ranking: 500 candidates in one context beside 500 predictions one by one.

use crate::{Counter, Failed, println};
use core::hint::black_box;
use firmware_models::{Edge, Golden, Rng, Subject, blobs, fill};
use mmoe::{
    F32, I8, LoadError, W8,
    rank::{Best, Ranked},
};

/// Features that all candidates share, and features of each.
const CONTEXT: usize = 48;
const ITEM: usize = 16;
const ITEMS: usize = 500;
const TOP: usize = 10;

type Scores = (f32, f32, f32);

fn score((click, like, watch): &Scores) -> f32 {
    *click + 0.5 * *like + 0.1 * *watch
}

/// One precision: both ways, counted and compared bit for bit.
macro_rules! ranked {
    ($counter:ident, $context:ident, $items:ident, $P:ty, $name:literal, $blob:ident) => {
        let model: &Edge<$P> =
            <Edge<$P> as Subject>::load(&blobs::$blob.0).map_err(|_: LoadError| Failed)?;
        let in_context = || {
            black_box(model).rank::<CONTEXT, ITEM, TOP>(
                black_box($context),
                black_box($items),
                score,
            )
        };
        let one_by_one = || {
            let mut best = Best::<TOP>::new();
            let mut row = [0.0; CONTEXT + ITEM];
            for (i, item) in black_box($items).iter().enumerate() {
                row[..CONTEXT].copy_from_slice(black_box($context));
                row[CONTEXT..].copy_from_slice(item);
                best.offer(i as u32, score(&black_box(model).predict(&row)));
            }
            best
        };
        let shared = $counter.count(1, &mut || _ = black_box(in_context()));
        let alone = $counter.count(1, &mut || _ = black_box(one_by_one()));
        let bits = |r: &Ranked| (r.index, r.score.to_bits());
        if !in_context()
            .iter()
            .map(bits)
            .eq(one_by_one().iter().map(bits))
        {
            println!("ranking edge {}: the context gives other results", $name);
            return Err(Failed);
        }
        println!("ranking edge {} shared={shared} alone={alone}", $name);
    };
}

/// Counts both ways.
///
/// # Errors
///
/// Where they differ.
#[inline(never)]
pub(crate) fn run(counter: &Counter) -> Result<(), Failed> {
    let mut rng = Rng::new(Golden::SEED);
    let (mut context, mut items) = ([0.0; CONTEXT], [[0.0; ITEM]; ITEMS]);
    fill(&mut rng, &mut context);
    fill(&mut rng, items.as_flattened_mut());
    let (context, items) = (&context, &items);
    ranked!(counter, context, items, F32, "F32", EDGE_F32);
    ranked!(counter, context, items, W8, "W8", EDGE_W8);
    ranked!(counter, context, items, I8, "I8", EDGE_I8);
    Ok(())
}
