//! Experts and gates that read only a part of the input.

use super::Layer;
use crate::blob::{Check, NodeInfo};
use crate::bytes::Buffer;
use crate::math::Math;
use crate::number::Element;
use crate::rows;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// An expert or a gate that reads only a part of the input: the layer `E` on the elements from
/// `START` on, as many as `E` reads, of a buffer of `IN` elements.
///
/// Nothing is copied. A part that does not lie within the buffer is a compile-time error.
///
/// ```
/// use mmoe::layer::{Dense, Layer, Linear, Slice};
/// use mmoe::{F32, math::Libm, precision::MatrixF32};
/// let matrix = MatrixF32 { bias: [0.0], weights: [[1.0, 10.0]] };
/// // Reads elements 1 and 2 of 4.
/// let layer = Slice::<4, 1, _>(Dense::<2, 1, F32, Linear> { matrix, activation: [] });
/// let mut y = [0.0];
/// layer.forward::<Libm>(&[9.0, 1.0, 2.0, 9.0], &mut y);
/// assert_eq!(y, [21.0]);
/// ```
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Slice<const IN: usize, const START: usize, E>(pub E);

impl<
    A: Element,
    const LEN: usize,
    const IN: usize,
    const START: usize,
    E: Layer<Act = A, In = [A; LEN]>,
> Layer for Slice<IN, START, E>
{
    type Act = A;
    type In = [A; IN];
    type Out = E::Out;
    const NODE: NodeInfo = {
        assert!(
            START + LEN <= IN,
            "Slice: START + the width of the layer must not exceed IN"
        );
        assert!(IN <= u16::MAX as usize, "the format's widths end at 65535");
        NodeInfo {
            start: START as u16,
            inputs: <E::In as Buffer>::LEN as u16,
            ..E::NODE
        }
    };
    const LAYERS: u8 = E::LAYERS;
    const SCRATCH: usize = E::SCRATCH;
    fn describe(to: &mut Check<'_>) {
        E::describe(to);
    }
    fn forward<M: Math>(&self, x: &[A; IN], y: &mut E::Out) {
        const {
            assert!(
                START + LEN <= IN,
                "Slice: START + the width of the layer must not exceed IN"
            )
        };
        if let Some(x) = x.get(START..).and_then(|s| s.first_chunk()) {
            self.0.forward::<M>(x, y);
        }
    }
    fn forward_rows<M: Math, const R: usize>(&self, x: &[&[A; IN]], y: &mut [&mut E::Out]) {
        let part = x.iter().filter_map(|x| x.get(START..)?.first_chunk());
        let x = rows::collect::<_, R>(part);
        self.0.forward_rows::<M, R>(&x, y);
    }
}
