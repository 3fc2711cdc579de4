//! The space of answers: what may be chosen, how likely each choice is, and what to try after what.

use crate::error::ModelError;
use crate::graph::assemble::assemble;
use crate::import::Weights;
use crate::plan::Plan;
use crate::plan::open::{At, Choice, Habits, Question, Topic, questions};

use super::trial::Answers;

/// How many plans are looked into that differ in what a vector is or in what rows hold.
const MOST_SPACES: usize = 96;

/// How many combinations of a single task's answers are tried as a whole.
const COMBINATIONS: usize = 1024;

/// A question with everything that may be answered.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) question: Question,
    /// The likeliest first; what is assumed is the first of all.
    pub(super) choices: Vec<Choice>,
}

/// A plan whose questions can be answered independently of each other.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) plan: Plan,
    pub(super) asked: Vec<Asked>,
    /// Where the search starts: everything as assumed, as far as the graph can hold that.
    pub(super) first: Answers,
    /// What was answered before, because other questions hang on it: the question and the choice.
    pub(super) settled: Vec<(Question, Choice)>,
    /// How unlikely these answers are.
    pub(super) cost: f64,
    /// Answers that the graph has no form for, in words.
    pub(super) lacking: Vec<String>,
    /// For each task the questions that are answered for it alone: they change no other task.
    pub(super) local: Vec<Vec<usize>>,
}

/// One step away from some answers: these questions, answered so.
pub(super) type Move = Vec<(usize, u8)>;

/// The spaces that a plan opens, the likeliest first. What a vector is (a slope, or the gains of
/// some norm) and what rows hold decides which questions there are besides, so each of these
/// answers is a space of its own. With `apart` every gate and tower is asked for itself.
pub(super) fn spaces(plan: &Plan, habits: &Habits, apart: bool) -> Vec<Space> {
    let mut open = vec![(plan.clone(), Vec::new(), 0.0)];
    let mut done = Vec::new();
    while let Some((plan, settled, cost)) = open.pop() {
        let asked = questions(&plan, habits);
        let structural =
            |q: &&Question| matches!(q.topic, Topic::Before | Topic::Front | Topic::NormKind);
        if let Some(question) = asked.iter().find(structural) {
            for (rank, choice) in all_choices(question).into_iter().enumerate() {
                let mut plan = plan.clone();
                question.apply(&mut plan, &choice);
                let mut settled: Vec<(Question, Choice)> = settled.clone();
                settled.push((question.clone(), choice));
                open.push((plan, settled, cost + price(rank)));
            }
        } else if done.len() < 4 * MOST_SPACES {
            done.push(Space::new(plan, split(asked, apart), settled, cost));
        }
    }
    done.sort_by(|a, b| a.depth().cmp(&b.depth()).then(a.cost.total_cmp(&b.cost)));
    done.truncate(MOST_SPACES);
    done
}

/// What is assumed, and everything else.
fn all_choices(question: &Question) -> Vec<Choice> {
    let assumed = question.assumed.iter();
    assumed.chain(&question.others).cloned().collect()
}

/// How unlikely the answer of this rank is.
fn price(rank: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a handful of choices")]
    let rank = rank as f64;
    if rank == 0.0 { 0.0 } else { 1.0 + rank / 64.0 }
}

impl Space {
    fn new(plan: Plan, asked: Vec<Question>, settled: Vec<(Question, Choice)>, cost: f64) -> Self {
        let asked: Vec<Asked> = asked
            .into_iter()
            .map(|question| Asked {
                choices: all_choices(&question),
                question,
            })
            .collect();
        Self {
            plan,
            first: vec![0; asked.len()],
            asked,
            settled,
            cost,
            lacking: Vec::new(),
            local: Vec::new(),
        }
    }

    /// The plan with these answers; no doubt is left in it.
    pub(super) fn plan_of(&self, answers: &[u8]) -> Plan {
        let mut plan = self.plan.clone();
        for (asked, answer) in self.asked.iter().zip(answers) {
            if let Some(choice) = asked.choices.get(usize::from(*answer)) {
                asked.question.apply(&mut plan, choice);
            }
        }
        plan
    }

