//! What the experts and gates of a level read, and what they leave.

use crate::bytes::Pod;
use crate::number::Element;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// The inputs of a level: one that all experts and gates read, or a stream for each.
pub trait Inputs<In: ?Sized> {
    /// How many streams there are; any number where all read the same.
    const STREAMS: usize = usize::MAX;
    /// What expert or gate `k` reads.
    fn stream(&self, k: usize) -> Option<&In>;
    /// The value of stream `k` in the wiring, if the first stream's is `base`.
    #[must_use]
    fn value(base: u8, k: usize) -> u8;
}

/// One input for everybody.
impl<T: Element, const N: usize> Inputs<[T; N]> for [T; N] {
    fn stream(&self, _: usize) -> Option<&[T; N]> {
        Some(self)
    }
    fn value(base: u8, _: usize) -> u8 {
        base
    }
}

/// K streams: expert and gate k read stream k. With one stream everybody reads that one.
impl<T: Element, const N: usize, const K: usize> Inputs<[T; N]> for [[T; N]; K] {
    const STREAMS: usize = if K == 1 { usize::MAX } else { K };
    fn stream(&self, k: usize) -> Option<&[T; N]> {
        self.get(if K == 1 { 0 } else { k })
    }
    fn value(base: u8, k: usize) -> u8 {
        if K == 1 {
            base
        } else {
            base.wrapping_add(k as u8)
        }
    }
}

/// A stream per task and a shared one: what a PLE level hands to the next.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TaskStreams<X, const K: usize> {
    /// One per task.
    pub tasks: [X; K],
    /// For the shared experts and the shared gate.
    pub shared: X,
}

impl<X: Pod, const K: usize> Inputs<X> for TaskStreams<X, K> {
    const STREAMS: usize = K + 1;
    fn stream(&self, k: usize) -> Option<&X> {
        Some(self.tasks.get(k).unwrap_or(&self.shared))
    }
    fn value(base: u8, k: usize) -> u8 {
        base.wrapping_add(if k < K { k } else { K } as u8)
    }
}

/// Gate weights of two parts of a trunk: of a level's task gates and its shared gate, or of two
/// levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct LevelGates<X, Y>(
    /// Of the task gates, or of the earlier levels.
    pub X,
    /// Of the shared gate, or of the last level.
    pub Y,
);
