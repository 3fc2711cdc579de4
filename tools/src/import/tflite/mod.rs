//! TensorFlow Lite models.
//!
//! Quantized ones are read as the numbers that their integers stand for: what the integers round is
//! left out, and a note says so.

mod flatbuffer;
mod operators;
mod tables;

use super::collect::Budget;
use super::{Reason, Weights};
use crate::program::build::Builder;
use crate::program::{Array, Given};
use flatbuffer::{Table, Vector};

const FORMAT: &str = "TensorFlow Lite";

/// The numbers of the schema's fields.
mod field {
    pub(super) mod model {
        pub(crate) const CODES: usize = 1;
        pub(crate) const SUBGRAPHS: usize = 2;
        pub(crate) const BUFFERS: usize = 4;
        pub(crate) const SIGNATURES: usize = 7;
    }
    pub(super) mod code {
        pub(crate) const OLD: usize = 0;
        pub(crate) const CUSTOM: usize = 1;
        pub(crate) const NEW: usize = 3;
    }
    pub(super) mod graph {
        pub(crate) const TENSORS: usize = 0;
        pub(crate) const INPUTS: usize = 1;
        pub(crate) const OUTPUTS: usize = 2;
        pub(crate) const OPERATORS: usize = 3;
    }
    pub(super) mod tensor {
        pub(crate) const SHAPE: usize = 0;
        pub(crate) const DTYPE: usize = 1;
        pub(crate) const BUFFER: usize = 2;
        pub(crate) const NAME: usize = 3;
        pub(crate) const QUANTIZATION: usize = 4;
        pub(crate) const SIGNATURE: usize = 7;
    }
    pub(super) mod quantization {
        pub(crate) const SCALE: usize = 2;
        pub(crate) const ZERO: usize = 3;
        pub(crate) const AXIS: usize = 6;
    }
    pub(super) mod operator {
        pub(crate) const CODE: usize = 0;
        pub(crate) const INPUTS: usize = 1;
        pub(crate) const OUTPUTS: usize = 2;
        pub(crate) const OPTIONS: usize = 4;
    }
    pub(super) mod signature {
        pub(crate) const INPUTS: usize = 0;
        pub(crate) const OUTPUTS: usize = 1;
        pub(crate) const NAME: usize = 0;
        pub(crate) const TENSOR: usize = 1;
    }
}

/// The schema's element types.
mod dtype {
    pub(super) const STRING: i8 = 5;
    pub(super) const WHOLES: [i8; 3] = [2, 4, 6];
}

