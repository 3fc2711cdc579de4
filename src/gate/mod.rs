//! Gates: layers that turn activations into one weight per expert.
//!
//! [`SoftmaxGate`], [`SigmoidGate`] and [`LinearGate`] weigh every expert; [`Gate`] is a softmax gate of one layer.
//! [`HardGate`], [`TopKGate`] and [`DSelectKGate`] choose some experts for each input, and experts
//! that no gate chooses are not run. [`ConstantGate`] has stored weights. [`MaskedGate`] turns a
//! gate over some experts into a gate over all of them.
//!
//! The examples on these types set a gate's logits by its biases and leave its matrix at zero.
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
pub use logits::{Gate, HardGate, LinearGate, SigmoidGate, SoftmaxGate, TopKGate};
pub use masked::MaskedGate;
