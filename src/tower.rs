//! Towers: layers whose output is what the user asked for, and the wrappers that say what it is.

use crate::blob::{Check, NodeInfo, NodeOp, NodeRecord, OutputKind};
use crate::bytes::{Buffer, InPlace, Pod};
use crate::layer::Layer;
use crate::math::Math;
use crate::number::Element;
use zerocopy::{FromZeros, Immutable, KnownLayout, TryFromBytes};

/// A layer at the end of a model.
pub trait Tower: Layer {
    /// The code of [`output`] in the task's record.
    const OUTPUT: OutputKind;
    /// The output as f32.
    type Shown: Pod;
    /// Raw output to f32.
    fn show(&self, raw: &Self::Out) -> Self::Shown;
    /// Gives the bits of each number of the raw output, in order.
    fn words(raw: &Self::Out, to: &mut dyn FnMut(u32));
    /// The raw output of a tower that gives one probability; `None` for every other.
    fn probability(_raw: &Self::Out) -> Option<<Self::Act as Element>::Prob> {
        None
    }
}

/// One probability, `sigmoid` of the layers' one logit. Raw: f32, or [`Q31`](crate::Q31).
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Binary<L>(pub L);

/// Class probabilities, `softmax` over the layers' logits. Raw: f32, or [`Q31`](crate::Q31).
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Multiclass<L>(pub L);

/// One real number, the layers' logit as it is (or the log-odds of a binary task). Raw: f32, or
/// [`Q16`](crate::Q16) in `unit`s.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Regression<L: Layer> {
    /// The layers.
    pub layers: L,
    /// In integer models the f32 value of the logit 1.
    pub unit: <L::Act as Element>::Unit,
}

/// Several real numbers. Raw: f32, or [`Q16`](crate::Q16) in `unit`s.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct MultiRegression<L: Layer> {
    /// The layers.
    pub layers: L,
    /// In integer models the f32 value of the logit 1.
    pub unit: <L::Act as Element>::Unit,
}

/// No layers: the mixture of `H` values is the output. Raw: activations.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct MixtureOutput<const H: usize, P: crate::Precision> {
    /// In integer models the f32 value of one step of the activations.
    pub unit: <P::Act as Element>::Unit,
}

impl<L: Layer> core::fmt::Debug for Regression<L> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Regression")
    }
}
impl<L: Layer> core::fmt::Debug for MultiRegression<L> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("MultiRegression")
    }
}
impl<const H: usize, P: crate::Precision> core::fmt::Debug for MixtureOutput<H, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "MixtureOutput<{H}>")
    }
}

impl<A: Element, const I: usize, L: Layer<Act = A, In = [A; I], Out = [A::Logit; 1]>> Layer
    for Binary<L>
{
    type Act = A;
    type In = [A; I];
    type Out = A::Prob;
    const NODE: NodeInfo = L::NODE;
    const LAYERS: u8 = L::LAYERS;
    const SCRATCH: usize = L::SCRATCH + size_of::<A::Logit>();
    fn describe(to: &mut Check<'_>) {
        L::describe(to);
    }
    fn forward<M: Math>(&self, x: &[A; I], y: &mut A::Prob) {
        let mut z = <[A::Logit; 1]>::new_zeroed();
        self.0.forward::<M>(x, &mut z);
        let [z] = z;
        *y = A::sigmoid::<M>(z);
    }
}
impl<A: Element, const I: usize, L: Layer<Act = A, In = [A; I], Out = [A::Logit; 1]>> Tower
    for Binary<L>
{
    const OUTPUT: OutputKind = OutputKind::Sigmoid;
    type Shown = f32;
    fn show(&self, raw: &A::Prob) -> f32 {
        (*raw).into()
    }
    fn words(raw: &A::Prob, to: &mut dyn FnMut(u32)) {
        to(A::prob_word(*raw));
    }
    fn probability(raw: &A::Prob) -> Option<A::Prob> {
        Some(*raw)
    }
}

impl<
    A: Element,
    const I: usize,
    const N: usize,
    L: Layer<Act = A, In = [A; I], Out = [A::Logit; N]>,
