//! A plain interpreter of programs: what every conversion of a graph is held against.
//!
//! It shares nothing with recognition but the definition of a [`Program`]. The walk over the
//! operations, the shapes, the functions and the rows that enter are all written here a second
//! time, in another manner: an operation says of each index of its result what stands there, where
//! recognition moves whole runs of symbols. So a mistake in either shows as a difference, and what
//! this one does not know is refused by its name. Slow is good enough: it runs on a few rows.
//!
//! | file | operations |
//! |---|---|
//! | `tensor` | none: shapes, indices, broadcasting |
//! | `elements` | functions of single numbers |
//! | `moves` | what only moves elements about |
//! | `sums` | products of matrices, reductions, softmax, norms |
//! | `choices` | the largest, and what is put at places |

mod choices;
mod elements;
mod moves;
mod sums;
mod tensor;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::rc::Rc;

use super::{Array, Binary, Node, Op, Program, Reduction, Refusal, Texts};
use tensor::{Tensor, axis, count};

/// How many elementary steps a batch may take: more than any model for small devices needs, and a
/// few seconds at most.
const STEPS: usize = 1 << 31;

/// What all operations share.
struct Work<'p> {
    /// What is left of the steps.
    left: Cell<usize>,
    /// The texts that numbers stand for.
    texts: &'p Texts,
}

impl Work<'_> {
    fn spend(&self, steps: usize) -> Result<(), String> {
        let left = self.left.get().checked_sub(steps);
        self.left
            .set(left.ok_or("takes more steps than a model for small devices needs")?);
        Ok(())
    }
}

fn refuse(node: String, why: String) -> Refusal {
    Refusal {
        node,
        shape: None,
        why,
    }
}

/// What the program itself computes for these rows of features, in f64: one array an output. A row
/// holds the elements of all inputs, one input behind the other.
///
/// # Errors
///
/// The first operation that cannot be computed, or the input or output that has no rows.
pub fn evaluate(program: &Program, rows: &[Vec<f64>]) -> Result<Vec<Array<f64>>, Refusal> {
    let sizes = program
        .inputs
        .iter()
        .map(|p| p.shape.first().copied().flatten());
    let fixed = sizes.flatten().next();
    let size = fixed.unwrap_or(rows.len()).max(1);
    let mut all: Vec<Array<f64>> = Vec::new();
    for batch in rows.chunks(size) {
        let made = run(program, feed(program, batch, size)?)?;
        for (at, tensor) in made.into_iter().enumerate() {
            if tensor.shape.first() != Some(&size) {
                let name = program.outputs.get(at).map_or("", |(name, _)| name);
                let why = "has no row for each row of the input: its first axis is the batch";
                return Err(refuse(format!("output `{name}`"), why.into()));
            }
            // What filled a batch of fixed size is no row.
            let real = tensor.data.len() / size * batch.len();
            let data = &tensor.data[..real];
            match all.get_mut(at) {
                Some(before) => {
                    before.shape[0] += batch.len();
                    before.data.extend(data);
                }
                None => {
                    let shape = [&[batch.len()], &tensor.shape[1..]].concat();
                    let data = data.to_vec();
                    all.push(Array { shape, data });
                }
            }
        }
    }
    Ok(all)
}

/// The inputs for a batch of this size, which the last row fills up.
fn feed(program: &Program, batch: &[Vec<f64>], size: usize) -> Result<Vec<Tensor>, Refusal> {
    let mut first = 0;
    let mut made = Vec::new();
    for port in &program.inputs {
        let place = |why: String| refuse(format!("input `{}`", port.name), why);
        let [rows, others @ ..] = port.shape.as_slice() else {
            return Err(place("is one number for all rows".into()));
        };
        if rows.is_some_and(|rows| rows != size) {
            return Err(place("has another batch than the inputs before it".into()));
        }
        let others: Option<Vec<usize>> = others.iter().copied().collect();
        let others = others.ok_or_else(|| place("leaves its number of features open".into()))?;
        let shape = [&[size], &others[..]].concat();
        count(&shape).map_err(place)?;
        let last = first + count(&others).map_err(place)?;
        let mut data = Vec::new();
        for row in 0..size {
            let row = batch
                .get(row)
                .or(batch.last())
                .and_then(|r| r.get(first..last));
            data.extend(row.ok_or_else(|| place("has more features than the rows".into()))?);
        }
        made.push(Tensor::new(&shape, data).map_err(place)?);
        first = last;
    }
    Ok(made)
}

