//! The trunk that hands the input to the towers as it is.

use super::{Broadcast, Trunk};
use crate::blob::Check;
use crate::bytes::InPlace;
use crate::level::{Buffers, ExpertFilter, Request};
use crate::math::Math;
use crate::number::Element;
use crate::rows::Rows;
use core::marker::PhantomData;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// A trunk without a level: each of `K` towers reads the input itself. This is how several
/// independent models share one blob, as in the alias [`Independent`](crate::Independent).
///
/// ```
/// use mmoe::trunk::Passthrough;
/// assert_eq!(size_of::<Passthrough<[f32; 8], 2>>(), 0, "it stores nothing");
/// ```
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Passthrough<X, const K: usize>(PhantomData<X>);

impl<A: Element, const I: usize, const K: usize> Trunk for Passthrough<[A; I], K>
where
    Self: InPlace,
{
    type Act = A;
    type In = [A; I];
    type Stream = [A; I];
    type Mixtures = Broadcast<[A; I]>;
    type GateWeights = [A; 0];
    type Count = [(); K];
    type Streams = [A; 0];
    const LAST_SCRATCH: usize = 2 * size_of::<[A; I]>();
    const STREAM_STRIDE: u8 = 0;
    fn describe(_: &mut Check<'_>) -> u8 {
        0
    }
    fn last<M: Math, F: ExpertFilter, const R: usize>(
        &self,
        x: Rows<'_, [A; I], R>,
        _: &[[A; 0]; R],
        _: Request<F>,
        to: Buffers<'_, [A; 0], [A; I], Broadcast<[A; I]>, R>,
    ) -> u32 {
        for (to, x) in to.mixtures.into_iter().zip(x.as_slice()) {
            to.0 = **x;
        }
        0
    }
}
