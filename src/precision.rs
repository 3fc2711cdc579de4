//! How the weights of one layer are written and multiplied.

use crate::blob::{packing, precision};
use crate::element::{Element, Pod, Q16};
use crate::kernel::{self, Row, WideRow};
use core::marker::PhantomData;
use zerocopy::{FromBytes, Immutable, KnownLayout, TryFromBytes};

/// Bytes that one may look at as this type: zerocopy's three traits in a word.
pub trait InPlace: TryFromBytes + KnownLayout + Immutable {}
impl<T: TryFromBytes + KnownLayout + Immutable> InPlace for T {}

/// The weights of one dense layer as they lie in flash.
pub trait Matrix<A: Element>: InPlace {
    /// Codes of precision and packing in the layer's record.
    const FORMAT: (u8, u8);
    /// `y = W x + b` as activations, negative ones set to 0 if `relu`.
    fn dense(&self, x: &[A], y: &mut [A], relu: bool);
    /// `z = W x + b` as logits.
    fn logits(&self, x: &[A], z: &mut [A::Logit]);
    /// What [`dense`](Self::dense) makes of four layers on one input, side by side. `false`: that
    /// is no faster here, and nothing was done.
    fn dense4(_group: [&Self; 4], _x: &[A], _y: [&mut [A]; 4], _relu: bool) -> bool
    where
        Self: Sized,
    {
        false
    }
    /// One row's sum over some of the columns.
    type Partial: Pod + Default;
    /// The sums of the columns that `x` holds, from the first one on.
    fn begin(&self, x: &[A], sums: &mut [Self::Partial]);
    /// Adds the columns from `from` on.
    fn add(&self, from: usize, x: &[A], sums: &mut [Self::Partial]);
    /// What [`dense`](Self::dense) gives, once all columns are in.
    fn finish_dense(&self, sums: &[Self::Partial], y: &mut [A], relu: bool);
    /// What [`logits`](Self::logits) gives, once all columns are in.
    fn finish_logits(&self, sums: &[Self::Partial], z: &mut [A::Logit]);
}

/// The precision of a layer: [`F32`], [`W8`], [`I8`] or [`I16`].
pub trait Precision: 'static {
    /// Activations, and with them the whole number system.
    type Act: Element;
    /// The bytes of an `IN → OUT` layer.
    type Matrix<const IN: usize, const OUT: usize>: Matrix<Self::Act>;
    /// The precision of layers that need more: F32 for F32 and W8, I16 for I8 and I16.
    type Wide: Precision<Act = Self::Act>;
}

/// One step wider than `P`: what the last layer of a tower uses by default.
pub type Wide<P> = <P as Precision>::Wide;

/// f32 weights and arithmetic.
#[derive(Debug)]
pub enum F32 {}
/// int8 weights with one f32 scale per row, f32 arithmetic: a quarter of the flash of [`F32`], no
/// calibration data needed.
#[derive(Debug)]
pub enum W8 {}
/// int8 weights, int16 activations, integer arithmetic only. `K` is the order of the weights: it
/// changes speed, never a result.
#[derive(Debug)]
pub struct I8<K = Panels>(PhantomData<K>);
/// int16 weights, int16 activations, integer arithmetic only: the wide layers of an [`I8`] model.
#[derive(Debug)]
pub enum I16 {}

/// An order of int8 weights.
pub trait Packing: 'static {
    /// Its code in a layer's record.
    const CODE: u8;
    /// Rows to activations, not below `floor`.
    fn dense(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], floor: i16);
    /// Rows to logits.
    fn logits(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]);
    /// Adds the columns from `from` on, of `total`, to the rows' sums.
    fn add(w: &[i8], total: usize, from: usize, x: &[i16], sums: &mut [i32]);
}

/// Panels of four rows, column by column: the order for every target.
#[derive(Debug)]
pub enum Panels {}
/// Panels of four rows as 32-bit words whose lower three bytes are stored + 128, so that one shift
/// extracts a weight.
#[derive(Debug)]
pub enum Quad {}

impl Packing for Panels {
    const CODE: u8 = packing::PANELS;
    fn dense(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], floor: i16) {
        kernel::dense_i8(w, rows, x, y, floor);
    }
    fn logits(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]) {
        kernel::logits_i8(w, rows, x, z);
    }
    fn add(w: &[i8], total: usize, from: usize, x: &[i16], sums: &mut [i32]) {
        kernel::accumulate_i8(w, total, from, x, sums);
    }
}

