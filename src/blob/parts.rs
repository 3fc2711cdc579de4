//! What errors call the parts of a blob: nodes, layers and tasks, each in a word or two.

use super::{
    ActivationKind, LayerKind, LayerRecord, NodeOp, OutputKind, PackingKind, PrecisionKind,
    TaskRecord,
};
use core::fmt;

/// A node as people call it: `expert 3`, `gate 0 of level 1`, `tower 2`.
///
/// It is stored in one `u32`, so that an error that carries one consists of words only, and the
/// loader stays small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NodeName(u32);

/// The level number of a node in a blob that has only one level.
const ONLY_LEVEL: u8 = 0xff;

impl NodeName {
    /// Creates the name of node number `node` of the blob, which is number `index` among the nodes of
    /// its role in its level. `level` is `None` where there is only one level.
    #[must_use]
    pub const fn new(op: NodeOp, level: Option<u8>, index: u8, node: u8) -> Self {
        let level = match level {
            Some(level) => level,
            None => ONLY_LEVEL,
        };
        Self::of(op.code(), level, index, node)
    }

    pub(super) const fn of(op: u8, level: u8, index: u8, node: u8) -> Self {
        Self(u32::from_le_bytes([op, level, index, node]))
    }

    /// The same node, where there is only one level.
    pub(super) const fn of_only_level(self) -> Self {
        Self(self.0 | (ONLY_LEVEL as u32) << 8)
    }

    const fn level(self) -> u8 {
        let [_, level, ..] = self.0.to_le_bytes();
        level
    }

    /// Returns the kind of the node.
    #[must_use]
    pub const fn op(self) -> Option<NodeOp> {
        let [op, ..] = self.0.to_le_bytes();
        NodeOp::from_code(op)
    }

    /// Returns its number among the experts, gates or towers of its level, from 0.
    #[must_use]
    pub const fn index(self) -> u32 {
        let [_, _, index, _] = self.0.to_le_bytes();
        index as u32
    }

    /// Returns its number among all nodes, from 0.
    #[must_use]
    pub const fn node(self) -> u32 {
        let [.., node] = self.0.to_le_bytes();
        node as u32
    }

    /// Returns the number of its level, from 0, or `None` for a tower and where there is only one
    /// level.
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
    /// Returns the number of inputs, which is that of the columns.
    #[must_use]
    pub const fn inputs(self) -> u32 {
        self.size & 0xffff
    }
    /// Returns the number of outputs, which is that of the rows.
    #[must_use]
    pub const fn outputs(self) -> u32 {
        self.size >> 16
    }
}

impl LayerRecord {
    /// Returns the record as an error carries it.
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
    /// How many numbers the task has, in the low half. The high half holds reserved bytes, which are 0.
    pub width: u32,
}

impl TaskRecord {
    /// Returns the record as an error carries it.
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
