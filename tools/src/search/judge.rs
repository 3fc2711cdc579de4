//! Judging: compares what fits on few rows with all rows, and then with its rivals.
//!
//! To fit the golden rows is not enough. Relu6 is relu until a value exceeds 6, so both may fit, and the
//! wrong one would be wrong on the device. So rows are made on which two rivals differ, and if rows like
//! the golden ones do, the question stays open.

use crate::error::ModelError;
use crate::golden::TOLERANCE;
use crate::plan::open::Choice;
use crate::random::Random;

use super::space::{Space, after};
use super::trial::{Answers, Trial};
use super::{Arena, Candidate, Found, NOISE, Outcome, Settled, Spent, distance, words};

/// How many hypotheses that fit the few rows are compared with all of them.
const MOST_FITS: usize = 64;

/// How many times nearer an answer must be than another to be told apart from it.
const APART: f64 = 8.0;

/// How many rows are made to tell rivals apart.
const MADE: usize = 128;

/// The seed of those rows.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// How far beyond the golden rows' range rows are made that tell rivals apart, where rows put
/// together from golden features do not.
const REACH: [f64; 2] = [1.0, 3.0];

/// A rival that is so much less likely does not keep a conversion from being made; it is noted, and
/// the blob carries it. It is a function that hardly anyone uses, such as `relu6`, which is `relu`
/// until a value exceeds 6.
const RARE: f64 = 1.18;

/// A choice that was not taken, and how far off it is.
pub(super) struct Other {
    pub(super) choice: Choice,
    pub(super) off: f64,
}

