//! The library behind the `mmoe` tool: importers, the intermediate model, the quantizer, the packer and the oracle.

pub mod blob;
pub mod check;
pub mod error;
pub mod graph;
pub mod import;
pub mod model;
pub mod oracle;
pub mod pack;
pub mod plan;
pub mod recognise;
pub mod spec;
