//! Comparing outputs with golden rows, which are inputs with the outputs that the framework computed.
//!
//! It is the only check that can find a wrong spec: everything else compares the blob with what this
//! project understood of the model.

use std::borrow::Cow;

use crate::data::{Data, DataError, Rows, Sample, Samples};
use crate::engine::Runner;
use crate::eval::Evaluation;
use crate::front::Front;
use crate::graph::elements::Elements;
use crate::graph::{Graph, Op, Output};

/// How far F32 outputs may be off where the user states nothing else.
pub const TOLERANCE: f64 = 1e-5;

/// What must be known of a model to find its outputs in a golden file.
#[derive(Debug, Clone)]
pub struct Outline {
    /// Features.
    pub inputs: usize,
    /// Features' names.
    pub feature_names: Vec<String>,
    /// What makes the features of a record, where the model takes records.
    pub front: Option<Front>,
    /// Where columns are one-hot: how vectors and elements become each other. A graph takes vectors, a
    /// blob elements.
    pub elements: Option<Elements>,
    /// Name, width, and the number of the gate that the task's tower reads.
    pub tasks: Vec<(String, usize, Option<usize>)>,
    /// Tasks that are factors of others, by number: a file need not have them, for it has what they
    /// make.
    pub factors: Vec<usize>,
    /// The experts that each gate weighs, by number.
    pub gates: Vec<Vec<usize>>,
    /// Whether each expert reads the input.
    pub experts: Vec<bool>,
}

impl Outline {
    /// Returns the outline of a loaded blob.
    #[must_use]
    pub fn of_blob(runner: &Runner<'_>) -> Self {
        let nodes = runner.model.blob().nodes;
        Self {
            inputs: runner.model.inputs(),
            feature_names: runner.feature_names(),
            front: runner.front().cloned(),
            elements: runner.elements.clone(),
            tasks: runner
                .tasks
                .iter()
                .map(|t| (t.name.clone(), t.width, t.gate))
                .collect(),
            factors: runner
                .model
                .blob()
                .tasks
                .iter()
                .filter_map(mmoe::blob::TaskRecord::factors)
                .flat_map(|(a, b)| [a, b])
                .collect(),
            gates: runner.gates.iter().map(|g| g.experts.clone()).collect(),
            experts: runner
                .experts
                .iter()
                .map(|step| nodes.get(*step).is_some_and(|n| n.src == 0))
                .collect(),
        }
    }

    /// Returns the outline of a graph.
    #[must_use]
    pub fn of_graph(graph: &Graph) -> Self {
        let steps = |of: fn(&Op) -> bool| -> Vec<usize> {
            graph
                .nodes
                .iter()
                .enumerate()
                .filter(|(_, n)| of(&n.op))
                .map(|(i, _)| i)
                .collect()
        };
        let experts = steps(|op| *op == Op::Expert);
        let gates = steps(|op| matches!(op, Op::Gate { .. }));
        let task = |t: &crate::graph::Task| match t.output {
            Output::Product { .. } => (t.name.clone(), 1, None),
            Output::Linear { value } | Output::Sigmoid { value } | Output::Softmax { value } => {
                let src = value
                    .checked_sub(1)
                    .and_then(|n| graph.nodes.get(n))
                    .map_or(0, |n| n.src);
                (
                    t.name.clone(),
                    graph.width(value),
                    gates.iter().position(|g| g + 1 == src),
                )
            }
        };
        let seen = |n: &usize| match &graph.nodes[*n].op {
            Op::Gate { sees, .. } => sees
                .iter()
                .filter_map(|v| experts.iter().position(|e| e + 1 == *v))
                .collect(),
            Op::Expert | Op::Tower => Vec::new(),
        };
        Self {
            inputs: graph.width(0),
            feature_names: graph.feature_names.clone(),
            front: graph.front.clone(),
            elements: graph.elements().filter(|_| graph.front.is_none()),
            tasks: graph.tasks.iter().map(task).collect(),
            factors: graph
                .tasks
                .iter()
                .filter_map(|t| match t.output {
                    Output::Product { a, b } => Some([a, b]),
                    _ => None,
                })
                .flatten()
                .collect(),
            gates: gates.iter().map(seen).collect(),
            experts: experts.iter().map(|n| graph.nodes[*n].src == 0).collect(),
        }
    }
}

/// The worst difference of one array.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The name of the array.
    pub name: String,
    /// `|a − b|`.
    pub absolute: f64,
    /// `|a − b| / max(1, |b|)`, which is compared with the tolerance. It is infinite where one of the
    /// two is NaN or infinite.
    pub relative: f64,
    /// The number of the row.
    pub row: usize,
    /// What the model computed.
    pub found: f64,
    /// What the file has.
    pub expected: f64,
}

