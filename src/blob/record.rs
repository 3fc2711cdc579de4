//! The records of the header, and what follows from a record alone.
//!
//! Records consist of bytes and little-endian integers, so that their form in the file is their form in
//! memory. A field holds whatever byte the file has; the method of the same name returns what it
//! stands for.

use super::codes::{
    ActivationKind, InputKind, LayerKind, NodeOp, OutputKind, PackingKind, PrecisionKind, SeesForm,
};
use super::seen::Seen;
use crate::kernel::CurveTable;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// One input of the model, 8 bytes. There is exactly one today.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct InputRecord {
    /// The code of an [`InputKind`].
    pub kind: u8,
    /// Zero.
    pub flags: u8,
    /// Zero.
    pub reserved: U16,
    /// How many elements the trunk reads.
    pub count: U32,
}

/// One node of the wiring, 16 bytes. Node i makes value i + 1; value 0 is the input.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct NodeRecord {
    /// The code of a [`NodeOp`].
    pub op: u8,
    /// Top-k and DSelect-k: k. Otherwise 0.
    pub k: u8,
    /// How many layer records it owns; 0 is the identity.
    pub layers: u8,
    /// The value it reads.
    pub src: u8,
    /// Gates: the value from which `sees` counts. Otherwise 0.
    pub first: u8,
    /// Gates: the code of a [`SeesForm`], which says how to read `sees`. Otherwise 0.
    pub form: u8,
    /// It reads `src[start .. start + inputs]`.
    pub start: U16,
    /// How many elements it reads.
    pub inputs: U16,
    /// Width of the value it makes (a gate's: of the mixture).
    pub outputs: U16,
    /// Gates: the values mixed, as a mask or as runs. Otherwise 0.
    pub sees: U32,
}

/// One layer, 8 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct LayerRecord {
    /// The code of a [`LayerKind`], or one from [`LayerKind::USER`] on.
    pub kind: u8,
    /// The code of an [`ActivationKind`]; of a group norm one less than its number of groups.
    pub activation: u8,
    /// The code of a [`PrecisionKind`].
    pub precision: u8,
    /// The code of a [`PackingKind`].
    pub packing: u8,
    /// Columns.
    pub inputs: U16,
    /// Rows.
    pub outputs: U16,
}

/// One task, 8 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct TaskRecord {
    /// The code of an [`OutputKind`].
    pub output: u8,
    /// The value read; for a product the index of the first factor's task.
    pub a: u8,
    /// For a product the index of the second factor's task. Otherwise 0.
    pub b: u8,
    /// Zero.
    pub reserved: u8,
    /// How many numbers the task has.
    pub width: U16,
    /// Zero.
    pub reserved2: U16,
}

impl InputRecord {
    /// Creates the record of `count` plain features.
    #[must_use]
    pub const fn raw(count: usize) -> Self {
        Self {
            kind: InputKind::Raw.code(),
            flags: 0,
            reserved: U16::new(0),
            count: U32::new(count as u32),
        }
    }

    /// Creates the record of a front end that makes `count` elements.
    #[must_use]
    pub const fn record(count: usize) -> Self {
        let mut record = Self::raw(count);
        record.kind = InputKind::Record.code();
        record
    }

    /// Returns what the model reads, or `None` for a kind or flags that this version does not know.
    #[must_use]
    pub const fn kind(&self) -> Option<InputKind> {
        match InputKind::from_code(self.kind) {
            Some(kind) if self.flags == 0 && self.reserved.get() == 0 => Some(kind),
            _ => None,
        }
    }
}

impl NodeRecord {
    /// Creates the record of a node with this description, kind and number of layers, whose value has
    /// `outputs` elements. What depends on its place in the model stays 0.
    #[must_use]
    pub const fn new(info: &super::NodeInfo, op: NodeOp, layers: u8, outputs: usize) -> Self {
        Self {
            op: op.code(),
            k: info.k,
            layers,
            src: 0,
            first: 0,
            form: 0,
            start: U16::new(info.start),
            inputs: U16::new(info.inputs),
            outputs: U16::new(width(outputs)),
            sees: U32::new(0),
        }
    }

