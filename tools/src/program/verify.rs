//! Holding a model against the program that it was recognised in.

use super::Program;
use super::interpret::evaluate;
use super::outputs;
use super::recognise::Recognised;
use crate::error::ModelError;
use crate::eval;
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
    let rows: Vec<Vec<f64>> = (0..ROWS)
        .map(|row| {
            let reach = [0.5, 1.0, 2.0, 4.0][row % 4];
            let element = |ids: Option<usize>| match ids {
                Some(count) => {
                    (random.within(0.0, count as f64) as usize).min(count.saturating_sub(1)) as f64
                }
                None => random.within(-reach, reach),
            };
            found.entry.ids().map(element).collect()
        })
        .collect();
    let wanted = evaluate(program, &rows).map_err(|r| outputs::refused(program, &r))?;
    let mut worst = 0.0f64;
    for (at, row) in rows.iter().enumerate() {
        let made = eval::evaluate(graph, &found.entry.vector(row));
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
