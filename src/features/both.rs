//! Two records: what many predictions share, and what each has of its own.

use super::{Fill, with_vector};
use crate::blob::{Check, FeatureCheck, InputRecord};
use crate::input::{InputCounts, InputStage};
use crate::number::Element;
use core::marker::PhantomData;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// The stage of a model that ranks: the record of the context (a user, a time, a device), which many
/// candidates share, and the record of a candidate. `X` is the vector, `[f32; I]` or `[i16; I]`.
///
/// A prediction takes a pair of records. [`Model::context`](crate::Model::context) takes the first one
/// alone, and [`Model::predict_in`](crate::Model::predict_in) then each candidate.
///
/// ```
/// use mmoe::features::{Bag, Both, Buckets, Direct, Embed, Mean, Number};
/// use mmoe::{Binary, Dense, F32, Gate, Head, LoadError, Mmoe};
///
/// mmoe::features! {
///     /// Who looks.
///     pub struct User<'a> => UserStage<P>[5] {
///         age: f32 = Number<P>,
///         history: &'a [u32] = Bag<Direct<500>, 20, Mean, 500, 4, P>,
///     }
/// }
/// mmoe::features! {
///     /// What is looked at.
///     pub struct Item => ItemStage<P>[6] {
///         id: u32 = Embed<Direct<500>, 500, 4, P>,
///         price: f32 = Embed<Buckets<9>, 10, 2, P>,
///     }
/// }
/// type Stage = Both<UserStage<F32>, ItemStage<F32>, [f32; 11]>;
/// type Ranker =
///     Mmoe<[Dense<11, 8, F32>; 4], [Gate<11, 4, F32>; 1], [Binary<Head<8, 1, F32>>; 1], Stage>;
///
/// fn best(blob: &[u8], user: User<'_>, items: &[Item]) -> Result<Option<u32>, LoadError> {
///     let ranker = Ranker::load(blob)?;
///     let best = ranker.rank::<1>(user, items.iter().copied(), |[click]| *click);
///     Ok(best.first().map(|item| item.index))
/// }
/// assert!(best(b"not a blob", User { age: 34.0, history: &[3] }, &[]).is_err());
/// ```
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Both<U, V, X> {
    /// The context's features.
    pub context: U,
    /// The candidate's features.
    pub candidate: V,
    /// Names the vector.
    pub vector: PhantomData<X>,
}

impl<A: Element, const I: usize, U: Fill<Act = A>, V: Fill<Act = A>> InputStage
    for Both<U, V, [A; I]>
{
    type From<'a> = (U::Record<'a>, V::Record<'a>);
    type Out = [A; I];
    const SCRATCH: usize = size_of::<[A; I]>();
    const RECORD: bool = true;
    fn describe(to: &mut Check<'_>) {
        const {
            assert!(
                U::WIDTH + V::WIDTH == I,
                "the elements of the context and of the candidate make up the vector"
            )
        };
        to.input(&const { InputRecord::record(I) });
    }
    fn features(to: &mut FeatureCheck<'_>) {
        U::describe(to);
        to.candidate();
        V::describe(to);
    }
    fn with<R>(&self, (u, v): Self::From<'_>, f: impl FnOnce(&[A; I], InputCounts) -> R) -> R {
        with_vector(
            |y| {
                let Some((context, candidate)) = y.split_at_mut_checked(U::WIDTH) else {
                    return InputCounts::default();
                };
                let counts = self.context.fill(u, context);
                counts.and(self.candidate.fill(v, candidate))
            },
            f,
        )
    }
}
