//! A model that tests itself: rows in the blob with the exact outputs that they must give.

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
    /// Runs the rows that `mmoe convert --self-test N` stored in the model's blob; every output
    /// must have its stored bits. Returns the number of rows. [`from_blob`](Self::from_blob) has an
    /// example.
    ///
    /// # Errors
    ///
    /// [`SelfTestError`], with the row and the output that differ.
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