    /// Leaves out answers that no graph can hold, such as a function that the engine does not
    /// have; `step` hears of each trial.
    ///
    /// # Errors
    ///
    /// What keeps every likely answer from being a model.
    pub(super) fn make_possible(
        &mut self,
        weights: &Weights,
        mut step: impl FnMut(),
    ) -> Result<(), ModelError> {
        let mut tried = |space: &Self, answers: &[u8]| {
            step();
            assemble(&space.plan_of(answers), weights.clone(), false)
                .map(|a| (a.graph.width(0), a.graph.tasks.len()))
        };
        if let Err(why) = tried(self, &self.first) {
            let first = self.first.clone();
            let near = self.singles(&first).into_iter().map(|m| after(&first, &m));
            self.first = near
                .into_iter()
                .find(|answers| tried(self, answers).is_ok())
                .ok_or(why)?;
        }
        for q in 0..self.asked.len() {
            let mut possible = Vec::new();
            for c in 0..self.asked[q].choices.len() {
                let answer = place(c);
                let answers = after(&self.first, &[(q, answer)]);
                let made = if answer == self.first[q] {
                    Ok(())
                } else {
                    tried(self, &answers).map(|_| ())
                };
                match made {
                    Ok(()) => possible.push(c),
                    Err(ModelError::Unsupported { .. }) => {
                        let words = self.asked[q].choices[c].words();
                        if !self.lacking.contains(&words) {
                            self.lacking.push(words);
                        }
                    }
                    Err(_) => {}
                }
            }
            let start = possible.iter().position(|c| place(*c) == self.first[q]);
            let asked = &mut self.asked[q];
            asked.choices = possible.iter().map(|c| asked.choices[*c].clone()).collect();
            self.first[q] = place(start.unwrap_or(0));
        }
        Ok(())
    }

    /// Every other answer to one question that more than one task hears of.
    pub(super) fn shared_singles(&self, from: &[u8]) -> Vec<Move> {
        let mut singles = self.singles(from);
        singles.retain(|m| m.iter().all(|(q, _)| !self.is_local(*q)));
        singles
    }

    /// Every other answer to one question.
    pub(super) fn singles(&self, from: &[u8]) -> Vec<Move> {
        let of = |q: usize| (0..self.asked[q].choices.len()).map(move |c| vec![(q, place(c))]);
        (0..self.asked.len())
            .flat_map(of)
            .filter(|m| after(from, m) != from)
            .collect()
    }

    /// One function for several parts: people set it once for experts, gates and towers, for the
    /// hidden layers alone or for the last ones as well.
    pub(super) fn shared(&self) -> Vec<Move> {
        let activations: Vec<usize> = (0..self.asked.len())
            .filter(|q| self.is_activation(*q) && !self.is_local(*q))
            .collect();
        let mut values: Vec<&Choice> = Vec::new();
        for q in &activations {
            for choice in &self.asked[*q].choices {
                if !values.contains(&choice) {
                    values.push(choice);
                }
            }
        }
        // All subsets of a few questions; of many, the whole and what one topic or part shares.
        let subsets: Vec<Vec<usize>> = if activations.len() <= 5 {
            (1_usize..1 << activations.len())
                .map(|mask| {
                    let chosen = activations.iter().enumerate();
                    chosen
                        .filter(|(i, _)| mask >> i & 1 == 1)
                        .map(|(_, q)| *q)
                        .collect()
                })
                .collect()
        } else {
            let question = |q: &usize| &self.asked[*q].question;
            let mut subsets = vec![activations.clone()];
            for q in &activations {
                let (topic, part) = (question(q).topic, question(q).part);
                let by = |keep: &dyn Fn(&Question) -> bool| {
                    let all = activations.iter().filter(|q| keep(question(q)));
                    all.copied().collect::<Vec<_>>()
                };
                subsets.push(by(&|other| other.topic == topic));
                subsets.push(by(&|other| other.part == part));
            }
            subsets
        };
        let mut moves: Vec<Move> = Vec::new();
        for value in values {
            for subset in subsets.iter().filter(|s| s.len() > 1) {
                let one: Option<Move> = subset
                    .iter()
                    .map(|q| {
                        let choices = &self.asked[*q].choices;
                        Some((*q, place(choices.iter().position(|c| c == value)?)))
                    })
                    .collect();
                moves.extend(one.filter(|m| !moves.contains(m)));
            }
        }
        moves
    }

    fn is_activation(&self, q: usize) -> bool {
        matches!(
            self.asked[q].question.topic,
            Topic::Activation | Topic::LastActivation
        )
    }

    /// Whether a question is answered for a task of its own.
    fn is_local(&self, q: usize) -> bool {
        self.local.iter().any(|task| task.contains(&q))
    }

