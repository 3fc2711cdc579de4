//! The one walk over a level's gates and experts.
//!
//! Typed levels, shape-erased levels and levels resumed from a context all run through it, so that
//! there is one place that decides which experts run and in which order they are added.

use super::{ExpertFilter, Inputs, Level, Request};
use crate::math::Math;
use crate::number::Element;

/// The buffers of one level. Its caller owns them, so that the caller decides in which stack frame
/// (or in which part of the scratch) they lie.
#[derive(Debug)]
pub struct Buffers<'b, G: ?Sized, S: ?Sized, M: ?Sized> {
    /// The gate weights.
    pub weights: &'b mut G,
    /// One expert's output.
    pub stream: &'b mut S,
    /// One mixture per output stream. They must be zero.
    pub mixtures: &'b mut M,
}

/// Computes the gates that are asked for, then runs the experts one by one and adds each to the
/// mixtures. Returns the number of experts that ran.
///
/// Gates come first because they decide which experts are needed at all. Each expert is added to
/// every mixture at once, so that the output of one expert is all that has to be kept in memory.
///
/// An expert is not run if every requested gate gives it a structural zero, which is a zero of a
/// hard, top-k, DSelect-k or constant gate, or of a gate that does not see it. A softmax or a sigmoid
/// that rounds to zero is not a structural zero, so that the work of such models is the same for
/// every input.
// Never inlined: the walk's own registers are spilled in its frame and not in that of `finish`,
// which holds the level's buffers while the towers run.
#[inline(never)]
pub(crate) fn walk<M: Math, F: ExpertFilter, L: Level + ?Sized, X: Inputs<L::In> + ?Sized>(
    level: &L,
    x: &X,
    request: Request<F>,
    to: Buffers<'_, L::GateWeights, L::Stream, L::Mixtures>,
) -> u32 {
    let Buffers {
        weights,
        stream,
        mixtures,
    } = to;
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
            level.gate::<M, X>(gate, x, weights, stream);
        }
    }
    let needed = |weights: &L::GateWeights, expert: usize| {
        (0..level.gates()).any(|g| asked.contains(g) && weight(weights, g, expert).is_some())
    };
    let mut run = 0u32;
    // Experts below this number have run in a group of four, which only hosts do: on a
    // microcontroller four outputs at once are RAM, and nothing is faster for it.
    #[cfg(not(target_os = "none"))]
    let mut grouped = 0;
    for expert in 0..level.experts() {
        let mut add = |expert: usize, h: &[L::Act]| {
            for gate in 0..level.gates() {
                if asked.contains(gate)
                    && let Some(g) = weight(weights, gate, expert)
                {
                    L::Act::mix(level.mixture(mixtures, gate), g, h);
                }
            }
        };
        #[cfg(not(target_os = "none"))]
        {
            if expert < grouped {
                continue;
            }
            // All four must be needed: a group runs as a whole, and one that nobody needs would
            // change the number of experts that ran.
            if expert + 4 <= level.experts()
                && (expert..expert + 4).all(|i| needed(weights, i))
                && level.expert4::<M, X>(expert, x, &mut add)
            {
                grouped = expert + 4;
                run = run.wrapping_add(4);
                continue;
            }
        }
        if !needed(weights, expert) {
            continue;
        }
        run = run.wrapping_add(1);
        level.expert::<M, X>(expert, x, stream);
        add(expert, level.output(expert, stream));
    }
    run
}
