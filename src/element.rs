//! The number system of a model: f32 throughout, or integers throughout.

#![allow(
    missing_debug_implementations,
    reason = "zerocopy's derives write helper types without it when a macro calls them"
)]

use crate::kernel::{self, AffineRow, InputScale};
use crate::math::Math;
use crate::precision::InPlace;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// Plain old data: any bytes are a value, and a value is its bytes.
pub trait Pod:
    FromBytes + IntoBytes + Immutable + KnownLayout + Copy + core::fmt::Debug + 'static
{
}
impl<T: FromBytes + IntoBytes + Immutable + KnownLayout + Copy + core::fmt::Debug + 'static> Pod
    for T
{
}

macro_rules! fixed {
    ($(#[$doc:meta])* $name:ident($int:ty), $bits:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(transparent)]
        pub struct $name(pub $int);

        impl $name {
            /// Fractional bits.
            pub const BITS: u32 = $bits;

            /// The value as f32 (rounded where it has more than 24 significant bits).
            #[must_use]
            pub fn to_f32(self) -> f32 {
                const STEP: f32 = 1.0 / (1u64 << $bits) as f32;
                self.0 as f32 * STEP
            }
        }

        impl From<$name> for f32 {
            fn from(v: $name) -> f32 {
                v.to_f32()
            }
        }
    };
}

fixed!(
    /// A gate weight of an integer model: unsigned, 32768 is one. The weights of a softmax gate add up to exactly 32768.
    Q15(u16), 15
);
fixed!(
    /// A logit of an integer model: signed, 65536 is one.
    Q16(i32), 16
);
fixed!(
    /// A probability of an integer model: unsigned, 2³¹ is one.
    Q31(u32), 31
);

/// The activation type of a model, `f32` or `i16`, with the types and operations that go with it.
///
/// The formulas are in `docs/numerics.md`. All operations work on slices of equal length; they
/// never panic, a longer slice's end is left alone.
pub trait Element: Pod + Default {
    /// A gate weight.
    type Gate: Pod + PartialEq + PartialOrd + Into<f32> + Default;
    /// The accumulator of a mixture.
    type MixtureSum: Pod;
    /// A raw value of a tower or a gate before its activation.
    type Logit: Pod + Buffer + Default + Into<f32> + PartialEq;
    /// A probability.
    type Prob: Pod + Buffer + Default + Into<f32> + PartialEq;
    /// What a linear output stores to be shown in its own unit: nothing, or the f32 value of one.
    type Unit: Pod;
    /// A stored slope below zero.
    type Slope: Pod;
    /// A stored slope per unit.
    type UnitSlope: Pod;
    /// What one unit of an affine layer stores.
    type Affine: Pod;

    /// What the input stage stores for `N` features: nothing, or a scale and an offset each.
    type Scales<const N: usize>: InPlace;

    /// The gate weight that means: not at all.
    const NONE: Self::Gate;
    /// The code of [`precision`](crate::blob::precision) for layers without a matrix.
    const PRECISION: u8;

    /// Whether features need a buffer to become activations.
    const CONVERTS: bool;

    /// Calls `f` with the features as activations.
    fn with_features<const N: usize, R>(
        scales: &Self::Scales<N>,
        x: &[f32; N],
        f: impl FnOnce(&[Self; N]) -> R,
    ) -> R;
    /// The features from `start` on, as activations.
    fn features<const N: usize>(scales: &Self::Scales<N>, start: usize, x: &[f32], y: &mut [Self]);
    /// `softmax` of gate logits; `z` is used up.
    fn gate_softmax<M: Math>(z: &mut [Self::Logit], g: &mut [Self::Gate]);
    /// `sigmoid` of each gate logit.
    fn gate_sigmoid<M: Math>(z: &mut [Self::Logit], g: &mut [Self::Gate]);
    /// One for the largest logit, lowest index first.
    fn gate_hard(z: &[Self::Logit], g: &mut [Self::Gate]);
    /// The `k` largest logits, lowest index first.
    fn gate_top_k<M: Math>(
        k: usize,
        renormalise: bool,
        z: &mut [Self::Logit],
        g: &mut [Self::Gate],
    );
    /// DSelect-k; `z` holds k selectors' bits and then k mixing logits.
    fn gate_d_select_k<M: Math>(k: usize, z: &mut [Self::Logit], g: &mut [Self::Gate]);
    /// A gate weight from f32.
    fn gate_from_f32(g: f32) -> Self::Gate;
    /// `m += g·h`.
    fn mix(m: &mut [Self::MixtureSum], g: Self::Gate, h: &[Self]);
    /// Mixture to activations.
    fn settle(m: &[Self::MixtureSum], h: &mut [Self]);
    /// Class probabilities.
    fn softmax<M: Math>(z: &[Self::Logit], p: &mut [Self::Prob]);
    /// One probability.
    fn sigmoid<M: Math>(z: Self::Logit) -> Self::Prob;
    /// The product of two probabilities.
    fn product(a: Self::Prob, b: Self::Prob) -> Self::Prob;
    /// A logit in its own unit.
    fn in_unit(z: Self::Logit, unit: &Self::Unit) -> f32;
    /// An activation in its own unit.
    fn activation_in_unit(v: Self, unit: &Self::Unit) -> f32;
    /// A logit's bits.
    fn logit_word(z: Self::Logit) -> u32;
    /// A probability's bits.
    fn prob_word(p: Self::Prob) -> u32;
    /// An activation's bits, sign-extended.
    fn word(v: Self) -> u32;
    /// An activation from its little-endian bytes at the start of `bytes`, and the rest.
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])>;
    /// `max(y, 0)`.
    fn relu(y: &mut [Self]);
    /// `y < 0 ? slope·y : y`.
    fn leaky_relu(y: &mut [Self], slope: &Self::Slope);
    /// The same with a slope per unit.
    fn prelu(y: &mut [Self], slope: &[Self::UnitSlope]);
    /// Logistic function of each.
    fn sigmoid_all<M: Math>(y: &mut [Self]);
    /// Hyperbolic tangent of each.
    fn tanh_all<M: Math>(y: &mut [Self]);
    /// `gain·y + bias` per unit.
    fn affine(y: &mut [Self], p: &[Self::Affine]);
}

