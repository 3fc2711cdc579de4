//! What can be wrong with a weights file.

use std::io;
use std::path::PathBuf;

/// A weights file that could not be read, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct ImportError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub reason: Reason,
}

/// Why a weights file could not be read. Each message says what to do about it where something can
/// be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The operating system would not give us the bytes.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A directory of no kind that is known.
    #[error("is a directory; give the weights file itself")]
    Directory,
    /// A device, whose bytes may have no end.
    #[error("is a device, not a regular file")]
    NotAFile,
    /// No bytes at all.
    #[error("is empty (0 bytes); was it fully written?")]
    Empty,
    /// A format that is recognised but not read.
    #[error("is {kind}, which mmoe does not read.\n{remedy}")]
    Unsupported {
        /// The format's name, with its article.
        kind: &'static str,
        /// How to get a file that is read, with the lines of Python that do it.
        remedy: &'static str,
    },
    /// Nothing that is recognised.
    #[error(
        "is no weights file that mmoe knows: {found}. It reads .safetensors, .npz, .npy, PyTorch \
         state dicts (.pt, .pth), .keras, .weights.h5, .h5, .onnx, .tflite and SavedModel folders, \
         told apart by their content"
    )]
    Unknown {
        /// What the file looks like.
        found: String,
    },
    /// The right kind of file, but broken: truncated, corrupted or made up.
    #[error("is a damaged {format} file: {reason}. Save or copy it again")]
    Damaged {
        /// The kind of file.
        format: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A pickle asks for code to be imported.
    #[error(
        "its pickle asks for `{global}`, which is neither a tensor nor a dictionary. Nothing was \
         executed. Save a plain state dict instead, in Python:\n    \
         torch.save(model.state_dict(), \"model.pt\")"
    )]
    ForbiddenGlobal {
        /// Module and name, as the pickle spells them.
        global: String,
    },
    /// The file claims more data than a file of its size can mean.
    #[error(
        "{what} would take {claimed} bytes of memory, more than a file of this size may ask for \
         ({allowed} bytes left)"
    )]
    TooLarge {
        /// What asked.
        what: String,
        /// How much it asked for.
        claimed: u64,
        /// How much was left for it.
        allowed: u64,
    },
    /// A weight is computed from other tensors in a way that is not known.
    #[error(
        "`{tensor}` is parametrized in a way that mmoe does not compute (it knows weight norm, \
         spectral norm and pruning, one at a time). Make it a plain tensor before saving, in \
         Python:\n    torch.nn.utils.parametrize.remove_parametrizations(module, \
         \"{}\")    # or torch.nn.utils.prune.remove, torch.nn.utils.remove_weight_norm",
        tensor.rsplit('.').next().unwrap_or(tensor)
    )]
    Parametrized {
        /// The weight.
        tensor: String,
    },
    /// A tensor is of a kind that is not read: sparse, quantized, sharded, ….
    #[error("tensor `{tensor}` is {kind}, which mmoe does not read.\n{remedy}")]
    Kind {
        /// The tensor.
        tensor: String,
        /// What it is, with its article where it has one.
        kind: String,
        /// What to save instead.
        remedy: &'static str,
    },
    /// The file is longer than any of its kind that is read.
    #[error("has {length} bytes or more, and at most {most} are read; is it the right file?")]
    TooLong {
        /// How long it is.
        length: u64,
        /// The most that is read.
        most: u64,
    },
    /// A tensor's elements are of a type that is not read.
    #[error("tensor `{tensor}` has elements of type {dtype}; save it as float32")]
    Dtype {
        /// The tensor.
        tensor: String,
        /// The type, as the file spells it.
        dtype: String,
    },
    /// A readable file without a single weight in it.
    #[error("holds no weights: {found}")]
    NoTensors {
        /// What it holds instead.
        found: String,
    },
    /// Several dictionaries of the same tensors, none of them under a usual name.
    #[error(
        "holds several dictionaries of the same tensors ({}), and nothing says which of them is \
         the model; save one of them alone, in Python:\n    \
         torch.save(torch.load(\"FILE\"){first}, \"model.pt\")", keys.join(", ")
    )]
    Ambiguous {
        /// Their keys.
        keys: Vec<String>,
        /// How Python looks the first of them up.
        first: String,
    },
}

impl Reason {
    pub(super) fn damaged(format: &'static str, reason: impl ToString) -> Self {
        Reason::Damaged {
            format,
            reason: reason.to_string(),
        }
    }
}
