//! Reading trained weights: a file of any known kind becomes [`Weights`], which are named tensors.
//!
//! Files are told apart by their first bytes, never by their extension. Weights files come from
//! anywhere, so nothing in a file is ever executed, and no reader allocates more than a small multiple
//! of the file's size, whatever the file claims.
//!
//! ```
//! use mmoe_tools::import;
//! # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/pytorch-edge");
//! # let folder = std::path::Path::new(folder);
//! let weights = import::read(&folder.join("state_dict.pt"))?;
//! assert_eq!(weights.format, "PyTorch state dict");
//! assert_eq!(weights.tensors["experts.0.0.weight"].shape, [64, 64]);
//! # Ok::<(), import::ImportError>(())
//! ```

use std::fs;
use std::path::Path;

use indexmap::IndexMap;

mod archive;
mod bounded;
mod collect;
mod error;
mod hdf5;
mod json;
mod keras;
mod metered;
mod names;
mod numpy;
mod onnx;
mod parametrized;
mod pickle;
mod safetensors;
mod saved_model;
mod sniff;
mod tflite;
mod torch;

pub use bounded::read_bounded;
pub use error::{ImportError, Reason};
pub use numpy::{Cells, Items};
use sniff::Kind;

use crate::front::record::Record;
use crate::plan::recognise::Found;
use crate::program::Program;

/// The tensors of one weights file, in the order in which the file gives them, and what else it
/// said.
#[derive(Debug, Clone, Default)]
pub struct Weights {
    /// The kind of file, for people: `safetensors`, `NumPy .npz`, `PyTorch state dict`, `Keras
    /// .keras`, …
    pub format: String,
    /// Name → tensor. Names are as the file spells them, less a wrapper that [`Weights::notes`]
    /// mentions.
    pub tensors: IndexMap<String, Tensor>,
    /// The model's configuration, where the file carries one (`.keras`, full `.h5`).
    pub config: Option<serde_json::Value>,
    /// Path of a layer in the file → the layer's own name, where the file tells them apart (Keras
    /// 3 weights): `layers/dense_2` → `income`.
    pub layer_names: IndexMap<String, String>,
    /// Path in the file → what stands there as text: the vocabularies that Keras' look-ups learned.
    pub assets: IndexMap<String, String>,
    /// Path of a module in the model → what it is, where the file is a whole PyTorch model and not
    /// only its state dict. The model itself has the empty path.
    pub modules: IndexMap<String, Module>,
    /// What the file computes, where it is an exported graph: its weights stand in there, and
    /// [`Weights::tensors`] is empty until a model is recognised in it.
    pub program: Option<Program>,
    /// What makes the model's input of a record of raw fields, where a file beside this one says it
    /// ([`features::read`](crate::features::read)).
    pub record: Option<Record>,
    /// What was recognised in the program ([`Weights::resolve`]).
    pub recognised: Option<Found>,
    /// What the reader did that a person should know, a line each: which of several copies it
    /// took, what it computed, converted, unwrapped and left out.
    pub notes: Vec<String>,
}

impl Weights {
    /// Whether the file stored some of its numbers in 16 bits.
    #[must_use]
    pub fn rounded(&self) -> bool {
        let rounds = |note: &String| note.contains("from f16") || note.contains("from bf16");
        self.notes.iter().any(rounds)
    }
}

/// One module of a whole PyTorch model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Module {
    /// Its class: `torch.nn.modules.activation.SiLU`.
    pub class: String,
    /// Its attributes that are numbers, strings, booleans or functions: `eps`, `negative_slope`,
    /// `activation` with `torch.nn.functional.silu`, ….
    pub settings: IndexMap<String, serde_json::Value>,
}

/// One tensor, row-major, as f32 (other float types are converted, and a note says so).
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Sizes, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements, row-major.
    pub data: Vec<f32>,
}

impl Tensor {
    /// The first element that is NaN or infinite, and its value.
    ///
    /// A reader keeps such tensors, as a file may hold some that inference does not need: whoever
    /// uses a tensor asks.
    #[must_use]
    pub fn not_finite(&self) -> Option<(usize, f32)> {
        let found = self.data.iter().enumerate().find(|(_, v)| !v.is_finite());
        found.map(|(index, value)| (index, *value))
    }
}

/// Models for small devices are far from this many bytes; a file of holes may claim any number.
pub const LONGEST: u64 = 4 << 30;