> Layer for Multiclass<L>
{
    type Act = A;
    type In = [A; I];
    type Out = [A::Prob; N];
    const NODE: NodeInfo = L::NODE;
    const LAYERS: u8 = L::LAYERS;
    const SCRATCH: usize = L::SCRATCH + size_of::<[A::Logit; N]>();
    fn describe(to: &mut Check<'_>) {
        L::describe(to);
    }
    fn forward<M: Math>(&self, x: &[A; I], y: &mut [A::Prob; N]) {
        let mut z = <[A::Logit; N]>::new_zeroed();
        self.0.forward::<M>(x, &mut z);
        A::softmax::<M>(&z, y);
    }
}
impl<
    A: Element,
    const I: usize,
    const N: usize,
    L: Layer<Act = A, In = [A; I], Out = [A::Logit; N]>,
> Tower for Multiclass<L>
{
    const OUTPUT: OutputKind = OutputKind::Softmax;
    type Shown = [f32; N];
    fn show(&self, raw: &[A::Prob; N]) -> [f32; N] {
        raw.map(Into::into)
    }
    fn words(raw: &[A::Prob; N], to: &mut dyn FnMut(u32)) {
        raw.iter().for_each(|p| to(A::prob_word(*p)));
    }
}

impl<A: Element, const I: usize, L: Layer<Act = A, In = [A; I], Out = [A::Logit; 1]>> Layer
    for Regression<L>
{
    type Act = A;
    type In = [A; I];
    type Out = A::Logit;
    const NODE: NodeInfo = L::NODE;
    const LAYERS: u8 = L::LAYERS;
    const SCRATCH: usize = L::SCRATCH + size_of::<A::Logit>();
    fn describe(to: &mut Check<'_>) {
        L::describe(to);
    }
    fn forward<M: Math>(&self, x: &[A; I], y: &mut A::Logit) {
        let mut z = <[A::Logit; 1]>::new_zeroed();
        self.layers.forward::<M>(x, &mut z);
        let [z] = z;
        *y = z;
    }
}
impl<A: Element, const I: usize, L: Layer<Act = A, In = [A; I], Out = [A::Logit; 1]>> Tower
    for Regression<L>
{
    const OUTPUT: OutputKind = OutputKind::Linear;
    type Shown = f32;
    fn show(&self, raw: &A::Logit) -> f32 {
        A::in_unit(*raw, &self.unit)
    }
    fn words(raw: &A::Logit, to: &mut dyn FnMut(u32)) {
        to(A::logit_word(*raw));
    }
}

impl<
    A: Element,
    const I: usize,
    const N: usize,
    L: Layer<Act = A, In = [A; I], Out = [A::Logit; N]>,
> Layer for MultiRegression<L>
{
    type Act = A;
    type In = [A; I];
    type Out = [A::Logit; N];
    const NODE: NodeInfo = L::NODE;
    const LAYERS: u8 = L::LAYERS;
    const SCRATCH: usize = L::SCRATCH;
    fn describe(to: &mut Check<'_>) {
        L::describe(to);
    }
    fn forward<M: Math>(&self, x: &[A; I], y: &mut [A::Logit; N]) {
        self.layers.forward::<M>(x, y);
    }
}
impl<
    A: Element,
    const I: usize,
    const N: usize,
    L: Layer<Act = A, In = [A; I], Out = [A::Logit; N]>,
> Tower for MultiRegression<L>
{
    const OUTPUT: OutputKind = OutputKind::Linear;
    type Shown = [f32; N];
    fn show(&self, raw: &[A::Logit; N]) -> [f32; N] {
        raw.map(|z| A::in_unit(z, &self.unit))
    }
    fn words(raw: &[A::Logit; N], to: &mut dyn FnMut(u32)) {
        raw.iter().for_each(|z| to(A::logit_word(*z)));
    }
}

