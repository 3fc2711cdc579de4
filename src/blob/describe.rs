//! The comparison of a type with a blob, record by record.

use super::record::width;
use super::{Blob, LayerRecord, LoadError, NodeName, NodeOp, NodeRecord, OutputKind, TaskRecord};
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32};

/// Type-level description of the node that a stack of layers becomes in the blob: gate kind, `k`,
/// the slice of the input that it reads and the experts that it may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// What a gate does; plain layers leave it at [`NodeOp::Expert`] and are experts or towers by
    /// their place.
    pub op: NodeOp,
    /// Top-k and DSelect-k: k.
    pub k: u8,
    /// First element read.
    pub start: u16,
    /// How many elements are read.
    pub inputs: u16,
    /// Gates: which of the experts in reach are seen, bit 0 is the first.
    pub sees: u32,
}

impl NodeInfo {
    /// A plain stack of layers that reads `inputs` elements from the first on.
    #[must_use]
    pub const fn plain(inputs: usize) -> Self {
        Self {
            op: NodeOp::Expert,
            k: 0,
            start: 0,
            inputs: width(inputs),
            sees: u32::MAX,
        }
    }
}

/// Compares a type's records with a blob's, one at a time. The first difference sticks, so that a
/// model's description is straight-line calls.
#[derive(Debug)]
pub struct Check<'a> {
    nodes: &'a [NodeRecord],
    layers: &'a [LayerRecord],
    tasks: &'a [TaskRecord],
    /// Nodes and tasks so far.
    node: u32,
    task: u32,
    /// The type's current node, and its layers so far.
    name: NodeName,
    layer: u32,
    error: Option<LoadError>,
    /// The current node's widths differ; counts unless one of its layers explains it.
    widths: Option<LoadError>,
}

impl<'a> Check<'a> {
    fn new(blob: &Blob<'a>) -> Self {
        Self {
            nodes: blob.nodes,
            layers: blob.layers,
            tasks: blob.tasks,
            node: 0,
            task: 0,
            name: NodeName::BEFORE,
            layer: 0,
            error: None,
            widths: None,
        }
    }

    /// The next node: `want` reading value `src`, a gate over the values from `first` on that are
    /// set in `sees`. Its layers follow by [`layer`](Self::layer). Returns the value that it
    /// makes.
    #[inline(never)]
    pub fn node(&mut self, want: &NodeRecord, src: u8, first: u8, sees: u32) -> u8 {
        let want = NodeRecord {
            src,
            first,
            sees: U32::new(sees),
            ..*want
        };
        let at = self.node;
        self.node = at.wrapping_add(1);
        self.name = self.name.next(&want);
        self.layer = 0;
        self.error = self.error.or(self.widths);
        self.widths = None;
        if self.error.is_none() {
            match self.nodes.split_first() {
                None => {
                    self.error = Some(LoadError::Nodes {
                        expected: 0,
                        found: at,
                    })
                }
                Some((found, rest)) => {
                    self.nodes = rest;
                    for (byte, (w, f)) in want.as_bytes().iter().zip(found.as_bytes()).enumerate() {
                        if w != f {
                            let (field, expected) = want.field(byte);
                            let error = Some(LoadError::Wiring {
                                node: self.name,
                                field,
                                expected,
                                found: found.field(byte).1,
                            });
                            if WIDTHS.contains(&byte) {
                                self.widths = self.widths.or(error);
                            } else {
                                self.error = error;
                                break;
                            }
                        }
                    }
                }
            }
        }
        self.node as u8
    }

    /// The value that the next node will make.
    #[must_use]
    pub fn next_value(&self) -> u8 {
        self.node.wrapping_add(1) as u8
    }

    /// The next layer of the current node.
    #[inline(never)]
    pub fn layer(&mut self, want: &LayerRecord) {
        let layer = self.layer;
        self.layer = layer.wrapping_add(1);
        if self.error.is_some() {
            return;
        }
        let Some((found, rest)) = self.layers.split_first() else {
            self.error = Some(LoadError::Header);
            return;
        };
        self.layers = rest;
        if want.as_bytes() == found.as_bytes() {
            return;
        }
        let node = self.name;
        let but_packing = LayerRecord {
            packing: found.packing,
            ..*want
        };
        self.error = Some(if but_packing.as_bytes() == found.as_bytes() {
            LoadError::Packing {
                node,
                expected: u32::from(want.packing),
                found: u32::from(found.packing),
            }
        } else {
            LoadError::Layer {
                node,
                layer,
                expected: want.shape(),
                found: found.shape(),
            }
        });
    }

    /// The next task.
    #[inline(never)]
    pub fn task(&mut self, output: OutputKind, a: u8, b: u8, width: u16) {
        let task = self.task;
        self.task = task.wrapping_add(1);
        let Some((found, rest)) = self.tasks.split_first() else {
            return;
        };
        self.tasks = rest;
        let want = TaskRecord {
            output: output.code(),
            a,
            b,
            reserved: 0,
            width: U16::new(width),
            reserved2: U16::new(0),
        };
        if self.error.is_none() && found.as_bytes() != want.as_bytes() {
            self.error = Some(LoadError::Task {
                task,
                expected: want.shape(),
                found: found.shape(),
            });
        }
    }

    fn finish(mut self, blob: &Blob<'_>) -> Result<(), LoadError> {
        let nodes = LoadError::Nodes {
            expected: self.node,
            found: blob.nodes.len() as u32,
        };
        let tasks = LoadError::Tasks {
            expected: self.task,
            found: blob.tasks.len() as u32,
        };
        // Only now it is known whether the type has several levels.
        let levels = self.name.levels();
        self.error = self.error.or(self.widths);
        match self.error {
            Some(LoadError::Nodes { .. }) => Err(nodes),
            // Where the counts differ, they explain that tasks read other values.
            Some(LoadError::Task { .. }) if self.task != blob.tasks.len() as u32 => Err(tasks),
            Some(e) => Err(e.among(levels)),
            None if !self.nodes.is_empty() => Err(nodes),
            None if !self.layers.is_empty() => Err(LoadError::Header),
            None if self.task != blob.tasks.len() as u32 => Err(tasks),
            None => Ok(()),
        }
    }
}

/// Where a node record has its widths. A layer of another shape explains more than they do, so it
/// speaks first.
const WIDTHS: core::ops::Range<usize> = 8..12;

/// Compares a blob with a type that describes itself by `describe`; returns the weights.
#[inline(never)]
pub(crate) fn compare<'a>(
    blob: &Blob<'a>,
    describe: fn(&mut Check<'_>),
    inputs: u32,
    size: usize,
) -> Result<&'a [u8], LoadError> {
    if blob.input_count() != inputs {
        return Err(LoadError::Inputs {
            expected: inputs,
            found: blob.input_count(),
        });
    }
    let mut check = Check::new(blob);
    describe(&mut check);
    check.finish(blob)?;
    if blob.weights.len() != size {
        return Err(LoadError::Weights {
            expected: size as u32,
            found: blob.weights.len() as u32,
        });
    }
    Ok(blob.weights)
}
