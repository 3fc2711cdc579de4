//! The blob: the file that a device reads, and what its header holds.
//!
//! A blob is a preamble with a checksum and one postcard message, whose records and weights are used
//! where they lie. `docs/format.md` describes it byte by byte. Firmware needs [`Blob`] for the
//! identity of a model, [`Preamble`] and [`Crc32`] to receive one, and [`LoadError`] to report what
//! is wrong; the records are for tools.

mod codes;
mod crc32;
mod describe;
mod error;
mod feature;
mod node;
mod parts;
mod reader;
mod record;
mod rules;
mod seen;
mod self_test;

pub use codes::{
    ActivationKind, CoderKind, Given, InputKind, LayerKind, Makes, NodeOp, OutputKind, PackingKind,
    PrecisionKind, SectionTag, SeesForm,
};
pub use crc32::{Crc32, crc32};
pub use describe::{Check, FeatureCheck, GatePlace, NodeInfo};
pub(crate) use describe::{compare, compare_features};
pub use error::LoadError;
pub use feature::{FeatureBytes, FeatureRecord};
pub use node::{Node, Nodes};
pub use parts::{NodeName, Shape, TaskShape};
pub use reader::Names;
pub use record::{InputRecord, LayerRecord, NodeRecord, TaskRecord};
pub(crate) use rules::LevelNodes;
pub use rules::Summary;
pub(crate) use seen::seen_record;
pub(crate) use self_test::Compare;
pub use self_test::{SelfTest, SelfTestError, SelfTestRow};

use reader::{Malformed, Reader};
use zerocopy::FromBytes;

/// The first four bytes of every blob, as a little-endian number.
pub const MAGIC: u32 = u32::from_le_bytes(*b"MMOE");
/// The version of the format that this crate reads.
pub const VERSION: u16 = 1;
/// Bytes before the postcard message: magic, version, total length, checksum.
pub const PREAMBLE: usize = 14;
/// The weights start at a multiple of this many bytes from the start of the blob.
pub const WEIGHTS_ALIGN: usize = 64;
/// A gate sees at most this many experts.
pub const MAX_SEEN: usize = 128;
/// A model has at most this many tasks, and a level at most this many gates.
pub const MAX_TASKS: usize = 64;
/// Where a blob and its weights must lie: at an address that is a multiple of this many bytes.
/// [`Aligned`](crate::Aligned) and [`include_blob!`](crate::include_blob) do more than that.
pub const ALIGN: usize = 4;

/// The first [`PREAMBLE`] bytes of a blob. They tell a receiver how many bytes are to come, and which
/// checksum those must have.
///
/// ```
/// # let file = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/firmware/models/blobs/edge.i8.mmoe"));
/// use mmoe::blob::{Crc32, PREAMBLE, Preamble};
/// let (first, rest) = file.split_first_chunk::<PREAMBLE>().unwrap();
/// let preamble = Preamble::read(first).unwrap();
/// assert_eq!(preamble.total as usize, file.len());
/// let mut sum = Crc32::new();
/// for piece in rest.chunks(256) {
///     sum.update(piece);
/// }
/// assert_eq!(sum.finish(), preamble.checksum);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Preamble {
    /// The length of the blob in bytes, preamble included.
    pub total: u32,
    /// The CRC-32 of all bytes behind the preamble, up to the total length.
    pub checksum: u32,
}

impl Preamble {
    /// Reads a preamble, and checks its magic number and version.
    ///
    /// # Errors
    ///
    /// [`LoadError::Magic`], [`LoadError::Version`].
    pub fn read(bytes: &[u8; PREAMBLE]) -> Result<Self, LoadError> {
        let [m0, m1, m2, m3, v0, v1, l0, l1, l2, l3, c0, c1, c2, c3] = *bytes;
        let magic = u32::from_le_bytes([m0, m1, m2, m3]);
        if magic != MAGIC {
            return Err(LoadError::Magic { found: magic });
        }
        let version = u16::from_le_bytes([v0, v1]);
        if version != VERSION {
            return Err(LoadError::Version {
                found: u32::from(version),
            });
        }
        Ok(Self {
            total: u32::from_le_bytes([l0, l1, l2, l3]),
            checksum: u32::from_le_bytes([c0, c1, c2, c3]),
        })
    }
}

/// The identity of a model: what a device writes to its log at boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Id<'a> {
    /// The model's name; empty where none was given.
    pub name: &'a str,
    /// The model's version; 0 where none was given.
    pub version: u32,
    /// The blob's checksum, which tells two trainings of one model apart.
    pub checksum: u32,
}

