//! The DSelect-k gate.

use crate::blob::{Check, NodeInfo, NodeOp};
use crate::layer::{Layer, Prefixed, Rest};
use crate::math::Math;
use crate::number::Element;
use zerocopy::{FromZeros, Immutable, KnownLayout, TryFromBytes};

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