/// Gain and bias of one unit of an f32 affine layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Affine32 {
    /// Factor.
    pub gain: f32,
    /// Addend.
    pub bias: f32,
}

impl Element for f32 {
    type Gate = f32;
    type MixtureSum = f32;
    type Logit = f32;
    type Prob = f32;
    type Unit = [f32; 0];
    type Slope = f32;
    type UnitSlope = f32;
    type Affine = Affine32;

    const NONE: f32 = 0.0;
    const PRECISION: u8 = crate::blob::precision::F32;
    const CONVERTS: bool = false;
    type Scales<const N: usize> = [f32; 0];

    fn with_features<const N: usize, R>(
        _: &[f32; 0],
        x: &[f32; N],
        f: impl FnOnce(&[f32; N]) -> R,
    ) -> R {
        f(x)
    }
    fn features<const N: usize>(_: &[f32; 0], _: usize, x: &[f32], y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = *x;
        }
    }

    fn gate_softmax<M: Math>(z: &mut [f32], g: &mut [f32]) {
        kernel::softmax_f32::<M>(z, g);
    }
    fn gate_sigmoid<M: Math>(z: &mut [f32], g: &mut [f32]) {
        kernel::sigmoid_gate_f32::<M>(z, g);
    }
    fn gate_hard(z: &[f32], g: &mut [f32]) {
        kernel::hard_f32(z, g);
    }
    fn gate_top_k<M: Math>(k: usize, renormalise: bool, z: &mut [f32], g: &mut [f32]) {
        kernel::top_k_f32::<M>(z, k, renormalise, g);
    }
    fn gate_d_select_k<M: Math>(k: usize, z: &mut [f32], g: &mut [f32]) {
        if let Some((z, mix)) = z
            .len()
            .checked_sub(k)
            .and_then(|n| z.split_at_mut_checked(n))
        {
            kernel::d_select_k_f32::<M>(z, mix, g);
        }
    }
    fn gate_from_f32(g: f32) -> f32 {
        g
    }
    fn mix(m: &mut [f32], g: f32, h: &[f32]) {
        kernel::mix_f32(m, g, h);
    }
    fn settle(m: &[f32], h: &mut [f32]) {
        for (h, m) in h.iter_mut().zip(m) {
            *h = *m;
        }
    }
    fn softmax<M: Math>(z: &[f32], p: &mut [f32]) {
        kernel::softmax_f32::<M>(z, p);
    }
    fn sigmoid<M: Math>(z: f32) -> f32 {
        let mut y = [z];
        kernel::sigmoid_f32::<M>(&mut y);
        let [p] = y;
        p
    }
    fn product(a: f32, b: f32) -> f32 {
        a * b
    }
    fn in_unit(z: f32, _: &[f32; 0]) -> f32 {
        z
    }
    fn activation_in_unit(v: f32, _: &[f32; 0]) -> f32 {
        v
    }
    fn logit_word(z: f32) -> u32 {
        z.to_bits()
    }
    fn prob_word(p: f32) -> u32 {
        p.to_bits()
    }
    fn word(v: f32) -> u32 {
        v.to_bits()
    }
    fn read(bytes: &[u8]) -> Option<(f32, &[u8])> {
        bytes
            .split_first_chunk()
            .map(|(b, rest)| (f32::from_le_bytes(*b), rest))
    }
    fn relu(y: &mut [f32]) {
        kernel::relu_f32(y);
    }
    fn leaky_relu(y: &mut [f32], slope: &f32) {
        kernel::leaky_relu_f32(y, *slope);
    }
    fn prelu(y: &mut [f32], slope: &[f32]) {
        kernel::prelu_f32(y, slope);
    }
    fn sigmoid_all<M: Math>(y: &mut [f32]) {
        kernel::sigmoid_f32::<M>(y);
    }
    fn tanh_all<M: Math>(y: &mut [f32]) {
        kernel::tanh_f32::<M>(y);
    }
    fn affine(y: &mut [f32], p: &[Affine32]) {
        for (y, p) in y.iter_mut().zip(p) {
            *y = *y * p.gain + p.bias;
        }
    }
}

