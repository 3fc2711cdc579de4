//! Golden rows decide what a file leaves open.
//!
//! A state dict has no activation functions, no epsilons and no kinds of gates. Where golden rows are at
//! hand, every combination of answers that people use is a hypothesis, and the rows tell which one is
//! true:
//!
//! ```text
//! plan ─▶ spaces of answers ─▶ as assumed; one thing changed; two; three ─▶ few rows ─▶ all rows
//!                                                                                          │
//!                          the one that fits, the next best  ◀─ rivals on rows made for it ┘
//! ```
//!
//! There are far more combinations than can be tried, so the likely ones come first, and three rows
//! refuse most of them before the others are looked at. What is tried comes from the tables of
//! [`crate::plan::open`]; a new choice there is tried here without a further change. An answer is taken
//! only where it fits and no other does, as far as rows like the golden ones can tell.

mod doubt;
mod judge;
mod space;
mod trial;
mod words;

use std::collections::HashSet;
use std::rc::Rc;

use crate::data::{Data, DataError};
use crate::error::ModelError;
use crate::golden::{self, Outline, TOLERANCE};
use crate::graph::assemble::assemble;
use crate::import::Weights;
use crate::plan::Plan;
use crate::plan::open::{Habits, Part, Topic, questions};

use space::{Move, Space, after};
use trial::{Answers, Trial, Wiring, needed};

/// How many rows every hypothesis is tried on before the others. A wrong one hardly ever fits three.
const FEW: usize = 3;

/// How many hypotheses are tried at most, so that a hopeless search ends.
const MOST_TRIED: usize = 400_000;

/// How many multiplications are spent at most before the last rows are looked at.
const MOST_WORK: u64 = 4_000_000_000;

/// A space with fewer combinations than this is tried as a whole where one change is not enough.
const WHOLE: f64 = 30_000.0;

/// How many things are changed at the same time at most.
const DEEPEST: usize = 3;

/// Distances below this are the framework's own rounding.
const NOISE: f64 = 2e-7;

/// The same, of a plan in which everything is doubted.
const DOUBTED: usize = 2;

/// The outcome of a search.
#[derive(Debug)]
pub enum Outcome {
    /// One hypothesis fits, and no other.
    Settled(Settled),
    /// More than one fits, and rows like the golden ones would give them other outputs.
    Undecided {
        /// The likeliest of them.
        settled: Settled,
        /// What it cannot be told apart from, and by which rows it could.
        why: String,
    },
    /// None fits: what was tried, and how near the best came.
    Nothing(String),
}

/// Answers that fit.
#[derive(Debug)]
pub struct Settled {
    /// The plan with these answers; nothing in it is open.
    pub plan: Plan,
    /// Each answer, how far off it is, and how far the next best is.
    pub said: Vec<String>,
    /// What is not as the plan had it, each with the lines of a spec that say it.
    pub changed: Vec<String>,
    /// What golden rows of this range cannot tell, in words.
    pub notes: Vec<String>,
    /// What was taken though another answer fits the golden rows as well, for a blob to carry.
    pub assumed: Vec<String>,
    /// What finding it took.
    pub spent: Spent,
}

/// What a search took, counted so that it can be held on any machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Combinations of answers, tried or ruled out.
    pub tried: usize,
    /// Multiplications on the first rows.
    pub work: u64,
}

/// Why there is nothing to search in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is explained by what it carries")]
pub enum SearchError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Data(#[from] DataError),
}

/// The golden rows.
struct Golden {
    x: Vec<Vec<f64>>,
    names: Vec<String>,
    /// Task by task, row by row.
    tasks: Vec<Vec<Vec<f32>>>,
}

/// One space, and what was tried in it.
struct Arena<'s> {
    space: Rc<Space>,
    golden: Golden,
    weights: &'s Weights,
    few: Trial,
    tried: HashSet<Answers>,
    /// For each task the combinations of its own answers.
    own: Vec<Vec<Move>>,
    /// How many combinations each hypothesis stands for.
    each: usize,
}

