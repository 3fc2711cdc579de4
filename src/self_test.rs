//! The self-test of a model: rows that its blob stores, with the exact outputs that they must have.

use crate::blob::{Blob, Compare, SelfTestError};
use crate::bytes::InPlace;
use crate::input::InputStage;
use crate::model::Model;
use crate::number::{Element, read};
use crate::tower::Towers;
use crate::trunk::Trunk;
use zerocopy::FromZeros;

impl<S, L, T, A: Element, const I: usize> Model<S, L, T>
where
    Self: InPlace,
    S: InputStage<Out = [A; I]>,
    L: Trunk<Act = A, In = [A; I]>,
    T: Towers<Act = A, In = L::Stream, Count = L::Count>,
{
    /// Runs the rows that `mmoe convert --self-test N` stored in the model's blob, and compares the
    /// bits of every output with the stored ones. Returns the number of rows.
    ///
    /// Call it once at boot. Loading finds a damaged file; this finds a damaged program, memory or
    /// core, and a compiler that computes something else.
    ///
    /// ```
    #[doc = include_str!("../docs/doctest-model.txt")]
    /// use mmoe::SelfTestError;
    /// match model.self_test(&blob) {
    ///     Ok(rows) => assert_eq!(rows, 4),
    ///     Err(SelfTestError::Missing) => { /* converted without `--self-test` */ }
    ///     Err(error) => panic!("do not use this device: {error}, code {:#06x}", error.code()),
    /// }
    /// # Ok::<(), SelfTestError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SelfTestError`] names the first row and output that differ.
    pub fn self_test(&self, blob: &Blob<'_>) -> Result<u32, SelfTestError> {
        let rows = blob.self_test()?;
        let count = rows.rows();
        let mut x = <[A; I]>::new_zeroed();
        for row in rows {
            read(row.activations, &mut x)?;
            let mut compare = Compare::new(&row);
            T::words(&self.predict_q(&x), &mut |word| compare.word(word));
            compare.finish()?;
        }
        Ok(count)
    }
}
