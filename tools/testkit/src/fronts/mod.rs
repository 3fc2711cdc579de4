//! Blobs whose models take records: a front end, and towers that show the vector that it makes.

use mmoe::blob::{ActivationKind, LayerRecord, PackingKind, PrecisionKind};
mod naive;

pub use naive::{Element, Field, Naive, records, with_values};

use mmoe::blob::{FeatureRecord, InputKind, LayerKind, NodeOp, OutputKind, SectionTag};
use mmoe::zerocopy::IntoBytes;
use mmoe_tools::blob::message::{Header, Input, Node, Task};
use mmoe_tools::engine::BlobBytes;

/// The header and the weights of a model that hands on what its front end makes: one linear task shows
/// the vector itself, in integer models in steps. An integer model has a second task, of one layer, that
/// makes it one; its outputs are zeros.
#[must_use]
pub fn shown(
    records: &[FeatureRecord],
    front: &[u8],
    width: usize,
    integer: bool,
) -> (Header, Vec<u8>) {
    let tower = |layers: u8, outputs: usize| Node {
        op: NodeOp::Tower.code(),
        k: 0,
        layers,
        src: 0,
        first: 0,
        form: 0,
        start: 0,
        inputs: width as u16,
        outputs: outputs as u16,
        sees: 0,
    };
    let task = |value: u8, width: usize| Task {
        output: OutputKind::Linear.code(),
        a: value,
        b: 0,
        reserved: 0,
        width: width as u16,
        reserved2: 0,
    };
    let mut header = Header {
        inputs: vec![Input {
            kind: InputKind::Record.code(),
            flags: 0,
            reserved: 0,
            count: width as u32,
        }],
        nodes: vec![tower(0, width)],
        layers: vec![],
        tasks: vec![task(1, width)],
        task_names: vec!["vector".into()],
        feature_names: vec![],
        sections: vec![(SectionTag::Features.code(), records.as_bytes().to_vec())],
    };
    let mut weights = front.to_vec();
    if integer {
        weights.extend(1f32.to_le_bytes());
        let format = (PrecisionKind::I8, PackingKind::Panels);
        let layer =
            LayerRecord::matrix(LayerKind::Logits, ActivationKind::Linear, format, width, 1);
        weights.resize(weights.len() + layer.weight_bytes().unwrap() + 4, 0);
        header.layers.push(layer.into());
        header.nodes.push(tower(1, 1));
        header.tasks.push(task(2, 1));
        header.task_names.push("none".into());
    }
    (header, weights)
}

/// The blob of [`shown`].
#[must_use]
pub fn blob(records: &[FeatureRecord], front: &[u8], width: usize, integer: bool) -> BlobBytes {
    let (header, weights) = shown(records, front, width, integer);
    crate::graphs::assembled(&header, &weights)
}
