//! ONNX models.

mod encoders;
mod external;
mod loops;
mod messages;
mod operators;
mod quantized;
mod sequences;

use std::collections::HashMap;
use std::path::Path;

use prost::Message as _;

use super::{Reason, Weights};
use crate::import::collect::Budget;
use crate::program::build::Builder;
use crate::program::{Array, Given, Program};
use external::Companions;
use messages::{Model, Node, Tensor};

const FORMAT: &str = "ONNX";
/// Element types, as `TensorProto.DataType` counts them.
mod dtype {
    pub(super) const FLOAT: i32 = 1;
    pub(super) const STRING: i32 = 8;
    pub(super) const BOOL: i32 = 9;
    pub(super) const FLOAT16: i32 = 10;
    pub(super) const DOUBLE: i32 = 11;
    pub(super) const BFLOAT16: i32 = 16;

    pub(super) fn given(dtype: i32) -> super::Given {
        match dtype {
            STRING => super::Given::Texts,
            2..=7 | BOOL | 12 | 13 => super::Given::Wholes,
            _ => super::Given::Numbers,
        }
    }
}

/// Reads a model; `folder` is where files stand that it keeps its weights in.
pub(super) fn read(bytes: &[u8], folder: Option<&Path>) -> Result<Weights, Reason> {
    let mut budget = Budget::new(bytes.len());
    budget.take(structures(bytes), "the graph")?;
    let model = Model::decode(bytes).map_err(|e| Reason::damaged(FORMAT, e))?;
    let producer = match model.producer.as_str() {
        "" => String::new(),
        name => format!(" written by {name} {}", model.producer_version)
            .trim_end()
            .to_owned(),
    };
    let program = program(model, folder, &mut budget)?;
    Ok(Weights {
        format: format!("ONNX graph{producer}"),
        program: Some(program),
        ..Weights::default()
    })
}

/// What nodes and tensors take in memory beside their numbers: an empty message has two bytes in the
/// file, so they are counted before any is decoded.
fn structures(bytes: &[u8]) -> u64 {
    /// Which fields hold messages, level by level: the graph; its nodes, initializers, inputs and
    /// outputs; attributes and entries; and within attributes, graphs again.
    const MESSAGES: [&[u32]; 4] = [&[7], &[1, 5, 11, 12], &[5, 13], &[6]];
    const OF_A_FIELD: u64 = 64;
    /// The decoder goes no deeper.
    const DEEPEST: usize = 100;
    fn fields(mut at: &[u8], level: usize) -> u64 {
        let mut count = 0;
        // Behind the first level, graphs hold nodes, nodes attributes, and those graphs.
        let here = match level {
            0 => MESSAGES[0],
            _ => MESSAGES[1 + (level - 1) % 3],
        };
        while let Ok((tag, wire)) = prost::encoding::decode_key(&mut at) {
            let before = at;
            let context = prost::encoding::DecodeContext::default();
            if prost::encoding::skip_field(wire, tag, &mut at, context).is_err() {
                break;
            }
            count += 1;
            let mut field = &before[..before.len() - at.len()];
            if level < DEEPEST
                && here.contains(&tag)
                && wire == prost::encoding::WireType::LengthDelimited
                && prost::encoding::decode_varint(&mut field).is_ok()
            {
                count += fields(field, level + 1);
            }
        }
        count
    }
    fields(bytes, 0) * OF_A_FIELD
}

fn program(model: Model, folder: Option<&Path>, budget: &mut Budget) -> Result<Program, Reason> {
    let nothing = || Reason::NoTensors {
        found: "an ONNX model without a graph".into(),
    };
    let graph = model.graph.ok_or_else(nothing)?;
    let opset = model
        .opsets
        .iter()
        .find(|o| o.domain.is_empty() || o.domain == "ai.onnx");
    let opset = opset.map_or(1, |o| o.version);
    let mut builder = Builder::new("ONNX graph");
    let mut companions = Companions::of(folder);
    let integers = graph.initializers.iter();
    let least: quantized::Least = integers
        .filter_map(|t| Some((t.name.clone(), quantized::least(t.dtype)?)))
        .collect();
    for tensor in graph.initializers {
        let (array, kind) = constant(&mut builder, &tensor, Some(&mut companions), budget)?;
        builder.define(&tensor.name, array);
        let value = builder.value(&tensor.name);
        builder.set_kind(value, kind);
    }
    for input in &graph.inputs {
        // Before version 4 initializers are listed among the inputs.
        if builder.is_constant(&input.name) {
            continue;
        }
        let tensor = input.ty.as_ref().and_then(|t| t.tensor.as_ref());
        let dims = tensor
            .and_then(|t| t.shape.as_ref())
            .map(|s| s.dims.as_slice());
        let size = |s: Option<i64>| s.and_then(|s| usize::try_from(s).ok()).filter(|s| *s > 0);
        let shape = dims
            .unwrap_or_default()
            .iter()
            .map(|d| size(d.size))
            .collect();
        let value = builder.value(&input.name);
        let given = tensor.map_or(Given::Numbers, |t| dtype::given(t.dtype));
        builder.input(&input.name, value, shape, given);
    }
    let mut sequences = sequences::Sequences::default();
    let loops = loops::Loops::new(&graph.nodes);
    for node in ordered(&graph.nodes) {
        if loops.translate(&mut builder, node, budget) || sequences.translate(&mut builder, node) {
            continue;
        }
        operators::translate(&mut builder, node, opset, &least, budget)?;
    }
    for output in &graph.outputs {
        let value = builder.value(&output.name);
        builder.output(&output.name, value);
    }
    Ok(builder.finish())
}

