//! What can be wrong with a blob.

use super::{
    ALIGN, ActivationKind, LayerKind, LayerRecord, NodeOp, NodeRecord, OutputKind, PackingKind,
    PrecisionKind, TaskRecord,
};
use core::fmt;

/// A node as people call it: `expert 3`, `gate 0 of level 1`, `tower 2`.
///
/// In a word, so that an error that carries one is words only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NodeName(u32);

/// A level's number that means: the only one.
const ONLY_LEVEL: u8 = 0xff;

impl NodeName {
    /// What stands before the first node: nothing that is followed by anything of its kind.
    pub(super) const BEFORE: Self = Self::of(0xff, 0, 0xff, 0xff);

    /// The node number `node` of all, which is number `index` of its role in its level. `level`:
    /// `None` where there is only one.
    #[must_use]
    pub const fn new(op: NodeOp, level: Option<u8>, index: u8, node: u8) -> Self {
        let level = match level {
            Some(level) => level,
            None => ONLY_LEVEL,
        };
        Self::of(op.code(), level, index, node)
    }

    const fn of(op: u8, level: u8, index: u8, node: u8) -> Self {
        Self(u32::from_le_bytes([op, level, index, node]))
    }

    /// The node that follows this one: the next of its role, or the first of another.
    pub(super) fn next(self, record: &NodeRecord) -> Self {
        let [op, level, index, node] = self.0.to_le_bytes();
        let gate = |op| NodeOp::from_code(op).is_some_and(NodeOp::is_gate);
        let (was, is) = (gate(op), record.is_gate());
        let index = if op == record.op || (was && is) {
            index.wrapping_add(1)
        } else {
            0
        };
        // Experts behind gates start a level.
        let level = level.wrapping_add(u8::from(was && record.is_expert()));
        Self::of(record.op, level, index, node.wrapping_add(1))
    }

    /// How many levels there are, if this is the last node.
    pub(super) const fn levels(self) -> u32 {
        self.level() as u32 + 1
    }

    /// The same node, of a model with so many levels.
    const fn among(self, levels: u32) -> Self {
        if levels == 1 {
            let [op, _, index, node] = self.0.to_le_bytes();
            Self::of(op, ONLY_LEVEL, index, node)
        } else {
            self
        }
    }

    const fn level(self) -> u8 {
        let [_, level, ..] = self.0.to_le_bytes();
        level
    }

    /// What it does.
    #[must_use]
    pub const fn op(self) -> Option<NodeOp> {
        let [op, ..] = self.0.to_le_bytes();
        NodeOp::from_code(op)
    }

    /// Which of the experts, gates or towers of its level, from 0.
    #[must_use]
    pub const fn index(self) -> u32 {
        let [_, _, index, _] = self.0.to_le_bytes();
        index as u32
    }

    /// Which of all nodes, from 0.
    #[must_use]
    pub const fn node(self) -> u32 {
        let [.., node] = self.0.to_le_bytes();
        node as u32
    }

    /// The number of its level, from 0; `None` for towers, and where there is only one level.
    #[must_use]
    pub const fn level_number(self) -> Option<u32> {
        match self.op() {
            Some(NodeOp::Tower) => None,
            _ if self.level() == ONLY_LEVEL => None,
            _ => Some(self.level() as u32),
        }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = self.op().map_or("node", NodeOp::role);
        write!(f, "{role} {}", self.index())?;
        match self.level_number() {
            Some(level) => write!(f, " of level {level}"),
            None => Ok(()),
        }
    }
}

/// A layer as an error names it: the eight bytes of its record in two words.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Shape {
    /// Kind, activation, precision and packing, lowest byte first.
    pub how: u32,
    /// Inputs in the low half, outputs in the high half.
    pub size: u32,
}

impl Shape {
    /// Columns.
    #[must_use]
    pub const fn inputs(self) -> u32 {
        self.size & 0xffff
    }
    /// Rows.
    #[must_use]
    pub const fn outputs(self) -> u32 {
        self.size >> 16
    }
}

