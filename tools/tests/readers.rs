//! The readers of weights files on files that frameworks wrote: every format says the same of the
//! same model.

use std::path::PathBuf;

use mmoe_tools::import::{self, Weights};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures")
        .join(name)
}

fn read(name: &str) -> Weights {
    import::read(&fixture(name)).unwrap_or_else(|e| panic!("{e}"))
}

fn sum(weights: &Weights, name: &str) -> f64 {
    weights.tensors[name]
        .data
        .iter()
        .map(|&v| f64::from(v))
        .sum()
}

/// The same tensors under the same names, in any order.
fn assert_same(a: &Weights, b: &Weights) {
    assert_eq!(a.tensors.len(), b.tensors.len());
    for (name, tensor) in &a.tensors {
        assert_eq!(b.tensors.get(name), Some(tensor), "{name}");
    }
}

/// The same tensors in the same order, whatever their names.
fn assert_same_order(a: &Weights, b: &Weights) {
    assert_eq!(a.tensors.len(), b.tensors.len());
    for ((a_name, a), (b_name, b)) in a.tensors.iter().zip(&b.tensors) {
        assert_eq!(a, b, "{a_name} and {b_name}");
    }
}

/// Sums that NumPy gives for the same files.
fn assert_sums(weights: &Weights, sums: &[(&str, &[usize], f64)]) {
    for &(name, shape, expected) in sums {
        assert_eq!(weights.tensors[name].shape, shape, "{name}");
        assert!((sum(weights, name) - expected).abs() < 1e-9, "{name}");
    }
}

#[test]
fn safetensors() {
    let w = read("pytorch-edge/model.safetensors");
    assert_eq!(w.format, "safetensors");
    assert_eq!(w.tensors.len(), 34);
    assert!(w.notes.is_empty(), "{:?}", w.notes);
    let sums: [(&str, &[usize], f64); 2] = [
        ("experts.0.0.weight", &[64, 64], -17.393637743029103),
        ("towers.2.2.bias", &[1], 0.2433444708585739),
    ];
    assert_sums(&w, &sums);
}

#[test]
fn npz() {
    let w = read("keras-hub-recsys/weights_by_name.npz");
    assert_eq!(w.format, "NumPy .npz");
    assert_eq!(w.tensors.len(), 28);
    assert_eq!(w.tensors.keys()[0], "m_mo_e/dense/kernel:0");
    let sums: [(&str, &[usize], f64); 2] = [
        ("m_mo_e/dense/kernel:0", &[100, 16], -4.966415460810822),
        ("y1/kernel:0", &[8, 1], -1.110479025170207),
    ];
    assert_sums(&w, &sums);

    let compressed = read("keras-mmoe-census/weights_by_name.npz");
    let sums: [(&str, &[usize], f64); 1] =
        [("m_mo_e/expert_kernel:0", &[499, 4, 8], 139.33023465528277)];
    assert_sums(&compressed, &sums);

    // Golden vectors are read by the same code.
    let golden = read("keras-hub-recsys/golden.npz");
    assert_eq!(golden.tensors["experts"].shape, [64, 8, 16]);
}

#[test]
fn numpy_orders_and_types() {
    let w = read("readers/orders.npz");
    for (name, tensor) in &w.tensors {
        assert_eq!(tensor.shape, [2, 3], "{name}");
        assert_eq!(tensor.data, [0., 1., 2., 3., 4., 5.], "{name}");
    }
    assert_eq!(w.notes, ["1 tensor converted from f64"]);
    let plain = read("readers/plain.npy");
    assert_eq!(plain.tensors["array"], w.tensors["c"]);
}

#[test]
fn torch_files_equal_safetensors() {
    for (model, tensors) in [("pytorch-edge", 34), ("deepctr-torch-mmoe", 50)] {
        let pt = read(&format!("{model}/state_dict.pt"));
        assert_eq!(pt.format, "PyTorch state dict");
        assert_eq!(pt.tensors.len(), tensors);
        assert_same(&pt, &read(&format!("{model}/model.safetensors")));
    }
}

/// Transposed, sliced, stepped, expanded and permuted views of shared storages, in every type.
#[test]
fn torch_views_and_types() {
    let expected = read("readers/expected.npz");
    let views = read("readers/views.pt");
    assert_eq!(views.tensors.len(), 19);
    assert_same(&views, &expected);
    assert_same(&read("readers/views_legacy.pt"), &expected);
    for note in [
        "1 tensor converted from f16",
        "1 tensor converted from bf16",
        "1 tensor converted from i64",
        "1 tensor converted from bool",
    ] {
        assert!(views.notes.iter().any(|n| n == note), "{:?}", views.notes);
    }
}

