//! What the tests of this workspace share. It is not published.
//!
//! - [`fixtures`]: files of trained models, and conversions of them;
//! - [`flash`]: NOR flash in memory, whose power can be cut;
//! - [`graphs`]: a builder of small graphs with seeded weights, and their blobs;
//! - [`integer`]: integer blobs that no quantizer made;
//! - [`golden`]: holding a graph against outputs that a framework computed;
//! - [`records`]: raw records, and what frameworks made of them;
//! - [`models`]: the Rust types of the fixtures' models, and rows that host and firmware share;
//! - [`Rng`]: the one generator of random numbers.
//!
//! Everything here panics where a test would: it is called by tests only.
#![expect(
    clippy::missing_panics_doc,
    reason = "helpers of tests panic where the test fails"
)]

pub mod fixtures;
pub mod flash;
pub mod fronts;
pub mod golden;
pub mod graphs;
pub mod integer;
pub mod records;
mod rng;

pub use firmware_models as models;
pub use rng::Rng;
