//! The tensors of a file while a model is made from them: each is given out by value at its last
//! use.

use std::collections::HashMap;

use indexmap::IndexMap;

use crate::error::{ModelError, near_names};
use crate::import::Tensor;
use crate::plan::{Block, Blocks, Layout, Part, Plan, TensorRef};

/// The most elements of a matrix put together from blocks: a spec may state any size.
const MAX_BLOCKS: usize = 1 << 26;

/// A matrix, row-major `[outputs][inputs]`.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) outputs: usize,
    pub(crate) inputs: usize,
    pub(crate) data: Vec<f32>,
}

/// The tensors, and how often the plan still needs each.
#[derive(Debug)]
pub(crate) struct Tensors {
    tensors: IndexMap<String, Tensor>,
    uses: HashMap<String, usize>,
    /// Where each tensor went, in the order of use.
    pub(crate) placement: Vec<(String, String)>,
}

impl Tensors {
    pub(crate) fn new(tensors: IndexMap<String, Tensor>, plan: &Plan) -> Self {
        let mut new = Self {
            tensors,
            uses: HashMap::new(),
            placement: Vec::new(),
        };
        new.recount(plan);
        new
    }

    /// Counts the uses by a plan that was made of the first; what only the first one names stays
    /// known, at no use.
    pub(crate) fn recount(&mut self, plan: &Plan) {
        self.uses.values_mut().for_each(|n| *n = 0);
        for part in plan.references().flat_map(TensorRef::parts) {
            *self.uses.entry(part.name.clone()).or_insert(0) += 1;
        }
    }

    /// Names of tensors that the plan never reads, with their shapes.
    pub(crate) fn unused(&self) -> impl Iterator<Item = (&String, &[usize])> {
        self.tensors
            .iter()
            .filter(|(n, _)| !self.uses.contains_key(*n))
            .map(|(n, t)| (n, t.shape.as_slice()))
    }

    /// Shape of what a part names, its picked axis taken away.
    fn shape(&self, part: &Part, place: &str) -> Result<Vec<usize>, ModelError> {
        let place = located(place, part);
        let tensor = self
            .tensors
            .get(&part.name)
            .ok_or_else(|| ModelError::NoTensor {
                place: place.clone(),
                name: part.name.clone(),
                near: near_names(&part.name, self.tensors.keys()),
            })?;
        let mut shape = tensor.shape.clone();
        if let Some((axis, index)) = part.pick {
            let wrong = |expected: String| ModelError::Shape {
                place: place.clone(),
                name: part.name.clone(),
                found: tensor.shape.clone(),
                expected,
                hint: String::new(),
            };
            match shape.get(axis) {
                None => return Err(wrong(format!("an axis {axis} (they count from 0)"))),
                Some(size) if index >= *size => {
                    return Err(wrong(format!(
                        "more than {index} along axis {axis}: it is cut at index {index}"
                    )));
                }
                Some(_) => drop(shape.remove(axis)),
            }
        }
        Ok(shape)
    }

    /// The elements that a part names, row-major; the tensor itself where this is its last use.
    fn take(&mut self, part: &Part, place: &str) -> Result<Vec<f32>, ModelError> {
        self.shape(part, place)?;
        self.placement.push((part.name.clone(), place.to_owned()));
        let left = self.uses.get_mut(&part.name).map_or(0, |n| {
            *n = n.saturating_sub(1);
            *n
        });
        // `shape` found the tensor.
        let Some(tensor) = self.tensors.get_mut(&part.name) else {
            return Ok(Vec::new());
        };
        if let Some((index, value)) = tensor.not_finite() {
            return Err(ModelError::NotFinite {
                place: located(place, part),
                name: part.name.clone(),
                index,
                value: value.to_string(),
            });
        }
        Ok(match part.pick {
            None if left == 0 => std::mem::take(&mut tensor.data),
            None => tensor.data.clone(),
            Some((axis, index)) => {
                let size = tensor.shape[axis];
                let inner: usize = tensor.shape[axis + 1..].iter().product();
                tensor
                    .data
                    .chunks_exact(inner.max(1))
                    .skip(index)
                    .step_by(size)
                    .flatten()
                    .copied()
                    .collect()
            }
        })
    }

    /// Columns of a matrix, before it is taken.
    pub(crate) fn columns(
        &self,
        r: &TensorRef,
        layout: Layout,
        place: &str,
    ) -> Result<usize, ModelError> {
        if let TensorRef::Blocks(blocks) = r {
            return Ok(blocks.inputs);
        }
        match r.parts().first() {
            Some(part) => Ok(self.matrix_shape(part, layout, place)?.1),
            None => Err(no_matrix(place)),
        }
    }

