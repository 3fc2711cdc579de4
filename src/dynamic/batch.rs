//! Batches of the shape-erased model.

use super::element::Erased;
use super::{Dynamic, RunError, level, scratch};
use crate::bytes::Pod;
use crate::level::{Request, TaskMask};
use crate::math::Libm;
use crate::model::Run;
use crate::rows;
use heapless::Vec;
use zerocopy::{FromBytes, IntoBytes};

/// The most rows of a block: one on a microcontroller, where nothing is faster for it.
const ROWS: usize = if cfg!(target_os = "none") {
    1
} else {
    rows::MOST
};

impl Dynamic<'_> {
    /// Computes all outputs for each row of features: `x` holds [`inputs`](Self::inputs) numbers a row,
    /// `y` gets [`outputs`](Self::outputs) numbers a row. The bits are those of
    /// [`predict`](Self::predict). What the rows did is added up.
    ///
    /// A host computes as many rows at once as there is scratch for, at most 32, and the rows of such a
    /// block share each weight that is loaded: give it `n` times
    /// [`scratch_words`](Self::scratch_words) for blocks of `n` rows.
    ///
    /// ```
    /// # let file: &mmoe::Aligned<[u8]> = mmoe::include_blob!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/firmware/minimal/src/edge.mmoe"));
    /// # let model = mmoe::Dynamic::load(file).unwrap();
    /// // 64 features, 3 outputs; 40 rows in blocks of 32.
    /// let x: Vec<f32> = (0..40 * 64).map(|i| (i % 7) as f32 / 7.0).collect();
    /// let mut y = vec![0.0; 40 * 3];
    /// let mut scratch = vec![0; 32 * model.scratch_words()];
    /// model.predict_batch(&x, &mut scratch, &mut y)?;
    ///
    /// let mut last = [0.0; 3];
    /// model.predict(&x[39 * 64..], &mut scratch, &mut last)?;
    /// assert_eq!(y[39 * 3..], last);
    /// # Ok::<(), mmoe::RunError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Features that are no whole number of rows, too few outputs for them, scratch for less than one
    /// row, or a model that takes records.
    pub fn predict_batch(
        &self,
        x: &[f32],
        scratch: &mut [u32],
        y: &mut [f32],
    ) -> Result<Run, RunError> {
        if self.blob.takes_record() {
            return Err(RunError::Record);
        }
        let count = x.len().checked_div(self.inputs()).unwrap_or(0);
        let rest = x.len().wrapping_sub(count.wrapping_mul(self.inputs()));
        if rest != 0 {
            self.check_inputs(rest)?;
        }
        let (expected, found) = (count.saturating_mul(self.outputs()), y.len());
        let y = y.get_mut(..expected).ok_or(RunError::Outputs {
            expected: expected as u32,
            found: found as u32,
        })?;
        let words = <[u32]>::mut_from_bytes(y.as_mut_bytes()).map_err(|_| RunError::Element)?;
        let (inputs, outputs) = (self.inputs().max(1), self.outputs().max(1));
        let most = scratch.len().checked_div(self.scratch_words());
        let block = most.unwrap_or(1).clamp(1, ROWS);
        let mut total = Run::default();
        for (x, raw) in x
            .chunks(inputs.saturating_mul(block))
            .zip(words.chunks_mut(outputs.saturating_mul(block)))
        {
            let x = rows::collect::<_, ROWS>(x.chunks(inputs));
            let mut raw = rows::collect::<_, ROWS>(raw.chunks_mut(outputs));
            if self.summary.integer {
                self.block::<i16>(&x, scratch, &mut raw, &mut total)?;
            } else {
                self.block::<f32>(&x, scratch, &mut raw, &mut total)?;
            }
            for raw in &mut raw {
                self.show_words(raw, TaskMask::ALL);
            }
        }
        Ok(total)
    }

    /// The raw outputs of a block of rows.
    fn block<A: Erased + FromFeatures>(
        &self,
        x: &[&[f32]],
        scratch: &mut [u32],
        raw: &mut [&mut [u32]],
        total: &mut Run,
    ) -> Result<(), RunError> {
        let short = RunError::Scratch {
            expected: self.scratch_words() as u32,
            found: scratch.len() as u32,
        };
        let layout = scratch::layout(&self.blob, &self.summary);
        let (mut inputs, mut rest) = (Vec::<&[A], ROWS>::new(), Vec::<&mut [u32], ROWS>::new());
        for (x, scratch) in x
            .iter()
            .zip(scratch.chunks_mut(self.scratch_words().max(1)))
        {
            let (buffer, others) = self.input_buffer::<A>(scratch)?;
            // There is room for a block.
            let _ = inputs.push(A::from_features(self, x, buffer, total)?);
            let _ = rest.push(others);
        }
        let all = Request::tasks(TaskMask::ALL);
        let experts =
            level::run::<A, Libm, _, ROWS>(&self.blob, &layout, &inputs, all, &mut rest, raw);
        total.experts = total.experts.wrapping_add(experts.ok_or(short)?);
        Ok(())
    }
}

/// Activations that can be made of features.
trait FromFeatures: Pod {
    /// The features of one row as activations, in `buffer` where they are not the same.
    fn from_features<'x>(
        model: &Dynamic<'_>,
        x: &'x [f32],
        buffer: &'x mut [Self],
        total: &mut Run,
    ) -> Result<&'x [Self], RunError>;
}

impl FromFeatures for f32 {
    fn from_features<'x>(
        _: &Dynamic<'_>,
        x: &'x [f32],
        _: &'x mut [f32],
        _: &mut Run,
    ) -> Result<&'x [f32], RunError> {
        Ok(x)
    }
}

impl FromFeatures for i16 {
    fn from_features<'x>(
        model: &Dynamic<'_>,
        x: &'x [f32],
        buffer: &'x mut [i16],
        total: &mut Run,
    ) -> Result<&'x [i16], RunError> {
        let counts = model.quantize(x, buffer)?;
        total.input.nan = total.input.nan.wrapping_add(counts.nan);
        total.input.saturated = total.input.saturated.wrapping_add(counts.saturated);
        Ok(buffer)
    }
}
