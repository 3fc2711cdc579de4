//! Running a program for recognition: the walk over its operations, apart from what stands for a
//! number, which is [`super::elements`]' matter. What verifies a conversion is [`super::interpret`].

use std::rc::Rc;

use super::codes::Map;
use super::elements::Element;
use super::layout::{self, axes, axis, filled, sizes, split, strided, volume};
use super::sums::turned;
use super::symbol::Symbols;
use super::{Array, Binary, Node, Op, Program, Reduction, Refusal, Unary};

/// How many elementary steps a run may take: more than any model for small devices needs, and a
/// few seconds at most.
const STEPS: usize = 1 << 31;

/// Computes the outputs of a program for these inputs, in the order of its ports.
pub(super) fn run(
    program: &Program,
    symbols: &mut Symbols,
    inputs: Vec<Array<Element>>,
) -> Result<Vec<Array<Element>>, Refusal> {
    let needed = needed(program);
    let mut reads = vec![0usize; program.constants.len()];
    let nodes = program.nodes.iter().zip(&needed);
    let read = nodes
        .filter(|(_, needed)| **needed)
        .flat_map(|(n, _)| n.inputs.iter().flatten());
    for value in read.chain(program.outputs.iter().map(|(_, value)| value)) {
        reads[*value] += 1;
    }
    let mut values: Vec<Option<Rc<Array<Element>>>> = vec![None; program.constants.len()];
    for (port, array) in program.inputs.iter().zip(inputs) {
        values[port.value] = Some(Rc::new(array));
    }
    let mut walk = Walk {
        symbols,
        steps: STEPS,
    };
    for (at, node) in program
        .nodes
        .iter()
        .enumerate()
        .filter(|(at, _)| needed[*at])
    {
        walk.symbols.begin(at);
        let refuse = |why: String| Refusal {
            node: node.to_string(),
            shape: None,
            why,
        };
        let mut read = Vec::with_capacity(node.inputs.len());
        for input in &node.inputs {
            let Some(v) = *input else {
                read.push(None);
                continue;
            };
            if values[v].is_none() {
                let array = program.constants[v].as_ref().map(lift);
                values[v] = array.map(Rc::new);
            }
            let array = values[v].clone();
            read.push(Some(array.ok_or_else(|| {
                refuse("reads a value that nothing before it makes: export the model again".into())
            })?));
        }
        let made = walk.node(node, &read).map_err(refuse)?;
        drop(read);
        // What nothing reads any more is not kept: weights are large here.
        for v in node.inputs.iter().flatten() {
            reads[*v] -= 1;
            if reads[*v] == 0 {
                values[*v] = None;
            }
        }
        for (at, (value, array)) in node.outputs.iter().zip(made).enumerate() {
            if at == 0 {
                walk.symbols.made(&array.shape);
            }
            values[*value] = Some(Rc::new(array));
        }
    }
    let output = |(name, value): &(String, usize)| {
        let array = values[*value].clone();
        let constant = || program.constants[*value].as_ref().map(|a| Rc::new(lift(a)));
        array
            .or_else(constant)
            .map(Rc::unwrap_or_clone)
            .ok_or_else(|| Refusal {
                node: format!("output `{name}`"),
                shape: None,
                why: "is made by nothing".into(),
            })
    };
    program.outputs.iter().map(output).collect()
}

/// Which nodes the outputs depend on.
fn needed(program: &Program) -> Vec<bool> {
    let mut values = vec![false; program.constants.len()];
    for (_, value) in &program.outputs {
        values[*value] = true;
    }
    let mut nodes = vec![false; program.nodes.len()];
    for (at, node) in program.nodes.iter().enumerate().rev() {
        if node.outputs.iter().any(|v| values[*v]) {
            nodes[at] = true;
            for input in node.inputs.iter().flatten() {
                values[*input] = true;
            }
        }
    }
    nodes
}

type Read = [Option<Rc<Array<Element>>>];

