//! The front end of a plan: fields and coders as they will be, and which tensors the tables come from.

use crate::front::{Feature, Front, Makes};
use crate::graph::Input;

use super::TensorRef;

/// A front end whose tables have no numbers yet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FieldsPlan {
    /// Fields, features and coders; the tables have neither rows nor a width.
    pub front: Front,
    /// Where the rows of each table come from.
    pub sources: Vec<Source>,
    /// `[[fields]]` and `[order]` of the spec, as text.
    pub text: String,
    /// What is known of the values of each feature, in the order of the features.
    pub scaling: Vec<Scaling>,
}

/// Where the rows of a table come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The tensor, `[rows, width]`.
    pub tensor: TensorRef,
    /// The first of its rows that belong to the table, and how many do, where several tables lie in one
    /// tensor.
    pub window: Option<(usize, usize)>,
    /// Which of these rows each code gets, in the order of the codes.
    pub rows: Rows,
    /// The field that it was named for, for messages.
    pub field: String,
}

/// Which rows of a tensor a table takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// All, in their order: the ids are dense, and the coder learns here how many there are.
    All,
    /// These, which are all that there are: a tensor with more or fewer was made for another
    /// vocabulary.
    Every(Vec<usize>),
    /// These, whatever others there are.
    These(Vec<usize>),
}

/// What is known of a number.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scaling {
    /// The mean that training took off, behind the logarithm.
    pub mean: Option<f64>,
    /// The deviation by which training divided.
    pub std: Option<f64>,
    /// The smallest and the largest value, behind the logarithm.
    pub range: Option<(f64, f64)>,
}

impl FieldsPlan {
    /// One input per feature, for the front end whose tables have their rows.
    #[must_use]
    pub fn inputs(&self, front: &Front) -> Vec<Input> {
        let mut inputs = front.inputs();
        for (input, known) in inputs.iter_mut().zip(&self.scaling) {
            input.mean = known.mean;
            input.std = known.std;
            if let Some((low, high)) = known.range {
                (input.min, input.max) = (Some(low), Some(high));
            }
        }
        inputs
    }

    /// Adds a feature, of whose values nothing is known unless it is a number.
    pub fn push(&mut self, field: usize, makes: Makes, scaling: Scaling) {
        self.front.features.push(Feature { field, makes });
        self.scaling.push(scaling);
    }
}
