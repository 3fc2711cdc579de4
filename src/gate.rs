//! Gates: layers from activations to one weight per expert.

#![allow(
    missing_debug_implementations,
    reason = "zerocopy's derives write helper types without it when a macro calls them"
)]

use crate::blob::{Check, LayerKind, LayerRecord, NodeInfo, NodeOp};
use crate::layer::{Layer, Logits};
use crate::math::Math;
use crate::number::Element;
use crate::precision::Precision;
use crate::prefix::{Prefixed, Rest};
use core::marker::PhantomData;
use zerocopy::{FromZeros, Immutable, KnownLayout, TryFromBytes};

/// The textbook gate: `softmax(W x + b)` over `N` experts.
pub type Gate<const IN: usize, const N: usize, P> = SoftmaxGate<Logits<IN, N, P>>;

macro_rules! gate {
    ($(#[$doc:meta])* $name:ident<L $(, const $c:ident: $ct:ty)*>, $op:expr, $k:expr, |$z:ident, $y:ident, $M:ident| $run:expr) => {
        $(#[$doc])*
        #[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
        #[repr(C)]
        pub struct $name<L $(, const $c: $ct)*>(
            /// The layers that make the logits.
            pub L,
        );

        impl<A: Element, const IN: usize, const N: usize, L $(, const $c: $ct)*> Layer for $name<L $(, $c)*>
        where
            L: Layer<Act = A, In = [A; IN], Out = [A::Logit; N]>,
        {
            type Act = A;
            type In = [A; IN];
            type Out = [A::Gate; N];
            const NODE: NodeInfo = NodeInfo { op: $op, k: $k, ..L::NODE };
            const LAYERS: u8 = L::LAYERS;
            const SCRATCH: usize = size_of::<[A::Logit; N]>() + L::SCRATCH;
            fn describe(to: &mut Check<'_>) {
                L::describe(to);
            }
            fn forward<$M: Math>(&self, x: &[A; IN], $y: &mut [A::Gate; N]) {
                let mut $z = <[A::Logit; N]>::new_zeroed();
                self.0.forward::<$M>(x, &mut $z);
                $run
            }
        }

        impl<A: Element, const IN: usize, const N: usize, L $(, const $c: $ct)*> Prefixed for $name<L $(, $c)*>
        where
            L: Prefixed<Act = A, In = [A; IN], Out = [A::Logit; N]>,
        {
            type Partial = L::Partial;
            fn begin(&self, x: &[A], partial: &mut L::Partial) {
                self.0.begin(x, partial);
            }
            fn resume<$M: Math>(&self, partial: &L::Partial, rest: Rest<'_, A>, $y: &mut [A::Gate; N]) {
                let mut $z = <[A::Logit; N]>::new_zeroed();
                self.0.resume::<$M>(partial, rest, &mut $z);
                $run
            }
            fn exact_without_zeros(&self) -> bool {
                self.0.exact_without_zeros()
            }
        }
    };
}

gate!(
    /// `softmax(z)`. In integer models the weights add up to exactly one.
    SoftmaxGate<L>, NodeOp::Softmax, 0, |z, y, M| A::gate_softmax::<M>(&mut z, y)
);
gate!(
    /// `sigmoid(z)` for each expert, not normalised.
    SigmoidGate<L>, NodeOp::Sigmoid, 0, |z, y, M| A::gate_sigmoid::<M>(&mut z, y)
);
gate!(
    /// One for the expert with the largest logit, nothing for the others; ties to the lowest index.
    ///
    /// Experts that no requested task chooses are not run, so the work depends on the input.
    HardGate<L>, NodeOp::Hard, 0, |z, y, M| A::gate_hard(&z, y)
);
gate!(
    /// Softmax over the `K` largest logits (`RENORMALISE`), or the full softmax's weights of those; ties to the lowest index.
    ///
    /// Experts that no requested task chooses are not run, so the work depends on the input.
    TopKGate<L, const K: usize, const RENORMALISE: bool>,
    if RENORMALISE { NodeOp::TopK } else { NodeOp::TopKRaw },
    { assert!(K >= 1 && K <= N, "TopKGate: K must lie in 1 ..= the number of experts"); K as u8 },
    |z, y, M| A::gate_top_k::<M>(K, RENORMALISE, &mut z, y)
);

/// DSelect-k, per example: `K` selectors of one expert each, mixed by a softmax. `L` makes `K·⌈log2
/// N⌉` selector inputs (selector by selector, most significant bit first) and then `K` mixing
/// logits. Source: Hazimeh et al., NeurIPS 2021.
///
/// Experts that no requested task chooses are not run, so the work depends on the input.
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct DSelectKGate<L, const N: usize, const K: usize>(
    /// The layers that make the logits.
    pub L,
);

impl<A: Element, const IN: usize, const Z: usize, L, const N: usize, const K: usize> Layer
    for DSelectKGate<L, N, K>
where
    L: Layer<Act = A, In = [A; IN], Out = [A::Logit; Z]>,
{
    type Act = A;
    type In = [A; IN];
    type Out = [A::Gate; N];
    const NODE: NodeInfo = {
        assert!(
            N >= 2 && Z == K * (usize::BITS - (N - 1).leading_zeros() + 1) as usize,
            "DSelectKGate: the layers must make K·(⌈log2 N⌉ + 1) logits"
        );
        NodeInfo {
            op: NodeOp::DSelectK,
            k: K as u8,
            ..L::NODE
        }
    };
    const LAYERS: u8 = L::LAYERS;
    const SCRATCH: usize = size_of::<[A::Logit; Z]>() + L::SCRATCH;
    fn describe(to: &mut Check<'_>) {
        L::describe(to);
    }
    fn forward<M: Math>(&self, x: &[A; IN], y: &mut [A::Gate; N]) {
        let mut z = <[A::Logit; Z]>::new_zeroed();
        self.0.forward::<M>(x, &mut z);
        A::gate_d_select_k::<M>(K, &mut z, y);
    }
}

/// A gate that does not look at the input: stored weights, no product computed.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct ConstantGate<const IN: usize, const N: usize, P: Precision> {
    /// One per expert.
    pub weights: [<P::Act as Element>::Gate; N],
    /// The precision.
    pub precision: PhantomData<P>,
}

impl<const IN: usize, const N: usize, P: Precision> Layer for ConstantGate<IN, N, P> {
    type Act = P::Act;
    type In = [P::Act; IN];
    type Out = [<P::Act as Element>::Gate; N];
    const NODE: NodeInfo = NodeInfo {
        op: NodeOp::Constant,
        ..NodeInfo::plain(IN)
    };
    fn describe(to: &mut Check<'_>) {
        to.layer(&const { LayerRecord::vector(LayerKind::Constant, P::Act::PRECISION, IN, N) });
    }
    fn forward<M: Math>(&self, _: &[P::Act; IN], y: &mut Self::Out) {
        *y = self.weights;
    }
}

impl<const IN: usize, const N: usize, P: Precision> core::fmt::Debug for ConstantGate<IN, N, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ConstantGate<{IN}, {N}>")
    }
}