impl<const H: usize, P: crate::Precision> Layer for MixtureOutput<H, P> {
    type Act = P::Act;
    type In = [P::Act; H];
    type Out = [P::Act; H];
    const LAYERS: u8 = 0;
    fn describe(_: &mut Check<'_>) {}
    fn forward<M: Math>(&self, x: &[P::Act; H], y: &mut [P::Act; H]) {
        *y = *x;
    }
}
impl<const H: usize, P: crate::Precision> Tower for MixtureOutput<H, P> {
    const OUTPUT: OutputKind = OutputKind::Linear;
    type Shown = [f32; H];
    fn show(&self, raw: &[P::Act; H]) -> [f32; H] {
        raw.map(|v| P::Act::activation_in_unit(v, &self.unit))
    }
    fn words(raw: &[P::Act; H], to: &mut dyn FnMut(u32)) {
        raw.iter().for_each(|v| to(P::Act::word(*v)));
    }
}

/// Says tower `T`'s step and task.
#[doc(hidden)]
pub fn describe<T: Tower>(to: &mut Check<'_>, src: u8) {
    let value = to.node(
        &const { NodeRecord::new(&T::NODE, NodeOp::Tower, T::LAYERS, <T::Out as Buffer>::LEN) },
        src,
        0,
        0,
    );
    T::describe(to);
    to.task(
        T::OUTPUT,
        value,
        0,
        const { <T::Out as Buffer>::LEN as u16 },
    );
}

/// Several towers side by side: `[T; K]`, a list such as [`List2`](crate::List2), or named ones by
/// [`tasks!`](crate::tasks).
pub trait Towers: InPlace {
    /// Activations.
    type Act: Element;
    /// What each reads: a mixture.
    type In;
    /// The raw outputs.
    type Out: FromZeros;
    /// The outputs as f32.
    type Shown;
    /// `[(); K]`: a number that bounds can compare.
    type Count;
    /// How many towers.
    const COUNT: usize;
    /// Bytes of the largest tower's buffers.
    const SCRATCH: usize;
    /// Bit k: tower k gives one probability.
    const PROBABILITIES: u32;
    /// Says its steps and tasks; tower k reads value `src + k·step`.
    fn describe(to: &mut Check<'_>, src: u8, step: u8);
    /// Runs tower `k`.
    fn run<M: Math>(&self, k: usize, x: &Self::In, out: &mut Self::Out);
    /// Raw outputs to f32.
    fn show(&self, out: &Self::Out) -> Self::Shown;
    /// Gives the bits of each number of the raw outputs, task after task.
    fn words(out: &Self::Out, to: &mut dyn FnMut(u32));
    /// The raw output of tower `k`, if that is one probability.
    fn probability(out: &Self::Out, k: usize) -> Option<<Self::Act as Element>::Prob>;
}

/// One more output behind those of the towers `T`: the product of the probabilities of towers `A`
/// and `B` (ESMM's `ctcvr = ctr · cvr`). For more products put one in another. With `predict_tasks`
/// it is made from whatever the two factors hold.
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Product<T, const A: usize, const B: usize>(
    /// The towers.
    pub T,
);

impl<T: Towers, const A: usize, const B: usize> Towers for Product<T, A, B> {
    type Act = T::Act;
    type In = T::In;
    type Out = crate::List2<T::Out, <T::Act as Element>::Prob>;
    type Shown = (T::Shown, f32);
    type Count = T::Count;
    const COUNT: usize = T::COUNT;
    const SCRATCH: usize = T::SCRATCH;
    const PROBABILITIES: u32 = T::PROBABILITIES;
    fn describe(to: &mut Check<'_>, src: u8, step: u8) {
        const {
            assert!(
                A < T::COUNT
                    && B < T::COUNT
                    && T::PROBABILITIES >> (A & 31) & T::PROBABILITIES >> (B & 31) & 1 == 1,
                "Product: a factor is no tower of one probability (Binary)"
            )
        };
        T::describe(to, src, step);
        to.task(OutputKind::Product, A as u8, B as u8, 1);
    }
    fn run<M: Math>(&self, k: usize, x: &T::In, out: &mut Self::Out) {
        self.0.run::<M>(k, x, &mut out.0);
        if let (Some(a), Some(b)) = (T::probability(&out.0, A), T::probability(&out.0, B)) {
            out.1 = T::Act::product(a, b);
        }
    }
    fn show(&self, out: &Self::Out) -> Self::Shown {
        (self.0.show(&out.0), out.1.into())
    }
    fn words(out: &Self::Out, to: &mut dyn FnMut(u32)) {
        T::words(&out.0, to);
        to(T::Act::prob_word(out.1));
    }
    fn probability(out: &Self::Out, k: usize) -> Option<<T::Act as Element>::Prob> {
        T::probability(&out.0, k)
    }
}
