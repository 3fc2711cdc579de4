//! Levels: experts, gates and the one walk over them.

mod cgc;
mod mix;
mod source;

pub use cgc::{CgcLevel, ExtractionLevel};
pub use mix::MmoeLevel;
pub use source::{Pair, Source, Streams};

use crate::blob::{Check, NodeOp};
use crate::math::Math;
use crate::number::Element;

/// Which experts a caller wants to leave out beside those that no gate weighs.
pub trait Choice: Copy {
    /// Whether anything is left out at all.
    const SKIPS: bool;
    /// Gate weights below this count as nothing.
    fn threshold<A: Element>(self) -> A::Gate;
}

/// Every expert that has a weight.
#[derive(Clone, Copy, Debug)]
pub struct All;

impl Choice for All {
    const SKIPS: bool = false;
    fn threshold<A: Element>(self) -> A::Gate {
        A::NONE
    }
}

/// Leaves out what a gate weighs less than this. The other weights stay as they are: they are not
/// normalised again.
///
/// How much work that saves depends on the input; `mmoe eval --skip-below` shows what it saves and
/// costs on given rows.
///
/// ```
/// const SKIP: mmoe::SkipBelow = mmoe::SkipBelow::new(0.02).unwrap();
/// assert!(mmoe::SkipBelow::new(1.0).is_none(), "that would skip every expert");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SkipBelow(f32);

impl SkipBelow {
    /// The smallest weight that counts, in 0 ..< 1; `None` for any other number and NaN.
    #[must_use]
    pub const fn new(least: f32) -> Option<Self> {
        if least >= 0.0 && least < 1.0 {
            Some(Self(least))
        } else {
            None
        }
    }
}

impl Choice for SkipBelow {
    const SKIPS: bool = true;
    fn threshold<A: Element>(self) -> A::Gate {
        A::gate_from_f32(self.0)
    }
}

/// Experts and gates over them. The typed levels implement it, and so does the shape-erased view:
/// everything that the walk touches is behind an associated buffer, an array when typed, a slice
/// when not.
pub trait Level {
    /// Activations.
    type A: Element;
    /// One stream: what an expert or a gate reads.
    type Stream: ?Sized;
    /// All gate weights.
    type Rows: ?Sized;
    /// One expert's output (and, when erased, the buffers to make it).
    type H: ?Sized;
    /// One mixture per output stream.
    type Mixes: ?Sized;
    /// `[(); outs]`.
    type Count;
    /// Bytes of the buffers of the widest layer.
    const INNER: usize;

    /// How many experts.
    fn experts(&self) -> usize;
    /// How many output streams.
    fn outs(&self) -> usize;
    /// Computes gate `o`.
    fn gate<M: Math, S: Source<Self::Stream> + ?Sized>(
        &self,
        o: usize,
        x: &S,
        rows: &mut Self::Rows,
        work: &mut Self::H,
    );
    /// The weight of expert `i` at gate `o`; `NONE` where it is not seen.
    fn weight(&self, rows: &Self::Rows, o: usize, i: usize) -> <Self::A as Element>::Gate;
    /// Whether gate `o` weighs expert `i` whatever the input is, so that a weight that rounds to
    /// nothing does not change the work.
    fn always(&self, o: usize, i: usize) -> bool;
    /// Computes expert `i`.
    fn expert<M: Math, S: Source<Self::Stream> + ?Sized>(&self, i: usize, x: &S, h: &mut Self::H);
    /// Computes experts `i` to `i + 3` side by side, and gives `each` the number and the output of
    /// every one of them. `false`: that is no faster here, and nothing was done. Only hosts ask
    /// for it.
    fn expert4<M: Math, S: Source<Self::Stream> + ?Sized>(
        &self,
        _i: usize,
        _x: &S,
        _each: &mut dyn FnMut(usize, &[Self::A]),
    ) -> bool {
        false
    }
    /// The expert's output.
    fn output<'h>(&self, i: usize, h: &'h Self::H) -> &'h [Self::A];
    /// The accumulators of stream `o`.
    fn mixture<'m>(
        &self,
        m: &'m mut Self::Mixes,
        o: usize,
    ) -> &'m mut [<Self::A as Element>::MixtureSum];
    /// The input streams that are needed for the output streams `want`.
    #[must_use]
    fn needs(want: u32) -> u32 {
        let _ = want;
        u32::MAX
    }
}

/// A level that a type spells: it can say its records.
pub trait TypedLevel: Level {
    /// Says all steps and layers; the level's input streams start at value `base`, its output
    /// streams at the value returned.
    fn describe<S: Source<Self::Stream>>(to: &mut Check<'_>, base: u8) -> u8;
}

/// Bit `o` of `want`.
pub(crate) const fn asks(want: u32, o: usize) -> bool {
    want >> (o & 31) & 1 != 0
}

/// Whether a gate of this kind and mask weighs the expert of bit `i` whatever the input is: it sees
/// it, and has no structural zeros.
pub(crate) const fn weighs_always(op: NodeOp, sees: u32, i: usize) -> bool {
    i < 32 && sees >> (i & 31) & 1 != 0 && matches!(op, NodeOp::Softmax | NodeOp::Sigmoid)
}

/// Gates first, then the experts one by one into the mixtures. Gives the number of experts that
/// ran.
///
/// An expert to which every requested gate gives a structural zero is not run: one of a hard,
/// top-k, DSelect-k or constant gate, or of a gate that does not see it. A softmax or sigmoid that
/// rounds to zero is none, so that the work is the same for every input. The mixtures must be zero.
#[inline(never)]
pub(crate) fn walk<M: Math, C: Choice, L: Level + ?Sized, S: Source<L::Stream> + ?Sized>(
    level: &L,
    x: &S,
    want: u32,
    choice: C,
    rows: &mut L::Rows,
    h: &mut L::H,
    m: &mut L::Mixes,
) -> u32 {
    let none = <L::A as Element>::NONE;
    let threshold = choice.threshold::<L::A>();
    let weight = |rows: &L::Rows, o: usize, i: usize| {
        let g = level.weight(rows, o, i);
        let skipped = if C::SKIPS && g < threshold {
            true
        } else {
            g == none && !level.always(o, i)
        };
        if skipped { None } else { Some(g) }
    };
    for o in 0..level.outs() {
        if asks(want, o) {
            level.gate::<M, S>(o, x, rows, h);
        }
    }
    let needed = |rows: &L::Rows, i: usize| {
        (0..level.outs()).any(|o| asks(want, o) && weight(rows, o, i).is_some())
    };
    let mut run = 0u32;
    // Experts below this number have run in a group.
    #[cfg(not(target_os = "none"))]
    let mut grouped = 0;
    for i in 0..level.experts() {
        let mut add = |i: usize, h: &[L::A]| {
            for o in 0..level.outs() {
                if asks(want, o)
                    && let Some(g) = weight(rows, o, i)
                {
                    L::A::mix(level.mixture(m, o), g, h);
                }
            }
        };
        #[cfg(not(target_os = "none"))]
        {
            if i < grouped {
                continue;
            }
            if i + 4 <= level.experts()
                && (i..i + 4).all(|i| needed(rows, i))
                && level.expert4::<M, S>(i, x, &mut add)
            {
                grouped = i + 4;
                run = run.wrapping_add(4);
                continue;
            }
        }
        if !needed(rows, i) {
            continue;
        }
        run = run.wrapping_add(1);
        level.expert::<M, S>(i, x, h);
        add(i, level.output(i, h));
    }
    run
}
