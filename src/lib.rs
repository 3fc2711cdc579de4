#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(target_endian = "big")]
compile_error!(
    "mmoe runs on little-endian targets alone: a blob's weights are used where they lie, and they are \
     little-endian"
);

#[cfg(test)]
extern crate std;

pub mod blob;
mod bytes;
mod dynamic;
mod gate;
mod input;
#[doc(hidden)]
pub mod kernel;
mod layer;
mod level;
mod list;
mod math;
mod model;
mod number;
mod precision;
mod prefix;
mod rank;
mod self_test;
mod sparse;
mod stats;
mod tower;
mod trunk;

pub use blob::{LoadError, SelfTestError, Shape};
pub use bytes::{Aligned, Buffer, InPlace, Pod};
pub use dynamic::{Dynamic, GateInfo, Run, RunError, Task};
pub use gate::{
    ConstantGate, DSelectKGate, Gate, HardGate, MaskedGate, SigmoidGate, SoftmaxGate, TopKGate,
};
pub use input::{Features, InputCounts, InputStage, Raw};
pub use kernel::{Active, ActiveColumns};
pub use layer::{
    Activation, Affine, Dense, Head, Layer, LayerNorm, LeakyRelu, Linear, Logits, PRelu, Relu, Seq,
    Seq3, Sigmoid, Slice, Tanh,
};
pub use level::{
    All, CgcLevel, Choice, ExtractionLevel, Level, MmoeLevel, Pair, SkipBelow, Source, Streams,
    TypedLevel,
};
pub use list::{List2, List3, List4, List5, List6, List7, List8, Parallel, Place};
pub use math::{Libm, Math, Micromath};
pub use model::{Cgc, Independent, Mmoe, Model, Omoe, Ple, SharedBottom, Traced};
pub use number::{Affine32, Element, Q15, Q16, Q31};
pub use precision::{
    F32, I8, I16, Matrix, MatrixF32, MatrixI8, MatrixI16, MatrixW8, Packing, Pairs, Panels,
    Precision, Quad, W8, Wide,
};
pub use prefix::{Context, Prefixed, PrefixedParallel, Rest};
pub use rank::{Best, Ranked, weighted_product, weighted_sum};
pub use sparse::Sparse;
pub use stats::GateStats;
#[doc(hidden)]
pub use tower::describe as describe_tower;
pub use tower::{
    Binary, MixtureOutput, MultiRegression, Multiclass, Product, Regression, Tower, Towers,
};
pub use trunk::{First, Mixtures, Passthrough, Shared, SharedExpert, SingleGate, Stacked, Trunk};
/// The crate whose traits a model's types derive; for [`tasks!`] and for layers of your own.
pub use zerocopy;
