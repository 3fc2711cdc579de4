//! Predictions from only the features that are not zero. One-hot features are mostly zeros, and the
//! first layers then cost as much as there are ones.

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
    /// The sums that the first layers start from, which are those of a row of zeros.
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
    /// Prepares this model for rows that are mostly zeros. Call it once and use the result for many
    /// rows: it holds an accumulator (4 bytes; 8 in wide layers) for each row of the first layer of
    /// every expert and every gate.
    ///
    /// Returns `None` where leaving out zeros would change bits. That is so where the feature 0 is not
    /// the activation 0, because the input of an integer model has an offset: a feature that is
    /// standardized has one, and one whose range leaves out 0. In [`F32`](crate::F32) it is so where a
    /// first layer has a bias of −0 or a weight that is not finite, which `mmoe convert` never writes.
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
    /// Computes all outputs for the row that has these features, each with its column and value, and
    /// zeros elsewhere. The bits are those of [`Model::predict`] for the whole row.
    ///
    /// Returns `None` where the columns do not ascend, or where one is beyond the model's input.
    ///
    /// ```
    /// use mmoe::{Dense, F32, Logits, MmoeLevel, Model, Raw, Regression};
    /// use mmoe::{gate::SoftmaxGate, precision::MatrixF32};
    /// let matrix = |weights| MatrixF32 { bias: [0.0], weights: [weights] };
    /// let tower = MatrixF32 { bias: [0.5], weights: [[1.0]] };
    /// let model = Model {
    ///     input: Raw::<[f32; 4]> { scales: [] },
    ///     trunk: MmoeLevel {
    ///         experts: [Dense::<4, 1, F32> { matrix: matrix([1.0, 2.0, 3.0, 4.0]), activation: [] }],
    ///         gates: [SoftmaxGate(Logits::<4, 1, F32> { matrix: matrix([0.0; 4]) })],
    ///     },
    ///     towers: [Regression { layers: Logits::<1, 1, F32> { matrix: tower }, unit: [] }],
    /// };
    /// let sparse = model.sparse().expect("zeros may be left out of this model");
    /// let y = sparse.predict(&[(1, 1.0), (3, 1.0)]).expect("columns ascend");
    /// assert_eq!(y, [6.5]);
    /// assert_eq!(y, model.predict(&[0.0, 1.0, 0.0, 1.0]));
    /// assert!(sparse.predict(&[(3, 1.0), (1, 1.0)]).is_none());
    /// ```
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

    /// Computes raw outputs for the row that has these activations and zeros elsewhere. In an integer
    /// model no float instruction runs. Returns `None` where [`predict`](Self::predict) does.
    pub fn predict_q(&self, active: &[Active<A>]) -> Option<T::Out> {
        let active = ActiveColumns::new(active, I)?;
        Some(self.model.resumed(&self.start, Rest::Active(active)))
    }
}