pub(super) struct Walk<'s> {
    pub(super) symbols: &'s mut Symbols,
    steps: usize,
}

fn lift(array: &Array<f64>) -> Array<Element> {
    Array {
        shape: array.shape.clone(),
        data: array.data.iter().map(|v| Element::Known(*v)).collect(),
    }
}

/// The whole numbers that an array holds.
fn integers(x: &Array<Element>) -> Result<Vec<i64>, String> {
    let whole = |x: &Element| {
        let v = Element::known(*x).ok_or("takes indices or sizes from the input's values")?;
        Ok(v as i64)
    };
    x.data.iter().map(whole).collect()
}

impl Walk<'_> {
    pub(super) fn step(&mut self, count: usize) -> Result<(), String> {
        self.steps = self
            .steps
            .checked_sub(count)
            .ok_or("takes more steps than a model for small devices needs")?;
        Ok(())
    }

    fn node(&mut self, node: &Node, read: &Read) -> Result<Vec<Array<Element>>, String> {
        self.step(1)?;
        let input = |at: usize| -> Result<&Array<Element>, String> {
            let found = read.get(at).and_then(Option::as_ref);
            found
                .map(|a| &**a)
                .ok_or_else(|| format!("lacks its input {at}"))
        };
        let list = |at: usize| integers(input(at)?);
        let has = |at: usize| read.get(at).is_some_and(Option::is_some);
        // An attribute, or else the second input, or else nothing.
        let listed = |given: &Option<Vec<i64>>| match given {
            Some(list) => Ok(list.clone()),
            None if has(1) => list(1),
            None => Ok(Vec::new()),
        };
        let one = match &node.op {
            Op::Other => return Err("is an operation that mmoe does not know".into()),
            Op::Unary(f) => self.unary(*f, input(0)?)?,
            Op::Truncate => {
                let why = "makes whole numbers of the input's values";
                let data = input(0)?.data.iter();
                let data = data.map(|x| self.symbols.truncate(*x).ok_or(why));
                let data = data.collect::<Result<_, _>>()?;
                Array {
                    shape: input(0)?.shape.clone(),
                    data,
                }
            }
            Op::Scale(factor) => {
                let factor = Array::scalar(Element::Known(*factor));
                self.binary(Binary::Mul, input(0)?, &factor)?
            }
            Op::Binary(f) if node.inputs.len() > 2 => {
                let mut made = self.binary(*f, input(0)?, input(1)?)?;
                for at in 2..node.inputs.len() {
                    made = self.binary(*f, &made, input(at)?)?;
                }
                made
            }
            Op::Binary(_) if !has(1) => input(0)?.clone(),
            Op::Binary(f) => self.binary(*f, input(0)?, input(1)?)?,
            Op::Where => self.choose(input(0)?, input(1)?, input(2)?)?,
            Op::MatMul {
                transpose_a,
                transpose_b,
            } => {
                let (a, b) = (
                    turned(input(0)?, *transpose_a)?,
                    turned(input(1)?, *transpose_b)?,
                );
                self.matmul(&a, &b)?
            }
            Op::Einsum(equation) => {
                let arrays: Result<Vec<_>, _> = (0..read.len()).map(input).collect();
                self.einsum(equation, &arrays?)?
            }
            Op::Softmax {
                axis: along,
                flatten,
            } => self.softmax(input(0)?, *along, *flatten)?,
            Op::Reduce { by, axes, keep } => self.reduce(*by, input(0)?, &listed(axes)?, *keep)?,
            Op::LayerNorm {
                axis: first,
                epsilon,
                rms,
            } => {
                let x = input(0)?;
                let first = axis(*first, x.shape.len())?;
                let last = volume(&x.shape[first..])?.max(1);
                let mut data = Vec::with_capacity(x.data.len());
                for group in x.data.chunks_exact(last) {
                    data.extend(self.symbols.norm(*rms, *epsilon, group)?);
                }
                let mut y = Array {
                    shape: x.shape.clone(),
                    data,
                };
                if has(1) {
                    y = self.binary(Binary::Mul, &y, input(1)?)?;
                }
                if has(2) {
                    y = self.binary(Binary::Add, &y, input(2)?)?;
                }
                y
            }
            Op::PlaceMean => {
                let axes: Vec<i64> = (2..input(0)?.shape.len() as i64).collect();
                if axes.is_empty() {
                    return Err("averages places where there are none".into());
                }
                self.reduce(Reduction::Mean, input(0)?, &axes, true)?
            }
            Op::GroupNorm { groups, epsilon } => {
                self.group_norm(input(0)?, [input(1)?, input(2)?], *groups, *epsilon)?
            }
            Op::Pointwise { groups } => {
                let mut y = self.pointwise(input(0)?, input(1)?, *groups)?;
                if has(2) {
                    let mut bias = input(2)?.clone();
                    bias.shape.resize(y.shape.len() - 1, 1);
                    y = self.binary(Binary::Add, &y, &bias)?;
                }
                y
            }
            Op::BatchNorm {
                epsilon,
                axis: along,
            } => {
                let x = input(0)?;
                let along = axis(*along, x.shape.len())?;
                let mut shape = vec![1; x.shape.len()];
                shape[along] = x.shape[along];
                let of = |at: usize| -> Result<Array<Element>, String> {
                    let data = input(at)?.data.clone();
                    if data.len() != shape[along] {
                        return Err(format!(
                            "has {} numbers for {} units",
                            data.len(),
                            shape[along]
                        ));
                    }
                    Ok(Array {
                        shape: shape.clone(),
                        data,
                    })
                };
                let epsilon = Array::scalar(Element::Known(*epsilon));
                let variance = self.binary(Binary::Add, &of(4)?, &epsilon)?;
                let deviation = self.unary(Unary::Power(-0.5), &variance)?;
                let gain = self.binary(Binary::Mul, &of(1)?, &deviation)?;
                let mean = self.binary(Binary::Mul, &of(3)?, &gain)?;
                let offset = self.binary(Binary::Sub, &of(2)?, &mean)?;
                let scaled = self.binary(Binary::Mul, x, &gain)?;
                self.binary(Binary::Add, &scaled, &offset)?
            }
            Op::Reshape { zero } => layout::reshape(input(0)?, &list(1)?, *zero)?,
            Op::Flatten { axis: first } => {
                let x = input(0)?;
                let rank = x.shape.len();
                let first = if *first == rank as i64 {
                    rank
                } else {
                    axis(*first, rank)?
                };
                let shape = vec![volume(&x.shape[..first])?, volume(&x.shape[first..])?];
                Array {
                    shape,
                    data: x.data.clone(),
                }
            }
            Op::Squeeze { axes } => layout::squeeze(input(0)?, &listed(axes)?)?,
            Op::Unsqueeze { axes } => layout::unsqueeze(input(0)?, &listed(axes)?)?,
            Op::Transpose { order } => {
                let x = input(0)?;
                let order = match order {
                    Some(order) => order.clone(),
                    None if has(1) => list(1)?,
                    None => (0..x.shape.len() as i64).rev().collect(),
                };
                layout::transpose(x, &axes(&order, x.shape.len())?)?
            }
            Op::Concat { axis } => {
                let parts: Result<Vec<_>, _> = (0..read.len()).map(input).collect();
                layout::concat(&parts?, *axis)?
            }
            Op::Stack { axis } => {
                let parts = (0..read.len()).map(|at| layout::unsqueeze(input(at)?, &[*axis]));
                let parts: Vec<_> = parts.collect::<Result<_, _>>()?;
                layout::concat(&parts.iter().collect::<Vec<_>>(), *axis)?
            }
            Op::Split { axis: along, sizes } => {
                let x = input(0)?;
                let along = axis(*along, x.shape.len())?;
                return split(x, along, &listed(sizes)?, node.outputs.len());
            }
            Op::Unstack { axis: along } => {
                let x = input(0)?;
                let along = axis(*along, x.shape.len())?;
                let pieces = split(x, along, &[], node.outputs.len())?;
                let along = [along as i64];
                return pieces.iter().map(|p| layout::squeeze(p, &along)).collect();
            }
            Op::Slice => {
                let x = input(0)?;
                let (starts, ends) = (list(1)?, list(2)?);
                let all = (0..starts.len() as i64).collect();
                let along = if has(3) { list(3)? } else { all };
                let steps = if has(4) {
                    list(4)?
                } else {
                    vec![1; starts.len()]
                };
                let mut y = x.clone();
                let each = along.iter().zip(&starts).zip(ends.iter().zip(&steps));
                for ((along, start), (end, step)) in each {
                    let along = axis(*along, x.shape.len())?;
                    let at = layout::slice_indices(*start, *end, *step, y.shape[along])?;
                    y = layout::take(&y, along, &at)?;
                }
                y
            }
            Op::SliceSize => {
                let (mut y, begins, sizes) = (input(0)?.clone(), list(1)?, list(2)?);
                for (along, (begin, size)) in begins.iter().zip(&sizes).enumerate() {
                    let along = axis(along as i64, y.shape.len())?;
                    let rest = y.shape[along] as i64;
                    let end = if *size < 0 {
                        rest
                    } else {
                        begin.saturating_add(*size)
                    };
                    let at = layout::slice_indices(*begin, end, 1, y.shape[along])?;
                    y = layout::take(&y, along, &at)?;
                }
                y
            }
            Op::StridedSlice {
                begin,
                end,
                shrink,
                new_axis,
            } => strided(
                input(0)?,
                [&list(1)?, &list(2)?, &list(3)?],
                [*begin, *end, *shrink, *new_axis],
            )?,
            Op::Gather { axis: along } => {
                let (x, at) = (input(0)?, input(1)?);
                let along = axis(*along, x.shape.len())?;
                if at.data.iter().any(|i| Element::known(*i).is_none()) {
                    let table = node.inputs.first().copied().flatten().unwrap_or(0);
                    return Ok(vec![self.lookup(table, along, x, at)?]);
                }
                let size = x.shape[along] as i64;
                let indices = integers(at)?.into_iter().map(|i| {
                    let i = if i < 0 { i.saturating_add(size) } else { i };
                    usize::try_from(i).map_err(|_| format!("takes index {i} of an axis of {size}"))
                });
                let mut y = layout::take(x, along, &indices.collect::<Result<Vec<_>, _>>()?)?;
                y.shape.splice(along..=along, at.shape.iter().copied());
                volume(&y.shape)?;
                y
            }
            Op::Expand => {
                let x = input(0)?;
                let shape = sizes(&list(1)?)?;
                layout::broadcast(x, &layout::broadcast_shape(&x.shape, &shape)?)?
            }
            Op::Tile => {
                let mut y = input(0)?.clone();
                for (along, times) in sizes(&list(1)?)?.into_iter().enumerate() {
                    let along = axis(along as i64, y.shape.len())?;
                    let mut shape = y.shape.clone();
                    shape[along] = shape[along].saturating_mul(times);
                    volume(&shape)?;
                    let size = y.shape[along];
                    let at: Vec<usize> = (0..times).flat_map(|_| 0..size).collect();
                    y = layout::take(&y, along, &at)?;
                }
                y
            }
            Op::Shape { start, end } => {
                let shape = &input(0)?.shape;
                let at = layout::slice_indices(*start, *end, 1, shape.len())?;
                Array::vector(
                    at.iter()
                        .map(|a| Element::Known(shape[*a] as f64))
                        .collect(),
                )
            }
            Op::Fill(value) => filled(&list(0)?, Element::Known(*value))?,
            Op::FillWith => {
                let value = *input(1)?.data.first().ok_or("fills with nothing")?;
                filled(&list(0)?, value)?
            }
            Op::Range => {
                let number = |at: usize| {
                    let first = input(at)?.data.first().and_then(|x| Element::known(*x));
                    first.ok_or_else(|| "counts to a value of the input".to_owned())
                };
                let (start, limit, step) = (number(0)?, number(1)?, number(2)?);
                let count = ((limit - start) / step).ceil().max(0.0);
                let count = volume(&[count as usize])?;
                let numbers = (0..count).map(|i| Element::Known(start + step * i as f64));
                Array::vector(numbers.collect())
            }
            Op::TopK { axis: along } => return self.largest(input(0)?, &list(1)?, *along),
            Op::ArgMax { axis: along, keep } => self.place_of_largest(input(0)?, *along, *keep)?,
            Op::Find => {
                let numbers = |at: usize| -> Result<Vec<f64>, String> {
                    let known = input(at)?.data.iter().map(|x| x.known());
                    let why = "looks up in a table that depends on the input";
                    known.collect::<Option<_>>().ok_or_else(|| why.into())
                };
                let map = Rc::new(Map::new(numbers(1)?, numbers(2)?, &numbers(3)?)?);
                self.step(map.len())?;
                let x = input(0)?;
                let data = x.data.iter().map(|x| self.symbols.find(&map, *x));
                Array {
                    shape: x.shape.clone(),
                    data: data.collect::<Result<_, _>>()?,
                }
            }
            Op::Hash(buckets) => {
                let x = input(0)?;
                let data = x.data.iter().map(|x| self.symbols.hash(*buckets, *x));
                Array {
                    shape: x.shape.clone(),
                    data: data.collect::<Result<_, _>>()?,
                }
            }
            Op::OneHot { axis: along, wraps } => {
                let made = node.outputs.first().copied().unwrap_or(0);
                self.one_hot(input(0)?, &list(1)?, input(2)?, (*along, *wraps), made)?
            }
            Op::Scatter { axis: along } => self.scatter(input(0)?, input(1)?, input(2)?, *along)?,
            Op::Identity => input(0)?.clone(),
        };
        Ok(vec![one])
    }

    fn unary(&mut self, f: Unary, x: &Array<Element>) -> Result<Array<Element>, String> {
        self.step(x.data.len())?;
        let data = x
            .data
            .iter()
            .map(|x| self.symbols.unary(f, *x))
            .collect::<Result<_, _>>()?;
        Ok(Array {
            shape: x.shape.clone(),
            data,
        })
    }

    pub(super) fn binary(
        &mut self,
        f: Binary,
        a: &Array<Element>,
        b: &Array<Element>,
    ) -> Result<Array<Element>, String> {
        let shape = layout::broadcast_shape(&a.shape, &b.shape)?;
        let (a, b) = (layout::broadcast(a, &shape)?, layout::broadcast(b, &shape)?);
        self.step(a.data.len())?;
        let pairs = a.data.iter().zip(&b.data);
        let data = pairs
            .map(|(a, b)| self.symbols.binary(f, *a, *b))
            .collect::<Result<_, _>>()?;
        Ok(Array { shape, data })
    }

    fn choose(
        &mut self,
        condition: &Array<Element>,
        a: &Array<Element>,
        b: &Array<Element>,
    ) -> Result<Array<Element>, String> {
        let shape = layout::broadcast_shape(&a.shape, &b.shape)?;
        let shape = layout::broadcast_shape(&shape, &condition.shape)?;
        let condition = layout::broadcast(condition, &shape)?;
        let (a, b) = (layout::broadcast(a, &shape)?, layout::broadcast(b, &shape)?);
        let all = condition.data.iter().zip(a.data.iter().zip(&b.data));
        let data = all.map(|(c, (a, b))| self.symbols.choose(*c, *a, *b));
        let data = data.collect::<Result<_, _>>()?;
        Ok(Array { shape, data })
    }
}