/// Takes what fits all rows; `None` where nothing does.
pub(super) fn judge(
    arenas: &mut [Arena<'_>],
    found: &mut Found,
) -> Result<Option<Outcome>, ModelError> {
    let mut fits = all_rows(arenas, &found.fits)?;
    found.fits.clear();
    let Some(best) = cheapest(arenas, &fits) else {
        return Ok(None);
    };
    // Rivals are its neighbours: everything that differs in one answer.
    let near = neighbours(&mut arenas[best.arena], &best);
    let rivals: Vec<Candidate> = near
        .iter()
        .filter(|(_, c)| c.worst() <= TOLERANCE)
        .map(|(_, c)| c.clone())
        .collect();
    let known = |c: &Candidate| {
        fits.iter()
            .any(|f| f.arena == c.arena && f.answers == c.answers)
    };
    let new: Vec<Candidate> = rivals.into_iter().filter(|c| !known(c)).collect();
    fits.extend(all_rows(arenas, &new)?);
    let Some(winner) = cheapest(arenas, &fits) else {
        return Ok(None);
    };
    let near = if winner.answers == best.answers && winner.arena == best.arena {
        near
    } else {
        neighbours(&mut arenas[winner.arena], &winner)
    };
    let limit = limit(&fits);
    let contenders: Vec<&Candidate> = fits
        .iter()
        .filter(|c| c.worst() <= limit)
        .filter(|c| c.arena != winner.arena || c.answers != winner.answers)
        .collect();
    let others = next_best(arenas, &winner, &near)?;
    let mut settled = settle(&arenas[winner.arena], &winner, &others);
    let mut why = Vec::new();
    for rival in contenders {
        let pair = [&winner, rival];
        let [a, b] = pair.map(|c| &arenas[c.arena]);
        let text = |reach: f64, off: f64| {
            let range = range(&a.golden.x, reach);
            let rows = words::Rows {
                range,
                width: a.golden.x.first().map_or(0, Vec::len),
                off,
            };
            words::apart((&a.space, &winner), (&b.space, rival), &rows)
        };
        let cost = |c: &Candidate| arenas[c.arena].space.cost_of(&c.answers);
        let rare = cost(rival) - cost(&winner) > RARE;
        let mixed = differ(arenas, pair, &mixed(&a.golden.x))?;
        if mixed > TOLERANCE {
            let text = text(REACH[0], mixed);
            let assumed = words::assumed((&a.space, &winner), (&b.space, rival));
            settled.assumed.push(assumed);
            if rare {
                settled.notes.push(text);
            } else {
                why.push(text);
            }
            continue;
        }
        // What hardly anyone uses is not worth a word about rows that nobody has seen.
        for reach in REACH.into_iter().take(if rare { 1 } else { REACH.len() }) {
            let off = differ(arenas, pair, &stretched(&a.golden.x, reach))?;
            if off > TOLERANCE {
                settled.notes.push(text(reach, off));
                break;
            }
        }
    }
    if why.is_empty() {
        return Ok(Some(Outcome::Settled(settled)));
    }
    why.truncate(3);
    Ok(Some(Outcome::Undecided {
        settled,
        why: why.join("\n"),
    }))
}

/// What is no further off than this is as near as the nearest.
fn limit(fits: &[Candidate]) -> f64 {
    let best = fits
        .iter()
        .map(Candidate::worst)
        .fold(f64::INFINITY, f64::min);
    (best * APART).clamp(NOISE, TOLERANCE)
}

/// The likeliest of those that are as near as the nearest.
fn cheapest(arenas: &[Arena<'_>], fits: &[Candidate]) -> Option<Candidate> {
    let limit = limit(fits);
    let cost = |c: &Candidate| arenas[c.arena].space.cost_of(&c.answers);
    fits.iter()
        .filter(|c| c.worst() <= limit)
        .min_by(|a, b| cost(a).total_cmp(&cost(b)))
        .cloned()
}

/// Those of the candidates that fit all rows, the likeliest looked at first.
fn all_rows(arenas: &[Arena<'_>], candidates: &[Candidate]) -> Result<Vec<Candidate>, ModelError> {
    let mut order: Vec<&Candidate> = candidates.iter().collect();
    let cost = |c: &Candidate| arenas[c.arena].space.cost_of(&c.answers);
    order.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
    order.truncate(MOST_FITS);
    let mut fits = Vec::new();
    for (a, arena) in arenas.iter().enumerate() {
        let mut all: Option<Trial> = None;
        for candidate in order.iter().filter(|c| c.arena == a) {
            if all.is_none() {
                all = Some(Trial::new(&arena.space, arena.weights, &arena.golden.x)?);
            }
            if let Some(all) = &mut all {
                let tasks = off(all, arena, &candidate.answers)?;
                let looked = Candidate {
                    tasks,
                    ..(*candidate).clone()
                };
                if looked.worst() <= TOLERANCE {
                    fits.push(looked);
                }
            }
        }
    }
    Ok(fits)
}

/// How far each task is off on all golden rows.
fn off(all: &mut Trial, arena: &Arena<'_>, answers: &[u8]) -> Result<Vec<f64>, ModelError> {
    let tasks = arena.golden.tasks.iter().enumerate();
    tasks
        .map(|(t, golden)| {
            let made = all.task(t, answers)?;
            let rows = made.iter().zip(golden);
            Ok(rows.map(|(m, g)| distance(m, g)).fold(0.0, f64::max))
        })
        .collect()
}

/// What differs from a hypothesis in one answer, with that question, on the few rows.
fn neighbours(arena: &mut Arena<'_>, from: &Candidate) -> Vec<(usize, Candidate)> {
    let moves = arena.space.singles(&from.answers);
    let mut near = Vec::new();
    for step in moves {
        let answers = after(&from.answers, &step);
        let tasks: Option<Vec<f64>> = (0..arena.golden.tasks.len())
            .map(|t| arena.off(t, &answers).ok())
            .collect();
        if let Some(tasks) = tasks {
            let candidate = Candidate {
                arena: from.arena,
                answers,
                tasks,
            };
            near.push((step[0].0, candidate));
        }
    }
    near
}

/// For each question the choice that comes next, held against all rows. Choices that change no
/// output are no next best.
fn next_best(
    arenas: &[Arena<'_>],
    winner: &Candidate,
    near: &[(usize, Candidate)],
) -> Result<Vec<Option<Other>>, ModelError> {
    let arena = &arenas[winner.arena];
    let mut others = Vec::new();
    let mut all: Option<Trial> = None;
    for q in 0..arena.space.asked.len() {
        let next = near
            .iter()
            .filter(|(question, c)| *question == q && c.worst() > TOLERANCE)
            .min_by(|(_, a), (_, b)| a.worst().total_cmp(&b.worst()));
        let Some((_, next)) = next else {
            others.push(None);
            continue;
        };
        if all.is_none() {
            all = Some(Trial::new(&arena.space, arena.weights, &arena.golden.x)?);
        }
        let Some(all) = &mut all else { continue };
        let off = off(all, arena, &next.answers)?
            .into_iter()
            .fold(0.0, f64::max);
        let choices = &arena.space.asked[q].choices;
        others.push(
            choices
                .get(usize::from(next.answers[q]))
                .map(|choice| Other {
                    choice: choice.clone(),
                    off,
                }),
        );
    }
    Ok(others)
}

fn settle(arena: &Arena<'_>, winner: &Candidate, others: &[Option<Other>]) -> Settled {
    let space: &Space = &arena.space;
    Settled {
        plan: space.plan_of(&winner.answers),
        said: words::said(space, winner, others),
        changed: words::changed(space, &winner.answers),
        notes: Vec::new(),
        assumed: Vec::new(),
        spent: Spent::default(),
    }
}

/// How far two hypotheses are apart, at worst, on these rows.
fn differ(
    arenas: &[Arena<'_>],
    pair: [&Candidate; 2],
    rows: &[Vec<f64>],
) -> Result<f64, ModelError> {
    let outputs = |c: &Candidate| -> Result<Vec<Vec<Vec<f64>>>, ModelError> {
        let arena = &arenas[c.arena];
        let mut trial = Trial::new(&arena.space, arena.weights, rows)?;
        let tasks = 0..arena.golden.tasks.len();
        tasks.map(|t| trial.task(t, &c.answers)).collect()
    };
    let (a, b) = (outputs(pair[0])?, outputs(pair[1])?);
    let numbers = |y: Vec<Vec<Vec<f64>>>| y.into_iter().flatten().flatten();
    let apart = |(a, b): (f64, f64)| match (a.is_finite(), b.is_finite()) {
        (true, true) => (a - b).abs() / a.abs().max(1.0),
        (false, false) => 0.0,
        _ => f64::INFINITY,
    };
    Ok(numbers(a).zip(numbers(b)).map(apart).fold(0.0, f64::max))
}

/// Rows like the golden ones: put together from their features.
fn mixed(golden: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut random = Random::new(SEED);
    let width = golden.first().map_or(0, Vec::len);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of rows"
    )]
    let mut pick = || {
        let row = random.within(0.0, golden.len() as f64) as usize;
        row.min(golden.len() - 1)
    };
    let mut row = || (0..width).map(|f| golden[pick()][f]).collect();
    (0..MADE).map(|_| row()).collect()
}

/// Rows drawn between the least and the greatest value of each feature, so many times as wide.
fn stretched(golden: &[Vec<f64>], reach: f64) -> Vec<Vec<f64>> {
    let mut random = Random::new(SEED);
    let width = golden.first().map_or(0, Vec::len);
    let ends: Vec<(f64, f64)> = (0..width)
        .map(|f| ends(golden.iter().map(|row| row[f]), reach))
        .collect();
    let mut row = || ends.iter().map(|(a, b)| random.within(*a, *b)).collect();
    (0..MADE).map(|_| row()).collect()
}

/// The least and the greatest value, so many times as far apart.
fn ends(values: impl Iterator<Item = f64>, reach: f64) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    let (middle, half) = (f64::midpoint(low, high), (high - low) / 2.0);
    (middle - half * reach, middle + half * reach)
}

/// The range of all features together, so many times as wide, for people.
fn range(golden: &[Vec<f64>], reach: f64) -> (f64, f64) {
    ends(golden.iter().flatten().copied(), reach)
}

/// What two hypotheses answer differently, by question.
pub(super) fn differing(a: &[u8], b: &Answers) -> Vec<usize> {
    let both = a.iter().zip(b).enumerate();
    both.filter(|(_, (a, b))| a != b).map(|(q, _)| q).collect()
}
