//! Scoring many inputs that share their first elements: the first layers' sums over those are
//! computed once.

use crate::bytes::InPlace;
use crate::gate::{ConstantGate, MaskedGate};
use crate::input::Raw;
use crate::kernel::ActiveColumns;
use crate::layer::{Activation, Dense, Layer, Logits, Seq};
use crate::level::{All, Level, MmoeLevel, Source, walk};
use crate::list::Parallel;
use crate::math::{Libm, Math};
use crate::model::Model;
use crate::number::Element;
use crate::precision::{Matrix, Precision};
use crate::tower::Towers;
use crate::trunk::Mixtures;
use zerocopy::FromZeros;

/// A layer that can take its input in two parts. The summation order is that of the whole input
/// (the first part's columns come first), so results have the same bits.
pub trait Prefixed: Layer {
    /// The sums over the first part.
    type Partial: FromZeros;
    /// Takes the first part.
    fn begin(&self, x: &[Self::Act], partial: &mut Self::Partial);
    /// Takes the rest.
    fn resume<M: Math>(
        &self,
        partial: &Self::Partial,
        rest: Rest<'_, Self::Act>,
        y: &mut Self::Out,
    );
    /// Whether leaving out elements that are zero gives the same bits as taking them.
    fn exact_without_zeros(&self) -> bool;
}

/// What a layer reads besides the part that it has.
#[derive(Clone, Copy, Debug)]
pub enum Rest<'x, A> {
    /// All elements from this one on.
    From(usize, &'x [A]),
    /// These alone; all others are zero.
    Active(ActiveColumns<'x, A>),
}

impl<A: Element> Rest<'_, A> {
    /// Adds it to the sums of a matrix's rows.
    fn add_to<W: Matrix<A>>(self, matrix: &W, sums: &mut [W::Partial]) {
        match self {
            Self::From(from, x) => matrix.add(from, x, sums),
            Self::Active(x) => matrix.add_active(x, sums),
        }
    }
}

impl<const IN: usize, const OUT: usize, P: Precision, F: Activation> Prefixed
    for Dense<IN, OUT, P, F>
{
    type Partial = [<P::Matrix<IN, OUT> as Matrix<P::Act>>::Partial; OUT];
    fn begin(&self, x: &[P::Act], partial: &mut Self::Partial) {
        self.matrix.begin(x, partial);
    }
    fn resume<M: Math>(&self, partial: &Self::Partial, rest: Rest<'_, P::Act>, y: &mut Self::Out) {
        let mut sums = *partial;
        rest.add_to(&self.matrix, &mut sums);
        self.matrix.finish_dense(&sums, y, F::RELU);
        F::apply::<P::Act, M>(&self.activation, y);
    }
    fn exact_without_zeros(&self) -> bool {
        self.matrix.exact_without_zeros()
    }
}

impl<const IN: usize, const OUT: usize, P: Precision> Prefixed for Logits<IN, OUT, P> {
    type Partial = [<P::Matrix<IN, OUT> as Matrix<P::Act>>::Partial; OUT];
    fn begin(&self, x: &[P::Act], partial: &mut Self::Partial) {
        self.matrix.begin(x, partial);
    }
    fn resume<M: Math>(&self, partial: &Self::Partial, rest: Rest<'_, P::Act>, y: &mut Self::Out) {
        let mut sums = *partial;
        rest.add_to(&self.matrix, &mut sums);
        self.matrix.finish_logits(&sums, y);
    }
    fn exact_without_zeros(&self) -> bool {
        self.matrix.exact_without_zeros()
    }
}

impl<A: Prefixed, B: Layer<Act = A::Act, In = A::Out>> Prefixed for Seq<A, B> {
    type Partial = A::Partial;
    fn begin(&self, x: &[A::Act], partial: &mut A::Partial) {
        self.0.begin(x, partial);
    }
    fn resume<M: Math>(&self, partial: &A::Partial, rest: Rest<'_, A::Act>, y: &mut B::Out) {
        let mut t = A::Out::new_zeroed();
        self.0.resume::<M>(partial, rest, &mut t);
        self.1.forward::<M>(&t, y);
    }
    fn exact_without_zeros(&self) -> bool {
        self.0.exact_without_zeros()
    }
}

impl<const IN: usize, const N: usize, P: Precision> Prefixed for ConstantGate<IN, N, P> {
    type Partial = [u8; 0];
    fn begin(&self, _: &[P::Act], _: &mut [u8; 0]) {}
    fn resume<M: Math>(&self, _: &[u8; 0], _: Rest<'_, P::Act>, y: &mut Self::Out) {
        *y = self.weights;
    }
    fn exact_without_zeros(&self) -> bool {
        true
    }
}

impl<A: Element, const IN: usize, const S: usize, G, const MASK: u32, const N: usize> Prefixed
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

/// Experts or gates side by side, all [`Prefixed`].
pub trait PrefixedParallel: Parallel {
    /// The sums of each.
    type Partials: FromZeros;
    /// All take the first part.
    fn begin(&self, x: &[Self::Act], partials: &mut Self::Partials);
    /// Item `i` takes the rest.
    fn resume<M: Math>(
        &self,
        i: usize,
        partials: &Self::Partials,
        rest: Rest<'_, Self::Act>,
        y: &mut Self::Out,
    );
    /// Whether leaving out elements that are zero gives each of them the same bits.
    fn exact_without_zeros(&self) -> bool;
}

