//! What a file is, by its content; and what to do about the kinds that are not read.

use std::path::Path;

use super::Reason;
use super::{keras, numpy, torch};

/// The kinds of files that have a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Safetensors,
    Npy,
    Zip,
    Hdf5,
    Pickle,
    Onnx,
    TfLite,
}

/// The kinds of zip archives that have a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ZipKind {
    Npz,
    Keras,
    Torch,
    TorchScript,
    TorchExport,
}

pub(super) const EXPORTED: Reason = Reason::Unsupported {
    kind: "an exported PyTorch program (.pt2) without the weights of one model, such as a compiled \
           package",
    remedy: "Save the state dict of the model it was made from, in Python:\n    \
             torch.save(model.state_dict(), \"model.pt\")",
};

const DISTRIBUTED: Reason = Reason::Unsupported {
    kind: "a checkpoint of torch.distributed, or a part of one",
    remedy: "Gather it into one file, in Python:\n    from \
             torch.distributed.checkpoint.format_utils import dcp_to_torch_save\n    \
             dcp_to_torch_save(\"DIRECTORY\", \"model.pt\")",
};

pub(super) const SAVED_MODEL: Reason = Reason::Unsupported {
    kind: "a TensorFlow SavedModel without a signature for serving, or in an archive",
    remedy: "Save its variables, in Python:\n    import numpy, tensorflow\n    model = \
             tensorflow.saved_model.load(\"DIRECTORY\")\n    numpy.savez(\"model.npz\", \
             **{v.name: v.numpy() for v in model.variables})",
};

pub(super) const CHECKPOINT: Reason = Reason::Unsupported {
    kind: "part of a TensorFlow checkpoint",
    remedy: "Load it into its model and save that, in Python:\n    \
             tensorflow.train.Checkpoint(model=model).restore(\"PREFIX\").expect_partial()\n    \
             model.save(\"model.keras\")",
};

/// The last eight bytes of a checkpoint's `.index` file.
const LEVELDB_TABLE: [u8; 8] = 0xdb47_7524_8b80_fb57_u64.to_le_bytes();

/// What a file is.
pub(super) fn kind(bytes: &[u8]) -> Result<Kind, Reason> {
    let unsupported = |kind, remedy| Err(Reason::Unsupported { kind, remedy });
    if bytes.is_empty() {
        return Err(Reason::Empty);
    }
    if bytes.starts_with(numpy::MAGIC) {
        return Ok(Kind::Npy);
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return Ok(Kind::Zip);
    }
    if hdf5_pure::is_hdf5_bytes(bytes) {
        return Ok(Kind::Hdf5);
    }
    if bytes.get(4..8) == Some(b"TFL3") {
        return Ok(Kind::TfLite);
    }
    // A length below 4 GiB, then a JSON object.
    if bytes.get(4..9) == Some(b"\0\0\0\0{") {
        return Ok(Kind::Safetensors);
    }
    // A pickle of protocol 2 to 5.
    if matches!(bytes, [0x80, 2..=5, ..]) {
        return Ok(Kind::Pickle);
    }
    if bytes.starts_with(b"version https://git-lfs") {
        return unsupported(
            "a Git LFS pointer, not the file itself",
            "Fetch the file:\n    git lfs pull",
        );
    }
    if bytes.starts_with(b"\x1f\x8b") {
        return unsupported(
            "compressed with gzip",
            "Decompress it first:\n    gunzip --keep FILE",
        );
    }
    let start = bytes.trim_ascii_start();
    let tag = |tag: &[u8]| {
        start
            .get(..tag.len())
            .is_some_and(|s| s.eq_ignore_ascii_case(tag))
    };
    if tag(b"<!doctype html") || tag(b"<html") {
        return unsupported(
            "a web page, not the file itself",
            "Download the file again; the link that was followed leads to a page about it",
        );
    }
    if start.starts_with(b"{") && find(bytes, b"\"weight_map\"") {
        return unsupported(
            "the index of a model in several files",
            "Load the model and save it as one file, in Python:\n    \
             torch.save(model.state_dict(), \"model.pt\")",
        );
    }
    if bytes.starts_with(b"model_checkpoint_path:") || bytes.ends_with(&LEVELDB_TABLE) {
        return Err(CHECKPOINT);
    }
    match bytes {
        // `saved_model_schema_version: 1`, then `meta_graphs`.
        [0x08, 0x01, 0x12, ..] => Err(SAVED_MODEL),
        // `ir_version`, then any other field that an ONNX model begins with.
        [
            0x08,
            1..=32,
            0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42,
            ..,
        ] => Ok(Kind::Onnx),
        _ => {
            let first: Vec<String> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
            Err(Reason::Unknown {
                found: format!("it begins with the bytes {}", first.join(" ")),
            })
        }
    }
}

