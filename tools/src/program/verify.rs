//! Holding a model against the program that it was recognised in.

use super::Program;
use super::interpret::evaluate;
use super::outputs;
use super::recognise::Recognised;
use crate::error::ModelError;
use crate::eval;
use crate::front::Value;
use crate::graph::Graph;
use crate::random::Random;

/// How many rows are made.
const ROWS: usize = 64;
/// How far an output may be off, in shares of the larger of 1 and the row's largest value: weights
/// are rounded to f32 once.
const TOLERANCE: f64 = 1e-5;

/// What a comparison found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verified {
    /// How many rows were made.
    pub rows: usize,
    /// The largest difference, in shares of the larger of 1 and the value.
    pub worst: f64,
}

/// Holds a graph, evaluated in f64, against its program on rows that are made for it.
///
/// # Errors
///
/// [`ModelError::Recognition`] if an output differs: then recognition has misread the program.
pub fn verify(
    program: &Program,
    graph: &Graph,
    found: &Recognised,
) -> Result<Verified, ModelError> {
    let mut random = Random::new(0x2545_f491_4f6c_dd1d);
    let reach = [0.5, 1.0, 2.0, 4.0];
    let rows: Vec<Vec<f64>> = (0..ROWS)
        .map(|row| found.entry.sample(&mut random, reach[row % reach.len()]))
        .collect();
    let wanted = evaluate(program, &rows).map_err(|r| outputs::refused(program, &r))?;
    let mut worst = 0.0f64;
    for (at, row) in rows.iter().enumerate() {
        let made = eval::evaluate(graph, &vector(graph, found, row)?);
        for (task, values) in found.tasks.iter().zip(&made.tasks) {
            for (found, column) in values.iter().zip(&task.columns) {
                let array = &wanted[task.output];
                let width = array.data.len() / rows.len();
                let wanted = array.data[at * width + column];
                if *found == wanted {
                    // Also where both are infinite.
                    continue;
                }
                let off = (found - wanted).abs() / wanted.abs().max(1.0);
                if off.is_nan() || off > TOLERANCE {
                    return Err(ModelError::Recognition {
                        framework: format!("an {}", program.format),
                        what: format!(
                            "output `{}` came out as {found} where the graph itself gives {wanted}",
                            task.name
                        ),
                        remedy: "this is a fault of mmoe, not of the model: convert the weights \
                                 that the framework itself saves"
                            .into(),
                    });
                }
                worst = worst.max(off);
            }
        }
    }
    Ok(Verified {
        rows: rows.len(),
        worst,
    })
}

/// What the layers read of a row of the input: itself, or what the front end makes of its record.
fn vector(graph: &Graph, found: &Recognised, row: &[f64]) -> Result<Vec<f64>, ModelError> {
    let Some(front) = &graph.front else {
        return Ok(row.to_vec());
    };
    let mut record = found.entry.record(row);
    let fields = front.fields.iter();
    let values = fields.map(|field| record.remove(field.name.as_str()).unwrap_or(Value::Missing));
    let values: Vec<Value> = values.collect();
    front
        .vector(&values)
        .map_err(|why| ModelError::Unsupported {
            place: "the graph's look-ups".into(),
            what: why.to_string(),
            remedy: "describe the fields in the spec (docs/features.md)".into(),
        })
}
