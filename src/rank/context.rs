//! Scoring many inputs that share their first features. The sums of the first layers over the shared
//! features are computed once and kept in a context.

use crate::bytes::{InPlace, Word};
use crate::input::Raw;
use crate::layer::Rest;
use crate::level::{Buffers, Inputs, Level, MmoeLevel, Request, TaskMask, walk};
use crate::math::{Libm, Math};
use crate::model::Model;
use crate::number::Element;
use crate::parallel::PrefixedParallel;
use crate::rows::Rows;
use crate::tower::Towers;
use crate::trunk::LevelOutputs;
use core::array;
use zerocopy::FromZeros;

/// The shared first `C` features of many inputs, taken in already.
///
/// It holds the sums of the first layer of every expert and every gate over those features.
/// [`Model::context`] creates one, and [`Model::predict_in`] completes it. For models that take records
/// `C` is the width of the whole vector.
#[derive(Debug)]
pub struct Context<B: PrefixedParallel, G: PrefixedParallel, const C: usize> {
    experts: B::Partials,
    gates: G::Partials,
}

/// A level whose first layers have taken in the first part of their input already.
struct Resumed<'a, B: PrefixedParallel, G: PrefixedParallel, const C: usize> {
    level: &'a MmoeLevel<B, G>,
    context: &'a Context<B, G, C>,
}

impl<'x, A: Element> Inputs<Rest<'x, A>> for Rest<'x, A> {
    fn stream(&self, _: usize) -> Option<&Self> {
        Some(self)
    }
    fn value(base: u8, _: usize) -> u8 {
        base
    }
}

impl<
    'a,
    A: Element,
    B,
    G,
    const I: usize,
    const H: usize,
    const N: usize,
    const K: usize,
    const C: usize,
> Level for Resumed<'a, B, G, C>
where
    B: PrefixedParallel<Act = A, In = [A; I], Out = [A; H], Count = [(); N]>,
    G: PrefixedParallel<Act = A, In = [A; I], Out = [A::Gate; N], Count = [(); K]>,
{
    type Act = A;
    type In = Rest<'a, A>;
    type GateWeights = [[A::Gate; N]; K];
    type Stream = [A; H];
    type Mixtures = [[A::MixtureSum; H]; K];
    type Count = [(); K];
    const LAYER_SCRATCH: usize = 0;
    fn experts(&self) -> usize {
        N
    }
    fn gates(&self) -> usize {
        K
    }
    fn gate<M: Math, S: Inputs<Rest<'a, A>> + ?Sized, const R: usize>(
        &self,
        o: usize,
        x: &[&S],
        weights: &mut [&mut Self::GateWeights],
        _: &mut [[A; H]; R],
    ) {
        for (x, weights) in x.iter().zip(weights) {
            if let (Some(x), Some(row)) = (x.stream(o), weights.get_mut(o)) {
                self.level
                    .gates
                    .resume::<M>(o, &self.context.gates, *x, row);
            }
        }
    }
    fn weight(&self, weights: &Self::GateWeights, o: usize, i: usize) -> A::Gate {
        self.level.weight(weights, o, i)
    }
    fn always(&self, o: usize, i: usize) -> bool {
        self.level.always(o, i)
    }
    fn expert<M: Math, S: Inputs<Rest<'a, A>> + ?Sized, const R: usize>(
        &self,
        i: usize,
        x: &[&S],
        h: &mut [[A; H]; R],
    ) {
        for (x, h) in x.iter().zip(h) {
            if let Some(x) = x.stream(i) {
                self.level
                    .experts
                    .resume::<M>(i, &self.context.experts, *x, h);
            }
        }
    }
    fn output<'h>(&self, _: usize, h: &'h [A; H]) -> &'h [A] {
        h
    }
    fn mixture<'m>(&self, m: &'m mut Self::Mixtures, o: usize) -> &'m mut [A::MixtureSum] {
        self.level.mixture(m, o)
    }
}

impl<B: PrefixedParallel, G: PrefixedParallel, const C: usize> Context<B, G, C> {
    /// A context that has taken in nothing.
    pub(super) fn empty() -> Self {
        Self {
            experts: B::Partials::new_zeroed(),
            gates: G::Partials::new_zeroed(),
        }
    }
}

impl<A, B, G, const C: usize> Context<B, G, C>
where
    B: PrefixedParallel<Act = A>,
    G: PrefixedParallel<Act = A>,
{
    /// Takes in the first elements of the trunk's input.
    pub(super) fn begin(&mut self, level: &MmoeLevel<B, G>, x: &[A]) {
        level.experts.begin(x, &mut self.experts);
        level.gates.begin(x, &mut self.gates);
    }
}

impl<A: Element, B, G, T, const I: usize, const H: usize, const N: usize, const K: usize>
    Model<Raw<[A; I]>, MmoeLevel<B, G>, T>
