//! Checkpoints of all shapes: the model's tensors are found wherever they lie, what is computed
//! from parts is computed, and what else is in a file is skipped, never executed.

use std::path::PathBuf;

use mmoe_tools::import::{self, Reason, Weights};

mod pickling;
use pickling::*;

fn fixture(name: &str) -> Weights {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/readers");
    import::read(&folder.join(name)).unwrap_or_else(|e| panic!("{e}"))
}

fn read(bytes: Vec<u8>) -> Weights {
    import::read_bytes(bytes).unwrap_or_else(|e| panic!("{e}"))
}

fn complaint(bytes: Vec<u8>) -> String {
    match import::read_bytes(bytes) {
        Ok(w) => panic!("reads as {} of {:?}", w.format, w.tensors.keys()),
        Err(reason) => reason.to_string(),
    }
}

/// Three storages, the numbers of which tell them apart.
const STORAGES: [(&str, &[f32]); 3] = [
    ("0", &[1.0, 2.0, 3.0, 4.0]),
    ("1", &[5.0, 6.0, 7.0, 8.0]),
    ("2", &[9.0]),
];

/// What `torch.save` writes of this object.
fn checkpoint(root: &Piece) -> Vec<u8> {
    saved(root, &STORAGES)
}

/// A state dict of one layer, of the first storage or the second.
fn layer(key: &str) -> Piece {
    let items = [
        ("experts.0.weight", tensor(key, &[2, 2])),
        ("experts.0.bias", tensor(key, &[2])),
    ];
    set_items(call("collections.OrderedDict", &[]), &items)
}

fn names(w: &Weights) -> Vec<&str> {
    w.tensors.keys().map(String::as_str).collect()
}

fn assert_note(w: &Weights, part: &str) {
    let said = w.notes.iter().any(|n| n.contains(part));
    assert!(said, "no note says `{part}`: {:?}", w.notes);
}