/// Reads a weights file of any kind that is known, by its content.
///
/// # Errors
///
/// When the file cannot be opened, is of no kind that is read, or is damaged.
pub fn read(path: &Path) -> Result<Weights, ImportError> {
    let read = || {
        if let Some(folder) = sniff::saved_model(path) {
            return saved_model::read(folder);
        }
        if fs::metadata(path)?.is_dir() {
            return Err(sniff::directory(path));
        }
        if let Some(reason) = sniff::named(path) {
            return Err(reason);
        }
        match read_at(read_bounded(path, LONGEST)?, path.parent()) {
            // A checkpoint's data are bare numbers: no content tells what they are.
            Err(Reason::Unknown { .. }) if sniff::is_checkpoint_data(path) => {
                Err(sniff::CHECKPOINT)
            }
            result => result,
        }
    };
    read().map_err(|reason| ImportError {
        path: path.to_owned(),
        reason,
    })
}

/// Reads the content of a weights file.
///
/// # Errors
///
/// As [`read`], less the file system's.
pub fn read_bytes(bytes: Vec<u8>) -> Result<Weights, Reason> {
    read_at(bytes, None)
}

/// The same; `folder` is where the file's companions stand.
fn read_at(bytes: Vec<u8>, folder: Option<&Path>) -> Result<Weights, Reason> {
    match sniff::kind(&bytes)? {
        Kind::Safetensors => safetensors::read(&bytes),
        Kind::Npy => numpy::read_npy(&bytes),
        Kind::Zip => zip(&bytes),
        Kind::Hdf5 => {
            let budget = collect::Budget::new(bytes.len());
            hdf5::read(bytes, budget)
        }
        Kind::Pickle => torch::read_legacy(&bytes),
        Kind::Onnx => onnx::read(&bytes, folder),
        Kind::TfLite => tflite::read(&bytes),
    }
}

/// Reads rows of data (inputs, labels, golden outputs) from the bytes of an `.npz` or `.npy`, whose
/// one array is called `array`. Unlike weights they may hold NaN and infinities.
///
/// # Errors
///
/// When the bytes are neither, or damaged.
pub fn read_data(bytes: &[u8]) -> Result<IndexMap<String, Tensor>, Reason> {
    match sniff::kind(bytes)? {
        Kind::Npy | Kind::Zip => Ok(numpy::read_data(bytes)?.tensors),
        _ => Err(Reason::Unknown {
            found: "a weights file where rows of data are wanted".into(),
        }),
    }
}

/// Reads those arrays of an `.npz` or `.npy` whose elements f32 would round or cannot hold: integers
/// and texts.
///
/// # Errors
///
/// When the bytes are neither, or damaged.
pub fn read_cells(bytes: &[u8]) -> Result<IndexMap<String, Cells>, Reason> {
    match sniff::kind(bytes)? {
        Kind::Npy | Kind::Zip => numpy::read_cells(bytes),
        _ => Err(Reason::Unknown {
            found: "no arrays of NumPy".into(),
        }),
    }
}

fn zip(bytes: &[u8]) -> Result<Weights, Reason> {
    let mut archive = archive::Archive::open(bytes)?;
    let budget = collect::Budget::new(bytes.len());
    match sniff::zip_kind(archive.names())? {
        sniff::ZipKind::Npz => numpy::read_npz(&mut archive, budget),
        sniff::ZipKind::Keras => keras::read(&mut archive, budget),
        sniff::ZipKind::Torch => torch::read_zip(&mut archive, budget),
        sniff::ZipKind::TorchExport => torch::export::read(&mut archive, budget),
        sniff::ZipKind::TorchScript => torch::read_script(&mut archive, budget),
    }
}

/// The names in `weights` that are most like `name`, best first: for messages about a missing
/// tensor.
#[must_use]
pub fn near_names<'w>(weights: &'w Weights, name: &str) -> Vec<&'w str> {
    /// As many as fit a message.
    const MOST: usize = 3;
    /// Less alike than this is no help.
    const LEAST: f64 = 0.5;
    let mut scored: Vec<(f64, &str)> = weights
        .tensors
        .keys()
        .map(|k| (strsim::normalized_damerau_levenshtein(name, k), k.as_str()))
        .filter(|(score, _)| *score >= LEAST)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().take(MOST).map(|(_, k)| k).collect()
}
