//! The comparison of a type with a blob, record by record.

use super::{Blob, InputRecord, LayerRecord, NodeRecord, TaskRecord, input, op};
use crate::error::{LoadError, Shape};
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32};

/// What a stack of layers says about its step of the wiring; a constant of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// For a gate its [`op`]; plain layers leave it at [`op::EXPERT`] and are experts or towers by
    /// their place.
    pub op: u8,
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
            op: op::EXPERT,
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
    inputs: &'a [InputRecord],
    nodes: &'a [NodeRecord],
    layers: &'a [LayerRecord],
    tasks: &'a [TaskRecord],
    /// Nodes and tasks so far.
    node: u32,
    task: u32,
    /// Op of the current node, its index among its kind, and its layers so far.
    op: u32,
    index: u32,
    layer: u32,
    error: Option<LoadError>,
    /// The current node's widths differ; counts unless one of its layers explains it.
    widths: Option<LoadError>,
}

impl<'a> Check<'a> {
    fn new(blob: &Blob<'a>) -> Self {
        Self {
            inputs: blob.inputs,
            nodes: blob.nodes,
            layers: blob.layers,
            tasks: blob.tasks,
            node: 0,
            task: 0,
            op: u32::MAX,
            index: 0,
            layer: 0,
            error: None,
            widths: None,
        }
    }

    /// The model's input. A blob has one.
    #[inline(never)]
    pub fn input(&mut self, want: &InputRecord) {
        let found = match self.inputs {
            [found] if found == want => return,
            // Another number of the same kind.
            [found]
                if (InputRecord {
                    count: want.count,
                    ..*found
                }) == *want =>
            {
                found.count.get()
            }
            _ => 0,
        };
        self.error = self.error.or(Some(LoadError::Inputs {
            expected: want.count.get(),
            found,
        }));
    }

    /// The next step: `want` reading value `src`, a gate over the values from `first` on that are
    /// set in `sees`. Its layers follow by [`layer`](Self::layer). Gives the value that it
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
        self.index = if self.op == u32::from(want.op) {
            self.index.wrapping_add(1)
        } else {
            0
        };
        self.op = u32::from(want.op);
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
                            let error = Some(LoadError::Wiring {
                                node: at,
                                byte: byte as u32,
                                expected: u32::from(*w),
                                found: u32::from(*f),
                            });
                            if WIDTHS.contains(&byte) {
                                self.widths = error;
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

    /// The value that the next step will make.
    #[must_use]
    pub fn next_value(&self) -> u8 {
        self.node.wrapping_add(1) as u8
    }

    /// The next layer of the current step.
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
        let (expected, shape) = (want.shape(), found.shape());
        self.error = Some(
            if expected.size == shape.size
                && (expected.how ^ shape.how) >> 24 != 0
                && (expected.how ^ shape.how) << 8 == 0
            {
                LoadError::Packing {
                    op: self.op,
                    index: self.index,
                    expected: u32::from(want.packing),
                    found: u32::from(found.packing),
                }
            } else {
                LoadError::Layer {
                    op: self.op,
                    index: self.index,
                    layer,
                    expected,
                    found: shape,
                }
            },
        );
    }

    /// The next task.
    #[inline(never)]
    pub fn task(&mut self, output: u8, a: u8, b: u8, width: u16) {
        let task = self.task;
        self.task = task.wrapping_add(1);
        if self.error.is_some() {
            return;
        }
        let want = TaskRecord {
            output,
            a,
            b,
            reserved: 0,
            width: U16::new(width),
            reserved2: U16::new(0),
        };
        let found = match self.tasks.split_first() {
            Some((found, rest)) => {
                self.tasks = rest;
                if found.as_bytes() == want.as_bytes() {
                    return;
                }
                found.word()
            }
            None => u32::MAX,
        };
        self.error = Some(LoadError::Task {
            task,
            expected: want.word(),
            found,
        });
    }

    fn finish(self) -> Result<(), LoadError> {
        match self.error.or(self.widths) {
            Some(LoadError::Nodes { found, .. }) => Err(LoadError::Nodes {
                expected: self.node,
                found,
            }),
            Some(e) => Err(e),
            None if !self.nodes.is_empty() => Err(LoadError::Nodes {
                expected: self.node,
                found: self.node.wrapping_add(self.nodes.len() as u32),
            }),
            None if !self.layers.is_empty() => Err(LoadError::Header),
            None if !self.tasks.is_empty() => Err(LoadError::Task {
                task: self.task,
                expected: u32::MAX,
                found: self.tasks.first().map_or(0, TaskRecord::word),
            }),
            None => Ok(()),
        }
    }
}

/// A width as the records have it. All callers are constants, so that a width beyond the format is
/// a compile-time error.
const fn width(n: usize) -> u16 {
    assert!(n <= u16::MAX as usize, "the format's widths end at 65535");
    n as u16
}

/// Where a node record has its widths. A layer of another shape explains more than they do, so it
/// speaks first.
const WIDTHS: core::ops::Range<usize> = 8..12;

impl LayerRecord {
    /// The record as an error carries it.
    #[must_use]
    pub fn shape(&self) -> Shape {
        Shape {
            how: u32::from_le_bytes([self.kind, self.activation, self.precision, self.packing]),
            size: u32::from(self.inputs.get()) | u32::from(self.outputs.get()) << 16,
        }
    }

    /// A record of panel-packed weights.
    #[must_use]
    pub const fn new(
        kind: u8,
        activation: u8,
        precision: u8,
        packing: u8,
        inputs: usize,
        outputs: usize,
    ) -> Self {
        Self {
            kind,
            activation,
            precision,
            packing,
            inputs: U16::new(width(inputs)),
            outputs: U16::new(width(outputs)),
        }
    }
}

impl InputRecord {
    /// `count` plain features.
    #[must_use]
    pub const fn raw(count: usize) -> Self {
        Self {
            kind: input::RAW,
            flags: 0,
            reserved: U16::new(0),
            count: U32::new(count as u32),
        }
    }
}

impl TaskRecord {
    /// Output kind, a, b and the low byte of the width, in a word for errors.
    fn word(&self) -> u32 {
        u32::from_le_bytes([self.output, self.a, self.b, self.width.get() as u8])
    }
}

impl NodeRecord {
    /// A step of `info`, as `op`, with `layers` layers that make `outputs` elements (a gate: that
    /// mixes as many).
    #[must_use]
    pub const fn new(info: &NodeInfo, op: u8, layers: u8, outputs: usize) -> Self {
        Self {
            op,
            k: info.k,
            layers,
            src: 0,
            first: 0,
            reserved: 0,
            start: U16::new(info.start),
            inputs: U16::new(info.inputs),
            outputs: U16::new(width(outputs)),
            sees: U32::new(0),
        }
    }
}

/// Compares a blob with a type that describes itself by `describe` and has `size` bytes of weights.
#[inline(never)]
pub(crate) fn compare(
    blob: &Blob<'_>,
    describe: fn(&mut Check<'_>),
    size: usize,
) -> Result<(), LoadError> {
    let mut check = Check::new(blob);
    describe(&mut check);
    check.finish()?;
    if blob.weights.len() != size {
        return Err(LoadError::Weights {
            expected: size as u32,
            found: blob.weights.len() as u32,
        });
    }
    Ok(())
}
