//! The gate that sees only some of the experts.

use crate::blob::{Check, MAX_SEEN, NodeInfo, seen_record};
use crate::layer::{Layer, Prefixed, Rest};
use crate::math::Math;
use crate::number::Element;
use crate::parallel::mask;
use crate::rows;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// A gate that sees only some of the level's `N` experts.
///
/// Bit i of `MASK` stands for expert i. The inner gate `G` has one weight for each bit that is set,
/// in ascending order; every other expert gets the weight 0, and is not run for this gate's sake.
///
/// ```
/// use mmoe::gate::{MaskedGate, SoftmaxGate};
/// use mmoe::{F32, Logits, layer::Layer, math::Libm, precision::MatrixF32};
/// let matrix = MatrixF32 { bias: [0.0, 0.0], weights: [[0.0]; 2] };
/// // Experts 0 and 2 of 3.
/// let gate = MaskedGate::<_, 0b101, 3>(SoftmaxGate(Logits::<1, 2, F32> { matrix }));
/// let mut weights = [0.0; 3];
/// gate.forward::<Libm>(&[1.0], &mut weights);
/// assert_eq!(weights, [0.5, 0.0, 0.5]);
/// ```
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct MaskedGate<G, const MASK: u128, const N: usize>(
    /// The gate over the experts that are seen.
    pub G,
);

impl<A: Element, const IN: usize, const S: usize, G, const MASK: u128, const N: usize> Layer
    for MaskedGate<G, MASK, N>
where
    G: Layer<Act = A, In = [A; IN], Out = [A::Gate; S]>,
{
    type Act = A;
    type In = [A; IN];
    type Out = [A::Gate; N];
    const NODE: NodeInfo = {
        assert!(
            N <= MAX_SEEN && MASK & !mask(N) == 0 && MASK.count_ones() as usize == S,
            "MaskedGate: MASK must name as many of the N experts as the gate weighs"
        );
        assert!(
            seen_record(MASK).is_some(),
            "MaskedGate: beyond the 32nd expert, MASK must have at most two runs of ones"
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
    fn forward_rows<M: Math, const R: usize>(&self, x: &[&[A; IN]], y: &mut [&mut [A::Gate; N]]) {
        let mut seen = [[A::NONE; S]; R];
        let mut rows = rows::collect::<_, R>(seen.iter_mut().zip(x).map(|(seen, _)| seen));
        self.0.forward_rows::<M, R>(x, &mut rows);
        drop(rows);
        for (seen, y) in seen.iter().zip(y) {
            Self::spread(seen, *y);
        }
    }
}

impl<A: Element, const IN: usize, const S: usize, G, const MASK: u128, const N: usize> Prefixed
    for MaskedGate<G, MASK, N>
where
    G: Prefixed<Act = A, In = [A; IN], Out = [A::Gate; S]>,
{
    type Partial = G::Partial;
    fn begin(&self, x: &[A], partial: &mut G::Partial) {
        self.0.begin(x, partial);
    }
    fn resume<M: Math>(&self, partial: &G::Partial, rest: Rest<'_, A>, y: &mut [A::Gate; N]) {
        let mut seen = [A::NONE; S];
        self.0.resume::<M>(partial, rest, &mut seen);
        Self::spread(&seen, y);
    }
    fn exact_without_zeros(&self) -> bool {
        self.0.exact_without_zeros()
    }
}

impl<G, const MASK: u128, const N: usize> MaskedGate<G, MASK, N> {
    /// Puts the weight of each expert that is seen in its place, and 0 in all others.
    pub(crate) fn spread<W: Copy + Default>(seen: &[W], y: &mut [W]) {
        let mut seen = seen.iter();
        for (i, y) in y.iter_mut().enumerate() {
            // One word is enough for most: a shift of two or four is slow on a device.
            let bit = if N <= 32 {
                (MASK as u32) >> (i as u32 & 31)
            } else {
                (MASK >> (i as u32 & 127)) as u32
            };
            *y = if bit & 1 != 0 {
                seen.next().copied().unwrap_or_default()
            } else {
                W::default()
            };
        }
    }
}
