//! The kinds of tower: what the values of a tower's last layer mean.

use super::Tower;
use crate::blob::{Check, NodeInfo, OutputKind};
use crate::layer::Layer;
use crate::math::Math;
use crate::number::Element;
use crate::precision::Precision;
use crate::rows;
use zerocopy::{FromZeros, Immutable, KnownLayout, TryFromBytes};

/// A tower for a binary task: one probability, the `sigmoid` of the layers' one logit.
///
/// The raw output is an f32, or a [`Q31`](crate::Q31) in integer models.
///
/// ```
/// use mmoe::{Binary, F32, Logits, layer::Layer, math::Libm, precision::MatrixF32, tower::Tower};
/// let matrix = MatrixF32 { bias: [0.0], weights: [[0.0]; 1] };
/// let tower = Binary(Logits::<1, 1, F32> { matrix });
/// let mut raw = 0.0;
/// tower.forward::<Libm>(&[1.0], &mut raw);
/// assert_eq!(tower.show(&raw), 0.5);
/// ```
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Binary<L>(
    /// The layers that compute the logit.
    pub L,
);

/// A tower for a choice between classes: one probability per class, the `softmax` of the layers'
/// logits.
///
/// The raw outputs are f32, or [`Q31`](crate::Q31) in integer models.
///
/// ```
/// use mmoe::{Multiclass, F32, Logits, layer::Layer, math::Libm, precision::MatrixF32, tower::Tower};
/// let matrix = MatrixF32 { bias: [1.0, 1.0, -200.0], weights: [[0.0]; 3] };
/// let tower = Multiclass(Logits::<1, 3, F32> { matrix });
/// let mut raw = [0.0; 3];
/// tower.forward::<Libm>(&[1.0], &mut raw);
/// assert_eq!(tower.show(&raw), [0.5, 0.5, 0.0]);
/// ```
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Multiclass<L>(
    /// The layers that compute one logit per class.
    pub L,
);

/// A tower for one real number: the layers' logit as it is. For a binary task that is the log-odds.
///
/// The raw output is an f32. In integer models it is a [`Q16`](crate::Q16), and `unit` is what 1
/// stands for.
///
/// ```
/// use mmoe::{Regression, F32, Logits, layer::Layer, math::Libm, precision::MatrixF32, tower::Tower};
/// let matrix = MatrixF32 { bias: [1.5], weights: [[0.0]; 1] };
/// let tower = Regression { layers: Logits::<1, 1, F32> { matrix }, unit: [] };
/// let mut raw = 0.0;
/// tower.forward::<Libm>(&[1.0], &mut raw);
/// assert_eq!(tower.show(&raw), 1.5);
/// ```
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Regression<L: Layer> {
    /// The layers that compute the numbers.
    pub layers: L,
    /// The f32 value of the logit 1 in integer models; empty in float models.
    pub unit: <L::Act as Element>::Unit,
}

/// A tower for several real numbers: the layers' logits as they are.
///
/// The raw outputs are f32. In integer models they are [`Q16`](crate::Q16), and `unit` is what 1
/// stands for.
///
/// ```
/// use mmoe::{MultiRegression, F32, Logits, layer::Layer, math::Libm, precision::MatrixF32, tower::Tower};
/// let matrix = MatrixF32 { bias: [1.5, -2.0], weights: [[0.0]; 2] };
/// let tower = MultiRegression { layers: Logits::<1, 2, F32> { matrix }, unit: [] };
/// let mut raw = [0.0; 2];
/// tower.forward::<Libm>(&[1.0], &mut raw);
/// assert_eq!(tower.show(&raw), [1.5, -2.0]);
/// ```
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct MultiRegression<L: Layer> {
    /// The layers that compute the numbers.
    pub layers: L,
    /// The f32 value of the logit 1 in integer models; empty in float models.
    pub unit: <L::Act as Element>::Unit,
}

/// A tower for real numbers that go through an activation function, such as a relu for counts: the
/// activations that the layers compute are the output.
///
/// The raw outputs are activations. In integer models `unit` is what one step of them stands for.
///
/// ```
/// use mmoe::precision::MatrixF32;
/// use mmoe::{Activated, Dense, F32, layer::Layer, math::Libm, tower::Tower};
/// let matrix = MatrixF32 { bias: [-1.0, 1.0], weights: [[0.5], [0.5]] };
/// let layers = Dense::<1, 2, F32> { matrix, activation: [] };
/// let tower = Activated { layers, unit: [] };
/// let mut raw = [0.0; 2];
/// tower.forward::<Libm>(&[1.0], &mut raw);
/// assert_eq!(tower.show(&raw), [0.0, 1.5]);
/// ```
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Activated<L: Layer> {
    /// The layers.
    pub layers: L,
    /// In integer models the f32 value of one step of the activations.
    pub unit: <L::Act as Element>::Unit,
}

