//! The layout of the scratch: which buffers there are, in which order, and how long they are.
//!
//! [`Layout`] is the only place that decides it. The size that a caller must bring, the buffers of a
//! prediction, and the place where a prediction leaves its gate weights all follow from it.

use super::element::Erased;
use crate::blob::{Blob, Summary};
use crate::bytes::Pod;
use zerocopy::{FromBytes, IntoBytes};

/// Where the layers, the weights and the gate weights of a node are.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
#[repr(C)]
pub(super) struct At {
    pub(super) weights: u32,
    pub(super) layer: u16,
    pub(super) gate_weights: u16,
}

/// One buffer: a number of elements of one size in bytes.
#[derive(Clone, Copy, Debug)]
struct Part {
    count: usize,
    size: usize,
}

impl Part {
    const fn of<T>(count: usize) -> Self {
        let size = size_of::<T>();
        Self { count, size }
    }

    const fn words(self) -> usize {
        (self.count * self.size).div_ceil(4)
    }

    /// Cuts the buffer off the scratch. Returns `None` where the scratch is too short.
    fn cut<'s, T: Pod>(self, scratch: &mut &'s mut [u32]) -> Option<&'s mut [T]> {
        let (head, rest) = core::mem::take(scratch).split_at_mut_checked(self.words())?;
        *scratch = rest;
        let elements = <[T]>::mut_from_prefix_with_elems(head.as_mut_bytes(), self.count);
        Some(elements.ok()?.0)
    }
}

/// The buffers in their order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// The features of an integer model as int16, or what a front end makes. They come first and are cut
    /// off separately, since the walk reads them while it writes to all other buffers.
    input: Part,
    /// An [`At`] for each node.
    table: Part,
    /// The weights of all gates.
    gate_weights: Part,
    /// The streams that the previous level left, and those that the current level computes. They
    /// change places after each level.
    streams: [Part; 2],
    /// Mixtures as they add up.
    sums: Part,
    /// The value of a node, and two buffers that its layers write in turn.
    values: [Part; 3],
    logits: Part,
    probabilities: Part,
}

impl Layout {
    /// The layout for a model of element type `A`.
    const fn new<A: Erased>(s: &Summary, nodes: usize) -> Self {
        Self {
            input: Part::of::<A>(if s.integer || s.fields > 0 {
                s.inputs
            } else {
                0
            }),
            table: Part::of::<At>(nodes),
            gate_weights: Part::of::<A::Gate>(s.gate_weights),
            streams: [Part::of::<A>(s.streams); 2],
            sums: Part::of::<A::MixtureSum>(s.streams),
            values: [Part::of::<A>(s.widest); 3],
            logits: Part::of::<A::Logit>(s.widest),
            probabilities: Part::of::<A::Prob>(s.widest),
        }
    }

    const fn words(&self) -> usize {
        let [before, after] = self.streams;
        let [h, a, b] = self.values;
        self.input.words()
            + self.table.words()
            + self.gate_weights.words()
            + before.words()
            + after.words()
            + self.sums.words()
            + h.words()
            + a.words()
            + b.words()
            + self.logits.words()
            + self.probabilities.words()
    }
}

/// The layout of a blob's scratch.
pub(super) fn layout(blob: &Blob<'_>, summary: &Summary) -> Layout {
    if summary.integer {
        Layout::new::<i16>(summary, blob.nodes.len())
    } else {
        Layout::new::<f32>(summary, blob.nodes.len())
    }
}

/// Words of everything.
pub(super) fn words(blob: &Blob<'_>, summary: &Summary) -> usize {
    layout(blob, summary).words()
}

/// The buffers of a prediction.
pub(super) struct Buffers<'s, A: Erased> {
    pub(super) table: &'s mut [At],
    pub(super) gate_weights: &'s mut [A::Gate],
    pub(super) before: &'s mut [A],
    pub(super) after: &'s mut [A],
    pub(super) sums: &'s mut [A::MixtureSum],
    pub(super) work: Work<'s, A>,
}

/// Buffers of one node.
pub(super) struct Work<'s, A: Erased> {
    /// The node's value, or what a tower reads.
    pub(super) h: &'s mut [A],
    pub(super) a: &'s mut [A],
    pub(super) b: &'s mut [A],
    pub(super) z: &'s mut [A::Logit],
    pub(super) p: &'s mut [A::Prob],
}

impl<A: Erased> Work<'_, A> {
    /// No buffers: those of a row that a block does not have.
    pub(super) fn none() -> Self {
        Self {
            h: &mut [],
            a: &mut [],
            b: &mut [],
            z: &mut [],
            p: &mut [],
        }
    }
}

impl<'s, A: Erased> Buffers<'s, A> {
    /// Cuts them from what [`split_input`] left; `None` where that is too short.
    pub(super) fn cut(layout: &Layout, mut scratch: &'s mut [u32]) -> Option<Self> {
        let s = &mut scratch;
        let [before, after] = layout.streams;
        let [h, a, b] = layout.values;
        Some(Self {
            table: layout.table.cut(s)?,
            gate_weights: layout.gate_weights.cut(s)?,
            before: before.cut(s)?,
            after: after.cut(s)?,
            sums: layout.sums.cut(s)?,
            work: Work {
                h: h.cut(s)?,
                a: a.cut(s)?,
                b: b.cut(s)?,
                z: layout.logits.cut(s)?,
                p: layout.probabilities.cut(s)?,
            },
        })
    }
}

/// The features' buffer (empty in float models without a front end), and the rest.
pub(super) fn split_input<'s, A: Pod>(
    layout: &Layout,
    mut scratch: &'s mut [u32],
) -> Option<(&'s mut [A], &'s mut [u32])> {
    let input = layout.input.cut(&mut scratch)?;
    Some((input, scratch))
}

/// After a prediction: the weights of all gates.
pub(super) fn gate_weights<'s, A: Erased>(
    layout: &Layout,
    scratch: &'s [u32],
) -> Option<&'s [A::Gate]> {
    let start = layout.input.words() + layout.table.words();
    let words = scratch.get(start..)?;
    let count = layout.gate_weights.count;
    let weights = <[A::Gate]>::ref_from_prefix_with_elems(words.as_bytes(), count);
    Some(weights.ok()?.0)
}