/// The model's own layer, read from the first storage.
fn assert_layer(w: &Weights) {
    assert_eq!(
        names(w),
        ["experts.0.weight", "experts.0.bias"],
        "{:?}",
        w.notes
    );
    assert_eq!(w.tensors["experts.0.weight"].data, [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(w.tensors["experts.0.weight"].shape, [2, 2]);
}

#[test]
fn state_dicts_under_any_usual_key_and_at_any_depth() {
    for key in [
        "model",
        "state_dict",
        "model_state_dict",
        "net",
        "weights",
        "Model",
        "my_own_word",
    ] {
        let w = read(checkpoint(&dict(&[("epoch", int(3)), (key, layer("0"))])));
        assert_layer(&w);
        assert_note(&w, &format!("under `{key}`; left out beside it: epoch"));
    }
    let deep = dict(&[("trainer", dict(&[("args", none()), ("model", layer("0"))]))]);
    let w = read(checkpoint(&deep));
    assert_layer(&w);
    assert_note(&w, "under `trainer.model`; left out beside it: args");
    let listed = list(&[int(7), tuple(&[layer("0"), float(0.5)])]);
    let w = read(checkpoint(&listed));
    assert_layer(&w);
    assert_note(&w, "under `1.0`");
}

#[test]
fn the_dictionary_of_tensors_is_taken_not_the_tensor_beside_it() {
    for beside in [tensor("2", &[]), tensor("2", &[1])] {
        let root = dict(&[("best_auc", beside), ("model_state_dict", layer("0"))]);
        let w = read(checkpoint(&root));
        assert_layer(&w);
        assert_note(&w, "left out beside it: best_auc");
    }
}

#[test]
fn an_optimizer_is_never_taken_for_the_model() {
    // Its state holds more tensors than the model does.
    let state = dict(&[(
        "0",
        dict(&[
            ("step", tensor("2", &[])),
            ("exp_avg", tensor("1", &[2, 2])),
            ("exp_avg_sq", tensor("1", &[2, 2])),
        ]),
    )]);
    let adam = dict(&[("state", state), ("param_groups", list(&[]))]);
    for key in ["optimizer_state_dict", "optimizer", "opt", "adam"] {
        let root = dict(&[(key, adam.clone()), ("mine", layer("0"))]);
        assert_layer(&read(checkpoint(&root)));
    }
    let said = complaint(checkpoint(&dict(&[("adam", adam)])));
    assert!(said.contains("nothing but what training needs"), "{said}");
}

#[test]
fn of_a_model_and_its_averaged_copy_the_model_is_taken_and_it_is_said() {
    for key in ["ema", "model_ema", "ema_state_dict", "swa_model", "shadow"] {
        // In either order.
        let pairs = [("model", layer("0")), (key, layer("1"))];
        let back = [(key, layer("1")), ("model", layer("0"))];
        for root in [dict(&pairs), dict(&back)] {
            let w = read(checkpoint(&root));
            assert_layer(&w);
            assert_note(&w, &format!("not the averaged copy under `{key}`"));
            assert_note(&w, &format!("torch.load(\"FILE\")[\"{key}\"]"));
        }
        let w = read(checkpoint(&dict(&[("epoch", int(1)), (key, layer("1"))])));
        assert_eq!(w.tensors["experts.0.bias"].data, [5.0, 6.0]);
        assert_note(&w, "these are an averaged copy");
    }
}

#[test]
fn copies_that_nothing_tells_apart_are_refused() {
    let root = dict(&[("first", layer("0")), ("second", layer("1"))]);
    let said = complaint(checkpoint(&root));
    assert!(said.contains("(first, second)"), "{said}");
    assert!(said.contains("torch.load(\"FILE\")[\"first\"]"), "{said}");
    let said = complaint(checkpoint(&list(&[layer("0"), layer("1")])));
    assert!(said.contains("torch.load(\"FILE\")[0]"), "{said}");
}

#[test]
fn parts_of_a_model_are_joined_under_their_keys() {
    let part = |key: &str, shape: &[i32]| dict(&[("weight", tensor(key, shape))]);
    let root = dict(&[
        ("experts", list(&[part("0", &[2, 2]), part("1", &[2, 2])])),
        ("gate", part("0", &[1, 2])),
    ]);
    let w = read(checkpoint(&root));
    assert_eq!(
        names(&w),
        ["gate.weight", "experts.0.weight", "experts.1.weight"]
    );
    assert_eq!(w.tensors["experts.1.weight"].data, [5.0, 6.0, 7.0, 8.0]);
    assert_note(&w, "joined 3 dictionaries of tensors");
}

#[test]
fn wrappers_are_taken_off_wherever_they_stand() {
    let under = |name: &str| (name.to_owned(), tensor("0", &[2]));
    for (given, expected) in [
        ("module.experts.0.weight", "experts.0.weight"),
        ("module._orig_mod.experts.0.weight", "experts.0.weight"),
        (
            "_orig_mod.module.model.experts.0.weight",
            "experts.0.weight",
        ),
        ("experts.0._orig_mod.weight", "experts.0.weight"),
        ("net.experts.module.0.weight", "experts.0.weight"),
        (
            "model._fsdp_wrapped_module.experts.0._fsdp_wrapped_module.weight",
            "experts.0.weight",
        ),
        (
            "_forward_module.model._checkpoint_wrapped_module.gate.weight",
            "gate.weight",
        ),
    ] {
        let (name, value) = under(given);
        let w = read(checkpoint(&dict(&[(name.as_str(), value)])));
        assert_eq!(names(&w), [expected]);
        assert!(!w.notes.is_empty());
    }
    // Only some of the modules were compiled.
    let root = dict(&[
        ("experts.0._orig_mod.weight", tensor("0", &[2])),
        ("gate.weight", tensor("0", &[2])),
    ]);
    let w = read(checkpoint(&root));
    assert_eq!(names(&w), ["experts.0.weight", "gate.weight"]);
    assert_note(&w, "the wrapper `_orig_mod.` out of 1 of 2 tensor names");
    // Two tensors may not get one name.
    let root = dict(&[
        ("a.module.weight", tensor("0", &[2])),
        ("a.weight", tensor("1", &[2])),
    ]);
    let w = read(checkpoint(&root));
    assert_eq!(names(&w), ["a.module.weight", "a.weight"]);
}

#[test]
fn what_training_keeps_beside_a_wrapped_model_is_left_out_by_name() {
    let w = fixture("lightning.ckpt");
    assert_eq!(w.tensors.len(), 24);
    assert_eq!(names(&w)[0], "experts.0.0.weight");
    assert_note(
        &w,
        "left out, as training's, beside `model.`: `criterion.pos_weight`",
    );
    assert_note(&w, "took the state dict under `state_dict`");
    let averaged = dict(&[
        ("n_averaged", tensor("2", &[])),
        ("module.gate.weight", tensor("0", &[2])),
    ]);
    let w = read(checkpoint(&averaged));
    assert_eq!(names(&w), ["gate.weight"]);
    assert_note(&w, "`n_averaged`");
    // A tensor that may be learned stays.
    let root = dict(&[
        ("head", tensor("2", &[1])),
        ("model.gate.weight", tensor("0", &[2])),
    ]);
    assert_eq!(
        names(&read(checkpoint(&root))),
        ["head", "model.gate.weight"]
    );
}

/// Files that torch wrote, with such objects beside the weights.
#[test]
fn numpy_scalars_sizes_devices_and_default_dictionaries_are_skipped() {
    for file in ["numpy_scalar.pt", "defaultdict.pt"] {
        let w = fixture(file);
        assert_eq!(w.tensors.len(), 24, "{file}");
        assert_eq!(w.tensors["experts.0.0.weight"].shape, [8, 6]);
    }
}

#[test]
fn any_object_beside_the_weights_is_skipped_and_never_executed() {
    let namespace = object("argparse.Namespace", &[("lr", float(0.1))]);
    let lightning = set_items(
        call("lightning.fabric.utilities.data.AttributeDict", &[]),
        &[("lr", float(0.1))],
    );
    let reconstructed = [
        call(
            "copy_reg._reconstructor",
            &[global("my.Config"), global("__builtin__.object"), none()],
        ),
        dict(&[("depth", int(2))]),
        b"b".to_vec(),
    ]
    .concat();
    let counter = call("collections.Counter", &[dict(&[("a", int(1))])]);
    let numpy_scalar = call(
        "numpy.core.multiarray.scalar",
        &[
            call("numpy.dtype", &[text("f8"), bool(false), bool(true)]),
            bytes(&[0; 8]),
        ],
    );
    // Protocol 4 writes sets, names and objects with instructions of its own.
    let set = [b"\x8f(", &int(1)[..], b"\x90"].concat();
    let frozen = [b"(", &int(1)[..], b"\x91"].concat();
    let date = [
        &b"\x8c\x08datetime\x8c\x08datetime\x93\x94"[..],
        &bytes(b"\x07\xea\x0b\x1b\0\0\0\0\0\0"),
        b"\x85R",
    ]
    .concat();
    let with_names = [
        global("my.Config"),
        b")".to_vec(),
        dict(&[("depth", int(2))]),
        b"\x92".to_vec(),
    ]
    .concat();
    for (what, beside, said) in [
        ("a namespace", namespace, "`argparse.Namespace`"),
        ("Lightning's dictionary", lightning, "AttributeDict`"),
        ("an object of copyreg's", reconstructed, "`my.Config`"),
        ("a counter", counter, ""),
        ("a NumPy scalar", numpy_scalar, ""),
        ("a size", call("torch.Size", &[tuple(&[int(1)])]), ""),
        ("a set", call("__builtin__.set", &[list(&[int(1)])]), ""),
        ("a set of protocol 4", set, ""),
        ("a frozen set", frozen, ""),
        (
            "a deque",
            call("collections.deque", &[list(&[int(1)]), int(5)]),
            "",
        ),
        ("a date", date, "`datetime.datetime`"),
        (
            "a path",
            call("pathlib.PosixPath", &[text("a"), text("b")]),
            "`pathlib.PosixPath`",
        ),
        ("a type", global("torch.float32"), ""),
        ("a device", call("torch.device", &[text("cpu")]), ""),
        ("a class", global("my.Model"), "`my.Model`"),
        ("arguments by name", with_names, "`my.Config`"),
        (
            "a command",
            call("os.system", &[text("exit")]),
            "`os.system`",
        ),
    ] {
        let w = read(checkpoint(&dict(&[("x", beside), ("model", layer("0"))])));
        assert_layer(&w);
        let skipped = w.notes.iter().find(|n| n.contains("without executing"));
        match said {
            "" => assert_eq!(skipped, None, "{what}"),
            said => assert!(
                skipped.is_some_and(|n| n.contains(said)),
                "{what}: {:?}",
                w.notes
            ),
        }
    }
}

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

/// A module as `torch.save(model)` pickles it.
fn module(class: &str, parameters: &[(&str, Piece)], modules: &[(&str, Piece)]) -> Piece {
    object(
        class,
        &[
            ("training", bool(false)),
            ("_parameters", dict(parameters)),
            (
                "_buffers",
                dict(&[("seen", tensor("2", &[1])), ("scratch", tensor("2", &[1]))]),
            ),
            (
                "_non_persistent_buffers_set",
                call("__builtin__.set", &[list(&[text("scratch")])]),
            ),
            (
                "_modules",
                set_items(call("collections.OrderedDict", &[]), modules),
            ),
            ("negative_slope", float(0.25)),
            ("act", global("torch.nn.functional.silu")),
        ],
    )
}

#[test]
fn whole_models_are_walked_without_making_them() {
    let inner = module(
        "my.Expert",
        &[("weight", tensor("1", &[2])), ("bias", none())],
        &[],
    );
    let outer = module(
        "my.Net",
        &[("scale", tensor("0", &[1]))],
        &[("expert", inner)],
    );
    for root in [outer.clone(), dict(&[("epoch", int(1)), ("model", outer)])] {
        let w = read(checkpoint(&root));
        assert_eq!(w.format, "PyTorch model");
        assert_eq!(names(&w), ["scale", "seen", "expert.weight", "expert.seen"]);
        assert_eq!(w.tensors["expert.weight"].data, [5.0, 6.0]);
        assert_eq!(w.modules[""].class, "my.Net");
        assert_eq!(w.modules["expert"].class, "my.Expert");
        let settings = &w.modules["expert"].settings;
        assert_eq!(settings["negative_slope"], 0.25);
        assert_eq!(settings["act"], "torch.nn.functional.silu");
        assert!(
            w.notes.iter().all(|n| !n.contains("skipped")),
            "{:?}",
            w.notes
        );
    }
    // One that stands in itself.
    let cyclic = [
        global("my.Net"),
        b")\x81q\x01".to_vec(),
        dict(&[
            ("_parameters", dict(&[])),
            ("_modules", dict(&[("again", b"h\x01".to_vec())])),
        ]),
        b"b".to_vec(),
    ]
    .concat();
    let said = complaint(checkpoint(&cyclic));
    assert!(said.contains("its modules nest without end"), "{said}");
}

#[test]
fn exported_programs() {
    let state = dict(&[("gate.weight", tensor("0", &[2, 2]))]);
    let config = r#"{"config": {"gate.weight": {"path_name": "weight_0", "is_param": true,
        "use_pickle": false, "tensor_meta": {"dtype": 7, "sizes": [{"as_int": 2}, {"as_int": 2}],
        "strides": [{"as_int": 1}, {"as_int": 2}], "storage_offset": {"as_int": 1}}}}}"#;
    let shifted = floats(&[0.0, 1.0, 3.0, 2.0, 4.0]);
    for members in [
        vec![
            ("serialized_exported_program.json", b"{}".to_vec()),
            ("serialized_state_dict.pt", checkpoint(&state)),
        ],
        vec![
            ("m/archive_format", b"pt2".to_vec()),
            ("m/data/weights/model.pt", checkpoint(&state)),
        ],
        vec![
            ("m/archive_format", b"pt2".to_vec()),
            ("m/byteorder", b"little".to_vec()),
            ("m/data/weights/model_weights_config.json", config.into()),
            ("m/data/weights/weight_0", shifted),
        ],
    ] {
        let w = read(stored(&members));
        assert_eq!(w.format, "PyTorch exported program");
        assert_eq!(w.tensors["gate.weight"].shape, [2, 2]);
        assert_eq!(w.tensors["gate.weight"].data, [1.0, 2.0, 3.0, 4.0]);
    }
    let said = complaint(stored(&[("m/archive_format", b"pt2".to_vec())]));
    assert!(said.contains("exported PyTorch program (.pt2)"), "{said}");
    assert!(said.contains("torch.save(model.state_dict()"), "{said}");
}

#[test]
fn parts_of_a_distributed_checkpoint_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["__0_0.distcp", ".metadata"] {
        let path = folder.path().join(name);
        std::fs::write(&path, checkpoint(&tensor("0", &[2]))).unwrap();
        let said = import::read(&path).unwrap_err().to_string();
        assert!(said.contains("dcp_to_torch_save"), "{said}");
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
    use mmoe_tools::spec::Spec;
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
fn names_and_shapes_too_long_to_print_are_refused() {
    let long = "w".repeat(2000);
    let said = complaint(checkpoint(&dict(&[(long.as_str(), tensor("0", &[2]))])));
    assert!(
        said.contains("the name of a tensor has 2000 bytes"),
        "{said}"
    );
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
