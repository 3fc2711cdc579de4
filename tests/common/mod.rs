//! Fixtures and conversion, for the engine's tests.
#![allow(unreachable_pub, dead_code, reason = "each test binary uses its part")]

use mmoe_tools::blob::encode::Packing;
use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::data::Rows;
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::graph::Graph;
use mmoe_tools::import::{self, Weights};
use mmoe_tools::model::{Options, build};
use mmoe_tools::plan::spec::Spec;
use std::path::PathBuf;

pub fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(path)
}

pub fn read(path: &str) -> Weights {
    import::read(&fixture(path)).unwrap()
}

pub fn graph(weights: &str, spec: &str) -> Graph {
    let spec = Spec::parse(&std::fs::read_to_string(fixture(spec)).unwrap()).unwrap();
    build(read(weights), Some(&spec), Options::default())
        .unwrap()
        .graph
}

pub fn float(graph: &Graph, precision: Precision) -> BlobBytes {
    Conversion::new(precision).run(graph).unwrap().bytes()
}

/// The conversion to I8, calibrated on `rows` (row after row) of `graph`. The types of these tests
/// are narrow but for the heads: nothing may be widened.
pub fn narrow(graph: &Graph, rows: &[f32], packing: Packing) -> Conversion {
    let calibration = Rows {
        data: rows.to_vec(),
        width: graph.width(0),
    };
    Conversion {
        packing,
        calibration: Some(calibration),
        max_loss: Some(1.0),
        ..Conversion::new(Precision::I8)
    }
}

/// An I8 blob calibrated on `rows` (row after row).
pub fn integer(graph: &Graph, rows: &[f32], packing: Packing) -> BlobBytes {
    narrow(graph, rows, packing).run(graph).unwrap().bytes()
}
