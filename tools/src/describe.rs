//! Names and descriptions of a blob's parts, so that every command calls them the same.

use mmoe::blob::{ActivationKind, LayerKind, NodeOp, PrecisionKind, SectionTag};

use crate::blob::message::{Header, Layer};
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
pub fn nodes(header: &Header) -> Vec<String> {
    let roles: Vec<&str> = header
        .nodes
        .iter()
        .map(|n| n.record().op().map_or("?", NodeOp::role))
        .collect();
    let number = |at: usize| roles[..at].iter().filter(|r| **r == roles[at]).count();
    (0..roles.len())
        .map(|at| format!("{} {}", roles[at], number(at)))
        .collect()
}

/// Returns what the quantizer found out about every dense layer, under the names that `--keep-wide`
/// takes; nothing in float models.
#[must_use]
pub fn quantization(runner: &Runner<'_>, header: &Header) -> Vec<(String, LayerReport)> {
    let section = runner.model.blob().section(SectionTag::Quantization);
    let reports: Vec<LayerReport> = section
        .and_then(|b| postcard::from_bytes(b).ok())
        .unwrap_or_default();
    let dense = nodes(header)
        .into_iter()
        .zip(header.nodes_with_layers())
        .flat_map(|(node, (_, own))| {
            let dense = own
                .iter()
                .enumerate()
                .filter(|(_, l)| l.record().is_matrix());
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

/// The kind of a layer.
#[must_use]
pub fn layer_kind(l: &Layer) -> &'static str {
    l.record().kind().map_or("?", LayerKind::name)
}

/// A layer's activation.
#[must_use]
pub fn activation(l: &Layer) -> &'static str {
    l.record().activation().map_or("?", ActivationKind::name)
}

/// A layer's precision.
#[must_use]
pub fn precision(l: &Layer) -> &'static str {
    l.record().precision().map_or("?", PrecisionKind::name)
}

/// A layer in a few words, such as `dense 64→32 relu`.
#[must_use]
pub fn layer(l: &Layer) -> String {
    let kind = layer_kind(l);
    let (inputs, outputs) = (l.inputs, l.outputs);
    match l.record().activation() {
        Some(ActivationKind::Linear) => format!("{kind} {inputs}→{outputs}"),
        _ => format!("{kind} {inputs}→{outputs} {}", activation(l)),
    }
}
