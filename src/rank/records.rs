//! Ranking with a front end: the context's record once, then a record for each candidate.

use super::{Best, Context};
use crate::bytes::{InPlace, Word};
use crate::features::{Both, Fill};
use crate::layer::Rest;
use crate::level::MmoeLevel;
use crate::model::Model;
use crate::number::Element;
use crate::parallel::PrefixedParallel;
use crate::tower::Towers;

impl<A: Element, B, G, T, U, V, const I: usize, const H: usize, const N: usize, const K: usize>
    Model<Both<U, V, [A; I]>, MmoeLevel<B, G>, T>
where
    B: PrefixedParallel<Act = A, In = [A; I], Out = [A; H], Count = [(); N]>,
    G: PrefixedParallel<Act = A, In = [A; I], Out = [A::Gate; N], Count = [(); K]>,
    T: Towers<Act = A, In = [A; H], Count = [(); K]>,
    U: Fill<Act = A>,
    V: Fill<Act = A>,
    MmoeLevel<B, G>: InPlace,
{
    /// Takes the context's record: its look-ups, and the first layers' sums over its elements, are done
    /// once for all candidates.
    pub fn context(&self, x: U::Record<'_>) -> Context<B, G, I> {
        let mut q = Word::<[A; I]>::new_zeroed();
        let mut context = Context::empty();
        if let Some(q) = q.get_mut(..U::WIDTH) {
            let _ = self.input.context.fill(x, q);
            context.begin(&self.trunk, q);
        }
        context
    }

    /// Computes all outputs for a candidate's record in a context. The bits are those of
    /// [`predict`](Model::predict) for both records.
    pub fn predict_in(&self, context: &Context<B, G, I>, x: V::Record<'_>) -> T::Shown {
        let mut q = Word::<[A; I]>::new_zeroed();
        let rest = q.get_mut(..V::WIDTH).unwrap_or_default();
        let _ = self.input.candidate.fill(x, rest);
        self.towers
            .show(&self.resumed(context, Rest::From(U::WIDTH, rest)))
    }

    /// Scores every candidate in one context and keeps the best `TOP`; see [`Both`] for an example.
    /// `score` makes one number of a prediction.
    pub fn rank<'i, const TOP: usize>(
        &self,
        context: U::Record<'_>,
        candidates: impl IntoIterator<Item = V::Record<'i>>,
        mut score: impl FnMut(&T::Shown) -> f32,
    ) -> Best<TOP> {
        let context = self.context(context);
        let mut best = Best::new();
        for (index, candidate) in candidates.into_iter().enumerate() {
            best.offer(index as u32, score(&self.predict_in(&context, candidate)));
        }
        best
    }
}
