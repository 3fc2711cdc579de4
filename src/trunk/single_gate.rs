//! The trunk of one gate, whose mixture all towers read.

use super::{LevelOutputs, Trunk};
use crate::blob::Check;
use crate::level::{Buffers, ExpertFilter, Request, TaskMask};
use crate::math::Math;
use crate::number::Element;
use zerocopy::{FromBytes, FromZeros, Immutable, KnownLayout, TryFromBytes};

/// A trunk with one gate, whose mixture all `K` towers read. The trunk of [`Omoe`](crate::Omoe) is
/// `SingleGate<MmoeLevel<[E; N], [G; 1]>, K>`.
///
/// ```
/// use mmoe::{Binary, Dense, F32, Gate, Head, MmoeLevel, Model, Omoe, Raw, trunk::SingleGate};
/// type Expert = Dense<8, 4, F32>;
/// type Towers = [Binary<Head<4, 1, F32>>; 2];
/// type Level = MmoeLevel<[Expert; 3], [Gate<8, 3, F32>; 1]>;
/// type Spelled = Model<Raw<[f32; 8]>, SingleGate<Level, 2>, Towers>;
/// // The alias is the same type, and so has the same memory.
/// const { assert!(Spelled::SCRATCH == Omoe::<[Expert; 3], Gate<8, 3, F32>, Towers, 2>::SCRATCH) };
/// ```
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct SingleGate<L, const K: usize>(
    /// The trunk with the gate.
    pub L,
);

impl<L, const K: usize> SingleGate<L, K> {
    /// Turns a request for towers into one for mixtures: whichever towers are asked for, they need
    /// mixture 0, and where no tower is asked for, no mixture is needed.
    fn request<F: Copy>(request: Request<F>) -> Request<F> {
        request.of(if request.tasks.is_empty() {
            TaskMask::NONE
        } else {
            TaskMask::only(0)
        })
    }
}

impl<L: Trunk, const K: usize> Trunk for SingleGate<L, K> {
    type Act = L::Act;
    type In = L::In;
    type Stream = L::Stream;
    type Mixtures = FirstMixture<L::Mixtures>;
    type GateWeights = L::GateWeights;
    type Count = [(); K];
    type Streams = L::Streams;
    const EARLIER_SCRATCH: usize = L::EARLIER_SCRATCH;
    const LAST_SCRATCH: usize = L::LAST_SCRATCH;
    const STREAM_STRIDE: u8 = 0;
    fn describe(to: &mut Check<'_>) -> u8 {
        L::describe(to)
    }
    fn streams<M: Math, F: ExpertFilter>(
        &self,
        x: &L::In,
        request: Request<F>,
        weights: &mut L::GateWeights,
        streams: &mut L::Streams,
    ) -> u32 {
        self.0
            .streams::<M, F>(x, Self::request(request), weights, streams)
    }
    fn last<M: Math, F: ExpertFilter>(
        &self,
        x: &L::In,
        streams: &L::Streams,
        request: Request<F>,
        to: Buffers<'_, L::GateWeights, L::Stream, FirstMixture<L::Mixtures>>,
    ) -> u32 {
        let to = Buffers {
            weights: to.weights,
            stream: to.stream,
            mixtures: &mut to.mixtures.0,
        };
        self.0.last::<M, F>(x, streams, Self::request(request), to)
    }
}

/// Mixtures of a single-gate level: every tower reads mixture 0.
#[doc(hidden)]
#[derive(Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FirstMixture<X>(X);

impl<A: Element, X: LevelOutputs<A>> LevelOutputs<A> for FirstMixture<X>
where
    FirstMixture<X>: FromZeros,
{
    type Stream = X::Stream;
    type Rounded = X::Rounded;
    fn round_all(&self, to: &mut X::Rounded) {
        self.0.round_all(to);
    }
    fn round_one(&self, _: usize, to: &mut X::Stream) {
        self.0.round_one(0, to);
    }
}