/// A blob whose checksum is right and whose header parses. Nothing is copied.
///
/// Open a blob once at boot, and then make a model of it; the checksum is so computed only once. The
/// values of the records are not checked yet: [`Model::from_blob`](crate::Model::from_blob) compares
/// them with its type, and [`Dynamic::from_blob`](crate::Dynamic::from_blob) checks them against the
/// rules of the format.
///
/// ```
/// use mmoe::Blob;
/// # let file: &mmoe::Aligned<[u8]> = mmoe::include_blob!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/firmware/minimal/src/edge.mmoe"));
/// let blob = Blob::open(file)?;
/// let id = blob.id();
/// assert_eq!((id.name, id.version), ("edge", 0));
/// assert_eq!(blob.total_len() as usize, file.len());
/// assert_eq!(blob.input_count(), 64);
/// let tasks: Vec<&[u8]> = blob.task_names().collect();
/// assert_eq!(tasks, [b"y0", b"y1", b"y2"]);
/// # Ok::<(), mmoe::LoadError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Blob<'a> {
    /// The inputs.
    pub inputs: &'a [InputRecord],
    /// The wiring, in the order of the weights.
    pub nodes: &'a [NodeRecord],
    /// All layers, in the order of the weights.
    pub layers: &'a [LayerRecord],
    /// The outputs.
    pub tasks: &'a [TaskRecord],
    /// The input stage's parameters and then every layer's weights, in the order of the nodes.
    pub weights: &'a [u8],
    /// The message from the task names on. It is walked again when a name or a section is asked for,
    /// which costs time then, and no memory now.
    tail: Reader<'a>,
    preamble: Preamble,
}

impl<'a> Blob<'a> {
    /// Checks the magic number, the version, the length and the checksum, and finds the parts of the
    /// header. Bytes behind the blob's total length are ignored, so a flash region may be longer than
    /// the blob in it.
    ///
    /// # Errors
    ///
    /// [`LoadError::Truncated`], [`Magic`](LoadError::Magic), [`Version`](LoadError::Version),
    /// [`Checksum`](LoadError::Checksum), [`Header`](LoadError::Header),
    /// [`Section`](LoadError::Section).
    #[inline(never)]
    pub fn open(file: &'a [u8]) -> Result<Self, LoadError> {
        let Some((preamble, rest)) = file.split_first_chunk::<PREAMBLE>() else {
            return Err(LoadError::Truncated {
                needed: PREAMBLE as u32,
                found: file.len() as u32,
            });
        };
        let Preamble { total, checksum } = Preamble::read(preamble)?;
        let Some(message) = (total as usize)
            .checked_sub(PREAMBLE)
            .and_then(|n| rest.get(..n))
        else {
            return Err(LoadError::Truncated {
                needed: total,
                found: file.len() as u32,
            });
        };
        let computed = crc32(message);
        if checksum != computed {
            return Err(LoadError::Checksum {
                stored: checksum,
                computed,
            });
        }
        Self::parse(message, Preamble { total, checksum })
    }

    #[inline(never)]
    fn parse(message: &'a [u8], preamble: Preamble) -> Result<Self, LoadError> {
        let mut r = Reader { rest: message };
        let inputs = r.records()?;
        let nodes = r.records()?;
        let layers = r.records()?;
        let tasks: &[TaskRecord] = r.records()?;
        let tail = r;
        let names = r.skip_names()?;
        r.skip_names()?;
        let sections = r.varint()?;
        // An odd tag marks a section without which the model would be computed wrongly. A reader that
        // does not know it must refuse; every other section it may skip.
        for _ in 0..sections {
            let [tag, ..] = *r.take(1)? else {
                return Err(LoadError::Header);
            };
            r.bytes()?;
            if tag & 1 != 0 && tag != SectionTag::Features.code() {
                return Err(LoadError::Section {
                    tag: u32::from(tag),
                });
            }
        }
        r.bytes()?;
        let weights = r.bytes()?;
        if !r.rest.is_empty() || names as usize != tasks.len() {
            return Err(LoadError::Header);
        }
        Ok(Self {
            inputs,
            nodes,
            layers,
            tasks,
            weights,
            tail,
            preamble,
        })
    }

    /// Returns how many elements the trunk's input has, which are the features of a model without a
    /// front end; or 0 where its inputs are of a kind that this crate does not know.
    #[must_use]
    pub fn input_count(&self) -> u32 {
        match self.inputs {
            [i] if i.kind().is_some() => i.count.get(),
            _ => 0,
        }
    }

    /// Returns the length of the blob in bytes, preamble included. What a file or a flash region holds
    /// behind it does not belong to the blob: a signature, for example, may start there.
    #[must_use]
    pub const fn total_len(&self) -> u32 {
        self.preamble.total
    }