/// Reads a model.
pub(super) fn read(bytes: &[u8]) -> Result<Weights, Reason> {
    let mut budget = Budget::new(bytes.len());
    let damaged = |what: &str| Reason::damaged(FORMAT, what);
    let model = Table::root(bytes).ok_or_else(|| damaged("it has no model"))?;
    let graphs = model.vector(field::model::SUBGRAPHS);
    let graph = graphs.table(0).ok_or_else(|| damaged("it has no graph"))?;
    let tensors = graph.vector(field::graph::TENSORS);
    let operators = graph.vector(field::graph::OPERATORS);
    /// What an operator or a tensor takes in memory; a file can list one of them many times.
    const OF_A_TABLE: u64 = 256;
    budget.take(
        (tensors.len() + operators.len()) as u64 * OF_A_TABLE,
        "the graph",
    )?;

    let mut builder = Builder::new("TensorFlow Lite graph");
    let mut quantized = false;
    let mut names = Vec::with_capacity(tensors.len());
    for tensor in tensors.tables() {
        let value = builder.fresh();
        names.push(tensor.string(field::tensor::NAME));
        let scales = quantization(tensor).map(|q| q.vector(field::quantization::SCALE).len());
        quantized |= scales.is_some_and(|s| s > 0);
        builder.set_kind(value, given(tensor));
        if let Some((array, _)) = constant(&mut builder, bytes, model, tensor, &mut budget)? {
            builder.know(value, array);
        }
    }
    if names.len() != tensors.len() {
        return Err(damaged("a tensor lies outside it"));
    }
    let signature = model.vector(field::model::SIGNATURES).table(0);
    let named = |at: usize| -> Vec<(usize, String)> {
        let entries = signature
            .map(|s| s.vector(at).tables())
            .into_iter()
            .flatten();
        let entry = |e: Table<'_>| {
            let tensor = usize::try_from(e.int(field::signature::TENSOR).unwrap_or(0)).ok()?;
            Some((tensor, e.string(field::signature::NAME)))
        };
        entries.filter_map(entry).collect()
    };
    let value = |at: i32| {
        let at = usize::try_from(at).ok().filter(|v| *v < names.len());
        at.ok_or_else(|| damaged("it reads a tensor that it does not have"))
    };
    let inputs = named(field::signature::INPUTS);
    for input in graph.vector(field::graph::INPUTS).ints() {
        let at = value(input)?;
        let found = inputs.iter().find(|(t, _)| *t == at);
        let name = found.map_or(names[at].as_str(), |(_, n)| n);
        let Some(tensor) = tensors.table(at) else {
            continue;
        };
        let open = tensor.vector(field::tensor::SIGNATURE);
        let sizes = if open.len() > 0 {
            open
        } else {
            tensor.vector(field::tensor::SHAPE)
        };
        let shape = sizes
            .ints()
            .map(|s| usize::try_from(s).ok().filter(|s| *s > 0))
            .collect();
        builder.input(name, at, shape, given(tensor));
    }
    let tables = tables::read(&mut builder, bytes, model, &mut budget)?;
    let file = operators::File {
        model,
        names: &names,
        tables: &tables,
    };
    let mut handles = std::collections::HashMap::new();
    for operator in operators.tables() {
        operators::translate(&mut builder, &file, operator, &mut handles)?;
        // The file says what each tensor holds.
        for made in operator.vector(field::operator::OUTPUTS).ints() {
            let made = usize::try_from(made).ok().filter(|t| *t < names.len());
            if let Some((at, tensor)) = made.and_then(|t| Some((t, tensors.table(t)?))) {
                builder.set_kind(at, given(tensor));
            }
        }
    }
    // The graph's own order of the outputs is not the model's; the signature's names are.
    let mut outputs = named(field::signature::OUTPUTS);
    outputs.sort_by(|(_, a), (_, b)| a.len().cmp(&b.len()).then(a.cmp(b)));
    let listed: Vec<usize> = graph
        .vector(field::graph::OUTPUTS)
        .ints()
        .map(value)
        .collect::<Result<_, _>>()?;
    if outputs.len() != listed.len() || outputs.iter().any(|(t, _)| !listed.contains(t)) {
        outputs = listed.iter().map(|t| (*t, names[*t].clone())).collect();
    }
    for (value, name) in outputs {
        builder.output(&name, value);
    }
    let mut weights = Weights {
        format: "TensorFlow Lite graph".into(),
        program: Some(builder.finish()),
        ..Weights::default()
    };
    if quantized {
        let note = "its integers are read as the numbers that they stand for; what their \
                    arithmetic rounds is left out";
        weights.notes.push(note.into());
    }
    Ok(weights)
}

fn quantization(tensor: Table<'_>) -> Option<Table<'_>> {
    tensor.table(field::tensor::QUANTIZATION)
}

/// What a tensor's elements are; integers that stand for other numbers are numbers.
fn given(tensor: Table<'_>) -> Given {
    let scaled =
        quantization(tensor).is_some_and(|q| q.vector(field::quantization::SCALE).len() > 0);
    match tensor.byte(field::tensor::DTYPE).unwrap_or(0) {
        dtype::STRING => Given::Texts,
        other if dtype::WHOLES.contains(&other) && !scaled => Given::Wholes,
        _ => Given::Numbers,
    }
}

/// What a tensor holds, if it is a constant; texts are numbered.
fn constant(
    builder: &mut Builder,
    bytes: &[u8],
    model: Table<'_>,
    tensor: Table<'_>,
    budget: &mut Budget,
) -> Result<Option<(Array<f64>, Given)>, Reason> {
    let buffer = usize::try_from(tensor.int(field::tensor::BUFFER).unwrap_or(0)).ok();
    let buffers = model.vector(field::model::BUFFERS);
    let data = buffer
        .and_then(|b| buffers.table(b))
        .map(|b| data(bytes, b));
    let Some(data) = data.filter(|d| !d.is_empty()) else {
        return Ok(None);
    };
    let (name, kind) = (tensor.string(field::tensor::NAME), given(tensor));
    if kind != Given::Texts {
        return Ok(Some((array(tensor, data, &name, budget)?, kind)));
    }
    let damaged = || Reason::damaged(FORMAT, format!("the texts of tensor `{name}` are cut off"));
    budget.take((data.len() as u64).saturating_mul(8), &name)?;
    let numbers = texts(data).ok_or_else(damaged)?;
    let numbers: Vec<f64> = numbers
        .iter()
        .map(|text| builder.text(&String::from_utf8_lossy(text)))
        .collect();
    let sizes = tensor.vector(field::tensor::SHAPE).ints();
    let shape: Option<Vec<usize>> = sizes.map(|s| usize::try_from(s).ok()).collect();
    let shape = shape.ok_or_else(damaged)?;
    if shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s)) != Some(numbers.len()) {
        return Err(damaged());
    }
    let data = numbers;
    Ok(Some((Array { shape, data }, kind)))
}

