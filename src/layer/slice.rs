//! Experts and gates that read a part of the input.

use super::Layer;
use crate::blob::{Check, NodeInfo};
use crate::bytes::Buffer;
use crate::math::Math;
use crate::number::Element;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// `E` on the elements from `START` on, as many as `E` reads, of a buffer of `IN`. Nothing is
/// copied.
///
/// `START` plus the width of `E` beyond `IN` is a compile-time error.
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
}
