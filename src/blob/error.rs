//! Why a blob is not accepted, as an error and as text.

use super::{ALIGN, NodeName, NodeOp, OutputKind, PackingKind, Shape, TaskShape};
use core::fmt;

/// The name of a node's first field, which gets a message of its own.
const WHAT: &str = "what it does";

/// The first field that differs within one word of a record.
struct Field {
    name: &'static str,
    expected: u32,
    found: u32,
}

impl Field {
    fn of(offset: u32, expected: u32, found: u32) -> Self {
        let fields: &[(&'static str, u32, u32)] = match offset {
            0 => &[
                (WHAT, 0, 8),
                ("k", 8, 8),
                ("number of layers", 16, 8),
                ("value read", 24, 8),
            ],
            4 => &[
                ("first value of its level", 0, 8),
                ("form of the experts seen", 8, 8),
                ("start of the slice read", 16, 16),
            ],
            8 => &[("width read", 0, 16), ("width made", 16, 16)],
            _ => &[("experts seen", 0, 32)],
        };
        Self::first(fields, expected, found)
    }

    fn of_feature(offset: u32, expected: u32, found: u32) -> Self {
        let fields: &[(&'static str, u32, u32)] = match offset {
            0 => &[
                ("what is given", 0, 8),
                ("coder", 8, 8),
                ("what it makes", 16, 8),
                ("precision", 24, 8),
            ],
            4 => &[("width", 0, 16), ("items", 16, 8), ("flags", 24, 8)],
            8 => &[("field", 0, 8), ("table", 8, 8), ("reserved bytes", 16, 16)],
            12 => &[("entries", 0, 32)],
            16 => &[("rows", 0, 32)],
            _ => &[("bytes of text", 0, 32)],
        };
        Self::first(fields, expected, found)
    }

    fn first(fields: &[(&'static str, u32, u32)], expected: u32, found: u32) -> Self {
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

/// Why a blob was not accepted.
///
/// `Display` writes one line that names what differs and, where there is one, the remedy. Firmware
/// that has no room for text logs the [`code`](Self::code), which never changes its meaning;
/// `docs/format.md` lists all codes. Every payload is a `u32`, which keeps the loader small.
///
/// ```
/// use mmoe::{Binary, Dense, F32, Gate, Head, LoadError, Mmoe};
/// type Model = Mmoe<[Dense<8, 4, F32>; 2], [Gate<8, 2, F32>; 1], [Binary<Head<4, 1, F32>>; 1]>;
///
/// fn what_to_do(error: LoadError) -> &'static str {
///     match error {
///         LoadError::Truncated { .. } | LoadError::Checksum { .. } => "fetch the file again",
///         LoadError::Version { .. } => "convert the model with this version of `mmoe convert`",
///         LoadError::Alignment { .. } => "put the blob in an `Aligned`",
///         // The file is whole, but holds another model than this program was built for.
///         _ => "run `mmoe codegen` for this blob, and build again",
///     }
/// }
///
/// # let file: &mmoe::Aligned<[u8]> = mmoe::include_blob!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/firmware/minimal/src/edge.mmoe"));
/// // `file` holds a model with 64 features.
/// let error = Model::load(file).unwrap_err();
/// assert_eq!(error.to_string(), "64 inputs in the blob, 8 in the type");
/// assert_eq!(error.code(), 0x30);
/// assert_eq!(what_to_do(error), "run `mmoe codegen` for this blob, and build again");
///
/// let mut damaged = file.to_vec();
/// damaged[1000] ^= 1;
/// let error = Model::load(&damaged).unwrap_err();
/// assert_eq!(what_to_do(error), "fetch the file again");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum LoadError {
    /// There are fewer bytes than the preamble has, or than the total length in it.
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
    /// The blob has another version of the format than this crate reads.
    Version {
        /// The version in the blob.
        found: u32,
    },
    /// The checksum is wrong: the bytes changed after they were written.
    Checksum {
        /// The checksum in the preamble.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// The checksum is right but the header does not parse, so the program that wrote it is at fault.
    Header,
    /// The blob has a section that a reader must understand to use it, and this crate does not know
    /// it.
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
    /// The model in the blob takes another number of inputs than the type.
    Inputs {
        /// Inputs of the type.
        expected: u32,
        /// Inputs of the blob.
        found: u32,
    },
    /// A node of the blob does or reads something else than the node of the type in its place.
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
    /// A layer of the blob has another kind, precision or shape than that of the type in its place.
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
    /// A layer of the blob is packed in another way than the type needs. Convert again with the
    /// `--packing` that the type needs.
    Packing {
        /// The node that the layer belongs to.
        node: NodeName,
        /// The packing in the type (the code of a [`PackingKind`]).
        expected: u32,
        /// The packing in the blob.
        found: u32,
    },
    /// The blob has more or fewer experts, gates and towers than the type.
    Nodes {
        /// Nodes of the type.
        expected: u32,
        /// Nodes of the blob.
        found: u32,
    },
    /// The blob has more or fewer tasks than the type.
    Tasks {
        /// Tasks of the type.
        expected: u32,
        /// Tasks of the blob.
        found: u32,
    },
    /// A task of the blob has another kind of output, or reads another value, than that of the type.
    Task {
        /// Which task, from 0.
        task: u32,
        /// The task in the type.
        expected: TaskShape,
        /// The task in the blob.
        found: TaskShape,
    },
    /// A feature of the blob's front end is another one than that of the type in its place.
    Feature {
        /// Which feature, from 0.
        feature: u32,
        /// The first word of its record that differs, by its offset: see `docs/format.md`.
        offset: u32,
        /// That word in the type.
        expected: u32,
        /// That word in the blob.
        found: u32,
    },
    /// The blob's front end has more or fewer features than the type's.
    Features {
        /// Features of the type.
        expected: u32,
        /// Features of the blob.
        found: u32,
    },
    /// The weights in the blob have another length than the layers need.
    Weights {
        /// Bytes that the layers need.
        expected: u32,
        /// Bytes in the blob.
        found: u32,
    },
    /// A record holds a value that the format does not allow. Only [`Dynamic`](crate::Dynamic)
    /// returns it: a typed model compares records with its type instead.
    Record {
        /// The node or the task.
        at: u32,
        /// Which rule: see the table in `docs/format.md`.
        rule: u32,
    },
}

impl LoadError {
    /// Returns the stable number of this error, for logs and for C (see `docs/format.md`).
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
            Self::Feature { .. } => 0x37,
            Self::Features { .. } => 0x38,
        }
    }

    /// Leaves the level out of the name of the node that it is about, if it is about one.
    pub(super) fn leave_out_level(&mut self) {
        if let Self::Wiring { node, .. } | Self::Layer { node, .. } | Self::Packing { node, .. } =
            self
        {
            *node = node.of_only_level();
        }
    }
}

/// Returns what a node is called whose op has this code.
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
        Some(NodeOp::Linear) => "a linear gate",
        None => "something unknown",
    }
}

fn packing_name(code: u32) -> &'static str {
    let packing = u8::try_from(code).ok().and_then(PackingKind::from_code);
    packing.map_or("?", PackingKind::name)
}

/// Writes what differs between two layers: only the shapes where nothing else differs.
fn layers(f: &mut fmt::Formatter<'_>, expected: Shape, found: Shape) -> fmt::Result {
    if expected.how == found.how {
        let (i, o) = (found.inputs(), found.outputs());
        let (wi, wo) = (expected.inputs(), expected.outputs());
        return write!(f, "{i}→{o} in the blob, {wi}→{wo} in the type");
    }
    write!(f, "{found} in the blob, {expected} in the type")
}

/// Writes what differs between two tasks.
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
                         type (the lowest bit is the level's first expert; of more than 32, a byte \
                         for each number of the runs)"
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
            Self::Feature {
                feature,
                offset,
                expected,
                found,
            } => {
                let field = Field::of_feature(offset, expected, found);
                let (name, expected, found) = (field.name, field.expected, field.found);
                write!(
                    f,
                    "feature {feature}, {name}: {found} in the blob, {expected} in the type"
                )
            }
            Self::Features { expected, found } => {
                write!(f, "{found} features in the blob, {expected} in the type")
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