impl LayerRecord {
    /// The record as an error carries it.
    #[must_use]
    pub fn shape(&self) -> Shape {
        Shape {
            how: u32::from_le_bytes([self.kind, self.activation, self.precision, self.packing]),
            size: u32::from(self.inputs.get()) | u32::from(self.outputs.get()) << 16,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [kind, activation, precision, packing] = self.how.to_le_bytes();
        write!(f, "{}→{} ", self.inputs(), self.outputs())?;
        match PrecisionKind::from_code(precision) {
            Some(precision) => write!(f, "{precision} ")?,
            None => write!(f, "precision {precision} ")?,
        }
        match LayerKind::from_code(kind) {
            Some(kind) => write!(f, "{kind}")?,
            None => write!(f, "layer of kind {kind}")?,
        }
        match ActivationKind::from_code(activation) {
            Some(ActivationKind::Linear) => {}
            Some(activation) => write!(f, " {activation}")?,
            None => write!(f, " activation {activation}")?,
        }
        match PackingKind::from_code(packing) {
            Some(PackingKind::Panels) => Ok(()),
            Some(packing) => write!(f, " packed {packing}"),
            None => write!(f, " packing {packing}"),
        }
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shape({self})")
    }
}

/// A task as an error names it: its record in two words.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TaskShape {
    /// Output kind, a and b, lowest byte first.
    pub how: u32,
    /// How many numbers it gives.
    pub width: u32,
}

impl TaskRecord {
    /// The record as an error carries it.
    #[must_use]
    pub fn shape(&self) -> TaskShape {
        TaskShape {
            how: u32::from_le_bytes([self.output, self.a, self.b, self.reserved]),
            width: u32::from(self.width.get()),
        }
    }
}

impl fmt::Display for TaskShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [output, a, b, _] = self.how.to_le_bytes();
        match OutputKind::from_code(output) {
            Some(OutputKind::Product) => write!(f, "product of tasks {a} and {b}")?,
            Some(output) => write!(f, "{output} of value {a}")?,
            None => write!(f, "output {output} of value {a}")?,
        }
        write!(f, ", width {}", self.width)
    }
}

impl fmt::Debug for TaskShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskShape({self})")
    }
}

impl NodeRecord {
    /// The field that this byte of the record belongs to: its offset, and its value.
    pub(super) fn field(&self, byte: usize) -> (u32, u32) {
        let (offset, value) = match byte {
            0 => (0, self.op.into()),
            1 => (1, self.k.into()),
            2 => (2, self.layers.into()),
            3 => (3, self.src.into()),
            4 => (4, self.first.into()),
            5 => (5, self.reserved.into()),
            6 | 7 => (6, self.start.get().into()),
            8 | 9 => (8, self.inputs.get().into()),
            10 | 11 => (10, self.outputs.get().into()),
            _ => (12, self.sees.get()),
        };
        (offset, value)
    }
}

