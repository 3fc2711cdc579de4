//! The trunk of one gate, whose mixture all towers read.

use super::Trunk;
use crate::blob::Check;
use crate::level::{Buffers, ExpertFilter, Request, TaskMask};
use crate::math::Math;
use crate::rows::Rows;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

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
    type Mixtures = L::Mixtures;
    type GateWeights = L::GateWeights;
    type Count = [(); K];
    type Streams = L::Streams;
    const EARLIER_SCRATCH: usize = L::EARLIER_SCRATCH;
    const LAST_SCRATCH: usize = L::LAST_SCRATCH;
    const STREAM_STRIDE: u8 = 0;
    fn describe(to: &mut Check<'_>) -> u8 {
        L::describe(to)
    }
    fn streams<M: Math, F: ExpertFilter, const R: usize>(
        &self,
        x: Rows<'_, L::In, R>,
        request: Request<F>,
        weights: [&mut L::GateWeights; R],
        streams: &mut [L::Streams; R],
    ) -> u32 {
        self.0
            .streams::<M, F, R>(x, Self::request(request), weights, streams)
    }
    fn last<M: Math, F: ExpertFilter, const R: usize>(
        &self,
        x: Rows<'_, L::In, R>,
        streams: &[L::Streams; R],
        request: Request<F>,
        to: Buffers<'_, L::GateWeights, L::Stream, L::Mixtures, R>,
    ) -> u32 {
        self.0
            .last::<M, F, R>(x, streams, Self::request(request), to)
    }
}
