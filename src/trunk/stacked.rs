//! The trunk of several levels, one on another.

use super::{LevelOutputs, Trunk, level_scratch};
use crate::blob::Check;
use crate::bytes::{InPlace, Word};
use crate::layer::max;
use crate::level::{Buffers, ExpertFilter, Inputs, LevelGates, Request, TypedLevel, walk};
use crate::math::Math;
use crate::number::Element;
use crate::rows::Rows;
use zerocopy::{FromZeros, Immutable, KnownLayout, TryFromBytes};

/// The trunk `L1`, and the level `L2` on the mixtures that it leaves. Three levels are
/// `Stacked<Stacked<A, B>, C>`.
///
/// What the experts and gates of the second level read depends on the first:
///
/// - A level of one gate leaves one stream, which all of them read.
/// - A level of several gates leaves a stream per gate: expert `k` and gate `k` read stream `k`.
/// - An [`ExtractionLevel`](crate::ExtractionLevel) leaves a stream per task and a shared one.
///
/// ```
/// use mmoe::{Binary, Dense, F32, Gate, Head, MmoeLevel, Model, Raw, trunk::Stacked};
/// type First = MmoeLevel<[Dense<8, 6, F32>; 3], [Gate<8, 3, F32>; 1]>;
/// type Second = MmoeLevel<[Dense<6, 4, F32>; 2], [Gate<6, 2, F32>; 2]>;
/// type Clicks = Model<Raw<[f32; 8]>, Stacked<First, Second>, [Binary<Head<4, 1, F32>>; 2]>;
///
/// let towers = 2 * size_of::<Head<4, 1, F32>>();
/// assert_eq!(size_of::<Clicks>(), size_of::<First>() + size_of::<Second>() + towers);
/// ```
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Stacked<L1, L2>(
    /// The earlier levels.
    pub L1,
    /// The last level.
    pub L2,
);

impl<A: Element, L1, L2> Trunk for Stacked<L1, L2>
where
    L1: Trunk<Act = A>,
    L2: InPlace
        + TypedLevel<
            Act = A,
            Stream: FromZeros,
            Mixtures: Sized + LevelOutputs<A, Stream = L2::Stream>,
            GateWeights: FromZeros + Sized,
        >,
    <L1::Mixtures as LevelOutputs<A>>::Rounded: Inputs<L2::In>,
{
    type Act = A;
    type In = L1::In;
    type Stream = L2::Stream;
    type Mixtures = L2::Mixtures;
    type GateWeights = LevelGates<L1::GateWeights, L2::GateWeights>;
    type Count = L2::Count;
    type Streams = <L1::Mixtures as LevelOutputs<A>>::Rounded;
    const EARLIER_SCRATCH: usize =
        max(L1::EARLIER_SCRATCH, L1::LAST_SCRATCH) + size_of::<L1::Streams>();
    const LAST_SCRATCH: usize = level_scratch::<L2>();
    fn describe(to: &mut Check<'_>) -> u8 {
        let base = L1::describe(to);
        L2::describe::<Self::Streams>(to, base)
    }
    // Not inlined, so that it has a stack frame of its own, which is gone before the buffers of the
    // last level are made.
    #[inline(never)]
    fn streams<M: Math, F: ExpertFilter, const R: usize>(
        &self,
        x: Rows<'_, L1::In, R>,
        request: Request<F>,
        weights: [&mut Self::GateWeights; R],
        streams: &mut [Self::Streams; R],
    ) -> u32 {
        let mut before = Word::<[L1::Streams; R]>::new_zeroed();
        // A request for no task must not run anything. `required_inputs` would add the shared
        // stream to it.
        let request = if request.tasks.is_empty() {
            request
        } else {
            request.of(L2::required_inputs(request.tasks))
        };
        let mut weights = weights.map(|w| &mut w.0);
        let now = weights.each_mut().map(|w| &mut **w);
        let run = self.0.streams::<M, F, R>(x, request, now, &mut before);
        run.wrapping_add(rounded::<M, F, L1, A, R>(
            &self.0, x, &before, request, weights, streams,
        ))
    }
    fn last<M: Math, F: ExpertFilter, const R: usize>(
        &self,
        x: Rows<'_, L1::In, R>,
        streams: &[Self::Streams; R],
        request: Request<F>,
        to: Buffers<'_, Self::GateWeights, L2::Stream, L2::Mixtures, R>,
    ) -> u32 {
        let to = Buffers {
            weights: to.weights.map(|w| &mut w.1),
            stream: to.stream,
            mixtures: to.mixtures,
        };
        walk::<M, F, L2, _, R>(&self.1, Rows::first(streams, x.len()), request, to)
    }
}

/// Runs the last level of `trunk` and rounds its mixtures to activations.
// Not inlined, so that it has a stack frame of its own. It is entered after the frame of the earlier
// levels is gone, and takes the same bytes: the stack holds the buffers of one level at a time.
#[inline(never)]
fn rounded<M: Math, F: ExpertFilter, L: Trunk<Act = A>, A: Element, const R: usize>(
    trunk: &L,
    x: Rows<'_, L::In, R>,
    before: &[L::Streams; R],
    request: Request<F>,
    weights: [&mut L::GateWeights; R],
    streams: &mut [<L::Mixtures as LevelOutputs<A>>::Rounded; R],
) -> u32 {
    let (mut stream, mut mixtures) = (
        Word::<[L::Stream; R]>::new_zeroed(),
        <[L::Mixtures; R]>::new_zeroed(),
    );
    let to = Buffers {
        weights,
        stream: &mut stream,
        mixtures: mixtures.each_mut(),
    };
    let run = trunk.last::<M, F, R>(x, before, request, to);
    for (mixtures, streams) in mixtures.iter().zip(streams).take(x.len()) {
        mixtures.round_all(streams);
    }
    run
}
