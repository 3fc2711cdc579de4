//! Finds the family of types that a blob's wiring belongs to.
//!
//! The records of a blob name values and masks; a Rust type names a form, such as `MmoeLevel` or
//! `CgcLevel`, from which the same values and masks follow. So this module tries the forms level by
//! level, and takes the first combination whose records are those of the blob.

use std::ops::Range;

use super::{NotTyped, refuse};
use mmoe::blob::{Blob, MAX_SEEN};

/// The trunk: everything before the towers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Trunk {
    /// No level: the towers read the input.
    Through,
    /// One expert, by its node, and no gate.
    Bottom(usize),
    /// Levels one after the other.
    Levels {
        /// The levels, in order.
        levels: Vec<Level>,
        /// Whether all towers read its only mixture.
        one: bool,
    },
}

/// One level.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Level {
    /// The number of the level, from 0.
    pub(super) index: usize,
    /// The nodes of its experts.
    pub(super) experts: Range<usize>,
    /// The nodes of its gates.
    pub(super) gates: Range<usize>,
    pub(super) form: Form,
}

/// The type of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `MmoeLevel`: every gate weighs the same experts, or a mask of them.
    Mix,
    /// `CgcLevel`: `own` experts per task, then `shared` ones.
    Cgc { own: usize, shared: usize },
    /// `ExtractionLevel`: the same, and one more gate over all of them, for the shared stream.
    Extract { own: usize, shared: usize },
}

/// What the experts and gates of a level read, as the types have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Input,
    /// The streams of an `MmoeLevel`: expert or gate k reads stream k, or the only one.
    Array {
        base: usize,
        count: usize,
    },
    /// The streams of an `ExtractionLevel`: one per task, and the shared one behind them.
    Streams {
        base: usize,
        tasks: usize,
    },
}

impl Source {
    /// Returns the value that expert or gate `k` reads, or `None` if there is no such stream.
    fn value(self, k: usize) -> Option<usize> {
        match self {
            Self::Input => Some(0),
            Self::Array { base, count: 1 } => Some(base),
            Self::Array { base, count } => (k < count).then_some(base + k),
            Self::Streams { base, tasks } => Some(base + k.min(tasks)),
        }
    }
}

impl Trunk {
    /// Returns the value that the first tower reads, and the distance from there to the value that the
    /// second one reads: 1 if each has its own mixture, 0 if they share one.
    pub(super) fn streams(&self, blob: &Blob<'_>) -> (usize, usize) {
        match self {
            Self::Through => (0, 0),
            Self::Bottom(n) => (n + 1, 0),
            Self::Levels { levels, one } => {
                let towers = blob.nodes.iter().filter(|n| n.is_tower()).count();
                (
                    levels.last().map_or(0, |l| l.gates.start + 1),
                    usize::from(!one && towers > 1),
                )
            }
        }
    }
}

/// Finds the trunk of a blob.
pub(super) fn trunk(blob: &Blob<'_>) -> Result<Trunk, NotTyped> {
    let nodes = blob.nodes;
    let mut runs: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    let mut at = 0;
    while nodes.get(at).is_some_and(|n| !n.is_tower()) {
        let gates = at + nodes[at..].iter().take_while(|n| n.is_expert()).count();
        let end = gates + nodes[gates..].iter().take_while(|n| n.is_gate()).count();
        if end == at {
            return refuse(format!("node {at} is neither expert nor gate nor tower"));
        }
        runs.push((at..gates, gates..end));
        at = end;
    }
    let towers = nodes.len() - at;
    match runs.as_slice() {
        [] => return Ok(Trunk::Through),
        [(experts, gates)] if gates.is_empty() && experts.len() == 1 => {
            return Ok(Trunk::Bottom(experts.start));
        }
        runs if runs.iter().any(|(_, g)| g.is_empty()) => {
            return refuse("experts without a gate are more than one, or not the only level");
        }
        _ => {}
    }
    let Some(levels) = solve(blob, &runs, 0, Source::Input) else {
        return refuse(
            "its experts and gates are wired as no family of types (MMoE, CGC, PLE, stacks of \
             these) has it",
        );
    };
    let outs = levels.last().map_or(0, |l| l.gates.len());
    match outs {
        n if n == towers => Ok(Trunk::Levels { levels, one: false }),
        1 => Ok(Trunk::Levels { levels, one: true }),
        _ => refuse(format!("{towers} towers read {outs} mixtures")),
    }
}