impl Difference {
    /// Returns `true` if the two are as near as this. NaN and infinity are near nothing, not even
    /// themselves: a golden file that holds one shows nothing, and a model that returns one is wrong.
    #[must_use]
    pub fn within(&self, tolerance: f64) -> bool {
        self.relative.is_finite() && self.relative <= tolerance
    }
}

/// What to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Outputs, and gates and experts where the file has them.
    All,
    /// Outputs.
    Outputs,
}

/// One array of the file, to be compared.
struct Wanted<'d> {
    name: String,
    /// Row after row.
    rows: Cow<'d, [f32]>,
    width: usize,
    pick: Pick,
    worst: Option<Difference>,
}

impl Wanted<'_> {
    fn row(&self, at: usize) -> &[f32] {
        let own = at * self.width..(at + 1) * self.width;
        self.rows.get(own).unwrap_or_default()
    }
}

impl Outline {
    /// The rows of a golden file. Outputs may stand beside them.
    fn rows(&self, data: &Data) -> Result<Samples, DataError> {
        let outputs = self.tasks.iter().flat_map(|(name, width, _)| {
            let beside = [name.clone(), format!("p_{name}")];
            beside
                .into_iter()
                .flat_map(|name| Data::label_columns(&name, *width))
        });
        let others: Vec<String> = outputs.collect();
        let names = &self.feature_names;
        Ok(match &self.elements {
            None => data.samples(self.front.as_ref(), self.inputs, names, &others)?,
            Some(e) if e.width() == self.inputs => data.vectors(e, names, &others)?.into(),
            Some(elements) => data.elements(elements, names, &others)?.into(),
        })
    }
}

enum Pick {
    Task(usize),
    /// A gate, and where its weights stand in the file's row.
    Gate(usize, Vec<usize>),
    /// So many experts.
    Experts(usize),
}