/// A hypothesis that is worth a closer look.
#[derive(Debug, Clone)]
struct Candidate {
    arena: usize,
    answers: Answers,
    /// How far each task is off.
    tasks: Vec<f64>,
}

impl Candidate {
    fn worst(&self) -> f64 {
        self.tasks.iter().copied().fold(0.0, f64::max)
    }

    fn fitting(&self) -> usize {
        self.tasks.iter().filter(|d| **d <= TOLERANCE).count()
    }
}

/// Everything that a search finds on its way.
#[derive(Default)]
struct Found {
    fits: Vec<Candidate>,
    /// The hypothesis with the most tasks right, and the least error of these.
    nearest: Option<Candidate>,
    tried: usize,
}

/// Searches what a plan leaves open with a golden file's rows; `None` where nothing is open.
/// `step` hears how many hypotheses were tried, of how many so far planned.
///
/// # Errors
///
/// A golden file that does not belong to the model or holds numbers that are not finite; a plan
/// that is no model whatever is answered.
pub fn search(
    plan: &Plan,
    habits: &Habits,
    weights: &Weights,
    data: &Data,
    step: impl FnMut(usize, usize),
) -> Result<Option<Outcome>, SearchError> {
    if questions(plan, habits).is_empty() {
        return Ok(None);
    }
    let mut step = step;
    let outcome = to_depth(plan, habits, weights, data, DEEPEST, &mut step)?;
    // Experts that a user wrote may add what they read as a whole, which few do.
    if habits.one_activation || !matches!(outcome, Some(Outcome::Nothing(_))) {
        return Ok(outcome);
    }
    match doubt::with_residuals(plan, weights) {
        Some(plan) => to_depth(&plan, habits, weights, data, DEEPEST, step),
        None => Ok(outcome),
    }
}

/// What would have to be otherwise for a plan that says everything to give the golden outputs, in
/// words: every function, norm, gate and orientation in it is doubted. `None` where no answer to
/// that is found, or more than one.
///
/// # Errors
///
/// As [`search`].
pub fn diagnose(
    plan: &Plan,
    weights: &Weights,
    data: &Data,
) -> Result<Option<String>, SearchError> {
    let plan = doubt::doubted(plan, weights);
    let habits = Habits::default();
    let outcome = to_depth(&plan, &habits, weights, data, DOUBTED, |_, _| ())?;
    Ok(match outcome {
        Some(Outcome::Settled(settled)) => Some(settled.changed.join("\n")),
        _ => None,
    })
}

fn to_depth(
    plan: &Plan,
    habits: &Habits,
    weights: &Weights,
    data: &Data,
    deepest: usize,
    mut step: impl FnMut(usize, usize),
) -> Result<Option<Outcome>, SearchError> {
    let file = weights;
    let weights = needed(plan, file);
    let mut arenas: Vec<Arena<'_>> = Vec::new();
    let mut refused: Option<SearchError> = None;
    let mut found = Found::default();
    // All gates and all towers alike first, then each for itself: most models are made in a loop.
    for apart in [false, true] {
        if apart && plan.towers.len() < 2 {
            break;
        }
        let begin = arenas.len();
        let mut allowed = Allowed {
            tried: found.tried + MOST_TRIED,
            work: MOST_WORK,
        };
        let mut spaces = space::spaces(plan, habits, apart).into_iter().peekable();
        for stage in 0..=deepest {
            // A space that is itself so many changes away comes into play with its stage.
            while let Some(space) = spaces.next_if(|s| s.depth() <= stage) {
                let step = || step(found.tried, found.tried + 1);
                match Arena::new(space, &weights, data, apart, step) {
                    Ok(arena) => arenas.push(arena),
                    // The likeliest space speaks for the others.
                    Err(why) => {
                        refused.get_or_insert(why);
                    }
                }
            }
            run(
                &mut arenas,
                begin,
                stage,
                &mut allowed,
                &mut found,
                &mut step,
            );
            let spent = Spent {
                tried: found.tried,
                work: arenas.iter().map(|a| a.few.work).sum(),
            };
            if !found.fits.is_empty()
                && let Some(mut outcome) = judge::judge(&mut arenas, &mut found)?
            {
                if let Outcome::Settled(settled) | Outcome::Undecided { settled, .. } = &mut outcome
                {
                    settled.spent = spent;
                }
                return Ok(Some(outcome));
            }
        }
    }
    if let (true, Some(why)) = (arenas.is_empty(), refused) {
        return Err(why);
    }
    Ok(Some(Outcome::Nothing(words::nothing(
        &arenas, &found, file,
    ))))
}

