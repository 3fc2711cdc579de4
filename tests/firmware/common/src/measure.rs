//! What an inference costs on this core. Every line `measured …` becomes a row of
//! `docs/measurements.md`.

use crate::{
    Board, Counter, Failed, Painted, calibrate, codes, constant, front, paint, plain, println,
    ranking, sparse,
};
use core::hint::black_box;
use firmware_models::{
    Autoencoder, Census, Deep, DeepOf, Edge, Golden, Hard8, Numbers, Recsys, RecsysOf, RecsysWide,
    Rng, Select8, Small, Subject, Top8, blobs, fill,
};
use mmoe::zerocopy::FromZeros;
use mmoe::{
    F32, I8, W8,
    precision::{Pairs, Quad},
};

/// Measures a model in every precision.
macro_rules! all {
    ($counter:ident, $name:literal, $Of:ident, $f32:ident $w8:ident $i8:ident $quad:ident $pairs:ident) => {
        model::<$Of<F32>>($name, "F32", &$counter, &blobs::$f32)?;
        model::<$Of<W8>>($name, "W8", &$counter, &blobs::$w8)?;
        model::<$Of<I8>>($name, "I8", &$counter, &blobs::$i8)?;
        model::<$Of<I8<Quad>>>($name, "I8-quad", &$counter, &blobs::$quad)?;
        model::<$Of<I8<Pairs>>>($name, "I8-pairs", &$counter, &blobs::$pairs)?;
    };
}

/// Measures every model in every precision, gates that choose, and ranking.
///
/// # Errors
///
/// Where the method fails its check, a blob does not load, or ranking in a context differs from
/// scoring one by one.
pub fn run(board: &Board) -> Result<(), Failed> {
    let counter = Counter::new(board);
    calibrate(board, &counter)?;
    all!(counter, "small", Small, SMALL_F32 SMALL_W8 SMALL_I8 SMALL_I8_QUAD SMALL_I8_PAIRS);
    all!(counter, "recsys", Recsys, RECSYS_F32 RECSYS_W8 RECSYS_I8 RECSYS_I8_QUAD RECSYS_I8_PAIRS);
    all!(counter, "census", Census, CENSUS_F32 CENSUS_W8 CENSUS_I8 CENSUS_I8_QUAD CENSUS_I8_PAIRS);
    all!(counter, "edge", Edge, EDGE_F32 EDGE_W8 EDGE_I8 EDGE_I8_QUAD EDGE_I8_PAIRS);
    all!(counter, "deep", Deep, DEEP_F32 DEEP_W8 DEEP_I8 DEEP_I8_QUAD DEEP_I8_PAIRS);
    all!(counter, "autoencoder", Autoencoder, AUTOENCODER_F32 AUTOENCODER_W8 AUTOENCODER_I8 AUTOENCODER_I8_QUAD AUTOENCODER_I8_PAIRS);
    model::<RecsysWide>("recsys-wide", "I8", &counter, &blobs::RECSYS_WIDE_I8)?;
    gated::<Recsys<I8>>("recsys", &counter, &blobs::RECSYS_I8)?;
    gated::<RecsysOf<Hard8<I8>, I8>>("recsys-hard", &counter, &blobs::RECSYS_HARD_I8)?;
    gated::<RecsysOf<Top8<I8>, I8>>("recsys-top", &counter, &blobs::RECSYS_TOP_I8)?;
    gated::<RecsysOf<Select8<I8>, I8>>("recsys-select", &counter, &blobs::RECSYS_SELECT_I8)?;
    gated::<Deep<I8>>("deep", &counter, &blobs::DEEP_I8)?;
    gated::<DeepOf<Hard8<I8>, I8>>("deep-hard", &counter, &blobs::DEEP_HARD_I8)?;
    gated::<DeepOf<Top8<I8>, I8>>("deep-top", &counter, &blobs::DEEP_TOP_I8)?;
    gated::<DeepOf<Select8<I8>, I8>>("deep-select", &counter, &blobs::DEEP_SELECT_I8)?;
    sparse::run(&counter)?;
    if board.fpu {
        ranking::run(&counter)?;
    }
    plain_loops(&counter);
    constant::run(board, &counter)
}

/// Measures what stands in front of the vector: one-hot columns as codes, and a record's fields. It
/// has an image of its own, since the blobs of all of them do not fit one flash.
///
/// # Errors
///
/// Where the method fails its check, a blob does not load, or counts depend on values.
pub fn fields(board: &Board) -> Result<(), Failed> {
    let counter = Counter::new(board);
    calibrate(board, &counter)?;
    codes::run(&counter)?;
    front::run(board, &counter)
}

/// What an inference takes on rows whose gates choose unlike experts: instructions, experts run and
/// experts mixed, over 16 rows.
#[inline(never)]
fn gated<M: Subject>(name: &str, counter: &Counter, (blob, _): &blobs::Case) -> Result<(), Failed> {
    const ROWS: u32 = 16;
    let model = M::load(blob).map_err(|_| Failed)?;
    let mut rng = Rng::new(Golden::SEED);
    let (mut row, mut q) = (M::Row::new_zeroed(), M::Input::new_zeroed());
    let (mut instructions, mut experts, mut mixed) = (0, 0, 0);
    for _ in 0..ROWS {
        fill(&mut rng, row.as_mut());
        model.quantize(&row, &mut q);
        instructions += counter.count(16, &mut || {
            _ = black_box(black_box(model).predict_q(black_box(&q)))
        });
        let (_, gates, run) = model.traced(&row);
        experts += run;
        gates.each(&mut |bits, _| mixed += u32::from(bits != 0));
    }
    println!(
        "gated {name} rows={ROWS} instructions={instructions} experts={experts} mixed={mixed}"
    );
    Ok(())
}

/// One call's instructions: the mean of 64 calls, or of 4 where one takes so long that the
/// counter's steps do not show.
fn instructions(counter: &Counter, f: &mut dyn FnMut()) -> u64 {
    let once = counter.count(1, f);
    counter.count(if once < 3_000_000 { 64 } else { 4 }, f)
}

#[inline(never)]
fn model<M: Subject>(
    name: &str,
    precision: &str,
    counter: &Counter,
    (blob, _): &blobs::Case,
) -> Result<(), Failed> {
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
    let Painted::Bytes(predict_stack) = paint(&mut from_features) else {
        return Err(Failed);
    };
    let mut from_activations = || _ = black_box(black_box(model).predict_q(black_box(&q)));
    let predict_q = instructions(counter, &mut from_activations);
    let Painted::Bytes(predict_q_stack) = paint(&mut from_activations) else {
        return Err(Failed);
    };
    let Painted::Bytes(load_stack) = paint(&mut || _ = black_box(M::load(black_box(blob)).is_ok()))
    else {
        return Err(Failed);
    };
    println!(
        "measured {name} {precision} predict={predict} predict_q={predict_q} load={load} \
         stack={predict_stack} stack_q={predict_q_stack} stack_load={load_stack} scratch={} \
         blob={}",
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
    let known = instructions(counter, &mut || {
        _ = black_box(black_box(edge).predict::<true>(black_box(&row)))
    });
    let slices = instructions(counter, &mut || {
        _ = black_box(black_box(edge).predict::<false>(black_box(&row)))
    });
    println!("plain edge F32 known={known} slices={slices}");
}
