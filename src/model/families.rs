//! The families of the literature, as aliases of [`Model`]. The last parameter of each is the input
//! stage, which is [`Raw`] unless a model has one of its own.

use super::Model;
use crate::input::Raw;
use crate::layer::Layer;
use crate::level::{CgcLevel, MmoeLevel};
use crate::parallel::Parallel;
use crate::trunk::{Passthrough, SharedExpert, SingleGate, Stacked, Trunk};

/// Multi-gate mixture of experts (Ma et al., KDD 2018): experts `B`, and a gate of `G` and a tower
/// of `T` per task.
///
/// ```
/// use mmoe::{Binary, Dense, F32, Gate, Head, Mmoe};
/// type Clicks = Mmoe<[Dense<8, 4, F32>; 3], [Gate<8, 3, F32>; 2], [Binary<Head<4, 1, F32>>; 2]>;
/// // Three experts of 8·4 weights and 4 biases, two gates of 8·3 and 3, two towers of 4 and 1.
/// assert_eq!(size_of::<Clicks>(), 4 * (3 * 36 + 2 * 27 + 2 * 5));
/// ```
pub type Mmoe<B, G, T, S = Raw<<B as Parallel>::In>> = Model<S, MmoeLevel<B, G>, T>;
/// One-gate mixture of experts: experts `B`, one gate `G`, and `K` towers `T` on its mixture.
pub type Omoe<B, G, T, const K: usize, S = Raw<<B as Parallel>::In>> =
    Model<S, SingleGate<MmoeLevel<B, [G; 1]>, K>, T>;
/// Shared bottom: `K` towers `T` on one expert `E`.
pub type SharedBottom<E, T, const K: usize, S = Raw<<E as Layer>::In>> =
    Model<S, SharedExpert<E, K>, T>;
/// Customised gate control (Tang et al., RecSys 2020): experts `E` for each of `K` tasks, shared
/// experts `S`, a gate `G` and a tower of `T` per task.
pub type Cgc<E, S, G, T, const K: usize, I = Raw<<E as Parallel>::In>> =
    Model<I, CgcLevel<E, S, G, K>, T>;
/// Progressive layered extraction (Tang et al., RecSys 2020) of two levels; three are
/// `Model<_, Stacked<Stacked<A, B>, C>, _>`.
pub type Ple<L1, L2, T, S = Raw<<L1 as Trunk>::In>> = Model<S, Stacked<L1, L2>, T>;
/// `K` towers `T` on the input `X` itself: independent models in one blob.
pub type Independent<X, T, const K: usize, S = Raw<X>> = Model<S, Passthrough<X, K>, T>;
