//! The comparison of a type with a blob, record by record.

use super::record::width;
use super::{
    Blob, FeatureRecord, InputRecord, LayerRecord, LoadError, NodeName, NodeOp, NodeRecord,
    OutputKind, SectionTag, TaskRecord, TaskShape,
};
use zerocopy::IntoBytes;

/// The description of the node that a stack of layers becomes in the blob, as a constant of its type:
/// the kind of gate, `k`, the part of the input that it reads, and the experts that it may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// The kind of a gate. Plain layers leave it at [`NodeOp::Expert`], and become experts or towers
    /// by their place in the model.
    pub op: NodeOp,
    /// The k of top-k and DSelect-k gates; 0 for all others.
    pub k: u8,
    /// The first element that is read.
    pub start: u16,
    /// How many elements are read.
    pub inputs: u16,
    /// For gates, which of the experts in reach are seen; bit 0 is the first.
    pub sees: u128,
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
            sees: u128::MAX,
        }
    }
}

/// What the record of a gate says of its place in the model.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct GatePlace {
    /// The value it reads.
    pub src: u8,
    /// The value of the level's first expert.
    pub first: u8,
    /// The code of the form in which it names the experts that it sees.
    pub form: u8,
}

/// Compares the records of a type with those of a blob, one at a time.
///
/// The first difference is kept and reported at the end, so that a model describes itself by plain
/// calls one after the other. Nothing has to be passed back on the way, which keeps the code of
/// loading small however deep the type is.
#[derive(Debug)]
pub struct Check<'a> {
    inputs: &'a [InputRecord],
    nodes: &'a [NodeRecord],
    layers: &'a [LayerRecord],
    tasks: &'a [TaskRecord],
    /// Nodes and tasks so far.
    node: u32,
    task: u32,
    /// What the type's current node does, its place in its level, and its layers so far.
    op: u32,
    level: u32,
    index: u32,
    layer: u32,
    error: Option<LoadError>,
    /// The error is that the current node's widths differ: one of its layers may explain it better.
    widths: bool,
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
            op: u32::from(NodeOp::Expert.code()),
            level: 0,
            // The first node makes 0 of it.
            index: u32::MAX,
            layer: 0,
            error: None,
            widths: false,
        }
    }

    /// Compares the model's input. A blob has exactly one.
    #[inline(never)]
    pub fn input(&mut self, want: &InputRecord) {
        let alike = |found: &InputRecord| {
            (found.kind, found.flags, found.reserved) == (want.kind, want.flags, want.reserved)
        };
        let found = match self.inputs {
            [found] if alike(found) && found.count == want.count => return,
            [found] if alike(found) => found.count.get(),
            _ => 0,
        };
        self.error = self.error.or(Some(LoadError::Inputs {
            expected: want.count.get(),
            found,
        }));
    }

    // `want` is a constant of the type and is the same wherever the type stands in a model, so it
    // leaves at 0 what depends on the place. Both of these fill that in.

    /// Compares the next node, an expert or a tower: `want`, which reads value `src`. Its layers
    /// follow by calls of [`layer`](Self::layer). Returns the number of the value that it computes.
    #[inline(never)]
    pub fn node(&mut self, want: &NodeRecord, src: u8) -> u8 {
        self.compare_node(&NodeRecord { src, ..*want })
    }

    /// Compares the next node, a gate: `want` at this place, which mixes what `sees` says, each
    /// `outputs` wide.
    #[inline(never)]
    pub fn gate(&mut self, want: &NodeRecord, outputs: u16, place: GatePlace, sees: u32) {
        self.compare_node(&NodeRecord {
            src: place.src,
            first: place.first,
            form: place.form,
            outputs: outputs.into(),
            sees: sees.into(),
            ..*want
        });
    }

    #[inline(never)]
    fn compare_node(&mut self, want: &NodeRecord) -> u8 {
        self.enter(u32::from(want.op));
        if self.error.is_some() {
            return self.node as u8;
        }
        let Some((found, rest)) = self.nodes.split_first() else {
            self.error = Some(LoadError::Nodes {
                expected: 0,
                found: 0,
            });
            return self.node as u8;
        };
        self.nodes = rest;
        let (want, _) = want.as_bytes().as_chunks::<4>();
        let (found, _) = found.as_bytes().as_chunks::<4>();
        let mut difference = None;
        for (offset, (want, found)) in (0u32..).step_by(4).zip(want.iter().zip(found)) {
            if want != found {
                let word = u32::from_le_bytes;
                difference = Some((offset, word(*want), word(*found)));
                if offset != WIDTHS {
                    break;
                }
            }
        }
        if let Some((offset, expected, found)) = difference {
            self.widths = offset == WIDTHS;
            self.error = Some(LoadError::Wiring {
                node: self.name(),
                offset,
                expected,
                found,
            });
        }
        self.node as u8
    }

    /// Goes on to the next node, which does `op`, and counts where it stands.
    fn enter(&mut self, op: u32) {
        let expert = u32::from(NodeOp::Expert.code());
        let is_gate = |op| op != expert && op != u32::from(NodeOp::Tower.code());
        let (was, is) = (is_gate(self.op), is_gate(op));
        self.index = if op == self.op || (was && is) {
            self.index.wrapping_add(1)
        } else {
            0
        };
        // Experts behind gates start a level.
        if was && op == expert {
            self.level = self.level.wrapping_add(1);
        }
        self.op = op;
        self.node = self.node.wrapping_add(1);
        self.layer = 0;
        self.widths = false;
    }

    /// The name of the current node.
    #[inline(never)]
    fn name(&self) -> NodeName {
        let (op, level, index) = (self.op as u8, self.level as u8, self.index as u8);
        NodeName::of(op, level, index, self.node.wrapping_sub(1) as u8)
    }

    /// Returns the number of the value that the next node will compute.
    #[must_use]
    pub fn next_value(&self) -> u8 {
        self.node.wrapping_add(1) as u8
    }

    /// Compares the next layer of the current node.
    #[inline(never)]
    pub fn layer(&mut self, want: &LayerRecord) {
        let layer = self.layer;
        self.layer = layer.wrapping_add(1);
        if self.error.is_some() && !self.widths {
            return;
        }
        let Some((found, rest)) = self.layers.split_first() else {
            self.error = Some(LoadError::Header);
            return;
        };
        self.layers = rest;
        let (expected, found) = (want.shape(), found.shape());
        if expected == found {
            return;
        }
        self.widths = false;
        let node = self.name();
        // The packing is the highest byte of `how`.
        let other_packing = expected.size == found.size && (expected.how ^ found.how) << 8 == 0;
        self.error = Some(if other_packing {
            LoadError::Packing {
                node,
                expected: expected.how >> 24,
                found: found.how >> 24,
            }
        } else {
            LoadError::Layer {
                node,
                layer,
                expected,
                found,
            }
        });
    }

    /// Compares the next task.
    #[inline(never)]
    pub fn task(&mut self, output: OutputKind, a: u8, b: u8, width: u16) {
        let task = self.task;
        self.task = task.wrapping_add(1);
        let Some((found, rest)) = self.tasks.split_first() else {
            return;
        };
        self.tasks = rest;
        let expected = TaskShape {
            how: u32::from_le_bytes([output.code(), a, b, 0]),
            width: u32::from(width),
        };
        let found = found.shape();
        if self.error.is_none() && expected != found {
            self.error = Some(LoadError::Task {
                task,
                expected,
                found,
            });
        }
    }

    fn finish(mut self, blob: &Blob<'_>) -> Result<(), LoadError> {
        let (node, nodes) = (self.node, blob.nodes.len() as u32);
        let (task, tasks) = (self.task, blob.tasks.len() as u32);
        let error = match &mut self.error {
            None | Some(LoadError::Nodes { .. }) if node != nodes => LoadError::Nodes {
                expected: node,
                found: nodes,
            },
            None if !self.layers.is_empty() => LoadError::Header,
            // Where the counts differ, they explain that tasks read other values.
            None | Some(LoadError::Task { .. }) if task != tasks => LoadError::Tasks {
                expected: task,
                found: tasks,
            },
            None => return Ok(()),
            Some(error) => {
                if self.level == 0 {
                    error.leave_out_level();
                }
                *error
            }
        };
        Err(error)
    }
}