/// Why a blob was not accepted. Every payload is a `u32`, which keeps the loader small.
///
/// [`code`](Self::code) gives the stable number of each (see `docs/format.md`), for logs that have
/// no room for text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum LoadError {
    /// Fewer bytes than the preamble, or than the total length that it states.
    Truncated {
        /// How many bytes there must be.
        needed: u32,
        /// How many there are.
        found: u32,
    },
    /// The first four bytes are not `MMOE`.
    Magic {
        /// The first four bytes, little-endian.
        found: u32,
    },
    /// Another version of the format.
    Version {
        /// The version in the blob.
        found: u32,
    },
    /// The bytes changed after they were written.
    Checksum {
        /// The checksum in the preamble.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// The checksum holds but the header does not parse: the writer's fault.
    Header,
    /// A section that a reader must understand to use the blob.
    Section {
        /// Its tag.
        tag: u32,
    },
    /// The blob does not lie at a multiple of 4 bytes: put it in an [`Aligned`](crate::Aligned), or
    /// at an address that is one. (A layer of your own may need more.)
    Alignment {
        /// Address of the weights modulo 64.
        offset: u32,
    },
    /// The model takes another number of inputs.
    Inputs {
        /// Inputs of the type.
        expected: u32,
        /// Inputs of the blob.
        found: u32,
    },
    /// The blob has another wiring than the type.
    Wiring {
        /// The node in the type.
        node: NodeName,
        /// The first field of its record that differs, by its offset: see `docs/format.md`.
        field: u32,
        /// That field in the type.
        expected: u32,
        /// That field in the blob.
        found: u32,
    },
    /// A layer differs.
    Layer {
        /// The node that it belongs to.
        node: NodeName,
        /// Which of its layers, from 0.
        layer: u32,
        /// The layer in the type.
        expected: Shape,
        /// The layer in the blob.
        found: Shape,
    },
    /// Another packing of weights: convert again with the `--packing` that the type wants.
    Packing {
        /// The node that the layer belongs to.
        node: NodeName,
        /// The packing in the type (the code of a [`PackingKind`]).
        expected: u32,
        /// The packing in the blob.
        found: u32,
    },
    /// More or fewer experts, gates and towers than the type has.
    Nodes {
        /// Nodes of the type.
        expected: u32,
        /// Nodes of the blob.
        found: u32,
    },
    /// More or fewer tasks than the type has.
    Tasks {
        /// Tasks of the type.
        expected: u32,
        /// Tasks of the blob.
        found: u32,
    },
    /// A task differs.
    Task {
        /// Which task, from 0.
        task: u32,
        /// The task in the type.
        expected: TaskShape,
        /// The task in the blob.
        found: TaskShape,
    },
    /// The weights have another length than the layers need.
    Weights {
        /// Bytes that the layers need.
        expected: u32,
        /// Bytes in the blob.
        found: u32,
    },
    /// A record holds a value that the format does not allow.
    Record {
        /// The node or the task.
        at: u32,
        /// Which rule: see the table in `docs/format.md`.
        rule: u32,
    },
}

impl LoadError {
    /// The stable number of this error.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::Truncated { .. } => 0x10,
            Self::Magic { .. } => 0x11,
            Self::Version { .. } => 0x12,
            Self::Checksum { .. } => 0x13,
            Self::Header => 0x20,
            Self::Section { .. } => 0x21,
            Self::Record { .. } => 0x22,
            Self::Alignment { .. } => 0x23,
            Self::Weights { .. } => 0x24,
            Self::Inputs { .. } => 0x30,
            Self::Nodes { .. } => 0x31,
            Self::Wiring { .. } => 0x32,
            Self::Layer { .. } => 0x33,
            Self::Packing { .. } => 0x34,
            Self::Task { .. } => 0x35,
            Self::Tasks { .. } => 0x36,
        }
    }

    /// The same error, of a model with so many levels.
    pub(super) fn among(mut self, levels: u32) -> Self {
        if let Self::Wiring { node, .. } | Self::Layer { node, .. } | Self::Packing { node, .. } =
            &mut self
        {
            *node = node.among(levels);
        }
        self
    }
}

/// What a node is called whose op has this code.
fn op_name(code: u32) -> &'static str {
    let op = u8::try_from(code).ok().and_then(NodeOp::from_code);
    match op {
        Some(NodeOp::Expert) => "an expert",
        Some(NodeOp::Tower) => "a tower",
        Some(NodeOp::Softmax) => "a softmax gate",
        Some(NodeOp::Sigmoid) => "a sigmoid gate",
        Some(NodeOp::Hard) => "a hard gate",
        Some(NodeOp::TopK) => "a top-k gate",
        Some(NodeOp::TopKRaw) => "a top-k gate that does not renormalise",
        Some(NodeOp::Constant) => "a constant gate",
        Some(NodeOp::DSelectK) => "a DSelect-k gate",
        None => "something unknown",
    }
}

fn packing_name(code: u32) -> &'static str {
    let packing = u8::try_from(code).ok().and_then(PackingKind::from_code);
    packing.map_or("?", PackingKind::name)
}

/// What differs between two layers, as short as it may be: their shapes, or all of them.
fn layers(f: &mut fmt::Formatter<'_>, expected: Shape, found: Shape) -> fmt::Result {
    if expected.how == found.how {
        let (i, o) = (found.inputs(), found.outputs());
        let (wi, wo) = (expected.inputs(), expected.outputs());
        return write!(f, "{i}→{o} in the blob, {wi}→{wo} in the type");
    }
    write!(f, "{found} in the blob, {expected} in the type")
}