    /// What it does; `None` for a code that this version does not know.
    #[must_use]
    pub const fn op(&self) -> Option<NodeOp> {
        NodeOp::from_code(self.op)
    }

    /// Returns `true` if it is an expert.
    #[must_use]
    pub const fn is_expert(&self) -> bool {
        matches!(self.op(), Some(NodeOp::Expert))
    }

    /// Returns `true` if it is a tower.
    #[must_use]
    pub const fn is_tower(&self) -> bool {
        matches!(self.op(), Some(NodeOp::Tower))
    }

    /// Returns `true` if it is a gate of any kind.
    #[must_use]
    pub const fn is_gate(&self) -> bool {
        matches!(self.op(), Some(op) if op.is_gate())
    }

    /// Returns the number of weights of a gate, which is that of the experts that it sees; 0 for other
    /// nodes.
    #[must_use]
    #[inline(never)]
    pub const fn seen(&self) -> usize {
        self.sees().count()
    }

    /// Returns the values that a gate mixes, in the order of its weights.
    pub fn seen_values(&self) -> impl Iterator<Item = usize> + use<> {
        let first = self.first as usize;
        self.sees().steps().map(move |step| first + step)
    }

    /// Returns the place of a value's weight among the weights of a gate, or `None` where the gate does
    /// not see the value.
    // Not inlined: the walk asks in several places, in each number system.
    #[must_use]
    #[inline(never)]
    pub const fn weight_of(&self, value: usize) -> Option<usize> {
        match value.checked_sub(self.first as usize) {
            Some(step) => self.sees().place(step),
            None => None,
        }
    }

    /// The steps from value `first` to those that are seen; none for a form that this version does not
    /// know.
    const fn sees(&self) -> Seen {
        match SeesForm::from_code(self.form) {
            Some(form) => Seen::of(form, self.sees.get()),
            None => Seen::NONE,
        }
    }

    /// Returns the multiply-accumulates of mixing where all experts that are seen run; 0 for nodes that
    /// are not gates.
    #[must_use]
    pub const fn mixing_macs(&self) -> u64 {
        if self.is_gate() {
            self.seen() as u64 * self.outputs.get() as u64
        } else {
            0
        }
    }
}

impl LayerRecord {
    /// A layer with a matrix: [`LayerKind::Dense`] or [`LayerKind::Logits`].
    #[must_use]
    pub const fn matrix(
        kind: LayerKind,
        activation: ActivationKind,
        (precision, packing): (PrecisionKind, PackingKind),
        inputs: usize,
        outputs: usize,
    ) -> Self {
        Self {
            kind: kind.code(),
            activation: activation.code(),
            precision: precision.code(),
            packing: packing.code(),
            inputs: U16::new(width(inputs)),
            outputs: U16::new(width(outputs)),
        }
    }

    /// A layer without a matrix, and so without an activation and a packing to choose.
    #[must_use]
    pub const fn vector(
        kind: LayerKind,
        precision: PrecisionKind,
        inputs: usize,
        outputs: usize,
    ) -> Self {
        Self::user(kind.code(), precision, inputs, outputs)
    }

    /// A layer of a user's own. `kind` is a code from [`LayerKind::USER`] on.
    #[must_use]
    pub const fn user(kind: u8, precision: PrecisionKind, inputs: usize, outputs: usize) -> Self {
        Self {
            kind,
            activation: ActivationKind::Linear.code(),
            precision: precision.code(),
            packing: PackingKind::Panels.code(),
            inputs: U16::new(width(inputs)),
            outputs: U16::new(width(outputs)),
        }
    }

    /// Returns what it computes, or `None` for a user's own layer and for a code that this version does
    /// not know.
    #[must_use]
    pub const fn kind(&self) -> Option<LayerKind> {
        LayerKind::from_code(self.kind)
    }

    /// An activation as a layer of its own.
    #[must_use]
    pub const fn pointwise(activation: ActivationKind, precision: PrecisionKind, n: usize) -> Self {
        let mut record = Self::vector(LayerKind::Pointwise, precision, n, n);
        record.activation = activation.code();
        record
    }