where
    B: PrefixedParallel<Act = A, In = [A; I], Out = [A; H], Count = [(); N]>,
    G: PrefixedParallel<Act = A, In = [A; I], Out = [A::Gate; N], Count = [(); K]>,
    T: Towers<Act = A, In = [A; H], Count = [(); K]>,
    MmoeLevel<B, G>: InPlace,
{
    /// Computes the part of a prediction that depends only on the first `C` features, for inputs that
    /// share those.
    ///
    /// Use it where one user is scored with many items, and [`rank`](Model::rank) does not fit. A
    /// context takes an accumulator (4 bytes; 8 in wide layers) for each row of the first layer of
    /// every expert and every gate.
    ///
    /// ```
    #[doc = include_str!("../../docs/doctest-model.txt")]
    /// // The first 48 features are the user's, the last 16 the item's.
    /// let context = model.context(&[0.5; 48]);
    /// for item in [[0.0; 16], [1.0; 16]] {
    ///     let mut whole = [0.5; 64];
    ///     whole[48..].copy_from_slice(&item);
    ///     assert_eq!(model.predict_in(&context, &item), model.predict(&whole));
    /// }
    /// # Ok::<(), mmoe::SelfTestError>(())
    /// ```
    pub fn context<const C: usize>(&self, x: &[f32; C]) -> Context<B, G, C> {
        const { assert!(C <= I, "context: more features than the model has") };
        let mut q = Word::<[A; C]>::new_zeroed();
        let _ = A::features::<I>(&self.input.scales, 0, x, &mut *q);
        self.context_q(&q)
    }

    /// Does what [`context`](Self::context) does, from activations. In an integer model no float
    /// instruction runs.
    pub fn context_q<const C: usize>(&self, x: &[A; C]) -> Context<B, G, C> {
        let mut context = Context::empty();
        context.begin(&self.trunk, x);
        context
    }

    /// Computes all outputs for the input that consists of the context's features and then `rest`.
    /// The bits are those of [`predict`](Model::predict) for the whole input.
    ///
    /// The example of [`context`](Self::context) shows both.
    pub fn predict_in<const C: usize, const R: usize>(
        &self,
        context: &Context<B, G, C>,
        rest: &[f32; R],
    ) -> T::Shown {
        let mut q = Word::<[A; R]>::new_zeroed();
        let _ = A::features::<I>(&self.input.scales, C, rest, &mut *q);
        self.towers.show(&self.predict_q_in(context, &q))
    }

    /// Does what [`predict_in`](Self::predict_in) does, from activations to raw outputs.
    pub fn predict_q_in<const C: usize, const R: usize>(
        &self,
        context: &Context<B, G, C>,
        rest: &[A; R],
    ) -> T::Out {
        const {
            assert!(
                C + R == I,
                "predict_in: the context and the rest must make up the model's input"
            )
        };
        self.resumed(context, Rest::From(C, rest))
    }
}

impl<S, A: Element, B, G, T, const I: usize, const H: usize, const N: usize, const K: usize>
    Model<S, MmoeLevel<B, G>, T>
where
    B: PrefixedParallel<Act = A, In = [A; I], Out = [A; H], Count = [(); N]>,
    G: PrefixedParallel<Act = A, In = [A; I], Out = [A::Gate; N], Count = [(); K]>,
    T: Towers<Act = A, In = [A; H], Count = [(); K]>,
    MmoeLevel<B, G>: InPlace,
{
    /// The prediction, from what is known in the context and the rest.
    pub(super) fn resumed<const C: usize>(
        &self,
        context: &Context<B, G, C>,
        rest: Rest<'_, A>,
    ) -> T::Out {
        let level = Resumed {
            level: &self.trunk,
            context,
        };
        // This is `Model::finish` for a level that has taken in a part of its input. It is written out
        // here because the inputs have another type: a slice, whose length the context completes.
        let mut raw = T::Out::new_zeroed();
        let (mut stream, mut mixtures, mut weights) = (
            Word::<[A; H]>::new_zeroed(),
            <[[A::MixtureSum; H]; K]>::new_zeroed(),
            <[[A::Gate; N]; K]>::new_zeroed(),
        );
        let to = Buffers {
            weights: [&mut weights],
            stream: array::from_mut(&mut *stream),
            mixtures: [&mut mixtures],
        };
        let x = Rows::one(&rest);
        walk::<Libm, _, _, _, 1>(&level, x, Request::tasks(TaskMask::ALL), to);
        for k in 0..K {
            LevelOutputs::<A>::round_one(&mixtures, k, &mut stream);
            self.towers.run::<Libm>(k, &stream, &mut raw);
        }
        T::combine(&mut raw);
        raw
    }
}
