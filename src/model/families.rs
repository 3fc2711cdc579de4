//! The families of the literature, as aliases of [`Model`].
//!
//! The last parameter of each alias is the input stage. It is [`Raw`] unless a model has an input
//! stage of its own.

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
/// One-gate mixture of experts: experts `B`, one gate `G`, and `K` towers `T` that all read the
/// gate's one mixture.
///
/// ```
/// use mmoe::{Binary, Dense, F32, Gate, Head, Omoe};
/// type Clicks = Omoe<[Dense<8, 4, F32>; 3], Gate<8, 3, F32>, [Binary<Head<4, 1, F32>>; 2], 2>;
/// // Three experts, one gate and two towers.
/// assert_eq!(size_of::<Clicks>(), 4 * (3 * 36 + 27 + 2 * 5));
/// ```
pub type Omoe<B, G, T, const K: usize, S = Raw<<B as Parallel>::In>> =
    Model<S, SingleGate<MmoeLevel<B, [G; 1]>, K>, T>;
/// Shared bottom: `K` towers `T` that all read the output of one expert `E`, without a gate.
///
/// ```
/// use mmoe::{Binary, Dense, F32, Head, SharedBottom};
/// type Clicks = SharedBottom<Dense<8, 4, F32>, [Binary<Head<4, 1, F32>>; 2], 2>;
/// assert_eq!(size_of::<Clicks>(), 4 * (36 + 2 * 5));
/// ```
pub type SharedBottom<E, T, const K: usize, S = Raw<<E as Layer>::In>> =
    Model<S, SharedExpert<E, K>, T>;
/// Customised gate control (Tang et al., RecSys 2020): experts `E` for each of `K` tasks, shared
/// experts `S`, a gate `G` and a tower of `T` per task. [`CgcLevel`] describes the level.
///
/// ```
/// use mmoe::{Binary, Cgc, Dense, F32, Gate, Head};
/// type Expert = Dense<8, 4, F32>;
/// // A gate weighs its task's two experts and then the shared one: three in all.
/// type Clicks = Cgc<[Expert; 2], [Expert; 1], Gate<8, 3, F32>, [Binary<Head<4, 1, F32>>; 2], 2>;
/// assert_eq!(size_of::<Clicks>(), 4 * ((2 * 2 + 1) * 36 + 2 * 27 + 2 * 5));
/// ```
pub type Cgc<E, S, G, T, const K: usize, I = Raw<<E as Parallel>::In>> =
    Model<I, CgcLevel<E, S, G, K>, T>;
/// Progressive layered extraction (Tang et al., RecSys 2020) of two levels: an
/// [`ExtractionLevel`](crate::ExtractionLevel) and then a [`CgcLevel`]. Three levels are
/// `Model<_, Stacked<Stacked<A, B>, C>, _>`.
///
/// ```
/// use mmoe::{Binary, CgcLevel, Dense, ExtractionLevel, F32, Gate, Head, Ple};
/// type First = Dense<8, 4, F32>;
/// type Second = Dense<4, 4, F32>;
/// // Two tasks with one expert each, one shared expert. The shared gate weighs all three experts.
/// type L1 = ExtractionLevel<CgcLevel<[First; 1], [First; 1], Gate<8, 2, F32>, 2>, Gate<8, 3, F32>>;
/// type L2 = CgcLevel<[Second; 1], [Second; 1], Gate<4, 2, F32>, 2>;
/// type Clicks = Ple<L1, L2, [Binary<Head<4, 1, F32>>; 2]>;
///
/// let first = 3 * 36 + 2 * 18 + 27;
/// let second = 3 * 20 + 2 * 10;
/// assert_eq!(size_of::<Clicks>(), 4 * (first + second + 2 * 5));
/// ```
pub type Ple<L1, L2, T, S = Raw<<L1 as Trunk>::In>> = Model<S, Stacked<L1, L2>, T>;
/// `K` towers `T` that read the input `X` itself: independent models in one blob.
///
/// ```
/// use mmoe::{Binary, Dense, F32, Head, Independent, Seq};
/// type Tower = Binary<Seq<Dense<8, 4, F32>, Head<4, 1, F32>>>;
/// type Clicks = Independent<[f32; 8], [Tower; 2], 2>;
/// assert_eq!(size_of::<Clicks>(), 2 * size_of::<Tower>());
/// ```
pub type Independent<X, T, const K: usize, S = Raw<X>> = Model<S, Passthrough<X, K>, T>;
