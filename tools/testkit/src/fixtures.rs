//! Fixtures, and conversions of them.

use crate::Rng;
use indexmap::IndexMap;
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::data::Rows;
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::graph::Graph;
use mmoe_tools::import::{self, Tensor, Weights};
use mmoe_tools::model::{Options, build};
use mmoe_tools::plan::spec::Spec;
use std::path::PathBuf;

/// Where a file of `tests/fixtures` is.
#[must_use]
pub fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures")
        .join(path)
}

/// The tensors of a fixture.
#[must_use]
pub fn read(path: &str) -> Weights {
    import::read(&fixture(path)).unwrap()
}

/// The graph of a fixture's weights and spec.
#[must_use]
pub fn graph(weights: &str, spec: &str) -> Graph {
    let spec = Spec::parse(&std::fs::read_to_string(fixture(spec)).unwrap()).unwrap();
    build(read(weights), Some(&spec), Options::default())
        .unwrap()
        .graph
}

/// A float blob.
#[must_use]
pub fn float(graph: &Graph, precision: Precision) -> BlobBytes {
    Conversion::new(precision).run(graph).unwrap().bytes()
}

/// The conversion to I8, calibrated on `rows` (row after row) of `graph`. The types of these tests
/// are narrow but for the heads: nothing may be widened.
#[must_use]
pub fn narrow(graph: &Graph, rows: &[f32], packing: Packing) -> Conversion {
    let calibration = Rows {
        data: rows.to_vec(),
        width: graph.width(0),
    };
    Conversion {
        packing,
        calibration: Some(calibration.into()),
        max_loss: Some(1.0),
        ..Conversion::new(Precision::I8)
    }
}

/// An I8 blob calibrated on `rows` (row after row).
#[must_use]
pub fn integer(graph: &Graph, rows: &[f32], packing: Packing) -> BlobBytes {
    narrow(graph, rows, packing).run(graph).unwrap().bytes()
}

/// The arrays of a fixture's golden rows.
#[must_use]
pub fn golden(folder: &str) -> IndexMap<String, Tensor> {
    read(&format!("{folder}/golden.npz")).tensors
}

/// Tensors by name and shape, with small reproducible numbers.
#[must_use]
pub fn made(shapes: &[(&str, &[usize])]) -> Weights {
    let mut rng = Rng::new(1);
    let tensors = shapes.iter().map(|(name, shape)| {
        let data = (0..shape.iter().product::<usize>()).map(|_| {
            let unit = 0.5 * f64::from(rng.real()) + 0.5;
            // Variances are positive.
            (if name.ends_with("var") || name.ends_with("variance") {
                unit + 0.1
            } else {
                unit - 0.5
            }) as f32
        });
        (
            (*name).to_owned(),
            Tensor {
                shape: shape.to_vec(),
                data: data.collect(),
            },
        )
    });
    Weights {
        format: "made".into(),
        tensors: tensors.collect(),
        ..Weights::default()
    }
}