impl Element for i16 {
    type Gate = Q15;
    type MixtureSum = i32;
    type Logit = Q16;
    type Prob = Q31;
    type Unit = f32;
    type Slope = i32;
    type UnitSlope = i16;
    type Affine = AffineRow;

    const NONE: Q15 = Q15(0);
    const PRECISION: u8 = crate::blob::precision::I16;
    const CONVERTS: bool = true;
    type Scales<const N: usize> = [InputScale; N];

    fn with_features<const N: usize, R>(
        scales: &[InputScale; N],
        x: &[f32; N],
        f: impl FnOnce(&[i16; N]) -> R,
    ) -> R {
        let mut q = <[i16; N]>::new_zeroed();
        let _ = kernel::quantize_f32(x, scales, &mut q);
        f(&q)
    }
    fn features<const N: usize>(scales: &[InputScale; N], start: usize, x: &[f32], y: &mut [i16]) {
        if let Some(scales) = scales.get(start..) {
            let _ = kernel::quantize_f32(x, scales, y);
        }
    }

    fn gate_softmax<M: Math>(z: &mut [Q16], g: &mut [Q15]) {
        kernel::gate_softmax_q15(zerocopy::transmute_mut!(z), zerocopy::transmute_mut!(g));
    }
    fn gate_sigmoid<M: Math>(z: &mut [Q16], g: &mut [Q15]) {
        kernel::sigmoid_gate_q15(zerocopy::transmute_ref!(&*z), zerocopy::transmute_mut!(g));
    }
    fn gate_hard(z: &[Q16], g: &mut [Q15]) {
        kernel::hard_q15(zerocopy::transmute_ref!(z), zerocopy::transmute_mut!(g));
    }
    fn gate_top_k<M: Math>(k: usize, renormalise: bool, z: &mut [Q16], g: &mut [Q15]) {
        kernel::top_k_q15(
            zerocopy::transmute_mut!(z),
            k,
            renormalise,
            zerocopy::transmute_mut!(g),
        );
    }
    fn gate_d_select_k<M: Math>(k: usize, z: &mut [Q16], g: &mut [Q15]) {
        let z: &mut [i32] = zerocopy::transmute_mut!(z);
        if let Some((z, mix)) = z
            .len()
            .checked_sub(k)
            .and_then(|n| z.split_at_mut_checked(n))
        {
            kernel::d_select_k_q15(z, mix, zerocopy::transmute_mut!(g));
        }
    }
    fn gate_from_f32(g: f32) -> Q15 {
        Q15((g * 32768.0) as u16)
    }
    fn mix(m: &mut [i32], g: Q15, h: &[i16]) {
        kernel::mix_i16(m, g.0, h);
    }
    fn settle(m: &[i32], h: &mut [i16]) {
        kernel::settle_i16(m, h);
    }
    fn softmax<M: Math>(z: &[Q16], p: &mut [Q31]) {
        kernel::softmax_q31(zerocopy::transmute_ref!(z), zerocopy::transmute_mut!(p));
    }
    fn sigmoid<M: Math>(z: Q16) -> Q31 {
        Q31(kernel::sigmoid_q31(z.0))
    }
    fn product(a: Q31, b: Q31) -> Q31 {
        Q31(kernel::product_q31(a.0, b.0))
    }
    fn in_unit(z: Q16, unit: &f32) -> f32 {
        z.to_f32() * *unit
    }
    fn activation_in_unit(v: i16, unit: &f32) -> f32 {
        f32::from(v) * *unit
    }
    fn logit_word(z: Q16) -> u32 {
        z.0 as u32
    }
    fn prob_word(p: Q31) -> u32 {
        p.0
    }
    fn word(v: i16) -> u32 {
        i32::from(v) as u32
    }
    fn read(bytes: &[u8]) -> Option<(i16, &[u8])> {
        bytes
            .split_first_chunk()
            .map(|(b, rest)| (i16::from_le_bytes(*b), rest))
    }
    fn relu(y: &mut [i16]) {
        kernel::relu_i16(y);
    }
    fn leaky_relu(y: &mut [i16], slope: &i32) {
        kernel::leaky_relu_i16(y, *slope as i16);
    }
    fn prelu(y: &mut [i16], slope: &[i16]) {
        kernel::prelu_i16(y, slope);
    }
    fn sigmoid_all<M: Math>(y: &mut [i16]) {
        kernel::sigmoid_i16(y);
    }
    fn tanh_all<M: Math>(y: &mut [i16]) {
        kernel::tanh_i16(y);
    }
    fn affine(y: &mut [i16], p: &[AffineRow]) {
        kernel::affine_i16(y, p);
    }
}

/// A buffer that a type can name: `[T; N]` or one scalar.
pub trait Buffer: FromBytes + Immutable + Copy + core::fmt::Debug + 'static {
    /// How many elements.
    const LEN: usize;
}
impl<T: Pod, const N: usize> Buffer for [T; N] {
    const LEN: usize = N;
}
impl Buffer for f32 {
    const LEN: usize = 1;
}
impl Buffer for Q16 {
    const LEN: usize = 1;
}
impl Buffer for Q31 {
    const LEN: usize = 1;
}