impl Packing for Quad {
    const CODE: u8 = packing::QUAD;
    fn dense(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], floor: i16) {
        kernel::dense_i8_quad(w, rows, x, y, floor);
    }
    fn logits(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]) {
        kernel::logits_i8_quad(w, rows, x, z);
    }
    fn add(w: &[i8], total: usize, from: usize, x: &[i16], sums: &mut [i32]) {
        kernel::accumulate_i8_quad(w, total, from, x, sums);
    }
}

impl Precision for F32 {
    type Act = f32;
    type Matrix<const IN: usize, const OUT: usize> = MatrixF32<IN, OUT>;
    type Wide = F32;
}
impl Precision for W8 {
    type Act = f32;
    type Matrix<const IN: usize, const OUT: usize> = MatrixW8<IN, OUT>;
    type Wide = F32;
}
impl<K: Packing> Precision for I8<K> {
    type Act = i16;
    type Matrix<const IN: usize, const OUT: usize> = MatrixI8<IN, OUT, K>;
    type Wide = I16;
}
impl Precision for I16 {
    type Act = i16;
    type Matrix<const IN: usize, const OUT: usize> = MatrixI16<IN, OUT>;
    type Wide = I16;
}

/// An [`F32`] layer: `4·OUT + 4·IN·OUT` bytes.
#[derive(FromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct MatrixF32<const IN: usize, const OUT: usize> {
    /// One per row.
    pub bias: [f32; OUT],
    /// In panels.
    pub weights: [[f32; IN]; OUT],
}

/// A [`W8`] layer: `8·OUT + IN·OUT` bytes, rounded up to a multiple of 4.
#[derive(FromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct MatrixW8<const IN: usize, const OUT: usize> {
    /// One per row.
    pub bias: [f32; OUT],
    /// One per row.
    pub scale: [f32; OUT],
    /// In panels.
    pub weights: [[i8; IN]; OUT],
}

/// An [`I8`] layer: `8·OUT + IN·OUT` bytes, rounded up to a multiple of 4.
#[derive(FromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct MatrixI8<const IN: usize, const OUT: usize, K> {
    /// One per row.
    pub rows: [Row; OUT],
    /// In the order of `K`.
    pub weights: [[i8; IN]; OUT],
    /// The order.
    pub packing: PhantomData<K>,
}

/// An [`I16`] layer: `12·OUT + 2·IN·OUT` bytes, rounded up to a multiple of 4.
#[derive(FromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct MatrixI16<const IN: usize, const OUT: usize> {
    /// One per row.
    pub rows: [WideRow; OUT],
    /// In panels.
    pub weights: [[i16; IN]; OUT],
}

macro_rules! debug_shape {
    ($($name:ident<$($p:ident),*>)*) => {$(
        impl<const IN: usize, const OUT: usize, $($p),*> core::fmt::Debug for $name<IN, OUT, $($p),*> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "<{}, {}>"), IN, OUT)
            }
        }
    )*};
}
debug_shape!(MatrixF32<> MatrixW8<> MatrixI8<K> MatrixI16<>);

impl<const IN: usize, const OUT: usize> Matrix<f32> for MatrixF32<IN, OUT> {
    const FORMAT: (u8, u8) = (precision::F32, packing::PANELS);
    fn dense(&self, x: &[f32], y: &mut [f32], relu: bool) {
        kernel::gemv_f32(self.weights.as_flattened(), &self.bias, x, y);
        if relu {
            kernel::relu_f32(y);
        }
    }
    fn logits(&self, x: &[f32], z: &mut [f32]) {
        kernel::gemv_f32(self.weights.as_flattened(), &self.bias, x, z);
    }
    #[cfg(not(target_os = "none"))]
    fn dense4(group: [&Self; 4], x: &[f32], mut y: [&mut [f32]; 4], relu: bool) -> bool {
        // More rows fill the vector units alone.
        if OUT > 8 {
            return false;
        }
        kernel::gemv4_f32(
            group.map(|m| m.weights.as_flattened()),
            group.map(|m| m.bias.as_slice()),
            x,
            y.each_mut().map(|y| &mut **y),
        );
        if relu {
            y.into_iter().for_each(kernel::relu_f32);
        }
        true
    }
    type Partial = f32;
    fn begin(&self, x: &[f32], sums: &mut [f32]) {
        for (s, b) in sums.iter_mut().zip(&self.bias) {
            *s = *b;
        }
        self.add(0, x, sums);
    }
    fn add(&self, from: usize, x: &[f32], sums: &mut [f32]) {
        kernel::accumulate_f32(self.weights.as_flattened(), IN, from, x, sums);
    }
    fn finish_dense(&self, sums: &[f32], y: &mut [f32], relu: bool) {
        self.finish_logits(sums, y);
        if relu {
            kernel::relu_f32(y);
        }
    }
    fn finish_logits(&self, sums: &[f32], z: &mut [f32]) {
        for (z, s) in z.iter_mut().zip(sums) {
            *z = *s;
        }
    }
}

