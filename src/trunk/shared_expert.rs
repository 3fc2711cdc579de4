//! The trunk of one expert that all towers read.

use super::{LevelOutputs, Trunk};
use crate::blob::Check;
use crate::layer::Layer;
use crate::level::{Buffers, ExpertFilter, Request};
use crate::math::Math;
use crate::number::Element;
use crate::parallel::{self, Role};
use crate::rows::{self, Rows};
use zerocopy::{FromBytes, Immutable, KnownLayout, TryFromBytes};

/// A trunk of one expert and no gate, whose output all `K` towers read.
///
/// It is the bottom of a [`SharedBottom`](crate::SharedBottom) model. With a
/// [`MixtureOutput`](crate::MixtureOutput) tower it is an encoder whose code is the output:
///
/// ```
/// use mmoe::{Dense, F32, MixtureOutput, Model, Raw, trunk::SharedExpert};
/// type Encoder = SharedExpert<Dense<8, 3, F32>, 1>;
/// type Embedding = Model<Raw<[f32; 8]>, Encoder, [MixtureOutput<3, F32>; 1]>;
/// assert_eq!(size_of::<Embedding>(), size_of::<Dense<8, 3, F32>>());
/// ```
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct SharedExpert<E, const K: usize>(
    /// The expert.
    pub E,
);

/// One stream of activations that every tower reads.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Broadcast<X>(pub(super) X);

impl<A: Element, const H: usize> LevelOutputs<A> for Broadcast<[A; H]> {
    type Stream = [A; H];
    type Rounded = [A; H];
    fn round_all(&self, to: &mut [A; H]) {
        *to = self.0;
    }
    fn round_one(&self, _: usize, to: &mut [A; H]) {
        *to = self.0;
    }
}

impl<A: Element, const I: usize, const H: usize, E, const K: usize> Trunk for SharedExpert<E, K>
where
    E: Layer<Act = A, In = [A; I], Out = [A; H]>,
{
    type Act = A;
    type In = [A; I];
    type Stream = [A; H];
    type Mixtures = Broadcast<[A; H]>;
    type GateWeights = [A; 0];
    type Count = [(); K];
    type Streams = [A; 0];
    const LAST_SCRATCH: usize = 2 * size_of::<[A; H]>() + E::SCRATCH;
    const STREAM_STRIDE: u8 = 0;
    fn describe(to: &mut Check<'_>) -> u8 {
        let value = to.next_value();
        parallel::describe::<E>(to, &Role::Expert(0));
        value
    }
    fn last<M: Math, F: ExpertFilter, const R: usize>(
        &self,
        x: Rows<'_, [A; I], R>,
        _: &[[A; 0]; R],
        request: Request<F>,
        to: Buffers<'_, [A; 0], [A; H], Broadcast<[A; H]>, R>,
    ) -> u32 {
        if request.tasks.is_empty() {
            return 0;
        }
        rows::each::<_, _, R>(
            x.as_slice().iter().copied(),
            to.mixtures.into_iter().map(|m| &mut m.0),
            |x, y| self.0.forward::<M>(x, y),
            |x, y| self.0.forward_rows::<M, R>(x, y),
        );
        x.len() as u32
    }
}
