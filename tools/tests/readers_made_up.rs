//! The readers of weights files on files made up to mislead them.

use mmoe_tools::import;
use zip::CompressionMethod;

mod counting;
use counting::{find, peak, read, zipped};

fn stored(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    zipped(CompressionMethod::Stored, members)
}

fn assert_complaint(what: &str, bytes: Vec<u8>, expected: &str) {
    match read(what, bytes) {
        Ok(w) => panic!("{what} reads as {}", w.format),
        Err(reason) => {
            let said = reason.to_string();
            assert!(said.contains(expected), "{what}: {said}");
        }
    }
}

/// An array file of this header.
fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn zip_bombs() {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4000000,), }";
    let bomb = zipped(
        CompressionMethod::Deflated,
        &[("w.npy".to_owned(), npy(header, &vec![0; 16_000_000]))],
    );
    assert!(bomb.len() < 100_000);
    assert_complaint("a bomb", bomb.clone(), "member `w.npy` would take 16000");

    // One that claims to be small.
    let mut liar = bomb;
    let entry = find(&liar, b"PK\x01\x02").expect("a central directory");
    liar[entry + 24..entry + 28].copy_from_slice(&1000u32.to_le_bytes());
    assert_complaint("a lying bomb", liar, "member `w.npy`");
}

/// A torch archive of this pickle and one storage `0` of eight bytes.
fn torch(pickle: &[u8]) -> Vec<u8> {
    stored(&[
        ("a/data.pkl".to_owned(), pickle.to_vec()),
        ("a/data/0".to_owned(), vec![0; 8]),
    ])
}

/// Pushes a tensor on storage `0` with this offset, size and stride.
fn tensor(offset: &[u8], size: &[u8], stride: &[u8]) -> Vec<u8> {
    [
        &b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n"[..],
        &b"X\x01\0\0\x000X\x03\0\0\0cpuK\x02tQ"[..],
        offset,
        size,
        b"\x85",
        stride,
        b"\x85\x89}tR",
    ]
    .concat()
}

#[test]
fn malicious_pickles_are_refused_by_the_name_of_what_they_ask_for() {
    for (pickle, name) in [
        (
            &b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R."[..],
            "`os.system`",
        ),
        (
            b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
            "`posix.system`",
        ),
        (b"\x80\x02(X\x04\0\0\0trueios\nsystem\n.", "`os.system`"),
        (b"\x80\x02c__builtin__\neval\n.", "`__builtin__.eval`"),
        // The right names in the wrong modules.
        (b"\x80\x02cos\nOrderedDict\n)R.", "`os.OrderedDict`"),
        (
            b"\x80\x02ctorch.storage\nFloatStorage\n.",
            "`torch.storage.FloatStorage`",
        ),
        (
            b"\x80\x02ctorch.serialization\nload\n.",
            "`torch.serialization.load`",
        ),
    ] {
        assert_complaint("a pickle", pickle.to_vec(), name);
        assert_complaint("a torch file", torch(pickle), name);
        assert_complaint("a torch file", torch(pickle), "Nothing was executed");
    }
}

#[test]
fn made_up_pickles() {
    let dict = |value: &[u8]| torch(&[b"\x80\x02}X\x01\0\0\0w", value, b"s."].concat());
    let ok = read("a tensor", dict(&tensor(b"K\0", b"K\x02", b"K\x01"))).unwrap();
    assert_eq!(ok.tensors["w"].data, [0.0, 0.0]);

    let far = b"\x8a\x06\0\0\0\0\0\x01";
    let beyond = "reaches beyond its storage";
    let text = |t: &str| t.as_bytes().to_vec();
    for (what, value, expected) in [
        (
            "an expanded zero",
            tensor(b"K\0", far, b"K\0"),
            "tensor `w` would take",
        ),
        ("a long tensor", tensor(b"K\0", b"K\x03", b"K\x01"), beyond),
        (
            "a late tensor",
            tensor(b"K\x02", b"K\x01", b"K\x01"),
            beyond,
        ),
        ("a far stride", tensor(b"K\0", b"K\x02", far), beyond),
        (
            "a negative size",
            tensor(b"K\0", b"J\xff\xff\xff\xff", b"K\x01"),
            "a tensor's description",
        ),
        ("an empty pop", text("0000"), "its stack runs empty"),
        (
            "nothing",
            text("N"),
            "a dictionary without tensors (its keys: w)",
        ),
        (
            "a call of text",
            text("X\x01\0\0\0w)R"),
            "it calls something that is no class",
        ),
        (
            "a wrong call",
            text("ctorch._utils\n_rebuild_tensor_v2\n(NtR"),
            "a tensor's description is none",
        ),
        ("an unmade object", text("h\x05"), "before it was made"),
        ("an extension", b"\x82\x01".to_vec(), "instruction 0x82"),
    ] {
        assert_complaint(what, dict(&value), expected);
    }
    let cyclic = b"\x80\x02}q\0X\x0a\0\0\0state_dicth\0s.";
    assert_complaint("a dictionary in itself", torch(cyclic), "holds no weights");
    let endless = torch(&vec![b'}'; 1 << 16]);
    assert_complaint("an endless pickle", endless, "its pickle would take");
    assert_complaint("no pickle", torch(b""), "it is truncated");
}

fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn made_up_safetensors() {
    let entry = |dtype: &str, shape: &str, end: usize| {
        format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,{end}]}}}}"#)
    };
    // What is not a number is read and told: whoever needs the tensor refuses it.
    let nan = [1.0f32, f32::NAN].map(f32::to_le_bytes).concat();
    let huge = 1e300f64.to_le_bytes();
    for (header, data, told) in [
        (entry("F32", "[2]", 8), &nan[..], "`w` has NaN at element 1"),
        (entry("F64", "[1]", 8), &huge, "`w` has inf at element 0"),
    ] {
        let w = read(&header, safetensors(&header, data)).unwrap();
        assert!(w.notes.iter().any(|n| n.contains(told)), "{:?}", w.notes);
    }
    let damaged = "damaged safetensors file";
    for (header, data, expected) in [
        (
            entry("F8_E4M3", "[8]", 8),
            &huge[..],
            "tensor `w` has elements of type F8_E4M3",
        ),
        (entry("F32", "[4294967296,4294967296]", 8), &huge, damaged),
        (entry("F32", "[3]", 8), &huge, damaged),
        (entry("F32", "[2]", 9), &huge, damaged),
        ("{}".to_owned(), &[], "a safetensors file with 0 tensors"),
        // The second would win, and the first be dropped without a word.
        (
            r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
                "w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#
                .to_owned(),
            &huge[..4],
            "there are two tensors called `w`",
        ),
    ] {
        assert_complaint(&header, safetensors(&header, data), expected);
    }
}

#[test]
fn made_up_arrays() {
    let header = |descr: &str, shape: &str| {
        let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}");
        npy(&header, &[0; 8])
    };
    let old = read("an array", header("'<f4'", "(2L,)")).unwrap();
    assert_eq!(old.tensors["array"].shape, [2]);
    for (bytes, expected) in [
        (
            header("'<f4'", "(4294967296, 4294967296, 4294967296)"),
            "has the shape",
        ),
        (header("'<f4'", "(1000000000000,)"), "would take"),
        (header("'<f4'", "(3,)"), "8 bytes of data"),
        (header("'<f4'", "(-2,)"), "its header reads"),
        (header("[('a', '<f4')]", "(2,)"), "its header reads"),
        (header("'<c8'", "(1,)"), "elements of type <c8"),
        (npy(&"(".repeat(60_000), &[]), "its header reads"),
    ] {
        assert_complaint("an array", bytes, expected);
    }
}

#[test]
fn other_archives() {
    let text = |name: &str, content: &str| (name.to_owned(), content.as_bytes().to_vec());
    let config = |content: &str| text("config.json", content);
    let weights = || text("model.weights.h5", "");
    for (members, expected) in [
        (vec![], "a zip archive of 0 members"),
        (
            vec![text("word/document.xml", "")],
            "a zip archive of 1 members (word/document.xml)",
        ),
        (
            vec![text("m/saved_model.pb", "")],
            "a TensorFlow SavedModel",
        ),
        (
            vec![config(&"[".repeat(1000)), weights()],
            "its config.json: recursion limit exceeded",
        ),
        (
            vec![config(&"[".repeat(100_000)), weights()],
            "its config.json would take 128000",
        ),
        (vec![config("{}"), weights()], "damaged HDF5"),
        (
            vec![
                config(r#"{"config": {"dtype": {"class_name": "QuantizedDTypePolicy"}}}"#),
                weights(),
            ],
            "a Keras model with quantized layers",
        ),
        (
            vec![
                config(r#"{"layers": [{"config": {"quantization_mode": "int8"}}]}"#),
                weights(),
            ],
            "before `model.quantize(…)`",
        ),
        (
            vec![text("a.npy", "nothing")],
            "array `a`: it is not an array file",
        ),
    ] {
        assert_complaint("an archive", stored(&members), expected);
    }
}

/// Text of a few bytes may be an object of some hundred: nothing is parsed before it is booked.
#[test]
fn json_that_grows_in_memory() {
    for unit in [r#"{"":{"":0}},"#, "[[0]],", r#"{"a":[{}]},"#, "0,"] {
        let config = format!("[{}0]", unit.repeat(1_000_000 / unit.len()));
        let bytes = zipped(
            CompressionMethod::Stored,
            &[
                ("config.json".to_owned(), config.into_bytes()),
                ("model.weights.h5".to_owned(), Vec::new()),
            ],
        );
        assert_complaint("a configuration", bytes, "its config.json would take");
    }
}

/// Deflate makes a thousand zeros of a byte; rows of data may be zeros mostly, but not that much.
#[test]
fn rows_of_data_that_grow_in_memory() {
    let array = |rows: usize| {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows},), }}");
        let member = ("x.npy".to_owned(), npy(&header, &vec![0; rows * 4]));
        zipped(CompressionMethod::Deflated, &[member])
    };
    // Rows that are all alike, 8 MB in memory, are read.
    let data = import::read_data(&array(2_000_000)).unwrap();
    assert_eq!(data["x"].shape, [2_000_000]);
    let bomb = array(20_000_000);
    assert!(bomb.len() < 300_000);
    let (result, peak) = peak(|| import::read_data(&bomb));
    let said = result.unwrap_err().to_string();
    assert!(said.contains("member `x.npy` would take 80000"), "{said}");
    assert!(peak < 1 << 20, "{peak}");
}

