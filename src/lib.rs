//! Multi-task mixture-of-experts models where there is no operating system and no heap.
//!
//! An MMoE model (multi-gate mixture of experts) predicts several things from one input. Its
//! *experts* are layers that all tasks share; a *gate* per task weighs them; a *tower* per task turns
//! the weighted sum into an output. This crate runs such models, and the family around them, on
//! microcontrollers: a model is a type, its weights are used where they lie in flash, and a
//! prediction takes some hundred bytes of stack.
//!
//! The weights come from the tool `mmoe` (the package `mmoe-tools`): it reads what Keras, PyTorch and
//! others trained, writes a *blob*, and writes the Rust type for it. What the tool computes on a host
//! and what this crate computes on a device has the same bits.
//!
//! # Example
//!
//! ```
//! use mmoe::{Binary, Blob, Dense, Gate, I8, I16, Logits, Mmoe, Regression, Seq, parallel::List3};
//!
//! // `mmoe codegen edge.mmoe` writes such a type: 4 experts, 3 gates, 3 towers.
//! type Expert = Seq<Dense<64, 64, I8>, Dense<64, 32, I8>>;
//! type Tower = Seq<Dense<32, 16, I8>, Logits<16, 1, I16>>;
//! type Model = Mmoe<
//!     [Expert; 4],
//!     List3<Gate<64, 4, I8>, Gate<64, 4, I16>, Gate<64, 4, I16>>,
//!     List3<Binary<Tower>, Binary<Tower>, Regression<Tower>>,
//! >;
//!
//! // In firmware: `static BLOB: &mmoe::Aligned<[u8]> = mmoe::include_blob!("edge.mmoe");`
//! # static BLOB: &mmoe::Aligned<[u8]> = mmoe::include_blob!(
//! #     concat!(env!("CARGO_MANIFEST_DIR"), "/examples/firmware/minimal/src/edge.mmoe"));
//! fn main() -> Result<(), mmoe::SelfTestError> {
//!     const { assert!(Model::SCRATCH <= 1024) }; // bytes of stack that a prediction needs
//!     let blob = Blob::open(BLOB)?; // length and checksum
//!     let model = Model::from_blob(&blob)?; // every layer is the one that the type has there
//!     model.self_test(&blob)?; // stored rows give their stored bits
//!
//!     // From here on nothing can fail.
//!     let features = [0.5; 64];
//!     let y = model.predict(&features);
//!     assert!((0.0..=1.0).contains(&y.0), "the first task is a probability");
//!     Ok(())
//! }
//! ```
//!
//! # Where to find what
//!
//! | you want | look at |
//! |---|---|
//! | to run a model whose type you know | [`Model`] and its families: [`Mmoe`], [`Omoe`], [`SharedBottom`], [`Cgc`], [`Ple`], [`Independent`] |
//! | to run any blob, without a type | [`Dynamic`] |
//! | to ask a blob who it is | [`Blob`], [`blob`] for its records and rules |
//! | to spell experts and gates | [`layer`], [`gate`], [`parallel`], [`level`] |
//! | to spell outputs | [`tower`], [`tasks!`] |
//! | to choose a precision | [`F32`], [`W8`] (int8 weights, f32 arithmetic), [`I8`] and [`I16`] (integers only); [`precision`] |
//! | only some tasks, fewer experts, many candidates | [`TaskMask`], [`SkipBelow`], [`rank`] |
//! | to feed ids, texts, lists and unscaled numbers | [`features!`], [`mod@features`] |
//! | layers, gates, towers or inputs of your own | the examples on [`layer::Layer`], [`tower::Tower`] and [`input::InputStage`] |
//! | another `exp` and `sqrt` | [`math`] |
//!
//! # Promises
//!
//! - **Checked once.** Loading checks every byte that inference relies on. After `Ok`, a prediction
//!   neither fails nor panics, whatever the weights are.
//! - **The same bits everywhere.** Float sums have one strict order, integers one rounding rule.
//! - **No allocation, no `unsafe` outside the kernels of single architectures**, where each block
//!   carries its proof.
//! - **Little-endian targets only**: a blob's numbers are used in place.
//!
//! # Features
//!
//! | feature | consequence |
//! |---|---|
//! | none (the default) | twelve small crates are linked, none of which needs `std` |
//! | `defmt` | errors, identities and outputs implement `defmt::Format` |
//!
//! # From here
//!
//! The repository's `README.md` shows the tool at work, `docs/numerics.md` states what is computed,
//! `docs/format.md` describes the blob, and `examples/firmware/minimal` is a whole program.
// Nothing here may panic. Tests may: that is how they fail.
#![cfg_attr(
    not(test),
    warn(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]
#![no_std]

#[cfg(target_endian = "big")]
compile_error!(
    "mmoe runs on little-endian targets alone: a blob's weights are used where they lie, and they are \
     little-endian"
);

#[cfg(mmoe_vector_floats)]
compile_error!(
    "the compiler may use this core's float vectors, which flush denormals: results would not have the \
     same bits as elsewhere; build with `-C target-feature=-mve.fp`"
);

#[cfg(test)]
extern crate std;

pub mod blob;
pub mod bytes;
mod dynamic;
pub mod features;
pub mod gate;
pub mod input;
#[doc(hidden)]
pub mod kernel;
pub mod layer;
pub mod level;
pub mod math;
mod model;
pub mod number;
pub mod parallel;
pub mod precision;
pub mod rank;
#[doc(hidden)]
pub mod rows;
mod self_test;
pub mod tower;
pub mod trunk;

pub use blob::{Blob, LoadError, SelfTestError, Shape};
pub use bytes::Aligned;
pub use dynamic::{Dynamic, GateInfo, RunError, Task, Value};
pub use gate::Gate;
pub use input::Raw;
pub use layer::{
    Clip, Dense, Elu, Exp, Gelu, GeluTanh, HardSwish, Head, Hot, LeakyRelu, Linear, Logits, Mish,
    Relu, Seq, Seq3, Sigmoid, Silu, Softplus, Softsign, Square, Tanh,
};
pub use level::{CgcLevel, ExtractionLevel, MmoeLevel, SkipBelow, TaskMask};
pub use model::{Cgc, Independent, Mmoe, Model, Omoe, Ple, Run, SharedBottom, Traced};
pub use number::{Q15, Q16, Q31};
pub use precision::{F32, I8, I16, W8};
pub use tower::{
    Activated, Binary, MixtureOutput, MultiRegression, Multiclass, Product, ProductOutput,
    Regression,
};
/// The crate whose traits a model's types derive; for [`tasks!`] and for layers of your own.
pub use zerocopy;
