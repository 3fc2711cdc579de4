//! From a layer's record to the kernel that it names.

use crate::blob::{ActivationKind, LayerKind, LayerRecord, PackingKind, PrecisionKind};
use crate::kernel::{self, HotInput, NormEnergy, NormKind, Row, WideRow};
use crate::math::Math;
use crate::number::{Element, norm_f32};
use crate::precision::floor;
use crate::rows;
use heapless::Vec;
use zerocopy::FromBytes;

/// What a layer reads.
#[derive(Clone, Copy)]
pub(super) enum Read<'x, A> {
    /// An activation for each column.
    All(&'x [A]),
    /// Numbers and codes.
    Hot(HotInput<'x, A>),
}

impl<'x, A> Read<'x, A> {
    /// The activations, of a layer that no codes feed.
    pub(super) fn all(self) -> Option<&'x [A]> {
        match self {
            Self::All(x) => Some(x),
            Self::Hot(_) => None,
        }
    }
}

/// An element whose layers can be run from their records.
pub(super) trait Erased: Element {
    /// `y = W x + b` of a dense layer, for each row. Gives the bytes behind the matrix.
    fn dense<'w>(
        l: &LayerRecord,
        w: &'w [u8],
        x: &[Read<'_, Self>],
        y: &mut [&mut [Self]],
        relu: bool,
    ) -> Option<&'w [u8]>;
    /// `z = W x + b` of a logits layer.
    fn logits(l: &LayerRecord, w: &[u8], x: Read<'_, Self>, z: &mut [Self::Logit]) -> Option<()>;
    /// A normalization of so many groups of units.
    fn erased_norm<M: Math>(
        kind: NormKind,
        groups: usize,
        w: &[u8],
        x: &[Self],
        y: &mut [Self],
    ) -> Option<()>;
    /// A probability from a raw word.
    fn prob(word: u32) -> Self::Prob;
}

/// The activations of several rows, none of which has codes, where kernels take several.
#[inline(always)]
fn together<'x, A: Copy>(x: &[Read<'x, A>]) -> Option<Vec<&'x [A], { rows::MOST }>> {
    if cfg!(target_os = "none") || x.len() < 2 {
        return None;
    }
    let all = rows::collect(x.iter().filter_map(|x| x.all()));
    (all.len() == x.len()).then_some(all)
}

fn part<T: FromBytes + zerocopy::Immutable + zerocopy::KnownLayout>(
    bytes: &[u8],
    n: usize,
) -> Option<(&[T], &[u8])> {
    <[T]>::ref_from_prefix_with_elems(bytes, n).ok()
}

/// What is left after `n` elements and the padding to 4.
fn padded<T>(bytes: &[u8], n: usize) -> Option<&[u8]> {
    bytes.get((n * size_of::<T>() + 3) & !3..)
}

impl Erased for f32 {
    fn dense<'w>(
        l: &LayerRecord,
        w: &'w [u8],
        x: &[Read<'_, f32>],
        y: &mut [&mut [f32]],
        relu: bool,
    ) -> Option<&'w [u8]> {
        let (i, o) = (l.inputs.get() as usize, l.outputs.get() as usize);
        let (bias, w) = part::<f32>(w, o)?;
        let rest = match l.precision()? {
            PrecisionKind::F32 => {
                let (weights, rest) = part::<f32>(w, i * o)?;
                if let Some(x) = together(x) {
                    kernel::gemm_f32(weights, bias, &x, y);
                } else {
                    for (x, y) in x.iter().zip(y.iter_mut()) {
                        match x {
                            Read::All(x) => kernel::gemv_f32(weights, bias, x, y),
                            Read::Hot(x) => kernel::hot_f32(weights, bias, *x, y),
                        }
                    }
                }
                rest
            }
            PrecisionKind::W8 => {
                let (scale, w) = part::<f32>(w, o)?;
                let (weights, _) = part::<i8>(w, i * o)?;
                if let Some(x) = together(x) {
                    kernel::gemm_w8(weights, scale, bias, &x, y);
                } else {
                    for (x, y) in x.iter().zip(y.iter_mut()) {
                        match x {
                            Read::All(x) => kernel::gemv_w8(weights, scale, bias, x, y),
                            Read::Hot(x) => kernel::hot_w8(weights, scale, bias, *x, y),
                        }
                    }
                }
                padded::<i8>(w, i * o)?
            }
            PrecisionKind::I8 | PrecisionKind::I16 => return None,
        };
        if relu {
            y.iter_mut().for_each(|y| kernel::relu_f32(y));
        }
        Some(rest)
    }
    fn logits(l: &LayerRecord, w: &[u8], x: Read<'_, f32>, z: &mut [f32]) -> Option<()> {
        Self::dense(l, w, &[x], &mut [z], false).map(|_| ())
    }
    fn erased_norm<M: Math>(
        kind: NormKind,
        groups: usize,
        w: &[u8],
        x: &[f32],
        y: &mut [f32],
    ) -> Option<()> {
        let (epsilon, w) = part::<f32>(w, 1)?;
        let (gain, w) = part::<f32>(w, y.len())?;
        let (bias, _) = part::<f32>(w, y.len())?;
        norm_f32::<M>(kind, groups, (gain, bias, *epsilon.first()?), x, y);
        Some(())
    }
    fn prob(word: u32) -> f32 {
        f32::from_bits(word)
    }
}

