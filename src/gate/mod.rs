//! Gates: layers that turn activations into one weight per expert.
//!
//! [`SoftmaxGate`] (with one layer: [`Gate`]) and [`SigmoidGate`] weigh every expert.
//! [`HardGate`], [`TopKGate`] and [`DSelectKGate`] choose some for each input, and the others are
//! not run. [`ConstantGate`] has stored weights; [`MaskedGate`] makes a gate over all experts of one
//! over some.
//!
//! A gate of your own is a [layer](crate::layer::Layer) whose output is a weight per expert:
//!
//! ```
#![doc = include_str!("../../docs/own/gate.rs")]
//! # assert_eq!(<Leader<4, 2> as Layer>::LAYERS, 1);
//! ```

mod constant;
mod d_select_k;
mod logits;
mod masked;

pub use constant::ConstantGate;
pub use d_select_k::DSelectKGate;
pub use logits::{Gate, HardGate, SigmoidGate, SoftmaxGate, TopKGate};
pub use masked::MaskedGate;
