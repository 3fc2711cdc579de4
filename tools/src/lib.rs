//! The library behind the `mmoe` tool: importers, the intermediate model, the quantizer, the packer and the oracle.

pub mod blob;
pub mod graph;
pub mod import;
pub mod pack;
