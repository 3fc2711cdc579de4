//! What the experts and gates of a level read, and what they leave.

use crate::bytes::Pod;
use crate::number::Element;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// The inputs of a level: one input that all experts and gates read, or one stream for each.
pub trait Inputs<In: ?Sized> {
    /// How many streams there are; `usize::MAX` where all read the same one, since any number of
    /// experts and gates may read it.
    const STREAMS: usize = usize::MAX;
    /// Returns what expert or gate `k` reads.
    fn stream(&self, k: usize) -> Option<&In>;
    /// Returns the number of stream `k` among the values of the wiring, where `base` is the number
    /// of the first stream.
    #[must_use]
    fn value(base: u8, k: usize) -> u8;
}

/// What expert or gate `k` reads of each row.
#[inline(always)]
pub(crate) fn streams<'s, 'x: 's, In: ?Sized + 'x, X: Inputs<In> + ?Sized>(
    rows: &'s [&'x X],
    k: usize,
) -> impl Iterator<Item = &'x In> + 's {
    rows.iter().filter_map(move |x| x.stream(k))
}

/// One input that every expert and gate reads.
impl<T: Element, const N: usize> Inputs<[T; N]> for [T; N] {
    fn stream(&self, _: usize) -> Option<&[T; N]> {
        Some(self)
    }
    fn value(base: u8, _: usize) -> u8 {
        base
    }
}

/// `K` streams: expert `k` and gate `k` read stream `k`. Where there is only one, all read it.
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
    /// The stream of each task.
    pub tasks: [X; K],
    /// The stream that the shared experts and the shared gate read.
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

/// The gate weights of two parts of a trunk: of the task gates and the shared gate of one level, or
/// of two levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct LevelGates<X, Y>(
    /// The weights of the task gates, or of the earlier levels.
    pub X,
    /// The weights of the shared gate, or of the last level.
    pub Y,
);
