//! Where the experts and gates of a level read.

use crate::bytes::Pod;
use crate::number::Element;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// One input for all, or a stream each.
pub trait Source<Stream: ?Sized> {
    /// How many there are; any number where all read the same.
    const STREAMS: usize = usize::MAX;
    /// What expert or gate `k` reads.
    fn stream(&self, k: usize) -> Option<&Stream>;
    /// The value of stream `k` in the wiring, if the first one is `base`.
    #[must_use]
    fn value(base: u8, k: usize) -> u8;
}

impl<T: Element, const N: usize> Source<[T; N]> for [T; N] {
    fn stream(&self, _: usize) -> Option<&[T; N]> {
        Some(self)
    }
    fn value(base: u8, _: usize) -> u8 {
        base
    }
}

/// K streams: expert and gate k read stream k. With one stream everybody reads that one.
impl<T: Element, const N: usize, const K: usize> Source<[T; N]> for [[T; N]; K] {
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
pub struct Streams<X, const K: usize> {
    /// One per task.
    pub tasks: [X; K],
    /// For the shared experts and the shared gate.
    pub shared: X,
}

impl<X: Pod, const K: usize> Source<X> for Streams<X, K> {
    const STREAMS: usize = K + 1;
    fn stream(&self, k: usize) -> Option<&X> {
        Some(self.tasks.get(k).unwrap_or(&self.shared))
    }
    fn value(base: u8, k: usize) -> u8 {
        base.wrapping_add(if k < K { k } else { K } as u8)
    }
}

/// Two buffers in one, such as the gate weights of two levels.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Pair<X, Y>(
    /// The first.
    pub X,
    /// The second.
    pub Y,
);
