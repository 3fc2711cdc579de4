//! Gates that turn one logit per expert into one weight per expert.

#![allow(
    missing_debug_implementations,
    reason = "zerocopy's derives write helper types without it when a macro calls them"
)]

use crate::blob::{Check, NodeInfo, NodeOp};
use crate::layer::{Layer, Logits, Prefixed, Rest};
use crate::math::Math;
use crate::number::Element;
use crate::rows;
use zerocopy::{FromZeros, Immutable, KnownLayout, TryFromBytes};

/// The gate of the literature: `softmax(W x + b)` over `N` experts, on `IN` inputs, in precision
/// `P`. A gate with hidden layers is a [`SoftmaxGate`] of a [`Seq`](crate::Seq) that ends in
/// [`Logits`].
pub type Gate<const IN: usize, const N: usize, P> = SoftmaxGate<Logits<IN, N, P>>;

macro_rules! gate {
    ($(#[$doc:meta])* $name:ident<L $(, const $c:ident: $ct:ty)*>, $op:expr, $k:expr, |$z:ident, $y:ident, $M:ident| $run:expr) => {
        $(#[$doc])*
        #[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
        #[repr(C)]
        pub struct $name<L $(, const $c: $ct)*>(
            /// The layers that compute one logit per expert.
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
                let mut z = <[A::Logit; N]>::new_zeroed();
                self.0.forward::<$M>(x, &mut z);
                let $z = &mut z;
                $run
            }
            fn forward_rows<$M: Math, const R: usize>(
                &self,
                x: &[&[A; IN]],
                y: &mut [&mut [A::Gate; N]],
            ) {
                let mut z = <[[A::Logit; N]; R]>::new_zeroed();
                let mut rows = rows::collect::<_, R>(z.iter_mut().zip(x).map(|(z, _)| z));
                self.0.forward_rows::<$M, R>(x, &mut rows);
                drop(rows);
                for (z, y) in z.iter_mut().zip(y) {
                    let ($z, $y) = (z, &mut **y);
                    $run
                }
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
                let mut z = <[A::Logit; N]>::new_zeroed();
                self.0.resume::<$M>(partial, rest, &mut z);
                let $z = &mut z;
                $run
            }
            fn exact_without_zeros(&self) -> bool {
                self.0.exact_without_zeros()
            }
        }
    };
}

gate!(
    /// A gate whose weights are `softmax(z)` of its logits. In integer models they add up to exactly
    /// one.
    ///
    /// ```
    /// use mmoe::{F32, Logits, gate::SoftmaxGate, layer::Layer, math::Libm, precision::MatrixF32};
    /// let matrix = MatrixF32 { bias: [0.0, 0.0, -200.0], weights: [[0.0]; 3] };
    /// let gate = SoftmaxGate(Logits::<1, 3, F32> { matrix });
    /// let mut weights = [0.0; 3];
    /// gate.forward::<Libm>(&[1.0], &mut weights);
    /// assert_eq!(weights, [0.5, 0.5, 0.0]);
    /// ```
    SoftmaxGate<L>, NodeOp::Softmax, 0, |z, y, M| A::gate_softmax::<M>(z, y)
);
gate!(
    /// A gate whose weights are `sigmoid(z)` of each logit by itself. They are not normalized: their
    /// sum lies anywhere between 0 and the number of experts.
    ///
    /// ```
    /// use mmoe::{F32, Logits, gate::SigmoidGate, layer::Layer, math::Libm, precision::MatrixF32};
    /// let matrix = MatrixF32 { bias: [0.0, 0.0], weights: [[0.0]; 2] };
    /// let gate = SigmoidGate(Logits::<1, 2, F32> { matrix });
    /// let mut weights = [0.0; 2];
    /// gate.forward::<Libm>(&[1.0], &mut weights);
    /// assert_eq!(weights, [0.5, 0.5]);
    /// ```
    SigmoidGate<L>, NodeOp::Sigmoid, 0, |z, y, M| A::gate_sigmoid::<M>(z, y)
);
gate!(
    /// A gate whose weights are its logits themselves. They may be negative, and need not add up to 1.
    ///
    /// An integer model's weights lie above −1 and go up to 1. They are the real ones over a factor,
    /// which the converter chose from calibration rows and put into the scale of the mixture.
    ///
    /// ```
    /// use mmoe::{F32, Logits, gate::LinearGate, layer::Layer, math::Libm, precision::MatrixF32};
    /// let matrix = MatrixF32 { bias: [1.5, -0.25], weights: [[0.0]; 2] };
    /// let gate = LinearGate(Logits::<1, 2, F32> { matrix });
    /// let mut weights = [0.0; 2];
    /// gate.forward::<Libm>(&[1.0], &mut weights);
    /// assert_eq!(weights, [1.5, -0.25]);
    /// ```
    LinearGate<L>, NodeOp::Linear, 0, |z, y, M| A::gate_linear(z, y)
);
gate!(
    /// A gate that gives the expert with the largest logit the weight 1 and every other expert the
    /// weight 0. Of equal logits the one with the lowest index wins.
    ///
    /// Experts that no requested task chooses are not run, so the work depends on the input.
    ///
    /// ```
    /// use mmoe::{F32, Logits, gate::HardGate, layer::Layer, math::Libm, precision::MatrixF32};
    /// let matrix = MatrixF32 { bias: [0.5, 2.0, 2.0], weights: [[0.0]; 3] };
    /// let gate = HardGate(Logits::<1, 3, F32> { matrix });
    /// let mut weights = [0.0; 3];
    /// gate.forward::<Libm>(&[1.0], &mut weights);
    /// assert_eq!(weights, [0.0, 1.0, 0.0]);
    /// ```
    HardGate<L>, NodeOp::Hard, 0, |z, y, M| A::gate_hard(z, y)
);
gate!(
    /// A gate that uses the `K` experts with the largest logits. Of equal logits the one with the
    /// lowest index wins.
    ///
    /// With `RENORMALISE` the weights are the softmax of those `K` logits alone, and so add up to
    /// one. Without it they are the weights that the softmax of all logits gives those experts.
    ///
    /// Experts that no requested task chooses are not run, so the work depends on the input.
    ///
    /// ```
    /// use mmoe::{F32, Logits, gate::TopKGate, layer::Layer, math::Libm, precision::MatrixF32};
    /// let logits = || {
    ///     let matrix = MatrixF32 { bias: [1.0; 4], weights: [[0.0]; 4] };
    ///     Logits::<1, 4, F32> { matrix }
    /// };
    /// let mut weights = [0.0; 4];
    /// TopKGate::<_, 2, true>(logits()).forward::<Libm>(&[1.0], &mut weights);
    /// assert_eq!(weights, [0.5, 0.5, 0.0, 0.0]);
    /// TopKGate::<_, 2, false>(logits()).forward::<Libm>(&[1.0], &mut weights);
    /// assert_eq!(weights, [0.25, 0.25, 0.0, 0.0]);
    /// ```
    TopKGate<L, const K: usize, const RENORMALISE: bool>,
    if RENORMALISE { NodeOp::TopK } else { NodeOp::TopKRaw },
    { assert!(K >= 1 && K <= N, "TopKGate: K must lie in 1 ..= the number of experts"); K as u8 },
    |z, y, M| A::gate_top_k::<M>(K, RENORMALISE, z, y)
);