    /// A layer norm of each of 1 to 256 groups of `n / groups` units.
    ///
    /// # Panics
    ///
    /// Where there are other numbers of groups, or `n` is no multiple of theirs. A type's record is a
    /// constant, so that such a type does not compile.
    #[must_use]
    pub const fn group_norm(groups: usize, precision: PrecisionKind, n: usize) -> Self {
        assert!(
            groups >= 1 && groups <= 256 && n.is_multiple_of(groups),
            "a group norm has 1 to 256 groups of equally many units"
        );
        let mut record = Self::vector(LayerKind::GroupNorm, precision, n, n);
        record.activation = (groups - 1) as u8;
        record
    }

    /// Returns its activation function, or `None` for a code that this version does not know.
    #[must_use]
    pub const fn activation(&self) -> Option<ActivationKind> {
        match self.kind() {
            Some(LayerKind::GroupNorm) => Some(ActivationKind::Linear),
            _ => ActivationKind::from_code(self.activation),
        }
    }

    /// How many groups of units it normalizes, each on its own: 1 for all but a group norm.
    #[must_use]
    pub const fn groups(&self) -> usize {
        match self.kind() {
            Some(LayerKind::GroupNorm) => self.activation as usize + 1,
            _ => 1,
        }
    }

    /// Returns its precision, or `None` for a code that this version does not know.
    #[must_use]
    pub const fn precision(&self) -> Option<PrecisionKind> {
        PrecisionKind::from_code(self.precision)
    }

    /// Returns the order of its weights, or `None` for a code that this version does not know.
    #[must_use]
    pub const fn packing(&self) -> Option<PackingKind> {
        PackingKind::from_code(self.packing)
    }

    /// Returns `true` if it multiplies by a matrix.
    #[must_use]
    pub const fn is_matrix(&self) -> bool {
        matches!(self.kind(), Some(kind) if kind.is_matrix())
    }

    /// Returns `true` if its activations are int16.
    #[must_use]
    pub const fn is_integer(&self) -> bool {
        matches!(self.precision(), Some(precision) if precision.is_integer())
    }

    /// Returns its multiply-accumulates, which are those of the matrix, if it has one.
    #[must_use]
    pub const fn macs(&self) -> u64 {
        if self.is_matrix() {
            self.inputs.get() as u64 * self.outputs.get() as u64
        } else {
            0
        }
    }

    /// Bytes of its weights, a multiple of 4; `None` where the format does not allow the record: a
    /// dimension of 0, an unknown code, or codes that do not go together.
    #[must_use]
    pub const fn weight_bytes(&self) -> Option<usize> {
        let (i, o) = (self.inputs.get() as usize, self.outputs.get() as usize);
        let (Some(kind), Some(activation), Some(precision), Some(packing)) = (
            self.kind(),
            self.activation(),
            self.precision(),
            self.packing(),
        ) else {
            return None;
        };
        if let LayerKind::Hot = kind {
            // It may have no numbers, and must have a code.
            let plain = matches!(activation, ActivationKind::Linear)
                && matches!(packing, PackingKind::Panels)
                && matches!(precision, PrecisionKind::F32 | PrecisionKind::I16);
            return if plain && i > o { Some(4) } else { None };
        }
        if i == 0 || o == 0 || !packing.fits(precision) {
            return None;
        }
        let square = i == o;
        match kind {
            LayerKind::Dense | LayerKind::Logits => {
                let Some(cells) = i.checked_mul(o) else {
                    return None;
                };
                // Bytes of a weight, and of what stands beside each row.
                let (weight, row) = match precision {
                    PrecisionKind::F32 => (4, 4),
                    PrecisionKind::W8 | PrecisionKind::I8 => (1, 8),
                    PrecisionKind::I16 => (2, 12),
                };
                // Logits are what an output makes its own activation of.
                if matches!(kind, LayerKind::Logits)
                    && !matches!(activation, ActivationKind::Linear)
                {
                    return None;
                }
                let stored = Some(stored_bytes(activation, precision));
                sum(padded(cells, weight), sum(cells_of(o, row), stored))
            }
            LayerKind::Pointwise => match precision {
                // A slope is what `PRelu` has, one per unit.
                _ if !square || matches!(activation, ActivationKind::LeakyRelu) => None,
                PrecisionKind::F32 | PrecisionKind::I16 => {
                    Some(stored_bytes(activation, precision))
                }
                PrecisionKind::W8 | PrecisionKind::I8 => None,
            },
            _ if !matches!(activation, ActivationKind::Linear) => None,
            LayerKind::Affine if square => match precision {
                PrecisionKind::F32 | PrecisionKind::I16 => cells_of(o, 8),
                PrecisionKind::W8 | PrecisionKind::I8 => None,
            },
            LayerKind::GroupNorm if !matches!(o.checked_rem(self.groups()), Some(0)) => None,
            LayerKind::LayerNorm
            | LayerKind::RmsNorm
            | LayerKind::UnitNorm
            | LayerKind::GroupNorm
                if square =>
            {
                match precision {
                    PrecisionKind::F32 => sum(cells_of(o, 8), Some(4)),
                    PrecisionKind::I16 => sum(cells_of(o, 8), Some(8)),
                    PrecisionKind::W8 | PrecisionKind::I8 => None,
                }
            }
            LayerKind::Dice if square => match precision {
                PrecisionKind::F32 | PrecisionKind::I16 => cells_of(o, 12),
                PrecisionKind::W8 | PrecisionKind::I8 => None,
            },
            LayerKind::RowDice if square => match precision {
                PrecisionKind::F32 => Some(8),
                PrecisionKind::I16 => Some(12),
                PrecisionKind::W8 | PrecisionKind::I8 => None,
            },
            LayerKind::Affine
            | LayerKind::LayerNorm
            | LayerKind::RmsNorm
            | LayerKind::UnitNorm
            | LayerKind::GroupNorm
            | LayerKind::Dice
            | LayerKind::RowDice
            | LayerKind::Hot => None,
            LayerKind::PRelu if !square => None,
            LayerKind::PRelu | LayerKind::Constant => match precision {
                PrecisionKind::F32 => padded(o, 4),
                PrecisionKind::I16 => padded(o, 2),
                PrecisionKind::W8 | PrecisionKind::I8 => None,
            },
        }
    }
}