/// A tower without layers: the mixture of `H` values is the output, as in a model that is used for
/// its embedding.
///
/// The raw outputs are activations. In integer models `unit` is what one step of them stands for.
///
/// ```
/// use mmoe::{F32, MixtureOutput, layer::Layer, math::Libm, tower::Tower};
/// let tower = MixtureOutput::<2, F32> { unit: [] };
/// let mut raw = [0.0; 2];
/// tower.forward::<Libm>(&[0.25, -3.0], &mut raw);
/// assert_eq!(tower.show(&raw), [0.25, -3.0]);
/// ```
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct MixtureOutput<const H: usize, P: Precision> {
    /// The f32 value of one step of the activations in integer models; empty in float models.
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
impl<L: Layer> core::fmt::Debug for Activated<L> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Activated")
    }
}
impl<const H: usize, P: Precision> core::fmt::Debug for MixtureOutput<H, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "MixtureOutput<{H}>")
    }
}

/// The logits of several rows.
fn logits<M: Math, A: Element, L: Layer<Act = A>, const R: usize>(
    layers: &L,
    x: &[&L::In],
    z: &mut [L::Out; R],
) {
    let mut z = rows::collect::<_, R>(z.iter_mut().zip(x).map(|(z, _)| z));
    layers.forward_rows::<M, R>(x, &mut z);
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
    fn forward_rows<M: Math, const R: usize>(&self, x: &[&[A; I]], y: &mut [&mut A::Prob]) {
        let mut z = <[[A::Logit; 1]; R]>::new_zeroed();
        logits::<M, _, _, R>(&self.0, x, &mut z);
        for ([z], y) in z.iter().zip(y) {
            **y = A::sigmoid::<M>(*z);
        }
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
    fn forward_rows<M: Math, const R: usize>(&self, x: &[&[A; I]], y: &mut [&mut [A::Prob; N]]) {
        let mut z = <[[A::Logit; N]; R]>::new_zeroed();
        logits::<M, _, _, R>(&self.0, x, &mut z);
        for (z, y) in z.iter().zip(y) {
            A::softmax::<M>(z, *y);
        }
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
    fn forward_rows<M: Math, const R: usize>(&self, x: &[&[A; I]], y: &mut [&mut A::Logit]) {
        let mut z = <[[A::Logit; 1]; R]>::new_zeroed();
        logits::<M, _, _, R>(&self.layers, x, &mut z);
        for ([z], y) in z.iter().zip(y) {
            **y = *z;
        }
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
    fn forward_rows<M: Math, const R: usize>(&self, x: &[&[A; I]], y: &mut [&mut [A::Logit; N]]) {
        self.layers.forward_rows::<M, R>(x, y);
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

impl<A: Element, const I: usize, const N: usize, L: Layer<Act = A, In = [A; I], Out = [A; N]>> Layer
    for Activated<L>
{
    type Act = A;
    type In = [A; I];
    type Out = [A; N];
    const NODE: NodeInfo = L::NODE;
    const LAYERS: u8 = L::LAYERS;
    const SCRATCH: usize = L::SCRATCH;
    fn describe(to: &mut Check<'_>) {
        L::describe(to);
    }
    fn forward<M: Math>(&self, x: &[A; I], y: &mut [A; N]) {
        self.layers.forward::<M>(x, y);
    }
    fn forward_rows<M: Math, const R: usize>(&self, x: &[&[A; I]], y: &mut [&mut [A; N]]) {
        self.layers.forward_rows::<M, R>(x, y);
    }
}
impl<A: Element, const I: usize, const N: usize, L: Layer<Act = A, In = [A; I], Out = [A; N]>> Tower
    for Activated<L>
{
    const OUTPUT: OutputKind = OutputKind::Linear;
    type Shown = [f32; N];
    fn show(&self, raw: &[A; N]) -> [f32; N] {
        raw.map(|v| A::activation_in_unit(v, &self.unit))
    }
    fn words(raw: &[A; N], to: &mut dyn FnMut(u32)) {
        raw.iter().for_each(|v| to(A::word(*v)));
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
