//! The DSelect-k gate.

use crate::blob::{Check, NodeInfo, NodeOp};
use crate::layer::{Layer, Prefixed, Rest};
use crate::math::Math;
use crate::number::Element;
use zerocopy::{FromZeros, Immutable, KnownLayout, TryFromBytes};

/// The DSelect-k gate in its per-example form: `K` selectors, each of which chooses one of `N`
/// experts, mixed by a softmax (Hazimeh et al., NeurIPS 2021).
///
/// A selector chooses by the bits of an expert's index. Each bit is a smooth step of one number that
/// the layers `L` compute: 1 from 0.5 on and 0 from −0.5 down. `L` computes `K·⌈log2 N⌉` of these,
/// selector by selector and the most significant bit first, and then `K` logits for the mixing
/// softmax.
///
/// Experts that no requested task chooses are not run, so the work depends on the input.
///
/// ```
/// use mmoe::{F32, Logits, gate::DSelectKGate, layer::Layer, math::Libm, precision::MatrixF32};
/// // One selector over four experts: the bits 1 and 0 are index 2. One mixing logit.
/// let matrix = MatrixF32 { bias: [4.0, -4.0, 0.0], weights: [[0.0]; 3] };
/// let gate = DSelectKGate::<_, 4, 1>(Logits::<1, 3, F32> { matrix });
/// let mut weights = [0.0; 4];
/// gate.forward::<Libm>(&[1.0], &mut weights);
/// assert_eq!(weights, [0.0, 0.0, 1.0, 0.0]);
/// ```
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct DSelectKGate<L, const N: usize, const K: usize>(
    /// The layers that compute the selectors' inputs and the mixing logits.
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

impl<A: Element, const IN: usize, const Z: usize, L, const N: usize, const K: usize> Prefixed
    for DSelectKGate<L, N, K>
where
    L: Prefixed<Act = A, In = [A; IN], Out = [A::Logit; Z]>,
{
    type Partial = L::Partial;
    fn begin(&self, x: &[A], partial: &mut L::Partial) {
        self.0.begin(x, partial);
    }
    fn resume<M: Math>(&self, partial: &L::Partial, rest: Rest<'_, A>, y: &mut [A::Gate; N]) {
        let mut z = <[A::Logit; Z]>::new_zeroed();
        self.0.resume::<M>(partial, rest, &mut z);
        A::gate_d_select_k::<M>(K, &mut z, y);
    }
    fn exact_without_zeros(&self) -> bool {
        self.0.exact_without_zeros()
    }
}
