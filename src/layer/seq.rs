//! Layers in sequence.

use super::{Layer, Prefixed, Rest, max};
use crate::blob::{Check, NodeInfo};
use crate::bytes::Word;
use crate::math::Math;
use crate::rows;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// Two layers in sequence: `B` reads what `A` returns.
///
/// A longer chain is nested. Nest four layers as two pairs, `Seq<Seq<A, B>, Seq<C, D>>`: a chain that
/// is nested to one side keeps buffers on the stack that nobody reads any more.
///
/// ```
/// use mmoe::{Dense, F32, Seq, layer::Layer};
/// type Expert = Seq<Dense<8, 6, F32>, Dense<6, 4, F32>>;
/// assert_eq!(size_of::<Expert>(), 4 * (9 * 6 + 7 * 4));
/// assert_eq!(Expert::SCRATCH, 4 * 6, "the six values between the layers");
/// ```
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Seq<A, B>(
    /// The first layer.
    pub A,
    /// The layer on its output.
    pub B,
);

/// Three layers in sequence.
pub type Seq3<A, B, C> = Seq<Seq<A, B>, C>;

impl<A: Layer, B: Layer<Act = A::Act, In = A::Out>> Layer for Seq<A, B> {
    type Act = A::Act;
    type In = A::In;
    type Out = B::Out;
    const NODE: NodeInfo = A::NODE;
    const LAYERS: u8 = A::LAYERS + B::LAYERS;
    const SCRATCH: usize = size_of::<A::Out>() + max(A::SCRATCH, B::SCRATCH);
    fn describe(to: &mut Check<'_>) {
        A::describe(to);
        B::describe(to);
    }
    fn forward<M: Math>(&self, x: &A::In, y: &mut B::Out) {
        let mut t = Word::<A::Out>::new_zeroed();
        self.0.forward::<M>(x, &mut t);
        self.1.forward::<M>(&t, y);
    }
    fn forward_rows<M: Math, const R: usize>(&self, x: &[&A::In], y: &mut [&mut B::Out]) {
        let mut t = Word::<[A::Out; R]>::new_zeroed();
        let mut between = rows::collect::<_, R>(t.iter_mut().zip(x).map(|(t, _)| t));
        self.0.forward_rows::<M, R>(x, &mut between);
        let between = rows::collect::<_, R>(between.iter().map(|t| &**t));
        self.1.forward_rows::<M, R>(&between, y);
    }
}

impl<A: Prefixed, B: Layer<Act = A::Act, In = A::Out>> Prefixed for Seq<A, B> {
    type Partial = A::Partial;
    fn begin(&self, x: &[A::Act], partial: &mut A::Partial) {
        self.0.begin(x, partial);
    }
    fn resume<M: Math>(&self, partial: &A::Partial, rest: Rest<'_, A::Act>, y: &mut B::Out) {
        let mut t = Word::<A::Out>::new_zeroed();
        self.0.resume::<M>(partial, rest, &mut t);
        self.1.forward::<M>(&t, y);
    }
    fn exact_without_zeros(&self) -> bool {
        self.0.exact_without_zeros()
    }
}
