//! Checkpoints of all shapes: the model's tensors are found wherever they lie, what is computed
//! from parts is computed, and what else is in a file is skipped, never executed.

use mmoe_tools::import::{self, Weights};

mod pickling;
use pickling::*;

/// A state dict of one layer, of the first storage or the second.
fn layer(key: &str) -> Piece {
    let items = [
        ("experts.0.weight", tensor(key, &[2, 2])),
        ("experts.0.bias", tensor(key, &[2])),
    ];
    set_items(call("collections.OrderedDict", &[]), &items)
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

/// A training class keeps both under attributes, in one state dict; some take dots out of names.
#[test]
fn an_averaged_copy_inside_a_state_dict_is_left_out_and_named() {
    for copy in [
        "ema_model.gate.weight",
        "model_ema.module.gate.weight",
        "model_ema.gateweight",
        "teacher.gate.weight",
    ] {
        let root = dict(&[
            (copy, tensor("1", &[2])),
            ("model.gate.weight", tensor("0", &[2])),
        ]);
        let w = read(checkpoint(&root));
        assert_eq!(names(&w), ["gate.weight"], "{copy}");
        let first = copy.split('.').next().unwrap();
        assert_note(
            &w,
            &format!("own weights under `model.`, not the averaged copy under `{first}.`"),
        );
    }
    // What is no twin stays, and so is asked for or refused later.
    let root = dict(&[
        ("teacher.other.weight", tensor("1", &[2])),
        ("model.gate.weight", tensor("0", &[2])),
    ]);
    assert_eq!(
        names(&read(checkpoint(&root))),
        ["teacher.other.weight", "model.gate.weight"]
    );
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
    assert_note(&w, "these are an averaged copy (torch's AveragedModel)");
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
