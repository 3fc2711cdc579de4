//! The library behind the `mmoe` tool: importers, the intermediate model, the quantizer, the packer
//! and the oracle.

mod assemble;
pub mod blob;
pub mod bound;
pub mod check;
pub mod codegen;
pub mod cores;
pub mod cost;
pub mod data;
pub mod error;
mod fold;
pub mod gating;
pub mod golden;
pub mod graph;
pub mod import;
pub mod metrics;
pub mod model;
pub mod oracle;
pub mod oracle_i64;
pub mod pack;
pub mod plan;
pub mod quantize;
mod random;
pub mod recognise;
pub mod runner;
pub mod selfcheck;
pub mod selftest;
pub mod spec;
mod tensors;
pub mod text;
pub mod typed;
