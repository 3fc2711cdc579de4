//! One-hot columns as codes.

use super::{Activation, Dense, Layer, Logits, Prefixed, Rest};
use crate::blob::{Check, LayerKind, LayerRecord, NodeInfo};
use crate::kernel::{HotInput, one_of};
use crate::math::Math;
use crate::number::Element;
use crate::precision::{Matrix, Precision};
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// A layer `L`, [`Dense`] or [`Logits`], whose last columns are one-hot, read from codes.
///
/// Of its `IN` inputs the first `DENSE` are numbers, for the first `DENSE` columns of `L`. Each of
/// the others is a code: code c stands for a one in column `DENSE + c`, and a code that has no
/// column for none. So a one-hot field of 50 values takes one element of the input and not 50, and
/// its work is one column's.
///
/// The outputs are those of `L` on the expanded vector: in integers the same bits; in floats the
/// columns of the numbers are added first and then those of the codes, in the order of the codes,
/// which leaves the sign of a zero alone where the whole vector would make +0 of −0
/// (`docs/numerics.md`).
///
/// In a float model an activation is a code if it is a whole number from 0 on. In an integer model
/// activation a is the code a − 1, so that 0, which NaN becomes, is none: a blob's input stage adds
/// the one. NaN, negative and large numbers so name no column; of a fraction a float model makes no
/// code, and the input stage of an integer model rounds it as it does every feature.
///
/// It is the first layer of an expert or a gate, alone or in a [`Seq`](super::Seq), and works in
/// ranking: numbers and codes may be the context's. It takes 4 bytes beside those of `L`.
///
/// ```
/// use mmoe::{Dense, F32, layer::{Hot, Layer}, math::Libm, precision::MatrixF32};
/// // One number, and columns for a field of two values and one of three.
/// let matrix = MatrixF32 { bias: [0.5], weights: [[2.0, 10.0, 20.0, 100.0, 200.0, 300.0]] };
/// let dense = Dense::<6, 1, F32> { matrix, activation: [] };
/// let layer = Hot::<3, 1, _> { one: 0, layer: dense };
/// let mut y = [0.0];
/// // The number 3, the first field's second value, the second field's first (the third code).
/// layer.forward::<Libm>(&[3.0, 1.0, 2.0], &mut y);
/// assert_eq!(y, [0.5 + 3.0 * 2.0 + 20.0 + 100.0]);
/// layer.forward::<Libm>(&[3.0, -1.0, f32::NAN], &mut y);
/// assert_eq!(y, [0.5 + 3.0 * 2.0], "no column");
/// ```
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct Hot<const IN: usize, const DENSE: usize, L> {
    /// In integer models the activation of a named column is `1 << one`, with `one` from 0 to 14.
    /// Float models store 0 and do not read it.
    pub one: u32,
    /// The layer on the expanded vector.
    pub layer: L,
}

