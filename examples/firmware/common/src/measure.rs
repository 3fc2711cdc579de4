//! What an inference costs on this core. Every line `measured …` becomes a row of `docs/measurements.md`.

use crate::{Board, Counter, Failed, Painted, calibrate, constant, paint, plain, println};
use core::hint::black_box;
use firmware_models::{Autoencoder, Census, Edge, Golden, Recsys, Rng, Subject, blobs, fill};
use mmoe::zerocopy::FromZeros;
use mmoe::{F32, I8, Quad, W8};

/// Measures every model in every precision.
///
/// # Errors
///
/// Where the method fails its check or a blob does not load.
pub fn run(board: &Board) -> Result<(), Failed> {
    let counter = Counter::new(board);
    calibrate(board, &counter)?;
    model::<Census<F32>>("census", "F32", &counter, &blobs::CENSUS_F32)?;
    model::<Census<W8>>("census", "W8", &counter, &blobs::CENSUS_W8)?;
    model::<Census<I8>>("census", "I8", &counter, &blobs::CENSUS_I8)?;
    model::<Census<I8<Quad>>>("census", "I8-quad", &counter, &blobs::CENSUS_I8_QUAD)?;
    model::<Edge<F32>>("edge", "F32", &counter, &blobs::EDGE_F32)?;
    model::<Edge<W8>>("edge", "W8", &counter, &blobs::EDGE_W8)?;
    model::<Edge<I8>>("edge", "I8", &counter, &blobs::EDGE_I8)?;
    model::<Edge<I8<Quad>>>("edge", "I8-quad", &counter, &blobs::EDGE_I8_QUAD)?;
    model::<Recsys<F32>>("recsys", "F32", &counter, &blobs::RECSYS_F32)?;
    model::<Recsys<W8>>("recsys", "W8", &counter, &blobs::RECSYS_W8)?;
    model::<Recsys<I8>>("recsys", "I8", &counter, &blobs::RECSYS_I8)?;
    model::<Recsys<I8<Quad>>>("recsys", "I8-quad", &counter, &blobs::RECSYS_I8_QUAD)?;
    model::<Autoencoder<F32>>("autoencoder", "F32", &counter, &blobs::AUTOENCODER_F32)?;
    model::<Autoencoder<W8>>("autoencoder", "W8", &counter, &blobs::AUTOENCODER_W8)?;
    model::<Autoencoder<I8>>("autoencoder", "I8", &counter, &blobs::AUTOENCODER_I8)?;
    model::<Autoencoder<I8<Quad>>>("autoencoder", "I8-quad", &counter, &blobs::AUTOENCODER_I8_QUAD)?;
    plain_loops(&counter);
    constant::run(board, &counter)
}

/// One call's instructions: the mean of 64 calls, or of 4 where one takes so long that the counter's steps do not show.
fn instructions(counter: &Counter, f: &mut dyn FnMut()) -> u64 {
    let once = counter.count(1, f);
    counter.count(if once < 3_000_000 { 64 } else { 4 }, f)
}

#[inline(never)]
fn model<M: Subject>(name: &str, precision: &str, counter: &Counter, (blob, _): &blobs::Case) -> Result<(), Failed> {
    let load = counter.count(4, &mut || _ = black_box(M::load(black_box(blob)).is_ok()));
    let model = M::load(blob).map_err(|e| {
        println!("{name}: {e}");
        Failed
    })?;
    let mut row = M::Row::new_zeroed();
    fill(&mut Rng::new(Golden::SEED), row.as_mut());
    let mut q = M::Input::new_zeroed();
    model.quantize(&row, &mut q);

    let mut from_features = || _ = black_box(black_box(model).predict(black_box(&row)));
    let predict = instructions(counter, &mut from_features);
    let Painted::Bytes(predict_stack) = paint(&mut from_features) else { return Err(Failed) };
    let mut from_activations = || _ = black_box(black_box(model).predict_q(black_box(&q)));
    let predict_q = instructions(counter, &mut from_activations);
    let Painted::Bytes(predict_q_stack) = paint(&mut from_activations) else { return Err(Failed) };
    let Painted::Bytes(load_stack) = paint(&mut || _ = black_box(M::load(black_box(blob)).is_ok())) else { return Err(Failed) };
    println!(
        "measured {name} {precision} predict={predict} predict_q={predict_q} load={load} stack={predict_stack} stack_q={predict_q_stack} \
         stack_load={load_stack} scratch={} blob={}",
        M::SCRATCH,
        blob.len()
    );
    Ok(())
}

/// The edge model as one would write it without this crate, in the same image.
fn plain_loops(counter: &Counter) {
    let edge = plain::Edge::seeded();
    let mut row = [0.0; 64];
    fill(&mut Rng::new(Golden::SEED), &mut row);
    let known = instructions(counter, &mut || _ = black_box(black_box(edge).predict::<true>(black_box(&row))));
    let slices = instructions(counter, &mut || _ = black_box(black_box(edge).predict::<false>(black_box(&row))));
    println!("plain edge F32 known={known} slices={slices}");
}
