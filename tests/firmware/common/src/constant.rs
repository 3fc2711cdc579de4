//! The same work for every input: instruction counts of integer inference.

use crate::{Board, Counter, Failed, println};
use core::hint::black_box;
use firmware_models::{Census, Edge, Recsys, Rng, Subject, blobs, fill};
use mmoe::zerocopy::FromZeros;
use mmoe::{
    I8,
    precision::{Pairs, Quad},
};

/// So many calls, that one instruction more in one call is more than what two totals may differ by.
const CALLS: u32 = 128;
const INPUTS: u32 = 100;

/// Counts inferences from integers on 100 random inputs each.
///
/// # Errors
///
/// Where two inputs take different numbers of instructions.
pub fn run(board: &Board, counter: &Counter) -> Result<(), Failed> {
    model::<Census<I8>>(board, "census I8", counter, &blobs::CENSUS_I8)?;
    model::<Census<I8<Quad>>>(board, "census I8-quad", counter, &blobs::CENSUS_I8_QUAD)?;
    model::<Census<I8<Pairs>>>(board, "census I8-pairs", counter, &blobs::CENSUS_I8_PAIRS)?;
    model::<Edge<I8>>(board, "edge I8", counter, &blobs::EDGE_I8)?;
    model::<Edge<I8<Quad>>>(board, "edge I8-quad", counter, &blobs::EDGE_I8_QUAD)?;
    model::<Edge<I8<Pairs>>>(board, "edge I8-pairs", counter, &blobs::EDGE_I8_PAIRS)?;
    model::<Recsys<I8>>(board, "recsys I8", counter, &blobs::RECSYS_I8)?;
    model::<Recsys<I8<Quad>>>(board, "recsys I8-quad", counter, &blobs::RECSYS_I8_QUAD)?;
    model::<Recsys<I8<Pairs>>>(board, "recsys I8-pairs", counter, &blobs::RECSYS_I8_PAIRS)
}

#[inline(never)]
fn model<M: Subject>(
    board: &Board,
    name: &str,
    counter: &Counter,
    (blob, _): &blobs::Case,
) -> Result<(), Failed> {
    let model = M::load(blob).map_err(|e| {
        println!("{name}: {e}");
        Failed
    })?;
    let mut rng = Rng::new(100);
    let (mut row, mut q) = (M::Row::new_zeroed(), M::Input::new_zeroed());
    let (mut least, mut most) = (u64::MAX, 0);
    for n in 0..INPUTS {
        fill(&mut rng, row.as_mut());
        // From nothing to far out of range, where everything saturates.
        let scale = n as f32 * 0.25;
        row.as_mut().iter_mut().for_each(|x| *x *= scale);
        model.quantize(&row, &mut q);
        let total = counter.total(CALLS, &mut || {
            _ = black_box(black_box(model).predict_q(black_box(&q)))
        });
        (least, most) = (least.min(total), most.max(total));
    }
    let same = most - least <= counter.tolerance();
    let verdict = if same { "equal" } else { "NOT equal" };
    println!(
        "{}: {name}: {CALLS} inferences take {least} to {most} instructions over {INPUTS} inputs: \
         {verdict}",
        board.name
    );
    if same { Ok(()) } else { Err(Failed) }
}