#[test]
fn wrapped_state_dicts() {
    let plain = read("readers/state_dict.h5");
    assert_eq!(plain.format, "PyTorch state dict");
    assert_eq!(plain.tensors["experts.1.weight"].shape, [2, 3]);
    let wrapped = read("readers/checkpoint.pt");
    assert_same(&wrapped, &plain);
    assert_eq!(
        wrapped.notes,
        [
            "took the state dict under `model_state_dict`; left out beside it: epoch, \
             optimizer_state_dict",
            "took the common prefix `module.` off all tensor names",
            "1 tensor converted from i64"
        ]
    );
}

/// The model itself, pickled whole and as TorchScript, gives what its state dict gives; and says
/// what its modules are.
#[test]
fn whole_models_equal_their_state_dicts() {
    let plain = read("readers/state_dict.h5");
    for (file, format, eps) in [
        ("readers/module.pt", "PyTorch model", Some(1e-5)),
        ("readers/scripted.pt", "TorchScript archive", None),
    ] {
        let whole = read(file);
        assert_eq!(whole.format, format);
        assert_same(&whole, &plain);
        let norm = &whole.modules["norm"];
        assert_eq!(norm.class, "torch.nn.modules.batchnorm.BatchNorm1d");
        assert_eq!(norm.settings.get("eps").and_then(|e| e.as_f64()), eps);
        assert_eq!(
            whole.modules["experts.1"].class,
            "torch.nn.modules.linear.Linear"
        );
    }
}

#[test]
fn keras_files_with_attributes_keep_the_order_of_layers() {
    for (model, tensors, first) in [
        ("keras-hub-recsys", 28, "m_mo_e/m_mo_e/dense/kernel:0"),
        ("keras-mmoe-census", 14, "m_mo_e/m_mo_e/expert_kernel:0"),
    ] {
        let npz = read(&format!("{model}/weights_by_name.npz"));
        assert_eq!(npz.tensors.len(), tensors);
        let weights = read(&format!("{model}/weights_keras2.h5"));
        assert_eq!(weights.format, "Keras weights .h5");
        assert_eq!(weights.tensors.keys()[0], first);
        assert_eq!(weights.config, None);
        assert_same_order(&npz, &weights);
        let full = read(&format!("{model}/full_keras2.h5"));
        assert_eq!(full.format, "Keras full .h5");
        assert_same(&full, &weights);
        assert_same_order(&npz, &full);
        assert_eq!(full.config.unwrap()["class_name"], "Functional");
    }
}

#[test]
fn keras_3_weights_equal_npz() {
    let npz = read("keras-hub-recsys/weights_by_name.npz");
    let keras = read("keras-hub-recsys/model_keras3.keras");
    assert_eq!(keras.format, "Keras .keras");
    assert_eq!(keras.config.as_ref().unwrap()["class_name"], "Functional");
    let weights = read("keras-hub-recsys/weights_keras3.weights.h5");
    assert_eq!(weights.format, "Keras .weights.h5");
    assert_eq!(weights.config, None);
    for w in [&keras, &weights] {
        assert_eq!(w.tensors.len(), 28);
        assert_eq!(w.layer_names["layers/dense_2"], "y0");
        for (path, name) in [
            ("layers/m_mo_e/expert_layers/dense", "m_mo_e/dense"),
            ("layers/m_mo_e/expert_layers/dense_7", "m_mo_e/dense_7"),
            ("layers/m_mo_e/gate_layers/dense_1", "m_mo_e/dense_9"),
            ("layers/dense_1", "dense_11"),
            ("layers/dense_3", "y1"),
        ] {
            assert_eq!(
                w.tensors[&format!("{path}/vars/0")],
                npz.tensors[&format!("{name}/kernel:0")]
            );
            assert_eq!(
                w.tensors[&format!("{path}/vars/1")],
                npz.tensors[&format!("{name}/bias:0")]
            );
        }
    }

    let packed = read("keras-mmoe-census/model_keras3.keras");
    let npz = read("keras-mmoe-census/weights_by_name.npz");
    assert_eq!(
        packed.tensors["layers/m_mo_e/vars/5"],
        npz.tensors["m_mo_e/gate_bias_task_1:0"]
    );
    assert_same(
        &packed,
        &read("keras-mmoe-census/weights_keras3.weights.h5"),
    );
}

