//! The nodes of a blob, each with its layers and the place of its weights.

use super::{Blob, LayerKind, LayerRecord, NodeRecord, OutputKind};

/// A node of the wiring with its layers and the place of its weights.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// Which node, from 0; it makes value `index + 1`.
    pub index: usize,
    /// The record of the node.
    pub record: &'a NodeRecord,
    /// Its layers, in order; fewer than its record says where the blob has no more.
    pub layers: &'a [LayerRecord],
    /// The number of the first of them among all layers.
    pub first_layer: usize,
    /// Where its weights start among the blob's weights, in bytes.
    pub weights: usize,
    /// Where the unit of its output lies: an f32 behind its layers, which an integer model's tower
    /// has whose task is linear.
    pub unit: Option<usize>,
}

impl Node<'_> {
    /// Whether it makes logits, not activations: what a gate needs, and a tower whose output is more
    /// than its values. A tower that ends in activations gives those.
    #[must_use]
    pub fn ends_in_logits(&self) -> bool {
        let last = self.layers.last().and_then(LayerRecord::kind);
        last == Some(LayerKind::Logits)
    }

    /// Returns the multiply-accumulates of its layers. Of a layer behind codes only the columns count
    /// that one input has: those of the numbers, and one for each code.
    #[must_use]
    pub fn macs(&self) -> u64 {
        match self.layers {
            [hot, fed, rest @ ..] if hot.kind() == Some(LayerKind::Hot) => {
                let columns = u64::from(hot.inputs.get());
                columns * u64::from(fed.outputs.get())
                    + rest.iter().map(LayerRecord::macs).sum::<u64>()
            }
            layers => layers.iter().map(LayerRecord::macs).sum(),
        }
    }
}

/// The nodes of a blob in the order of its weights: see [`Blob::nodes_with_layers`].
///
/// Where a record breaks the rules of the format, the places that follow mean nothing; they are
/// numbers still, and whoever uses them must check that they lie within the weights.
#[derive(Clone, Debug)]
pub struct Nodes<'a> {
    blob: Blob<'a>,
    integer: bool,
    index: usize,
    first_layer: usize,
    weights: usize,
}

impl<'a> Nodes<'a> {
    pub(super) fn new(blob: &Blob<'a>) -> Self {
        Self {
            blob: *blob,
            integer: blob.is_integer(),
            index: 0,
            first_layer: 0,
            weights: blob.input_bytes(),
        }
    }
}

impl<'a> Iterator for Nodes<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        let record = self.blob.nodes.get(self.index)?;
        let left = self.blob.layers.get(self.first_layer..).unwrap_or(&[]);
        let layers = left.get(..record.layers as usize).unwrap_or(left);
        let bytes = layers.iter().fold(0usize, |sum, l| {
            sum.saturating_add(l.weight_bytes().unwrap_or(0))
        });
        let end = self.weights.saturating_add(bytes);
        let has_unit = self.integer && self.blob.is_shown_in_unit(self.index);
        let unit = has_unit.then_some(end);
        let node = Node {
            index: self.index,
            record,
            layers,
            first_layer: self.first_layer,
            weights: self.weights,
            unit,
        };
        self.index += 1;
        self.first_layer += layers.len();
        self.weights = if unit.is_some() {
            end.saturating_add(4)
        } else {
            end
        };
        Some(node)
    }
}

impl Blob<'_> {
    /// Whether the node is a tower whose task is linear: in an integer model its numbers are shown
    /// in a unit of their own, stored behind the layers.
    pub(super) fn is_shown_in_unit(&self, node: usize) -> bool {
        let mut tasks = self.tasks.iter();
        tasks.any(|t| t.output() == Some(OutputKind::Linear) && t.tower() == Some(node))
    }
}