/// Their count, where each begins and the last ends, and the texts behind each other.
fn texts(data: &[u8]) -> Option<Vec<&[u8]>> {
    let number = |at: usize| {
        let bytes = data.get(at.checked_mul(4)?..)?.first_chunk::<4>()?;
        usize::try_from(i32::from_le_bytes(*bytes)).ok()
    };
    let count = number(0).filter(|count| *count <= data.len() / 4)?;
    (1..=count)
        .map(|at| data.get(number(at)?..number(at + 1)?))
        .collect()
}

/// A buffer's bytes, which may stand behind the tables.
fn data<'a>(bytes: &'a [u8], buffer: Table<'a>) -> &'a [u8] {
    let (start, size) = (buffer.long(1).unwrap_or(0), buffer.long(2).unwrap_or(0));
    if start > 1
        && let (Ok(start), Ok(size)) = (usize::try_from(start), usize::try_from(size))
        && let Some(end) = start.checked_add(size)
    {
        return bytes.get(start..end).unwrap_or_default();
    }
    buffer.vector(0).raw()
}

/// The numbers of a tensor.
fn array(
    tensor: Table<'_>,
    raw: &[u8],
    name: &str,
    budget: &mut Budget,
) -> Result<Array<f64>, Reason> {
    fn each<const N: usize>(raw: &[u8], of: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        raw.as_chunks::<N>().0.iter().map(|b| of(*b)).collect()
    }
    let damaged = |what: String| Reason::damaged(FORMAT, format!("tensor `{name}` {what}"));
    let sizes = tensor.vector(field::tensor::SHAPE).ints();
    let shape: Option<Vec<usize>> = sizes.map(|s| usize::try_from(s).ok()).collect();
    let shape = shape.ok_or_else(|| damaged("has a negative size".into()))?;
    budget.take((raw.len() as u64).saturating_mul(8), name)?;
    let mut data = match tensor.byte(field::tensor::DTYPE).unwrap_or(0) {
        0 => each(raw, |b| f64::from(f32::from_le_bytes(b))),
        1 => each(raw, |b| half::f16::from_le_bytes(b).to_f64()),
        2 => each(raw, |b| f64::from(i32::from_le_bytes(b))),
        3 | 6 => each(raw, |[b]| f64::from(b)),
        4 => each(raw, |b| i64::from_le_bytes(b) as f64),
        7 => each(raw, |b| f64::from(i16::from_le_bytes(b))),
        9 => each(raw, |[b]| f64::from(b as i8)),
        10 => each(raw, f64::from_le_bytes),
        12 => each(raw, |b| u64::from_le_bytes(b) as f64),
        15 => each(raw, |b| f64::from(u32::from_le_bytes(b))),
        16 => each(raw, |b| f64::from(u16::from_le_bytes(b))),
        other => {
            return Err(Reason::Dtype {
                tensor: name.to_owned(),
                dtype: format!("{other} of TensorFlow Lite"),
            });
        }
    };
    if shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s)) != Some(data.len()) {
        return Err(damaged(format!(
            "has shape {shape:?} and {} elements",
            data.len()
        )));
    }
    if let Some(q) = quantization(tensor) {
        let axis = usize::try_from(q.int(field::quantization::AXIS).unwrap_or(0)).unwrap_or(0);
        let (scales, zeros) = (
            q.vector(field::quantization::SCALE),
            q.vector(field::quantization::ZERO),
        );
        dequantize(&mut data, &shape, axis, scales, zeros)
            .ok_or_else(|| damaged("has as many scales as no axis of it".into()))?;
    }
    Ok(Array { shape, data })
}

/// Integers become what they stand for: one scale for all, or one an index of an axis.
fn dequantize(
    data: &mut [f64],
    shape: &[usize],
    axis: usize,
    scales: Vector<'_>,
    zeros: Vector<'_>,
) -> Option<()> {
    let scales: Vec<f64> = scales.floats().map(f64::from).collect();
    let zeros: Vec<f64> = zeros.longs().map(|z| z as f64).collect();
    let inner: usize = match scales.len() {
        0 => return Some(()),
        1 => data.len().max(1),
        n => {
            let rest = shape.get(axis + 1..)?;
            (shape[axis] == n).then(|| rest.iter().product::<usize>().max(1))?
        }
    };
    for (run, values) in data.chunks_mut(inner).enumerate() {
        let scale = scales[run % scales.len()];
        let zero = match zeros.len() {
            0 => 0.0,
            n => zeros[run % n],
        };
        for v in values {
            *v = (*v - zero) * scale;
        }
    }
    Some(())
}
