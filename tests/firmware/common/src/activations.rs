//! What activation functions and normalizations cost on this core, by the unit. Every line
//! `activation …` becomes a cell of a table of `docs/measurements.md`.

use crate::{Board, Counter, Failed, calibrate, println};
use core::hint::black_box;
use core::mem::size_of;
use firmware_models::{Rng, fill};
use mmoe::bytes::InPlace;
use mmoe::layer::{
    Affine, Dice, GroupNorm, Layer, LayerNorm, PRelu, Pointwise, RmsNorm, RowDice, UnitNorm,
};
use mmoe::math::Libm;
use mmoe::precision::Precision;
use mmoe::{
    Clip, Elu, Exp, F32, Gelu, GeluTanh, HardSwish, I8, LeakyRelu, Linear, Mish, Relu, Sigmoid,
    Silu, Softplus, Softsign, Square, Tanh,
};

/// Units of the vector that each layer is given.
const N: usize = 64;
const CALLS: u32 = 64;

/// What a layer stores: the same word all over. Its value does not change the work: in floats it is
/// a parameter that leaves no branch out for all units, and integers take the same steps for any.
#[repr(C, align(8))]
struct Stored([u32; 256]);

/// Counts each function and normalization in floats and in integers.
///
/// # Errors
///
/// Where the method fails its check, or a layer does not fit what is stored for it.
pub fn run(board: &Board) -> Result<(), Failed> {
    let counter = Counter::new(board);
    calibrate(board, &counter)?;
    let mut row = [0.0; N];
    fill(&mut Rng::new(1), &mut row);
    every::<F32>(&counter, "F32", 0.5f32.to_bits(), &row)?;
    // Q11, in which sigmoid and tanh read their input.
    every::<I8>(&counter, "I8", 0, &row.map(|x| (x * 2048.0) as i16))
}

fn every<P: Precision>(
    counter: &Counter,
    precision: &str,
    word: u32,
    x: &[P::Act; N],
) -> Result<(), Failed> {
    let stored = Stored([word; 256]);
    // The layers copy their input first, which a function behind a dense layer does not.
    let copy = count::<Pointwise<N, P, Linear>, P>(counter, &stored, x)?;
    macro_rules! each {
        ($($name:literal $L:ty;)+) => {$(
            let n = count::<$L, P>(counter, &stored, x)?.saturating_sub(copy);
            println!("activation {precision} tenths={} {}", (n * 10 + N as u64 / 2) / N as u64, $name);
        )+};
    }
    each! {
        "linear" Pointwise<N, P, Linear>;
        "relu" Pointwise<N, P, Relu>;
        "leaky relu" Pointwise<N, P, LeakyRelu>;
        "sigmoid" Pointwise<N, P, Sigmoid>;
        "tanh" Pointwise<N, P, Tanh>;
        "gelu" Pointwise<N, P, Gelu>;
        "gelu (tanh)" Pointwise<N, P, GeluTanh>;
        "silu" Pointwise<N, P, Silu>;
        "elu" Pointwise<N, P, Elu>;
        "softplus" Pointwise<N, P, Softplus>;
        "mish" Pointwise<N, P, Mish>;
        "softsign" Pointwise<N, P, Softsign>;
        "hard swish" Pointwise<N, P, HardSwish>;
        "clip" Pointwise<N, P, Clip>;
        "exp" Pointwise<N, P, Exp>;
        "square" Pointwise<N, P, Square>;
        "prelu, a slope for each unit" PRelu<N, P>;
        "dice" Dice<N, P>;
        "dice over the row" RowDice<N, P>;
        "affine" Affine<N, P>;
        "layer norm" LayerNorm<N, P>;
        "group norm of 4 groups" GroupNorm<N, 4, P>;
        "RMS norm" RmsNorm<N, P>;
        "L2 norm" UnitNorm<N, P>;
    }
    Ok(())
}

/// Instructions of a layer on the row.
fn count<L, P>(counter: &Counter, stored: &Stored, x: &[P::Act; N]) -> Result<u64, Failed>
where
    P: Precision,
    L: Layer<Act = P::Act, In = [P::Act; N], Out = [P::Act; N]> + InPlace,
{
    let bytes = mmoe::zerocopy::IntoBytes::as_bytes(&stored.0);
    let bytes = bytes.get(..size_of::<L>()).ok_or(Failed)?;
    let layer = L::try_ref_from_bytes(bytes).map_err(|_| Failed)?;
    let mut y = *x;
    Ok(counter.count(CALLS, &mut || {
        black_box(layer).forward::<Libm>(black_box(x), black_box(&mut y));
    }))
}