    /// Returns `true` if activations are int16. One layer of an integer precision decides it, since a
    /// model has either integers or floats throughout.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        self.layers.iter().any(LayerRecord::is_integer)
    }

    /// Returns whether the model takes a record of fields, which its front end makes into the vector.
    #[must_use]
    pub fn takes_record(&self) -> bool {
        matches!(self.inputs, [i] if i.kind() == Some(InputKind::Record))
    }

    /// Returns the features of the front end; none where the model takes plain numbers.
    #[must_use]
    pub fn features(&self) -> &'a [FeatureRecord] {
        let section = self
            .section(SectionTag::Features)
            .filter(|_| self.takes_record());
        section.map_or(&[], |bytes| {
            <[FeatureRecord]>::ref_from_bytes(bytes).unwrap_or(&[])
        })
    }

    /// Returns how many bytes of weights lie before those of the first layer: those of the front end
    /// where there is one; else a scale and an offset per feature in integer models, and nothing in
    /// float models.
    #[must_use]
    pub fn input_bytes(&self) -> usize {
        if self.takes_record() {
            let integer = self.is_integer();
            let features = self.features().iter().enumerate();
            features.fold(0, |sum: usize, (at, f)| {
                let bytes = f.bytes(at, integer).and_then(|b| b.total());
                sum.saturating_add(bytes.unwrap_or(0))
            })
        } else if self.is_integer() {
            (self.input_count() as usize).saturating_mul(8)
        } else {
            0
        }
    }

    /// Returns the nodes, each with its layers and the place of its weights.
    ///
    /// ```
    /// # let file: &mmoe::Aligned<[u8]> = mmoe::include_blob!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/firmware/minimal/src/edge.mmoe"));
    /// let blob = mmoe::Blob::open(file)?;
    /// // Four experts, three gates and three towers.
    /// let roles = blob.nodes.iter().map(|node| node.op().unwrap().role());
    /// assert_eq!(roles.filter(|role| *role == "expert").count(), 4);
    /// let first = blob.nodes_with_layers().next().unwrap();
    /// assert_eq!(first.layers[0].shape().to_string(), "64→64 I8 dense relu");
    /// # Ok::<(), mmoe::LoadError>(())
    /// ```
    #[must_use]
    pub fn nodes_with_layers(&self) -> Nodes<'a> {
        Nodes::new(self)
    }

    /// Returns how many elements value `v` of the wiring has, or `None` where there is no such value.
    #[must_use]
    pub fn value_width(&self, v: usize) -> Option<usize> {
        match v.checked_sub(1) {
            None => Some(self.input_count() as usize),
            Some(n) => self.nodes.get(n).map(|n| n.outputs.get() as usize),
        }
    }

    /// Returns how many numbers all tasks have together.
    #[must_use]
    pub fn output_count(&self) -> usize {
        self.tasks.iter().map(|t| t.width.get() as usize).sum()
    }

    /// Returns the multiply-accumulates of one prediction in which every expert runs: those of the
    /// matrices and those of mixing.
    #[must_use]
    pub fn macs(&self) -> u64 {
        let nodes = self.nodes_with_layers();
        nodes.map(|n| n.macs() + n.record.mixing_macs()).sum()
    }

    /// Returns the names of the tasks, in order.
    #[must_use]
    pub fn task_names(&self) -> Names<'a> {
        let mut rest = self.tail;
        Names {
            count: rest.varint().unwrap_or(0),
            rest,
        }
    }

    /// Returns the names of the features, in order; none where the blob stores none.
    #[must_use]
    pub fn feature_names(&self) -> Names<'a> {
        let mut rest = self.tail;
        let count = match rest.skip_names() {
            Ok(_) => rest.varint().unwrap_or(0),
            Err(Malformed) => 0,
        };
        Names { count, rest }
    }

    /// Returns the contents of the first section with this tag, or `None` where there is none.
    #[must_use]
    pub fn section(&self, wanted: SectionTag) -> Option<&'a [u8]> {
        self.section_of(wanted.code())
    }

    /// Returns the contents of the first section with a tag that this version may not know.
    #[must_use]
    #[inline(never)]
    pub fn section_of(&self, wanted: u8) -> Option<&'a [u8]> {
        let mut r = self.tail;
        r.skip_names().ok()?;
        r.skip_names().ok()?;
        for _ in 0..r.varint().ok()? {
            let tag = r.take(1).ok()?;
            let bytes = r.bytes().ok()?;
            if tag == [wanted] {
                return Some(bytes);
            }
        }
        None
    }

    /// Returns the name, the version and the checksum of the model.
    #[must_use]
    pub fn id(&self) -> Id<'a> {
        let (name, version) = self
            .section(SectionTag::Identity)
            .and_then(|b| postcard::from_bytes(b).ok())
            .unwrap_or(("", 0));
        Id {
            name,
            version,
            checksum: self.preamble.checksum,
        }
    }
}
