//! Levels: experts, the gates over them, and the one walk that mixes them.
//!
//! A level turns its input into one mixture per output stream. [`MmoeLevel`] is the level of MMoE,
//! [`CgcLevel`] that of CGC and of the last level of PLE, [`ExtractionLevel`] that of the earlier
//! levels of PLE. A level is a [trunk](crate::trunk) by itself; [`Stacked`](crate::trunk::Stacked)
//! puts one on another.

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
pub use streams::{LevelGates, TaskStreams};
#[doc(hidden)]
pub use walk::Buffers;
pub(crate) use walk::walk;

use crate::blob::{Check, NodeOp};
use crate::math::Math;
use crate::number::Element;

/// Experts and gates over them. The typed levels implement it, and so does the shape-erased view:
/// everything that the walk touches is behind an associated buffer, an array when typed, a slice
/// when not.
///
/// This trait appears in bounds; the engine implements it, and nobody else has to.
pub trait Level {
    /// Activations.
    type Act: Element;
    /// What an expert or a gate reads.
    type In: ?Sized;
    /// All gate weights.
    type GateWeights: ?Sized;
    /// One expert's output (and, when erased, the buffers to make it).
    type Stream: ?Sized;
    /// One mixture per output stream.
    type Mixtures: ?Sized;
    /// `[(); K]` for `K` tasks: a number that bounds can compare.
    type Count;
    /// Bytes of the buffers of the widest layer.
    const LAYER_SCRATCH: usize;

    /// How many experts there are.
    fn experts(&self) -> usize;
    /// How many gates there are, which is how many output streams.
    fn gates(&self) -> usize;
    /// Computes a gate.
    fn gate<M: Math, X: Inputs<Self::In> + ?Sized>(
        &self,
        gate: usize,
        x: &X,
        weights: &mut Self::GateWeights,
        work: &mut Self::Stream,
    );
    /// The weight of an expert at a gate; `NONE` where the gate does not see it.
    fn weight(
        &self,
        weights: &Self::GateWeights,
        gate: usize,
        expert: usize,
    ) -> <Self::Act as Element>::Gate;
    /// Returns `true` if the gate (softmax or sigmoid) includes the expert for every input. Such an
    /// expert is run even when its weight rounds to zero, so that execution time does not depend on
    /// the input.
    fn always(&self, gate: usize, expert: usize) -> bool;
    /// Computes an expert.
    fn expert<M: Math, X: Inputs<Self::In> + ?Sized>(
        &self,
        expert: usize,
        x: &X,
        stream: &mut Self::Stream,
    );
    /// Computes experts `first` to `first + 3` side by side, and passes the number and the output
    /// of every one of them to `each`. Returns `false` where that is no faster; nothing was done
    /// then. Only hosts ask for it.
    #[doc(hidden)]
    fn expert4<M: Math, X: Inputs<Self::In> + ?Sized>(
        &self,
        first: usize,
        x: &X,
        each: &mut dyn FnMut(usize, &[Self::Act]),
    ) -> bool {
        let _ = (first, x, each);
        false
    }
    /// The expert's output.
    fn output<'s>(&self, expert: usize, stream: &'s Self::Stream) -> &'s [Self::Act];
    /// The accumulators of a gate's mixture.
    fn mixture<'m>(
        &self,
        mixtures: &'m mut Self::Mixtures,
        gate: usize,
    ) -> &'m mut [<Self::Act as Element>::MixtureSum];
    /// The input streams that these output streams depend on.
    #[must_use]
    fn required_inputs(streams: TaskMask) -> TaskMask {
        let _ = streams;
        TaskMask::ALL
    }
}

/// A level that a type spells: it can describe its records.
pub trait TypedLevel: Level {
    /// Describes all nodes and layers. The level's input streams start at value `base`; returns the
    /// value at which its output streams start.
    fn describe<X: Inputs<Self::In>>(to: &mut Check<'_>, base: u8) -> u8;
}

/// Whether a gate of this kind and mask weighs the expert of bit `expert` whatever the input is: it
/// sees the expert, and has no structural zeros.
pub(crate) const fn weighs_always(op: NodeOp, sees: u32, expert: usize) -> bool {
    expert < 32 && sees >> (expert & 31) & 1 != 0 && matches!(op, NodeOp::Softmax | NodeOp::Sigmoid)
}