/// The values that nodes still read, by number.
struct Values<'p> {
    program: &'p Program,
    made: Vec<Option<Rc<Tensor>>>,
}

impl Values<'_> {
    fn get(&mut self, value: usize) -> Result<Rc<Tensor>, String> {
        let unknown = "reads a value that nothing before it makes: export the model again";
        let slot = self.made.get_mut(value).ok_or(unknown)?;
        if let Some(tensor) = slot {
            return Ok(tensor.clone());
        }
        let constant = self.program.constants.get(value).and_then(Option::as_ref);
        let tensor = Rc::new(Tensor::of_constant(constant.ok_or(unknown)?)?);
        *slot = Some(tensor.clone());
        Ok(tensor)
    }

    fn set(&mut self, value: usize, tensor: Tensor) -> Result<(), String> {
        let slot = self
            .made
            .get_mut(value)
            .ok_or("makes a value that there is not")?;
        *slot = Some(Rc::new(tensor));
        Ok(())
    }
}

fn run(program: &Program, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Refusal> {
    let made = vec![None; program.constants.len()];
    let mut values = Values { program, made };
    for (port, tensor) in program.inputs.iter().zip(inputs) {
        let place = |why| refuse(format!("input `{}`", port.name), why);
        values.set(port.value, tensor).map_err(place)?;
    }
    // By value: behind which node nothing reads it any more. A node of which nothing is read is
    // not computed: what it does need not be known.
    let end = program.nodes.len();
    let mut last_use: Vec<Option<usize>> = vec![None; program.constants.len()];
    for (_, value) in &program.outputs {
        if let Some(last) = last_use.get_mut(*value) {
            *last = Some(end);
        }
    }
    let mut needed = vec![false; end];
    for (at, node) in program.nodes.iter().enumerate().rev() {
        needed[at] = node
            .outputs
            .iter()
            .any(|v| last_use.get(*v).is_some_and(Option::is_some));
        for value in node.inputs.iter().flatten().filter(|_| needed[at]) {
            if let Some(last) = last_use.get_mut(*value) {
                last.get_or_insert(at);
            }
        }
    }
    let work = Work {
        left: Cell::new(STEPS),
        texts: &program.texts,
    };
    for (at, node) in program
        .nodes
        .iter()
        .enumerate()
        .filter(|(at, _)| needed[*at])
    {
        step(&work, node, &mut values).map_err(|why| refuse(node.to_string(), why))?;
        for value in node.inputs.iter().flatten().chain(&node.outputs) {
            if last_use
                .get(*value)
                .is_some_and(|last| last.is_none_or(|last| last <= at))
            {
                values.made[*value] = None;
            }
        }
    }
    let output = |(name, value): &(String, usize)| {
        let found = values.get(*value);
        let found =
            found.map_err(|_| refuse(format!("output `{name}`"), "is made by nothing".into()));
        found.map(Rc::unwrap_or_clone)
    };
    program.outputs.iter().map(output).collect()
}

/// Computes one node.
fn step(work: &Work, node: &Node, values: &mut Values) -> Result<(), String> {
    let mut read = Vec::new();
    for value in &node.inputs {
        read.push(value.map(|v| values.get(v)).transpose()?);
    }
    let made = operation(work, node, &read)?;
    work.spend(made.iter().map(|t| t.data.len()).sum::<usize>() + 1)?;
    if made.len() < node.outputs.len().min(1) {
        return Err("makes nothing".into());
    }
    // Further outputs that an operation is not known to make are refused where they are read.
    for (value, tensor) in node.outputs.iter().zip(made) {
        values.set(*value, tensor)?;
    }
    Ok(())
}

/// The results of one node.
fn operation(work: &Work, node: &Node, read: &[Option<Rc<Tensor>>]) -> Result<Vec<Tensor>, String> {
    let given = |at: usize| read.get(at).and_then(Option::as_deref);
    let input = |at: usize| given(at).ok_or_else(|| format!("lacks its input {at}"));
    let list = |at: usize| input(at)?.whole();
    let all = || (0..read.len()).map(input).collect::<Result<Vec<_>, _>>();
    // An attribute, or else the second input, or else nothing.
    let listed = |attribute: &Option<Vec<i64>>| match (attribute, given(1)) {
        (Some(list), _) => Ok(list.clone()),
        (None, Some(list)) => list.whole(),
        (None, None) => Ok(Vec::new()),
    };
    let x = || input(0);
    let one = match &node.op {
        Op::Other => return Err("is an operation that mmoe does not know".into()),
        Op::Identity => x()?.clone(),
        Op::Unary(f) => elements::unary(*f, x()?)?,
        Op::Truncate => Tensor::new(&x()?.shape, x()?.data.iter().map(|v| v.trunc()).collect())?,
        Op::Scale(factor) => elements::binary(Binary::Mul, &Tensor::scalar(*factor), x()?)?,
        Op::Binary(f) => {
            let mut made = x()?.clone();
            for other in all()?.into_iter().skip(1) {
                made = elements::binary(*f, &made, other)?;
            }
            made
        }
        Op::Where => elements::choose(x()?, input(1)?, input(2)?)?,
        Op::MatMul {
            transpose_a,
            transpose_b,
        } => sums::matmul(work, x()?, input(1)?, [*transpose_a, *transpose_b])?,
        Op::Einsum(equation) => sums::einsum(work, equation, &all()?)?,
        Op::Pointwise { groups } => sums::pointwise(work, x()?, input(1)?, given(2), *groups)?,
        Op::Softmax { axis, flatten } => sums::softmax(x()?, *axis, *flatten)?,
        Op::Reduce { by, axes, keep } => sums::reduce(*by, x()?, &listed(axes)?, *keep)?,
        Op::PlaceMean => {
            let places: Vec<i64> = (2..x()?.rank() as i64).collect();
            if places.is_empty() {
                return Err("averages places where there are none".into());
            }
            sums::reduce(Reduction::Mean, x()?, &places, true)?
        }
        Op::LayerNorm {
            axis: first,
            epsilon,
            rms,
        } => {
            let size = count(&x()?.shape[axis(*first, x()?.rank())?..])?;
            let mut made = sums::normalise(x()?, size, *epsilon, *rms)?;
            if let Some(gain) = given(1) {
                made = elements::binary(Binary::Mul, &made, gain)?;
            }
            match given(2) {
                Some(bias) => elements::binary(Binary::Add, &made, bias)?,
                None => made,
            }
        }
        Op::GroupNorm { groups, epsilon } => {
            sums::group_norm(x()?, [input(1)?, input(2)?], *groups, *epsilon)?
        }
        Op::BatchNorm {
            epsilon,
            axis: along,
        } => {
            let along = axis(*along, x()?.rank())?;
            let of = |at: usize| sums::per_unit(x()?, along, &input(at)?.data);
            let (gain, bias, mean, variance) = (of(1)?, of(2)?, of(3)?, of(4)?);
            let centred = elements::binary(Binary::Sub, x()?, &mean)?;
            let deviation = variance.data.iter().map(|v| (v + epsilon).sqrt()).collect();
            let deviation = Tensor::new(&variance.shape, deviation)?;
            let whitened = elements::binary(Binary::Div, &centred, &deviation)?;
            let scaled = elements::binary(Binary::Mul, &whitened, &gain)?;
            elements::binary(Binary::Add, &scaled, &bias)?
        }
        Op::Reshape { zero } => moves::reshape(x()?, &list(1)?, *zero)?,
        Op::Flatten { axis } => moves::flatten(x()?, *axis)?,
        Op::Squeeze { axes } => moves::squeeze(x()?, &listed(axes)?)?,
        Op::Unsqueeze { axes } => moves::unsqueeze(x()?, &listed(axes)?)?,
        Op::Transpose { order } => {
            let order = match (order, given(1)) {
                (None, None) => (0..x()?.rank() as i64).rev().collect(),
                _ => listed(order)?,
            };
            moves::transpose(x()?, &order)?
        }
        Op::Concat { axis } => moves::concat(&all()?, *axis)?,
        Op::Stack { axis } => moves::stack(&all()?, *axis)?,
        Op::Split { axis, sizes } => {
            return moves::split(x()?, *axis, &listed(sizes)?, node.outputs.len());
        }
        Op::Unstack { axis } => return moves::unstack(x()?, *axis),
        Op::Slice => {
            let axes = given(3).map(Tensor::whole).transpose()?;
            let steps = given(4).map(Tensor::whole).transpose()?;
            let ends = [&list(1)?[..], &list(2)?];
            moves::slice(x()?, ends, axes.as_deref(), steps.as_deref())?
        }
        Op::StridedSlice {
            begin,
            end,
            shrink,
            new_axis,
        } => {
            let masks = moves::Masks {
                begin: *begin,
                end: *end,
                shrink: *shrink,
                new_axis: *new_axis,
            };
            moves::strided_slice(x()?, [&list(1)?, &list(2)?, &list(3)?], &masks)?
        }
        Op::SliceSize => moves::slice_size(x()?, &list(1)?, &list(2)?)?,
        Op::Gather { axis } => moves::gather(x()?, *axis, input(1)?)?,
        Op::Expand => moves::expand(x()?, &list(1)?)?,
        Op::Tile => moves::tile(x()?, &list(1)?)?,
        Op::Shape { start, end } => {
            let sizes: Vec<f64> = x()?.shape.iter().map(|s| *s as f64).collect();
            let sizes = Tensor::new(&[sizes.len()], sizes)?;
            moves::slice(&sizes, [&[*start], &[*end]], None, None)?
        }
        Op::Fill(v) => Tensor::build(&moves::sizes(&list(0)?)?, |_| Ok(*v))?,
        Op::FillWith => {
            let v = input(1)?.data.first().ok_or("fills with nothing")?;
            Tensor::build(&moves::sizes(&list(0)?)?, |_| Ok(*v))?
        }
        Op::Range => {
            let number = |at| {
                input(at)?
                    .data
                    .first()
                    .copied()
                    .ok_or("counts to nothing".to_owned())
            };
            let (start, limit, step) = (number(0)?, number(1)?, number(2)?);
            let numbers = ((limit - start) / step).ceil().max(0.0) as usize;
            Tensor::build(&[numbers], |at| Ok(start + step * at[0] as f64))?
        }
        Op::TopK { axis } => return choices::top_k(x()?, &list(1)?, *axis),
        Op::ArgMax { axis, keep: true } => choices::largest(x()?, *axis)?,
        Op::ArgMax { axis, keep: false } => {
            moves::squeeze(&choices::largest(x()?, *axis)?, &[*axis])?
        }
        Op::OneHot { axis, wraps } => choices::one_hot(x()?, &list(1)?, input(2)?, *axis, *wraps)?,
        Op::Find => choices::find(x()?, [input(1)?, input(2)?, input(3)?])?,
        Op::Hash(buckets) => choices::hash(x()?, *buckets, work.texts)?,
        Op::Scatter { axis } => choices::scatter(x()?, input(1)?, input(2)?, *axis)?,
    };
    Ok(vec![one])
}
