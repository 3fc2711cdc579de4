//! The kinds of tower: what the values of its last layer mean.

use super::Tower;
use crate::blob::{Check, NodeInfo, OutputKind};
use crate::layer::Layer;
use crate::math::Math;
use crate::number::Element;
use crate::precision::Precision;
use zerocopy::{FromZeros, Immutable, KnownLayout, TryFromBytes};

/// One probability, `sigmoid` of the layers' one logit. Raw: f32, or [`Q31`](crate::Q31).
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Binary<L>(
    /// The layers that make the logit.
    pub L,
);

/// Class probabilities, `softmax` over the layers' logits. Raw: f32, or [`Q31`](crate::Q31).
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Multiclass<L>(
    /// The layers that make a logit per class.
    pub L,
);

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
pub struct MixtureOutput<const H: usize, P: Precision> {
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
impl<const H: usize, P: Precision> core::fmt::Debug for MixtureOutput<H, P> {
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

impl<const H: usize, P: Precision> Layer for MixtureOutput<H, P> {
    type Act = P::Act;
    type In = [P::Act; H];
    type Out = [P::Act; H];
    const LAYERS: u8 = 0;
    fn describe(_: &mut Check<'_>) {}
    fn forward<M: Math>(&self, x: &[P::Act; H], y: &mut [P::Act; H]) {
        *y = *x;
    }
}
impl<const H: usize, P: Precision> Tower for MixtureOutput<H, P> {
    const OUTPUT: OutputKind = OutputKind::Linear;
    type Shown = [f32; H];
    fn show(&self, raw: &[P::Act; H]) -> [f32; H] {
        raw.map(|v| P::Act::activation_in_unit(v, &self.unit))
    }
    fn words(raw: &[P::Act; H], to: &mut dyn FnMut(u32)) {
        raw.iter().for_each(|v| to(P::Act::word(*v)));
    }
}
