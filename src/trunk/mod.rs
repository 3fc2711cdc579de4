//! Trunks: the part of a model between its input and its towers.
//!
//! Every [level](crate::level) is a trunk. [`Stacked`] puts a level on a trunk, and [`SingleGate`]
//! lets all towers read one mixture. [`SharedExpert`] has one expert and no gate, and
//! [`Passthrough`] has neither.

mod passthrough;
mod shared_expert;
mod single_gate;
mod stacked;

pub use passthrough::Passthrough;
pub use shared_expert::{Broadcast, SharedExpert};
pub use single_gate::SingleGate;
pub use stacked::Stacked;

use crate::blob::Check;
use crate::bytes::{Buffer, InPlace};
use crate::level::{Buffers, ExpertFilter, Request, TaskStreams, TypedLevel, walk};
use crate::math::Math;
use crate::number::Element;
use crate::rows::Rows;
use zerocopy::FromZeros;

/// The mixtures that a typed level leaves, and their rounding to activations.
#[doc(hidden)]
pub trait LevelOutputs<A: Element>: FromZeros {
    /// One mixture as activations.
    type Stream;
    /// All mixtures as activations.
    type Rounded: FromZeros;
    /// Rounds every mixture.
    fn round_all(&self, to: &mut Self::Rounded);
    /// Rounds mixture `k`.
    fn round_one(&self, k: usize, to: &mut Self::Stream);
}

impl<A: Element, const H: usize, const K: usize> LevelOutputs<A> for [[A::MixtureSum; H]; K] {
    type Stream = [A; H];
    type Rounded = [[A; H]; K];
    fn round_all(&self, to: &mut [[A; H]; K]) {
        for (m, t) in self.iter().zip(to) {
            A::round_mixture(m, t);
        }
    }
    fn round_one(&self, k: usize, to: &mut [A; H]) {
        if let Some(m) = self.get(k) {
            A::round_mixture(m, to);
        }
    }
}

impl<A: Element, const H: usize, const K: usize> LevelOutputs<A>
    for TaskStreams<[A::MixtureSum; H], K>
{
    type Stream = [A; H];
    type Rounded = TaskStreams<[A; H], K>;
    fn round_all(&self, to: &mut Self::Rounded) {
        for (m, t) in self.tasks.iter().zip(&mut to.tasks) {
            A::round_mixture(m, t);
        }
        A::round_mixture(&self.shared, &mut to.shared);
    }
    fn round_one(&self, k: usize, to: &mut [A; H]) {
        if let Some(m) = self.tasks.get(k) {
            A::round_mixture(m, to);
        }
    }
}

/// The part of a model that turns the input into one mixture per tower. Implemented by single
/// levels and by [`Stacked`], [`SingleGate`], [`SharedExpert`] and [`Passthrough`].
///
/// A trunk runs in two calls, [`streams`](Self::streams) and [`last`](Self::last), so that the
/// buffers of all levels but the last one are gone when the last one's are made.
///
/// This trait appears in bounds; the engine implements it, and nobody else has to.
pub trait Trunk: InPlace {
    /// The activations of the model: `f32` or `i16`.
    type Act: Element;
    /// What the input stage hands to the trunk.
    type In: Buffer;
    /// What one tower reads: a mixture, rounded to activations.
    type Stream: FromZeros;
    /// The mixtures that the last level leaves, as accumulators.
    type Mixtures: LevelOutputs<Self::Act, Stream = Self::Stream>;
    /// The weights of all gates, level by level.
    type GateWeights: FromZeros;
    /// `[(); K]` for `K` towers: a number that bounds can compare.
    type Count;
    /// What the last level reads, where that is not the input; empty for a trunk of one level.
    type Streams: FromZeros;
    /// Bytes of buffers that the levels before the last one need.
    const EARLIER_SCRATCH: usize = 0;
    /// Bytes of buffers that the last level needs.
    const LAST_SCRATCH: usize;
    /// Distance between the values that towers `k` and `k + 1` read: 1 if each has its own mixture,
    /// 0 if they share one.
    const STREAM_STRIDE: u8 = 1;
    /// Appends the records of all nodes and layers to the description that `load` compares with the
    /// blob. Returns the value that the first tower reads.
    fn describe(to: &mut Check<'_>) -> u8;
    /// Runs all levels but the last on a block of rows, and writes what the last one reads. Returns
    /// the number of experts that ran, added up over the rows. A trunk of one level has nothing to do
    /// here.
    fn streams<M: Math, F: ExpertFilter, const R: usize>(
        &self,
        x: Rows<'_, Self::In, R>,
        request: Request<F>,
        weights: [&mut Self::GateWeights; R],
        streams: &mut [Self::Streams; R],
    ) -> u32 {
        let _ = (x, request, weights, streams);
        0
    }
    /// Runs the last level. Returns the number of experts that ran, added up over the rows.
    fn last<M: Math, F: ExpertFilter, const R: usize>(
        &self,
        x: Rows<'_, Self::In, R>,
        streams: &[Self::Streams; R],
        request: Request<F>,
        to: Buffers<'_, Self::GateWeights, Self::Stream, Self::Mixtures, R>,
    ) -> u32;
}

/// Returns the bytes of a level's buffers: one expert's output, the mixtures, the gate weights, and
/// the intermediate values of the expert or gate that needs most.
const fn level_scratch<L>() -> usize
where
    L: TypedLevel<Mixtures: Sized, GateWeights: Sized>,
{
    size_of::<L::Stream>()
        + size_of::<L::Mixtures>()
        + size_of::<L::GateWeights>()
        + L::LAYER_SCRATCH
}

impl<A: Element, const I: usize, L> Trunk for L
where
    L: InPlace
        + TypedLevel<
            Act = A,
            In = [A; I],
            Stream: FromZeros,
            Mixtures: Sized + LevelOutputs<A, Stream = L::Stream>,
            GateWeights: FromZeros + Sized,
        >,
{
    type Act = A;
    type In = [A; I];
    type Stream = L::Stream;
    type Mixtures = L::Mixtures;
    type GateWeights = L::GateWeights;
    type Count = L::Count;
    type Streams = [A; 0];
    const LAST_SCRATCH: usize = level_scratch::<L>();
    fn describe(to: &mut Check<'_>) -> u8 {
        <L as TypedLevel>::describe::<[A; I]>(to, 0)
    }
    fn last<M: Math, F: ExpertFilter, const R: usize>(
        &self,
        x: Rows<'_, [A; I], R>,
        _: &[[A; 0]; R],
        request: Request<F>,
        to: Buffers<'_, L::GateWeights, L::Stream, L::Mixtures, R>,
    ) -> u32 {
        walk::<M, F, L, [A; I], R>(self, x, request, to)
    }
}
