//! The records that stand beside the weights: what a row, a unit or a feature needs besides its
//! column of numbers.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One row of a narrow integer layer: bias, multiplier and shift (8 bytes).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Row {
    /// Start of the accumulator, at the scale of weight times input.
    pub bias: i32,
    /// Multiplier, 0 to 32767; read as signed.
    pub mult: u16,
    /// Shift: hidden rows divide by 2^(17 + shift), logits by 2^(16 − shift).
    pub shift: u8,
    /// Zero.
    pub zero: u8,
}

/// One row of a wide integer layer: a 64-bit bias, multiplier and shift (12 bytes, aligned to 4).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct WideRow {
    /// The two words of the bias, low word first; see [`WideRow::bias`].
    pub words: [u32; 2],
    /// Multiplier, 0 to 32767; read as signed.
    pub mult: u16,
    /// Shift, 1 to 46: the row divides by 2^shift.
    pub shift: u8,
    /// Zero.
    pub zero: u8,
}

impl WideRow {
    /// A row from its three numbers.
    pub const fn new(bias: i64, mult: u16, shift: u8) -> Self {
        let words = [bias as u32, (bias >> 32) as u32];
        Self {
            words,
            mult,
            shift,
            zero: 0,
        }
    }

    /// Start of the accumulator, at the scale of weight times input.
    #[inline]
    pub const fn bias(&self) -> i64 {
        let [low, high] = self.words;
        (low as u64 | (high as u64) << 32) as i64
    }
}

/// One unit of a float affine layer (8 bytes): `x·gain + bias`.
#[derive(Clone, Copy, Debug, Default, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Affine32 {
    /// Factor.
    pub gain: f32,
    /// Addend.
    pub bias: f32,
}

/// One unit of an integer affine layer (8 bytes): `(v·gain + bias) / 2^shift`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct AffineRow {
    /// Added to the product, at its scale.
    pub bias: i32,
    /// Factor of the input.
    pub gain: i16,
    /// Shift, 1 to 30.
    pub shift: u8,
    /// Zero.
    pub zero: u8,
}

/// How one `f32` feature becomes an int16 (8 bytes): `(x − offset)·scale`.
#[derive(Clone, Copy, Debug, Default, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct InputScale {
    /// Taken off first.
    pub offset: f32,
    /// Integer steps per unit of the feature.
    pub scale: f32,
}

/// How an integer becomes an int16 (8 bytes): `(clamp(x − offset, ±65535)·mult + 2^(shift−1)) >> shift`.
#[derive(Clone, Copy, Debug, Default, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct IntScale {
    /// Taken off first.
    pub offset: i32,
    /// Integer steps per unit, times 2^shift.
    pub mult: i16,
    /// 1 to 30.
    pub shift: u8,
    /// Zero.
    pub zero: u8,
}

/// What [`quantize_f32`](crate::kernel::quantize_f32) had to force into range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct InputCounts {
    /// Features that were not a number, and became 0.
    pub nan: u32,
    /// Features beyond ±32767 steps, which became ±32767.
    pub saturated: u32,
}

impl InputCounts {
    /// The sums of both.
    #[must_use]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self {
            nan: self.nan.wrapping_add(other.nan),
            saturated: self.saturated.wrapping_add(other.saturated),
        }
    }
}

/// Values that a [`CurveTable`] stores: one for every 256th int16, one more for the end of the last
/// interval, and one that fills the last word.
pub const CURVE_KNOTS: usize = 258;

/// A pointwise function of an integer model (516 bytes): its values at −32768, −32512, …, 32768.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4))]
pub struct CurveTable {
    /// 257 values in the order of their inputs, and a zero.
    pub values: [i16; CURVE_KNOTS],
}

/// The ε of an integer normalization, as a sum of squared deviations (8 bytes, aligned to 4).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct NormEnergy {
    /// The two words of the number, low word first; see [`NormEnergy::value`].
    pub words: [u32; 2],
}

impl NormEnergy {
    /// The energy of a sum of squares.
    pub const fn new(value: u64) -> Self {
        Self {
            words: [value as u32, (value >> 32) as u32],
        }
    }

    /// The sum of squares.
    #[inline]
    pub const fn value(&self) -> u64 {
        let [low, high] = self.words;
        low as u64 | (high as u64) << 32
    }
}

/// A float normalization of `N` units (`8·N + 4` bytes).
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Norm32<const N: usize> {
    /// ε, or the least sum of squares of a unit norm.
    pub epsilon: f32,
    /// One per unit.
    pub gain: [f32; N],
    /// One per unit.
    pub bias: [f32; N],
}

/// An integer normalization of `N` units (`8·N + 8` bytes).
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct NormRows<const N: usize> {
    /// What stands for ε.
    pub energy: NormEnergy,
    /// One per unit.
    pub units: [AffineRow; N],
}

/// One unit of a float Dice (12 bytes).
#[derive(Clone, Copy, Debug, Default, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Dice32 {
    /// Factor under the sigmoid.
    pub gain: f32,
    /// Addend under the sigmoid.
    pub bias: f32,
    /// Slope where the sigmoid is 0.
    pub alpha: f32,
}

/// One unit of an integer Dice (12 bytes): `(v·gain + bias) / 2^shift` as Q16.16 goes under the
/// sigmoid.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct DiceRow {
    /// Added to the product, at its scale.
    pub bias: i32,
    /// Factor of the input.
    pub gain: i16,
    /// Shift, 0 to 30.
    pub shift: u8,
    /// Zero.
    pub zero: u8,
    /// Slope where the sigmoid is 0, as Q12.
    pub alpha: i16,
    /// Zero.
    pub zero2: i16,
}

/// A float Dice over the units of the row (8 bytes).
#[derive(Clone, Copy, Debug, Default, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RowDice32 {
    /// Added to the sum of the squares.
    pub epsilon: f32,
    /// Slope where the sigmoid is 0.
    pub alpha: f32,
}

/// An integer Dice over the units of the row (12 bytes).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct RowDiceQ {
    /// What stands for ε.
    pub energy: NormEnergy,
    /// Slope where the sigmoid is 0, as Q12 in the low half.
    pub alpha: i32,
}
