//! What can be wrong with a blob.

use core::fmt;

/// A layer as an error names it: the eight bytes of its record in two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [kind, activation, precision, packing] = self.how.to_le_bytes();
        let kind = match kind {
            crate::blob::kind::DENSE => "dense",
            crate::blob::kind::LOGITS => "logits",
            crate::blob::kind::AFFINE => "affine",
            crate::blob::kind::PRELU => "prelu",
            crate::blob::kind::LAYER_NORM => "layer norm",
            crate::blob::kind::CONSTANT => "constant",
            _ => "custom",
        };
        let precision = match precision {
            crate::blob::precision::F32 => "F32",
            crate::blob::precision::W8 => "W8",
            crate::blob::precision::I8 => "I8",
            crate::blob::precision::I16 => "I16",
            _ => "?",
        };
        let activation = match activation {
            crate::blob::activation::LINEAR => "",
            crate::blob::activation::RELU => " relu",
            crate::blob::activation::LEAKY_RELU => " leaky relu",
            crate::blob::activation::SIGMOID => " sigmoid",
            crate::blob::activation::TANH => " tanh",
            _ => " ?",
        };
        write!(
            f,
            "{}→{} {precision} {kind}{activation}",
            self.inputs(),
            self.outputs()
        )?;
        if packing != 0 {
            write!(f, " packing {packing}")
        } else {
            Ok(())
        }
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
    /// The weights do not start at a multiple of their alignment: put the blob in an
    /// [`Aligned`](crate::Aligned), or at an address that is a multiple of 64.
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
        /// The step, counted over experts, gates and towers in the order of the weights.
        node: u32,
        /// The first byte of its record that differs.
        byte: u32,
        /// That byte in the type.
        expected: u32,
        /// That byte in the blob.
        found: u32,
    },
    /// A layer differs.
    Layer {
        /// What the step is (an [`op`](crate::blob::op)).
        op: u32,
        /// Which of the experts, gates or towers, from 0.
        index: u32,
        /// Which of its layers, from 0.
        layer: u32,
        /// The layer in the type.
        expected: Shape,
        /// The layer in the blob.
        found: Shape,
    },
    /// Another packing of weights: convert again with the `--packing` that the type wants.
    Packing {
        /// What the step is (an [`op`](crate::blob::op)).
        op: u32,
        /// Which of the experts, gates or towers, from 0.
        index: u32,
        /// The packing in the type.
        expected: u32,
        /// The packing in the blob.
        found: u32,
    },
    /// More or fewer steps than the type has.
    Nodes {
        /// Steps of the type.
        expected: u32,
        /// Steps of the blob.
        found: u32,
    },
    /// A task differs, or there are more or fewer.
    Task {
        /// Which task, from 0.
        task: u32,
        /// The task in the type: output kind, values a and b, lowest byte first, then the width in
        /// the high half of a word.
        expected: u32,
        /// The task in the blob.
        found: u32,
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
        /// The step or the task.
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
        }
    }
}

/// How people call a step.
fn role(op: u32) -> &'static str {
    match op {
        0 => "expert",
        1 => "tower",
        _ => "gate",
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
                crate::blob::VERSION
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
                    "the weights lie at an address {offset} beyond a multiple of 64: use \
                     `include_blob!` or an aligned buffer"
                )
            }
            Self::Inputs { expected, found } => {
                write!(f, "{found} inputs in the blob, {expected} in the type")
            }
            Self::Wiring {
                node,
                byte,
                expected,
                found,
            } => {
                let field = match byte {
                    0 => "operation",
                    1 => "k",
                    2 => "number of layers",
                    3 => "value read",
                    4 => "first expert seen",
                    5 => "reserved byte",
                    6 | 7 => "start of its slice",
                    8 | 9 => "width read",
                    10 | 11 => "width made",
                    _ => "experts seen",
                };
                write!(
                    f,
                    "step {node} (counted over experts, gates and towers), {field}: {found} in \
                     the blob, {expected} in the type (byte {byte} of its record)"
                )
            }
            Self::Layer {
                op,
                index,
                layer,
                expected,
                found,
            } => {
                write!(
                    f,
                    "{} {index}, layer {layer}: {found} in the blob, {expected} in the type",
                    role(op)
                )
            }
            Self::Packing {
                op,
                index,
                expected,
                found,
            } => write!(
                f,
                "{} {index}: weights in another packing ({found} in the blob, {expected} in \
                 the type): convert again with the type's `--packing`",
                role(op)
            ),
            Self::Nodes { expected, found } => write!(
                f,
                "{found} experts, gates and towers in the blob, {expected} in the type"
            ),
            Self::Task {
                task,
                expected,
                found,
            } => write!(
                f,
                "task {task}: {found:#010x} in the blob, {expected:#010x} in the type"
            ),
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
