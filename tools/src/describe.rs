//! What the parts of a blob are called, in every command the same.

use mmoe::blob::{activation, kind, op, precision, section};

use crate::blob::message::{Header, Layer, Node};
use crate::cost;
use crate::engine::Runner;
use crate::quantize::LayerReport;

/// What wrote the blob.
#[must_use]
pub fn producer<'r>(runner: &'r Runner<'_>) -> &'r str {
    runner
        .model
        .blob()
        .section(section::PRODUCER)
        .and_then(|b| postcard::from_bytes(b).ok())
        .unwrap_or("?")
}

/// What the blob's conversion assumed and nobody compared with the framework's outputs.
#[must_use]
pub fn assumed(runner: &Runner<'_>) -> Vec<String> {
    let section = runner.model.blob().section(section::ASSUMED);
    section
        .and_then(|b| postcard::from_bytes(b).ok())
        .unwrap_or_default()
}

/// The name of each node of the wiring: its role and its number among those of its role, such as
/// `expert 2`.
#[must_use]
pub fn nodes(header: &Header) -> Vec<String> {
    let mut numbers = [0; 3];
    let mut name = |node: &Node| {
        let (role, number) = match node.op {
            op::EXPERT => ("expert", &mut numbers[0]),
            op::TOWER => ("tower", &mut numbers[1]),
            _ => ("gate", &mut numbers[2]),
        };
        *number += 1;
        format!("{role} {}", *number - 1)
    };
    header.nodes.iter().map(&mut name).collect()
}

/// What the quantizer found out about every dense layer, by the names that `--keep-wide` takes;
/// nothing in float models.
#[must_use]
pub fn quantization(runner: &Runner<'_>, header: &Header) -> Vec<(String, LayerReport)> {
    let section = runner.model.blob().section(section::QUANTIZATION);
    let reports: Vec<LayerReport> = section
        .and_then(|b| postcard::from_bytes(b).ok())
        .unwrap_or_default();
    let dense = nodes(header)
        .into_iter()
        .zip(header.nodes_with_layers())
        .flat_map(|(node, (_, own))| {
            let dense = own.iter().enumerate().filter(|(_, l)| cost::is_matrix(l));
            dense
                .map(move |(i, _)| format!("{}.{i}", node.replace(' ', "")))
                .collect::<Vec<_>>()
        });
    dense.zip(reports).collect()
}

/// `gate_y`, or `gate_y+z` where tasks share it, or `gate3` where no tower reads it.
#[must_use]
pub fn gate(runner: &Runner<'_>, number: usize) -> String {
    let readers = runner.gates.get(number).map_or(&[][..], |g| &g.tasks);
    let tasks: Vec<&str> = readers
        .iter()
        .filter_map(|t| runner.tasks.get(*t))
        .map(|t| t.name.as_str())
        .collect();
    if tasks.is_empty() {
        format!("gate{number}")
    } else {
        format!("gate_{}", tasks.join("+"))
    }
}

/// The kind of a gate with this code.
#[must_use]
pub fn gate_kind(code: u8) -> &'static str {
    match code {
        op::SOFTMAX => "softmax",
        op::SIGMOID => "sigmoid",
        op::HARD => "hard",
        op::TOP_K => "top-k",
        op::TOP_K_RAW => "top-k, not renormalised",
        op::CONSTANT => "constant",
        op::D_SELECT_K => "DSelect-k",
        _ => "?",
    }
}

/// The kind of a layer.
#[must_use]
pub fn layer_kind(l: &Layer) -> &'static str {
    match l.kind {
        kind::DENSE => "dense",
        kind::LOGITS => "logits",
        kind::AFFINE => "affine",
        kind::PRELU => "prelu",
        kind::LAYER_NORM => "layer norm",
        kind::CONSTANT => "constant",
        _ => "?",
    }
}

/// A layer's activation.
#[must_use]
pub fn activation(l: &Layer) -> &'static str {
    match l.activation {
        activation::LINEAR => "linear",
        activation::RELU => "relu",
        activation::LEAKY_RELU => "leaky relu",
        activation::SIGMOID => "sigmoid",
        activation::TANH => "tanh",
        _ => "?",
    }
}

/// A layer's precision.
#[must_use]
pub fn precision(l: &Layer) -> &'static str {
    match l.precision {
        precision::F32 => "F32",
        precision::W8 => "W8",
        precision::I8 => "I8",
        precision::I16 => "I16",
        _ => "?",
    }
}

/// A layer in a few words, such as `dense 64→32 relu`.
#[must_use]
pub fn layer(l: &Layer) -> String {
    let kind = layer_kind(l);
    let (inputs, outputs) = (l.inputs, l.outputs);
    if l.activation == activation::LINEAR {
        format!("{kind} {inputs}→{outputs}")
    } else {
        format!("{kind} {inputs}→{outputs} {}", activation(l))
    }
}
