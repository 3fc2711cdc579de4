//! tract, running the ONNX file.

use tract_onnx::prelude::*;

use crate::{Outputs, by_rows};

pub(crate) struct Peer {
    model: Result<std::sync::Arc<TypedRunnableModel>, String>,
    rows: Tensor,
    batch: usize,
}

impl Peer {
    pub(crate) fn new(onnx: &str, batch: usize, inputs: usize, rows: &[f32]) -> Self {
        let model = tract_onnx::onnx()
            .model_for_path(onnx)
            .and_then(|m| m.with_input_fact(0, f32::fact([batch, inputs]).into()))
            .and_then(InferenceModelExt::into_optimized)
            .and_then(|m| m.into_runnable())
            .map_err(|e| format!("{e:?}"));
        let rows = Tensor::from_shape(&[batch, inputs], rows).expect("rows");
        Self { model, rows, batch }
    }

    pub(crate) fn run(&self) -> Result<Outputs, String> {
        let model = self.model.as_ref().map_err(String::clone)?;
        let made = model
            .run(tvec!(self.rows.clone().into()))
            .map_err(|e| format!("{e:?}"))?;
        let task = |t: &TValue| -> Vec<f32> {
            let view = t.to_plain_array_view::<f32>().expect("f32");
            view.iter().copied().collect()
        };
        let tasks: Vec<Vec<f32>> = made.iter().map(task).collect();
        Ok(by_rows(&tasks, self.batch))
    }
}