/// Nodes in an order in which each reads what stands before it: some tools append theirs at the end.
fn ordered(nodes: &[Node]) -> Vec<&Node> {
    let outputs = nodes.iter().enumerate();
    let made: HashMap<&str, usize> = outputs
        .flat_map(|(at, n)| n.outputs.iter().map(move |o| (o.as_str(), at)))
        .collect();
    /// How far a node is.
    #[derive(Clone, Copy, PartialEq)]
    enum Is {
        New,
        Open,
        Placed,
    }
    let mut is = vec![Is::New; nodes.len()];
    let mut order = Vec::with_capacity(nodes.len());
    for first in 0..nodes.len() {
        // Each is looked at twice: to ask for what it reads, and when that is placed.
        let mut open = vec![first];
        while let Some(at) = open.pop() {
            match is[at] {
                Is::New => {
                    is[at] = Is::Open;
                    open.push(at);
                    let reads = nodes[at].inputs.iter().filter_map(|i| made.get(i.as_str()));
                    // Of a circle none is asked for twice.
                    open.extend(reads.copied().filter(|from| is[*from] == Is::New));
                }
                Is::Open => {
                    is[at] = Is::Placed;
                    order.push(&nodes[at]);
                }
                Is::Placed => {}
            }
        }
    }
    order
}

/// What a tensor holds; texts are numbered.
fn constant(
    builder: &mut Builder,
    tensor: &Tensor,
    companions: Option<&mut Companions>,
    budget: &mut Budget,
) -> Result<(Array<f64>, Given), Reason> {
    let kind = dtype::given(tensor.dtype);
    if kind != Given::Texts {
        return Ok((array(tensor, companions, budget)?, kind));
    }
    let shape = shape(tensor)?;
    let text = |bytes: &Vec<u8>| builder.text(&String::from_utf8_lossy(bytes));
    let data: Vec<f64> = tensor.strings.iter().map(text).collect();
    if shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s)) != Some(data.len()) {
        let what = format!(
            "tensor `{}` has shape {shape:?} and {} texts",
            tensor.name,
            data.len()
        );
        return Err(Reason::damaged(FORMAT, what));
    }
    Ok((Array { shape, data }, kind))
}

fn shape(tensor: &Tensor) -> Result<Vec<usize>, Reason> {
    let sizes = tensor.dims.iter().map(|d| usize::try_from(*d).ok());
    sizes.collect::<Option<_>>().ok_or_else(|| {
        Reason::damaged(
            FORMAT,
            format!("tensor `{}` has a negative size", tensor.name),
        )
    })
}

/// The numbers of a tensor.
fn array(
    tensor: &Tensor,
    companions: Option<&mut Companions>,
    budget: &mut Budget,
) -> Result<Array<f64>, Reason> {
    let name = || format!("tensor `{}`", tensor.name);
    let damaged = |what: &str| Reason::damaged(FORMAT, format!("{} {what}", name()));
    let shape = shape(tensor)?;
    let count = shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s));
    let count = count.ok_or_else(|| damaged("has more elements than can be counted"))?;
    let outside = companions.filter(|_| tensor.location == 1);
    if outside.is_none() {
        budget.take((count as u64).saturating_mul(8), &name())?;
    }
    let data: Vec<f64> = match (&tensor.raw, tensor.dtype) {
        _ if let Some(companions) = outside => companions.numbers(tensor, count, budget)?,
        (Some(raw), dtype) => numbers(raw, dtype).ok_or_else(|| Reason::Dtype {
            tensor: tensor.name.clone(),
            dtype: format!("{dtype} of ONNX"),
        })?,
        (None, dtype::FLOAT) => tensor.floats.iter().map(|v| f64::from(*v)).collect(),
        (None, dtype::DOUBLE) => tensor.doubles.clone(),
        (None, dtype::FLOAT16 | dtype::BFLOAT16) => {
            let bytes: Vec<u8> = tensor
                .ints
                .iter()
                .flat_map(|v| (*v as u16).to_le_bytes())
                .collect();
            numbers(&bytes, tensor.dtype).unwrap_or_default()
        }
        (None, 7 | 12 | 13) => tensor.longs.iter().map(|v| *v as f64).collect(),
        (None, _) => tensor.ints.iter().map(|v| f64::from(*v)).collect(),
    };
    if data.len() != count {
        return Err(damaged(&format!(
            "has shape {shape:?} and {} elements",
            data.len()
        )));
    }
    Ok(Array { shape, data })
}

/// Little-endian elements; `None` if their type is not one of numbers.
fn numbers(raw: &[u8], dtype: i32) -> Option<Vec<f64>> {
    fn each<const N: usize>(raw: &[u8], of: impl Fn([u8; N]) -> f64) -> Option<Vec<f64>> {
        Some(raw.as_chunks::<N>().0.iter().map(|b| of(*b)).collect())
    }
    match dtype {
        dtype::FLOAT => each(raw, |b| f64::from(f32::from_le_bytes(b))),
        2 | dtype::BOOL => each(raw, |[b]| f64::from(b)),
        3 => each(raw, |[b]| f64::from(b as i8)),
        4 => each(raw, |b| f64::from(u16::from_le_bytes(b))),
        5 => each(raw, |b| f64::from(i16::from_le_bytes(b))),
        6 => each(raw, |b| f64::from(i32::from_le_bytes(b))),
        7 => each(raw, |b| i64::from_le_bytes(b) as f64),
        dtype::FLOAT16 => each(raw, |b| half::f16::from_le_bytes(b).to_f64()),
        dtype::DOUBLE => each(raw, f64::from_le_bytes),
        12 => each(raw, |b| f64::from(u32::from_le_bytes(b))),
        13 => each(raw, |b| u64::from_le_bytes(b) as f64),
        dtype::BFLOAT16 => each(raw, |b| half::bf16::from_le_bytes(b).to_f64()),
        _ => None,
    }
}