/// Thirteen layers of one kind and an optimizer, in the three formats of Keras 3.
#[test]
fn keras_3_numbers_and_optimizers() {
    let npz = read("readers/deep.npz");
    let full = read("readers/deep_full.h5");
    assert_same_order(&npz, &full);
    assert_eq!(full.config.unwrap()["class_name"], "Functional");
    for file in ["readers/deep.keras", "readers/deep.weights.h5"] {
        let w = read(file);
        assert_eq!(w.tensors.len(), npz.tensors.len());
        assert_eq!(w.notes, ["left out 58 variables of the optimizer"]);
        let dense: Vec<&str> = w
            .tensors
            .keys()
            .filter_map(|k| k.strip_prefix("layers/dense")?.strip_suffix("/vars/0"))
            .collect();
        assert_eq!(
            dense,
            [
                "", "_1", "_2", "_3", "_4", "_5", "_6", "_7", "_8", "_9", "_10", "_11", "_12"
            ]
        );
        assert_eq!(w.layer_names["layers/dense_12"], "income");
        assert_eq!(
            w.tensors["layers/dense_10/vars/0"],
            npz.tensors["dense_10/kernel"]
        );
    }
}

#[test]
fn hdf5_types_layouts_and_seeds() {
    let w = read("readers/odd.weights.h5");
    let names: Vec<&String> = w.tensors.keys().collect();
    assert_eq!(
        names,
        ["0", "1", "2", "10"]
            .map(|n| format!("layers/dense/vars/{n}"))
            .each_ref()
    );
    let expected: Vec<f32> = (0..600u16).map(|i| f32::from(i) / 8.0).collect();
    for (name, tensor) in w.tensors.iter().take(3) {
        assert_eq!(tensor.shape, [20, 30], "{name}");
        assert_eq!(tensor.data, expected, "{name}");
    }
    assert_eq!(w.tensors["layers/dense/vars/10"].data, [0.5]);
    assert_eq!(
        w.notes,
        [
            "left out 1 variable of the optimizer",
            "left out 1 variable of random seeds",
            "1 tensor converted from f16",
            "1 tensor converted from f64"
        ]
    );
}

/// Keras before 3.6 writes no names into its weights: they follow from the order of the layers.
#[test]
fn keras_layers_without_names() {
    let w = read("readers/unnamed.keras");
    let names: Vec<(&str, &str)> = w
        .layer_names
        .iter()
        .map(|(path, name)| (path.as_str(), name.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("layers/m_mo_e", "m_mo_e"),
            ("layers/dense", "dense_5"),
            ("layers/dense_1", "dense_6"),
            ("layers/dense_2", "click"),
            ("layers/dense_3", "like")
        ]
    );
}

/// As Keras 3 writes it under a policy of bfloat16: opaque bytes, and an attribute.
#[test]
fn bfloat16_of_keras() {
    let w = read("readers/bf16.weights.h5");
    let bf16 = &w.tensors["layers/dense/vars/0"];
    assert_eq!(bf16.data, [1.5, -2.25, 0.007_812_5, 1.000_255_55e30]);
    assert_eq!(w.tensors["layers/dense/vars/1"].data, [1.0, 2.0]);
}

#[test]
fn attributes_that_keras_split() {
    let w = read("readers/split.h5");
    let names: Vec<&String> = w.tensors.keys().collect();
    assert_eq!(
        names,
        [
            "second/second/kernel:0",
            "second/second/bias:0",
            "first/first/kernel:0",
            "first/first/bias:0",
            "third/third/kernel:0",
            "third/third/bias:0"
        ]
    );
    assert_eq!(w.tensors["third/third/bias:0"].data, [7.5, 7.625]);
}

#[test]
fn near_names() {
    let w = read("pytorch-edge/model.safetensors");
    assert_eq!(
        import::near_names(&w, "expert.0.0.weight")[0],
        "experts.0.0.weight"
    );
    assert!(import::near_names(&w, "something else entirely").is_empty());
}

/// What is wrong with a file, as it is told to its owner.
fn complaint(name: &str) -> String {
    match import::read(&fixture(name)) {
        Ok(w) => panic!("{name} reads as {}", w.format),
        Err(e) => e.to_string(),
    }
}