impl<const IN: usize, const OUT: usize> Matrix<f32> for MatrixW8<IN, OUT> {
    const FORMAT: (u8, u8) = (precision::W8, packing::PANELS);
    fn dense(&self, x: &[f32], y: &mut [f32], relu: bool) {
        kernel::gemv_w8(self.weights.as_flattened(), &self.scale, &self.bias, x, y);
        if relu {
            kernel::relu_f32(y);
        }
    }
    fn logits(&self, x: &[f32], z: &mut [f32]) {
        kernel::gemv_w8(self.weights.as_flattened(), &self.scale, &self.bias, x, z);
    }
    type Partial = f32;
    fn begin(&self, x: &[f32], sums: &mut [f32]) {
        sums.fill(0.0);
        self.add(0, x, sums);
    }
    fn add(&self, from: usize, x: &[f32], sums: &mut [f32]) {
        kernel::accumulate_w8(self.weights.as_flattened(), IN, from, x, sums);
    }
    fn finish_dense(&self, sums: &[f32], y: &mut [f32], relu: bool) {
        self.finish_logits(sums, y);
        if relu {
            kernel::relu_f32(y);
        }
    }
    fn finish_logits(&self, sums: &[f32], z: &mut [f32]) {
        kernel::finish_w8(sums, &self.scale, &self.bias, z);
    }
}

impl<const IN: usize, const OUT: usize, K: Packing> Matrix<i16> for MatrixI8<IN, OUT, K> {
    const FORMAT: (u8, u8) = (precision::I8, K::CODE);
    fn dense(&self, x: &[i16], y: &mut [i16], relu: bool) {
        K::dense(self.weights.as_flattened(), &self.rows, x, y, floor(relu));
    }
    fn logits(&self, x: &[i16], z: &mut [Q16]) {
        K::logits(
            self.weights.as_flattened(),
            &self.rows,
            x,
            zerocopy::transmute_mut!(z),
        );
    }
    type Partial = i32;
    fn begin(&self, x: &[i16], sums: &mut [i32]) {
        sums.fill(0);
        self.add(0, x, sums);
    }
    fn add(&self, from: usize, x: &[i16], sums: &mut [i32]) {
        K::add(self.weights.as_flattened(), IN, from, x, sums);
    }
    fn finish_dense(&self, sums: &[i32], y: &mut [i16], relu: bool) {
        kernel::finish_dense_i8(sums, &self.rows, y, floor(relu));
    }
    fn finish_logits(&self, sums: &[i32], z: &mut [Q16]) {
        kernel::finish_logits_i8(sums, &self.rows, zerocopy::transmute_mut!(z));
    }
}

impl<const IN: usize, const OUT: usize> Matrix<i16> for MatrixI16<IN, OUT> {
    const FORMAT: (u8, u8) = (precision::I16, packing::PANELS);
    fn dense(&self, x: &[i16], y: &mut [i16], relu: bool) {
        kernel::dense_i16(self.weights.as_flattened(), &self.rows, x, y, floor(relu));
    }
    fn logits(&self, x: &[i16], z: &mut [Q16]) {
        kernel::logits_i16(
            self.weights.as_flattened(),
            &self.rows,
            x,
            zerocopy::transmute_mut!(z),
        );
    }
    type Partial = i64;
    fn begin(&self, x: &[i16], sums: &mut [i64]) {
        sums.fill(0);
        self.add(0, x, sums);
    }
    fn add(&self, from: usize, x: &[i16], sums: &mut [i64]) {
        kernel::accumulate_i16(self.weights.as_flattened(), IN, from, x, sums);
    }
    fn finish_dense(&self, sums: &[i64], y: &mut [i16], relu: bool) {
        kernel::finish_dense_i16(sums, &self.rows, y, floor(relu));
    }
    fn finish_logits(&self, sums: &[i64], z: &mut [Q16]) {
        kernel::finish_logits_i16(sums, &self.rows, zerocopy::transmute_mut!(z));
    }
}

/// The lowest value that leaves a layer.
pub(crate) const fn floor(relu: bool) -> i16 {
    if relu { 0 } else { i16::MIN }
}
