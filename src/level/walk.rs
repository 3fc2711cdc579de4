//! The one walk over a level's gates and experts.
//!
//! Typed levels, shape-erased levels and levels resumed from a context all run through it, so that
//! there is one place that decides which experts run and in which order they are added.

use super::{ExpertFilter, Inputs, Level, Request};
use crate::math::Math;
use crate::number::Element;
use crate::rows::Rows;

/// The buffers of one level, for each row of a block. Its caller owns them, so that the caller decides
/// in which stack frame (or in which part of the scratch) they lie.
#[derive(Debug)]
pub struct Buffers<'b, G: ?Sized, S, M: ?Sized, const R: usize> {
    /// The gate weights.
    pub weights: [&'b mut G; R],
    /// One expert's output.
    pub stream: &'b mut [S; R],
    /// One mixture per output stream. They must be zero.
    pub mixtures: [&'b mut M; R],
}

/// Computes the gates that are asked for, then runs the experts one by one and adds each to the
/// mixtures. Returns the number of experts that ran, added up over the rows.
///
/// Gates come first because they decide which experts are needed at all. Each expert is added to
/// every mixture at once, so that the output of one expert is all that has to be kept in memory.
///
/// An expert is not run on a row if every requested gate gives it a structural zero there, which is a
/// zero of a hard, top-k, DSelect-k or constant gate, or of a gate that does not see it. A softmax or
/// a sigmoid that rounds to zero is not a structural zero, so that the work of such models is the same
/// for every input.
// Never inlined: the walk's own registers are spilled in its frame and not in that of `finish`,
// which holds the level's buffers while the towers run.
#[inline(never)]
pub(crate) fn walk<
    M: Math,
    F: ExpertFilter,
    L: Level + ?Sized,
    X: Inputs<L::In> + ?Sized,
    const R: usize,
>(
    level: &L,
    x: Rows<'_, X, R>,
    request: Request<F>,
    to: Buffers<'_, L::GateWeights, L::Stream, L::Mixtures, R>,
) -> u32 {
    const {
        assert!(
            R >= 1 && R <= crate::rows::MOST,
            "a mask names the rows that need an expert"
        )
    };
    let Buffers {
        mut weights,
        stream,
        mut mixtures,
    } = to;
    let rows = x.len();
    let asked = request.tasks;
    let none = <L::Act as Element>::NONE;
    // The weight that counts for a gate and an expert, or `None` where the expert is left out.
    // `F::SKIPS` is a constant: without a filter the comparison with the threshold is not compiled.
    let weight = |weights: &L::GateWeights, gate: usize, expert: usize| {
        let g = level.weight(weights, gate, expert);
        let skipped = if F::SKIPS && request.filter.leaves_out::<L::Act>(g) {
            true
        } else {
            g == none && !level.always(gate, expert)
        };
        if skipped { None } else { Some(g) }
    };
    for gate in 0..level.gates() {
        if asked.contains(gate) {
            let (weights, _) = weights.split_at_mut(rows);
            level.gate::<M, X, R>(gate, x.as_slice(), weights, stream);
        }
    }
    let needed = |weights: &L::GateWeights, expert: usize| {
        (0..level.gates()).any(|g| asked.contains(g) && weight(weights, g, expert).is_some())
    };
    let add =
        |weights: &L::GateWeights, mixtures: &mut L::Mixtures, expert: usize, h: &[L::Act]| {
            for gate in 0..level.gates() {
                if asked.contains(gate)
                    && let Some(g) = weight(weights, gate, expert)
                {
                    L::Act::mix(level.mixture(mixtures, gate), g, h);
                }
            }
        };
    let mut run = 0u32;
    for expert in 0..level.experts() {
        // One bit for each row whose gates need the expert.
        let mut rows = 0u32;
        for (r, weights) in weights.iter().take(x.len()).enumerate() {
            rows |= u32::from(needed(weights, expert)) << (r & 31);
        }
        if rows == 0 {
            continue;
        }
        run = run.wrapping_add(rows.count_ones());
        let chosen = |r: usize| R == 1 || rows >> (r & 31) & 1 != 0;
        if R == 1 {
            level.expert::<M, X, R>(expert, x.as_slice(), stream);
        } else {
            let these = x.as_slice().iter().enumerate().filter(|(r, _)| chosen(*r));
            let these = crate::rows::collect::<_, R>(these.map(|(_, x)| *x));
            level.expert::<M, X, R>(expert, &these, stream);
        }
        let mut streams = stream.iter();
        for (r, (weights, mixtures)) in weights.iter().zip(mixtures.iter_mut()).enumerate() {
            if chosen(r)
                && let Some(stream) = streams.next()
            {
                add(weights, mixtures, expert, level.output(expert, stream));
            }
        }
    }
    run
}
