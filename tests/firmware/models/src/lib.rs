//! What the test firmware and the host have in common: model types, seeded rows, digests, and
//! (on the core) the blobs.
#![no_std]

#[cfg(target_os = "none")]
pub mod blobs;
mod golden;
pub mod raw;
mod records;
mod rows;
mod subject;
mod types;

pub use golden::{GOLDEN_ROWS, Golden, make};
pub use records::{
    Candidate, CandidateStage, Click, ClickStage, Clicks, ClicksFromVector, Context, ContextStage,
    Everything,
};
pub use rows::{Rng, fill};
pub use subject::{Digest, Numbers, Subject};
pub use types::{
    Autoencoder, Census, CensusCodes, Curved, Deep, DeepOf, Edge, Hard8, Recsys, RecsysOf,
    RecsysWide, Select8, Small, Softmax8, Top8,
};
