//! The readers of weights files on files that frameworks wrote: every format says the same of the same model.

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