    /// The combinations of a task's own answers, the likeliest first: all of them, or, where these
    /// are too many, up to two changes.
    pub(super) fn combinations(&self, task: usize) -> Vec<Move> {
        let local = self.local.get(task).map_or(&[][..], Vec::as_slice);
        let choices = |q: usize| (0..self.asked[q].choices.len()).map(place);
        let all: usize = local.iter().map(|q| self.asked[*q].choices.len()).product();
        let mut made: Vec<Move> = vec![local.iter().map(|q| (*q, self.first[*q])).collect()];
        let changed = |from: &[Move], i: usize| -> Vec<Move> {
            let others = from.iter().flat_map(|m| {
                choices(local[i])
                    .filter(move |c| *c != m[i].1)
                    .map(move |c| {
                        let mut step = m.clone();
                        step[i].1 = c;
                        step
                    })
            });
            others.collect()
        };
        if all <= COMBINATIONS {
            for i in 0..local.len() {
                let more = changed(&made, i);
                made.extend(more);
            }
        } else {
            let first = made.clone();
            for i in 0..local.len() {
                let single = changed(&first, i);
                for j in i + 1..local.len() {
                    made.extend(changed(&single, j));
                }
                made.extend(single);
            }
        }
        let cost = |m: &Move| self.cost_of(&after(&self.first, m));
        made.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
        made
    }

    /// How unlikely these answers are: one for each thing that is not as assumed, where a function
    /// that several parts share counts once, and a little for choices that few people make.
    pub(super) fn cost_of(&self, answers: &[u8]) -> f64 {
        let mut functions: Vec<&Choice> = Vec::new();
        let mut cost = self.cost;
        for (q, (asked, answer)) in self.asked.iter().zip(answers).enumerate() {
            let rank = usize::from(*answer);
            let Some(choice) = asked.choices.get(rank).filter(|_| rank > 0) else {
                continue;
            };
            if asked.question.assumed.is_none() {
                continue;
            }
            if !self.is_activation(q) {
                cost += price(rank);
            } else if functions.contains(&choice) {
                cost += 0.01;
            } else {
                functions.push(choice);
                cost += price(rank);
            }
        }
        cost
    }

    /// How many answers the space itself changes.
    pub(super) fn depth(&self) -> usize {
        self.settled
            .iter()
            .filter(|(q, choice)| q.assumed.as_ref() != Some(choice))
            .count()
    }

    /// How many combinations of answers there are, those of single tasks apart.
    pub(super) fn size(&self) -> f64 {
        let shared = (0..self.asked.len()).filter(|q| !self.is_local(*q));
        #[expect(clippy::cast_precision_loss, reason = "a handful of choices")]
        shared.map(|q| self.asked[q].choices.len() as f64).product()
    }

    /// All combinations of answers, those of single tasks apart, the likeliest first.
    pub(super) fn whole(&self) -> Vec<Answers> {
        let mut all = vec![self.first.clone()];
        for (q, asked) in self.asked.iter().enumerate() {
            if !self.is_local(q) {
                all = all
                    .iter()
                    .flat_map(|a| (0..asked.choices.len()).map(move |c| after(a, &[(q, place(c))])))
                    .collect();
            }
        }
        all.sort_by(|a, b| self.cost_of(a).total_cmp(&self.cost_of(b)));
        all
    }
}

/// The answers after a move.
pub(super) fn after(from: &[u8], step: &[(usize, u8)]) -> Answers {
    let mut to = from.to_vec();
    for (q, answer) in step {
        to[*q] = *answer;
    }
    to
}

/// A choice's place as an answer; nobody offers 256 choices.
fn place(choice: usize) -> u8 {
    u8::try_from(choice).unwrap_or(u8::MAX)
}

/// Takes the questions apart so that each task's output is one of its own, and with `units` each
/// gate's and tower's layers as well.
fn split(questions: Vec<Question>, units: bool) -> Vec<Question> {
    let key = |at: &At| match at {
        At::Task(t) => Some((0, *t)),
        At::Tower(t, _) if units => Some((1, *t)),
        At::Logits(l, g, _) | At::Gate(l, g) if units => Some((2 + *l, *g)),
        _ => None,
    };
    let mut apart: Vec<Question> = Vec::new();
    for question in questions {
        let from = apart.len();
        for at in &question.at {
            let same = apart[from..]
                .iter_mut()
                .find(|q| q.at.first().is_some_and(|first| key(first) == key(at)));
            match same {
                Some(same) => same.at.push(*at),
                None => apart.push(Question {
                    at: vec![*at],
                    ..question.clone()
                }),
            }
        }
    }
    apart
}