/// A gate that sees only some of `N` experts: bit i of `MASK` is expert i. `G` has a weight for
/// each bit set, in order.
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct MaskedGate<G, const MASK: u32, const N: usize>(
    /// The gate over the experts seen.
    pub G,
);

impl<A: Element, const IN: usize, const S: usize, G, const MASK: u32, const N: usize> Layer
    for MaskedGate<G, MASK, N>
where
    G: Layer<Act = A, In = [A; IN], Out = [A::Gate; S]>,
{
    type Act = A;
    type In = [A; IN];
    type Out = [A::Gate; N];
    const NODE: NodeInfo = {
        assert!(
            N <= 32 && MASK as u64 >> N == 0 && MASK.count_ones() as usize == S,
            "MaskedGate: MASK must name as many of the N experts as the gate weighs"
        );
        NodeInfo {
            sees: MASK,
            ..G::NODE
        }
    };
    const LAYERS: u8 = G::LAYERS;
    const SCRATCH: usize = size_of::<[A::Gate; S]>() + G::SCRATCH;
    fn describe(to: &mut Check<'_>) {
        G::describe(to);
    }
    fn forward<M: Math>(&self, x: &[A; IN], y: &mut [A::Gate; N]) {
        let mut seen = [A::NONE; S];
        self.0.forward::<M>(x, &mut seen);
        Self::spread(&seen, y);
    }
}

impl<G, const MASK: u32, const N: usize> MaskedGate<G, MASK, N> {
    /// The weights of the experts seen, each to its place.
    pub(crate) fn spread<W: Copy + Default>(seen: &[W], y: &mut [W]) {
        let mut seen = seen.iter();
        for (i, y) in y.iter_mut().enumerate() {
            *y = if MASK >> (i as u32 & 31) & 1 != 0 {
                seen.next().copied().unwrap_or_default()
            } else {
                W::default()
            };
        }
    }
}
