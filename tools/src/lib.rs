//! The library behind the `mmoe` tool: it makes blobs of trained models, and checks and describes
//! them.
//!
//! ```text
//! trained file ─ import ─▶ Weights ─ model::build ─▶ Graph ─ convert::Conversion ─▶ Blob ─▶ bytes
//!                             ▲          plan            │       quantize, pack      │
//!                           Spec                       eval ◀──────── readback ──────┘
//! ```
//!
//! - [`import`] reads a file into named tensors, whatever framework wrote it.
//! - [`model`] makes a [`graph`] of them: by a [`plan`], which a spec gives or which recognition
//!   finds in the names.
//! - [`convert`] makes a blob of a graph, and is the only way to: it quantizes where the precision
//!   asks for it, packs, and adds self-test rows.
//! - [`eval`] computes what a graph gives, slowly and without the engine; [`fixed_point`] does so
//!   for integers; [`readback`] holds every new blob against them.
//! - [`engine`] runs blobs as firmware would; [`golden`] and [`data`] read the rows for it.
//! - [`codegen`] and [`rust_type`] spell a blob's Rust type, [`cost`] says what it takes.
//!
//! ```
//! use mmoe_tools::convert::{Conversion, Precision, convert};
//! use mmoe_tools::engine::Runner;
//! use mmoe_tools::{import, plan::spec::Spec};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/pytorch-edge");
//! # let folder = std::path::Path::new(folder);
//!
//! let weights = import::read(&folder.join("model.safetensors"))?;
//! let spec = Spec::parse(&std::fs::read_to_string(folder.join("spec.toml"))?)?;
//! let blob = convert(weights, Some(&spec), &Conversion::new(Precision::W8))?.bytes();
//!
//! let mut runner = Runner::load(&blob)?;
//! let (outputs, _) = runner.predict(&[0.5; 64])?;
//! assert_eq!(outputs.len(), 3);
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]
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
pub mod search;
pub mod self_test;
pub mod text;