/// What differs between two tasks.
fn tasks(f: &mut fmt::Formatter<'_>, expected: TaskShape, found: TaskShape) -> fmt::Result {
    let [w, ..] = expected.how.to_le_bytes();
    let [o, ..] = found.how.to_le_bytes();
    match (OutputKind::from_code(o), OutputKind::from_code(w)) {
        (Some(o), Some(w)) if o != w => write!(f, "{o} in the blob, {w} in the type"),
        _ if expected.how == found.how => write!(
            f,
            "{} wide in the blob, {} wide in the type",
            found.width, expected.width
        ),
        _ => write!(f, "{found} in the blob, {expected} in the type"),
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { needed, found } => {
                write!(f, "the blob is cut: {needed} bytes needed, {found} there")
            }
            Self::Magic { found } => write!(f, "not an mmoe blob (it starts with {found:#010x})"),
            Self::Version { found } => write!(
                f,
                "format version {found}, this reader knows {}: convert the model again with this \
                 version of `mmoe convert`",
                super::VERSION
            ),
            Self::Checksum { stored, computed } => write!(
                f,
                "the blob is damaged: checksum {computed:08x}, {stored:08x} stored"
            ),
            Self::Header => f.write_str("the header does not parse though its checksum holds"),
            Self::Section { tag } => write!(
                f,
                "section {tag} is needed to use this blob and unknown to this reader"
            ),
            Self::Alignment { offset } => {
                write!(
                    f,
                    "the blob must lie at a multiple of {ALIGN} bytes (its weights lie {offset} \
                     beyond a multiple of 64): use `include_blob!` or an `Aligned` buffer"
                )
            }
            Self::Inputs { expected, found } => {
                write!(f, "{found} inputs in the blob, {expected} in the type")
            }
            Self::Wiring {
                node,
                field: 0,
                expected,
                found,
            } => write!(
                f,
                "node {} (counted over experts, gates and towers) is {} in the blob, {} in the \
                 type: they differ in kind or number",
                node.node(),
                op_name(found),
                op_name(expected)
            ),
            Self::Wiring {
                node,
                field: 12,
                expected,
                found,
            } => write!(
                f,
                "{node} sees other experts: {found:#b} in the blob, {expected:#b} in the type \
                 (the lowest bit is the level's first expert)"
            ),
            Self::Wiring {
                node,
                field,
                expected,
                found,
            } => {
                let field = match field {
                    1 => "k",
                    2 => "number of layers",
                    3 => "value read",
                    4 => "first value of its level",
                    5 => "reserved byte",
                    6 => "start of the slice read",
                    8 => "width read",
                    _ => "width made",
                };
                write!(
                    f,
                    "{node}, {field}: {found} in the blob, {expected} in the type"
                )
            }
            Self::Layer {
                node,
                layer,
                expected,
                found,
            } => {
                write!(f, "{node}, layer {layer}: ")?;
                layers(f, expected, found)
            }
            Self::Packing {
                node,
                expected,
                found,
            } => {
                let (expected, found) = (packing_name(expected), packing_name(found));
                write!(
                    f,
                    "{node}: weights packed as {found} in the blob, as {expected} in the type: \
                     convert again with `--packing {expected}`"
                )
            }
            Self::Nodes { expected, found } => write!(
                f,
                "{found} experts, gates and towers in the blob, {expected} in the type"
            ),
            Self::Tasks { expected, found } => {
                write!(f, "{found} tasks in the blob, {expected} in the type")
            }
            Self::Task {
                task,
                expected,
                found,
            } => {
                write!(f, "task {task}: ")?;
                tasks(f, expected, found)
            }
            Self::Weights { expected, found } => {
                write!(f, "{found} bytes of weights in the blob, {expected} needed")
            }
            Self::Record { at, rule } => write!(
                f,
                "record {at} of the header breaks rule {rule} of the format"
            ),
        }
    }
}

impl core::error::Error for LoadError {}