impl<L: Prefixed, const N: usize> PrefixedParallel for [L; N]
where
    [L::Partial; N]: FromZeros,
{
    type Partials = [L::Partial; N];
    fn begin(&self, x: &[L::Act], partials: &mut Self::Partials) {
        for (l, p) in self.iter().zip(partials) {
            l.begin(x, p);
        }
    }
    fn resume<M: Math>(
        &self,
        i: usize,
        partials: &Self::Partials,
        rest: Rest<'_, L::Act>,
        y: &mut L::Out,
    ) {
        if let (Some(l), Some(p)) = (self.get(i), partials.get(i)) {
            l.resume::<M>(p, rest, y);
        }
    }
    fn exact_without_zeros(&self) -> bool {
        self.iter().all(Prefixed::exact_without_zeros)
    }
}

/// What a model knows of the first `C` elements of its input.
#[derive(Debug)]
pub struct Context<B: PrefixedParallel, G: PrefixedParallel, const C: usize> {
    experts: B::Partials,
    gates: G::Partials,
}

/// A level whose first layers have their first part already.
struct Resumed<'a, B: PrefixedParallel, G: PrefixedParallel, const C: usize> {
    level: &'a MmoeLevel<B, G>,
    context: &'a Context<B, G, C>,
}

impl<'x, A: Element> Source<Rest<'x, A>> for Rest<'x, A> {
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
    type A = A;
    type Stream = Rest<'a, A>;
    type Rows = [[A::Gate; N]; K];
    type H = [A; H];
    type Mixes = [[A::MixtureSum; H]; K];
    type Count = [(); K];
    const INNER: usize = 0;
    fn experts(&self) -> usize {
        N
    }
    fn outs(&self) -> usize {
        K
    }
    fn gate<M: Math, S: Source<Rest<'a, A>> + ?Sized>(
        &self,
        o: usize,
        x: &S,
        rows: &mut Self::Rows,
        _: &mut [A; H],
    ) {
        if let (Some(x), Some(row)) = (x.stream(o), rows.get_mut(o)) {
            self.level
                .gates
                .resume::<M>(o, &self.context.gates, *x, row);
        }
    }
    fn weight(&self, rows: &Self::Rows, o: usize, i: usize) -> A::Gate {
        self.level.weight(rows, o, i)
    }
    fn always(&self, o: usize, i: usize) -> bool {
        self.level.always(o, i)
    }
    fn expert<M: Math, S: Source<Rest<'a, A>> + ?Sized>(&self, i: usize, x: &S, h: &mut [A; H]) {
        if let Some(x) = x.stream(i) {
            self.level
                .experts
                .resume::<M>(i, &self.context.experts, *x, h);
        }
    }
    fn output<'h>(&self, _: usize, h: &'h [A; H]) -> &'h [A] {
        h
    }
    fn mixture<'m>(&self, m: &'m mut Self::Mixes, o: usize) -> &'m mut [A::MixtureSum] {
        self.level.mixture(m, o)
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
    /// Takes the first `C` features, which many inputs share.
    ///
    /// Memory of a context: an accumulator (4 bytes; 8 in wide layers) per row of every expert's
    /// and every gate's first layer.
    pub fn context<const C: usize>(&self, x: &[f32; C]) -> Context<B, G, C> {
        const { assert!(C <= I, "context: more features than the model has") };
        let mut q = <[A; C]>::new_zeroed();
        A::features::<I>(&self.input.scales, 0, x, &mut q);
        self.context_q(&q)
    }

    /// [`context`](Self::context) of activations: of an integer model, no float instruction runs.
    pub fn context_q<const C: usize>(&self, x: &[A; C]) -> Context<B, G, C> {
        let mut context = Context {
            experts: B::Partials::new_zeroed(),
            gates: G::Partials::new_zeroed(),
        };
        self.trunk.experts.begin(x, &mut context.experts);
        self.trunk.gates.begin(x, &mut context.gates);
        context
    }

    /// All outputs for an input of the context's features and then these. The same bits as
    /// [`predict`](Model::predict) of both together.
    pub fn predict_in<const C: usize, const R: usize>(
        &self,
        context: &Context<B, G, C>,
        rest: &[f32; R],
    ) -> T::Shown {
        let mut q = <[A; R]>::new_zeroed();
        A::features::<I>(&self.input.scales, C, rest, &mut q);
        self.towers.show(&self.predict_q_in(context, &q))
    }

    /// Raw outputs for an input of the context's activations and then these.
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

    /// The prediction, from what is known in the context and the rest.
    pub(crate) fn resumed<const C: usize>(
        &self,
        context: &Context<B, G, C>,
        rest: Rest<'_, A>,
    ) -> T::Out {
        let level = Resumed {
            level: &self.trunk,
            context,
        };
        let mut raw = T::Out::new_zeroed();
        let (mut h, mut m, mut gates) = (
            <[A; H]>::new_zeroed(),
            <[[A::MixtureSum; H]; K]>::new_zeroed(),
            <[[A::Gate; N]; K]>::new_zeroed(),
        );
        walk::<Libm, All, _, _>(&level, &rest, u32::MAX, All, &mut gates, &mut h, &mut m);
        for k in 0..K {
            Mixtures::<A>::one(&m, k, &mut h);
            self.towers.run::<Libm>(k, &h, &mut raw);
        }
        raw
    }
}