/// Compares every row of the file with what `evaluate` computes, and returns the number of rows and the
/// worst difference of each array. The second argument of `evaluate` is true where the outputs of the
/// experts are wanted as well. Every task must be in the file, except for factors of a product.
///
/// # Errors
///
/// Arrays that are missing or of the wrong shape, and `evaluate`'s.
pub fn compare<E: From<DataError>>(
    outline: &Outline,
    data: &Data,
    what: What,
    mut evaluate: impl FnMut(Sample<'_>, bool) -> Result<Evaluation, E>,
) -> Result<(usize, Vec<Difference>), E> {
    let x = outline.rows(data)?;
    let rows = x.len();
    let mut wanted = wanted(outline, data, what, rows)?;
    let experts = wanted.iter().any(|w| matches!(w.pick, Pick::Experts(_)));
    for (row, features) in x.iter().enumerate() {
        let y = evaluate(features, experts)?;
        for w in &mut wanted {
            let mut worst = w.worst.take();
            let golden = w.row(row);
            match &w.pick {
                Pick::Task(t) => hold(
                    &mut worst,
                    &w.name,
                    row,
                    y.tasks[*t].iter().copied(),
                    golden,
                ),
                Pick::Gate(g, at) => {
                    let mut weights = vec![0.0; golden.len()];
                    at.iter()
                        .zip(&y.gates[*g])
                        .for_each(|(i, v)| weights[*i] = *v);
                    hold(&mut worst, &w.name, row, weights.into_iter(), golden);
                }
                Pick::Experts(n) => hold(
                    &mut worst,
                    &w.name,
                    row,
                    y.experts[..*n].concat().into_iter(),
                    golden,
                ),
            }
            w.worst = worst;
        }
    }
    Ok((rows, wanted.into_iter().filter_map(|w| w.worst).collect()))
}

/// The rows of a golden file, all of finite numbers.
#[derive(Debug)]
pub(crate) struct Golden {
    /// Features; of records, the vectors that they make.
    pub(crate) x: Rows,
    /// Every task's outputs, task by task and row by row.
    pub(crate) tasks: Vec<Vec<Vec<f32>>>,
}

/// Reads the rows of a golden file, and every task's outputs.
///
/// # Errors
///
/// As [`compare`]; and a number that is not finite, which no model can be held against.
pub(crate) fn outputs(outline: &Outline, data: &Data) -> Result<Golden, DataError> {
    let samples = outline.rows(data)?;
    let finite = |name: &str, row: &[f32], at: usize| match row.iter().find(|v| !v.is_finite()) {
        Some(odd) => Err(data.not_finite(name, at, *odd)),
        None => Ok(()),
    };
    let x = samples
        .vectors(outline.front.as_ref())
        .map_err(|error| data.no_record(&error))?;
    for (at, row) in x.iter().enumerate() {
        finite("x", row, at)?;
    }
    let mut tasks = Vec::new();
    for w in wanted(outline, data, What::Outputs, x.len())? {
        let rows: Vec<Vec<f32>> = (0..x.len()).map(|at| w.row(at).to_vec()).collect();
        for (at, row) in rows.iter().enumerate() {
            finite(&w.name, row, at)?;
        }
        tasks.push(rows);
    }
    Ok(Golden { x, tasks })
}

fn hold(
    worst: &mut Option<Difference>,
    name: &str,
    row: usize,
    found: impl Iterator<Item = f64>,
    golden: &[f32],
) {
    for (found, expected) in found.zip(golden) {
        let expected = f64::from(*expected);
        // What is no finite number is as far as can be, or it would compare as smaller than every
        // real difference (NaN) or equal to itself (infinity) and hide them.
        let (absolute, relative) = if found.is_finite() && expected.is_finite() {
            let absolute = (found - expected).abs();
            (absolute, absolute / expected.abs().max(1.0))
        } else {
            (f64::INFINITY, f64::INFINITY)
        };
        if worst.as_ref().is_none_or(|w| relative > w.relative) {
            *worst = Some(Difference {
                name: name.into(),
                absolute,
                relative,
                row,
                found,
                expected,
            });
        }
    }
}

fn wanted<'d>(
    outline: &Outline,
    data: &'d Data,
    what: What,
    rows: usize,
) -> Result<Vec<Wanted<'d>>, DataError> {
    let mut wanted = Vec::new();
    let array = |name: &str, widths: &[usize]| -> Result<(Cow<'d, [f32]>, usize), DataError> {
        let t = data.require(name)?;
        let width = t.data.len().checked_div(rows).unwrap_or(0);
        if t.shape.first() != Some(&rows)
            || t.data.len() != rows * width
            || !widths.contains(&width)
        {
            let widths: Vec<String> = widths.iter().map(|w| format!("[{rows}, {w}]")).collect();
            return Err(data.wrong_shape(name, t, &widths.join(" or ")));
        }
        Ok((Cow::Borrowed(&t.data), width))
    };
    for (t, (task, width, _)) in outline.tasks.iter().enumerate() {
        let name = data.output_name(task, *width);
        if outline.factors.contains(&t) && !data.has_labels(&name, *width) {
            continue;
        }
        let (values, width) = if data.is_table() {
            (Cow::Owned(data.labels(&name, rows, *width)?), *width)
        } else {
            array(&name, &[*width])?
        };
        wanted.push(Wanted {
            name,
            rows: values,
            width,
            pick: Pick::Task(t),
            worst: None,
        });
    }
    if what == What::Outputs {
        return Ok(wanted);
    }
    for (task, _, gate) in &outline.tasks {
        let name = format!("gate_{task}");
        let Some((gate, tensor)) = gate.zip(data.array(&name)) else {
            continue;
        };
        let seen = &outline.gates[gate];
        let all = outline.experts.len();
        // A file has a column for each expert that the gate sees, or for each expert of the model.
        let at = if tensor.shape.last() == Some(&seen.len()) {
            (0..seen.len()).collect()
        } else {
            seen.clone()
        };
        let (rows, width) = array(&name, &[seen.len(), all])?;
        wanted.push(Wanted {
            rows,
            width,
            name,
            pick: Pick::Gate(gate, at),
            worst: None,
        });
    }
    if outline.front.is_none()
        && let Some(tensor) = data.array("experts")
        && let [_, count, width] = *tensor.shape.as_slice()
    {
        if outline
            .experts
            .get(..count)
            .is_none_or(|e| e.contains(&false))
        {
            let first = outline.experts.iter().take_while(|e| **e).count();
            return Err(data.wrong_shape(
                "experts",
                tensor,
                &format!("[{rows}, {first}, H]: the experts that read the input"),
            ));
        }
        let (rows, width) = array("experts", &[count * width])?;
        wanted.push(Wanted {
            name: "experts".into(),
            rows,
            width,
            pick: Pick::Experts(count),
            worst: None,
        });
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::{Difference, hold};

    /// The worst difference of these pairs of found and golden numbers, all in one row.
    fn worst(pairs: &[(f64, f32)]) -> Difference {
        let mut worst = None;
        let golden: Vec<f32> = pairs.iter().map(|p| p.1).collect();
        hold(&mut worst, "y", 0, pairs.iter().map(|p| p.0), &golden);
        worst.unwrap()
    }

    #[test]
    fn what_is_no_finite_number_never_passes() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        for (found, golden) in [
            (1.0, inf),
            (1.0, nan),
            (f64::from(inf), inf),
            (f64::from(nan), nan),
            (f64::from(inf), 1.0),
            (f64::from(nan), 1.0),
        ] {
            for pairs in [
                [(found, golden), (1.0, 6.0)],
                [(1.0, 6.0), (found, golden)],
                [(found, golden), (2.0, 2.0)],
            ] {
                let worst = worst(&pairs);
                assert!(!worst.within(1e9), "{pairs:?}");
                assert!(!worst.within(f64::INFINITY), "{pairs:?}");
            }
        }
        assert!(!worst(&[(1.0, 6.0)]).within(f64::NAN));
        assert!(worst(&[(1.0, 1.0)]).within(0.0));
    }
}
