//! Tensors of all kinds: types and views are read, parametrized ones computed, tied ones restored,
//! and what is not read is refused by name.

use mmoe_tools::import::{self, Reason};

mod pickling;
use pickling::*;

#[test]
fn numpy_arrays_in_a_pickle() {
    let big: Vec<u8> = [1.0f32, -2.0]
        .iter()
        .flat_map(|v| v.to_be_bytes())
        .collect();
    let latin: String = floats(&[1.0, -2.0])
        .iter()
        .map(|&b| char::from(b))
        .collect();
    let encoded = call("_codecs.encode", &[text(&latin), text("latin1")]);
    let state = dict(&[
        (
            "bytes",
            array("f4", &[2], "<", bytes(&floats(&[1.0, -2.0]))),
        ),
        ("big", array("f4", &[2], ">", bytes(&big))),
        ("latin", array("f4", &[2], "<", encoded)),
        (
            "buffer",
            call(
                "numpy._core.numeric._frombuffer",
                &[
                    bytes(&floats(&[1.0, -2.0])),
                    call("numpy.dtype", &[text("f4"), bool(false), bool(true)]),
                    tuple(&[int(2)]),
                    text("C"),
                ],
            ),
        ),
        (
            "StructuredToParameterName@@",
            dict(&[("bytes", text("linear_0.w_0"))]),
        ),
    ]);
    // In a checkpoint of torch's, or alone, as `paddle.save` writes it.
    for file in [checkpoint(&state), pickle(&state)] {
        let w = read(file);
        assert_eq!(names(&w), ["bytes", "big", "latin", "buffer"]);
        for (name, tensor) in &w.tensors {
            assert_eq!(tensor.data, [1.0, -2.0], "{name}");
        }
        assert_note(&w, "left out, as no tensors: StructuredToParameterName@@");
    }
    let short = array("f4", &[3], "<", bytes(&floats(&[1.0, -2.0])));
    let said = complaint(pickle(&dict(&[("w", short)])));
    assert!(said.contains("`w` reaches beyond its storage"), "{said}");
}

#[test]
fn tensors_with_their_type_beside_them() {
    let root = dict(&[
        ("f32", tensor_v3("0", &[2], "torch.float32")),
        ("u16", tensor_v3("0", &[2], "torch.uint16")),
        ("bf16", tensor_v3("0", &[2], "torch.bfloat16")),
    ]);
    let w = read(checkpoint(&root));
    // 1.0 is 0x3f800000, little-endian.
    assert_eq!(w.tensors["f32"].data, [1.0, 2.0]);
    assert_eq!(w.tensors["u16"].data, [0.0, f32::from(0x3f80u16)]);
    assert_eq!(w.tensors["bf16"].data, [0.0, 1.0]);
    let parameter = call(
        "torch._utils._rebuild_parameter",
        &[
            tensor("0", &[2]),
            bool(true),
            call("collections.OrderedDict", &[]),
        ],
    );
    let typed = call(
        "torch._tensor._rebuild_from_type_v2",
        &[
            global("torch._utils._rebuild_parameter"),
            global("torch.nn.parameter.Parameter"),
            tuple(&[tensor("1", &[2]), bool(true)]),
            dict(&[]),
        ],
    );
    let w = read(checkpoint(&dict(&[("a", parameter), ("b", typed)])));
    assert_eq!(w.tensors["a"].data, [1.0, 2.0]);
    assert_eq!(w.tensors["b"].data, [5.0, 6.0]);
}

