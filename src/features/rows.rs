//! Embedding tables in each precision.

#![allow(
    missing_debug_implementations,
    reason = "zerocopy's derives write helper types without it when a macro calls them"
)]

use crate::blob::{Makes, PrecisionKind};
use crate::bytes::InPlace;
use crate::kernel;
use crate::number::Element;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// The rows of an embedding table. A code that has no row makes zeros, and counts for nothing where
/// rows are pooled.
pub trait Rows<A> {
    /// Writes a row.
    fn row(&self, code: u32, y: &mut [A]);
    /// Adds a row to a sum that starts at zero. Returns whether there is such a row.
    fn add(&self, code: u32, y: &mut [A]) -> bool;
    /// Raises each element to that of a row, which starts at [`lowest`](Self::lowest). Returns whether
    /// there is such a row.
    fn raise(&self, code: u32, y: &mut [A]) -> bool;
    /// What a maximum starts from.
    fn lowest() -> A;
    /// Turns what `n` rows, at least one, added up to or were raised to into activations.
    fn finish(&self, makes: Makes, n: u32, y: &mut [A]);
}

/// An embedding table as it lies in flash.
pub trait Table<A: Element>: InPlace {
    /// The precision, as the record has it.
    const PRECISION: PrecisionKind;
    /// Its rows.
    fn cells(&self) -> A::Cells<'_>;
}

/// The rows of a float model, one after the other.
#[derive(Clone, Copy, Debug)]
pub enum FloatRows<'a> {
    /// f32.
    F32(&'a [f32]),
    /// What a step is worth, and int8.
    W8(f32, &'a [i8]),
}

/// The rows of an integer model, one after the other.
#[derive(Clone, Copy, Debug)]
pub enum IntRows<'a> {
    /// How far they are shifted left to become activations, and int8.
    I8(u32, &'a [i8]),
    /// Activations.
    I16(&'a [i16]),
}

macro_rules! table {
    ($(#[$doc:meta])* $Name:ident { $($(#[$about:meta])* $field:ident: $t:ty)? ; $cell:ty }) => {
        $(#[$doc])*
        #[derive(FromBytes, KnownLayout, Immutable)]
        #[repr(C, align(4))]
        pub struct $Name<const R: usize, const D: usize> {
            $($(#[$about])* pub $field: $t,)?
            /// The rows, one after the other.
            pub rows: [[$cell; D]; R],
        }
        impl<const R: usize, const D: usize> core::fmt::Debug for $Name<R, D> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($Name), "<{}, {}>"), R, D)
            }
        }
    };
}
table!(
    /// f32 rows: `4·R·D` bytes.
    RowsF32 { ; f32 }
);
table!(
    /// int8 rows with one f32 scale: `4 + R·D` bytes, rounded up to a multiple of 4.
    RowsW8 {
        /// What a step of all rows is worth.
        scale: f32; i8
    }
);
table!(
    /// int8 rows that are shifted left to become activations: `4 + R·D` bytes, rounded up to a multiple
    /// of 4.
    RowsI8 {
        /// From 0 to 7.
        shift: u32; i8
    }
);
table!(
    /// int16 rows, which are activations: `2·R·D` bytes, rounded up to a multiple of 4.
    RowsI16 { ; i16 }
);

impl<const R: usize, const D: usize> Table<f32> for RowsF32<R, D> {
    const PRECISION: PrecisionKind = PrecisionKind::F32;
    #[inline(always)]
    fn cells(&self) -> FloatRows<'_> {
        FloatRows::F32(self.rows.as_flattened())
    }
}
impl<const R: usize, const D: usize> Table<f32> for RowsW8<R, D> {
    const PRECISION: PrecisionKind = PrecisionKind::W8;
    #[inline(always)]
    fn cells(&self) -> FloatRows<'_> {
        FloatRows::W8(self.scale, self.rows.as_flattened())
    }
}
impl<const R: usize, const D: usize> Table<i16> for RowsI8<R, D> {
    const PRECISION: PrecisionKind = PrecisionKind::I8;
    #[inline(always)]
    fn cells(&self) -> IntRows<'_> {
        IntRows::I8(self.shift, self.rows.as_flattened())
    }
}
impl<const R: usize, const D: usize> Table<i16> for RowsI16<R, D> {
    const PRECISION: PrecisionKind = PrecisionKind::I16;
    #[inline(always)]
    fn cells(&self) -> IntRows<'_> {
        IntRows::I16(self.rows.as_flattened())
    }
}

// All of these are inlined: a type knows which of the two its rows are.

impl Rows<f32> for FloatRows<'_> {
    #[inline(always)]
    fn row(&self, code: u32, y: &mut [f32]) {
        match *self {
            Self::F32(cells) => kernel::row_f32(cells, code, y),
            Self::W8(scale, cells) => kernel::row_w8(cells, code, scale, y),
        }
    }
    #[inline(always)]
    fn add(&self, code: u32, y: &mut [f32]) -> bool {
        match *self {
            Self::F32(cells) => kernel::add_row_f32(cells, code, y),
            Self::W8(_, cells) => kernel::add_row_w8(cells, code, y),
        }
    }
    #[inline(always)]
    fn raise(&self, code: u32, y: &mut [f32]) -> bool {
        match *self {
            Self::F32(cells) => kernel::max_row_f32(cells, code, y),
            Self::W8(_, cells) => kernel::max_row_w8(cells, code, y),
        }
    }
    fn lowest() -> f32 {
        f32::NEG_INFINITY
    }
    #[inline(always)]
    fn finish(&self, makes: Makes, n: u32, y: &mut [f32]) {
        if let Self::W8(scale, _) = *self {
            kernel::scale_f32(scale, y);
        }
        if makes == Makes::Mean {
            kernel::mean_f32(n, y);
        }
    }
}

impl Rows<i16> for IntRows<'_> {
    #[inline(always)]
    fn row(&self, code: u32, y: &mut [i16]) {
        match *self {
            Self::I8(shift, cells) => kernel::row_i8(cells, code, shift, y),
            Self::I16(cells) => kernel::row_i16(cells, code, y),
        }
    }
    #[inline(always)]
    fn add(&self, code: u32, y: &mut [i16]) -> bool {
        match *self {
            Self::I8(_, cells) => kernel::add_row_i8(cells, code, y),
            Self::I16(cells) => kernel::add_row_i16(cells, code, y),
        }
    }
    #[inline(always)]
    fn raise(&self, code: u32, y: &mut [i16]) -> bool {
        match *self {
            Self::I8(_, cells) => kernel::max_row_i8(cells, code, y),
            Self::I16(cells) => kernel::max_row_i16(cells, code, y),
        }
    }
    fn lowest() -> i16 {
        i16::MIN
    }
    #[inline(always)]
    fn finish(&self, makes: Makes, n: u32, y: &mut [i16]) {
        match *self {
            Self::I8(shift, _) if makes == Makes::Mean => kernel::mean_i16(n, shift, y),
            Self::I8(shift, _) => kernel::shift_i16(shift, y),
            // The mean of one row is the row: its factor would not fit.
            Self::I16(_) if makes == Makes::Mean && n > 1 => kernel::mean_i16(n, 0, y),
            Self::I16(_) => {}
        }
    }
}
