//! Names and descriptions of a blob's parts, so that every command calls them the same.

mod fields;

pub use fields::{FieldAbout, fields};

use mmoe::blob::{ActivationKind, Blob, LayerKind, LayerRecord, NodeOp, PrecisionKind, SectionTag};

use crate::engine::Runner;
use crate::quantize::LayerReport;

/// Returns the name of the program that wrote the blob.
#[must_use]
pub fn producer<'r>(runner: &'r Runner<'_>) -> &'r str {
    runner
        .model
        .blob()
        .section(SectionTag::Producer)
        .and_then(|b| postcard::from_bytes(b).ok())
        .unwrap_or("?")
}

/// Returns what the conversion of the blob assumed without a comparison with the framework's outputs.
#[must_use]
pub fn assumed(runner: &Runner<'_>) -> Vec<String> {
    let section = runner.model.blob().section(SectionTag::Assumed);
    section
        .and_then(|b| postcard::from_bytes(b).ok())
        .unwrap_or_default()
}

/// Returns the name of each node of the wiring: its role and its number among those of its role, such
/// as `expert 2`.
#[must_use]
pub fn nodes(blob: &Blob<'_>) -> Vec<String> {
    let roles = blob.nodes.iter();
    let roles: Vec<&str> = roles.map(|n| n.op().map_or("?", NodeOp::role)).collect();
    let number = |at: usize| roles[..at].iter().filter(|r| **r == roles[at]).count();
    (0..roles.len())
        .map(|at| format!("{} {}", roles[at], number(at)))
        .collect()
}

/// Returns what the quantizer found out about every dense layer, under the names that `--keep-wide`
/// takes; nothing in float models.
#[must_use]
pub fn quantization(blob: &Blob<'_>) -> Vec<(String, LayerReport)> {
    let section = blob.section(SectionTag::Quantization);
    let reports: Vec<LayerReport> = section
        .and_then(|b| postcard::from_bytes(b).ok())
        .unwrap_or_default();
    let named = nodes(blob).into_iter().zip(blob.nodes_with_layers());
    let dense = named.flat_map(|(name, node)| {
        let layers = node.layers.iter().enumerate();
        let dense = layers.filter(|(_, l)| l.is_matrix());
        dense.map(move |(i, _)| format!("{}.{i}", name.replace(' ', "")))
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

/// The kind of a layer.
#[must_use]
pub fn layer_kind(l: &LayerRecord) -> &'static str {
    l.kind().map_or("?", LayerKind::name)
}

/// A layer's activation.
#[must_use]
pub fn activation(l: &LayerRecord) -> &'static str {
    l.activation().map_or("?", ActivationKind::name)
}

/// A layer's precision.
#[must_use]
pub fn precision(l: &LayerRecord) -> &'static str {
    l.precision().map_or("?", PrecisionKind::name)
}

/// A layer in a few words, such as `dense 64→32 relu`.
#[must_use]
pub fn layer(l: &LayerRecord) -> String {
    let kind = layer_kind(l);
    let (inputs, outputs) = (l.inputs.get(), l.outputs.get());
    match l.activation() {
        Some(ActivationKind::Linear) => format!("{kind} {inputs}→{outputs}"),
        _ => format!("{kind} {inputs}→{outputs} {}", activation(l)),
    }
}
