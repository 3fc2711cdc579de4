//! The levels of CGC and PLE: experts of each task beside shared ones.

use super::{Level, Pair, Source, Streams, TypedLevel};
use crate::blob::Check;
use crate::layer::{Layer, max};
use crate::list::{self, Parallel, Place};
use crate::math::Math;
use crate::number::Element;
use zerocopy::{FromZeros, Immutable, KnownLayout, TryFromBytes};

/// Experts `T` for each of `K` tasks, shared experts `S`, and for each task a gate `G` over its own
/// and then the shared ones (Tang et al., RecSys 2020).
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct CgcLevel<T, S, G, const K: usize> {
    /// Each task's experts.
    pub tasks: [T; K],
    /// The shared experts.
    pub shared: S,
    /// A gate per task.
    pub gates: [G; K],
}

impl<
    A: Element,
    T,
    S,
    G,
    const I: usize,
    const H: usize,
    const NT: usize,
    const NS: usize,
    const N: usize,
    const K: usize,
> Level for CgcLevel<T, S, G, K>
where
    T: Parallel<Act = A, In = [A; I], Out = [A; H], Count = [(); NT]>,
    S: Parallel<Act = A, In = [A; I], Out = [A; H], Count = [(); NS]>,
    G: Layer<Act = A, In = [A; I], Out = [A::Gate; N]>,
{
    type A = A;
    type Stream = [A; I];
    type Rows = [[A::Gate; N]; K];
    type H = [A; H];
    type Mixes = [[A::MixtureSum; H]; K];
    type Count = [(); K];
    const INNER: usize = max(max(T::SCRATCH, S::SCRATCH), G::SCRATCH);

    fn needs(want: u32) -> u32 {
        want | 1 << K
    }
    fn experts(&self) -> usize {
        const { assert!(K < crate::blob::MAX_TASKS, "CgcLevel: at most 31 tasks") };
        const {
            assert!(
                NT + NS == N,
                "CgcLevel: a gate weighs its task's experts and the shared ones"
            )
        };
        NT * K + NS
    }
    fn outs(&self) -> usize {
        K
    }
    fn gate<M: Math, Q: Source<[A; I]> + ?Sized>(
        &self,
        o: usize,
        x: &Q,
        rows: &mut Self::Rows,
        _: &mut [A; H],
    ) {
        if let (Some(g), Some(x), Some(r)) = (self.gates.get(o), x.stream(o), rows.get_mut(o)) {
            g.forward::<M>(x, r);
        }
    }
    fn weight(&self, rows: &Self::Rows, o: usize, i: usize) -> A::Gate {
        let weight = |j: usize| rows.get(o)?.get(j).copied();
        seen::<NT, K>(o, i).and_then(weight).unwrap_or(A::NONE)
    }
    fn always(&self, o: usize, i: usize) -> bool {
        seen::<NT, K>(o, i).is_some_and(|j| super::weighs_always(G::NODE.op, G::NODE.sees, j))
    }
    fn expert<M: Math, Q: Source<[A; I]> + ?Sized>(&self, i: usize, x: &Q, h: &mut [A; H]) {
        const {
            assert!(
                Q::STREAMS > K || (NS == 0 && Q::STREAMS == K),
                "CgcLevel: the level before has no stream for each task and the shared experts"
            )
        };
        if i >= NT * K {
            if let Some(x) = x.stream(K) {
                self.shared.run::<M>(i - NT * K, x, h);
            }
        } else if let Some(k) = i.checked_div(NT)
            && let (Some(t), Some(x)) = (self.tasks.get(k), x.stream(k))
        {
            t.run::<M>(i - k * NT, x, h);
        }
    }
    fn output<'h>(&self, _: usize, h: &'h [A; H]) -> &'h [A] {
        h
    }
    fn mixture<'m>(&self, m: &'m mut Self::Mixes, o: usize) -> &'m mut [A::MixtureSum] {
        match m.get_mut(o) {
            Some(m) => m,
            None => &mut [],
        }
    }
}

impl<
    A: Element,
    T,
    S,
    G,
    const I: usize,
    const H: usize,
    const NT: usize,
    const NS: usize,
    const N: usize,
    const K: usize,
