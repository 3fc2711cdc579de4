//! Folding: simplifying a chain of operations before it becomes layers. What is linear goes into the
//! dense layer beside it, so that a batch normalization costs nothing on the device.
//!
//! Everything is computed in f64 and rounded to f32 once, when the layers are made. Rounding after
//! each fold would add up errors that neither the framework nor the engine makes.

use crate::graph::{Activation, Dense, Layer};

/// One operation of an expert, gate or tower.
#[derive(Debug)]
pub(crate) enum Step {
    /// `W x + b`.
    Dense(Matrix),
    /// `gain ⊙ x + bias`; the text says what it was, for the list of what was folded.
    Affine(Affine, String),
    /// An activation without parameters per unit.
    Activation(Activation),
    /// Trained slopes per unit.
    PRelu(Vec<f32>),
    /// A norm, or a Dice: what is a layer of its own.
    Layer(Layer),
}

/// A dense layer whose weights are still the file's: factors wait beside them, so that they are
/// rounded once.
#[derive(Debug)]
pub(crate) struct Matrix {
    pub(crate) name: String,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// `[outputs][inputs]`.
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f64>,
    row_gain: Option<Vec<f64>>,
    column_gain: Option<Vec<f64>>,
}

/// `gain ⊙ x + bias`.
#[derive(Debug, Clone)]
pub(crate) struct Affine {
    pub(crate) gain: Vec<f64>,
    pub(crate) bias: Vec<f64>,
}

impl Matrix {
    pub(crate) fn new(
        name: String,
        inputs: usize,
        outputs: usize,
        weight: Vec<f32>,
        bias: Vec<f64>,
    ) -> Self {
        Self {
            name,
            inputs,
            outputs,
            weight,
            bias,
            row_gain: None,
            column_gain: None,
        }
    }

    /// Becomes `affine(self(x))`.
    fn followed_by(&mut self, affine: &Affine) {
        let gains = self.row_gain.get_or_insert_with(|| vec![1.0; self.outputs]);
        for ((gain, bias), (g, b)) in gains
            .iter_mut()
            .zip(&mut self.bias)
            .zip(affine.gain.iter().zip(&affine.bias))
        {
            *gain *= g;
            *bias = *bias * g + b;
        }
    }

    /// Becomes `self(affine(x))`.
    fn preceded_by(&mut self, affine: &Affine) {
        for o in 0..self.outputs {
            let row = self.row(o);
            self.bias[o] += row.zip(&affine.bias).map(|(w, b)| w * b).sum::<f64>();
        }
        let gains = self
            .column_gain
            .get_or_insert_with(|| vec![1.0; self.inputs]);
        for (gain, g) in gains.iter_mut().zip(&affine.gain) {
            *gain *= g;
        }
    }

    fn row(&self, o: usize) -> impl Iterator<Item = f64> + '_ {
        let row_gain = self.row_gain.as_ref().map_or(1.0, |g| g[o]);
        let columns = self.column_gain.as_ref();
        let row = &self.weight[o * self.inputs..(o + 1) * self.inputs];
        row.iter()
            .enumerate()
            .map(move |(i, w)| f64::from(*w) * row_gain * columns.map_or(1.0, |g| g[i]))
    }

    /// Whether the output depends on nothing but the bias.
    pub(crate) fn is_constant(&self) -> bool {
        (0..self.outputs).all(|o| self.row(o).all(|w| w == 0.0))
    }

    /// Keeps these rows, in this order.
    pub(crate) fn select(&mut self, rows: &[usize]) {
        if rows.iter().copied().eq(0..self.outputs) {
            return;
        }
        self.weight = rows
            .iter()
            .flat_map(|r| &self.weight[r * self.inputs..(r + 1) * self.inputs])
            .copied()
            .collect();
        self.bias = rows.iter().map(|r| self.bias[*r]).collect();
        self.row_gain = self
            .row_gain
            .as_ref()
            .map(|g| rows.iter().map(|r| g[*r]).collect());
        self.outputs = rows.len();
    }

    #[expect(clippy::cast_possible_truncation, reason = "the one rounding")]
    fn finish(mut self, activation: Activation) -> Dense {
        if self.row_gain.is_some() || self.column_gain.is_some() {
            for o in 0..self.outputs {
                let row: Vec<f32> = self.row(o).map(|w| w as f32).collect();
                self.weight[o * self.inputs..(o + 1) * self.inputs].copy_from_slice(&row);
            }
        }
        let bias = self.bias.iter().map(|b| *b as f32).collect();
        Dense {
            name: self.name,
            inputs: self.inputs,
            outputs: self.outputs,
            weight: self.weight,
            bias,
            activation,
        }
    }
}

/// Folds every affine step into a dense neighbour: into the one before it, else into the one after
/// it, else into another affine step; what is left stays. `note` hears of each.
pub(crate) fn simplify(steps: Vec<Step>, note: &mut dyn FnMut(String)) -> Vec<Step> {
    let mut done: Vec<Step> = Vec::new();
    for step in steps {
        match (step, done.last_mut()) {
            (Step::Affine(affine, what), Some(Step::Dense(before))) => {
                before.followed_by(&affine);
                note(format!(
                    "{what} → `{}`, the dense layer before it",
                    before.name
                ));
            }
            (Step::Affine(affine, what), Some(Step::Affine(before, _))) => {
                for ((gain, bias), (g, b)) in before
                    .gain
                    .iter_mut()
                    .zip(&mut before.bias)
                    .zip(affine.gain.iter().zip(&affine.bias))
                {
                    *gain *= g;
                    *bias = *bias * g + b;
                }
                note(format!("{what} → the affine step before it"));
            }
            (Step::Dense(mut dense), Some(Step::Affine(..))) => {
                if let Some(Step::Affine(affine, what)) = done.pop() {
                    dense.preceded_by(&affine);
                    note(format!(
                        "{what} → `{}`, the dense layer after it",
                        dense.name
                    ));
                }
                done.push(Step::Dense(dense));
            }
            (step, _) => done.push(step),
        }
    }
    done
}

/// Makes layers of steps; an activation joins the dense layer before it, or becomes slopes or a
/// layer of its own where none is.
#[expect(clippy::cast_possible_truncation, reason = "the one rounding")]
pub(crate) fn finish(steps: Vec<Step>, mut width: usize) -> Vec<Layer> {
    let round = |v: Vec<f64>| v.into_iter().map(|x| x as f32).collect();
    let mut layers = Vec::new();
    let mut steps = steps.into_iter().peekable();
    while let Some(step) = steps.next() {
        layers.push(match step {
            Step::Dense(matrix) => {
                width = matrix.outputs;
                let activation = steps.next_if(|s| matches!(s, Step::Activation(_)));
                Layer::Dense(matrix.finish(match activation {
                    Some(Step::Activation(a)) => a,
                    _ => Activation::Linear,
                }))
            }
            Step::Affine(affine, _) => Layer::Affine {
                gain: round(affine.gain),
                bias: round(affine.bias),
            },
            Step::Activation(Activation::Linear) => continue,
            Step::Activation(Activation::Relu) => Layer::PRelu {
                slope: vec![0.0; width],
            },
            Step::Activation(Activation::LeakyRelu { slope }) => Layer::PRelu {
                slope: vec![slope; width],
            },
            Step::Activation(activation) => Layer::Pointwise { activation, width },
            Step::PRelu(slope) => Layer::PRelu { slope },
            Step::Layer(layer) => layer,
        });
    }
    layers
}