    /// Length of a vector, before it is taken.
    pub(crate) fn length(&self, r: &TensorRef, place: &str) -> Result<usize, ModelError> {
        if let TensorRef::Blocks(blocks) = r {
            return Ok(blocks.outputs);
        }
        r.parts()
            .iter()
            .map(|p| Ok(self.shape(p, place)?.iter().product::<usize>()))
            .try_fold(0, |n, l: Result<usize, ModelError>| {
                let l = l?;
                Ok(if matches!(r, TensorRef::Sum(_)) {
                    l
                } else {
                    n + l
                })
            })
    }

    /// `(outputs, inputs)` of a part.
    fn matrix_shape(
        &self,
        part: &Part,
        layout: Layout,
        place: &str,
    ) -> Result<(usize, usize), ModelError> {
        let shape = self.shape(part, place)?;
        match (shape.as_slice(), layout) {
            ([0, _] | [_, 0], _) => {
                Err(self.bad_shape(part, place, "no axis of size 0".into(), ""))
            }
            (&[outputs, inputs], Layout::OutIn) | (&[inputs, outputs], Layout::InOut) => {
                Ok((outputs, inputs))
            }
            _ => Err(self.bad_shape(
                part,
                place,
                "a matrix, rank 2".into(),
                ": a packed tensor is cut by { name = \"…\", axis = 2 }",
            )),
        }
    }

    fn bad_shape(&self, part: &Part, place: &str, expected: String, hint: &str) -> ModelError {
        let found = self
            .tensors
            .get(&part.name)
            .map_or_else(Vec::new, |t| t.shape.clone());
        ModelError::Shape {
            place: located(place, part),
            name: part.name.clone(),
            found,
            expected,
            hint: hint.into(),
        }
    }

    /// A matrix with `inputs` columns.
    pub(crate) fn matrix(
        &mut self,
        r: &TensorRef,
        layout: Layout,
        inputs: usize,
        place: &str,
    ) -> Result<Rows, ModelError> {
        if let TensorRef::Blocks(blocks) = r {
            if blocks.inputs != inputs {
                return Err(ModelError::Invalid {
                    place: place.into(),
                    what: format!("blocks of {} columns on {inputs} values", blocks.inputs),
                    remedy: "as many columns as what it reads makes values".into(),
                });
            }
            return Ok(Rows {
                outputs: blocks.outputs,
                inputs,
                data: self.blocks(blocks, layout, place)?,
            });
        }
        let mut rows = Rows {
            outputs: 0,
            inputs,
            data: Vec::new(),
        };
        if r.parts().is_empty() {
            return Err(no_matrix(place));
        }
        for part in r.parts() {
            let (outputs, columns) = self.matrix_shape(part, layout, place)?;
            if columns != inputs {
                let expected = match layout {
                    Layout::OutIn => format!("[outputs, {inputs}] (layout out_in)"),
                    Layout::InOut => format!("[{inputs}, outputs] (layout in_out)"),
                };
                let hint = if outputs == inputs {
                    ": it fits the other way round, so check `layout`"
                } else {
                    ": what it reads makes that many values"
                };
                return Err(self.bad_shape(part, place, expected, hint));
            }
            let data = self.take(part, place)?;
            let data = match layout {
                Layout::OutIn => data,
                Layout::InOut => transpose(&data, inputs, outputs),
            };
            rows.outputs += outputs;
            if rows.data.is_empty() {
                rows.data = data
            } else {
                rows.data.extend(data)
            }
        }
        if matches!(r, TensorRef::Sum(_)) {
            return Err(ModelError::Unsupported {
                place: place.into(),
                what: "a sum of matrices".into(),
                remedy: "sums are for biases; add the matrices before saving".into(),
            });
        }
        Ok(rows)
    }

