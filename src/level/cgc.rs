//! The levels of CGC and PLE: experts of each task beside shared ones.

use super::{Inputs, Level, LevelGates, TaskMask, TaskStreams, TypedLevel, streams};
use crate::blob::{Check, GatePlace, MAX_SEEN, SeesForm};
use crate::layer::{Layer, max};
use crate::math::Math;
use crate::number::Element;
use crate::parallel::{self, Parallel, Role, mask};
use crate::rows;
use zerocopy::{FromZeros, Immutable, KnownLayout, TryFromBytes};

/// The level of CGC (Tang et al., RecSys 2020): experts `T` for each of `K` tasks, shared experts
/// `S`, and for each task a gate `G`.
///
/// The gate of a task weighs the experts of that task first and then the shared ones. It does not
/// see the experts of other tasks, so those are not run when only this task is asked for.
///
/// ```
/// use mmoe::{Binary, CgcLevel, Dense, F32, Gate, Head, Model, Raw};
/// type Expert = Dense<8, 4, F32>;
/// // Two tasks with two experts each, and three shared experts: each gate weighs five.
/// type Level = CgcLevel<[Expert; 2], [Expert; 3], Gate<8, 5, F32>, 2>;
/// assert_eq!(size_of::<Level>(), 7 * size_of::<Expert>() + 2 * size_of::<Gate<8, 5, F32>>());
///
/// // A level is a trunk by itself; the alias `Cgc` spells the same model.
/// type Clicks = Model<Raw<[f32; 8]>, Level, [Binary<Head<4, 1, F32>>; 2]>;
/// const { assert!(Clicks::SCRATCH < 256) };
/// ```
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct CgcLevel<T, S, G, const K: usize> {
    /// The experts of each task.
    pub tasks: [T; K],
    /// The shared experts.
    pub shared: S,
    /// One gate per task.
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
    type Act = A;
    type In = [A; I];
    type GateWeights = [[A::Gate; N]; K];
    type Stream = [A; H];
    type Mixtures = [[A::MixtureSum; H]; K];
    type Count = [(); K];
    const LAYER_SCRATCH: usize = max(max(T::SCRATCH, S::SCRATCH), G::SCRATCH);

    fn required_inputs(streams: TaskMask) -> TaskMask {
        // Every task's gate sees the shared experts, and those read the shared stream, number `K`.
        streams | TaskMask::only(K)
    }
    fn experts(&self) -> usize {
        const { assert!(K < crate::blob::MAX_TASKS, "CgcLevel: at most 63 tasks") };
        const {
            assert!(
                NT + NS == N,
                "CgcLevel: a gate weighs its task's experts and the shared ones"
            )
        };
        NT * K + NS
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
        if let Some(g) = self.gates.get(o) {
            rows::each::<_, _, R>(
                streams(x, o),
                weights.iter_mut().filter_map(|w| w.get_mut(o)),
                |x, y| g.forward::<M>(x, y),
                |x, y| g.forward_rows::<M, R>(x, y),
            );
        }
    }
    fn weight(&self, weights: &Self::GateWeights, o: usize, i: usize) -> A::Gate {
        let weight = |j: usize| weights.get(o)?.get(j).copied();
        seen::<NT, K>(o, i).and_then(weight).unwrap_or(A::NONE)
    }
    fn always(&self, o: usize, i: usize) -> bool {
        seen::<NT, K>(o, i).is_some_and(|j| super::weighs_always::<N>(G::NODE.op, G::NODE.sees, j))
    }
    fn expert<M: Math, X: Inputs<[A; I]> + ?Sized, const R: usize>(
        &self,
        i: usize,
        x: &[&X],
        h: &mut [[A; H]; R],
    ) {
        const {
            assert!(
                X::STREAMS > K || (NS == 0 && X::STREAMS == K),
                "CgcLevel: the level before has no stream for each task and the shared experts"
            )
        };
        let h = h.iter_mut();
        if i >= NT * K {
            let (i, experts) = (i - NT * K, &self.shared);
            rows::each::<_, _, R>(
                streams(x, K),
                h,
                |x, h| experts.run::<M>(i, x, h),
                |x, h| experts.run_rows::<M, R>(i, x, h),
            );
        } else if let Some(k) = i.checked_div(NT)
            && let Some(experts) = self.tasks.get(k)
        {
            let i = i - k * NT;
            rows::each::<_, _, R>(
                streams(x, k),
                h,
                |x, h| experts.run::<M>(i, x, h),
                |x, h| experts.run_rows::<M, R>(i, x, h),
            );
        }
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
    fn describe<X: Inputs<[A; I]>>(to: &mut Check<'_>, base: u8) -> u8 {
        const {
            assert!(
                NT * K + NS + K < 255 && NT + NS <= MAX_SEEN && K < crate::blob::MAX_TASKS,
                "a model has at most 254 experts, gates and towers; a gate sees at most 128 \
                 experts, a level has at most 63 tasks"
            )
        };
        const {
            assert!(
                NT * K + NS <= 32 || G::NODE.sees & mask(N) == mask(N),
                "CgcLevel: a MaskedGate needs a level of at most 32 experts"
            )
        };
        let first = to.next_value();
        for k in 0..K {
            for i in 0..NT {
                T::describe(to, i, &Role::Expert(X::value(base, k)));
            }
        }
        for i in 0..NS {
            S::describe(to, i, &Role::Expert(X::value(base, K)));
        }
        let outputs = to.next_value();
        for k in 0..K {
            let (form, sees) = sees_own_and_shared::<NT, NS, K>(G::NODE.sees, k);
            let place = GatePlace {
                src: X::value(base, k),
                first,
                form,
            };
            let role = Role::Gate {
                place,
                outputs: const { H as u16 },
                sees,
            };
            parallel::describe::<G>(to, &role);
        }
        outputs
    }
}

/// The form and the `sees` of gate `k`, whose type sees those in `sees`: a mask of its own `NT` experts
/// and then of the `NS` shared ones (all of them where the level has more than 32). In the blob the experts of other tasks may lie between the two.
#[inline(always)]
fn sees_own_and_shared<const NT: usize, const NS: usize, const K: usize>(
    sees: u128,
    k: usize,
) -> (u8, u32) {
    if NT * K + NS <= 32 {
        // The shifts wrap because `NT` may be 32, where nothing is left to shift.
        let seen = sees as u32 & mask(NT + NS) as u32;
        let low = mask(NT) as u32;
        let own = (seen & low).wrapping_shl((k * NT) as u32);
        let shared = (seen & !low).wrapping_shr(NT as u32);
        let shared = shared.wrapping_shl((NT * K) as u32);
        return (SeesForm::Mask.code(), own | shared);
    }
    // Runs are as long as they can be: the last task's own experts stand before the shared ones.
    let (start, end) = (k * NT, (k + 1) * NT);
    let gap = NT * K - end;
    if NS == 0 && end <= 32 {
        let own = (mask(NT) as u32).wrapping_shl(start as u32);
        return (SeesForm::Mask.code(), own);
    }
    let runs = if NS == 0 || gap == 0 {
        [start, NT + NS, 0, 0]
    } else {
        [start, NT, gap, NS]
    };
    let runs = runs.map(|n| n as u8);
    (SeesForm::Runs.code(), u32::from_le_bytes(runs))
}

/// Returns the index of expert `i` among the weights of gate `o`, or `None` where the gate does not
/// see it. The weights of a gate are those of its task's `NT` experts and then those of the shared
/// ones; the experts of the level are those of all tasks and then the shared ones.
fn seen<const NT: usize, const K: usize>(o: usize, i: usize) -> Option<usize> {
    if i >= NT * K {
        return Some(i - NT * K + NT);
    }
    // An expert of an earlier task wraps to a large number, and is refused by the same comparison.
    let j = i.wrapping_sub(o * NT);
    (j < NT).then_some(j)
}

/// A level of PLE that is not the last one: a [`CgcLevel`] `C` and one more gate `Q`, which weighs
/// every expert and feeds the stream that the shared experts of the next level read.
///
/// The experts of `Q` come in the order in which the level stores them: those of task 0, those of
/// task 1 and so on, and then the shared ones.
///
/// ```
/// use mmoe::{CgcLevel, Dense, ExtractionLevel, F32, Gate};
/// type Expert = Dense<8, 4, F32>;
/// type Tasks = CgcLevel<[Expert; 1], [Expert; 1], Gate<8, 2, F32>, 2>;
/// // Two tasks with one expert each and one shared expert: the shared gate weighs three.
/// type Level = ExtractionLevel<Tasks, Gate<8, 3, F32>>;
/// assert_eq!(size_of::<Level>(), size_of::<Tasks>() + size_of::<Gate<8, 3, F32>>());
/// ```
///
/// [`Ple`](crate::Ple) shows the model around it.
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct ExtractionLevel<C, Q> {
    /// The experts, and the gates of the tasks.
    pub cgc: C,
    /// The gate of the shared stream.
    pub shared_gate: Q,
}

impl<A: Element, C, Q, const I: usize, const H: usize, const N: usize, const K: usize> Level
    for ExtractionLevel<C, Q>
where
    C: Level<
            Count = [(); K],
            Act = A,
            In = [A; I],
            Stream = [A; H],
            Mixtures = [[A::MixtureSum; H]; K],
            GateWeights: FromZeros + Sized,
        >,
    Q: Layer<Act = A, In = [A; I], Out = [A::Gate; N]>,
{
    type Act = A;
    type In = [A; I];
    type GateWeights = LevelGates<C::GateWeights, [A::Gate; N]>;
    type Stream = [A; H];
    type Mixtures = TaskStreams<[A::MixtureSum; H], K>;
    type Count = [(); K];
    const LAYER_SCRATCH: usize = max(C::LAYER_SCRATCH, Q::SCRATCH);

    fn required_inputs(streams: TaskMask) -> TaskMask {
        // The shared gate sees the experts of all tasks, so it needs the streams of all tasks.
        if streams.contains(K) {
            TaskMask::ALL
        } else {
            C::required_inputs(streams)
        }
    }
    fn experts(&self) -> usize {
        self.cgc.experts()
    }
    fn gates(&self) -> usize {
        K + 1
    }
    fn gate<M: Math, X: Inputs<[A; I]> + ?Sized, const R: usize>(
        &self,
        o: usize,
        x: &[&X],
        weights: &mut [&mut Self::GateWeights],
        work: &mut [[A; H]; R],
    ) {
        if o < K {
            let mut weights = rows::collect::<_, R>(weights.iter_mut().map(|w| &mut w.0));
            self.cgc.gate::<M, X, R>(o, x, &mut weights, work);
        } else {
            rows::each::<_, _, R>(
                streams(x, K),
                weights.iter_mut().map(|w| &mut w.1),
                |x, y| self.shared_gate.forward::<M>(x, y),
                |x, y| self.shared_gate.forward_rows::<M, R>(x, y),
            );
        }
    }
    fn weight(&self, weights: &Self::GateWeights, o: usize, i: usize) -> A::Gate {
        if o < K {
            self.cgc.weight(&weights.0, o, i)
        } else {
            weights.1.get(i).copied().unwrap_or(A::NONE)
        }
    }
    fn always(&self, o: usize, i: usize) -> bool {
        if o < K {
            self.cgc.always(o, i)
        } else {
            super::weighs_always::<N>(Q::NODE.op, Q::NODE.sees, i)
        }
    }
    fn expert<M: Math, X: Inputs<[A; I]> + ?Sized, const R: usize>(
        &self,
        i: usize,
        x: &[&X],
        h: &mut [[A; H]; R],
    ) {
        self.cgc.expert::<M, X, R>(i, x, h);
    }
    fn output<'h>(&self, _: usize, h: &'h [A; H]) -> &'h [A] {
        h
    }
    fn mixture<'m>(&self, m: &'m mut Self::Mixtures, o: usize) -> &'m mut [A::MixtureSum] {
        m.tasks.get_mut(o).unwrap_or(&mut m.shared)
    }
}

impl<A: Element, C, Q, const I: usize, const H: usize, const N: usize, const K: usize> TypedLevel
    for ExtractionLevel<C, Q>
where
    C: TypedLevel<
            Count = [(); K],
            Act = A,
            In = [A; I],
            Stream = [A; H],
            Mixtures = [[A::MixtureSum; H]; K],
            GateWeights: FromZeros + Sized,
        >,
    Q: Layer<Act = A, In = [A; I], Out = [A::Gate; N]>,
{
    fn describe<X: Inputs<[A; I]>>(to: &mut Check<'_>, base: u8) -> u8 {
        let first = to.next_value();
        let outputs = C::describe::<X>(to, base);
        const {
            assert!(
                N <= MAX_SEEN,
                "ExtractionLevel: a gate sees at most 128 experts"
            )
        };
        let (form, sees) = const { parallel::sees::<N>(Q::NODE.sees) };
        let place = GatePlace {
            src: X::value(base, K),
            first,
            form,
        };
        let role = Role::Gate {
            place,
            outputs: const { H as u16 },
            sees,
        };
        parallel::describe::<Q>(to, &role);
        outputs
    }
}
