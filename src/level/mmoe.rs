//! The level of MMoE: experts that all tasks share, and one gate per output stream.

use super::{Inputs, Level, TypedLevel, streams};
use crate::blob::{Check, GatePlace};
use crate::layer::max;
use crate::math::Math;
use crate::number::Element;
use crate::parallel::{Parallel, Role, sees};
use crate::rows;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// The level of MMoE: experts `B`, and gates `G` that each weigh all of them.
///
/// Experts and gates are arrays where all have one shape, and [lists](crate::parallel) where they
/// differ.
///
/// ```
/// use mmoe::{Dense, F32, Gate, MmoeLevel};
/// type Level = MmoeLevel<[Dense<8, 4, F32>; 3], [Gate<8, 3, F32>; 2]>;
/// // Three experts of 8·4 weights and 4 biases, two gates of 8·3 weights and 3 biases.
/// assert_eq!(size_of::<Level>(), 4 * (3 * 36 + 2 * 27));
/// ```
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct MmoeLevel<B, G> {
    /// The experts.
    pub experts: B,
    /// One gate per output stream.
    pub gates: G,
}

impl<A: Element, B, G, const I: usize, const H: usize, const N: usize, const K: usize> Level
    for MmoeLevel<B, G>
where
    B: Parallel<Act = A, In = [A; I], Out = [A; H], Count = [(); N]>,
    G: Parallel<Act = A, In = [A; I], Out = [A::Gate; N], Count = [(); K]>,
{
    type Act = A;
    type In = [A; I];
    type GateWeights = [[A::Gate; N]; K];
    type Stream = [A; H];
    type Mixtures = [[A::MixtureSum; H]; K];
    type Count = [(); K];
    const LAYER_SCRATCH: usize = max(B::SCRATCH, G::SCRATCH);

    fn experts(&self) -> usize {
        N
    }
    fn gates(&self) -> usize {
        K
    }
    fn gate<M: Math, X: Inputs<[A; I]> + ?Sized, const R: usize>(
        &self,
        o: usize,
        x: &[&X],
        weights: &mut [&mut Self::GateWeights],
        _: &mut [[A; H]; R],
    ) {
        const {
            assert!(
                K <= X::STREAMS,
                "MmoeLevel: more gates than the level before has mixtures: gate k reads mixture k"
            )
        };
        rows::each::<_, _, R>(
            streams(x, o),
            weights.iter_mut().filter_map(|w| w.get_mut(o)),
            |x, y| self.gates.run::<M>(o, x, y),
            |x, y| self.gates.run_rows::<M, R>(o, x, y),
        );
    }
    fn weight(&self, weights: &Self::GateWeights, o: usize, i: usize) -> A::Gate {
        weights
            .get(o)
            .and_then(|r| r.get(i))
            .copied()
            .unwrap_or(A::NONE)
    }
    fn always(&self, o: usize, i: usize) -> bool {
        let gate = G::node(o);
        super::weighs_always::<N>(gate.op, gate.sees, i)
    }
    fn expert<M: Math, X: Inputs<[A; I]> + ?Sized, const R: usize>(
        &self,
        i: usize,
        x: &[&X],
        h: &mut [[A; H]; R],
    ) {
        const {
            assert!(
                N <= X::STREAMS,
                "MmoeLevel: more experts than the level before has mixtures: expert i reads mixture i"
            )
        };
        rows::each::<_, _, R>(
            streams(x, i),
            h.iter_mut(),
            |x, h| self.experts.run::<M>(i, x, h),
            |x, h| self.experts.run_rows::<M, R>(i, x, h),
        );
    }
    fn output<'h>(&self, _: usize, h: &'h [A; H]) -> &'h [A] {
        h
    }
    fn mixture<'m>(&self, m: &'m mut Self::Mixtures, o: usize) -> &'m mut [A::MixtureSum] {
        match m.get_mut(o) {
            Some(m) => m,
            None => &mut [],
        }
    }
}

impl<A: Element, B, G, const I: usize, const H: usize, const N: usize, const K: usize> TypedLevel
    for MmoeLevel<B, G>
where
    B: Parallel<Act = A, In = [A; I], Out = [A; H], Count = [(); N]>,
    G: Parallel<Act = A, In = [A; I], Out = [A::Gate; N], Count = [(); K]>,
{
    fn describe<X: Inputs<[A; I]>>(to: &mut Check<'_>, base: u8) -> u8 {
        const {
            assert!(
                N <= crate::blob::MAX_SEEN && K <= crate::blob::MAX_TASKS,
                "a gate sees at most 128 experts, a level has at most 64 gates"
            )
        };
        let first = to.next_value();
        for i in 0..N {
            B::describe(to, i, &Role::Expert(X::value(base, i)));
        }
        let outputs = to.next_value();
        for o in 0..K {
            let (form, sees) = sees::<N>(G::node(o).sees);
            let place = GatePlace {
                src: X::value(base, o),
                first,
                form,
            };
            let role = Role::Gate {
                place,
                outputs: const { H as u16 },
                sees,
            };
            G::describe(to, o, &role);
        }
        outputs
    }
}
