//! Layers that add what they read to what they make, as layers that a blob has: what is added is
//! carried along as units of its own, and a last matrix adds it.
//!
//! ```text
//! x + relu(W x + b)   =   [I I] · prelu([W; I] x + [b; 0])      slopes 0 above, 1 below
//! ```
//!
//! Every step of the block gets units that pass on what it reads. So the activations in the block have
//! a slope per unit: relu, leaky relu, PReLU or none.

use crate::error::ModelError;
use crate::graph::Activation;
use crate::graph::fold::{Matrix, Step};

/// Makes steps on `inputs` units of a block that makes `width` units and adds the first `width` that
/// it reads.
pub(super) fn carried(
    block: Vec<Step>,
    inputs: usize,
    width: usize,
    place: &str,
) -> Result<Vec<Step>, ModelError> {
    if inputs < width {
        return Err(ModelError::Invalid {
            place: place.into(),
            what: format!("it makes {width} units and would add the {inputs} that it reads"),
            remedy: "a residual adds at least as many units as it makes; correct `residual` or \
                     `residual_layers`"
                .into(),
        });
    }
    let mut steps = Vec::new();
    // Units of the block's own, and whether those that are carried lie behind them already.
    let (mut units, mut carries) = (inputs, false);
    if !matches!(block.first(), Some(Step::Dense(_))) {
        let identity = (0..inputs * inputs).map(|i| f32::from(u8::from(i / inputs == i % inputs)));
        let (weight, bias) = (identity.collect(), vec![0.0; inputs]);
        let identity = Matrix::new("residual".into(), inputs, inputs, weight, bias);
        steps.push(Step::Dense(beside(identity, false, width)));
        carries = true;
    }
    for step in block {
        steps.push(match step {
            Step::Dense(matrix) => {
                units = matrix.outputs;
                let made = beside(matrix, carries, width);
                carries = true;
                Step::Dense(made)
            }
            Step::Affine(mut affine, what) => {
                affine.gain.extend(std::iter::repeat_n(1.0, width));
                affine.bias.extend(std::iter::repeat_n(0.0, width));
                Step::Affine(affine, what)
            }
            Step::Activation(Activation::Linear) => continue,
            Step::Activation(Activation::Relu) => slopes(vec![0.0; units], width),
            Step::Activation(Activation::LeakyRelu { slope }) => slopes(vec![slope; units], width),
            Step::PRelu(slope) => slopes(slope, width),
            Step::Activation(other) => return Err(unsupported(place, other.name())),
            Step::Layer(_) => return Err(unsupported(place, "a norm of each row, or a dice,")),
        });
    }
    let mut sum = vec![0.0; width * 2 * width];
    for (unit, row) in sum.chunks_exact_mut(2 * width).enumerate() {
        row[unit] = 1.0;
        row[width + unit] = 1.0;
    }
    steps.push(Step::Dense(Matrix::new(
        "residual".into(),
        2 * width,
        width,
        sum,
        vec![0.0; width],
    )));
    Ok(steps)
}

/// A matrix that also passes on `width` units: those behind its own where there are such
/// (`carries`), else the first that it reads.
fn beside(own: Matrix, carries: bool, width: usize) -> Matrix {
    let inputs = own.inputs + if carries { width } else { 0 };
    let first = if carries { own.inputs } else { 0 };
    let mut weight = Vec::with_capacity((own.outputs + width) * inputs);
    for row in own.weight.chunks_exact(own.inputs.max(1)) {
        weight.extend(row);
        weight.resize(weight.len() + inputs - own.inputs, 0.0);
    }
    for unit in 0..width {
        weight.extend((0..inputs).map(|i| f32::from(u8::from(i == first + unit))));
    }
    let mut bias = own.bias;
    bias.resize(bias.len() + width, 0.0);
    Matrix::new(own.name, inputs, own.outputs + width, weight, bias)
}

fn slopes(mut own: Vec<f32>, width: usize) -> Step {
    own.extend(std::iter::repeat_n(1.0, width));
    Step::PRelu(own)
}

fn unsupported(place: &str, what: &str) -> ModelError {
    ModelError::Unsupported {
        place: place.into(),
        what: format!("{what} in layers that add what they read"),
        remedy: "such layers end in relu, leaky_relu, prelu or nothing, with batch norms or none"
            .into(),
    }
}