/// Where a node record has its widths. A layer of another shape explains more than they
/// do, so it speaks first.
const WIDTHS: u32 = 8;

/// Compares the features of a type's front end with those of a blob.
#[derive(Debug)]
pub struct FeatureCheck<'a> {
    /// The records that are left.
    rest: &'a [u8],
    feature: u32,
    /// How many fields the records before this one have.
    fields: u32,
    flags: u32,
    error: Option<LoadError>,
}

impl FeatureCheck<'_> {
    /// Compares the next features, constants of the type, which read a record of so many `fields`. Their
    /// fields and tables are counted from the first of them.
    #[inline(never)]
    pub fn features(&mut self, want: &[FeatureRecord], fields: u32) {
        let first = self.fields | self.feature << 8;
        self.fields = self.fields.wrapping_add(fields);
        let mut offset = 0;
        // Word by word over all records, which is less code than record by record.
        for want in want.as_bytes().as_chunks::<4>().0 {
            // What depends on the place: the flags are the highest byte of their word, field and table
            // the lowest two of theirs.
            let place = match offset {
                4 => self.flags << 24,
                8 => first,
                _ => 0,
            };
            let expected = u32::from_le_bytes(*want).wrapping_add(place);
            if let Some((found, rest)) = self.rest.split_first_chunk() {
                self.rest = rest;
                let found = u32::from_le_bytes(*found);
                if expected != found && self.error.is_none() {
                    self.error = Some(LoadError::Feature {
                        feature: self.feature,
                        offset,
                        expected,
                        found,
                    });
                }
            }
            offset += 4;
            if offset == FeatureRecord::SIZE as u32 {
                offset = 0;
                self.feature = self.feature.wrapping_add(1);
            }
        }
    }

    /// Says that the fields from here on are the candidate's.
    pub const fn candidate(&mut self) {
        self.flags = FeatureRecord::CANDIDATE as u32;
    }
}

/// Compares a blob's front end with that of a type.
#[inline(never)]
pub(crate) fn compare_features(
    blob: &Blob<'_>,
    describe: fn(&mut FeatureCheck<'_>),
) -> Result<(), LoadError> {
    let section = blob.section(SectionTag::Features).unwrap_or(&[]);
    let mut check = FeatureCheck {
        rest: section,
        feature: 0,
        fields: 0,
        flags: 0,
        error: None,
    };
    describe(&mut check);
    let expected = check.feature;
    // A 24th of the length, exact for up to 4096 records. A core without a divider has more code for a
    // division than all of this.
    let found = (section.len() as u32).wrapping_mul(0xaaab) >> 20;
    match check.error {
        // Where the counts differ, they explain that others stand in their place.
        _ if expected != found || !check.rest.is_empty() => {
            Err(LoadError::Features { expected, found })
        }
        Some(error) => Err(error),
        None => Ok(()),
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
    check.finish(blob)?;
    if blob.weights.len() != size {
        return Err(LoadError::Weights {
            expected: size as u32,
            found: blob.weights.len() as u32,
        });
    }
    Ok(())
}