> TypedLevel for CgcLevel<T, S, G, K>
where
    T: Parallel<Act = A, In = [A; I], Out = [A; H], Count = [(); NT]>,
    S: Parallel<Act = A, In = [A; I], Out = [A; H], Count = [(); NS]>,
    G: Layer<Act = A, In = [A; I], Out = [A::Gate; N]>,
{
    fn describe<Q: Source<[A; I]>>(to: &mut Check<'_>, base: u8) -> u8 {
        const {
            assert!(
                NT * K + NS <= crate::blob::MAX_SEEN && K < crate::blob::MAX_TASKS,
                "a level has at most 32 experts and 31 tasks"
            )
        };
        let first = to.next_value();
        for k in 0..K {
            for i in 0..NT {
                T::describe(to, i, &Place::Expert(Q::value(base, k)));
            }
        }
        for i in 0..NS {
            S::describe(to, i, &Place::Expert(Q::value(base, K)));
        }
        let outputs = to.next_value();
        for k in 0..K {
            let place = Place::Gate {
                src: Q::value(base, k),
                first,
                outputs: const { H as u16 },
                own: const { NT as u8 },
                own_at: (k * NT) as u8,
                shared_at: const { (NT * K) as u8 },
            };
            list::describe::<G>(to, &place);
        }
        outputs
    }
}

/// Which weight of gate `o` is expert `i`'s: first its task's `NT` experts, then the shared ones.
fn seen<const NT: usize, const K: usize>(o: usize, i: usize) -> Option<usize> {
    if i >= NT * K {
        return Some(i - NT * K + NT);
    }
    let j = i.wrapping_sub(o * NT);
    (j < NT).then_some(j)
}

/// A CGC level that is not the last one: one more gate `Q`, over every expert, feeds the shared
/// stream.
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct ExtractionLevel<C, Q> {
    /// The tasks' part.
    pub cgc: C,
    /// The gate of the shared stream.
    pub shared_gate: Q,
}

impl<A: Element, C, Q, const I: usize, const H: usize, const N: usize, const K: usize> Level
    for ExtractionLevel<C, Q>
where
    C: Level<
            Count = [(); K],
            A = A,
            Stream = [A; I],
            H = [A; H],
            Mixes = [[A::MixtureSum; H]; K],
            Rows: FromZeros + Sized,
        >,
    Q: Layer<Act = A, In = [A; I], Out = [A::Gate; N]>,
{
    type A = A;
    type Stream = [A; I];
    type Rows = Pair<C::Rows, [A::Gate; N]>;
    type H = [A; H];
    type Mixes = Streams<[A::MixtureSum; H], K>;
    type Count = [(); K];
    const INNER: usize = max(C::INNER, Q::SCRATCH);

    fn needs(want: u32) -> u32 {
        if super::asks(want, K) {
            u32::MAX
        } else {
            C::needs(want)
        }
    }
    fn experts(&self) -> usize {
        self.cgc.experts()
    }
    fn outs(&self) -> usize {
        K + 1
    }
    fn gate<M: Math, S: Source<[A; I]> + ?Sized>(
        &self,
        o: usize,
        x: &S,
        rows: &mut Self::Rows,
        work: &mut [A; H],
    ) {
        if o < K {
            self.cgc.gate::<M, S>(o, x, &mut rows.0, work);
        } else if let Some(x) = x.stream(K) {
            self.shared_gate.forward::<M>(x, &mut rows.1);
        }
    }
    fn weight(&self, rows: &Self::Rows, o: usize, i: usize) -> A::Gate {
        if o < K {
            self.cgc.weight(&rows.0, o, i)
        } else {
            rows.1.get(i).copied().unwrap_or(A::NONE)
        }
    }
    fn always(&self, o: usize, i: usize) -> bool {
        if o < K {
            self.cgc.always(o, i)
        } else {
            super::weighs_always(Q::NODE.op, Q::NODE.sees, i)
        }
    }
    fn expert<M: Math, S: Source<[A; I]> + ?Sized>(&self, i: usize, x: &S, h: &mut [A; H]) {
        self.cgc.expert::<M, S>(i, x, h);
    }
    fn output<'h>(&self, _: usize, h: &'h [A; H]) -> &'h [A] {
        h
    }
    fn mixture<'m>(&self, m: &'m mut Self::Mixes, o: usize) -> &'m mut [A::MixtureSum] {
        m.tasks.get_mut(o).unwrap_or(&mut m.shared)
    }
}

impl<A: Element, C, Q, const I: usize, const H: usize, const N: usize, const K: usize> TypedLevel
    for ExtractionLevel<C, Q>
where
    C: TypedLevel<
            Count = [(); K],
            A = A,
            Stream = [A; I],
            H = [A; H],
            Mixes = [[A::MixtureSum; H]; K],
            Rows: FromZeros + Sized,
        >,
    Q: Layer<Act = A, In = [A; I], Out = [A::Gate; N]>,
{
    fn describe<S: Source<[A; I]>>(to: &mut Check<'_>, base: u8) -> u8 {
        let first = to.next_value();
        let outputs = C::describe::<S>(to, base);
        let place = Place::Gate {
            src: S::value(base, K),
            first,
            outputs: const { H as u16 },
            own: 32,
            own_at: 0,
            shared_at: 0,
        };
        list::describe::<Q>(to, &place);
        outputs
    }
}
