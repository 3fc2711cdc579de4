//! The library behind the `mmoe` tool: it converts trained models into blobs, checks the blobs and
//! describes them. Use it to convert models in a program of your own, such as a build script.
//!
//! ```text
//! trained file ─ import ─▶ Weights ─ model::build ─▶ Graph ─ convert::Conversion ─▶ Blob ─▶ bytes
//!                             ▲          plan            │       quantize, pack      │
//!                           Spec                       eval ◀──────── readback ──────┘
//! ```
//!
//! - [`import`] reads a file into named tensors, whatever framework wrote it.
//! - [`program`] is what an exported graph computes, and finds the model in it.
//! - [`model`] turns them into a [`graph`], by a [`plan`] that a spec states or that recognition finds
//!   in the names.
//! - [`convert`] turns a graph into a blob, and is the only way to do so: it quantizes where the
//!   precision asks for it, packs the weights, and adds self-test rows.
//! - [`features`] reads the files in which frameworks describe features.
//! - [`front`] is the part of a graph that makes its vector of a record of raw fields.
//! - [`eval`] evaluates a graph slowly and without the engine, and [`fixed_point`] does so for
//!   integers. [`readback`] compares every new blob with them.
//! - [`engine`] runs blobs as firmware does. [`data`] reads rows for it, and [`golden`] compares its
//!   outputs with those of a framework.
//! - [`rust_type`] finds the Rust type of a blob, [`codegen`] writes its source, and [`cost`] tells what
//!   a blob takes on a device.
//! - [`signing`] makes keys, signs blobs with them, and verifies what was signed.
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
pub mod features;
pub mod fixed_point;
pub mod front;
pub mod gate_stats;
pub mod golden;
pub mod graph;
pub mod import;
pub mod like;
pub mod metrics;
pub mod model;
pub mod one_hot;
pub mod pack;
pub mod plan;
pub mod predictions;
pub mod program;
pub mod quality;
pub mod quantize;
mod random;
pub mod readback;
pub mod rust_type;
pub mod search;
pub mod self_test;
pub mod signing;
pub mod text;
