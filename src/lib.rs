#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(test)]
extern crate std;

pub mod blob;
pub mod bytes;
mod dynamic;
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
mod self_test;
pub mod tower;
pub mod trunk;

pub use blob::{Blob, LoadError, SelfTestError, Shape};
pub use bytes::Aligned;
pub use dynamic::{Dynamic, GateInfo, RunError, Task};
pub use gate::Gate;
pub use input::Raw;
pub use layer::{
    Clip, Dense, Elu, Exp, Gelu, GeluTanh, HardSwish, Head, LeakyRelu, Linear, Logits, Mish, Relu,
    Seq, Seq3, Sigmoid, Silu, Softplus, Softsign, Tanh,
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
