//! The library behind the `mmoe` tool: importers, the intermediate model, the quantizer, the packer
//! and the oracle.

pub mod blob;
pub mod codegen;
pub mod convert;
pub mod cost;
pub mod data;
pub mod describe;
pub mod engine;
pub mod error;
pub mod eval;
pub mod fixed_point;
pub mod gate_stats;
pub mod golden;
pub mod graph;
pub mod import;
pub mod metrics;
pub mod model;
pub mod pack;
pub mod plan;
pub mod predictions;
pub mod quality;
pub mod quantize;
mod random;
pub mod readback;
pub mod rust_type;
pub mod self_test;
pub mod text;