/// Finds a form for every level from `index` on, the last of which feeds the towers.
///
/// The masks of one level can fit two forms, which hand different streams to the next level. Only the
/// next level shows which of them is right, so this tries each and goes back where the rest does not
/// fit.
fn solve(
    blob: &Blob<'_>,
    runs: &[(Range<usize>, Range<usize>)],
    index: usize,
    source: Source,
) -> Option<Vec<Level>> {
    let Some((experts, gates)) = runs.get(index) else {
        return Some(Vec::new());
    };
    let last = index + 1 == runs.len();
    forms(blob, experts, gates, last)
        .into_iter()
        .find_map(|form| {
            if !reads(blob, experts, gates, form, source) {
                return None;
            }
            let base = gates.start + 1;
            let next = match form {
                Form::Mix => Source::Array {
                    base,
                    count: gates.len(),
                },
                // A CGC level that is not the last has no stream for shared experts.
                Form::Cgc { .. } => Source::Array {
                    base,
                    count: gates.len(),
                },
                Form::Extract { .. } => Source::Streams {
                    base,
                    tasks: gates.len() - 1,
                },
            };
            let mut levels = vec![Level {
                index,
                experts: experts.clone(),
                gates: gates.clone(),
                form,
            }];
            levels.extend(solve(blob, runs, index + 1, next)?);
            Some(levels)
        })
}

/// Returns the forms that the gates' masks allow, the plainest first, so that a blob gets the type
/// that a person would write.
fn forms(blob: &Blob<'_>, experts: &Range<usize>, gates: &Range<usize>, last: bool) -> Vec<Form> {
    let all = experts.len();
    let sees = |g: usize| steps_seen(blob, gates.start + g);
    // What gates see counts from the level's first expert.
    if gates
        .clone()
        .any(|n| usize::from(blob.nodes[n].first) != experts.start + 1)
    {
        return Vec::new();
    }
    let mut forms = Vec::new();
    if all <= MAX_SEEN && (0..gates.len()).all(|g| sees(g).eq(0..all)) {
        forms.push(Form::Mix);
    }
    // The numbers of own and shared experts follow from the masks: task k sees `own` experts from
    // `k·own` on, and the `shared` ones behind those of all tasks. Every split is tried; the first
    // that explains all masks is the only one, unless there is one task.
    let cgc = |tasks: usize| {
        (1..=all).find_map(|own| {
            let shared = all.checked_sub(own * tasks)?;
            let expected =
                |k: usize| (k * own..(k + 1) * own).chain(own * tasks..own * tasks + shared);
            (0..tasks)
                .all(|k| sees(k).eq(expected(k)))
                .then_some((own, shared))
        })
    };
    if let Some((own, shared)) = cgc(gates.len()) {
        forms.push(Form::Cgc { own, shared });
    }
    if !last
        && gates.len() > 1
        && all <= MAX_SEEN
        && sees(gates.len() - 1).eq(0..all)
        && let Some((own, shared)) = cgc(gates.len() - 1)
    {
        forms.push(Form::Extract { own, shared });
    }
    // Any masks at all (of experts whose number a type of gate can have) are an `MmoeLevel` whose gates are `MaskedGate`s. It comes last, since a form
    // that needs no masks is easier to read.
    if all <= MAX_SEEN && !forms.contains(&Form::Mix) {
        forms.push(Form::Mix);
    }
    forms
}

/// The experts that gate `node` sees, counted from the first expert of its level.
pub(super) fn steps_seen(blob: &Blob<'_>, node: usize) -> impl Iterator<Item = usize> + use<> {
    let record = &blob.nodes[node];
    let first = usize::from(record.first);
    record.seen_values().map(move |v| v - first)
}

/// Returns `true` if every expert and gate of the level reads what its form has it read.
fn reads(
    blob: &Blob<'_>,
    experts: &Range<usize>,
    gates: &Range<usize>,
    form: Form,
    source: Source,
) -> bool {
    let src = |n: usize| Some(usize::from(blob.nodes[n].src));
    let (expert, tasks): (Box<dyn Fn(usize) -> usize>, usize) = match form {
        Form::Mix => (Box::new(|i| i), gates.len()),
        Form::Cgc { own, .. } => (Box::new(move |i| i / own), gates.len()),
        Form::Extract { own, .. } => (Box::new(move |i| i / own), gates.len() - 1),
    };
    let stream = |i: usize| {
        if form == Form::Mix {
            i
        } else {
            expert(i).min(tasks)
        }
    };
    experts
        .clone()
        .enumerate()
        .all(|(i, n)| src(n) == source.value(stream(i)))
        && gates
            .clone()
            .enumerate()
            .all(|(g, n)| src(n) == source.value(g))
}
