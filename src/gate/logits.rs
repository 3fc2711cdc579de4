//! Gates that turn a logit per expert into a weight per expert.

#![allow(
    missing_debug_implementations,
    reason = "zerocopy's derives write helper types without it when a macro calls them"
)]

use crate::blob::{Check, NodeInfo, NodeOp};
use crate::layer::{Layer, Logits, Prefixed, Rest};
use crate::math::Math;
use crate::number::Element;
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
