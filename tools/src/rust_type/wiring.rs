//! Which family of types a blob's wiring is.

use std::ops::Range;

use super::{NotTyped, refuse};
use crate::blob::message::Header;

/// Everything before the towers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Trunk {
    /// Towers on the input.
    Through,
    /// One expert (its step), no gate.
    Bottom(usize),
    /// Levels one after the other; `one`: a single gate for all towers.
    Levels {
        /// In order.
        levels: Vec<Level>,
        /// Whether all towers read its only mixture.
        one: bool,
    },
}

/// One level.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Level {
    /// Which, from 0.
    pub(super) index: usize,
    /// Steps of its experts.
    pub(super) experts: Range<usize>,
    /// Steps of its gates.
    pub(super) gates: Range<usize>,
    pub(super) form: Form,
}

/// Which type a level is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Every gate over the same experts (or a mask of them).
    Mix,
    /// `own` experts per task, then `shared` ones.
    Cgc { own: usize, shared: usize },
    /// The same with a gate over all of them, for the shared stream.
    Extract { own: usize, shared: usize },
}

/// What a level reads, as the types have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Input,
    /// Streams of a mix: item k reads stream k, or the only one.
    Array {
        base: usize,
        count: usize,
    },
    /// A stream per task and the shared one.
    Streams {
        base: usize,
        tasks: usize,
    },
}

impl Source {
    /// The value that item `k` reads; `None` if there is none.
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
    /// The value that the first tower reads, and how far it is from one tower's to the next one's.
    pub(super) fn streams(&self, header: &Header) -> (usize, usize) {
        match self {
            Self::Through => (0, 0),
            Self::Bottom(n) => (n + 1, 0),
            Self::Levels { levels, one } => {
                let towers = header
                    .nodes
                    .iter()
                    .filter(|n| n.record().is_tower())
                    .count();
                (
                    levels.last().map_or(0, |l| l.gates.start + 1),
                    usize::from(!one && towers > 1),
                )
            }
        }
    }
}

/// Finds the family.
pub(super) fn trunk(header: &Header) -> Result<Trunk, NotTyped> {
    let nodes = &header.nodes;
    let mut runs: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    let mut at = 0;
    while nodes.get(at).is_some_and(|n| !n.record().is_tower()) {
        let gates = at
            + nodes[at..]
                .iter()
                .take_while(|n| n.record().is_expert())
                .count();
        let end = gates
            + nodes[gates..]
                .iter()
                .take_while(|n| n.record().is_gate())
                .count();
        if end == at {
            return refuse(format!("step {at} is neither expert nor gate nor tower"));
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
    let Some(levels) = solve(header, &runs, 0, Source::Input) else {
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
fn solve(
    header: &Header,
    runs: &[(Range<usize>, Range<usize>)],
    index: usize,
    source: Source,
) -> Option<Vec<Level>> {
    let Some((experts, gates)) = runs.get(index) else {
        return Some(Vec::new());
    };
    let last = index + 1 == runs.len();
    forms(header, experts, gates, last)
        .into_iter()
        .find_map(|form| {
            if !reads(header, experts, gates, form, source) {
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
            levels.extend(solve(header, runs, index + 1, next)?);
            Some(levels)
        })
}

/// The forms that the gates' masks allow, the plainest first.
fn forms(header: &Header, experts: &Range<usize>, gates: &Range<usize>, last: bool) -> Vec<Form> {
    let all = experts.len();
    let sees = |g: usize| u64::from(header.nodes[gates.start + g].sees);
    // Masks count from the level's first expert.
    if gates
        .clone()
        .any(|n| usize::from(header.nodes[n].first) != experts.start + 1)
        || all > 32
    {
        return Vec::new();
    }
    let full = (1u64 << all) - 1;
    let mut forms = Vec::new();
    if (0..gates.len()).all(|g| sees(g) == full) {
        forms.push(Form::Mix);
    }
    let cgc = |tasks: usize| {
        (1..=all).find_map(|own| {
            let shared = all.checked_sub(own * tasks)?;
            let low = |n: usize| (1u64 << n) - 1;
            let expected = |k: usize| low(own) << (k * own) | low(shared) << (own * tasks);
            (0..tasks)
                .all(|k| sees(k) == expected(k))
                .then_some((own, shared))
        })
    };
    if let Some((own, shared)) = cgc(gates.len()) {
        forms.push(Form::Cgc { own, shared });
    }
    if !last
        && gates.len() > 1
        && sees(gates.len() - 1) == full
        && let Some((own, shared)) = cgc(gates.len() - 1)
    {
        forms.push(Form::Extract { own, shared });
    }
    if !forms.contains(&Form::Mix) {
        forms.push(Form::Mix);
    }
    forms
}

/// Whether every expert and gate of the level reads what its form has it read.
fn reads(
    header: &Header,
    experts: &Range<usize>,
    gates: &Range<usize>,
    form: Form,
    source: Source,
) -> bool {
    let src = |n: usize| Some(usize::from(header.nodes[n].src));
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
