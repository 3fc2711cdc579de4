//! rten, running the ONNX file.

use rten::{Model, Value};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, Tensor};

use crate::{Outputs, by_rows};

pub(crate) struct Peer {
    model: Result<Model, String>,
    rows: NdTensor<f32, 2>,
}

impl Peer {
    pub(crate) fn new(onnx: &str, inputs: usize, rows: &[f32]) -> Self {
        let shape = [rows.len() / inputs, inputs];
        // Weights packed when the model is loaded, as the library's guide advises for speed.
        let model = rten::ModelOptions::with_all_ops()
            .prepack_weights(true)
            .load_file(onnx)
            .map_err(|e| e.to_string());
        Self {
            model,
            rows: NdTensor::from_data(shape, rows.to_vec()),
        }
    }

    pub(crate) fn run(&self) -> Result<Outputs, String> {
        let model = self.model.as_ref().map_err(String::clone)?;
        let input = *model.input_ids().first().ok_or("no input")?;
        let made = model
            .run(
                vec![(input, self.rows.view().into())],
                model.output_ids(),
                None,
            )
            .map_err(|e| e.to_string())?;
        let task = |v: Value| -> Result<Vec<f32>, String> {
            let tensor: Tensor<f32> = v.try_into().map_err(|_| "an output is not f32")?;
            Ok(tensor.to_vec())
        };
        let tasks: Vec<Vec<f32>> = made.into_iter().map(task).collect::<Result<_, _>>()?;
        Ok(by_rows(&tasks, self.rows.size(0)))
    }
}