/// Whether a text contains another, looked for where an index begins.
fn find(bytes: &[u8], wanted: &[u8]) -> bool {
    const LOOK_AT: usize = 1 << 20;
    let start = &bytes[..bytes.len().min(LOOK_AT)];
    start.windows(wanted.len()).any(|window| window == wanted)
}

/// What a zip archive is, by the names of its members.
pub(super) fn zip_kind(names: &[String]) -> Result<ZipKind, Reason> {
    let any = |test: &dyn Fn(&str) -> bool| names.iter().any(|n| test(n));
    if any(&|n| {
        n.ends_with("serialized_exported_program.json")
            || n.ends_with("archive_format")
            || n.contains("data/aotinductor/")
    }) {
        return Ok(ZipKind::TorchExport);
    }
    if any(&|n| n.ends_with("/constants.pkl") || n.contains("/code/")) {
        return Ok(ZipKind::TorchScript);
    }
    if any(&|n| n.ends_with("saved_model.pb")) {
        return Err(SAVED_MODEL);
    }
    if !names.is_empty() && names.iter().all(|n| n.ends_with(".npy")) {
        return Ok(ZipKind::Npz);
    }
    if any(&|n| n == keras::CONFIG) && any(&|n| n == keras::WEIGHTS) {
        return Ok(ZipKind::Keras);
    }
    if any(&|n| n == torch::PICKLE || n.ends_with("/data.pkl")) {
        return Ok(ZipKind::Torch);
    }
    let some: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
    Err(Reason::Unknown {
        found: format!(
            "it is a zip archive of {} members ({:.200})",
            names.len(),
            some.join(", ")
        ),
    })
}

/// Whether a file of no known content is called as TensorFlow calls the data of a checkpoint:
/// `model.data-00000-of-00001`.
pub(super) fn is_checkpoint_data(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.contains(".data-") && name.contains("-of-")
}

/// What a file is by its name alone: a part of a distributed checkpoint is several torch files one
/// after the other, of which the last would read as a tensor without a name.
pub(super) fn named(path: &Path) -> Option<Reason> {
    let is_part = path.extension().is_some_and(|e| e == "distcp");
    (is_part || path.file_name().is_some_and(|n| n == ".metadata")).then_some(DISTRIBUTED)
}

/// The folder of a SavedModel, which may be given by its graph's file.
pub(super) fn saved_model(path: &Path) -> Option<&Path> {
    const GRAPH: &str = "saved_model.pb";
    if path.join(GRAPH).exists() {
        return Some(path);
    }
    let is_graph = path.file_name().is_some_and(|n| n == GRAPH) && path.is_file();
    path.parent().filter(|_| is_graph)
}

/// Why a directory is no weights file.
pub(super) fn directory(path: &Path) -> Reason {
    if path.join("checkpoint").exists() {
        return CHECKPOINT;
    }
    if path.join(".metadata").exists() {
        return DISTRIBUTED;
    }
    Reason::Directory
}