#[test]
fn what_is_not_read_is_refused_by_name_with_a_remedy() {
    for (file, kind, remedy) in [
        (
            "keras-hub-recsys/tf_checkpoint",
            "a TensorFlow checkpoint",
            ".restore(",
        ),
        (
            "keras-hub-recsys/tf_checkpoint/checkpoint",
            "a TensorFlow checkpoint",
            ".restore(",
        ),
        (
            "keras-hub-recsys/tf_checkpoint/ckpt.index",
            "a TensorFlow checkpoint",
            ".restore(",
        ),
        (
            "readers/evil.pt",
            "`posix.system`",
            "torch.save(model.state_dict()",
        ),
        ("readers/two.pt", "first, second", "[\"first\"]"),
        (
            "readers/strings.npz",
            "tensor `names` has elements of type <U1",
            "float32",
        ),
        (
            "readers/objects.npz",
            "tensor `objects` has elements of type |O",
            "float32",
        ),
        (
            "readers/cyclic.h5",
            "is a damaged HDF5 file: its groups nest without end",
            "",
        ),
        (
            "readers/huge_chunk.h5",
            "tensor `chunk` would take",
            "bytes of memory",
        ),
        (
            "readers/links.h5",
            "too many references lead to the same data",
            "",
        ),
        (
            "readers/references.h5",
            "too many references lead to the same data",
            "",
        ),
        (
            "readers/bomb.h5",
            "tensor `weight`",
            "exceeds expected chunk size",
        ),
        (
            "readers/huge.h5",
            "tensor `weight` would take",
            "bytes of memory",
        ),
        (
            "readers/int8.weights.h5",
            "tensor `layers/dense/vars/0` is of 8-bit integers, as in a quantized layer",
            "--precision i8",
        ),
        ("readers", "is a directory", "the weights file itself"),
        ("readers/no such file", "cannot be read: No such file", ""),
        (
            "../../Cargo.toml",
            "is no weights file that mmoe knows",
            "It reads .safetensors",
        ),
    ] {
        let said = complaint(file);
        assert!(said.contains(kind) && said.contains(remedy), "{said}");
        assert!(said.contains(file.rsplit('/').next().unwrap()), "{said}");
    }
}

#[test]
fn directories_and_other_things_that_are_no_files() {
    let dir = tempfile::tempdir().unwrap();
    let said = |name: &str| {
        import::read(&dir.path().join(name))
            .unwrap_err()
            .to_string()
    };
    std::fs::create_dir(dir.path().join("saved")).unwrap();
    std::fs::write(dir.path().join("saved/saved_model.pb"), b"\x08\x01\x12\x00").unwrap();
    assert!(said("saved").contains("a TensorFlow SavedModel"));
    assert!(said("saved/saved_model.pb").contains("a TensorFlow SavedModel"));
    std::fs::create_dir(dir.path().join("dcp")).unwrap();
    std::fs::write(dir.path().join("dcp/.metadata"), b"").unwrap();
    assert!(said("dcp").contains("dcp_to_torch_save"));
    std::fs::write(dir.path().join("m.data-00000-of-00001"), [0xff; 16]).unwrap();
    assert!(said("m.data-00000-of-00001").contains("part of a TensorFlow checkpoint"));
    for (file, complaint) in [
        (
            "pytorch-edge/model.safetensors",
            "56098 bytes are not as many as its header tells",
        ),
        (
            "pytorch-edge/state_dict.pt",
            "its list of members, which stands at its end",
        ),
        ("keras-hub-recsys/weights_keras2.h5", "unexpected EOF"),
        ("readers/views_legacy.pt", "it is truncated"),
    ] {
        let bytes = std::fs::read(fixture(file)).unwrap();
        std::fs::write(dir.path().join("half"), &bytes[..bytes.len() / 2]).unwrap();
        assert!(said("half").contains(complaint), "{}", said("half"));
    }
    for (content, kind, remedy) in [
        ("<!DOCTYPE html><html>", "a web page", "Download"),
        (
            r#"{"metadata": {}, "weight_map": {"w": "model-00001-of-00002.safetensors"}}"#,
            "the index of a model in several files",
            "torch.save(",
        ),
    ] {
        std::fs::write(dir.path().join("other"), content).unwrap();
        let said = said("other");
        assert!(said.contains(kind) && said.contains(remedy), "{said}");
    }
    std::fs::write(dir.path().join("squeezed"), b"\x1f\x8b\x08").unwrap();
    assert!(said("squeezed").contains("compressed with gzip"));
    std::fs::write(dir.path().join("empty"), b"").unwrap();
    assert!(said("empty").contains("is empty (0 bytes)"));
    #[cfg(unix)]
    assert!(
        import::read(std::path::Path::new("/dev/zero"))
            .unwrap_err()
            .to_string()
            .contains("is a device")
    );
}
