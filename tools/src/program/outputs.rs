//! What enters and leaves a program: the batch, the features, the tasks.

use super::{Array, Program, Refusal};
use crate::error::ModelError;

/// More rows than any exported graph fixes.
const LARGEST_BATCH: usize = 64;

/// One output of the model, as the program makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// The output of the program.
    pub output: usize,
    /// Which of its columns.
    pub columns: Vec<usize>,
}

fn refuse(node: String, why: impl Into<String>) -> Refusal {
    Refusal {
        node,
        shape: None,
        why: why.into(),
    }
}

/// The size of the batch, where the file fixes it.
pub(super) fn batch(program: &Program) -> Result<Option<usize>, Refusal> {
    let mut found = None;
    for port in &program.inputs {
        let size = port.shape.first().copied().flatten();
        let place = || format!("input `{}`", port.name);
        if size.is_some_and(|s| s == 0 || s > LARGEST_BATCH) {
            let why = "fixes the batch to another size than 1: export with a batch of 1, or of any";
            return Err(refuse(place(), why));
        }
        if found.is_some() && size.is_some() && found != size {
            return Err(refuse(
                place(),
                "has another batch than the inputs before it",
            ));
        }
        found = found.or(size);
    }
    Ok(found)
}

/// How many features an input has.
pub(super) fn features(program: &Program, input: usize) -> Result<usize, Refusal> {
    let port = &program.inputs[input];
    let place = || format!("input `{}`", port.name);
    let open = "leaves the number of features open: export with a fixed number";
    let rest = port.shape.get(1..).unwrap_or_default();
    let sizes: Vec<usize> = rest
        .iter()
        .copied()
        .collect::<Option<_>>()
        .ok_or_else(|| refuse(place(), open))?;
    super::layout::volume(&sizes).map_err(|why| refuse(place(), why))
}

/// The inputs of a batch: `of` says what feature stands in which row.
pub(super) fn feed<N>(
    program: &Program,
    batch: usize,
    of: impl Fn(usize, usize) -> N,
) -> Result<Vec<Array<N>>, Refusal> {
    let mut first = 0;
    let mut arrays = Vec::new();
    for (at, port) in program.inputs.iter().enumerate() {
        let count = features(program, at)?;
        let mut shape: Vec<usize> = port.shape.iter().map(|s| s.unwrap_or(batch)).collect();
        if let Some(size) = shape.first_mut() {
            *size = batch;
        } else {
            return Err(refuse(
                format!("input `{}`", port.name),
                "is one number for all rows",
            ));
        }
        let place = |why| refuse(format!("input `{}`", port.name), why);
        super::layout::volume(&shape).map_err(place)?;
        let rows = 0..batch;
        let data = rows
            .flat_map(|r| (0..count).map(move |f| (r, f)))
            .map(|(r, f)| of(r, first + f));
        arrays.push(Array {
            shape,
            data: data.collect(),
        });
        first += count;
    }
    Ok(arrays)
}

/// The error of a model that cannot be made because of an operation.
pub(super) fn refused(program: &Program, refusal: &Refusal) -> ModelError {
    ModelError::Recognition {
        framework: format!("an {}", program.format),
        what: refusal.to_string(),
        remedy: "export the part of the model that is dense layers, norms and activations in \
                 experts, gates and towers"
            .into(),
    }
}
