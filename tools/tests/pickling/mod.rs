//! Pickles and torch archives, written a piece at a time as Python writes them, and how they read.
#![allow(dead_code, reason = "each test file uses a part")]

use std::io::{Cursor, Write};
use std::path::PathBuf;

use mmoe_tools::import::{self, Weights};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The instructions that build one object.
pub(crate) type Piece = Vec<u8>;

pub(crate) fn text(s: &str) -> Piece {
    let mut out = vec![b'X'];
    out.extend((s.len() as u32).to_le_bytes());
    out.extend(s.bytes());
    out
}

pub(crate) fn bytes(b: &[u8]) -> Piece {
    let mut out = vec![b'B'];
    out.extend((b.len() as u32).to_le_bytes());
    out.extend(b);
    out
}

pub(crate) fn int(n: i32) -> Piece {
    let mut out = vec![b'J'];
    out.extend(n.to_le_bytes());
    out
}

pub(crate) fn float(x: f64) -> Piece {
    let mut out = vec![b'G'];
    out.extend(x.to_be_bytes());
    out
}

pub(crate) fn none() -> Piece {
    vec![b'N']
}

pub(crate) fn bool(b: bool) -> Piece {
    vec![0x88 + u8::from(!b)]
}

pub(crate) fn tuple(items: &[Piece]) -> Piece {
    [b"(", &items.concat()[..], b"t"].concat()
}

pub(crate) fn list(items: &[Piece]) -> Piece {
    [b"](", &items.concat()[..], b"e"].concat()
}

pub(crate) fn dict(items: &[(&str, Piece)]) -> Piece {
    set_items(b"}".to_vec(), items)
}

/// An object that is a dictionary, with these entries in it.
pub(crate) fn set_items(mut made: Piece, items: &[(&str, Piece)]) -> Piece {
    made.push(b'(');
    for (key, value) in items {
        made.extend(text(key));
        made.extend(value);
    }
    made.push(b'u');
    made
}

/// `module.name`.
pub(crate) fn global(path: &str) -> Piece {
    let (module, name) = path.rsplit_once('.').unwrap();
    format!("c{module}\n{name}\n").into_bytes()
}

pub(crate) fn call(path: &str, arguments: &[Piece]) -> Piece {
    [global(path), tuple(arguments), b"R".to_vec()].concat()
}

/// An object of a class with these attributes, as `pickle` makes most.
pub(crate) fn object(path: &str, attributes: &[(&str, Piece)]) -> Piece {
    [
        global(path),
        b")\x81".to_vec(),
        dict(attributes),
        b"b".to_vec(),
    ]
    .concat()
}

fn storage(class: &str, key: &str) -> Piece {
    let parts = [
        text("storage"),
        global(class),
        text(key),
        text("cpu"),
        int(8),
    ];
    [tuple(&parts), b"Q".to_vec()].concat()
}

fn sizes(shape: &[i32]) -> Piece {
    tuple(&shape.iter().map(|&n| int(n)).collect::<Vec<_>>())
}

/// The arguments of `_rebuild_tensor_v2` for a row-major view on a storage.
fn view(class: &str, key: &str, shape: &[i32]) -> Vec<Piece> {
    let strides: Vec<i32> = (0..shape.len())
        .map(|i| shape[i + 1..].iter().product())
        .collect();
    vec![
        storage(class, key),
        int(0),
        sizes(shape),
        sizes(&strides),
        bool(false),
        call("collections.OrderedDict", &[]),
    ]
}

/// A tensor of the first elements of a storage.
pub(crate) fn tensor_of(class: &str, key: &str, shape: &[i32]) -> Piece {
    call("torch._utils._rebuild_tensor_v2", &view(class, key, shape))
}

/// The same of f32.
pub(crate) fn tensor(key: &str, shape: &[i32]) -> Piece {
    tensor_of("torch.FloatStorage", key, shape)
}

/// The same with its type beside an untyped storage.
pub(crate) fn tensor_v3(key: &str, shape: &[i32], dtype: &str) -> Piece {
    let mut arguments = view("torch.storage.UntypedStorage", key, shape);
    arguments.push(global(dtype));
    call("torch._utils._rebuild_tensor_v3", &arguments)
}

/// A NumPy array of f4, as protocol 2 (`latin1`) or later ones write it.
pub(crate) fn array(descr: &str, shape: &[i32], order: &str, content: Piece) -> Piece {
    let dtype = [
        call("numpy.dtype", &[text(descr), bool(false), bool(true)]),
        tuple(&[int(3), text(order), none(), none(), none(), int(-1)]),
        b"b".to_vec(),
    ]
    .concat();
    [
        call(
            "numpy._core.multiarray._reconstruct",
            &[global("numpy.ndarray"), tuple(&[int(0)]), bytes(b"b")],
        ),
        tuple(&[int(1), sizes(shape), dtype, bool(false), content]),
        b"b".to_vec(),
    ]
    .concat()
}

/// A whole pickle.
pub(crate) fn pickle(root: &Piece) -> Vec<u8> {
    [b"\x80\x02", &root[..], b"."].concat()
}

pub(crate) fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// A stored zip archive.
pub(crate) fn stored(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in members {
        out.start_file(*name, options).unwrap();
        out.write_all(content).unwrap();
    }
    out.finish().unwrap().into_inner()
}

/// What `torch.save` writes for an object and its storages of f32.
pub(crate) fn saved(root: &Piece, storages: &[(&str, &[f32])]) -> Vec<u8> {
    let names: Vec<String> = storages
        .iter()
        .map(|(k, _)| format!("m/data/{k}"))
        .collect();
    let mut members = vec![("m/data.pkl", pickle(root))];
    for (name, (_, values)) in names.iter().zip(storages) {
        members.push((name, floats(values)));
    }
    stored(&members)
}

/// Three storages, the numbers of which tell them apart.
const STORAGES: [(&str, &[f32]); 3] = [
    ("0", &[1.0, 2.0, 3.0, 4.0]),
    ("1", &[5.0, 6.0, 7.0, 8.0]),
    ("2", &[9.0]),
];

/// What `torch.save` writes of this object and of [`STORAGES`].
pub(crate) fn checkpoint(root: &Piece) -> Vec<u8> {
    saved(root, &STORAGES)
}

/// A file that a framework wrote.
pub(crate) fn fixture(name: &str) -> Weights {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/readers");
    import::read(&folder.join(name)).unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn read(bytes: Vec<u8>) -> Weights {
    import::read_bytes(bytes).unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn complaint(bytes: Vec<u8>) -> String {
    match import::read_bytes(bytes) {
        Ok(w) => panic!("reads as {} of {:?}", w.format, w.tensors.keys()),
        Err(reason) => reason.to_string(),
    }
}

pub(crate) fn names(w: &Weights) -> Vec<&str> {
    w.tensors.keys().map(String::as_str).collect()
}

pub(crate) fn assert_note(w: &Weights, part: &str) {
    let said = w.notes.iter().any(|n| n.contains(part));
    assert!(said, "no note says `{part}`: {:?}", w.notes);
}