impl TaskRecord {
    /// Returns the kind of its output, or `None` for a code that this version does not know.
    #[must_use]
    pub const fn output(&self) -> Option<OutputKind> {
        OutputKind::from_code(self.output)
    }

    /// Returns the node of its tower, or `None` for a product and for a record that names the input.
    #[must_use]
    pub const fn tower(&self) -> Option<usize> {
        match self.output() {
            Some(OutputKind::Product) | None => None,
            Some(OutputKind::Linear | OutputKind::Sigmoid | OutputKind::Softmax) => {
                (self.a as usize).checked_sub(1)
            }
        }
    }

    /// Returns the tasks that it multiplies, or `None` for everything but a product.
    #[must_use]
    pub const fn factors(&self) -> Option<(usize, usize)> {
        match self.output() {
            Some(OutputKind::Product) => Some((self.a as usize, self.b as usize)),
            _ => None,
        }
    }
}

/// A width as the records have it. All callers are constants, so that a width beyond the format is
/// a compile-time error.
pub(super) const fn width(n: usize) -> u16 {
    assert!(n <= u16::MAX as usize, "the format's widths end at 65535");
    n as u16
}

/// Bytes of what an activation stores.
const fn stored_bytes(activation: ActivationKind, precision: PrecisionKind) -> usize {
    match activation {
        ActivationKind::LeakyRelu => 4,
        _ if activation.curve().is_none() => 0,
        _ if precision.is_integer() => size_of::<CurveTable>(),
        _ => size_of::<[f32; 3]>(),
    }
}

// Sizes are counted with overflow in view: on a 32-bit reader a record may ask for more bytes than
// there are addresses.

const fn cells_of(n: usize, size: usize) -> Option<usize> {
    n.checked_mul(size)
}

/// `n` elements of `size` bytes, and zeros up to a multiple of 4.
const fn padded(n: usize, size: usize) -> Option<usize> {
    match n.checked_mul(size) {
        Some(bytes) => bytes.checked_next_multiple_of(4),
        None => None,
    }
}

const fn sum(a: Option<usize>, b: Option<usize>) -> Option<usize> {
    match (a, b) {
        (Some(a), Some(b)) => a.checked_add(b),
        _ => None,
    }
}
