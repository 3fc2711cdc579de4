//! Levels: experts, the gates over them, and the one walk that mixes them.
//!
//! A level turns its input into one mixture per output stream. [`MmoeLevel`] is the level of MMoE.
//! [`CgcLevel`] is the level of CGC and the last level of PLE, and [`ExtractionLevel`] is each of the
//! earlier levels of PLE. A level is a [trunk](crate::trunk) by itself, and
//! [`Stacked`](crate::trunk::Stacked) puts one level on another.

mod cgc;
mod mmoe;
mod request;
mod streams;
mod walk;

pub use cgc::{CgcLevel, ExtractionLevel};
pub use mmoe::MmoeLevel;
#[doc(hidden)]
pub use request::{ExpertFilter, Request, RunAll};
pub use request::{SkipBelow, TaskMask};
#[doc(hidden)]
pub use streams::Inputs;
pub(crate) use streams::streams;
pub use streams::{LevelGates, TaskStreams};
#[doc(hidden)]
pub use walk::Buffers;
pub(crate) use walk::walk;

use crate::blob::{Check, NodeOp};
use crate::math::Math;
use crate::number::Element;

/// Experts and the gates over them, as the walk needs them.
///
/// The typed levels implement it, and so does the shape-erased view. That is why every buffer that
/// the walk touches has an associated type: it is an array in a typed level and a slice in an erased
/// one.
///
/// This trait appears in bounds; the engine implements it, and nobody else has to.
pub trait Level {
    /// The activations of the model: `f32` or `i16`.
    type Act: Element;
    /// What an expert or a gate reads.
    type In: ?Sized;
    /// The weights of all gates.
    type GateWeights: ?Sized;
    /// One expert's output. In an erased level, the buffers between its layers as well.
    type Stream;
    /// One mixture per output stream.
    type Mixtures: ?Sized;
    /// `[(); K]` for `K` tasks: a number that bounds can compare.
    type Count;
    /// Bytes of the intermediate buffers of the expert or gate that needs most.
    const LAYER_SCRATCH: usize;

    /// Returns how many experts there are.
    fn experts(&self) -> usize;
    /// Returns how many gates there are, which is also the number of output streams.
    fn gates(&self) -> usize;
    /// Computes the weights of a gate for each of the rows, of which there are at most `R`.
    fn gate<M: Math, X: Inputs<Self::In> + ?Sized, const R: usize>(
        &self,
        gate: usize,
        x: &[&X],
        weights: &mut [&mut Self::GateWeights],
        work: &mut [Self::Stream; R],
    );
    /// Returns the weight that a gate gives an expert, or `NONE` where the gate does not see it.
    fn weight(
        &self,
        weights: &Self::GateWeights,
        gate: usize,
        expert: usize,
    ) -> <Self::Act as Element>::Gate;
    /// Returns `true` if the gate (softmax, sigmoid or linear) includes the expert for every input. Such an
    /// expert is run even when its weight rounds to zero, so that execution time does not depend on
    /// the input.
    fn always(&self, gate: usize, expert: usize) -> bool;
    /// Runs an expert on each of the rows, of which there are at most `R`. They are those that need
    /// it; the output of the first of them comes first.
    fn expert<M: Math, X: Inputs<Self::In> + ?Sized, const R: usize>(
        &self,
        expert: usize,
        x: &[&X],
        stream: &mut [Self::Stream; R],
    );
    /// Returns the output of the expert that ran last.
    fn output<'s>(&self, expert: usize, stream: &'s Self::Stream) -> &'s [Self::Act];
    /// Returns the accumulators of a gate's mixture.
    fn mixture<'m>(
        &self,
        mixtures: &'m mut Self::Mixtures,
        gate: usize,
    ) -> &'m mut [<Self::Act as Element>::MixtureSum];
    /// Returns the input streams that these output streams depend on.
    #[must_use]
    fn required_inputs(streams: TaskMask) -> TaskMask {
        let _ = streams;
        TaskMask::ALL
    }
}

/// A level that is a type, and can therefore describe the records that its blob must have.
pub trait TypedLevel: Level {
    /// Appends the records of all nodes and layers to the description that `load` compares with the
    /// blob. The level's input streams start at value `base`. Returns the value at which its output
    /// streams start.
    fn describe<X: Inputs<Self::In>>(to: &mut Check<'_>, base: u8) -> u8;
}

/// Returns `true` if a gate of this kind and with this mask of `N` experts includes the expert of bit
/// `expert` for every input: the gate sees the expert, and its kind has no structural zeros.
pub(crate) const fn weighs_always<const N: usize>(op: NodeOp, sees: u128, expert: usize) -> bool {
    // One word is enough for most: a shift of two or four is slow on a device.
    let bit = if N <= 32 {
        sees as u32 >> (expert & 31)
    } else {
        (sees >> (expert & 127)) as u32
    };
    expert < N && bit & 1 != 0 && has_no_zeros(op)
}

/// Returns `true` if a gate of this kind weighs every expert that it sees.
pub(crate) const fn has_no_zeros(op: NodeOp) -> bool {
    matches!(op, NodeOp::Softmax | NodeOp::Sigmoid | NodeOp::Linear)
}
