//! The best of many candidates, in fixed memory.

use crate::bytes::InPlace;
use crate::input::Raw;
use crate::level::MmoeLevel;
use crate::model::Model;
use crate::number::Element;
use crate::prefix::PrefixedParallel;
use crate::tower::Towers;
use heapless::Vec;

/// A candidate that made it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ranked {
    /// Its number among the candidates, from 0.
    pub index: u32,
    /// Its score.
    pub score: f32,
}

/// The best `TOP` candidates so far, best first. Ties go to the lowest index; NaN is never chosen.
///
/// ```
/// let mut best = mmoe::Best::<2>::new();
/// for (i, score) in [0.1, 0.7, f32::NAN, 0.7, 0.3].into_iter().enumerate() {
///     best.offer(i as u32, score);
/// }
/// let indices: Vec<u32> = best.iter().map(|r| r.index).collect();
/// assert_eq!(indices, [1, 3]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Best<const TOP: usize>(Vec<Ranked, TOP>);

impl<const TOP: usize> Best<TOP> {
    /// Nobody yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Takes a candidate in if it is among the best. Says whether it was.
    pub fn offer(&mut self, index: u32, score: f32) -> bool {
        if score.is_nan() || TOP == 0 {
            return false;
        }
        let better = |r: &Ranked| r.score > score || (r.score == score && r.index < index);
        if self.0.is_full() {
            if self.0.last().is_some_and(better) {
                return false;
            }
            self.0.pop();
        }
        let place = self.0.iter().take_while(|r| better(r)).count();
        self.0.insert(place, Ranked { index, score }).is_ok()
    }
}

impl<const TOP: usize> core::ops::Deref for Best<TOP> {
    type Target = [Ranked];
    fn deref(&self) -> &[Ranked] {
        &self.0
    }
}

/// `Σ w·y`: one score of several tasks.
#[must_use]
pub fn weighted_sum(weights: &[f32], y: &[f32]) -> f32 {
    weights.iter().zip(y).fold(0.0, |s, (w, y)| s + w * y)
}

/// `Π y^w`: one score of several probabilities (the exponents say how much each counts). A negative
/// `y` with a broken exponent gives NaN.
#[must_use]
pub fn weighted_product(weights: &[f32], y: &[f32]) -> f32 {
    weights
        .iter()
        .zip(y)
        .fold(1.0, |s, (w, y)| s * libm::powf(*y, *w))
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
    /// The first layers' sums over the context are computed once. `score` makes one number of a
    /// prediction, such as [`weighted_sum`] or [`weighted_product`].
    ///
    /// ```
    /// use mmoe::{Binary, Dense, F32, Gate, Head, LoadError, Mmoe, weighted_sum};
    /// type Ranker = Mmoe<[Dense<64, 32, F32>; 4], [Gate<64, 4, F32>; 2], [Binary<Head<32, 1, F32>>; 2]>;
    ///
    /// fn top10(blob: &[u8], user: &[f32; 48], items: &[[f32; 16]]) -> Result<Vec<u32>, LoadError> {
    ///     let best = Ranker::load(blob)?.rank::<48, 16, 10>(user, items, |[click, like]| weighted_sum(&[1.0, 0.5], &[*click, *like]));
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
