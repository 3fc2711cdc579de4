//! The readers of weights files: every format, and everything that can be wrong with a file.

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

#[test]
fn safetensors() {
    let w = read("pytorch-edge/model.safetensors");
    assert_eq!(w.format, "safetensors");
    assert_eq!(w.tensors.len(), 34);
    assert_eq!(w.tensors["experts.0.0.weight"].shape, [64, 64]);
    assert!(w.notes.is_empty(), "{:?}", w.notes);
}

#[test]
fn npz() {
    let w = read("keras-hub-recsys/weights_by_name.npz");
    assert_eq!(w.format, "NumPy .npz");
    assert_eq!(w.tensors.len(), 28);
    assert_eq!(w.tensors["m_mo_e/dense_9/kernel:0"].shape, [100, 8]);
    assert_eq!(w.tensors.get_index(0).unwrap().0, "m_mo_e/dense/kernel:0");
}

/// The same tensors under the same names, in any order.
fn assert_same(a: &Weights, b: &Weights) {
    assert_eq!(a.tensors.len(), b.tensors.len());
    for (name, tensor) in &a.tensors {
        assert_eq!(b.tensors.get(name), Some(tensor), "{name}");
    }
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
