//! Fixtures and conversion, for the engine's tests.
#![allow(unreachable_pub, dead_code, reason = "each test binary uses its part")]

use mmoe::Aligned;
use mmoe_tools::blob::{encode::Packing, file};
use mmoe_tools::graph::Graph;
use mmoe_tools::import::{self, Weights};
use mmoe_tools::model::{Options, build};
use mmoe_tools::plan::spec::Spec;
use mmoe_tools::{pack, quantize};
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

/// A blob's bytes, aligned.
pub type Blob = Box<Aligned<[u8; 1 << 18]>>;

pub fn aligned(bytes: &[u8]) -> Blob {
    let mut a = Box::new(Aligned([0u8; 1 << 18]));
    a.0[..bytes.len()].copy_from_slice(bytes);
    a
}

pub fn float(graph: &Graph, precision: pack::Float) -> Blob {
    let (header, weights) = pack::float(graph, precision);
    aligned(&file::write(&header, &weights))
}

/// An I8 blob calibrated on `rows` (row after row).
pub fn integer(graph: &Graph, rows: &[f32], packing: Packing) -> Blob {
    let calibration = quantize::source(graph, Some((rows, graph.width(0)))).unwrap();
    // The types of these tests are narrow but for the heads: nothing may be widened.
    let options = quantize::Options {
        max_loss: Some(1.0),
        ..Default::default()
    };
    let quantized = quantize::quantize(graph, &calibration, &options).unwrap();
    let (header, weights) = pack::integer(graph, &quantized, packing);
    aligned(&file::write(&header, &weights))
}