impl Erased for i16 {
    fn dense<'w>(
        l: &LayerRecord,
        w: &'w [u8],
        x: &[Read<'_, i16>],
        y: &mut [&mut [i16]],
        relu: bool,
    ) -> Option<&'w [u8]> {
        let (i, o) = (l.inputs.get() as usize, l.outputs.get() as usize);
        match l.precision()? {
            PrecisionKind::I8 => {
                let (rows, w) = part::<Row>(w, o)?;
                let weights = part(w, i * o)?.0;
                let floor = floor(relu);
                let packing = l.packing()?;
                match (packing, together(x)) {
                    (PackingKind::Panels, Some(x)) => {
                        kernel::dense_rows_i8(weights, rows, &x, y, floor);
                        return padded::<i8>(w, i * o);
                    }
                    (PackingKind::Quad, Some(x)) => {
                        kernel::dense_rows_i8_quad(weights, rows, &x, y, floor);
                        return padded::<i8>(w, i * o);
                    }
                    _ => {}
                }
                for (x, y) in x.iter().zip(y.iter_mut()) {
                    match (packing, *x) {
                        (PackingKind::Panels, Read::All(x)) => {
                            kernel::dense_i8(weights, rows, x, y, floor);
                        }
                        (PackingKind::Quad, Read::All(x)) => {
                            kernel::dense_i8_quad(weights, rows, x, y, floor);
                        }
                        (PackingKind::Pairs, Read::All(x)) => {
                            kernel::dense_i8_pairs(weights, rows, x, y, floor);
                        }
                        (PackingKind::Panels, Read::Hot(x)) => {
                            kernel::hot_dense_i8(weights, rows, x, y, floor);
                        }
                        (PackingKind::Quad, Read::Hot(x)) => {
                            kernel::hot_dense_i8_quad(weights, rows, x, y, floor);
                        }
                        (PackingKind::Pairs, Read::Hot(x)) => {
                            kernel::hot_dense_i8_pairs(weights, rows, x, y, floor);
                        }
                    }
                }
                padded::<i8>(w, i * o)
            }
            PrecisionKind::I16 => {
                let (rows, w) = part::<WideRow>(w, o)?;
                let weights = part(w, i * o)?.0;
                for (x, y) in x.iter().zip(y.iter_mut()) {
                    match *x {
                        Read::All(x) => kernel::dense_i16(weights, rows, x, y, floor(relu)),
                        Read::Hot(x) => kernel::hot_dense_i16(weights, rows, x, y, floor(relu)),
                    }
                }
                padded::<i16>(w, i * o)
            }
            PrecisionKind::F32 | PrecisionKind::W8 => None,
        }
    }
    fn logits(l: &LayerRecord, w: &[u8], x: Read<'_, i16>, z: &mut [crate::Q16]) -> Option<()> {
        let (i, o) = (l.inputs.get() as usize, l.outputs.get() as usize);
        let z: &mut [i32] = zerocopy::transmute_mut!(z);
        match l.precision()? {
            PrecisionKind::I8 => {
                let (rows, w) = part::<Row>(w, o)?;
                let weights = part(w, i * o)?.0;
                match (l.packing()?, x) {
                    (PackingKind::Panels, Read::All(x)) => kernel::logits_i8(weights, rows, x, z),
                    (PackingKind::Quad, Read::All(x)) => {
                        kernel::logits_i8_quad(weights, rows, x, z);
                    }
                    (PackingKind::Pairs, Read::All(x)) => {
                        kernel::logits_i8_pairs(weights, rows, x, z);
                    }
                    (PackingKind::Panels, Read::Hot(x)) => {
                        kernel::hot_logits_i8(weights, rows, x, z);
                    }
                    (PackingKind::Quad, Read::Hot(x)) => {
                        kernel::hot_logits_i8_quad(weights, rows, x, z);
                    }
                    (PackingKind::Pairs, Read::Hot(x)) => {
                        kernel::hot_logits_i8_pairs(weights, rows, x, z);
                    }
                }
            }
            PrecisionKind::I16 => {
                let (rows, w) = part::<WideRow>(w, o)?;
                let weights = part(w, i * o)?.0;
                match x {
                    Read::All(x) => kernel::logits_i16(weights, rows, x, z),
                    Read::Hot(x) => kernel::hot_logits_i16(weights, rows, x, z),
                }
            }
            PrecisionKind::F32 | PrecisionKind::W8 => return None,
        }
        Some(())
    }
    fn erased_norm<M: Math>(
        kind: NormKind,
        groups: usize,
        w: &[u8],
        x: &[i16],
        y: &mut [i16],
    ) -> Option<()> {
        let (energy, w) = NormEnergy::ref_from_prefix(w).ok()?;
        let width = y.len().checked_div(groups)?;
        kernel::norm_i16(kind, width, *energy, part(w, y.len())?.0, x, y);
        Some(())
    }
    fn prob(word: u32) -> crate::Q31 {
        crate::Q31(word)
    }
}

