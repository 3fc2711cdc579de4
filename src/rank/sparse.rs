//! Predictions from the features that are not zero: one-hot features cost what is hot.

use super::Context;
use crate::bytes::InPlace;
use crate::input::Raw;
use crate::kernel::{Active, ActiveColumns};
use crate::layer::Rest;
use crate::level::MmoeLevel;
use crate::model::Model;
use crate::number::Element;
use crate::parallel::PrefixedParallel;
use crate::tower::Towers;

/// A model that takes only the features that are not zero, made by [`Model::sparse`].
///
/// Its results have the bits of [`Model::predict`] on the whole row. The work of the first layers
/// grows with the number of active features, so it is as constant as that number is; which weights
/// are read depends on the features, which a cache can show.
pub struct Sparse<'m, M, B: PrefixedParallel, G: PrefixedParallel> {
    model: &'m M,
    /// What the first layers' sums start from.
    start: Context<B, G, 0>,
}

impl<M, B: PrefixedParallel, G: PrefixedParallel> core::fmt::Debug for Sparse<'_, M, B, G> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Sparse")
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
    /// This model for rows that are mostly zeros. Made once, and used for many rows: it holds an
    /// accumulator (4 bytes; 8 in wide layers) per row of every expert's and every gate's first layer.
    ///
    /// `None` where leaving out zeros would not give the same bits: where the feature 0 is not the
    /// activation 0 (an integer model's input has an offset), or, in [`F32`](crate::F32), where a
    /// first layer has a bias of −0 or a weight that is not finite. `mmoe convert` writes neither of
    /// the latter; an offset comes from a feature that is standardized or whose range leaves out 0.
    ///
    /// ```
    /// use mmoe::precision::Pairs;
    /// use mmoe::{Binary, Dense, Gate, Head, I8, LoadError, Mmoe};
    /// type P = I8<Pairs>;
    /// type Census = Mmoe<[Dense<499, 4, P>; 8], [Gate<499, 8, P>; 1], [Binary<Head<4, 1, P>>; 1]>;
    ///
    /// fn income(blob: &[u8], hot: &[u16; 40]) -> Result<Option<f32>, LoadError> {
    ///     let model = Census::load(blob)?;
    ///     // Columns in ascending order, each with its value.
    ///     let y = model.sparse().and_then(|m| m.predict(&hot.map(|column| (column, 1.0))));
    ///     Ok(y.map(|[income]| income))
    /// }
    /// assert!(income(b"", &[0; 40]).is_err());
    /// ```
    pub fn sparse(&self) -> Option<Sparse<'_, Self, B, G>> {
        let exact = A::zero_is_zero::<I>(&self.input.scales)
            && self.trunk.experts.exact_without_zeros()
            && self.trunk.gates.exact_without_zeros();
        exact.then(|| Sparse {
            model: self,
            start: self.context_q(&[]),
        })
    }
}

impl<A: Element, B, G, T, const I: usize, const H: usize, const N: usize, const K: usize>
    Sparse<'_, Model<Raw<[A; I]>, MmoeLevel<B, G>, T>, B, G>
where
    B: PrefixedParallel<Act = A, In = [A; I], Out = [A; H], Count = [(); N]>,
    G: PrefixedParallel<Act = A, In = [A; I], Out = [A::Gate; N], Count = [(); K]>,
    T: Towers<Act = A, In = [A; H], Count = [(); K]>,
    MmoeLevel<B, G>: InPlace,
{
    /// All outputs for the row that has these features, column and value, and zeros elsewhere.
    ///
    /// `None` where the columns do not ascend, or where one is beyond the model's input.
    pub fn predict<const S: usize>(&self, features: &[(u16, f32); S]) -> Option<T::Shown> {
        let scales = &self.model.input.scales;
        let active = features.map(|(column, x)| {
            let mut value = [A::default()];
            A::features::<I>(scales, usize::from(column), &[x], &mut value);
            let [value] = value;
            Active { column, value }
        });
        Some(self.model.towers.show(&self.predict_q(&active)?))
    }

    /// Raw outputs for the row that has these activations and zeros elsewhere: of an integer model,
    /// no float instruction runs. `None` as in [`predict`](Self::predict).
    pub fn predict_q(&self, active: &[Active<A>]) -> Option<T::Out> {
        let active = ActiveColumns::new(active, I)?;
        Some(self.model.resumed(&self.start, Rest::Active(active)))
    }
}