/// A layer that a [`Hot`] can feed: [`Dense`] and [`Logits`].
pub trait HotColumns: Prefixed {
    /// How many columns it has.
    const COLUMNS: usize;
    /// Runs it on numbers and codes.
    fn forward_hot<M: Math>(&self, x: HotInput<'_, Self::Act>, y: &mut Self::Out);
    /// Adds the columns that codes name, behind `dense` others.
    fn add_hot(&self, dense: usize, one: u32, codes: &[Self::Act], partial: &mut Self::Partial);
    /// Adds the rest of numbers and codes, and writes every element of `y`. `hot` is what
    /// [`add_hot`](Self::add_hot) takes as `dense` and `one`.
    fn resume_hot<M: Math>(
        &self,
        hot: (usize, u32),
        partial: &Self::Partial,
        rest: Rest<'_, Self::Act>,
        y: &mut Self::Out,
    );
}

/// Adds the columns that codes name.
fn add_named<A: Element, W: Matrix<A>>(
    matrix: &W,
    (total, dense, one): (usize, usize, u32),
    codes: &[A],
    sums: &mut [W::Partial],
) {
    let hot = [A::hot(one_of(one))];
    for code in codes {
        let column = dense.saturating_add(code.column());
        if column < total {
            matrix.add(column, &hot, sums);
        }
    }
}

/// Adds what is left of numbers and codes.
fn add_rest<A: Element, W: Matrix<A>>(
    matrix: &W,
    place: (usize, usize, u32),
    rest: Rest<'_, A>,
    sums: &mut [W::Partial],
) {
    let (_, dense, _) = place;
    match rest {
        Rest::From(from, x) => {
            let numbers = dense.saturating_sub(from).min(x.len());
            if let Some((numbers, codes)) = x.split_at_checked(numbers) {
                if !numbers.is_empty() {
                    matrix.add(from, numbers, sums);
                }
                add_named(matrix, place, codes, sums);
            }
        }
        // Never in a `Sparse` model: leaving out codes is not exact.
        Rest::Active(x) => {
            for x in x.within(usize::MAX).unwrap_or_default() {
                if usize::from(x.column) < dense {
                    matrix.add(usize::from(x.column), &[x.value], sums);
                } else {
                    add_named(matrix, place, &[x.value], sums);
                }
            }
        }
    }
}

impl<const IN: usize, const OUT: usize, P: Precision, F: Activation> HotColumns
    for Dense<IN, OUT, P, F>
{
    const COLUMNS: usize = IN;
    fn forward_hot<M: Math>(&self, x: HotInput<'_, P::Act>, y: &mut [P::Act; OUT]) {
        self.matrix.hot(x, y, F::RELU);
        F::apply::<P::Act, M>(&self.activation, y);
    }
    fn add_hot(&self, dense: usize, one: u32, codes: &[P::Act], partial: &mut Self::Partial) {
        add_named(&self.matrix, (IN, dense, one), codes, partial);
    }
    fn resume_hot<M: Math>(
        &self,
        (dense, one): (usize, u32),
        partial: &Self::Partial,
        rest: Rest<'_, P::Act>,
        y: &mut Self::Out,
    ) {
        let mut sums = *partial;
        add_rest(&self.matrix, (IN, dense, one), rest, &mut sums);
        self.matrix.finish_dense(&sums, y, F::RELU);
        F::apply::<P::Act, M>(&self.activation, y);
    }
}

impl<const IN: usize, const OUT: usize, P: Precision> HotColumns for Logits<IN, OUT, P> {
    const COLUMNS: usize = IN;
    fn forward_hot<M: Math>(&self, x: HotInput<'_, P::Act>, z: &mut Self::Out) {
        self.matrix.hot_logits(x, z);
    }
    fn add_hot(&self, dense: usize, one: u32, codes: &[P::Act], partial: &mut Self::Partial) {
        add_named(&self.matrix, (IN, dense, one), codes, partial);
    }
    fn resume_hot<M: Math>(
        &self,
        (dense, one): (usize, u32),
        partial: &Self::Partial,
        rest: Rest<'_, P::Act>,
        z: &mut Self::Out,
    ) {
        let mut sums = *partial;
        add_rest(&self.matrix, (IN, dense, one), rest, &mut sums);
        self.matrix.finish_logits(&sums, z);
    }
}

impl<A: Element, const IN: usize, const DENSE: usize, L: HotColumns<Act = A>> Layer
    for Hot<IN, DENSE, L>
{
    type Act = A;
    type In = [A; IN];
    type Out = L::Out;
    const NODE: NodeInfo = NodeInfo::plain(IN);
    const LAYERS: u8 = L::LAYERS + 1;
    const SCRATCH: usize = L::SCRATCH;
    fn describe(to: &mut Check<'_>) {
        to.layer(
            &const {
                assert!(
                    DENSE < IN,
                    "Hot: there must be a code behind the DENSE numbers"
                );
                assert!(
                    DENSE < L::COLUMNS,
                    "Hot: the layer must have columns behind those of the DENSE numbers"
                );
                LayerRecord::vector(LayerKind::Hot, A::PRECISION, IN, DENSE)
            },
        );
        L::describe(to);
    }
    fn forward<M: Math>(&self, x: &[A; IN], y: &mut L::Out) {
        if let Some(x) = HotInput::new(L::COLUMNS, DENSE, self.one, x) {
            self.layer.forward_hot::<M>(x, y);
        }
    }
}

impl<A: Element, const IN: usize, const DENSE: usize, L: HotColumns<Act = A>> Prefixed
    for Hot<IN, DENSE, L>
{
    type Partial = L::Partial;
    fn begin(&self, x: &[A], partial: &mut L::Partial) {
        if let Some((numbers, codes)) = x.split_at_checked(DENSE.min(x.len())) {
            self.layer.begin(numbers, partial);
            self.layer.add_hot(DENSE, self.one, codes, partial);
        }
    }
    fn resume<M: Math>(&self, partial: &L::Partial, rest: Rest<'_, A>, y: &mut L::Out) {
        self.layer
            .resume_hot::<M>((DENSE, self.one), partial, rest, y);
    }
}

impl<const IN: usize, const DENSE: usize, L> core::fmt::Debug for Hot<IN, DENSE, L> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Hot<{IN}, {DENSE}>")
    }
}