    /// A matrix put together from blocks, row after row.
    fn blocks(
        &mut self,
        blocks: &Blocks,
        layout: Layout,
        place: &str,
    ) -> Result<Vec<f32>, ModelError> {
        let outside = |what: String| ModelError::Invalid {
            place: place.into(),
            what,
            remedy: format!(
                "it has {} rows and {} columns, and names as many tensors as blocks take",
                blocks.outputs, blocks.inputs
            ),
        };
        let size = blocks
            .outputs
            .checked_mul(blocks.inputs)
            .filter(|size| (1..=MAX_BLOCKS).contains(size))
            .ok_or_else(|| outside("blocks of no size, or of too large a one".into()))?;
        let mut sums = vec![0.0f64; size];
        let mut add = |row: usize, column: usize, value: f64| -> Result<(), ModelError> {
            let inside = row < blocks.outputs && column < blocks.inputs;
            let sum = sums.get_mut(row.saturating_mul(blocks.inputs).saturating_add(column));
            match sum.filter(|_| inside) {
                Some(sum) => *sum += value,
                None => {
                    return Err(outside(format!(
                        "a block reaches row {row}, column {column}"
                    )));
                }
            }
            Ok(())
        };
        let mut parts = blocks.parts.iter();
        let mut next = || {
            parts
                .next()
                .ok_or_else(|| outside("a block has no tensor".into()))
        };
        for block in &blocks.blocks {
            match *block {
                Block::Tensor {
                    at: (row, column),
                    factor,
                } => {
                    let part = next()?;
                    // A vector is a column.
                    let (outputs, inputs) = match self.shape(part, place)?.as_slice() {
                        &[rows] => (rows, 1),
                        _ => self.matrix_shape(part, layout, place)?,
                    };
                    let data = self.take(part, place)?;
                    for (i, v) in data.iter().enumerate() {
                        let (o, i) = match layout {
                            Layout::OutIn => (i / inputs.max(1), i % inputs.max(1)),
                            Layout::InOut => (i % outputs.max(1), i / outputs.max(1)),
                        };
                        add(
                            row.saturating_add(o),
                            column.saturating_add(i),
                            factor * f64::from(*v),
                        )?;
                    }
                }
                Block::Repeated { row, count } => {
                    let part = next()?;
                    let data = self.take(part, place)?;
                    for i in 0..count {
                        let v = data.get(i % data.len().max(1)).copied().unwrap_or(0.0);
                        add(row.saturating_add(i), 0, f64::from(v))?;
                    }
                }
                Block::Identity {
                    at: (row, column),
                    count,
                } => {
                    for i in 0..count {
                        add(row.saturating_add(i), column.saturating_add(i), 1.0)?;
                    }
                }
                Block::Row {
                    at: (row, column),
                    value,
                    count,
                } => {
                    for i in 0..count {
                        add(row, column.saturating_add(i), value)?;
                    }
                }
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "the one rounding")]
        Ok(sums.into_iter().map(|v| v as f32).collect())
    }

    /// A vector of `length` numbers.
    pub(crate) fn vector(
        &mut self,
        r: &TensorRef,
        length: usize,
        place: &str,
    ) -> Result<Vec<f64>, ModelError> {
        if let TensorRef::Numbers(numbers) = r {
            return match numbers.as_slice() {
                [one] => Ok(vec![*one; length]),
                all if all.len() == length => Ok(all.to_vec()),
                all => Err(ModelError::Invalid {
                    place: place.into(),
                    what: format!("{} numbers for {length} units", all.len()),
                    remedy: "give one for all, or one for each".into(),
                }),
            };
        }
        if let TensorRef::Blocks(blocks) = r {
            if (blocks.outputs, blocks.inputs) != (length, 1) {
                return Err(ModelError::Invalid {
                    place: place.into(),
                    what: format!(
                        "blocks of {} rows and {} columns for {length} units",
                        blocks.outputs, blocks.inputs
                    ),
                    remedy: "one row for each unit, and one column".into(),
                });
            }
            let data = self.blocks(blocks, Layout::OutIn, place)?;
            return Ok(data.into_iter().map(f64::from).collect());
        }
        let mut out: Vec<f64> = Vec::new();
        for (i, part) in r.parts().iter().enumerate() {
            let shape = self.shape(part, place)?;
            // Axes of size 1 say nothing; rows may be stacked from blocks of any rank.
            let flat =
                shape.iter().filter(|n| **n != 1).count() <= 1 || matches!(r, TensorRef::Rows(_));
            let fits = matches!(r, TensorRef::Rows(_)) || shape.iter().product::<usize>() == length;
            if !flat || !fits {
                return Err(self.bad_shape(part, place, format!("a vector of {length}"), ""));
            }
            let data = self.take(part, place)?.into_iter().map(f64::from);
            match r {
                TensorRef::Sum(_) if i > 0 => out.iter_mut().zip(data).for_each(|(o, d)| *o += d),
                TensorRef::Rows(_) => out.extend(data),
                _ => out = data.collect(),
            }
        }
        if out.len() == length {
            Ok(out)
        } else {
            Err(self.bad_shape(
                &r.parts()[0],
                place,
                format!("rows that add up to {length}"),
                "",
            ))
        }
    }
}

fn no_matrix(place: &str) -> ModelError {
    ModelError::Invalid {
        place: place.into(),
        what: "numbers are no matrix".into(),
        remedy: "name a tensor".into(),
    }
}

fn located(place: &str, part: &Part) -> String {
    part.line.map_or_else(
        || place.to_owned(),
        |line| format!("{place} (spec line {line})"),
    )
}

fn transpose(data: &[f32], inputs: usize, outputs: usize) -> Vec<f32> {
    let mut out = vec![0.0; data.len()];
    for (i, row) in data.chunks_exact(outputs).enumerate() {
        for (o, w) in row.iter().enumerate() {
            out[o * inputs + i] = *w;
        }
    }
    out
}
