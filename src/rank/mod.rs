//! Ranking: finding the best of many candidates that share a part of their input, in fixed memory.

mod context;
mod records;
mod sparse;

pub use context::Context;
pub use sparse::Sparse;

use crate::bytes::InPlace;
use crate::input::Raw;
use crate::level::MmoeLevel;
use crate::model::Model;
use crate::number::Element;
use crate::parallel::PrefixedParallel;
use crate::tower::Towers;
use heapless::Vec;

/// A candidate among the best, with its score.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ranked {
    /// The number of the candidate, from 0.
    pub index: u32,
    /// The score of the candidate.
    pub score: f32,
}

impl Ranked {
    /// Returns `true` if it comes before the other one: by score, and by index where scores are equal.
    #[must_use]
    pub fn beats(&self, other: &Self) -> bool {
        self.score > other.score || (self.score == other.score && self.index < other.index)
    }
}

/// The best `TOP` candidates so far, best first. Ties go to the lowest index; NaN is never chosen.
///
/// It is a slice of [`Ranked`]. Memory: `8·TOP` bytes and a length.
///
/// ```
/// use mmoe::rank::Best;
/// let mut best = Best::<2>::new();
/// for (i, score) in [0.1, 0.7, f32::NAN, 0.7, 0.3].into_iter().enumerate() {
///     best.offer(i as u32, score);
/// }
/// let indices: Vec<u32> = best.iter().map(|r| r.index).collect();
/// assert_eq!(indices, [1, 3]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Best<const TOP: usize>(Vec<Ranked, TOP>);

impl<const TOP: usize> Best<TOP> {
    /// Creates an empty ranking.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a candidate if it is among the best so far. Returns `true` if it was.
    pub fn offer(&mut self, index: u32, score: f32) -> bool {
        if score.is_nan() {
            return false;
        }
        let mut candidate = Ranked { index, score };
        let mut taken = false;
        // From the candidate's place on, each one moves down by one place. The one that falls off the
        // end is no longer among the best. An insertion sort is right here: `TOP` is small, and most
        // candidates do not beat even the last one.
        // (`Vec::insert` would do, but it has a panic path for places beyond the end.)
        for ranked in &mut self.0 {
            if candidate.beats(ranked) {
                core::mem::swap(&mut candidate, ranked);
                taken = true;
            }
        }
        self.0.push(candidate).is_ok() || taken
    }
}

impl<const TOP: usize> core::ops::Deref for Best<TOP> {
    type Target = [Ranked];
    fn deref(&self) -> &[Ranked] {
        &self.0
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
    /// Scores every item in one context and keeps the best `TOP`: an input is the context's `C`
    /// features and then the item's `R`.
    ///
    /// The first layers' sums over the context are computed once, and no prediction's bits differ
    /// from [`predict`](Self::predict) of context and item together. `score` makes one number of a
    /// prediction.
    ///
    /// ```
    /// use mmoe::{Binary, Dense, F32, Gate, Head, LoadError, Mmoe};
    /// type Ranker =
    ///     Mmoe<[Dense<64, 32, F32>; 4], [Gate<64, 4, F32>; 2], [Binary<Head<32, 1, F32>>; 2]>;
    ///
    /// fn top10(blob: &[u8], user: &[f32; 48], items: &[[f32; 16]]) -> Result<Vec<u32>, LoadError> {
    ///     let ranker = Ranker::load(blob)?;
    ///     let best = ranker.rank::<48, 16, 10>(user, items, |[click, like]| click + 0.5 * like);
    ///     Ok(best.iter().map(|r| r.index).collect())
    /// }
    /// assert!(top10(b"", &[0.0; 48], &[]).is_err());
    /// ```
    pub fn rank<'i, const C: usize, const R: usize, const TOP: usize>(
        &self,
        context: &[f32; C],
        items: impl IntoIterator<Item = &'i [f32; R]>,
        mut score: impl FnMut(&T::Shown) -> f32,
    ) -> Best<TOP> {
        let context = self.context(context);
        let mut best = Best::new();
        for (index, item) in items.into_iter().enumerate() {
            best.offer(index as u32, score(&self.predict_in(&context, item)));
        }
        best
    }
}