/// Runs one layer that makes activations, for each row.
pub(super) fn layer<A: Erased, M: Math>(
    l: &LayerRecord,
    w: &[u8],
    x: &[Read<'_, A>],
    y: &mut [&mut [A]],
) -> Option<()> {
    if l.kind()? == LayerKind::Dense {
        let activation = l.activation()?;
        let rest = A::dense(l, w, x, y, activation == ActivationKind::Relu)?;
        return y
            .iter_mut()
            .try_for_each(|y| activate::<A, M>(activation, rest, y));
    }
    x.iter()
        .zip(y)
        .try_for_each(|(x, y)| unit::<A, M>(l, w, *x, y))
}

/// Runs one layer without a matrix, for one row.
fn unit<A: Erased, M: Math>(l: &LayerRecord, w: &[u8], x: Read<'_, A>, y: &mut [A]) -> Option<()> {
    let x = x.all()?;
    match l.kind()? {
        LayerKind::Pointwise => {
            let activation = l.activation()?;
            copy(x, y);
            if activation == ActivationKind::Relu {
                A::relu(y);
            }
            activate::<A, M>(activation, w, y)?;
        }
        LayerKind::Affine => {
            copy(x, y);
            A::affine(y, part(w, y.len())?.0);
        }
        LayerKind::PRelu => {
            copy(x, y);
            A::prelu(y, part(w, y.len())?.0);
        }
        LayerKind::LayerNorm | LayerKind::GroupNorm => {
            A::erased_norm::<M>(NormKind::Layer, l.groups(), w, x, y)?;
        }
        LayerKind::RmsNorm => A::erased_norm::<M>(NormKind::Rms, 1, w, x, y)?,
        LayerKind::UnitNorm => A::erased_norm::<M>(NormKind::Unit, 1, w, x, y)?,
        LayerKind::Dice => {
            copy(x, y);
            A::dice::<M>(y, part(w, y.len())?.0);
        }
        LayerKind::RowDice => {
            copy(x, y);
            A::row_dice::<M>(y, A::RowDice::ref_from_prefix(w).ok()?.0);
        }
        LayerKind::Dense | LayerKind::Logits | LayerKind::Constant | LayerKind::Hot => return None,
    }
    Some(())
}

/// Applies an activation, unless the matrix did; `stored` starts with what it stores.
fn activate<A: Erased, M: Math>(kind: ActivationKind, stored: &[u8], y: &mut [A]) -> Option<()> {
    match kind {
        // The matrix itself did these.
        ActivationKind::Linear | ActivationKind::Relu => {}
        ActivationKind::LeakyRelu => A::leaky_relu(y, A::Slope::ref_from_prefix(stored).ok()?.0),
        ActivationKind::Sigmoid => A::sigmoid_all::<M>(y),
        ActivationKind::Tanh => A::tanh_all::<M>(y),
        ActivationKind::Gelu
        | ActivationKind::GeluTanh
        | ActivationKind::Silu
        | ActivationKind::Elu
        | ActivationKind::Softplus
        | ActivationKind::Mish
        | ActivationKind::Softsign
        | ActivationKind::HardSwish
        | ActivationKind::Clip
        | ActivationKind::Exp
        | ActivationKind::Square => {
            A::curve::<M>(kind, A::Curve::ref_from_prefix(stored).ok()?.0, y)
        }
    }
    Some(())
}

/// As much of `x` as `y` holds.
pub(super) fn copy<T: Copy>(x: &[T], y: &mut [T]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = *x;
    }
}

/// A constant gate's stored weights.
pub(super) fn constant<A: Erased>(w: &[u8], g: &mut [A::Gate]) -> Option<()> {
    copy(part::<A::Gate>(w, g.len())?.0, g);
    Some(())
}
