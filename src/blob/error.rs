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

    /// Node number `node`, whose place in its level is to be found: see [`among`](Self::among).
    pub(super) const fn nth(op: u8, node: u32) -> Self {
        Self::of(op, ONLY_LEVEL, 0, node as u8)
    }

    /// Finds the node's number and level. `nodes` are those of the blob: up to this one they are
    /// the type's as well, or there would have been an error before.
    fn among(self, nodes: &[NodeRecord]) -> Self {
        let [op, _, _, at] = self.0.to_le_bytes();
        let gate = NodeOp::from_code(op).is_some_and(NodeOp::is_gate);
        let (mut level, mut levels, mut index) = (0u8, 0u8, 0u8);
        let mut after_gate = false;
        for (n, node) in (0u32..).zip(nodes) {
            // Experts behind gates start a level.
            let starts = after_gate && node.is_expert();
            after_gate = node.is_gate();
            levels |= u8::from(starts);
            if n > u32::from(at) {
                continue;
            }
            if starts {
                level = level.wrapping_add(1);
                index = 0;
            }
            let alike = node.op == op || (gate && after_gate);
            index = index.wrapping_add(u8::from(alike && n < u32::from(at)));
        }
        if levels == 0 {
            level = ONLY_LEVEL;
        }
        Self::of(op, level, index, at)
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
    /// How many numbers it gives (and the reserved bytes in the high half, which are 0).
    pub width: u32,
}

impl TaskRecord {
    /// The record as an error carries it.
    #[must_use]
    pub fn shape(&self) -> TaskShape {
        TaskShape {
            how: u32::from_le_bytes([self.output, self.a, self.b, self.reserved]),
            width: u32::from(self.width.get()) | u32::from(self.reserved2.get()) << 16,
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
    /// The record as an error carries it, word by word: op, k, layers and src; first, reserved and
    /// start; inputs and outputs; sees.
    pub(super) fn words(&self) -> [u32; 4] {
        let both = |low: u16, high: u16| u32::from(low) | u32::from(high) << 16;
        [
            u32::from_le_bytes([self.op, self.k, self.layers, self.src]),
            both(
                u16::from_le_bytes([self.first, self.reserved]),
                self.start.get(),
            ),
            both(self.inputs.get(), self.outputs.get()),
            self.sees.get(),
        ]
    }
}

/// The name of a node's first field.
const WHAT: &str = "what it does";

/// What a node's record says in one of its words, and what differs there first.
struct Field {
    name: &'static str,
    expected: u32,
    found: u32,
}

impl Field {
    fn of(offset: u32, expected: u32, found: u32) -> Self {
        let fields: &[(&str, u32, u32)] = match offset {
            0 => &[
                (WHAT, 0, 8),
                ("k", 8, 8),
                ("number of layers", 16, 8),
                ("value read", 24, 8),
            ],
            4 => &[
                ("first value of its level", 0, 8),
                ("reserved byte", 8, 8),
                ("start of the slice read", 16, 16),
            ],
            8 => &[("width read", 0, 16), ("width made", 16, 16)],
            _ => &[("experts seen", 0, 32)],
        };
        let cut = |word: u32, at: u32, bits: u32| (word >> at) & (u32::MAX >> (32 - bits));
        let mut all = fields.iter().map(|&(name, at, bits)| Self {
            name,
            expected: cut(expected, at, bits),
            found: cut(found, at, bits),
        });
        all.find(|f| f.expected != f.found).unwrap_or(Self {
            name: "record",
            expected,
            found,
        })
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
        /// The first word of its record that differs, by its offset: see `docs/format.md`.
        offset: u32,
        /// That word in the type.
        expected: u32,
        /// That word in the blob.
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

    /// Finds the name of the node that it is about, if it is about one.
    pub(super) fn name(&mut self, nodes: &[NodeRecord]) {
        if let Self::Wiring { node, .. } | Self::Layer { node, .. } | Self::Packing { node, .. } =
            self
        {
            *node = node.among(nodes);
        }
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
                offset,
                expected,
                found,
            } => {
                let field = Field::of(offset, expected, found);
                let (name, expected, found) = (field.name, field.expected, field.found);
                match offset {
                    0 if name == WHAT => write!(
                        f,
                        "node {} (counted over experts, gates and towers) is {} in the blob, {} in \
                         the type: they differ in kind or number",
                        node.node(),
                        op_name(found),
                        op_name(expected)
                    ),
                    12 => write!(
                        f,
                        "{node} sees other experts: {found:#b} in the blob, {expected:#b} in the \
                         type (the lowest bit is the level's first expert)"
                    ),
                    _ => write!(
                        f,
                        "{node}, {name}: {found} in the blob, {expected} in the type"
                    ),
                }
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