/// What a search may still spend.
struct Allowed {
    /// Hypotheses, counted from the beginning.
    tried: usize,
    /// Multiplications.
    work: u64,
}

/// Tries everything of one stage: so many things changed, in the spaces from `begin` on or between
/// them.
fn run(
    arenas: &mut [Arena<'_>],
    begin: usize,
    stage: usize,
    allowed: &mut Allowed,
    found: &mut Found,
    step: &mut impl FnMut(usize, usize),
) {
    for (a, arena) in arenas.iter_mut().enumerate().skip(begin) {
        let Some(depth) = stage.checked_sub(arena.space.depth()) else {
            continue;
        };
        let all = hypotheses(&arena.space, depth);
        let planned = found.tried + all.len() * arena.each;
        for (i, answers) in all.into_iter().enumerate() {
            let before = arena.few.work;
            if found.tried >= allowed.tried || allowed.work == 0 {
                return;
            }
            if i.is_multiple_of(64) {
                step(found.tried, planned);
            }
            arena.consider(a, answers, found);
            allowed.work = allowed.work.saturating_sub(arena.few.work - before);
        }
    }
}

/// The hypotheses of a space that change so many things.
fn hypotheses(space: &Space, depth: usize) -> Vec<Answers> {
    let first = &space.first;
    if depth == 0 {
        return vec![first.clone()];
    }
    let singles = space.shared_singles(first);
    let mut moves = singles.clone();
    moves.extend(space.shared());
    if depth == 1 {
        return moves.iter().map(|m| after(first, m)).collect();
    }
    if space.size() <= WHOLE {
        return if depth == 2 {
            space.whole()
        } else {
            Vec::new()
        };
    }
    let mut made = Vec::new();
    if depth == 2 {
        pairs(&moves, |a, b| made.push(after(&after(first, a), b)));
    } else {
        // Three at a time are too many to let each be shared: one is, the others are single.
        pairs(&singles, |a, b| {
            let two = after(&after(first, a), b);
            let apart = |m: &&Move| m.iter().all(|(q, _)| *q != a[0].0 && *q != b[0].0);
            if made.len() < MOST_TRIED {
                made.extend(moves.iter().filter(apart).map(|m| after(&two, m)));
            }
        });
    }
    made.sort_by(|a, b| space.cost_of(a).total_cmp(&space.cost_of(b)));
    made
}

/// Every two moves that concern different questions.
fn pairs(moves: &[Move], mut each: impl FnMut(&Move, &Move)) {
    for (i, a) in moves.iter().enumerate() {
        for b in &moves[i + 1..] {
            if a.iter().all(|(q, _)| b.iter().all(|(r, _)| q != r)) {
                each(a, b);
            }
        }
    }
}

impl<'s> Arena<'s> {
    /// Makes a space ready, and takes the golden rows as it reads them.
    fn new(
        mut space: Space,
        weights: &'s Weights,
        data: &Data,
        apart: bool,
        step: impl FnMut(),
    ) -> Result<Self, SearchError> {
        space.make_possible(weights, step)?;
        let plan = space.plan_of(&space.first);
        let graph = assemble(&plan, weights.clone(), false)?.graph;
        let golden::Golden { x, tasks } = golden::outputs(&Outline::of_graph(&graph), data)?;
        let wide = |row: &[f32]| row.iter().map(|v| f64::from(*v)).collect();
        let golden = Golden {
            x: x.iter().map(wide).collect(),
            names: graph.tasks.iter().map(|t| t.name.clone()).collect(),
            tasks,
        };
        let rows: Vec<Vec<f64>> = few(golden.x.len()).map(|r| golden.x[r].clone()).collect();
        space.local = Wiring::new(&space, &graph).alone;
        for task in &mut space.local {
            // Gates and towers that are asked together are answered together.
            task.retain(|q| {
                let question = &space.asked[*q].question;
                question.topic == Topic::Output
                    || (apart && matches!(question.part, Part::Gates | Part::Towers))
            });
        }
        let own: Vec<Vec<Move>> = (0..golden.tasks.len())
            .map(|t| space.combinations(t))
            .collect();
        let space = Rc::new(space);
        Ok(Self {
            few: Trial::new(&space, weights, &rows)?,
            space,
            golden,
            weights,
            tried: HashSet::new(),
            each: own.iter().map(Vec::len).max().unwrap_or(1),
            own,
        })
    }

    /// Tries a hypothesis on the few rows, if it is new.
    fn consider(&mut self, arena: usize, answers: Answers, found: &mut Found) {
        if !self.tried.insert(answers.clone()) {
            return;
        }
        found.tried += self.each;
        // Beyond what the nearest so far is off, it does not matter how far.
        let enough = found
            .nearest
            .as_ref()
            .map_or(f64::INFINITY, Candidate::worst);
        let Some(candidate) = self.score(arena, answers, enough.max(TOLERANCE)) else {
            return;
        };
        let key = |c: &Candidate| (c.fitting(), -c.worst());
        if found
            .nearest
            .as_ref()
            .is_none_or(|n| key(&candidate) > key(n))
        {
            found.nearest = Some(candidate.clone());
        }
        if candidate.worst() <= TOLERANCE {
            found.fits.push(candidate);
        }
    }

    /// How far a hypothesis is off on the few rows; `None` where a task is off by more than
    /// `enough`, or where it is no model.
    fn score(&mut self, arena: usize, mut answers: Answers, enough: f64) -> Option<Candidate> {
        let mut tasks = Vec::with_capacity(self.golden.tasks.len());
        for task in 0..self.golden.tasks.len() {
            let mut off = f64::INFINITY;
            let mut best = answers.clone();
            for combination in 0..self.own[task].len() {
                let tried = after(&answers, &self.own[task][combination]);
                let distance = self.off(task, &tried).unwrap_or(f64::INFINITY);
                // The likeliest of those that are as near as the framework's rounding.
                if distance < off && off > NOISE {
                    (off, best) = (distance, tried);
                }
            }
            answers = best;
            if off > enough || !off.is_finite() {
                return None;
            }
            tasks.push(off);
        }
        Some(Candidate {
            arena,
            answers,
            tasks,
        })
    }

    fn off(&mut self, task: usize, answers: &[u8]) -> Result<f64, ModelError> {
        let made = self.few.task(task, answers)?;
        let golden = &self.golden.tasks[task];
        let rows = few(golden.len()).map(|r| &golden[r]);
        Ok(made
            .iter()
            .zip(rows)
            .map(|(made, golden)| distance(made, golden))
            .fold(0.0, f64::max))
    }
}

/// The few rows of so many: spread over all of them.
fn few(rows: usize) -> impl Iterator<Item = usize> {
    let count = rows.min(FEW);
    (0..count).map(move |i| i * rows / count.max(1))
}

/// `|a − b| / max(1, |b|)` at worst; infinite where a number is not finite.
fn distance(made: &[f64], golden: &[f32]) -> f64 {
    let one = |(made, golden): (&f64, &f32)| {
        let golden = f64::from(*golden);
        let off = (made - golden).abs() / golden.abs().max(1.0);
        if off.is_finite() { off } else { f64::INFINITY }
    };
    made.iter().zip(golden).map(one).fold(0.0, f64::max)
}