#[test]
fn tensors_of_kinds_that_are_not_read_are_refused_by_name() {
    let sparse = call("torch._utils._rebuild_sparse_tensor", &[none(), none()]);
    let quantized = call("torch._utils._rebuild_qtensor", &[none()]);
    let packed = tuple(&[quantized.clone(), tensor("0", &[2])]);
    let sharded = object(
        "torch.distributed.tensor.DTensor",
        &[("_local", tensor("0", &[2]))],
    );
    let plain = call(
        "torch._utils._rebuild_tensor_v2",
        &[
            call("torch.storage._load_from_bytes", &[bytes(b"x")]),
            int(0),
            tuple(&[int(1)]),
            tuple(&[int(1)]),
        ],
    );
    let flat = dict(&[("_fsdp_wrapped_module._flat_param", tensor("0", &[4]))]);
    let said = complaint(checkpoint(&flat));
    assert!(said.contains("is a flat parameter of FSDP"), "{said}");
    assert!(said.contains("full_state_dict=True"), "{said}");
    for (value, kind, remedy) in [
        (sparse, "is sparse", "to_dense()"),
        (quantized, "is quantized", "--precision i8"),
        (packed, "is quantized", "--precision i8"),
        (
            tensor_of("torch.ComplexFloatStorage", "0", &[2]),
            "is of complex numbers",
            "float32",
        ),
        (
            tensor_of("torch.QInt8Storage", "0", &[2]),
            "is quantized",
            "--precision i8",
        ),
        (
            tensor_v3("0", &[2], "torch.float8_e4m3fn"),
            "is of 8-bit floats",
            "",
        ),
        (
            array("c8", &[1], "<", bytes(&[0; 8])),
            "is of complex numbers",
            "float32",
        ),
        (
            sharded,
            "is in an object of the class `torch.distributed.tensor.DTensor`",
            "full_state_dict=True",
        ),
        (
            plain,
            "is pickled without torch.save",
            "torch.save(model.state_dict()",
        ),
    ] {
        let root = dict(&[("gate.weight", tensor("0", &[2])), ("expert.weight", value)]);
        let said = complaint(checkpoint(&root));
        assert!(
            said.contains(&format!("tensor `expert.weight` {kind}")),
            "{said}"
        );
        assert!(said.contains(remedy), "{said}");
    }
}

/// Weights 3, 4 and 0, 2 have the norms 5 and 2.
#[test]
fn weight_norm_is_computed() {
    let storages: [(&str, &[f32]); 3] = [
        ("v", &[3.0, 4.0, 0.0, 2.0]),
        ("g", &[10.0, 3.0]),
        ("all", &[2.0]),
    ];
    let expected = [6.0, 8.0, 0.0, 3.0];
    for (g, v) in [
        ("a.weight_g", "a.weight_v"),
        (
            "a.parametrizations.weight.original0",
            "a.parametrizations.weight.original1",
        ),
    ] {
        let root = dict(&[
            ("a.bias", tensor("g", &[2])),
            (g, tensor("g", &[2, 1])),
            (v, tensor("v", &[2, 2])),
            ("b.weight", tensor("v", &[2, 2])),
        ]);
        let w = read(saved(&root, &storages));
        assert_eq!(names(&w), ["a.bias", "a.weight", "b.weight"]);
        assert_eq!(w.tensors["a.weight"].data, expected);
        assert_eq!(w.tensors["a.weight"].shape, [2, 2]);
        assert_note(
            &w,
            "computed 1 tensor from the parts that weight norm keeps: `a.weight`",
        );
        // With a norm over all elements, and over the other axis.
        let root = dict(&[(g, tensor("all", &[])), (v, tensor("v", &[2, 2]))]);
        let w = read(saved(&root, &storages));
        let norm = (3.0f64 * 3.0 + 4.0 * 4.0 + 2.0 * 2.0).sqrt();
        let by_hand = [3.0, 4.0, 0.0, 2.0].map(|v| (v * (2.0 / norm)) as f32);
        assert_eq!(w.tensors["a.weight"].data, by_hand);
        let root = dict(&[(g, tensor("g", &[1, 2])), (v, tensor("v", &[2, 2]))]);
        let w = read(saved(&root, &storages));
        let second = 3.0 / (4.0f64 * 4.0 + 2.0 * 2.0).sqrt();
        let by_hand = [10.0, (4.0 * second) as f32, 0.0, (2.0 * second) as f32];
        assert_eq!(w.tensors["a.weight"].data, by_hand);
    }
}

