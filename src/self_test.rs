//! A model that tests itself: rows in the blob with the exact outputs that they must give.

use crate::blob::{Blob, Compare, SelfTestError};
use crate::bytes::InPlace;
use crate::input::InputStage;
use crate::level::All;
use crate::math::Libm;
use crate::model::Model;
use crate::number::Element;
use crate::tower::Towers;
use crate::trunk::Trunk;
use zerocopy::FromZeros;

impl<S, L, T, A: Element, const I: usize> Model<S, L, T>
where
    Self: InPlace,
    S: InputStage<Out = [A; I]>,
    L: Trunk<Act = A, In = [A; I]>,
    T: Towers<Act = A, In = L::H, Count = L::Count>,
{
    /// Loads the blob and runs the rows that `mmoe convert --self-test N` stored in it; every
    /// output must have its stored bits. Returns the number of rows.
    ///
    /// Whoever has opened the blob already takes [`from_blob`](Self::from_blob) and
    /// [`run_self_test`](Self::run_self_test), so that its checksum is computed once.
    ///
    /// # Errors
    ///
    /// [`SelfTestError`], with the row and the output that differ.
    pub fn self_test(blob: &[u8]) -> Result<u32, SelfTestError> {
        let blob = Blob::open(blob)?;
        Self::from_blob(&blob)?.run_self_test(&blob)
    }

    /// Runs the self-test rows of the blob that this model was loaded from. Returns their number.
    ///
    /// # Errors
    ///
    /// [`SelfTestError`], with the row and the output that differ.
    pub fn run_self_test(&self, blob: &Blob<'_>) -> Result<u32, SelfTestError> {
        let rows = blob.self_test()?;
        let count = rows.rows();
        let mut x = <[A; I]>::new_zeroed();
        for row in rows {
            let mut bytes = row.activations;
            for x in &mut x {
                let (v, rest) = A::read(bytes).ok_or(SelfTestError::Section)?;
                *x = v;
                bytes = rest;
            }
            let mut raw = T::Out::new_zeroed();
            self.run::<Libm, All>(&x, u32::MAX, All, &mut L::Gates::new_zeroed(), &mut raw);
            let mut compare = Compare::new(&row);
            T::words(&raw, &mut |word| compare.word(word));
            compare.finish()?;
        }
        Ok(count)
    }
}