#[test]
fn archives_with_two_members_of_one_name() {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }";
    let members = [
        ("a.npy".to_owned(), npy(header, &[0; 4])),
        ("b.npy".to_owned(), npy(header, &[1; 4])),
    ];
    let mut bytes = stored(&members);
    for _ in 0..2 {
        let at = find(&bytes, b"b.npy").expect("the second name");
        bytes[at] = b'a';
    }
    assert_complaint(
        "an archive",
        bytes.clone(),
        "two of its members have the same name",
    );
    let said = import::read_data(&bytes).unwrap_err().to_string();
    assert!(
        said.contains("two of its members have the same name"),
        "{said}"
    );
    // The same name for the reader, if not for the archive.
    let members = [
        ("a.npy".to_owned(), npy(header, &[0; 4])),
        ("a".to_owned(), npy(header, &[1; 4])),
    ];
    let said = import::read_data(&stored(&members))
        .unwrap_err()
        .to_string();
    assert!(said.contains("two tensors called `a`"), "{said}");
}

/// The library makes room for a chunk of this many elements and inflates into it; at none of them
/// it inflates without end.
#[test]
fn chunks_of_no_elements() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/fixtures/readers/bomb.h5"
    );
    let mut bytes = std::fs::read(path).unwrap();
    assert_eq!(bytes[971], 16, "the first dimension of its chunks");
    bytes[971] = 0;
    let (result, peak) = peak(|| import::read_bytes(bytes));
    let said = result.unwrap_err().to_string();
    assert!(
        said.contains("tensor `weight` is stored in chunks of no elements"),
        "{said}"
    );
    assert!(peak < 4 << 20, "{peak}");
}

/// Beside the file itself, a large safetensors file takes no more than the tensors it becomes.
#[test]
fn large_files_are_held_once() {
    let n = 8 << 20;
    let shape = n / 4;
    let header = format!(r#"{{"w":{{"dtype":"F32","shape":[{shape}],"data_offsets":[0,{n}]}}}}"#);
    let bytes = safetensors(&header, &vec![0; n]);
    let (weights, peak) = peak(|| import::read_bytes(bytes));
    let weights = weights.unwrap();
    assert_eq!(weights.tensors["w"].data.len(), shape);
    assert!(peak < n + n / 100, "{peak} bytes for {n}");
}

/// Files of many small things, each of which costs more in memory than in the file.
#[test]
fn many_small_things() {
    let empty = r#"{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#;
    let many: Vec<String> = (0..20_000).map(|i| format!(r#""{i}":{empty}"#)).collect();
    let tensors = safetensors(&format!("{{{}}}", many.join(",")), &[]);

    let shape = vec!["0"; 200_000].join(",");
    let header = format!(r#"{{"w":{{"dtype":"F32","shape":[{shape}],"data_offsets":[0,0]}}}}"#);
    let dimensions = safetensors(&header, &[]);

    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape})}}");
    let mut array = b"\x93NUMPY\x02\x00".to_vec();
    array.extend((header.len() as u32).to_le_bytes());
    array.extend(header.bytes());

    let members: Vec<_> = (0..5000)
        .map(|i| (format!("{i}.npy"), Vec::new()))
        .collect();
    let config = format!("[{}0]", "0,".repeat(200_000));
    let keras = [
        ("config.json".to_owned(), config.into_bytes()),
        ("model.weights.h5".to_owned(), Vec::new()),
    ];
    for (what, bytes) in [
        ("many tensors", tensors),
        ("many dimensions", dimensions),
        ("many dimensions of an array", array),
        ("many members", stored(&members)),
        ("a long configuration", stored(&keras)),
    ] {
        let len = bytes.len();
        let (_, peak) = peak(|| import::read_bytes(bytes));
        assert!(peak < 40 * len, "{what} of {len} bytes: {peak}");
    }
}