#[test]
fn spectral_norm_and_pruning_are_computed() {
    // u = (1, 0), v = (0.6, 0.8): u·W·v = 3·0.6 + 4·0.8 = 5.
    let storages: [(&str, &[f32]); 4] = [
        ("w", &[3.0, 4.0, 0.0, 2.0]),
        ("u", &[1.0, 0.0]),
        ("v", &[0.6, 0.8]),
        ("m", &[1.0, 0.0, 0.0, 1.0]),
    ];
    let old = dict(&[
        ("a.bias", tensor("u", &[2])),
        ("a.weight_orig", tensor("w", &[2, 2])),
        ("a.weight_u", tensor("u", &[2])),
        ("a.weight_v", tensor("v", &[2])),
    ]);
    let new = dict(&[
        ("a.bias", tensor("u", &[2])),
        ("a.parametrizations.weight.original", tensor("w", &[2, 2])),
        ("a.parametrizations.weight.0._u", tensor("u", &[2])),
        ("a.parametrizations.weight.0._v", tensor("v", &[2])),
    ]);
    for root in [old, new] {
        let w = read(saved(&root, &storages));
        assert_eq!(names(&w), ["a.bias", "a.weight"]);
        for (found, expected) in w.tensors["a.weight"].data.iter().zip([0.6, 0.8, 0.0, 0.4]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        assert_note(&w, "spectral norm");
    }
    let pruned = dict(&[
        ("a.weight_orig", tensor("w", &[2, 2])),
        ("a.weight_mask", tensor("m", &[2, 2])),
        ("a.bias", tensor("u", &[2])),
    ]);
    let w = read(saved(&pruned, &storages));
    assert_eq!(names(&w), ["a.weight", "a.bias"]);
    assert_eq!(w.tensors["a.weight"].data, [3.0, 0.0, 0.0, 2.0]);
    assert_note(&w, "pruning");
    // One after the other, or another way: refused with the call that makes it plain.
    for parts in [
        &["a.parametrizations.weight.original"][..],
        &[
            "a.parametrizations.weight.original",
            "a.parametrizations.weight.0.base",
        ],
        &["a.weight_orig", "a.weight_mask", "a.weight_u", "a.weight_v"],
        &[
            "a.parametrizations.weight.original0",
            "a.parametrizations.weight.original1",
        ],
    ] {
        let parts: Vec<_> = parts.iter().map(|p| (*p, tensor("w", &[2, 2]))).collect();
        let said = complaint(saved(&dict(&parts), &storages));
        assert!(said.contains("`a.weight` is parametrized"), "{said}");
        assert!(
            said.contains("remove_parametrizations(module, \"weight\")"),
            "{said}"
        );
    }
    // Names that only look so.
    let plain = dict(&[
        ("a.w_g", tensor("u", &[2])),
        ("a.w_v", tensor("w", &[2, 2])),
    ]);
    assert_eq!(names(&read(saved(&plain, &storages))), ["a.w_g", "a.w_v"]);
}

/// A file that torch wrote: 12 layers, each of a magnitude and a direction.
#[test]
fn weight_norm_of_a_real_file() {
    let w = fixture("weight_norm.pt");
    assert_eq!(w.tensors.len(), 24);
    let names = names(&w);
    assert!(
        names
            .iter()
            .all(|n| n.ends_with(".weight") || n.ends_with(".bias"))
    );
}

/// `save_model` of safetensors wrote one tensor of each tied pair.
#[test]
fn tied_tensors_of_safetensors_are_restored() {
    let w = fixture("tied.safetensors");
    for part in ["weight", "bias"] {
        let (tied, kept) = (format!("towers.1.2.{part}"), format!("towers.0.2.{part}"));
        assert_eq!(w.tensors[&tied], w.tensors[&kept]);
        assert_note(&w, &format!("`{tied}` is `{kept}`"));
    }
}

#[test]
fn a_tensor_that_is_not_finite_is_read_and_told() {
    let storages: [(&str, &[f32]); 1] = [("0", &[0.0, f32::NEG_INFINITY, f32::NAN])];
    let root = dict(&[("mask", tensor("0", &[2])), ("other", tensor("0", &[3]))]);
    let w = read(saved(&root, &storages));
    assert_note(
        &w,
        "tensor `mask` has -inf at element 1 (and 1 more such tensors)",
    );
    assert_eq!(w.tensors["mask"].not_finite(), Some((1, f32::NEG_INFINITY)));
}

/// Read, it is refused as soon as a model needs it; beside the model it does no harm.
#[test]
fn a_tensor_that_is_not_finite_is_refused_where_it_is_used() {
    use mmoe_tools::error::ModelError;
    use mmoe_tools::model::{Options, build};
    use mmoe_tools::plan::spec::Spec;
    let spec = Spec::parse(
        "[[tasks]]\nname = \"a\"\nactivation = \"sigmoid\"\n\
         [[tasks]]\nname = \"b\"\nactivation = \"sigmoid\"\n\
         [[tasks]]\nname = \"c\"\nactivation = \"linear\"\n",
    )
    .unwrap();
    let mut weights = fixture("../pytorch-edge/state_dict.pt");
    weights.tensors["experts.1.0.bias"].data[2] = f32::NAN;
    let refused = build(weights, Some(&spec), Options::default()).unwrap_err();
    match &refused {
        ModelError::NotFinite { name, index, .. } => {
            assert_eq!((name.as_str(), *index), ("experts.1.0.bias", 2));
        }
        other => panic!("{other}"),
    }
    assert!(
        refused.to_string().contains("has NaN at element 2"),
        "{refused}"
    );
}

/// The zip library takes the directory to begin where a zip64 record of 76 bytes before its end
/// would have it begin, if a header stands there: after a first name of 30 characters one does.
#[test]
fn archives_whose_first_header_is_as_long_as_a_zip64_record() {
    let folder = "a".repeat(21);
    let members = [
        (
            format!("{folder}/data.pkl"),
            pickle(&dict(&[("w", tensor("0", &[2]))])),
        ),
        (format!("{folder}/data/0"), floats(&[1.0, 2.0])),
    ];
    let members: Vec<(&str, Vec<u8>)> = members
        .iter()
        .map(|(n, c)| (n.as_str(), c.clone()))
        .collect();
    let plain = stored(&members);
    let end = plain.len() - 22;
    let record = plain[end..].to_vec();
    let number = |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().unwrap());
    let (size, start) = (number(12), number(16));
    let mut file = plain[..end].to_vec();
    // The record that torch writes into every archive, and where it stands.
    file.extend(b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x1e\x03\x2d\0\0\0\0\0\0\0\0\0");
    for value in [2, 2, u64::from(size), u64::from(start)] {
        file.extend(value.to_le_bytes());
    }
    file.extend(b"PK\x06\x07\0\0\0\0");
    file.extend((end as u64).to_le_bytes());
    file.extend(1u32.to_le_bytes());
    file.extend(record);
    assert_eq!(file.len(), plain.len() + 76);
    assert_eq!(read(file).tensors["w"].data, [1.0, 2.0]);
}

#[test]
fn shapes_too_long_to_print_are_refused() {
    let header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}",
        "1,".repeat(100)
    );
    let mut npy = b"\x93NUMPY\x01\0".to_vec();
    npy.extend((header.len() as u16).to_le_bytes());
    npy.extend(header.bytes());
    npy.extend([0; 4]);
    let said = complaint(npy);
    assert!(said.contains("`array` has 100 dimensions"), "{said}");
}

#[test]
fn files_beyond_any_model_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("holes.safetensors");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    let error = import::read(&path).unwrap_err();
    assert!(matches!(error.reason, Reason::TooLong { length, .. } if length == 1 << 40));
}
